"""YOLO's text files, a file per image, a line per box or polygon, in fractions of the image's sides."""

from __future__ import annotations

import re
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.shapes import ShapeType
from btxrd_explain.inputs.annotation import UnusablePartError, box_shape, make_shape, naming
from btxrd_explain.inputs.listing import read_parts
from btxrd_explain.untrusted.documents import InvalidDocumentError, as_number, read_text, shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from btxrd_explain.core.geometry import Size
    from btxrd_explain.core.shapes import Shape
    from btxrd_explain.inputs.annotation import Annotation

_MAX_BYTES = 16 * 2**20
_MAX_LINES = 1_000
_MAX_NAMES_BYTES = 2**20
_HINT = "export it again as YOLO, in fractions of the image's sides, or correct the line"
_BEYOND = 0.01
"""By how much a fraction may leave 0 to 1; programs round, and draw over the border."""
_DECIMALS = 2
"""Of pixels: fractions are written with some six digits, which is less than a hundredth of a pixel."""
NAME_FILES = ("data.yaml", "dataset.yaml", "data.yml", "classes.txt", "obj.names")
_LINE = re.compile(r"\d{1,6}(?:[ \t]+[-+.\deE]{1,30}){4,}")


def is_yolo(text: str) -> bool:
    """Return whether a text is lines of a class and fractions; a text without lines may be of an image without lesions.

    >>> is_yolo("0 0.5 0.5 0.25 0.25"), is_yolo("normal"), is_yolo("")
    (True, False, False)
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return bool(lines) and all(_LINE.fullmatch(line) for line in lines)


def read_yolo(path: Path, size: Size) -> Annotation:
    """Read a file of YOLO.

    Args:
        path: The text file.
        size: Size of the image, which the file does not state.

    Returns:
        The annotation: a rectangle for each line of four fractions, a polygon for each of six or more; labelled with
        the class's name of ``data.yaml`` or ``classes.txt`` next to the file or up to three folders above, else its
        number.

    Raises:
        AnnotationError: The file cannot be read, or is not YOLO's.
    """
    with naming(path, hint=_HINT):
        text, encoding = read_text(path, max_bytes=_MAX_BYTES)
        lines = [(number, line.split()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        if len(lines) > _MAX_LINES:
            raise InvalidDocumentError(f"expected at most {_MAX_LINES:,} lines")
        names = _names_near(path.parent)
        makers = (partial(_shape, cells=cells, where=f"line {number}", names=names) for number, cells in lines)
        return read_parts(path, encoding, makers, size)


def _shape(size: Size, *, cells: list[str], where: str, names: Mapping[int, str]) -> Shape:
    if not cells[0].isascii() or not cells[0].isdigit() or len(cells[0]) > 6:
        raise InvalidDocumentError(f"{where}: expected the number of a class first, got {shown(cells[0])}")
    found = [as_number(cell) for cell in cells[1:]]
    values = [value for value in found if value is not None]
    if len(values) < len(found):
        raise InvalidDocumentError(f"{where}: expected fractions from 0 to 1")
    label = names.get(int(cells[0]), str(int(cells[0])))
    if len(values) < 4 or len(values) % 2:
        raise UnusablePartError(f"{where}: expected four fractions, or six or more in pairs, got {len(values)}")
    if not all(-_BEYOND <= value <= 1 + _BEYOND for value in values):
        raise UnusablePartError(f"{where}: expected fractions from 0 to 1")
    sides = np.array([size.width, size.height], dtype=np.float64)
    points = np.array(values, dtype=np.float64).reshape(-1, 2) * sides
    if len(values) > 4:
        return make_shape(label, ShapeType.POLYGON, points.round(_DECIMALS), where)
    low, high = ((points[0] + sign * points[1] / 2).round(_DECIMALS).tolist() for sign in (-1, 1))
    return box_shape(label, (low[0], low[1]), (high[0] - low[0], high[1] - low[1]), where)


def _names_near(folder: Path) -> Mapping[int, str]:
    """Return the classes of the nearest file of names; empty where there is none."""
    for place in (folder, *folder.absolute().parents[:3]):
        for name in NAME_FILES:
            try:
                stamp = (place / name).stat()
            except OSError:
                continue
            return _read_names(place / name, stamp.st_mtime_ns)
    return {}


@lru_cache(maxsize=4)
def _read_names(path: Path, _mtime_ns: int) -> Mapping[int, str]:
    text, _ = read_text(path, max_bytes=_MAX_NAMES_BYTES)
    if path.suffix not in {".yaml", ".yml"}:
        return dict(enumerate(line.strip() for line in text.splitlines() if line.strip()))
    import yaml  # noqa: PLC0415 -- few runs need it

    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise InvalidDocumentError(f"'{path.name}': expected YAML") from error
    if not isinstance(document, dict):
        return {}
    if "kpt_shape" in document:
        raise InvalidDocumentError(f"'{path.name}' has kpt_shape: lines of key points are not outlines")
    names = document.get("names")
    pairs = (
        list(names.items()) if isinstance(names, dict) else list(enumerate(names if isinstance(names, list) else ()))
    )
    return {int(key): str(name) for key, name in pairs if str(key).isdecimal() and isinstance(name, str | int)}
