"""The results of `annotate-iou`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape

from btxrd_explain.console.terminal import number

if TYPE_CHECKING:
    from btxrd_explain.console.terminal import Terminal
    from btxrd_explain.workflows.annotate_iou import AnnotateIouResult


def show_annotate_iou(terminal: Terminal, result: AnnotateIouResult) -> None:
    """Show mean IoU overall, by class and by outcome, with what was excluded."""
    if terminal.json:
        terminal.print_json(result.report)
        return
    rows = [
        [name, str(part["n"]), number(part["mean_iou"]), number(part["median_iou"]), number(part["pointing_hits"])]
        for name, part in result.summary_rows()
    ]
    terminal.print_table(["radiographs", "n", "mean IoU", "median", "hits"], rows)
    for reason, count in result.report["summary"]["excluded"].items():
        terminal.print(f"excluded: {count} ({escape(reason)})")
    terminal.print(f"report: {escape(str(result.document))}\npanels: {escape(str(result.figure))}")
