"""The commands that show and write settings."""

from pathlib import Path
from typing import Annotated

import typer

from btxrd_explain.cli.options import Json
from btxrd_explain.console.choices import show_settings, write_template
from btxrd_explain.console.terminal import Terminal
from btxrd_explain.errors import ExitCode
from btxrd_explain.settings import default_yaml, describe, load_settings

app = typer.Typer(help="Print the effective settings, or write a settings file to start from.")


@app.callback(invoke_without_command=True)
def config(
    context: typer.Context,
    *,
    config: Annotated[Path | None, typer.Option(help="YAML file with settings.")] = None,
    assignments: Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE")] = None,
    json: Json = False,
) -> None:
    """Print the effective settings and where each of them came from."""
    if context.invoked_subcommand is not None:
        return
    terminal = Terminal(json=json)

    def run() -> ExitCode:
        loaded = load_settings(config, {}, assignments or ())
        show_settings(terminal, describe(loaded), loaded.settings.model_dump(mode="json"), loaded.origins)
        return ExitCode.OK

    raise typer.Exit(terminal.guarded(run))


@app.command("init")
def config_init(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("btxrd-explain.yaml"),
    *,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write a commented YAML file with all settings and their defaults."""
    terminal = Terminal()
    raise typer.Exit(terminal.guarded(lambda: write_template(terminal, path, default_yaml(), force=force)))
