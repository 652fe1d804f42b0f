"""The results of `report`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from btxrd_explain.console.terminal import Terminal
    from btxrd_explain.workflows.report import ReportResult


def show_report(terminal: Terminal, result: ReportResult) -> None:
    """Show what to open, and what must stay beside it."""
    if terminal.json:
        folder = result.folder and str(result.folder)
        counts = {"images": result.images, "shown": result.shown, "failed": dict(result.failed)}
        terminal.print_json({"page": str(result.page), "folder": folder} | counts)
        return
    terminal.print(f"{result.images} radiographs, {result.shown} with their picture")
    terminal.print_path("open in a browser", result.page)
    if result.folder is not None:
        terminal.print_path("keep beside it", result.folder)
