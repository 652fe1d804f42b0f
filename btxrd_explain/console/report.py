"""The results of `report`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape

if TYPE_CHECKING:
    from btxrd_explain.console.terminal import Terminal
    from btxrd_explain.workflows.report import ReportResult


def show_report(terminal: Terminal, result: ReportResult) -> None:
    """Show what to open, and what must stay beside it."""
    if terminal.json:
        folder = result.folder and str(result.folder)
        counts = {"images": result.images, "shown": result.shown}
        terminal.print_json({"page": str(result.page), "folder": folder} | counts)
        return
    terminal.print(f"{result.images} radiographs, {result.shown} with their picture")
    terminal.print(f"open this in a browser: {escape(str(result.page))}")
    if result.folder is not None:
        terminal.print(f"keep this beside it:    {escape(str(result.folder))}")
