"""What can be chosen: layers, methods and settings."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from btxrd_explain.console.markup import escape
from btxrd_explain.errors import ExitCode, OutputError
from btxrd_explain.files import write_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from btxrd_explain.console.terminal import Terminal
    from btxrd_explain.core.methods import Method
    from btxrd_explain.settings import Row
    from btxrd_explain.workflows.layers import LayersResult


def show_layers(terminal: Terminal, result: LayersResult) -> None:
    """Show the layers that can be explained; the one in effect is marked."""
    if terminal.json:
        terminal.print_json(asdict(result))
        return
    for note in result.notes:
        terminal.note(note)
    rows = [
        [
            layer.name,
            f"{layer.grid.height} x {layer.grid.width}",
            layer.order,
            "-" if layer.ceiling is None else f"{layer.ceiling:.2f}",
            "in effect" if layer.chosen else "",
        ]
        for layer in result.layers
    ]
    terminal.print_table(["layer", "grid", "order", "IoU ceiling", ""], rows)
    height, width = result.input_size
    terminal.print(
        f"{escape(result.architecture)}, input {height} x {width}. The ceiling is the mean IoU of the ideal map of the "
        f"grid at threshold {result.threshold:g}, on {result.lesions}."
    )


def show_methods(terminal: Terminal, methods: Iterable[Method]) -> None:
    """Show the methods, with what each does and costs."""
    if terminal.json:
        terminal.print_json([asdict(method) for method in methods])
        return
    rows = [[method.name, method.cost, method.summary, method.source] for method in methods]
    terminal.print_table(["method", "forward passes", "what it does", "source"], rows)


def show_settings(
    terminal: Terminal, rows: Iterable[Row], values: Mapping[str, Any], origins: Mapping[str, str]
) -> None:
    """Show the settings in effect and where each came from."""
    if terminal.json:
        terminal.print_json({"settings": values, "origins": dict(origins)})
        return
    terminal.print_table(["setting", "value", "from"], rows)


def write_template(terminal: Terminal, path: Path, text: str, *, force: bool) -> ExitCode:
    """Write the settings template; an existing file stays unless forced."""
    if path.exists() and not force:
        raise OutputError(f"'{path}' exists", hint="name another file, or give --force")
    write_bytes(path, text.encode())
    terminal.print_path("settings", path)
    terminal.print_next(f"btxrd-explain infer BTXRD/ --config {shlex.quote(str(path))}  (after editing it)")
    return ExitCode.OK
