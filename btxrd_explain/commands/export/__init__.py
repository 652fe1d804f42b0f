"""Heat maps for other programs: LabelMe, COCO, PNG masks, NumPy, TIFF, FiftyOne; predictions for spreadsheets."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from btxrd_explain.commands.drawing import file_name_of_image, file_names_of_images
from btxrd_explain.commands.export.images import ImageMaker
from btxrd_explain.commands.export.predictions import predictions_csv
from btxrd_explain.errors import BtxrdExplainError, OutputError, SettingsError
from btxrd_explain.evaluation.decisions import decisions_of
from btxrd_explain.evaluation.file_set import FileHashes, tell_left_over, write_set
from btxrd_explain.evaluation.parts import LeftOut, Part
from btxrd_explain.evaluation.protocol import protocol_of, rule_in_words
from btxrd_explain.inference.selection import select_rows
from btxrd_explain.inputs.dataset import places
from btxrd_explain.outputs.export.item import Folder, Origin, UnexportedError
from btxrd_explain.plain import distinct
from btxrd_explain.progress import Failures, Listener
from btxrd_explain.system.locks import alone
from btxrd_explain.system.places import is_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from btxrd_explain.evaluation.protocol import Protocol
    from btxrd_explain.inference.selection import Selected
    from btxrd_explain.outputs.export.item import ExportedImage, Writer
    from btxrd_explain.predictions.record import Prediction
    from btxrd_explain.settings import Settings

# Which writer serves a format, and where its files go.

_SCALES = {
    "original": "ReLU, upsampled to the radiograph, min-max scaled per image to [0, 1]",
    "input": "ReLU, upsampled to the network's input, min-max scaled per image to [0, 1]",
    "grid": "raw class-activation grid, signed, in units of the class score",
}


def make_writer(selected: Selected, settings: Settings, protocol: Protocol, folder: Folder) -> Writer:
    """Return the writer of the format that the settings name; each is imported only where it is used.

    Args:
        selected: The rows that are exported.
        settings: The settings.
        protocol: What makes a region.
        folder: Where the files go.

    Returns:
        The writer, not yet begun.
    """
    provenance = selected.table.provenance
    wanted = settings.export
    rule = f"{provenance.method} {rule_in_words(protocol.threshold)}"
    origin = Origin(provenance.class_names, rule, provenance.document())
    if wanted.to == "labelme":
        from btxrd_explain.outputs.export.labelme import write_labelme  # noqa: PLC0415 -- OpenCV

        names = _named(selected, ".json", by_stem=True)
        write = partial(write_labelme, origin=origin, tolerance=wanted.tolerance)
        if wanted.beside_images:
            return nullcontext(partial(write, place=_beside))
        return nullcontext(partial(write, place=lambda image: folder.path / names(image), own=folder.path))
    if wanted.to == "coco":
        from btxrd_explain.outputs.export.coco import coco_writer  # noqa: PLC0415 -- pycocotools

        return coco_writer(folder, origin, _coco_images(selected))
    if wanted.to == "masks":
        from btxrd_explain.outputs.export.arrays import write_masks  # noqa: PLC0415 -- OpenCV

        name, classes = _named(selected, ".png", by_stem=True), None
        if wanted.classes == "all":
            folders = (file_name_of_image(each.replace("/", "_"), "").name for each in origin.class_names)
            classes = dict(zip(origin.class_names, distinct(folders), strict=True))
        return nullcontext(partial(write_masks, folder=folder, name=name, classes=classes))
    if wanted.to == "fiftyone":
        from btxrd_explain.outputs.export.fiftyone import fiftyone_writer  # noqa: PLC0415 -- OpenCV

        every = wanted.classes == "all"
        return fiftyone_writer(folder, origin, _named(selected, ".png"), every_class=every, tolerance=wanted.tolerance)
    from btxrd_explain.outputs.export.arrays import npz, tiff, write_arrays  # noqa: PLC0415 -- Pillow

    encode, suffix = (npz, ".npz") if wanted.to == "npz" else (tiff, ".tif")
    name, scale = _named(selected, suffix), _SCALES[wanted.map_size]
    return nullcontext(partial(write_arrays, encode=encode, origin=origin, folder=folder, name=name, scale=scale))


def _beside(image: ExportedImage) -> Path:
    """Return the place next to an image; never ``<stem>.json``, which is where an expert's annotation is looked for."""
    return image.path.with_name(f"{image.path.name}.attention.json")


def _named(selected: Selected, suffix: str, *, by_stem: bool = False) -> Callable[[ExportedImage], Path]:
    """Return what names the file of an image, relative; see :func:`file_names_of_images`.

    Of all images of the table, so that an image's file has the same name however many are exported.
    """
    names = file_names_of_images(_image_ids(selected), suffix, by_stem=by_stem)
    return lambda image: names[image.image_id]


def _image_ids(selected: Selected) -> Iterable[str]:
    ids: list[str] = selected.table.index().column("image_id").to_pylist()
    return ids


def _coco_images(selected: Selected) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and entry of each radiograph.

    File names are paths from the one folder that holds all radiographs of the table: so they are the same whichever of
    them are exported, and two radiographs of one name in two folders never meet.
    """
    everything = [row for row in selected.table.index() if row.size is not None]
    files = places([selected.table.image_path(row) for row in everything])
    file_of = {row.image_id: file for row, file in zip(everything, files, strict=True)}
    for number, row in enumerate(selected.rows, start=1):
        if row.size is not None:
            size = {"height": row.size.height, "width": row.size.width}
            yield row.image_id, {"id": number, "file_name": file_of[row.image_id], **size}


class ExportReport(Part):
    """The content of ``export_<format>.json``: what makes a set of the files of one export."""

    schema_version: Literal[1] = 1
    to: str = Field(description="The format, which is the name of the folder too.")
    exported: int = Field(description="Radiographs in the folder.")
    classes: str = Field(description="Whose heat maps: predicted, true or all.")
    made_of: str = Field(description="Which pixels make a region, or what the values are, in words.")
    sha256: FileHashes
    provenance: dict[str, Any] = Field(description="How the predictions table was made.")
    failed_images: list[LeftOut] = Field(description="Images that were not exported.")


_MUCH = 2**30
"""Bytes of float32 from which the user is told beforehand."""


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What ``export`` wrote.

    Attributes:
        to: The format.
        folder: Where the files are; None where each lies next to its image.
        exported: Number of images that were exported.
        failed: Why the others were not, by ``image_id``.
        images: The folder of the radiographs; None where they are in several, or not on this machine.
    """

    to: str
    folder: Path | None
    exported: int
    failed: dict[str, str]
    images: Path | None


def run(settings: Settings, listener: Listener | None = None) -> ExportResult:
    """Export heat maps, image by image: memory does not grow with their number, and none stops the others.

    Args:
        settings: The settings.
        listener: Told of progress; None is silent.

    Returns:
        What was written.

    Raises:
        SettingsError: No format is named.
        BtxrdExplainError: Table or output cannot be used.
    """
    listener = Failures(listener, strict=settings.run.strict)
    wanted = settings.export
    if wanted.to is None:
        raise SettingsError("no format is named", hint="give --to labelme, coco, masks, npz, tiff, fiftyone or csv")
    selected = select_rows(settings, listener)
    _warn_of_size(selected, settings, listener)
    folder = Folder(settings.output.directory / wanted.to)
    decisions = decisions_of(settings, selected, listener)
    protocol = protocol_of(settings, selected.table.provenance.class_names, decisions)
    maker = ImageMaker(selected, settings, protocol, listener)
    make = maker.maps if wanted.to in {"npz", "tiff"} else maker.regions
    listener.start(f"export to {wanted.to}", len(selected.rows))
    with alone(folder.path, listener.note):
        if wanted.to == "csv":
            folder.write(Path("predictions.csv"), predictions_csv(selected, protocol))
            exported, failed = len(selected.rows), dict[str, str]()
        else:
            with make_writer(selected, settings, protocol, folder) as add:
                exported, failed = _export(selected, lambda row: add(make(row)), listener)
        beside = wanted.to == "labelme" and wanted.beside_images
        result = ExportResult(wanted.to, None if beside else folder.path, exported, failed, _folder_of(selected))
        if wanted.to != "labelme":  # each of its files says by itself how it was made, and is there to be edited
            _mark(folder, result, selected, settings, protocol, listener)
    return result


def _folder_of(selected: Selected) -> Path | None:
    """Return the folder of the radiographs, if all are in one on this machine."""
    folders = {selected.table.image_path(row).parent for row in selected.rows}
    folder = folders.pop() if len(folders) == 1 else None
    return None if folder is None or is_url(folder) else folder


def _export(selected: Selected, export: Callable[[Prediction], None], listener: Listener) -> tuple[int, dict[str, str]]:
    """Export all rows; return how many were, and why the others were not."""
    exported, failed = 0, {}
    for row in selected.table.rows(set(selected.rows.column("image_id").to_pylist())):
        try:
            export(row)
            exported += 1
        except BtxrdExplainError as error:
            if isinstance(error, OutputError) and not isinstance(error, UnexportedError):
                raise  # the disk is full: no other radiograph would do better
            failed[row.image_id] = str(error)
            listener.failed(row.image_id, "failed", str(error))
        listener.advance()
    return exported, failed


def _mark(
    folder: Folder,
    result: ExportResult,
    selected: Selected,
    settings: Settings,
    protocol: Protocol,
    listener: Listener,
) -> None:
    """Write ``export_<format>.json``, with which a mixture of two exports is noticed; tell what is left of another."""
    wanted = settings.export
    report = ExportReport(
        to=result.to,
        exported=result.exported,
        classes=wanted.classes,
        made_of=_made_of(settings, protocol),
        sha256={},
        provenance=selected.table.document(),
        failed_images=LeftOut.of(result.failed),
    )
    document = folder.path.with_name(f"export_{result.to}.json")
    write_set(document, report, folder.sha256)
    tell_left_over(document, folder.sha256, listener)


def _made_of(settings: Settings, protocol: Protocol) -> str:
    wanted = settings.export
    if wanted.to == "csv":
        return "a row per radiograph: label, prediction, what it is worth, and the probability of each class"
    return _SCALES[wanted.map_size] if wanted.to in {"npz", "tiff"} else rule_in_words(protocol.threshold)


def _warn_of_size(selected: Selected, settings: Settings, listener: Listener) -> None:
    """Warn beforehand where arrays of the radiographs' size will fill a disk."""
    wanted = settings.export
    if wanted.to not in {"npz", "tiff"} or wanted.map_size != "original":
        return
    classes = len(selected.table.provenance.class_names) if wanted.classes == "all" else 1
    total = sum(4 * classes * row.size.height * row.size.width for row in selected.rows if row.size is not None)
    if total > _MUCH:
        listener.note(
            f"{total / 2**30:.1f} GiB of float32 before compression; --map-size input or grid takes much less"
        )
