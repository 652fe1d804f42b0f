"""The commands that look after data sets, tables and settings."""

from pathlib import Path
from typing import Annotated

import typer

from btxrd_explain.cli.once import App
from btxrd_explain.cli.options import Assignments, Config, Json, Quiet, Verbose, command, examples
from btxrd_explain.console.data import show_check, show_import_maps, show_merge
from btxrd_explain.console.network import show_settings, show_template
from btxrd_explain.console.terminal import Terminal
from btxrd_explain.errors import ExitCode
from btxrd_explain.settings import LoadedSettings
from btxrd_explain.settings.flags import FLAGS
from btxrd_explain.system.places import result_place

app = App()


@app.command(
    epilog=examples(
        "check BTXRD/ --split-csv split.csv",
        "check scans/ --group-column patient --metadata patients.csv",
        "check BTXRD/ --json | jq '.findings[].message'",
    )
)
@command(*FLAGS["check"])
def check(loaded: LoadedSettings, terminal: Terminal) -> ExitCode:
    """Audit a data set: files, annotations, copies, leaks of splits.

    Ends with 0 where nothing or only notes are found, with 1 where there are errors or warnings (see --fail-on).
    """
    from btxrd_explain.commands import check as workflow  # noqa: PLC0415 -- heavy

    result = workflow.run(loaded.settings, terminal)
    show_check(terminal, result)
    return ExitCode.SOME_FILES_FAILED if result.failed else ExitCode.OK


@app.command(epilog=examples("merge out/predictions.shard-*.parquet -o out/predictions.parquet", settings=False))
def merge(
    parts: Annotated[
        list[str], typer.Argument(metavar="PART", help="Tables: Parquet files, folders of them, or URLs.")
    ],
    *,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="TABLE", help="The table to write, a file or a URL.")
    ] = "btxrd-explain-out/predictions.parquet",
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """One predictions table of the shards of a job array.

    Or of the files of a folder. All of them must come from one run: the same checkpoint, settings and versions, no
    image twice, no shard missing.
    """
    terminal = Terminal(json=json, quiet=quiet, verbose=verbose)

    def run() -> ExitCode:
        from btxrd_explain.commands import merge as workflow  # noqa: PLC0415 -- heavy

        result = workflow.run([result_place(part) for part in parts], result_place(output), terminal)
        show_merge(terminal, result)
        return ExitCode.SOME_FILES_FAILED if result.failed else ExitCode.OK

    raise typer.Exit(terminal.guarded(run))


@app.command(
    "import-maps",
    epilog=examples(
        "import-maps maps/ --images radiographs/",
        "import-maps maps/ --images images/ --scores probabilities.csv",
        "import-maps maps.npy --ids images.txt --class-names A,B",
    ),
)
@command(
    *(name for name in FLAGS["import-maps"] if name != "data.inputs"),
    maps=Annotated[Path, typer.Argument(metavar="MAPS", help="A file or a folder: .npy, .npz, PNG, TIFF or NIfTI.")],
)
def import_maps(loaded: LoadedSettings, terminal: Terminal, maps: Path) -> ExitCode:
    """A predictions table of heat maps of another program.

    A file is named <image> or <image>_<class>, or is in a folder named like its class. All commands but those that
    need the network then work on the table.
    """
    from btxrd_explain.commands import import_maps as workflow  # noqa: PLC0415 -- heavy

    result = workflow.run(maps, loaded.settings, terminal)
    show_import_maps(terminal, result, loaded)
    return ExitCode.SOME_FILES_FAILED if result.failed else ExitCode.OK


config_app = App(help="Print the effective settings, or write a settings file.")


@config_app.callback(invoke_without_command=True)
def config(
    context: typer.Context,
    *,
    config: Config = None,
    assignments: Assignments = None,
    json: Json = False,
) -> None:
    """Print the effective settings and where each of them came from."""
    if context.invoked_subcommand is not None:
        return
    terminal = Terminal(json=json)

    def run() -> ExitCode:
        from btxrd_explain.commands import config as workflow  # noqa: PLC0415 -- as all commands

        show_settings(terminal, workflow.run(config, assignments or ()))
        return ExitCode.OK

    raise typer.Exit(terminal.guarded(run))


@config_app.command("init")
def config_init(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("btxrd-explain.yaml"),
    *,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write a commented YAML file with all settings and their defaults."""
    terminal = Terminal()

    def run() -> ExitCode:
        from btxrd_explain.commands import config as workflow  # noqa: PLC0415 -- as all commands

        show_template(terminal, workflow.init(path, force=force))
        return ExitCode.OK

    raise typer.Exit(terminal.guarded(run))
