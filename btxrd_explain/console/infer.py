"""The results of `infer`."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from btxrd_explain.console.markup import escape
from btxrd_explain.console.next_steps import with_table
from btxrd_explain.console.terminal import number

if TYPE_CHECKING:
    from btxrd_explain.console.terminal import Terminal
    from btxrd_explain.workflows.infer import InferResult


def show_infer(terminal: Terminal, result: InferResult, *, hint: bool = True) -> None:
    """Show images one by one where they were named so, else a summary; as JSON each row was printed as it came."""
    for row in result.failed:
        terminal.failed(row.image_id, row.status, row.error or "")
    if terminal.json:
        return
    names = result.table.provenance.class_names
    if result.table.provenance.synthetic:
        terminal.print("[bold]SYNTHETIC DATA: made-up radiographs and a demo classifier; no medical meaning[/bold]")
    if result.named:
        _show_images(terminal, result, names)
    else:
        _show_summary(terminal, result, names)
    terminal.print_path("table", result.table.path)
    if hint:
        _print_next(terminal, result)


def _show_images(terminal: Terminal, result: InferResult, names: tuple[str, ...]) -> None:
    for row in result.rows:
        if row.predicted is None or row.probabilities is None:
            continue
        scores = "  ".join(f"{escape(n)} {p:.3f}" for n, p in zip(names, row.probabilities, strict=True))
        terminal.print(f"[bold]{escape(row.image_id)}[/bold]  {escape(names[row.predicted])} ({row.confidence:.3f})")
        terminal.print(f"  scores:  {scores}")
        if row.image_id in result.overlays:
            terminal.print_path("  overlay", result.overlays[row.image_id])


def _show_summary(terminal: Terminal, result: InferResult, names: tuple[str, ...]) -> None:
    summary = result.summary()
    terminal.print(f"{len(result.rows)} radiographs, {result.computed} computed now, {len(result.failed)} failed")
    rows = []
    for index, name in enumerate(names):
        cells = [name, str(summary.predicted[index])]
        if summary.labelled:
            cells += [str(sum(summary.confusion[index])), *map(str, summary.confusion[index])]
        rows.append(cells)
    terminal.print_table(["class", "predicted", *(["true", *names] if summary.labelled else [])], rows)
    if summary.labelled:
        terminal.print(
            f"accuracy {number(summary.accuracy)} on {summary.labelled} labelled radiographs; "
            "rows are true, columns predicted"
        )


def _print_next(terminal: Terminal, result: InferResult) -> None:
    """Tell what the table is good for: with labels galleries and scores, with annotations too the evaluation."""
    table = with_table(result.table.path)
    if result.shard_of is not None:
        shards = re.sub(r"-\d+-of-", "-*-of-", result.table.path.name)
        folder, whole = (shlex.quote(str(path)) for path in (result.table.path.parent, result.shard_of))
        terminal.print_next(f"the other shards, then btxrd-explain merge {folder}/{shards} -o {whole}")
    elif result.summary().labelled:
        terminal.print_next(f"btxrd-explain gallery{table}")
        terminal.print_next(f"btxrd-explain performance{table}")
        if result.annotated:
            terminal.print_next(f"btxrd-explain annotate-iou{table}")
    else:
        terminal.print_next(f"btxrd-explain export --to labelme{table}")
