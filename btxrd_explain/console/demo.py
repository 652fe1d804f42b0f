"""The results of `demo`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btxrd_explain.console.annotate_iou import show_annotate_iou
from btxrd_explain.console.gallery import show_gallery
from btxrd_explain.console.infer import show_infer

if TYPE_CHECKING:
    from btxrd_explain.console.terminal import Terminal
    from btxrd_explain.workflows.demo import DemoResult


def show_demo(terminal: Terminal, result: DemoResult) -> None:
    """Show what the demo made, and what to open."""
    if terminal.json:
        terminal.print_json(result.files())
        return
    show_infer(terminal, result.infer, hint=False)
    show_gallery(terminal, result.gallery)
    show_annotate_iou(terminal, result.annotate_iou)
    terminal.print("\n[bold]Open these:[/bold]")
    for path in result.pictures():
        terminal.print_path("  picture", path)
    terminal.print_path("  page for a browser", result.report.page)
    terminal.print_next("btxrd-explain infer BTXRD/ --checkpoint best.pt  (your own radiographs and network)")
