"""The command that writes the page of all results."""

import typer

from btxrd_explain.cli.options import COLOURS, IMAGES, NETWORK, RESULTS, SCORING, command, examples
from btxrd_explain.console.report import show_report
from btxrd_explain.console.terminal import Terminal
from btxrd_explain.errors import ExitCode
from btxrd_explain.settings import LoadedSettings

app = typer.Typer()


@app.command(
    epilog=examples(
        "report BTXRD/ --checkpoint best.pt --split-csv split.csv --split test",
        "report --predictions out/predictions.parquet --layout file",
    )
)
@command(
    *IMAGES,
    *NETWORK,
    *RESULTS,
    *COLOURS,
    *SCORING,
    "report.layout",
    "report.picture_side",
)
def report(loaded: LoadedSettings, terminal: Terminal) -> ExitCode:
    """All radiographs, heat maps and scores as one HTML page that needs no network.

    Uses predictions.parquet; with a checkpoint, inference runs first where the table is missing or stale.
    """
    from btxrd_explain.workflows import report as workflow  # noqa: PLC0415 -- heavy

    result = workflow.run(loaded.settings, terminal)
    show_report(terminal, result)
    return ExitCode.SOME_FILES_FAILED if result.failed else ExitCode.OK
