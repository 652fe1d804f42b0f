"""What Python code uses: the commands as functions, and the functions that they are made of.

``btxrd_explain`` lends all of these names. Everything is imported when it is first used. Paths may be text; arrays may
be lists, NumPy arrays or torch tensors. An argument of a wrong kind, shape or range gives a TypeError or a ValueError
of one line; whatever is wrong with a file or a run, an error of :mod:`btxrd_explain.errors`.

A command takes the settings that it takes on the command line as keywords: ``--split-csv`` is ``split_csv=``. Only
``intervene`` takes a network, radiographs and masks instead. Messages name such keywords where those of the command
line name flags. A command that has settings also takes

* ``config``: a YAML file of settings, as ``--config``;
* ``settings``: any other settings by dotted name, such as ``{"output.dpi": 300}``, as ``--set``;
* ``listener``: told of progress (see :class:`btxrd_explain.progress.Listener`); without one, what looks right and may
  be wrong becomes a :class:`~btxrd_explain.finding.FindingWarning`, and progress is not told.

``demo`` and ``merge`` have no settings, and take ``listener`` alone.

Environment variables have no part in them. Keywords win over the file.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from btxrd_explain.progress import AsWarnings, Listener, called_from_python

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from pathlib import Path
    from typing import TypeAlias

    from btxrd_explain.commands.annotate_iou import AnnotateIouResult
    from btxrd_explain.commands.annotate_iou.arrays import evaluate
    from btxrd_explain.commands.check import CheckResult
    from btxrd_explain.commands.compare import CompareResult
    from btxrd_explain.commands.demo import DemoResult
    from btxrd_explain.commands.export import ExportResult
    from btxrd_explain.commands.gallery import GalleryResult
    from btxrd_explain.commands.import_maps import ImportMapsResult
    from btxrd_explain.commands.infer import InferResult
    from btxrd_explain.commands.intervene.arrays import intervene
    from btxrd_explain.commands.layers import LayersResult
    from btxrd_explain.commands.merge import MergeResult
    from btxrd_explain.commands.performance import PerformanceResult
    from btxrd_explain.commands.report import ReportResult
    from btxrd_explain.commands.sanity import SanityResult
    from btxrd_explain.commands.study import StudyResult
    from btxrd_explain.core.methods import Method
    from btxrd_explain.core.metrics.plain import score
    from btxrd_explain.core.selection import select_examples
    from btxrd_explain.core.threshold import compute_cam_iou
    from btxrd_explain.inference.classifier import explain, generate_gradcam, load_classifier
    from btxrd_explain.inference.results import read_predictions
    from btxrd_explain.inputs.annotation_file import load_annotation_mask, read_annotation
    from btxrd_explain.inputs.radiograph import read_radiograph
    from btxrd_explain.outputs.gallery_figure import build_gallery_grid
    from btxrd_explain.outputs.overlay import create_overlay, denormalize_tensor, overlay
    from btxrd_explain.settings import Settings

    Place: TypeAlias = str | os.PathLike[str]

__all__ = [
    "annotate_iou",
    "build_gallery_grid",
    "check",
    "compare",
    "compute_cam_iou",
    "create_overlay",
    "demo",
    "denormalize_tensor",
    "evaluate",
    "explain",
    "export",
    "gallery",
    "generate_gradcam",
    "import_maps",
    "infer",
    "intervene",
    "layers",
    "load_annotation_mask",
    "load_classifier",
    "merge",
    "methods",
    "overlay",
    "performance",
    "read_annotation",
    "read_predictions",
    "read_radiograph",
    "report",
    "sanity",
    "score",
    "select_examples",
    "study",
]

_HOMES = {
    "build_gallery_grid": "outputs.gallery_figure",
    "compute_cam_iou": "core.threshold",
    "create_overlay": "outputs.overlay",
    "denormalize_tensor": "outputs.overlay",
    "evaluate": "commands.annotate_iou.arrays",
    "explain": "inference.classifier",
    "generate_gradcam": "inference.classifier",
    "intervene": "commands.intervene.arrays",
    "load_annotation_mask": "inputs.annotation_file",
    "load_classifier": "inference.classifier",
    "overlay": "outputs.overlay",
    "read_annotation": "inputs.annotation_file",
    "read_predictions": "inference.results",
    "read_radiograph": "inputs.radiograph",
    "score": "core.metrics.plain",
    "select_examples": "core.selection",
}
"""The modules of the functions that are lent, and not written here."""


@called_from_python()
def infer(*inputs: Place, listener: Listener | None = None, **flags: Any) -> InferResult:  # noqa: ANN401 -- any setting
    """Predict images, and fill the predictions table with classes and class-activation grids.

    Args:
        inputs: Images, folders, a split CSV, or a BTXRD root; none where keywords, or the table, name the images.
        listener: Told of progress.
        flags: The flags of ``btxrd-explain infer`` by their names, ``config`` and ``settings``.

    Returns:
        The table, its rows, what failed, and the overlays.

    Raises:
        TypeError: A keyword is unknown.
        SettingsError: A value is wrong.
        BtxrdExplainError: Input, checkpoint, table or output cannot be used.

    >>> infer(chekpoint="best.pt")
    Traceback (most recent call last):
    TypeError: infer() has no keyword 'chekpoint': did you mean 'checkpoint'?
    """
    from btxrd_explain.commands import infer as command  # noqa: PLC0415 -- heavy

    return command.run(_settings("infer", flags, inputs), _told(listener))


@called_from_python()
def gallery(*inputs: Place, listener: Listener | None = None, **flags: Any) -> GalleryResult:  # noqa: ANN401 -- any setting
    """Draw per class a picture grid of true positives, false positives and false negatives.

    Args:
        inputs: Images, folders, a split CSV, or a BTXRD root; none where keywords, or the table, name the images.
        listener: Told of progress.
        flags: The flags of ``btxrd-explain gallery`` by their names, ``config`` and ``settings``.

    Returns:
        The figures, and how many examples each shows.

    Raises:
        TypeError: A keyword is unknown.
        SettingsError: A value is wrong.
        BtxrdExplainError: Table, images or output cannot be used.
    """
    from btxrd_explain.commands import gallery as command  # noqa: PLC0415 -- heavy

    return command.run(_settings("gallery", flags, inputs), _told(listener))


@called_from_python()
def annotate_iou(*inputs: Place, listener: Listener | None = None, **flags: Any) -> AnnotateIouResult | CompareResult:  # noqa: ANN401 -- any setting
    """Score the heat maps of all annotated radiographs, and write report, tables and figures.

    Args:
        inputs: Images, folders, a split CSV, or a BTXRD root; none where keywords, or the table, name the images.
        listener: Told of progress.
        flags: The flags of ``btxrd-explain annotate-iou`` by their names, ``config`` and ``settings``.

    Returns:
        The report, the files, and what was measured image by image; with ``methods`` the comparison.

    Raises:
        TypeError: A keyword is unknown.
        SettingsError: A value is wrong.
        BtxrdExplainError: Table, annotations or output cannot be used.
    """
    from btxrd_explain.commands import annotate_iou as command  # noqa: PLC0415 -- heavy
    from btxrd_explain.commands import compare as comparison  # noqa: PLC0415 -- heavy

    settings = _settings("annotate-iou", flags, inputs)
    run = comparison.run_methods if settings.evaluation.methods else command.run
    return run(settings, _told(listener))


@called_from_python()
def compare(*tables: Place, listener: Listener | None = None, **flags: Any) -> CompareResult:  # noqa: ANN401 -- any setting
    """Compare predictions tables on the images that all of them have, with paired differences.

    Args:
        tables: Predictions tables, two or more; the first is what the others are compared with.
        listener: Told of progress.
        flags: The flags of ``btxrd-explain compare`` by their names, ``config`` and ``settings``.

    Returns:
        The report and the files.

    Raises:
        TypeError: A keyword is unknown.
        SettingsError: A value is wrong.
        BtxrdExplainError: A table, the annotations or the output cannot be used.
    """
    from btxrd_explain.commands import compare as command  # noqa: PLC0415 -- heavy

    settings = _settings("compare", flags)
    return command.run(settings, [_table(table, "tables") for table in tables], _told(listener))


@called_from_python()
def performance(*inputs: Place, listener: Listener | None = None, **flags: Any) -> PerformanceResult:  # noqa: ANN401 -- any setting
    """Score the predictions: accuracy, ROC, precision-recall and calibration, with intervals and figures.

    Args:
        inputs: Images, folders, a split CSV, or a BTXRD root; none where keywords, or the table, name the images.
        listener: Told of progress.
        flags: The flags of ``btxrd-explain performance`` by their names, ``config`` and ``settings``.

    Returns:
        The report and the figures.

    Raises:
        TypeError: A keyword is unknown.
        SettingsError: A value is wrong.
        BtxrdExplainError: Table, labels or output cannot be used.
    """
    from btxrd_explain.commands import performance as command  # noqa: PLC0415 -- heavy

    return command.run(_settings("performance", flags, inputs), _told(listener))


@called_from_python()
def report(*inputs: Place, listener: Listener | None = None, **flags: Any) -> ReportResult:  # noqa: ANN401 -- any setting
    """Write all radiographs, heat maps and scores as one page for the browser.

    Args:
        inputs: Images, folders, a split CSV, or a BTXRD root; none where keywords, or the table, name the images.
        listener: Told of progress.
        flags: The flags of ``btxrd-explain report`` by their names, ``config`` and ``settings``.

    Returns:
        The page, how many radiographs it shows, and what failed.

    Raises:
        TypeError: A keyword is unknown.
        SettingsError: A value is wrong.
        BtxrdExplainError: Table or output cannot be used.
    """
    from btxrd_explain.commands import report as command  # noqa: PLC0415 -- heavy

    return command.run(_settings("report", flags, inputs), _told(listener))


@called_from_python()
def sanity(*inputs: Place, listener: Listener | None = None, **flags: Any) -> SanityResult:  # noqa: ANN401 -- any setting
    """Check whether heat maps depend on what the network learned: random weights, stage by stage.

    Args:
        inputs: Images, folders, a split CSV, or a BTXRD root; none where keywords, or the table, name the images.
        listener: Told of progress.
        flags: The flags of ``btxrd-explain sanity`` by their names, ``config`` and ``settings``.

    Returns:
        The report and the figures.

    Raises:
        TypeError: A keyword is unknown.
        SettingsError: A value is wrong.
        BtxrdExplainError: Input, checkpoint or output cannot be used.
    """
    from btxrd_explain.commands import sanity as command  # noqa: PLC0415 -- heavy

    return command.run(_settings("sanity", flags, inputs), _told(listener))


@called_from_python()
def study(*inputs: Place, listener: Listener | None = None, **flags: Any) -> StudyResult:  # noqa: ANN401 -- any setting
    """Say which maps can be trusted: the criteria of the reference studies, for several methods, in one table.

    Args:
        inputs: Images, folders, a split CSV, or a BTXRD root; none where keywords name the images.
        listener: Told of the cost and of progress.
        flags: The flags of ``btxrd-explain study`` by their names, ``config`` and ``settings``.

    Returns:
        The report and the files.

    Raises:
        TypeError: A keyword is unknown.
        SettingsError: A value is wrong, or no method can explain the network.
        BtxrdExplainError: Input, checkpoint or output cannot be used.
    """
    from btxrd_explain.commands import study as command  # noqa: PLC0415 -- heavy

    return command.run(_settings("study", flags, inputs), _told(listener))


@called_from_python()
def check(*inputs: Place, listener: Listener | None = None, **flags: Any) -> CheckResult:  # noqa: ANN401 -- any setting
    """Audit a data set: files, tables, annotations, copies, and leaks between splits.

    Args:
        inputs: Images, folders, a split CSV, or a BTXRD root; none where keywords, or the table, name the images.
        listener: Told of progress.
        flags: The flags of ``btxrd-explain check`` by their names, ``config`` and ``settings``.

    Returns:
        The findings and the report.

    Raises:
        TypeError: A keyword is unknown.
        SettingsError: A value is wrong.
        BtxrdExplainError: No data set is named, or the report cannot be written.
    """
    from btxrd_explain.commands import check as command  # noqa: PLC0415 -- heavy

    return command.run(_settings("check", flags, inputs), _told(listener))


@called_from_python()
def export(*inputs: Place, listener: Listener | None = None, **flags: Any) -> ExportResult:  # noqa: ANN401 -- any setting
    """Write heat maps for other programs: ``to`` is labelme, coco, masks, npz, tiff or fiftyone.

    Args:
        inputs: Images, folders, a split CSV, or a BTXRD root; none where keywords, or the table, name the images.
        listener: Told of progress.
        flags: The flags of ``btxrd-explain export`` by their names, ``config`` and ``settings``.

    Returns:
        Where the files are, and what failed.

    Raises:
        TypeError: A keyword is unknown.
        SettingsError: A value is wrong.
        BtxrdExplainError: Table or output cannot be used.
    """
    from btxrd_explain.commands import export as command  # noqa: PLC0415 -- heavy

    return command.run(_settings("export", flags, inputs), _told(listener))


@called_from_python()
def layers(network: Place | None = None, *, listener: Listener | None = None, **flags: Any) -> LayersResult:  # noqa: ANN401 -- any setting
    """List the layers that can be explained, with their grids and the best IoU that each grid allows.

    Args:
        network: A checkpoint, or the name of an architecture of timm, which then has random weights; None takes what
            the keywords name.
        listener: Told of progress.
        flags: The flags of ``btxrd-explain layers`` by their names, ``config`` and ``settings``.

    Returns:
        The layers.

    Raises:
        TypeError: A keyword is unknown.
        SettingsError: A value is wrong.
        BtxrdExplainError: The checkpoint or the annotations cannot be used.
    """
    from btxrd_explain.commands import layers as command  # noqa: PLC0415 -- heavy

    named = None if network is None else _text(network)
    return command.run(_settings("layers", flags), _told(listener), network=named)


@called_from_python()
def merge(*parts: Place, output: Place, listener: Listener | None = None) -> MergeResult:
    """Make one predictions table of the shards of a job array, or of the files of a folder.

    Args:
        parts: Tables: Parquet files, or folders of them, of one run; also by their URLs.
        output: The table to write.
        listener: Told of progress.

    Returns:
        The table, and how many of its rows failed.

    Raises:
        TypeError: A path is neither text nor a path.
        SettingsError: No part is named, as where a pattern finds no file.
        BtxrdExplainError: A part cannot be read or belongs to another run, or the table cannot be written.

    >>> merge(1, output="predictions.parquet")
    Traceback (most recent call last):
    TypeError: parts: expected a path as text or pathlib.Path, got 1
    """
    from btxrd_explain.commands import merge as command  # noqa: PLC0415 -- heavy

    tables = [_table(part, "parts") for part in parts]
    return command.run(tables, _table(output, "output"), _told(listener))


@called_from_python()
def import_maps(maps: Place, *, listener: Listener | None = None, **flags: Any) -> ImportMapsResult:  # noqa: ANN401 -- any setting
    """Make a predictions table of heat maps that another program computed.

    Args:
        maps: A file or a folder of heat maps: ``.npy``, ``.npz``, PNG, TIFF or NIfTI.
        listener: Told of progress.
        flags: The flags of ``btxrd-explain import-maps`` by their names, ``config`` and ``settings``.

    Returns:
        The table, and how many files failed.

    Raises:
        TypeError: A keyword is unknown.
        SettingsError: A value is wrong.
        BtxrdExplainError: Nothing can be imported, or the table cannot be written.
    """
    from btxrd_explain.commands import import_maps as command  # noqa: PLC0415 -- heavy

    return command.run(_path(maps, "maps"), _settings("import-maps", flags), _told(listener))


@called_from_python()
def demo(folder: Place = "btxrd-explain-demo", *, listener: Listener | None = None) -> DemoResult:
    """Write synthetic radiographs, and run infer, gallery, annotate-iou and report on them.

    Args:
        folder: Where everything is written; made if missing.
        listener: Told of progress.

    Returns:
        What was made.

    Raises:
        TypeError: The folder is neither text nor a path.
        OutputError: The folder cannot be written.

    >>> demo(None)
    Traceback (most recent call last):
    TypeError: folder: expected a path as text or pathlib.Path, got None
    """
    from btxrd_explain.commands import demo as command  # noqa: PLC0415 -- heavy

    return command.run(_path(folder, "folder"), _told(listener))


def methods() -> tuple[Method, ...]:
    """Return the methods that ``method`` names, with what each does and costs.

    >>> methods()[0].name
    'gradcam'
    """
    from btxrd_explain.commands import methods as command  # noqa: PLC0415 -- as all commands

    return command.run()


def _settings(command: str, flags: Mapping[str, Any], inputs: tuple[Place, ...] = ()) -> Settings:
    """Return the settings of a command's call."""
    from btxrd_explain.settings.flags import settings_of_call  # noqa: PLC0415 -- pydantic

    named = {"data.inputs": tuple(_text(place) for place in inputs)} if inputs else {}
    return settings_of_call(command, flags, named)


def _told(listener: Listener | None) -> Listener:
    """Return who is told of progress: findings become Python's warnings where no listener is named.

    Raises:
        TypeError: It is not a listener.
    """
    if not isinstance(listener, Listener | None):
        raise TypeError(f"listener: expected a btxrd_explain.progress.Listener, got {listener!r}")
    return AsWarnings() if listener is None else listener


def _path(place: Place, what: str) -> Path:
    from btxrd_explain.core.arrays import checked_path  # noqa: PLC0415 -- NumPy

    return checked_path(place, what).expanduser()


def _table(place: Place, what: str) -> Path:
    """Return the place of a table: a path, or a URL."""
    from btxrd_explain.core.arrays import checked_place  # noqa: PLC0415 -- NumPy
    from btxrd_explain.system.places import is_url, on_this_machine  # noqa: PLC0415 -- with it

    path = on_this_machine(checked_place(place, what))
    return path if is_url(path) else path.expanduser()


def _text(place: Place) -> str:
    from btxrd_explain.core.arrays import checked_path  # noqa: PLC0415 -- NumPy

    return place if isinstance(place, str) and place else str(checked_path(place, "the input"))


def __getattr__(name: str) -> Any:  # noqa: ANN401 -- whatever is lent
    if name not in _HOMES:
        raise AttributeError(f"module 'btxrd_explain' has no attribute {name!r}")
    return getattr(import_module(f"btxrd_explain.{_HOMES[name]}"), name)
