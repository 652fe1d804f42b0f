"""The results of `sanity`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from btxrd_explain.console.markup import escape
from btxrd_explain.console.next_steps import with_results
from btxrd_explain.console.terminal import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from btxrd_explain.console.terminal import Terminal
    from btxrd_explain.settings import OutputSettings
    from btxrd_explain.workflows.sanity import SanityResult


def show_sanity(terminal: Terminal, result: SanityResult, output: OutputSettings) -> None:
    """Show the verdict, and how alike the maps stay stage by stage."""
    report = result.report
    if terminal.json:
        terminal.print_json(report)
        return
    rows = [
        [str(index), stage["name"], _interval(stage["spearman"]), _interval(stage["ssim"]), str(stage["n_vanished"])]
        for index, stage in enumerate(report["stages"], 1)
    ]
    rows.append(
        ["", "different images", _interval(report["chance"]["spearman"]), _interval(report["chance"]["ssim"]), ""]
    )
    terminal.print_table(["", "random up to", "Spearman", "SSIM", "vanished"], rows)
    changes = report["insertion_deletion"]
    if changes is not None:
        rows = [
            [kind, *(_interval(changes[kind][name]) for name in ("auc", "auc_random", "difference"))]
            for kind in ("insertion", "deletion")
        ]
        terminal.print_table(["area under", "heat maps", "random maps", "difference"], rows)
    terminal.print(f"[bold]{escape(report['verdict'])}[/bold]")
    for remark in report["remarks"]:
        terminal.print(escape(remark))
    terminal.print_path("report", result.document)
    for figure in result.figures:
        terminal.print_file(figure)
    if output.predictions_path.exists():
        terminal.print_next(f"btxrd-explain annotate-iou{with_results(output)}")


def _interval(estimate: Mapping[str, Any]) -> str:
    """Write an estimate with its interval, short enough for three in a line."""
    if estimate["low"] is None:
        return number(estimate["value"])
    return f"{estimate['value']:.2f} [{estimate['low']:.2f}, {estimate['high']:.2f}]"
