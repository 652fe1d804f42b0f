"""The results of `compare`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.markup import escape

from btxrd_explain.console.annotate_iou import bounds
from btxrd_explain.console.terminal import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from btxrd_explain.console.terminal import Terminal
    from btxrd_explain.workflows.compare import CompareResult


def show_compare(terminal: Terminal, result: CompareResult) -> None:
    """Show each table beside the first, with the paired difference of every metric."""
    report = result.report
    if terminal.json:
        terminal.print_json(report)
        return
    reference = report["tables"][report["reference"]]
    drawn = report["statistics"]
    terminal.print(escape(f"n = {report['n']}, paired bootstrap over {drawn['units']} {drawn['unit']}"))
    for name, table in report["tables"].items():
        if table["difference"] is None:
            continue
        terminal.print(escape(f"\n{name} against {report['reference']}"))
        rows = [
            [metric, number(reference["means"][metric]["mean"]), number(table["means"][metric]["mean"]), _signed(by)]
            for metric, by in table["difference"].items()
        ]
        terminal.print_table(["metric", "first", "this", "difference [95 %]"], rows)
    terminal.print("* the interval leaves 0 out; not adjusted for the number of metrics")
    for name, table in report["tables"].items():
        if table["only_here"]:
            terminal.print(escape(f"left out: {len(table['only_here'])} images only in {name}"))
    for reason, count in report["excluded"].items():
        terminal.print(escape(f"left out: {count} ({reason})"))
    for method, own in result.methods.items():
        terminal.print_path(f"report of {method}", own.document)
    for path in result.files.values():
        terminal.print_path("file", path)


def _signed(by: Mapping[str, Any]) -> str:
    """Write a difference with its sign and its interval; a star marks an interval without 0."""
    if by["mean"] is None:
        return bounds(by)
    sure = by["low"] is not None and (by["low"] > 0 or by["high"] < 0)
    return f"{'+' if by['mean'] > 0 else ''}{bounds(by)}{' *' if sure else ''}"
