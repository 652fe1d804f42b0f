"""The results of `compare`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from btxrd_explain.console.annotate_iou import bounds
from btxrd_explain.console.markup import escape
from btxrd_explain.console.terminal import number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from btxrd_explain.console.terminal import Terminal
    from btxrd_explain.workflows.compare import CompareResult


def show_compare(terminal: Terminal, result: CompareResult) -> None:
    """Show each table beside the first, with the paired difference of every metric."""
    report = result.report
    if terminal.json:
        terminal.print_json(report)
        return
    reference = report["tables"][report["reference"]]["means"]
    tables, drawn = report["tables"], report["statistics"]
    terminal.print(escape(f"n = {report['n']}, paired bootstrap over {drawn['units']} {drawn['unit']}"))
    rows = [[name, *_bounded(table["means"]["iou"]), str(table["n_undefined"])] for name, table in tables.items()]
    terminal.print_table(["IoU of", "n", "chance", "mean", "ceiling", "undefined"], rows)
    for name, table in tables.items():
        if table["difference"] is None:
            continue
        terminal.print(f"\n{escape(name)} against {escape(report['reference'])}")
        rows = [
            [
                metric,
                str(by["n"]),
                number(reference[metric]["mean"]),
                number(table["means"][metric]["mean"]),
                _signed(by),
            ]
            for metric, by in table["difference"].items()
        ]
        terminal.print_table(["metric", "n", "first", "this", "difference [95 %]"], rows)
    terminal.print("* the interval leaves 0 out; not adjusted for the number of metrics")
    for text in _excluded(report):
        terminal.print(escape(f"excluded: {text}"))
    for method, own in result.methods.items():
        terminal.print_path(f"report of {method}", own.document)
    for path in result.files.values():
        terminal.print_file(path)


def _excluded(report: Mapping[str, Any]) -> Iterator[str]:
    """Say which images are not compared, and why."""
    for name, table in report["tables"].items():
        if table["only_here"]:
            yield f"{len(table['only_here'])} images only in {name}"
    for key, reason in (("changed", "the file is not the same"), ("relabelled", "the true class differs")):
        if report[key]:
            yield f"{len(report[key])} ({reason})"
    for reason, count in report["excluded"].items():
        yield f"{count} ({reason})"


def _bounded(mean: Mapping[str, Any]) -> list[str]:
    """Write n, and a mean between chance and ceiling."""
    return [str(mean["n"]), *(number(mean[of]) for of in ("chance", "mean", "ceiling"))]


def _signed(by: Mapping[str, Any]) -> str:
    """Write a difference with its sign and its interval; a star marks an interval without 0."""
    if by["mean"] is None:
        return bounds(by)
    sure = by["low"] is not None and (by["low"] > 0 or by["high"] < 0)
    return f"{'+' if by['mean'] > 0 else ''}{bounds(by)}{' *' if sure else ''}"
