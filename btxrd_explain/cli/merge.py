"""The command that makes one table of several."""

from pathlib import Path
from typing import Annotated

import typer

from btxrd_explain.cli.options import Json, Quiet, Verbose, examples
from btxrd_explain.console.merge import show_merge
from btxrd_explain.console.terminal import Terminal
from btxrd_explain.errors import ExitCode

app = typer.Typer()


@app.command(epilog=examples("merge out/predictions.shard-*.parquet -o out/predictions.parquet"))
def merge(
    parts: Annotated[list[Path], typer.Argument(metavar="PART...", help="Tables: Parquet files, or folders of them.")],
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="The table to write.")] = Path(
        "btxrd-explain-out/predictions.parquet"
    ),
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Make one predictions table of the shards of a job array, or of the files of a folder.

    All of them must come from one run: the same checkpoint, settings and versions, no image twice, no shard missing.
    """
    terminal = Terminal(json=json, quiet=quiet, verbose=verbose)

    def run() -> ExitCode:
        from btxrd_explain.workflows import merge as workflow  # noqa: PLC0415 -- heavy

        result = workflow.run(parts, output, terminal)
        show_merge(terminal, result)
        return ExitCode.SOME_FILES_FAILED if result.failed else ExitCode.OK

    raise typer.Exit(terminal.guarded(run))
