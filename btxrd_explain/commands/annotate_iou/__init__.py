"""Heat maps against expert annotations: every annotated radiograph is scored, and every exclusion has its reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from btxrd_explain.commands.annotate_iou.markdown import write_markdown
from btxrd_explain.commands.annotate_iou.metrics_table import write_metrics
from btxrd_explain.commands.annotate_iou.readers import draw_readers, write_readers
from btxrd_explain.errors import InputError
from btxrd_explain.evaluation.comparators import comparators_of
from btxrd_explain.evaluation.decisions import decisions_of
from btxrd_explain.evaluation.evaluate import Evaluation, evaluate
from btxrd_explain.evaluation.extent import extent_of, read_columns, tune
from btxrd_explain.evaluation.file_set import with_relative_places, write_set
from btxrd_explain.evaluation.parts import LeftOut
from btxrd_explain.evaluation.protocol import protocol_of
from btxrd_explain.evaluation.readers import readers_of
from btxrd_explain.evaluation.report import (
    attention_patterns,
    build_report,
    describe_protocol,
    excluded_images,
    sample_of,
)
from btxrd_explain.evaluation.score import advice_on
from btxrd_explain.inference.selection import are_gone, keep_pictures, select_to_evaluate
from btxrd_explain.progress import Failures, Listener
from btxrd_explain.system.files import with_relative_paths, write_bytes
from btxrd_explain.system.locks import alone

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from btxrd_explain.evaluation.extent import Extent
    from btxrd_explain.evaluation.parts import Part
    from btxrd_explain.evaluation.schema import Report, SliceSummary
    from btxrd_explain.settings import Settings

DOCUMENT = "annotation_report.json"


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

    report: Report
    document: Path
    figure: Path | None
    files: Mapping[str, Path]
    evaluation: Evaluation

    def summary_rows(self) -> Iterator[tuple[str, SliceSummary]]:
        """Yield the parts of the summary by name: overall, by class, by outcome, and what was asked for."""
        summary = self.report.summary
        yield "all", summary.overall
        for parts in (summary.by_class, summary.by_outcome, summary.by_lesion_size):
            yield from parts.items()
        for column, values in summary.by_metadata.items():
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
    selected, readers = readers_of(settings, select_to_evaluate(settings, listener), listener)
    keep_pictures(selected, settings.output.directory / f"annotation_comparison.{settings.output.format}")
    comparators = comparators_of(settings, selected, listener)
    columns = read_columns(settings, selected, listener)
    decisions = decisions_of(settings, selected, listener)
    protocol = protocol_of(settings, selected.table.provenance.class_names, decisions)
    groups = columns.get(settings.evaluation.group_column or "")
    tuned = tune(settings, selected, protocol, listener, groups=groups)
    average = None if tuned is None else tuned.average
    chosen = protocol if tuned is None else tuned.protocol
    evaluation = evaluate(selected, chosen, listener, average=average, readers=readers, comparators=comparators)
    if not any(score.iou is not None for score in evaluation.evaluated):
        reasons = Counter(str(score.excluded or score.undefined) for score in evaluation.scores)
        in_words = ", ".join(f"{why.replace('_', ' ')} ({n})" for why, n in reasons.items())
        named = settings.data.annotations is not None
        advice = advice_on(reasons, gone=are_gone(selected), named=named)
        raise InputError(f"no radiograph could be scored: {in_words}", hint=f"nothing was written; {advice}")
    extent = extent_of("annotate-iou", settings, selected, columns, tuned)
    with alone(settings.output.directory / DOCUMENT, listener.note):
        return write_results(evaluation, extent, settings, listener)


def write_results(evaluation: Evaluation, extent: Extent, settings: Settings, listener: Failures) -> AnnotateIouResult:
    """Write tables and figures, and the report that names them last."""
    from btxrd_explain.commands.annotate_iou.figures import draw_charts, draw_comparison  # noqa: PLC0415 -- matplotlib

    folder, selected = settings.output.directory, evaluation.selected
    provenance = selected.table.provenance
    sample = sample_of(evaluation, extent)
    report = build_report(evaluation, sample, extent)
    made = {"protocol": describe_protocol(evaluation, extent).model_dump(mode="json")}
    table, text = write_metrics(
        folder,
        evaluation.scores,
        provenance.class_names,
        columns={name: evaluation.scores.spread(cells) for name, cells in extent.columns.items()},
        metadata=with_relative_places(made, folder) | {"provenance": report.provenance},
        comparators=list(sample.comparators),
    )
    figure = draw_comparison(selected, evaluation.scores, evaluation.protocol, settings, listener)
    files = {"metrics": table, "metrics_csv": text, "summary": folder / "annotation_report.md"}
    files |= {} if figure is None else {"annotation_comparison": figure}
    if evaluation.readers is not None:
        files |= write_readers(folder, evaluation.read, provenance.class_names)
        files |= draw_readers(report, provenance, settings.output)
    files |= draw_charts(sample, report.curve, report.iou_threshold, provenance, settings.output)
    report = report.model_copy(update={"files": {kind: path.name for kind, path in files.items()}})
    write_bytes(files["summary"], with_relative_paths(write_markdown(report), folder).encode())
    document = folder / DOCUMENT
    lists: dict[str, Iterable[Part]] = {
        "excluded_images": excluded_images(evaluation),
        "attention_patterns": attention_patterns(evaluation),
        "failed_images": LeftOut.of(listener.reasons),
    }
    plain = {name: (part.document() for part in parts) for name, parts in lists.items()}
    report = write_set(document, report, files.values(), lists=plain)
    return AnnotateIouResult(report, document, figure, files, evaluation)
