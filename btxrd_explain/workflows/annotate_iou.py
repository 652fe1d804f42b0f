"""Heat maps against expert annotations: every annotated radiograph is scored, and every exclusion has its reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from btxrd_explain.core.heatmap import Space
from btxrd_explain.core.masks import MaskPolicy
from btxrd_explain.core.threshold import Operator
from btxrd_explain.files import write_json
from btxrd_explain.workflows.evaluation.labels import check_meanings
from btxrd_explain.workflows.evaluation.panels import draw_comparison
from btxrd_explain.workflows.evaluation.reporting import build_report
from btxrd_explain.workflows.evaluation.scoring import Protocol, Score, score_image
from btxrd_explain.workflows.progress import Listener, Silent
from btxrd_explain.workflows.selection import Selected, select_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from btxrd_explain.settings import Settings


@dataclass(frozen=True, slots=True)
class AnnotateIouResult:
    """What ``annotate-iou`` measured and wrote.

    Attributes:
        report: The content of ``annotation_report.json``.
        document: Path of the report.
        figure: Path of the comparison panels; None where there was nothing to compare.
    """

    report: dict[str, Any]
    document: Path
    figure: Path | None

    def summary_rows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the parts of the summary by name: overall, by class, by outcome."""
        summary = self.report["summary"]
        yield "all", summary["overall"]
        for group in ("by_class", "by_outcome"):
            yield from summary[group].items()


def run(settings: Settings, listener: Listener | None = None) -> AnnotateIouResult:
    """Score the heat maps of all annotated radiographs, and draw the comparison panels.

    Args:
        settings: The settings.
        listener: Told of progress; None is silent.

    Returns:
        What was measured.

    Raises:
        BtxrdExplainError: Table, images or output cannot be used.
    """
    listener = listener or Silent()
    selected = select_rows(settings, listener)
    protocol = _protocol(settings, selected.table.provenance.class_names)
    scores = _score_all(selected, protocol, listener)
    if not any(score.iou is not None for score in scores):
        reasons = Counter(score.excluded or score.undefined for score in scores)
        listener.note(f"no radiograph could be scored: {', '.join(f'{n} {why}' for why, n in reasons.items())}")
    figure = draw_comparison(selected, scores, protocol, settings, listener)
    report = build_report(selected, scores, protocol)
    document = settings.output.directory / "annotation_report.json"
    write_json(document, report)
    return AnnotateIouResult(report, document, figure)


def _protocol(settings: Settings, class_names: Sequence[str]) -> Protocol:
    wanted = settings.annotation
    check_meanings(wanted.meanings, class_names)
    return Protocol(
        threshold=wanted.threshold,
        operator=Operator(wanted.operator),
        space=Space(wanted.space),
        mask_policy=MaskPolicy(wanted.mask_policy),
        target_class=wanted.target_class,
        labels=wanted.meanings,
    )


def _score_all(selected: Selected, protocol: Protocol, listener: Listener) -> list[Score]:
    """Score every selected row, streaming its grids from the table."""
    listener.start("annotations", len(selected.rows))
    wanted = set(selected.rows.column("image_id").to_pylist())
    scores = []
    for row in selected.table.rows(wanted):
        scores.append(score_image(row, selected.table, selected.annotations.get(row.image_id), protocol))
        listener.advance()
    return scores
