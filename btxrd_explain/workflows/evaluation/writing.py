"""What annotate-iou writes once all is scored: tables, figures, and the report that names them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from btxrd_explain.files import write_bytes, write_json
from btxrd_explain.workflows.evaluation.figures import draw_charts
from btxrd_explain.workflows.evaluation.markdown import write_markdown
from btxrd_explain.workflows.evaluation.metrics_table import write_metrics
from btxrd_explain.workflows.evaluation.panels import draw_comparison
from btxrd_explain.workflows.evaluation.report import (
    attention_patterns,
    build_report,
    describe_protocol,
    excluded_images,
    sample_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from btxrd_explain.settings import Settings
    from btxrd_explain.workflows.evaluation.evaluate import Evaluation
    from btxrd_explain.workflows.evaluation.extent import Extent
    from btxrd_explain.workflows.progress import Failures


@dataclass(frozen=True, slots=True)
class Written:
    """What was written.

    Attributes:
        report: The content of the report, but for its lists of images.
        document: Path of the report.
        figure: Path of the comparison panels; None where there was nothing to compare.
        files: What else was written, by kind.
    """

    report: dict[str, Any]
    document: Path
    figure: Path | None
    files: Mapping[str, Path]


def write_results(evaluation: Evaluation, extent: Extent, settings: Settings, listener: Failures) -> Written:
    """Write tables and figures, and the report that names them last."""
    folder, selected = settings.output.directory, evaluation.selected
    provenance = selected.table.provenance
    sample = sample_of(evaluation, extent)
    report = build_report(evaluation, sample, extent)
    made = {"protocol": describe_protocol(evaluation, extent).model_dump(mode="json")}
    table, text = write_metrics(
        folder,
        evaluation.scores,
        provenance.class_names,
        columns=extent.columns,
        metadata=made | {"provenance": provenance.document()},
    )
    figure = draw_comparison(selected, evaluation.scores, evaluation.protocol, settings, listener)
    files = {"metrics": table, "metrics_csv": text, "summary": folder / "annotation_report.md"}
    files |= {} if figure is None else {"annotation_comparison": figure}
    files |= draw_charts(sample, report.curve, report.iou_threshold, provenance, settings.output)
    report = report.model_copy(update={"files": {kind: path.name for kind, path in files.items()}})
    write_bytes(files["summary"], write_markdown(report).encode())
    content = report.model_dump(mode="json", by_alias=True)
    document = folder / "annotation_report.json"
    lists = {"excluded_images": excluded_images(evaluation), "attention_patterns": attention_patterns(evaluation)}
    dumped = {name: (part.model_dump(mode="json", by_alias=True) for part in parts) for name, parts in lists.items()}
    write_json(document, content, lists=dumped | {"failed_images": listener.document()})
    return Written(content, document, figure, files)
