"""Which writer serves a format, and where its files go."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from btxrd_explain.outputs.export.item import Origin
from btxrd_explain.workflows.evaluation.protocol import rule_in_words
from btxrd_explain.workflows.naming import file_name_of_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from btxrd_explain.outputs.export.item import ExportedImage, Writer
    from btxrd_explain.settings import Settings
    from btxrd_explain.workflows.evaluation.protocol import Protocol
    from btxrd_explain.workflows.selection import Selected

_SCALES = {
    "original": "ReLU, upsampled to the radiograph, min-max scaled per image to [0, 1]",
    "input": "ReLU, upsampled to the network's input, min-max scaled per image to [0, 1]",
    "grid": "raw class-activation grid, signed, in units of the class score",
}


def make_writer(selected: Selected, settings: Settings, protocol: Protocol, folder: Path) -> Writer:
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
        from btxrd_explain.outputs.export.labelme import LabelMeWriter  # noqa: PLC0415 -- OpenCV

        place = _beside if wanted.beside_images else _labelme_names(selected, folder)
        return nullcontext(LabelMeWriter(origin, place, tolerance=wanted.tolerance).add)
    if wanted.to == "coco":
        from btxrd_explain.outputs.export.coco import coco_writer  # noqa: PLC0415 -- pycocotools

        return coco_writer(folder, origin, _coco_images(selected))
    if wanted.to == "fiftyone":
        from btxrd_explain.outputs.export.fiftyone import fiftyone_writer  # noqa: PLC0415 -- OpenCV

        every = wanted.classes == "all"
        return fiftyone_writer(folder, origin, _named(".png"), every_class=every, tolerance=wanted.tolerance)
    from btxrd_explain.outputs.export.arrays import ArrayWriter, npz, tiff  # noqa: PLC0415 -- Pillow

    encode, suffix = (npz, ".npz") if wanted.to == "npz" else (tiff, ".tif")
    name = _named(suffix)
    scale = _SCALES[wanted.map_size]
    return nullcontext(ArrayWriter(encode, origin, lambda image: folder / name(image), scale=scale).add)


def _named(suffix: str) -> Callable[[ExportedImage], Path]:
    return lambda image: file_name_of_image(image.image_id, suffix)


def _beside(image: ExportedImage) -> Path:
    """Return the place beside an image; never ``<stem>.json``, which is where an expert's annotation is looked for."""
    return image.path.with_name(f"{image.path.name}.attention.json")


def _labelme_names(selected: Selected, folder: Path) -> Callable[[ExportedImage], Path]:
    """Return the places in a folder: ``<stem>.json``, where LabelMe looks for an image's file.

    Images that share a stem, such as ``a.png`` and ``a.jpeg``, keep their suffixes. Of all images of the table, so that
    an image's file has the same name however many are exported.
    """
    stems = Counter(map(_stem, _image_ids(selected)))

    def place(image: ExportedImage) -> Path:
        name = file_name_of_image(image.image_id, ".json")
        return folder / (name if stems[_stem(image.image_id)] > 1 else name.with_name(f"{Path(name.stem).stem}.json"))

    return place


def _stem(image_id: str) -> str:
    """Return an image's name without its suffix, as file systems compare it that know no case."""
    return str(PurePosixPath(image_id).with_suffix("")).casefold()


def _image_ids(selected: Selected) -> Iterable[str]:
    ids: list[str] = selected.table.index().column("image_id").to_pylist()
    return ids


def _coco_images(selected: Selected) -> Iterator[dict[str, Any]]:
    for number, row in enumerate(selected.rows, start=1):
        if row.size is not None:
            yield {"id": number, "file_name": row.image_id, "height": row.size.height, "width": row.size.width}
