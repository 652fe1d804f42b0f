"""The results of `export`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.markup import escape

if TYPE_CHECKING:
    from btxrd_explain.console.terminal import Terminal
    from btxrd_explain.workflows.export import ExportResult


def show_export(terminal: Terminal, result: ExportResult) -> None:
    """Show how many images were exported and where to, and name those that were not."""
    if terminal.json:
        terminal.print_json(asdict(result) | {"folder": result.folder and str(result.folder)})
        return
    where = "beside the radiographs" if result.folder is None else str(result.folder)
    terminal.print(f"{result.exported} radiographs exported, {len(result.failed)} failed")
    for reason in result.failed.values():
        terminal.print_failure("failed", reason)
    terminal.print(f"{result.to}: {escape(where)}")
