"""The commands. Each passes settings to one workflow and shows its result; what is heavy is imported inside."""

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from btxrd_explain.cli.options import IMAGES, NETWORK, RESULTS, Json, Quiet, command
from btxrd_explain.console import Terminal
from btxrd_explain.core.methods import METHODS
from btxrd_explain.errors import ExitCode
from btxrd_explain.settings import LoadedSettings, default_yaml, describe, load_settings

app = typer.Typer(
    name="btxrd-explain",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Show where a bone-tumour X-ray classifier looks, and measure whether it looks at the tumour.",
    epilog="Start with [bold]btxrd-explain demo[/bold]. "
    "Exit codes: 0 all good, 1 some files failed, 2 usage or settings, 3 checkpoint, 4 input, 5 predictions table, "
    "6 output, 130 interrupted.",
)
config_app = typer.Typer(help="Print the effective settings, or write a settings file to start from.")
app.add_typer(config_app, name="config", rich_help_panel="Settings")


def _version(value: bool) -> None:
    if value:
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


def _examples(*lines: str) -> str:
    return "Examples:\n\n" + "\n\n".join(f"[dim]$[/dim] btxrd-explain {line}" for line in lines)


@app.command(
    epilog=_examples(
        "infer IMG000046.jpeg --checkpoint best.pt",
        "infer BTXRD/ --checkpoint best.pt --split-csv split.csv --split test",
        "infer split.csv --images BTXRD/images --checkpoint best.pt --json | jq .class",
        "infer - --checkpoint best.pt < paths.txt",
    )
)
@command(*IMAGES, *NETWORK, *RESULTS, "output.overlay")
def infer(loaded: LoadedSettings, terminal: Terminal) -> ExitCode:
    """Class, confidence and heat maps of images, a folder or a split.

    Fills predictions.parquet, which all commands share. Images that are named one by one also get an overlay.
    """
    from btxrd_explain.workflows import infer as workflow  # noqa: PLC0415 -- heavy

    result = workflow.run(loaded.settings, terminal, stdin=sys.stdin.buffer)
    terminal.show_infer(result)
    return ExitCode.SOME_FILES_FAILED if result.failed else ExitCode.OK


@app.command(
    epilog=_examples(
        "gallery BTXRD/ --checkpoint best.pt --split-csv split.csv --split test",
        "gallery --predictions out/predictions.parquet --examples-per-class 5",
    )
)
@command(*IMAGES, *NETWORK, *RESULTS, "gradcam.examples_per_class")
def gallery(loaded: LoadedSettings, terminal: Terminal) -> ExitCode:
    """Per class a picture grid of true positives, false positives and false negatives.

    Uses predictions.parquet; with a checkpoint, inference runs first where the table is missing or stale.
    """
    from btxrd_explain.workflows import gallery as workflow  # noqa: PLC0415 -- heavy

    terminal.show_gallery(workflow.run(loaded.settings, terminal))
    return ExitCode.OK


@app.command(
    name="annotate-iou",
    epilog=_examples(
        "annotate-iou BTXRD/ --checkpoint best.pt --split-csv split.csv --split test",
        "annotate-iou --predictions out/predictions.parquet --threshold 0.3",
    ),
)
@command(
    *IMAGES,
    *NETWORK,
    *RESULTS,
    "annotation.threshold",
    "annotation.target_class",
    "annotation.mask_policy",
    "annotation.space",
    "annotation.panels",
)
def annotate_iou(loaded: LoadedSettings, terminal: Terminal) -> ExitCode:
    """Heat maps against expert annotations: comparison panels and a report with IoU and more.

    Uses predictions.parquet; with a checkpoint, inference runs first where the table is missing or stale.
    """
    from btxrd_explain.workflows import annotate_iou as workflow  # noqa: PLC0415 -- heavy

    terminal.show_annotate_iou(workflow.run(loaded.settings, terminal))
    return ExitCode.OK


@app.command(epilog=_examples("layers --checkpoint best.pt"))
@command(*NETWORK)
def layers(loaded: LoadedSettings, terminal: Terminal) -> ExitCode:
    """List the layers that --target-layer takes, with the size of their grids."""
    from btxrd_explain.workflows import layers as workflow  # noqa: PLC0415 -- heavy

    terminal.show_layers(workflow.run(loaded.settings))
    return ExitCode.OK


@app.command(epilog=_examples("methods"))
def methods(*, json: Json = False) -> None:
    """List the methods that --method takes, with what each does and costs."""
    Terminal(json=json).show_methods(METHODS.values())


@app.command(epilog=_examples("demo", "demo my-folder"))
def demo(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where the demo is written.")] = Path(
        "btxrd-explain-demo"
    ),
    *,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """All of it on SYNTHETIC radiographs with a small model that ships with the package.

    Makes a data set laid out like the BTXRD download and runs infer, gallery and annotate-iou on it.
    """
    terminal = Terminal(json=json, quiet=quiet)

    def run() -> ExitCode:
        from btxrd_explain.workflows import demo as workflow  # noqa: PLC0415 -- heavy

        terminal.show_demo(workflow.run(folder, terminal))
        return ExitCode.OK

    raise typer.Exit(terminal.guarded(run))


@config_app.callback(invoke_without_command=True)
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
        terminal.show_settings(describe(loaded), loaded.settings.model_dump(mode="json"), loaded.origins)
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
    raise typer.Exit(terminal.guarded(lambda: terminal.write_template(path, default_yaml(), force=force)))
