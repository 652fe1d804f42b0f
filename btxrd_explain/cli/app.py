"""The application: the commands of the modules beside this one under one name."""

import sys
from typing import Annotated

import typer

from btxrd_explain.cli import analysis, check, config, demo, inference, merge, report, sanity

app = typer.Typer(
    name="btxrd-explain",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Show where a bone-tumour X-ray classifier looks, and measure whether it looks at the tumour.",
    epilog="Start with [bold]btxrd-explain demo[/bold]. "
    "Exit codes: 0 all good, 1 some files failed or check found something, 2 usage or settings, 3 checkpoint, 4 input, "
    "5 predictions table, 6 output, 7 cluster, 70 unexpected, 130 interrupted.",
)
for group in (check.app, inference.app, analysis.app, sanity.app, report.app, merge.app, demo.app):
    app.add_typer(group)
app.add_typer(config.app, name="config", rich_help_panel="Settings")


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version  # noqa: PLC0415 -- takes long to import, and only this needs it

        sys.stdout.write(f"btxrd-explain {version('btxrd-explain')}\n")
        raise typer.Exit


@app.callback()
def root(
    *,
    _show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Show where a bone-tumour X-ray classifier looks, and measure whether it looks at the tumour."""
