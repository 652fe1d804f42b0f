"""The commands that work on the predictions table. Each passes settings on and shows the result."""

from typing import Annotated

import typer

from btxrd_explain.cli.once import App
from btxrd_explain.cli.options import command, examples
from btxrd_explain.console.analysis import (
    show_annotate_iou,
    show_compare,
    show_export,
    show_gallery,
    show_performance,
    show_report,
)
from btxrd_explain.console.terminal import Terminal
from btxrd_explain.errors import ExitCode
from btxrd_explain.settings import LoadedSettings
from btxrd_explain.settings.flags import FLAGS
from btxrd_explain.system.places import result_place

app = App()


@app.command(
    epilog=examples(
        "gallery BTXRD/ -c best.pt --split-csv split.csv",
        "gallery -o out --examples-per-class 5",
    )
)
@command(*FLAGS["gallery"])
def gallery(loaded: LoadedSettings, terminal: Terminal) -> ExitCode:
    """Per class a picture of true positives, false positives and false negatives.

    Uses predictions.parquet; with a checkpoint, inference runs first where the table is missing or stale.
    """
    from btxrd_explain.commands import gallery as workflow  # noqa: PLC0415 -- heavy

    show_gallery(terminal, workflow.run(loaded.settings, terminal), loaded)
    return ExitCode.OK


@app.command(
    name="annotate-iou",
    epilog=examples(
        "annotate-iou BTXRD/ -c best.pt --split-csv split.csv",
        "annotate-iou -o out --split test --threshold 0.3",
        "annotate-iou -o out --split test --by center --by frontal",
        "annotate-iou --split test --tune-on split.csv --tune-split val",
        "annotate-iou BTXRD/ -c best.pt --methods gradcam,layercam",
    ),
)
@command(*FLAGS["annotate-iou"])
def annotate_iou(loaded: LoadedSettings, terminal: Terminal) -> ExitCode:
    """Heat maps compared with expert annotations: IoU and more.

    Uses predictions.parquet; with a checkpoint, inference runs first where the table is missing or stale.
    """
    from btxrd_explain.commands import annotate_iou as workflow  # noqa: PLC0415 -- heavy
    from btxrd_explain.commands import compare as comparison  # noqa: PLC0415 -- heavy

    if loaded.settings.evaluation.methods:
        show_compare(terminal, comparison.run_methods(loaded.settings, terminal))
    else:
        show_annotate_iou(terminal, workflow.run(loaded.settings, terminal), loaded)
    return ExitCode.OK


@app.command(
    epilog=examples(
        "compare a/predictions.parquet b/predictions.parquet",
        "compare a.parquet b.parquet --annotations BTXRD/Annotations",
    )
)
@command(
    *FLAGS["compare"],
    tables=Annotated[
        list[str] | None, typer.Argument(metavar="TABLE", help="Predictions tables, two or more.", show_default=False)
    ],
)
def compare(loaded: LoadedSettings, terminal: Terminal, tables: list[str] | None) -> ExitCode:
    """Predictions tables compared with the first, image by image.

    Tables of other checkpoints, layers or methods, with paired differences and intervals. Images that not all
    tables have are named and left out.
    """
    from btxrd_explain.commands import compare as workflow  # noqa: PLC0415 -- heavy

    show_compare(terminal, workflow.run(loaded.settings, [result_place(table) for table in tables or []], terminal))
    return ExitCode.OK


@app.command(
    epilog=examples(
        "performance --predictions out/predictions.parquet",
        "performance BTXRD/ -c best.pt --split-csv split.csv --format pdf",
    )
)
@command(*FLAGS["performance"])
def performance(loaded: LoadedSettings, terminal: Terminal) -> ExitCode:
    """How good the predictions are: accuracy, ROC, calibration.

    All with intervals and figures. Uses predictions.parquet; with a checkpoint, inference runs first where the
    table is missing or stale.
    """
    from btxrd_explain.commands import performance as workflow  # noqa: PLC0415 -- heavy

    show_performance(terminal, workflow.run(loaded.settings, terminal), loaded)
    return ExitCode.OK


@app.command(
    epilog=examples(
        "export --to labelme -o out",
        "export --to npz --classes all --map-size input",
        "export --to coco BTXRD/ -c best.pt --split-csv split.csv",
        "export --to csv -o out",
    )
)
@command(*FLAGS["export"])
def export(loaded: LoadedSettings, terminal: Terminal) -> ExitCode:
    """Heat maps for LabelMe, COCO, NumPy; a table for Excel.

    Uses predictions.parquet; with a checkpoint, inference runs first where the table is missing or stale.
    """
    from btxrd_explain.commands import export as workflow  # noqa: PLC0415 -- heavy

    result = workflow.run(loaded.settings, terminal)
    show_export(terminal, result)
    return ExitCode.SOME_FILES_FAILED if result.failed else ExitCode.OK


@app.command(
    epilog=examples(
        "report BTXRD/ -c best.pt --split-csv split.csv",
        "report -o out --layout file",
    )
)
@command(*FLAGS["report"])
def report(loaded: LoadedSettings, terminal: Terminal) -> ExitCode:
    """All radiographs, heat maps and scores as one page to browse.

    The page is HTML and needs no network. Uses predictions.parquet; with a checkpoint, inference runs first where
    the table is missing or stale.
    """
    from btxrd_explain.commands import report as workflow  # noqa: PLC0415 -- heavy

    result = workflow.run(loaded.settings, terminal)
    show_report(terminal, result)
    return ExitCode.SOME_FILES_FAILED if result.failed else ExitCode.OK
