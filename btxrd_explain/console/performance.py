"""The results of `performance`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from btxrd_explain.console.markup import escape
from btxrd_explain.console.next_steps import with_results

if TYPE_CHECKING:
    from btxrd_explain.console.terminal import Terminal
    from btxrd_explain.settings import OutputSettings
    from btxrd_explain.workflows.performance import PerformanceResult

_SCORES = {
    "AUROC": "auroc",
    "AP": "average_precision",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "F1": "f1",
}


def show_performance(terminal: Terminal, result: PerformanceResult, output: OutputSettings) -> None:
    """Show the scores of all classes, and of each with its interval."""
    report = result.report
    if terminal.json:
        terminal.print_json(report)
        return
    overall = {
        "accuracy": report["accuracy"],
        "balanced accuracy": report["balanced_accuracy"],
        "macro F1": report["macro_f1"],
        "calibration error": report["calibration"]["calibration_error"],
        "Brier score": report["calibration"]["brier"],
    }
    terminal.print_table(["of all classes", "value", "95 % interval"], [_line(*pair) for pair in overall.items()])
    lines = [
        [f"{name} (n = {part['n']})", score, *_with_interval(part[key]).split(" ", 1)]
        for name, part in report["per_class"].items()
        for score, key in _SCORES.items()
    ]
    terminal.print_table(["class", "score", "value", "95 % interval"], lines)
    for reason, count in report["excluded"].items():
        terminal.print(f"excluded: {count} ({escape(reason)})")
    terminal.print_path("report", result.document)
    for path in result.figures.values():
        terminal.print_file(path)
    terminal.print_next(f"btxrd-explain gallery{with_results(output)}")


def _line(name: str, estimate: dict[str, Any]) -> list[str]:
    return [name, *_with_interval(estimate).split(" ", 1)]


def _with_interval(estimate: dict[str, Any]) -> str:
    """Write an estimate for a table, two digits and its interval."""
    if estimate["value"] is None:
        return "undefined"
    if estimate["low"] is None:
        return f"{estimate['value']:.2f}"
    return f"{estimate['value']:.2f} [{estimate['low']:.2f}, {estimate['high']:.2f}]"
