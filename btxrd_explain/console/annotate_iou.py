"""The results of `annotate-iou`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from btxrd_explain.console.markup import escape
from btxrd_explain.console.next_steps import with_results
from btxrd_explain.console.terminal import number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from btxrd_explain.console.terminal import Terminal
    from btxrd_explain.settings import OutputSettings
    from btxrd_explain.workflows.annotate_iou import AnnotateIouResult


def show_annotate_iou(terminal: Terminal, result: AnnotateIouResult, output: OutputSettings | None = None) -> None:
    """Show what a reader asks first: mean IoU, its ceiling, chance, pointing hits, n; then the slices."""
    if terminal.json:
        terminal.print_json(json.loads(result.document.read_text("utf-8")))
        return
    for line in _headline(result.report):
        terminal.print(escape(line))
    rows = [
        [name, str(part["n"]), bounds(part["metrics"]["iou"]), number(part["pointing_hits"])]
        for name, part in result.summary_rows()
    ]
    terminal.print_table(["radiographs", "n", "mean IoU [95 %]", "hits"], rows)
    for reason, count in result.report["summary"]["excluded"].items():
        terminal.print(f"excluded: {count} ({escape(reason)})")
    if result.report["summary"]["overall"]["n_undefined"]:
        terminal.print(f"undefined: {result.report['summary']['overall']['n_undefined']} (counted in no mean)")
    terminal.print_path("report", result.document)
    for path in result.files.values():
        terminal.print_file(path)
    if output is not None:
        terminal.print_next(f"btxrd-explain report{with_results(output)}")
        terminal.print_next(f"btxrd-explain export --to labelme{with_results(output)}")


def bounds(mean: Mapping[str, Any]) -> str:
    """Write a mean with its interval, such as ``0.051 [0.012, 0.105]``."""
    ends = "" if mean["low"] is None else f" [{number(mean['low'])}, {number(mean['high'])}]"
    return f"{number(mean['mean'])}{ends}"


def _headline(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines that lead, each within 80 columns."""
    overall, rule = report["summary"]["overall"], report["protocol"]
    iou, hit = overall["metrics"]["iou"], overall["metrics"]["pointing_hit"]
    yield f"mean IoU {bounds(iou)}   n = {overall['n']}"
    if iou["ceiling"] is not None:
        yield f"ceiling  {bounds(iou['ceiling'])}   an ideal map of {rule['grid'][0]} x {rule['grid'][1]} cells"
    if iou["chance"] is not None:
        yield f"chance   {number(iou['chance'])}   a random grid{_others(iou['baselines'])}"
    yield f"pointing {bounds(hit)}   {round((hit['mean'] or 0) * hit['n'])} of {hit['n']} hit"


def _others(baselines: Mapping[str, Any]) -> str:
    """Write the other baselines, in brackets."""
    others = [f"{name} {number(one['mean'])}" for name, one in baselines.items() if name != "random"]
    return f" ({', '.join(others)})" if others else ""
