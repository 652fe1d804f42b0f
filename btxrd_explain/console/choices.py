"""What can be chosen: layers, methods and settings."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from btxrd_explain.errors import ExitCode, OutputError
from btxrd_explain.files import write_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from btxrd_explain.console.terminal import Terminal
    from btxrd_explain.core.methods import Method
    from btxrd_explain.settings import Row
    from btxrd_explain.workflows.layers import LayerChoice


def show_layers(terminal: Terminal, layers: Iterable[LayerChoice]) -> None:
    """Show the layers that can be explained; the one in effect is marked."""
    if terminal.json:
        terminal.print_json([asdict(layer) for layer in layers])
        return
    rows = [
        [
            layer.name,
            f"{layer.grid.height} x {layer.grid.width}",
            layer.order,
            "in effect" if layer.chosen else "",
        ]
        for layer in layers
    ]
    terminal.print_table(["layer", "grid", "order", ""], rows)


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
    terminal.print(f"settings: {escape(str(path))}")
    return ExitCode.OK
