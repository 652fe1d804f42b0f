"""Tables of boxes, a line each, with named columns: those of RSNA's and VinDr's challenges, and many others."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from btxrd_explain.core.class_names import BY_NAME
from btxrd_explain.inputs.annotation import box_shape, check_size, naming, parse_size
from btxrd_explain.inputs.listing import PartListing
from btxrd_explain.inputs.table_file import read_table
from btxrd_explain.untrusted.documents import InvalidDocumentError, as_number, shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from btxrd_explain.core.geometry import Size
    from btxrd_explain.core.shapes import Shape

_MAX_BYTES = 2**27
_HINT = "name the columns image_id, x_min, y_min, x_max, y_max and class_name, and give pixels"
_IMAGES = (
    *("image_id", "imageid", "filename", "file_name", "file", "image", "image_name", "image_path", "path"),
    "patientid",  # as RSNA calls its images; next to another of these it is what it says
)
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
    return _column(_IMAGES, columns) is not None and _corners(columns) is not None


def _known(columns: Sequence[str]) -> dict[str, str]:
    """Return columns by their names as they are known: ``X Min`` is ``x_min``."""
    return {re.sub(r"[ -]+", "_", name): name for name in columns}


def _column(names: Sequence[str], columns: Sequence[str]) -> str | None:
    """Return the column that has the first of some names; None where none has one."""
    known = _known(columns)
    return next((known[name] for name in names if name in known), None)


def _corners(columns: Sequence[str]) -> tuple[tuple[str, ...], bool] | None:
    """Return the columns of the boxes, and whether they hold edges rather than sides.

    Edges come first: next to them, width and height are those of the image.
    """
    known = _known(columns)
    for choices, edges in ((_EDGES, True), (_SIDES, False)):
        for names in choices:
            if all(name in known for name in names):
                return tuple(known[name] for name in names), edges
    return None


def read_box_table(path: Path) -> PartListing:
    """Read a table of boxes, a line each.

    A line without numbers, or of a finding like ``No finding``, says that its image has no lesion, unless others say
    so. The right and lower edges lie behind the last pixel, as in COCO: the width is their difference. Numbers of which
    none is more than 1 and some are not whole are fractions of the image's sides. Beside edges, ``width`` and
    ``height`` are those of the image, unless they are the box's own.

    Args:
        path: The CSV file.

    Raises:
        AnnotationError: The file cannot be read, or is not such a table.
    """
    with naming(path, hint=_HINT):
        table = read_table(path, max_bytes=_MAX_BYTES)
        found = _corners(table.columns)
        image, label = _column(_IMAGES, table.columns), _column(_LABELS, table.columns)
        if found is None or image is None:
            raise InvalidDocumentError("expected a column of images, and four of boxes")
        listing = PartListing(path, _HINT, table.encoding)
        decimal = "," if table.separator != "," else "."
        boxes: list[_Line] = []
        for number, row in table.rows:
            if not row[image]:
                raise InvalidDocumentError(f"line {number}: expected the name of an image in {image}")
            parts = listing.parts(row[image])
            cells = [row[name] for name in found[0]]
            text = (label and row[label]) or _LESION
            if text in BY_NAME:
                listing.notes["lines of findings like 'No finding' say that there is no lesion"] = None
            elif not all(cell.casefold() in _NOTHING for cell in cells):
                values = [as_number(cell.replace(decimal, ".")) for cell in cells]
                stated = {name: row.get(name, "") for name in ("height", "width")} if found[1] else {}
                boxes.append(_Line(path, number, text, found, ", ".join(cells), values, stated))
                parts.append(boxes[-1].shape)
        if _are_fractions(boxes):
            listing.notes["its boxes are in fractions of the image's sides"] = None
            for box in boxes:
                box.fractions = True
        return listing


_NOTHING = frozenset({"", "nan", "none", "null", "na", "n/a"})


@dataclass(slots=True)
class _Line:
    """A line with a box.

    Attributes:
        path: The table.
        number: Its number.
        label: The lesion's label.
        corners: The columns of the box, and whether they hold edges.
        text: The cells of the box.
        values: Their numbers.
        stated: Height and width as the line gives them, next to edges.
        fractions: Whether the numbers are fractions of the image's sides.
    """

    path: Path
    number: int
    label: str
    corners: tuple[tuple[str, ...], bool]
    text: str
    values: list[float | None]
    stated: dict[str, str]
    fractions: bool = False

    def shape(self, size: Size) -> Shape:
        """Return the box on a radiograph of a size.

        Raises:
            InvalidDocumentError: The cells are not numbers.
            AnnotationSizeError: The line says that the image has another size.
        """
        names, edges = self.corners
        numbers = [value for value in self.values if value is not None and abs(value) < 1e9]
        if len(numbers) < len(names):
            got = shown(self.text)
            raise InvalidDocumentError(f"line {self.number}: expected numbers in {', '.join(names)}, got {got}")
        if self.fractions:
            numbers = [number * side for number, side in zip(numbers, (size.width, size.height) * 2, strict=True)]
        x, y, right, lower = numbers
        sides = (right - x, lower - y) if edges else (right, lower)
        self._check_size(size, sides)
        return box_shape(self.label, (x, y), sides, f"line {self.number}")

    def _check_size(self, size: Size, sides: tuple[float, float]) -> None:
        """Make sure that the size that the line states is the radiograph's, or the box's own."""
        own = [as_number(self.stated.get(name, "")) for name in ("width", "height")]
        if None in own or all(abs((one or 0) - side) <= 1 for one, side in zip(own, sides, strict=True)):
            return
        if self.fractions and all(0 < (one or 0) <= 1 for one in own):  # the box's own, as fractions too
            return
        stated = parse_size(dict(self.stated), ("height", "width"), f"line {self.number}: ")
        if stated is not None:
            check_size(self.path, stated, size)


def _are_fractions(boxes: Sequence[_Line]) -> bool:
    """Return whether the numbers of boxes can only be fractions: none is more than 1, and some are not whole."""
    values = [value for box in boxes for value in box.values if value is not None]
    return bool(values) and max(map(abs, values)) <= 1 and any(value % 1 for value in values)
