"""Tables of boxes, a line each, with named columns: those of RSNA's and VinDr's challenges, and many others."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from btxrd_explain.inputs.annotation import box_shape, naming
from btxrd_explain.inputs.listing import PartListing
from btxrd_explain.inputs.table_file import read_table
from btxrd_explain.untrusted.documents import InvalidDocumentError, as_number, shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from btxrd_explain.core.geometry import Size
    from btxrd_explain.core.shapes import Shape

_MAX_BYTES = 2**27
_HINT = "name the columns image_id, x_min, y_min, x_max, y_max and class_name, and give pixels"
_IMAGES = (*("image_id", "imageid", "patientid", "filename", "file_name", "image", "image_name", "image_path"), "path")
_LABELS = ("class_name", "label", "class", "category", "name", "finding", "lesion_type")
_EDGES = (
    ("x_min", "y_min", "x_max", "y_max"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("x1", "y1", "x2", "y2"),
    ("left", "top", "right", "bottom"),
)
_SIDES = (
    ("x", "y", "width", "height"),
    ("x", "y", "w", "h"),
    ("bbox_x", "bbox_y", "bbox_width", "bbox_height"),
    ("left", "top", "width", "height"),
    ("x_min", "y_min", "width", "height"),
)
_LESION = "lesion"


def is_box_table(columns: Sequence[str]) -> bool:
    """Return whether a table of those columns is one of boxes."""
    return any(name in columns for name in _IMAGES) and _corners(columns) is not None


def _corners(columns: Sequence[str]) -> tuple[tuple[str, ...], bool] | None:
    """Return the columns of the boxes, and whether they hold edges rather than sides.

    Edges come first: beside them, width and height are those of the image.
    """
    for choices, edges in ((_EDGES, True), (_SIDES, False)):
        for names in choices:
            if all(name in columns for name in names):
                return names, edges
    return None


def read_box_table(path: Path) -> PartListing:
    """Read a table of boxes, a line each.

    A line without numbers says that its image has no lesion, unless others say so. The right and lower edges lie behind
    the last pixel, as in COCO: the width is their difference.

    Args:
        path: The CSV file.

    Raises:
        AnnotationError: The file cannot be read, or is not such a table.
    """
    with naming(path, hint=_HINT):
        table = read_table(path, max_bytes=_MAX_BYTES)
        found = _corners(table.columns)
        image = next((name for name in _IMAGES if name in table.columns), None)
        if found is None or image is None:
            raise InvalidDocumentError("expected a column of images, and four of boxes")
        label = next((name for name in _LABELS if name in table.columns), None)
        listing = PartListing(path, _HINT, table.encoding)
        for number, row in table.rows:
            if not row[image]:
                raise InvalidDocumentError(f"line {number}: expected the name of an image in {image}")
            parts = listing.parts(row[image])
            cells = [row[name] for name in found[0]]
            if not all(cell.casefold() in _NOTHING for cell in cells):
                decimal = "," if table.separator != "," else "."
                text = (label and row[label]) or _LESION
                parts.append(partial(_box, label=text, row=row, number=number, corners=found, decimal=decimal))
        return listing


_NOTHING = frozenset({"", "nan", "none", "null", "na", "n/a"})


def _box(
    _size: Size, *, label: str, row: Mapping[str, str], number: int, corners: tuple[tuple[str, ...], bool], decimal: str
) -> Shape | None:
    names, edges = corners
    found = [as_number(row[name].replace(decimal, ".")) for name in names]
    numbers = [value for value in found if value is not None and abs(value) < 1e9]
    if len(numbers) < len(names):
        got = shown(", ".join(row[name] for name in names))
        raise InvalidDocumentError(f"line {number}: expected numbers in {', '.join(names)}, got {got}")
    x, y, right, lower = numbers
    sides = (right - x, lower - y) if edges else (right, lower)
    return box_shape(label, (x, y), sides, f"line {number}")
