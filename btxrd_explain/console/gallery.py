"""The results of `gallery`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from btxrd_explain.console.terminal import Terminal
    from btxrd_explain.workflows.gallery import GalleryResult


def show_gallery(terminal: Terminal, result: GalleryResult) -> None:
    """Show which pictures were written."""
    if terminal.json:
        terminal.print_json(json.loads(result.document.read_text("utf-8")))
        return
    rows = []
    for name, path in result.figures.items():
        shown, available = result.shown[name], result.available[name]
        rows.append([name, *(f"{shown[o]} of {available[o]}" for o in ("TP", "FP", "FN")), str(path)])
    terminal.print_table(["class", "TP", "FP", "FN", "picture"], rows)
