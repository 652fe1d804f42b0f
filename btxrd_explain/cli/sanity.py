"""The command that checks the heat maps themselves."""

import typer

from btxrd_explain.cli.options import IMAGES, NETWORK, RESULTS, command, examples
from btxrd_explain.console.sanity import show_sanity
from btxrd_explain.console.terminal import Terminal
from btxrd_explain.errors import ExitCode
from btxrd_explain.settings import LoadedSettings

app = typer.Typer()


@app.command(
    epilog=examples(
        "sanity BTXRD/ --checkpoint best.pt --split-csv split.csv --split test",
        "sanity BTXRD/images --checkpoint best.pt --method layercam --insertion-deletion",
    )
)
@command(
    *IMAGES,
    *NETWORK,
    *RESULTS,
    "sanity.sample",
    "sanity.stages",
    "sanity.random_seed",
    "sanity.insertion_deletion",
    "sanity.steps",
    "sanity.baseline",
)
def sanity(loaded: LoadedSettings, terminal: Terminal) -> ExitCode:
    """Whether the heat maps depend on what the network learned: random weights, stage by stage.

    A map that survives random weights says nothing about the model.
    """
    from btxrd_explain.workflows import sanity as workflow  # noqa: PLC0415 -- heavy

    show_sanity(terminal, workflow.run(loaded.settings, terminal), loaded.settings.output)
    return ExitCode.OK
