"""LabelMe annotation files and X-AnyLabeling's, parsed into types; nothing behind this module sees JSON.

What is wrong with a file is said with the place in it (``shapes[3].points: expected ...``) and wrapped once with
the file's name. The image that a file names or embeds is never opened.
"""

from __future__ import annotations

import base64
from functools import partial
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.masks import RESERVED_HOLE
from btxrd_explain.core.shapes import Shape, ShapeType, rasterise_union
from btxrd_explain.finding import Finding
from btxrd_explain.inputs.annotation import (
    Annotation,
    UnusablePartError,
    encoding_findings,
    make_shape,
    naming,
    parse_size,
    usable_parts,
    whole,
)
from btxrd_explain.inputs.decode import UndecodableError, decode
from btxrd_explain.untrusted.documents import InvalidDocumentError, as_number, load_document, shown

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
        path: The JSON file; see :func:`~btxrd_explain.untrusted.documents.decode_text` for its encoding.

    Returns:
        The annotation; parts that have no area are left out, and its findings name them.

    Raises:
        AnnotationError: The file cannot be read, or is not a LabelMe annotation.
    """
    with naming(path, hint="open and save the file with LabelMe, or remove it"):
        document, encoding = load_document(path, max_bytes=_MAX_BYTES, max_values=_MAX_VALUES)
        return _parse(path, document, encoding)


def _parse(path: Path, document: object, encoding: str) -> Annotation:
    if not isinstance(document, dict):
        raise InvalidDocumentError("expected a JSON object at the top")
    if not isinstance(document.get("shapes"), list):
        raise InvalidDocumentError("shapes: expected a list")
    image_path = document.get("imagePath")
    if image_path is not None and not isinstance(image_path, str):
        raise InvalidDocumentError("imagePath: expected text or null")
    image_data = document.get("imageData")
    shapes, findings = _parse_shapes(path, document["shapes"])
    return Annotation(
        shapes,
        parse_size(document, ("imageHeight", "imageWidth")),
        image_path,
        image_data if isinstance(image_data, str) else None,
        (*encoding_findings(path, encoding), *findings, *_inner_parts(path, shapes), *_early_holes(path, shapes)),
    )


def _parse_shapes(path: Path, items: list[Any]) -> tuple[tuple[Shape, ...], list[Finding]]:
    """Parse all shapes, within the bounds that a file may ask of memory and time."""
    if len(items) > _MAX_SHAPES:
        raise InvalidDocumentError(f"shapes: expected at most {_MAX_SHAPES:,}, got {len(items):,}")
    points = accumulate(len(item["points"]) for item in items if _has_list(item, "points"))
    if max(points, default=0) > _MAX_FILE_POINTS:
        raise InvalidDocumentError(f"shapes: more than {_MAX_FILE_POINTS:,} points in all")
    return usable_parts(path, (partial(_parse_shape, item, f"shapes[{index}]") for index, item in enumerate(items)))


def _parse_shape(item: object, where: str) -> Shape:
    if not isinstance(item, dict):
        raise InvalidDocumentError(f"{where}: expected an object")
    label, group = item.get("label"), item.get("group_id")
    label = str(label) if type(label) is int and abs(label) < 1e9 else label
    if not isinstance(label, str):
        raise InvalidDocumentError(f"{where}.label: expected text, got {shown(label)}")
    number = as_number(group)
    if group is not None and (number is None or number % 1 != 0):
        raise InvalidDocumentError(f"{where}.group_id: expected a whole number or null, got {shown(group)}")
    group = None if number is None else int(number)
    shape_type = _parse_type(item.get("shape_type"), f"{where}.shape_type")
    points = _parse_points(item.get("points"), f"{where}.points")
    if shape_type is not ShapeType.MASK:
        return make_shape(label, *_of_corners(shape_type, points), f"{where}.points", group=group)
    mask = _parse_mask(item.get("mask"), f"{where}.mask")
    try:
        return Shape(whole(label), shape_type, points, mask, group)
    except ValueError as error:
        raise UnusablePartError(f"{where}.points: {error}") from error


_DIALECTS = {"rotation": ShapeType.ORIENTED_RECTANGLE, "quadrilateral": ShapeType.POLYGON}
"""What X-AnyLabeling calls otherwise."""


def _parse_type(name: object, where: str) -> ShapeType:
    """Return the kind of a shape; the first LabelMe versions named none and knew polygons only."""
    try:
        return ShapeType.POLYGON if name is None else _DIALECTS.get(str(name)) or ShapeType(str(name))
    except ValueError as error:
        known = ", ".join(sorted(ShapeType))
        raise UnusablePartError(f"{where}: expected one of {known}, got {shown(name)}") from error


_UPRIGHT = 0.01
"""Pixels by which the corners of an upright rectangle may be apart."""


def _of_corners(shape_type: ShapeType, points: NDArray[np.float64]) -> tuple[ShapeType, NDArray[np.float64]]:
    """Return kind and points as LabelMe has them, where X-AnyLabeling gives all four corners of a rectangle."""
    if shape_type is not ShapeType.RECTANGLE or len(points) != 4:
        return shape_type, points
    upright = all(np.abs(b - a).min() <= _UPRIGHT for a, b in pairwise([*points, points[0]]))
    if not upright:
        return ShapeType.ORIENTED_RECTANGLE, points
    return shape_type, np.stack([points.min(axis=0), points.max(axis=0)])


def _inner_parts(path: Path, shapes: tuple[Shape, ...]) -> list[Finding]:
    """Return what is found where a part lies in another one of its object: meant as a hole, it would change nothing."""
    groups: dict[tuple[str, int], list[Shape]] = {}
    for shape in shapes:
        if shape.group_id is not None and shape.shape_type is ShapeType.POLYGON:
            groups.setdefault((shape.label, shape.group_id), []).append(shape)
    inner = [
        part.label
        for parts in groups.values()
        for part in parts
        if any(part is not other and _lies_in(part, other) for other in parts)
    ]
    text = f"'{path}': a polygon '{inner[0]}' lies in another one of its group, and changes nothing" if inner else ""
    hint = "nothing, if it is not a hole; give a hole the label _background_"
    return [Finding.of("annotation-part", text, advice=hint)] if inner else []


def _early_holes(path: Path, shapes: tuple[Shape, ...]) -> list[Finding]:
    """Return what is found where a hole is drawn before the polygon that it lies in: it is cut out of nothing."""
    polygons = [shape for shape in shapes if shape.shape_type is ShapeType.POLYGON]
    for number, hole in enumerate(polygons):
        if hole.label == RESERVED_HOLE:
            around = [
                place > number and (hole.group_id is None or hole.group_id != other.group_id)
                for place, other in enumerate(polygons)
                if other.label != RESERVED_HOLE and _lies_in(hole, other)
            ]
            if around and all(around):
                text = f"'{path}': a {RESERVED_HOLE} is drawn before the polygon that it lies in, and cuts nothing"
                hint = "if it is a hole, move it behind the polygon in LabelMe's list, or give both one group_id"
                return [Finding.of("annotation-part", text, advice=hint)]
    return []


def _lies_in(part: Shape, other: Shape) -> bool:
    """Return whether all of a polygon lies in another one."""
    low, high = (np.floor(edge).astype(int) for edge in other.bounds)
    if (part.bounds[0] < other.bounds[0]).any() or (part.bounds[1] > other.bounds[1]).any() or max(high - low) > _SIDE:
        return False
    size = Size(*(high - low + 1)[::-1].tolist())
    drawn, around = (rasterise_union([Shape("", ShapeType.POLYGON, each.points - low)], size) for each in (part, other))
    return bool(not (drawn & ~around).any())


_SIDE = 4_000
"""Pixels; no lesion is larger, and drawing takes memory."""


def _parse_points(points: object, where: str) -> NDArray[np.float64]:
    if not isinstance(points, list) or not all(_is_pair(point) for point in points):
        raise InvalidDocumentError(f"{where}: expected a list of [x, y] pairs")
    try:
        return np.array([[as_number(value) for value in point] for point in points], dtype=np.float64).reshape(-1, 2)
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
    return isinstance(point, list) and len(point) == 2 and all(as_number(value) is not None for value in point)
