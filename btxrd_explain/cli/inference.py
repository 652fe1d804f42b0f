"""The commands around the network. Each passes settings to one workflow and shows its result."""

import sys
from typing import Annotated

import typer

from btxrd_explain.cli.options import COLOURS, IMAGES, NETWORK, RESULTS, RUN, Json, command, examples
from btxrd_explain.console.choices import show_layers, show_methods
from btxrd_explain.console.infer import show_infer
from btxrd_explain.console.terminal import Terminal
from btxrd_explain.core.methods import METHODS
from btxrd_explain.errors import ExitCode
from btxrd_explain.settings import LoadedSettings

app = typer.Typer()


@app.command(
    epilog=examples(
        "infer IMG000046.jpeg --checkpoint best.pt",
        "infer BTXRD/ --checkpoint best.pt --split-csv split.csv --split test",
        "infer split.csv --images BTXRD/images --checkpoint best.pt --json | jq .class",
        "infer - --checkpoint best.pt < paths.txt",
    )
)
@command(*IMAGES, *NETWORK, *RESULTS, *COLOURS, "output.overlay", *RUN)
def infer(loaded: LoadedSettings, terminal: Terminal) -> ExitCode:
    """Class, confidence and heat maps of images, a folder or a split.

    Fills predictions.parquet, which all commands share. Images that are named one by one also get an overlay.
    """
    from btxrd_explain.workflows import infer as workflow  # noqa: PLC0415 -- heavy

    result = workflow.run(loaded.settings, terminal, stdin=sys.stdin.buffer)
    show_infer(terminal, result)
    return ExitCode.SOME_FILES_FAILED if result.failed else ExitCode.OK


@app.command(
    epilog=examples(
        "layers best.pt",
        "layers convnext_tiny --image-size 384",
        "layers best.pt --root BTXRD/ --threshold 0.3",
    )
)
@command(
    *NETWORK,
    "data.root",
    "data.images",
    "data.annotations",
    "annotation.threshold",
    "annotation.mask_policy",
    network=Annotated[
        str | None,
        typer.Argument(
            metavar="[CHECKPOINT|ARCH]",
            help="A checkpoint, or the name of an architecture of timm, which then has random weights.",
        ),
    ],
)
def layers(loaded: LoadedSettings, terminal: Terminal, network: str | None) -> ExitCode:
    """List the layers that --target-layer takes, with their grids and the best IoU that each grid allows.

    The ceiling is the mean IoU of the ideal map: the lesion itself, drawn with the cells of the grid. It is measured
    on annotated radiographs where some are named, else on made-up lesions of the size of BTXRD's.
    """
    from btxrd_explain.workflows import layers as workflow  # noqa: PLC0415 -- heavy

    show_layers(terminal, workflow.run(loaded.settings, terminal, network=network))
    return ExitCode.OK


@app.command(epilog=examples("methods"))
def methods(*, json: Json = False) -> None:
    """List the methods that --method takes, with what each does and costs."""
    terminal = Terminal(json=json)

    def run() -> ExitCode:
        show_methods(terminal, METHODS.values())
        return ExitCode.OK

    raise typer.Exit(terminal.guarded(run))
