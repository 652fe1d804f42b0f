"""Heat maps against expert annotations: every annotated radiograph is scored, and every exclusion has its reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from btxrd_explain.errors import InputError
from btxrd_explain.workflows.evaluation.evaluate import Evaluation, evaluate
from btxrd_explain.workflows.evaluation.extent import extent_of, read_columns
from btxrd_explain.workflows.evaluation.protocol import protocol_of
from btxrd_explain.workflows.progress import Failures, Listener
from btxrd_explain.workflows.selection import select_to_evaluate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from btxrd_explain.settings import Settings


@dataclass(frozen=True, slots=True)
class AnnotateIouResult:
    """What ``annotate-iou`` measured and wrote.

    Attributes:
        report: The content of ``annotation_report.json``, but for what it lists of images that are not evaluated.
        document: Path of the report.
        figure: Path of the comparison panels; None where there was nothing to compare.
        files: What else was written, by kind.
        evaluation: What was measured, image by image.
    """

    report: dict[str, Any]
    document: Path
    figure: Path | None
    files: Mapping[str, Path]
    evaluation: Evaluation

    def summary_rows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the parts of the summary by name: overall, by class, by outcome, and what was asked for."""
        summary = self.report["summary"]
        yield "all", summary["overall"]
        for group in ("by_class", "by_outcome", "by_lesion_size"):
            yield from summary[group].items()
        for column, values in summary["by_metadata"].items():
            yield from ((f"{column}: {value}", part) for value, part in values.items())


def run(settings: Settings, listener: Listener | None = None) -> AnnotateIouResult:
    """Score the heat maps of all annotated radiographs, and write tables, figures and the report.

    Args:
        settings: The settings.
        listener: Told of progress; None is silent.

    Returns:
        What was measured.

    Raises:
        InputError: No radiograph can be scored.
        BtxrdExplainError: Table, images or output cannot be used.
    """
    listener = Failures(listener, strict=settings.run.strict)
    selected = select_to_evaluate(settings, listener)
    columns = read_columns(settings, selected, listener)
    protocol = protocol_of(settings, selected.table.provenance.class_names)
    groups = columns.get(settings.evaluation.group_column or "")
    tuned = None
    if settings.annotation.tune_on is not None:
        from btxrd_explain.workflows.evaluation.tuning import tune  # noqa: PLC0415 -- the report's models

        tuned = tune(settings, selected, protocol, listener, groups=groups)
    average = None if tuned is None else tuned.average
    evaluation = evaluate(selected, protocol if tuned is None else tuned.protocol, listener, average=average)
    if not any(score.iou is not None for score in evaluation.evaluated):
        reasons = Counter(score.excluded or score.undefined for score in evaluation.scores)
        raise InputError(
            f"no radiograph could be scored: {', '.join(f'{n} {why}' for why, n in reasons.items())}",
            hint="nothing was written; check --annotations and --split",
        )
    from btxrd_explain.workflows.evaluation.writing import write_results  # noqa: PLC0415 -- the report's models, figures

    written = write_results(evaluation, extent_of(settings, selected, columns, tuned), settings, listener)
    return AnnotateIouResult(written.report, written.document, written.figure, written.files, evaluation)
