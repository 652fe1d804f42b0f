"""The results of `gallery`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from btxrd_explain.console.next_steps import with_results

if TYPE_CHECKING:
    from btxrd_explain.console.terminal import Terminal
    from btxrd_explain.settings import OutputSettings
    from btxrd_explain.workflows.gallery import GalleryResult


def show_gallery(terminal: Terminal, result: GalleryResult, output: OutputSettings | None = None) -> None:
    """Show which pictures were written."""
    if terminal.json:
        terminal.print_json(json.loads(result.document.read_text("utf-8")))
        return
    rows = []
    for name in result.figures:
        shown, available = result.shown[name], result.available[name]
        rows.append([name, *(f"{shown[o]} of {available[o]}" for o in ("TP", "FP", "FN"))])
    terminal.print_table(["class", "TP", "FP", "FN"], rows)
    for path in result.figures.values():
        terminal.print_file(path)
    if output is not None:
        terminal.print_next(f"btxrd-explain annotate-iou{with_results(output)}")
