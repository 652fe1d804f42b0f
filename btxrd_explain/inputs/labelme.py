"""LabelMe annotation files, parsed into types; nothing behind this module sees JSON.

What is wrong with a file is said with the place in it (``shapes[3].points: expected ...``) and wrapped once with
the file's name. The image that a file names or embeds is never opened.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.masks import MaskPolicy, annotation_mask
from btxrd_explain.core.shapes import Shape, ShapeType
from btxrd_explain.errors import AnnotationError
from btxrd_explain.inputs.mask_png import InvalidMaskError, decode_mask

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_MAX_BYTES = 256 * 2**20
"""Files with an embedded image have tens of megabytes."""
_MAX_SHAPES = 1_000
"""Shapes are compared in pairs, and a radiograph has a few."""
_MAX_FILE_POINTS = 50_000
_MAX_MASK_PIXELS = 2**28
_MAX_SIDE = 20_000


@dataclass(frozen=True, slots=True)
class Annotation:
    """What a LabelMe file says about one radiograph.

    Attributes:
        shapes: The shapes in the order of the file; none in a file that only holds flags.
        image_size: Size of the annotated image (after EXIF rotation); None where the file does not say.
        image_path: The image's name as the file gives it, only ever to be shown; None where it does not say.
    """

    shapes: tuple[Shape, ...]
    image_size: Size | None
    image_path: str | None


class _InvalidError(Exception):
    """What is wrong with a file, and where in it; becomes an AnnotationError that names the file."""


def read_labelme(path: Path) -> Annotation:
    """Read a LabelMe annotation file.

    Args:
        path: The JSON file, UTF-8 with or without byte order mark.

    Returns:
        The annotation.

    Raises:
        AnnotationError: The file cannot be read, or is no LabelMe annotation.
    """
    try:
        return _parse(_load(path))
    except _InvalidError as error:
        raise AnnotationError(f"'{path}': {error}", hint="open and save the file with LabelMe, or remove it") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise AnnotationError(f"cannot read the annotation '{path}' ({reason})", hint="check the file") from error


def load_annotation_mask(
    path: Path,
    size: Size | tuple[int, int] | None,
    *,
    policy: MaskPolicy | str = MaskPolicy.POLYGONS_THEN_RECTANGLES,
    accept_unsized: bool = True,
) -> NDArray[np.bool_]:
    """Read a LabelMe file as one mask of all lesions.

    Args:
        path: The JSON file.
        size: Height and width of the radiograph after EXIF rotation; None takes the file's word for it.
        policy: Which shapes are lesions.
        accept_unsized: True accepts a file without ``imageHeight`` and ``imageWidth``, which cannot be checked
            against ``size``.

    Returns:
        Boolean array of shape ``size``; all False where the file has no lesion.

    Raises:
        AnnotationError: The file cannot be read, or it annotates an image of another size.
        ValueError: The policy has an unknown name.
    """
    annotation, checked_size = read_annotation_of(path, size, accept_unsized=accept_unsized)
    return annotation_mask(annotation.shapes, checked_size, MaskPolicy(policy))


def read_annotation_of(
    path: Path, size: Size | tuple[int, int] | None, *, accept_unsized: bool = True
) -> tuple[Annotation, Size]:
    """Read the LabelMe file of a radiograph, and make sure that it annotates an image of that size.

    Args:
        path: The JSON file.
        size: Height and width of the radiograph after EXIF rotation; None takes the file's word for it.
        accept_unsized: See :func:`load_annotation_mask`.

    Returns:
        The annotation and the size of the radiograph.

    Raises:
        AnnotationError: The file cannot be read, or it annotates an image of another size.
    """
    annotation = read_labelme(path)
    own = annotation.image_size
    size = own if size is None else Size(*size)
    if size is None or (own is None and not accept_unsized):
        raise AnnotationError(f"'{path}' has no imageHeight and imageWidth", hint="save it again with LabelMe")
    if own is not None and own != size:
        raise AnnotationError(
            f"'{path}' annotates an image of {own.width} x {own.height} pixels, but the radiograph has "
            f"{size.width} x {size.height}",
            hint="check that they belong together and that neither was resized or rotated since",
        )
    return annotation, size


def _load(path: Path) -> object:
    if path.stat().st_size > _MAX_BYTES:
        raise _InvalidError(f"expected at most {_MAX_BYTES // 2**20} MiB")
    try:
        document: object = json.loads(path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise _InvalidError("expected text in UTF-8") from error
    except RecursionError as error:
        raise _InvalidError("expected JSON, got one that is nested too deeply") from error
    except ValueError as error:  # also of numbers with thousands of digits
        raise _InvalidError(f"expected JSON ({error})") from error
    return document


def _parse(document: object) -> Annotation:
    if not isinstance(document, dict):
        raise _InvalidError("expected a JSON object at the top")
    if not isinstance(document.get("shapes"), list):
        raise _InvalidError("shapes: expected a list")
    image_path = document.get("imagePath")
    if image_path is not None and not isinstance(image_path, str):
        raise _InvalidError("imagePath: expected text or null")
    return Annotation(_parse_shapes(document["shapes"]), _parse_size(document), image_path)


def _parse_size(document: dict[str, Any]) -> Size | None:
    names = "imageHeight", "imageWidth"
    if all(document.get(name) is None for name in names):
        return None
    return Size(*(_parse_side(document.get(name), name) for name in names))


def _parse_side(side: object, where: str) -> int:
    if not isinstance(side, int) or isinstance(side, bool) or not 1 <= side <= _MAX_SIDE:
        raise _InvalidError(f"{where}: expected a whole number from 1 to {_MAX_SIDE:,}, got {_short(side)}")
    return side


def _parse_shapes(items: list[Any]) -> tuple[Shape, ...]:
    """Parse all shapes, within the bounds that a file may ask of memory and time."""
    if len(items) > _MAX_SHAPES:
        raise _InvalidError(f"shapes: expected at most {_MAX_SHAPES:,}, got {len(items):,}")
    points = accumulate(len(item["points"]) for item in items if _has_list(item, "points"))
    if max(points, default=0) > _MAX_FILE_POINTS:
        raise _InvalidError(f"shapes: more than {_MAX_FILE_POINTS:,} points in all")
    shapes, pixels = [], 0
    for index, item in enumerate(items):
        shape = _parse_shape(item, f"shapes[{index}]")
        pixels += 0 if shape.mask is None else shape.mask.size
        if pixels > _MAX_MASK_PIXELS:
            raise _InvalidError(f"shapes[{index}].mask: more than {_MAX_MASK_PIXELS:,} pixels in all")
        shapes.append(shape)
    return tuple(shapes)


def _parse_shape(item: object, where: str) -> Shape:
    if not isinstance(item, dict):
        raise _InvalidError(f"{where}: expected an object")
    label, group = item.get("label"), item.get("group_id")
    if not isinstance(label, str):
        raise _InvalidError(f"{where}.label: expected text, got {_short(label)}")
    if group is not None and not isinstance(group, int):
        raise _InvalidError(f"{where}.group_id: expected a whole number or null, got {_short(group)}")
    shape_type = _parse_type(item.get("shape_type"), f"{where}.shape_type")
    points = _parse_points(item.get("points"), f"{where}.points")
    mask = _parse_mask(item.get("mask"), f"{where}.mask") if shape_type is ShapeType.MASK else None
    label = label.encode(errors="replace").decode()  # JSON can spell half characters, which nothing can write
    try:
        return Shape(label, shape_type, points, mask, group)
    except ValueError as error:
        raise _InvalidError(f"{where}.points: {error}") from error


def _parse_type(name: object, where: str) -> ShapeType:
    """Return the kind of a shape; the first LabelMe versions named none and knew polygons only."""
    try:
        return ShapeType.POLYGON if name is None else ShapeType(str(name))
    except ValueError as error:
        known = ", ".join(sorted(ShapeType))
        raise _InvalidError(f"{where}: expected one of {known}, got {_short(name)}") from error


def _parse_points(points: object, where: str) -> NDArray[np.float64]:
    if not isinstance(points, list) or not all(_is_pair(point) for point in points):
        raise _InvalidError(f"{where}: expected a list of [x, y] pairs")
    try:
        return np.array(points, dtype=np.float64).reshape(-1, 2)
    except OverflowError as error:
        raise _InvalidError(f"{where}: expected finite coordinates") from error


def _parse_mask(text: object, where: str) -> NDArray[np.bool_]:
    if not isinstance(text, str):
        raise _InvalidError(f"{where}: expected a PNG in base64, got {_short(text)}")
    try:
        return decode_mask(text)
    except InvalidMaskError as error:
        raise _InvalidError(f"{where}: {error}") from error


def _has_list(item: object, key: str) -> bool:
    return isinstance(item, dict) and isinstance(item.get(key), list)


def _is_pair(point: object) -> bool:
    return isinstance(point, list) and len(point) == 2 and all(type(value) in (int, float) for value in point)


def _short(value: object) -> str:
    """Show a value of any length in an error message of one line."""
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
