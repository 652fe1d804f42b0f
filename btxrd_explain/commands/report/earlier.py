"""What `annotate-iou` has written into the folder of results, taken over where it says the same as a look now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from btxrd_explain.commands.annotate_iou.metrics_table import MetricsBefore
from btxrd_explain.evaluation.file_set import as_written, read_report, tell_all_mixed, tell_mixed
from btxrd_explain.evaluation.report import (
    build_report,
    describe_protocol,
    evaluated_images,
    excluded_images,
    unit_of,
)
from btxrd_explain.evaluation.schema import Document

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from btxrd_explain.evaluation.evaluate import Evaluation
    from btxrd_explain.evaluation.extent import Extent
    from btxrd_explain.evaluation.sample import Sample
    from btxrd_explain.evaluation.schema import Report
    from btxrd_explain.progress import Listener

_DOCUMENT, _METRICS = "annotation_report.json", "annotation_metrics.parquet"


@dataclass(frozen=True, slots=True)
class Earlier:
    """The files of an earlier `annotate-iou`.

    Attributes:
        folder: The folder of results.
        report: The report; None where there is none that can be read.
        scores: The scores of its images; None where their file is not of the same run, or of another release.
    """

    folder: Path
    report: Document | None = None
    scores: MetricsBefore | None = None

    @classmethod
    def of(cls, folder: Path, listener: Listener) -> Earlier:
        """Look into a folder of results.

        Args:
            folder: The folder.
            listener: Told of a report that is damaged, and of reports of any command that are not of the same run as
                their files.
        """
        tell_all_mixed(folder, listener, but={_DOCUMENT})
        path = folder / _DOCUMENT
        try:
            report = Document.model_validate(read_report(path))
        except FileNotFoundError:
            return cls(folder)
        except (OSError, ValueError):
            listener.note(f"'{path}' is damaged or of another release, and is not taken into account")
            return cls(folder)
        mixed = tell_mixed(path, report.sha256, listener)
        alike = _METRICS in report.sha256 and _METRICS not in mixed
        return cls(folder, report, _scores(folder / _METRICS) if alike else None)

    def find_report(self, evaluation: Evaluation, sample: Sample, extent: Extent, listener: Listener) -> Report:
        """Return the report on disk where it says the same of every radiograph, else one made now.

        The one on disk may know more: baselines take time, and slices by metadata must be asked for.

        Args:
            evaluation: What was measured now.
            sample: Its evaluated images in columns.
            extent: What is reported beyond the scores.
            listener: Told of scores that are taken over, and of a report that does not fit.
        """
        known, taken = self.report, self._tell_taken(evaluation, listener)
        unlike = [] if known is None else list(self._unlike(known, evaluation, extent))
        fits = taken and not unlike
        if known is not None and fits and evaluation.readers is None and not sample.comparators:
            return known
        now = as_written(build_report(evaluation, sample, extent), self.folder)
        if known is None:
            return now
        if fits and now.human in (None, known.human) and _of_comparators(now).items() <= _of_comparators(known).items():
            return known
        listener.note(
            f"'{self.folder / _DOCUMENT}' is not taken into account ({'; '.join(unlike) or 'its scores differ'}); run "
            "'btxrd-explain annotate-iou' with the same settings to have its baselines and slices in the page"
        )
        return now

    def _tell_taken(self, evaluation: Evaluation, listener: Listener) -> bool:
        """Say how many scores are taken over; return False where others had to be measured anew."""
        if self.scores is None:
            return True
        keys = [score.key for score in evaluation.evaluated]
        taken = sum(key in self.scores for key in keys)
        others = len(keys) - taken
        anew = (
            f"; {others} are measured anew, as they are not there with the same map, lesions, settings and releases"
            if others
            else ""
        )
        listener.note(f"{taken} scores are taken from '{self.folder / _METRICS}'{anew}")
        return not others

    def _unlike(self, known: Document, evaluation: Evaluation, extent: Extent) -> Iterator[str]:
        """Yield what keeps the report on disk from being that of the same table, protocol, radiographs and slices.

        Where the annotations were found, and what the baselines were made of, have no part in the scores.
        """
        if known.provenance.get("fingerprint") != evaluation.selected.table.provenance.fingerprint:
            yield "it is of another predictions table"
        before = known.protocol.model_dump()
        rule = as_written(describe_protocol(evaluation, extent), self.folder).model_dump()
        for name, value in before.items():
            if name not in {"average_mask", "annotations"} and value != rule[name]:
                several = isinstance(value, dict | list) or isinstance(rule[name], dict | list)
                said = name.replace("_", " ")
                yield f"another {said}" if several else f"{said} {value}, here {rule[name]}"
        yield from self._other_images(known, evaluation, extent.origin.split or "all")
        if missing := sorted(extent.columns.keys() - known.summary.by_metadata.keys()):
            yield f"no slices by {', '.join(missing)}"
        if extent.group_column is not None and known.statistics.unit != unit_of(extent):
            yield f"intervals over {known.statistics.unit}, here {unit_of(extent)}"

    def _other_images(self, known: Document, evaluation: Evaluation, split: str) -> Iterator[str]:
        """Yield whether other radiographs are scored, or others of what is known of them."""
        evaluated = [as_written(image, self.folder) for image in evaluated_images(evaluation)]
        excluded = [as_written(image, self.folder) for image in excluded_images(evaluation)]
        if {one.image_id for one in known.per_image} != {one.image_id for one in evaluated}:
            before = known.scored.split or "all"
            splits = f" of split {before}, here {len(evaluated)} of split {split}"
            yield f"{len(known.per_image)} evaluated radiographs{splits}"
        elif known.per_image != evaluated or known.excluded_images != excluded:
            yield "other labels, predictions, annotations or scores"


def _scores(path: Path) -> MetricsBefore | None:
    try:
        return MetricsBefore(path)
    except (OSError, ValueError):  # gone, or of another release
        return None


def _of_comparators(report: Report) -> dict[str, float | None]:
    return {name: found.mean for name, found in report.summary.overall.metrics["iou"].comparators.items()}
