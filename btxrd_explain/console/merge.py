"""The results of `merge`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btxrd_explain.console.next_steps import with_table

if TYPE_CHECKING:
    from btxrd_explain.console.terminal import Terminal
    from btxrd_explain.workflows.merge import MergeResult


def show_merge(terminal: Terminal, result: MergeResult) -> None:
    """Show what was merged."""
    if terminal.json:
        terminal.print_json({"table": str(result.table.path), "rows": result.rows, "failed": result.failed})
        return
    terminal.print(f"{result.rows} radiographs, {result.failed} of them without prediction")
    terminal.print_path("table", result.table.path)
    terminal.print_next(f"btxrd-explain gallery{with_table(result.table.path)}")
