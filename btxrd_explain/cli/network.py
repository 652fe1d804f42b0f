"""The commands that run the network. Each passes settings on and shows the result."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from btxrd_explain.cli.once import App
from btxrd_explain.cli.options import Json, Quiet, Verbose, command, examples
from btxrd_explain.console.network import (
    show_demo,
    show_infer,
    show_intervene,
    show_layers,
    show_methods,
    show_sanity,
    show_study,
)
from btxrd_explain.console.terminal import Terminal
from btxrd_explain.errors import ExitCode
from btxrd_explain.settings import LoadedSettings
from btxrd_explain.settings.flags import FLAGS

app = App()


@app.command(
    epilog=examples(
        "infer IMG000046.jpeg --checkpoint best.pt",
        "infer BTXRD/ -c best.pt --split-csv split.csv",
        "infer split.csv --images BTXRD/images -c best.pt",
        "infer - --checkpoint best.pt < paths.txt",
    )
)
@command(*FLAGS["infer"])
def infer(loaded: LoadedSettings, terminal: Terminal) -> ExitCode:
    """Class, confidence and heat maps of images or of a split.

    Fills predictions.parquet, which all commands share. Images that are named one by one also get an overlay.
    """
    from btxrd_explain.commands import infer as workflow  # noqa: PLC0415 -- heavy

    result = workflow.run(loaded.settings, terminal, stdin=sys.stdin.buffer)
    show_infer(terminal, result, loaded)
    return ExitCode.SOME_FILES_FAILED if result.failed else ExitCode.OK


@app.command(
    epilog=examples(
        "layers best.pt",
        "layers convnext_tiny --image-size 384",
        "layers best.pt --root BTXRD/ --threshold 0.3",
    )
)
@command(
    *FLAGS["layers"],
    network=Annotated[
        str | None,
        typer.Argument(
            metavar="CHECKPOINT|ARCH",
            help="A checkpoint, or the name of an architecture of timm, which then has random weights.",
        ),
    ],
)
def layers(loaded: LoadedSettings, terminal: Terminal, network: str | None) -> ExitCode:
    """List the layers for --target-layer, and the best IoU of each.

    The ceiling is the mean IoU of the ideal map: the lesion itself, drawn with the cells of the grid. It is measured
    on annotated radiographs where some are named, else on made-up lesions of the size of BTXRD's.
    """
    from btxrd_explain.commands import layers as workflow  # noqa: PLC0415 -- heavy

    show_layers(terminal, workflow.run(loaded.settings, terminal, network=network))
    return ExitCode.OK


@app.command(epilog=examples("methods", settings=False))
def methods(*, json: Json = False) -> None:
    """List the methods for --method, with what each does and costs."""
    terminal = Terminal(json=json)

    def run() -> ExitCode:
        from btxrd_explain.commands import methods as workflow  # noqa: PLC0415 -- as all commands

        show_methods(terminal, workflow.run())
        return ExitCode.OK

    raise typer.Exit(terminal.guarded(run))


@app.command(
    epilog=examples(
        "sanity BTXRD/ -c best.pt --split-csv split.csv",
        "sanity BTXRD/images -c best.pt --insertion-deletion --stability",
    )
)
@command(*FLAGS["sanity"])
def sanity(loaded: LoadedSettings, terminal: Terminal) -> ExitCode:
    """Whether the heat maps depend on what the network learned.

    Weights become random stage by stage. A map that survives random weights says nothing about the model.
    """
    from btxrd_explain.commands import sanity as workflow  # noqa: PLC0415 -- heavy

    show_sanity(terminal, workflow.run(loaded.settings, terminal), loaded)
    return ExitCode.OK


@app.command(
    epilog=examples(
        "intervene BTXRD/ -c best.pt --split-csv split.csv",
        "intervene BTXRD/ -c best.pt --margins 0,10,25 --by center",
    )
)
@command(*FLAGS["intervene"])
def intervene(loaded: LoadedSettings, terminal: Terminal) -> ExitCode:
    """Take lesions away, and see whether the prediction changes.

    Is a low overlap the classifier's, or the map's? Controls of the same shape are taken away, too. Also clears
    border, background and burnt-in markers. Says for each radiograph whether the map looks at the lesion and
    whether the class depends on it. An interrupted run is resumed.
    """
    from btxrd_explain.commands import intervene as workflow  # noqa: PLC0415 -- heavy

    show_intervene(terminal, workflow.run(loaded.settings, terminal), loaded)
    return ExitCode.OK


@app.command(
    epilog=examples(
        "study BTXRD/ -c a.pt --methods gradcam,layercam",
        "study BTXRD/ -c a.pt --second-checkpoint b.pt",
    )
)
@command(*FLAGS["study"])
def study(loaded: LoadedSettings, terminal: Terminal) -> ExitCode:
    """Which maps can be trusted: five criteria, several methods.

    Localisation, weights, repeatability, reproducibility and intervention, each by a rule stated beforehand. An
    interrupted run is resumed.
    """
    from btxrd_explain.commands import study as workflow  # noqa: PLC0415 -- heavy

    show_study(terminal, workflow.run(loaded.settings, terminal), loaded)
    return ExitCode.OK


@app.command(epilog=examples("demo", "demo my-folder", settings=False))
def demo(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the demo is written.")] = Path(
        "btxrd-explain-demo"
    ),
    *,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Everything on SYNTHETIC radiographs, with a small network.

    Makes a data set laid out like the BTXRD download and runs infer, gallery, annotate-iou and report on it.
    """
    terminal = Terminal(json=json, quiet=quiet, verbose=verbose)

    def run() -> ExitCode:
        from btxrd_explain.commands import demo as workflow  # noqa: PLC0415 -- heavy

        show_demo(terminal, workflow.run(folder, terminal))
        return ExitCode.OK

    raise typer.Exit(terminal.guarded(run))
