"""LabelMe annotation files, parsed into types; nothing behind this module sees JSON.

What is wrong with a file is said with the place in it (``shapes[3].points: expected ...``) and wrapped once with
the file's name. The image that a file names or embeds is never opened.
"""

from __future__ import annotations

import base64
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from btxrd_explain.core.shapes import Shape, ShapeType
from btxrd_explain.inputs.annotation import Annotation, naming, parse_size, whole, within_memory
from btxrd_explain.inputs.decode import UndecodableError, decode
from btxrd_explain.untrusted.documents import InvalidDocumentError, load_json, shown

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_MAX_BYTES = 128 * 2**20
"""Files with an embedded image have tens of megabytes."""
_MAX_VALUES = 1_000_000
_MAX_SHAPES = 1_000
"""Shapes are compared in pairs, and a radiograph has a few."""
_MAX_FILE_POINTS = 50_000


def read_labelme(path: Path) -> Annotation:
    """Read a LabelMe annotation file.

    Args:
        path: The JSON file, UTF-8 with or without byte order mark.

    Returns:
        The annotation.

    Raises:
        AnnotationError: The file cannot be read, or is not a LabelMe annotation.
    """
    with naming(path, hint="open and save the file with LabelMe, or remove it"):
        return _parse(load_json(path, max_bytes=_MAX_BYTES, max_values=_MAX_VALUES))


def _parse(document: object) -> Annotation:
    if not isinstance(document, dict):
        raise InvalidDocumentError("expected a JSON object at the top")
    if not isinstance(document.get("shapes"), list):
        raise InvalidDocumentError("shapes: expected a list")
    image_path = document.get("imagePath")
    if image_path is not None and not isinstance(image_path, str):
        raise InvalidDocumentError("imagePath: expected text or null")
    image_data = document.get("imageData")
    return Annotation(
        _parse_shapes(document["shapes"]),
        parse_size(document, ("imageHeight", "imageWidth")),
        image_path,
        image_data if isinstance(image_data, str) else None,
    )


def _parse_shapes(items: list[Any]) -> tuple[Shape, ...]:
    """Parse all shapes, within the bounds that a file may ask of memory and time."""
    if len(items) > _MAX_SHAPES:
        raise InvalidDocumentError(f"shapes: expected at most {_MAX_SHAPES:,}, got {len(items):,}")
    points = accumulate(len(item["points"]) for item in items if _has_list(item, "points"))
    if max(points, default=0) > _MAX_FILE_POINTS:
        raise InvalidDocumentError(f"shapes: more than {_MAX_FILE_POINTS:,} points in all")
    return within_memory(_parse_shape(item, f"shapes[{index}]") for index, item in enumerate(items))


def _parse_shape(item: object, where: str) -> Shape:
    if not isinstance(item, dict):
        raise InvalidDocumentError(f"{where}: expected an object")
    label, group = item.get("label"), item.get("group_id")
    if not isinstance(label, str):
        raise InvalidDocumentError(f"{where}.label: expected text, got {shown(label)}")
    if group is not None and not isinstance(group, int):
        raise InvalidDocumentError(f"{where}.group_id: expected a whole number or null, got {shown(group)}")
    shape_type = _parse_type(item.get("shape_type"), f"{where}.shape_type")
    points = _parse_points(item.get("points"), f"{where}.points")
    mask = _parse_mask(item.get("mask"), f"{where}.mask") if shape_type is ShapeType.MASK else None
    try:
        return Shape(whole(label), shape_type, points, mask, group)
    except ValueError as error:
        raise InvalidDocumentError(f"{where}.points: {error}") from error


def _parse_type(name: object, where: str) -> ShapeType:
    """Return the kind of a shape; the first LabelMe versions named none and knew polygons only."""
    try:
        return ShapeType.POLYGON if name is None else ShapeType(str(name))
    except ValueError as error:
        known = ", ".join(sorted(ShapeType))
        raise InvalidDocumentError(f"{where}: expected one of {known}, got {shown(name)}") from error


def _parse_points(points: object, where: str) -> NDArray[np.float64]:
    if not isinstance(points, list) or not all(_is_pair(point) for point in points):
        raise InvalidDocumentError(f"{where}: expected a list of [x, y] pairs")
    try:
        return np.array(points, dtype=np.float64).reshape(-1, 2)
    except OverflowError as error:
        raise InvalidDocumentError(f"{where}: expected finite coordinates") from error


def _parse_mask(text: object, where: str) -> NDArray[np.bool_]:
    """Return the pixels of a mask shape, a PNG of one channel in base64: true where it is not 0."""
    if not isinstance(text, str):
        raise InvalidDocumentError(f"{where}: expected a PNG in base64, got {shown(text)}")
    try:
        image = decode(base64.b64decode(text, validate=True), formats=("PNG",)).image
    except ValueError as error:  # binascii's is one
        raise InvalidDocumentError(f"{where}: expected a PNG in base64 ({error})") from error
    except UndecodableError as error:
        raise InvalidDocumentError(f"{where}: expected a PNG in base64, but it {error.reason}") from error
    pixels = np.asarray(image)
    if pixels.ndim != 2:
        raise InvalidDocumentError(f"{where}: expected a PNG of one channel, got mode {image.mode}")
    return pixels.astype(np.bool_)


def _has_list(item: object, key: str) -> bool:
    return isinstance(item, dict) and isinstance(item.get(key), list)


def _is_pair(point: object) -> bool:
    return isinstance(point, list) and len(point) == 2 and all(type(value) in (int, float) for value in point)
