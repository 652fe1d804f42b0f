"""The command that needs nothing at hand."""

from pathlib import Path
from typing import Annotated

import typer

from btxrd_explain.cli.options import Json, Quiet, Verbose, examples
from btxrd_explain.console.demo import show_demo
from btxrd_explain.console.terminal import Terminal
from btxrd_explain.errors import ExitCode

app = typer.Typer()


@app.command(epilog=examples("demo", "demo my-folder"))
def demo(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where the demo is written.")] = Path(
        "btxrd-explain-demo"
    ),
    *,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """All of it on SYNTHETIC radiographs with a small model that ships with the package.

    Makes a data set laid out like the BTXRD download and runs infer, gallery and annotate-iou on it.
    """
    terminal = Terminal(json=json, quiet=quiet, verbose=verbose)

    def run() -> ExitCode:
        from btxrd_explain.workflows import demo as workflow  # noqa: PLC0415 -- heavy

        show_demo(terminal, workflow.run(folder, terminal))
        return ExitCode.OK

    raise typer.Exit(terminal.guarded(run))
