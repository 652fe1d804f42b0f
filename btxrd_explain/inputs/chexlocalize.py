"""Files of CheXlocalize: for each image, by its finding, run lengths, or outlines with the image's size."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from btxrd_explain.core.shapes import Shape, ShapeType, shape_of_mask
from btxrd_explain.inputs.annotation import check_size, make_shape, naming, parse_size
from btxrd_explain.inputs.coco import drawn
from btxrd_explain.inputs.listing import PartListing
from btxrd_explain.untrusted.documents import InvalidDocumentError, as_number, load_document, shown

if TYPE_CHECKING:
    from pathlib import Path

    from btxrd_explain.core.geometry import Size

_MAX_BYTES = 2**29
_MAX_VALUES = 20_000_000
_HINT = "name gt_annotations or gt_segmentations of CheXlocalize, or correct the place"
_SIZE = "img_size"


def is_chexlocalize(document: object) -> bool:
    """Return whether a JSON document is meant to be CheXlocalize's."""
    if not isinstance(document, dict) or not document:
        return False
    return all(isinstance(entry, dict) and bool(entry) and _is_entry(entry) for entry in document.values())


def _is_entry(entry: dict[str, Any]) -> bool:
    if _SIZE in entry:
        return all(isinstance(value, list) for value in entry.values())
    return all(isinstance(value, dict) and {"size", "counts"} <= value.keys() for value in entry.values())


def read_chexlocalize(path: Path) -> PartListing:
    """Read a file of CheXlocalize; a lesion is one finding of an image, whatever the number of its outlines.

    Args:
        path: ``gt_segmentations_*.json``, ``gt_annotations_*.json``, or one that a classifier's maps became.

    Raises:
        AnnotationError: The file cannot be read, or is none of these.
    """
    with naming(path, hint=_HINT):
        document, encoding = load_document(path, max_bytes=_MAX_BYTES, max_values=_MAX_VALUES)
        if not isinstance(document, dict) or not is_chexlocalize(document):
            raise InvalidDocumentError("expected images with a finding each, as CheXlocalize writes them")
        listing = PartListing(path, _HINT, encoding)
        for name, entry in document.items():
            parts, stated = listing.parts(name), entry.get(_SIZE)
            for finding, value in entry.items():
                where = f"{shown(name)}.{shown(finding)}"
                if isinstance(value, dict):
                    parts.append(partial(_runs, label=finding, value=value, where=where))
                elif finding != _SIZE:
                    for index, each in enumerate(value):
                        place = f"{where}[{index}]"
                        parts.append(
                            partial(_outline, label=finding, outline=each, where=place, path=path, stated=stated)
                        )
        return listing


def _runs(size: Size, *, label: str, value: dict[str, Any], where: str) -> Shape | None:
    return shape_of_mask(label, drawn(value, size, where))


def _outline(size: Size, *, label: str, outline: object, where: str, path: Path, stated: object) -> Shape:
    if isinstance(stated, list) and len(stated) == 2:
        annotated = parse_size({"height": stated[0], "width": stated[1]}, ("height", "width"), f"{_SIZE}.")
        if annotated is not None:
            check_size(path, annotated, size)
    points = outline if isinstance(outline, list) else [None]
    pairs = [[as_number(number) for number in point] for point in points if isinstance(point, list)]
    if len(pairs) != len(points) or any(len(pair) != 2 or None in pair for pair in pairs):
        raise InvalidDocumentError(f"{where}: expected a list of [x, y] pairs")
    try:
        return make_shape(label, ShapeType.POLYGON, np.array(pairs, dtype=np.float64).reshape(-1, 2), where, group=0)
    except OverflowError as error:
        raise InvalidDocumentError(f"{where}: expected finite coordinates") from error
