"""The formats of annotations: how a file of each is recognised, and what reads it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from btxrd_explain.core.choices import MaskPolicy
from btxrd_explain.core.labels import OF_HEAT_MAP
from btxrd_explain.core.masks import lesion_masks
from btxrd_explain.errors import AnnotationError
from btxrd_explain.finding import Finding
from btxrd_explain.inputs.annotation import SourceKind, check_size
from btxrd_explain.inputs.labelme import read_labelme
from btxrd_explain.untrusted.documents import InvalidDocumentError, load_json, read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from btxrd_explain.core.geometry import Size
    from btxrd_explain.core.masks import LesionRules
    from btxrd_explain.inputs.annotation import Annotation, AnnotationPlace
    from btxrd_explain.inputs.listing import Listing

MASK_SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".npy", ".npz", ".nii", ".nii.gz", ".gif", ".jpg", ".jpeg")
"""Of files that may be masks; what they are their content says."""


def _is_labelme(document: object) -> bool:
    return isinstance(document, dict) and "shapes" in document


def _is_coco(document: object) -> bool:
    from btxrd_explain.inputs.coco import is_coco, is_of_heat_maps  # noqa: PLC0415 -- few runs need it

    return is_coco(document) and not is_of_heat_maps(document)


def _is_via(document: object) -> bool:
    from btxrd_explain.inputs.via import is_via  # noqa: PLC0415 -- few runs need it

    return is_via(document)


def _is_chexlocalize(document: object) -> bool:
    from btxrd_explain.inputs.chexlocalize import is_chexlocalize  # noqa: PLC0415 -- few runs need it

    return is_chexlocalize(document)


_DOCUMENTS: tuple[tuple[SourceKind, Callable[[object], bool]], ...] = (
    (SourceKind.COCO, _is_coco),
    (SourceKind.LABELME, _is_labelme),
    (SourceKind.VIA, _is_via),
    (SourceKind.CHEXLOCALIZE, _is_chexlocalize),
)
"""Formats in JSON, the most particular first."""


def _foreign(document: Any) -> str | None:  # noqa: ANN401 -- parsed JSON
    """Name the program whose JSON is not read."""
    if isinstance(document, list) and document and isinstance(document[0], dict):
        return "Label Studio" if {"annotations", "data"} <= document[0].keys() else None
    if not isinstance(document, dict):
        return None
    marks = {
        "Supervisely": ("objects", "size"),
        "MD.ai": ("datasets", "labelGroups"),
        "VGG VIA 3": ("metadata", "view"),
        "CVAT": ("items", "categories"),
    }
    return next((name for name, keys in marks.items() if all(key in document for key in keys)), None)


@dataclass(frozen=True, slots=True)
class Recognised:
    """What a file is.

    Attributes:
        kind: Its format; None where it is not a known one.
        foreign: The program that wrote it, in a format that is not read; None where that is not known.
    """

    kind: SourceKind | None = None
    foreign: str | None = None


def recognise(path: Path) -> Recognised:
    """Return what a file is by its content; an unreadable one is nothing."""
    suffix = path.suffix.lower()
    try:
        if suffix == ".json":
            return _of_document(path)
        if suffix == ".xml":
            return _of_xml(path)
        if suffix == ".txt":
            from btxrd_explain.inputs.yolo import NAME_FILES, is_yolo  # noqa: PLC0415 -- few runs need it

            is_one = path.name not in NAME_FILES and is_yolo(read_text(path, max_bytes=2**24)[0])
            return Recognised(SourceKind.YOLO if is_one else None)
        if suffix == ".csv":
            return _of_table(path)
    except (InvalidDocumentError, OSError):
        return Recognised()  # said with its image, should it have one
    return Recognised(SourceKind.MASK if path.name.lower().endswith(MASK_SUFFIXES) else None)


def _of_document(path: Path) -> Recognised:
    from btxrd_explain.inputs.coco import MAX_BYTES, MAX_VALUES  # noqa: PLC0415 -- few runs need it

    content = load_json(path, max_bytes=MAX_BYTES, max_values=MAX_VALUES)
    kind = next((kind for kind, is_it in _DOCUMENTS if is_it(content)), None)
    return Recognised(kind, None if kind else _foreign(content))


def _of_xml(path: Path) -> Recognised:
    from btxrd_explain.inputs.voc import read_xml  # noqa: PLC0415 -- few runs need it

    root, _ = read_xml(path)
    return Recognised(
        SourceKind.VOC if root.tag == "annotation" else None, "CVAT" if root.tag == "annotations" else None
    )


def _of_table(path: Path) -> Recognised:
    from btxrd_explain.inputs.box_table import is_box_table  # noqa: PLC0415 -- few runs need it
    from btxrd_explain.inputs.table_file import read_table  # noqa: PLC0415 -- likewise
    from btxrd_explain.inputs.via import VIA_COLUMNS  # noqa: PLC0415 -- likewise

    columns = read_table(path, max_bytes=2**28, header_only=True).columns
    if all(name in columns for name in VIA_COLUMNS):
        return Recognised(SourceKind.VIA)
    return Recognised(SourceKind.BOXES if is_box_table(columns) else None)


SUFFIXES = {
    SourceKind.LABELME: (".json",),
    SourceKind.VOC: (".xml",),
    SourceKind.YOLO: (".txt",),
    SourceKind.MASK: MASK_SUFFIXES,
}
"""Of the formats of a file per image."""
LISTED = (SourceKind.COCO, SourceKind.VIA, SourceKind.CHEXLOCALIZE, SourceKind.BOXES)
"""The formats of one file for many images."""
PREFERRED = (*LISTED[:3], SourceKind.LABELME, SourceKind.VOC, SourceKind.YOLO, SourceKind.BOXES, SourceKind.MASK)
"""Which format a folder is, where files of several lie in it."""


def read_one(path: Path, kind: SourceKind, size: Size | None, *, inverted: bool) -> Annotation:
    """Read the annotation file of one image.

    Raises:
        AnnotationError: The file cannot be read or is invalid, or needs a size that is not known.
    """
    if kind is SourceKind.MASK:
        from btxrd_explain.inputs.mask_image import read_mask_image  # noqa: PLC0415 -- imports OpenCV

        return read_mask_image(path, inverted=inverted)
    if kind is SourceKind.VOC:
        from btxrd_explain.inputs.voc import read_voc  # noqa: PLC0415 -- few runs need it

        return read_voc(path)
    if kind is SourceKind.YOLO:
        from btxrd_explain.inputs.yolo import read_yolo  # noqa: PLC0415 -- few runs need it

        if size is None:
            raise AnnotationError(f"'{path}' does not say how large its image is", hint="give the image's size")
        return read_yolo(path, size)
    annotation = read_labelme(path)
    if any(shape.label.startswith(OF_HEAT_MAP) for shape in annotation.shapes):
        raise AnnotationError(
            f"'{path}' has regions of heat maps, which btxrd-explain exported",
            hint="name the expert's annotations, or give what was drawn by hand another label than 'heat map: ...'",
        )
    return annotation


def cached_listing(path: Path, kind: SourceKind) -> Listing:
    """Read the file of many images once for all of them, as long as it stays the same.

    Raises:
        InputError: It is not of that format.
    """
    stamp = path.stat()
    return _read_listing(path, kind, stamp.st_mtime_ns, stamp.st_size)


@lru_cache(maxsize=32)  # several readers of the same radiographs have a file each
def _read_listing(path: Path, kind: SourceKind, _mtime_ns: int, _size: int) -> Listing:
    if kind is SourceKind.VIA:
        from btxrd_explain.inputs.via import read_via  # noqa: PLC0415 -- few runs need it

        return read_via(path)
    if kind is SourceKind.CHEXLOCALIZE:
        from btxrd_explain.inputs.chexlocalize import read_chexlocalize  # noqa: PLC0415 -- few runs need it

        return read_chexlocalize(path)
    if kind is SourceKind.BOXES:
        from btxrd_explain.inputs.box_table import read_box_table  # noqa: PLC0415 -- few runs need it

        return read_box_table(path)
    from btxrd_explain.inputs.coco import read_coco  # noqa: PLC0415 -- few runs need it

    return read_coco(path)


def read_annotation(place: AnnotationPlace, radiograph: Size | None, *, inverted: bool = False) -> Annotation:
    """Read the annotation of a radiograph.

    Args:
        place: Where it is.
        radiograph: Size of the radiograph, after EXIF rotation; None, for a file of one image, leaves it unchecked.
        inverted: Whether a mask is 0 where the lesions are.

    Returns:
        The annotation, whatever its source.

    Raises:
        AnnotationError: The file cannot be read or is invalid, it annotates an image of another size, or several of its
            annotations may be the radiograph's.
    """
    if place.problem is not None:
        hint = "give each file_name the folders that tell the images apart"
        raise AnnotationError(place.problem, hint=hint if place.kind in LISTED else "keep one of them in the folder")
    if place.kind in LISTED:
        if radiograph is None:
            raise ValueError(f"a {place.kind} file has many images, and is read for one of a known size")
        annotation = cached_listing(place.path, place.kind).read(place.entry, radiograph)
    else:
        annotation = read_one(place.path, place.kind, radiograph, inverted=inverted)
        if annotation.image_size is not None and radiograph is not None:
            check_size(place.path, annotation.image_size, radiograph)
    if _in_fractions(annotation):
        raise AnnotationError(
            f"'{place.path}' gives fractions of the image's sides, where its format has pixels",
            hint="export it again in pixels",
        )
    if place.similar is None:
        return annotation
    found = Finding.of("annotation-name", f"{place.similar} in '{place.path.parent}'")
    return replace(annotation, image_path=None, findings=(found, *annotation.findings))


def _in_fractions(annotation: Annotation) -> bool:
    """Return whether the points of all shapes can only be fractions: none is more than a pixel, and some not whole."""
    points = [value for shape in annotation.shapes for value in shape.points.ravel().tolist()]
    return bool(points) and max(map(abs, points)) <= 1 and any(value % 1 for value in points)


def read_lesions(
    place: AnnotationPlace, radiograph: Size, rules: LesionRules, *, class_name: str | None = None
) -> Iterator[NDArray[np.bool_]]:
    """Read the lesions of a radiograph, one at a time in memory.

    Args:
        place: Where its annotation is.
        radiograph: Size of the radiograph, after EXIF rotation.
        rules: Which shapes are lesions.
        class_name: The class whose heat map they are for; None takes the lesions of all classes.

    Returns:
        Boolean arrays of the radiograph's size, in the order of the file; none without a lesion.

    Raises:
        AnnotationError: The file cannot be read or is invalid, or it annotates an image of another size.
    """
    shapes = read_annotation(place, radiograph, inverted=rules.inverted).shapes
    return lesion_masks(rules.lesions(shapes, class_name), radiograph, MaskPolicy.ALL)
