"""Lesions as masks: a value per pixel, 0 where there is none, in an image file, a NumPy array or a NIfTI file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.shapes import Shape, ShapeType
from btxrd_explain.finding import Finding
from btxrd_explain.inputs.annotation import Annotation, check_sides, naming, within_memory
from btxrd_explain.inputs.array_file import is_array, read_array, whole_numbers
from btxrd_explain.inputs.decode import UndecodableError, decode, upright
from btxrd_explain.inputs.file_kinds import several_frames
from btxrd_explain.inputs.nifti import GZIP, is_nifti, read_slice, unpacked
from btxrd_explain.system.files import read_whole
from btxrd_explain.system.own_pictures import RESULT, mark_of
from btxrd_explain.untrusted.documents import InvalidDocumentError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray
    from PIL import Image

_FORMATS = ("PNG", "TIFF", "BMP", "GIF", "JPEG")
_MAX_BYTES = 256 * 2**20
_MAX_VALUES = 32
"""A mask of more values is a picture, or one whose edges were smoothed."""
_MAX_LESIONS = 1_000
_HINT = "save it as a PNG of one channel, without smoothing, 0 outside of lesions"


def read_mask_image(path: Path, *, inverted: bool = False) -> Annotation:
    """Read a mask.

    Each connected region of one value is a lesion (corners connect), labelled with its value: ``"1"``, ``"255"``.
    Palettes count by index, as LabelMe and Pascal VOC write them. Colour images count where their channels are equal.

    Args:
        path: A PNG, TIFF, BMP or GIF file of 1, 8 or 16 bits, a JPEG file of two levels, or a NumPy file of whole
            numbers, shape ``(height, width)``, alone in its archive, or a NIfTI file of one slice.
        inverted: Whether lesions are where the mask is 0, and are labelled so.

    Returns:
        The annotation, a mask shape per lesion, ordered by value and then from the top.

    Raises:
        AnnotationError: The file cannot be read, or is not a mask.
    """
    with naming(path, hint=_HINT):
        data = read_whole(path, _MAX_BYTES)
        if data is None:
            raise InvalidDocumentError(f"expected at most {_MAX_BYTES // 2**20} MiB")
        findings: list[Finding] = []
        if data.startswith(GZIP):
            data = unpacked(data, _MAX_BYTES)
        if is_nifti(data):
            values = whole_numbers(read_slice(data))
        elif is_array(data):
            values = read_array(data, _MAX_BYTES)
        else:
            values, findings = _picture(path, data, inverted=inverted)
        check_sides(values.shape)
        regions = _regions(values == 0, "0") if inverted else _lesions(values)
        return Annotation(within_memory(regions), Size(*values.shape), findings=tuple(findings))


def _picture(path: Path, data: bytes, *, inverted: bool) -> tuple[NDArray[Any], list[Finding]]:
    """Return the values of an image file, upright, and what was done to them."""
    try:
        image, orientation, _, frames = decode(data, formats=_FORMATS)
    except UndecodableError as error:
        raise InvalidDocumentError(
            f"expected a mask ({', '.join(_FORMATS)}, NumPy or NIfTI), but it {error.reason}"
        ) from error
    if mark_of(image) == RESULT:
        raise InvalidDocumentError("expected lesions, but btxrd-explain drew it of heat maps")
    check_sides(image.size)  # before its pixels are copied
    findings, cleaned = [*several_frames(str(path), frames)], 0
    if image.format == "JPEG":
        values, cleaned = _two_levels(np.asarray(image.convert("L")))
    elif _is_smoothed(values := _values(image)):
        values, cleaned = _nearest(values, _WHITE)
    elif image.mode == "P" and not inverted and _has_void(values):
        values = np.where(values == _WHITE, 0, values)
        text = f"'{path}' has 255 in its palette next to other values, as Pascal VOC and LabelMe mark what never counts"
        findings.append(Finding.of("annotation-part", text, advice="give lesions another value, or save it in grey"))
    if cleaned:
        text = f"'{path}' has blurred levels, as JPEG and smoothing leave them: {cleaned} pixels"
        findings.append(Finding.of("mask-levels", text, details={"pixels": cleaned}))
    return upright(values, orientation), findings


def _has_void(values: NDArray[Any]) -> bool:
    """Return whether a mask by palette has objects, and 255 around them or in their place."""
    return bool((values == _WHITE).any() and ((values > 0) & (values < _WHITE)).any())


_LEAST_LEVELS = 3
"""Between 0 and the upper one: as few may be labels."""


def _is_smoothed(values: NDArray[Any]) -> bool:
    """Return whether the edges of a mask of 0 and 255 were smoothed: the levels between form rims, and no areas."""
    if values.dtype != np.uint8 or values.max() != _WHITE:
        return False
    between = (values != 0) & (values != _WHITE)
    if len(np.unique(values[between])) < _LEAST_LEVELS or between.sum() > (values == _WHITE).sum():
        return False
    square = np.ones((3, 3), np.uint8)
    flat: NDArray[Any] = cv2.erode(values, square) == cv2.dilate(values, square)
    return not (flat & between).any()


_WHITE = 255


_PURE = 16
"""Values that JPEG moves a level by within flat areas, and more than it does."""
_BETWEEN = 0.5
"""At most so many pixels between the levels for each pixel at the upper one, as along the border of a small lesion."""


def _two_levels(values: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int]:
    """Return a JPEG's pixels as 0 and its upper level, whichever is nearer, and how many were neither.

    >>> _two_levels(np.array([[0, 3, 0, 250, 255, 255]], np.uint8))
    (array([[  0,   0,   0, 255, 255, 255]], dtype=uint8), 2)
    """
    top = int(values.max())
    upper, lower = values > top - _PURE, values < _PURE
    between = int(values.size - upper.sum() - lower.sum())
    if top < 4 * _PURE and top > 0:
        raise InvalidDocumentError(f"expected a JPEG mask of 0 and 255, got values up to {top}, which JPEG blurs")
    if between > _BETWEEN * max(int(upper.sum()), 16):
        raise InvalidDocumentError("expected a mask of two levels, got a JPEG of many, as a radiograph has: no mask")
    return _nearest(values, top)


def _nearest(values: NDArray[np.uint8], top: int) -> tuple[NDArray[np.uint8], int]:
    levels = np.where(values > top / 2, top, 0).astype(np.uint8)
    return levels, int((levels != values).sum())


def _values(image: Image.Image) -> NDArray[Any]:
    """Return a value per pixel, of shape ``(height, width)``."""
    pixels = np.asarray(image).astype(np.uint8) if image.mode == "1" else np.asarray(image)
    if pixels.ndim == 2:
        if pixels.dtype.kind == "f" and not (pixels == np.round(pixels)).all():
            raise InvalidDocumentError("expected whole numbers: no mask")
        return pixels
    colours = 1 if image.mode in {"LA", "PA"} else 3
    if image.mode not in _EQUAL_CHANNELS or (pixels[..., colours:] != 255).any():
        raise InvalidDocumentError("expected a mask without transparency")
    if (pixels[..., :colours] != pixels[..., :1]).any():
        raise InvalidDocumentError("expected one value per pixel, got colours")
    values: NDArray[Any] = pixels[..., 0]
    return values


_EQUAL_CHANNELS = frozenset({"LA", "PA", "RGB", "RGBA"})


def _lesions(values: NDArray[Any]) -> Iterator[Shape]:
    """Yield the connected regions of each value as mask shapes."""
    present = [int(value) for value in np.unique(values) if value != 0]
    if len(present) > _MAX_VALUES:
        raise InvalidDocumentError(
            f"expected at most {_MAX_VALUES} values, got {len(present)}, as a radiograph has: no mask"
        )
    lesions = 0
    for value in present:
        for shape in _regions(values == value, str(value)):
            lesions += 1
            if lesions > _MAX_LESIONS:
                raise InvalidDocumentError(f"expected at most {_MAX_LESIONS:,} regions")
            yield shape


def _regions(region: NDArray[np.bool_], label: str) -> Iterator[Shape]:
    count, components, boxes, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8), connectivity=8)
    if count - 1 > _MAX_LESIONS:
        raise InvalidDocumentError(f"expected at most {_MAX_LESIONS:,} regions")
    for component in range(1, count):
        left, top, width, height = boxes[component, :4].tolist()
        window = components[top : top + height, left : left + width] == component
        corners = np.array([[left, top], [left + width - 1, top + height - 1]], dtype=np.float64)
        yield Shape(label, ShapeType.MASK, corners, window)
