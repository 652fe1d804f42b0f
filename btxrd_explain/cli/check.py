"""The command that audits a data set."""

import typer

from btxrd_explain.cli.options import command, examples
from btxrd_explain.console.check import show_check
from btxrd_explain.console.terminal import Terminal
from btxrd_explain.errors import ExitCode
from btxrd_explain.settings import LoadedSettings

app = typer.Typer()


@app.command(
    epilog=examples(
        "check BTXRD/ --split-csv split.csv",
        "check scans/ --split-csv split.csv --group-column patient --metadata patients.csv",
        "check BTXRD/ --json | jq '.findings[] | select(.severity == \"error\")'",
    )
)
@command(
    "data.inputs",
    "data.root",
    "data.images",
    "data.annotations",
    "data.split_csv",
    "evaluation.group_column",
    "evaluation.metadata",
    "check.similarity",
    "check.fail_on",
    "output.directory",
)
def check(loaded: LoadedSettings, terminal: Terminal) -> ExitCode:
    """Audit a data set before work starts: files, tables, annotations, copies, and leaks between splits.

    Ends with 0 where nothing or only notes are found, with 1 where there are errors or warnings (see --fail-on).
    """
    from btxrd_explain.workflows import check as workflow  # noqa: PLC0415 -- heavy

    result = workflow.run(loaded.settings, terminal)
    show_check(terminal, result)
    return ExitCode.SOME_FILES_FAILED if result.failed else ExitCode.OK
