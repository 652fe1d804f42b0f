"""Lesions as PNG masks: a value per pixel, 0 where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.shapes import Shape, ShapeType
from btxrd_explain.inputs.annotation import Annotation, naming, within_memory
from btxrd_explain.inputs.decode import UndecodableError, decode, upright
from btxrd_explain.system.files import read_whole
from btxrd_explain.untrusted.documents import InvalidDocumentError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray
    from PIL import Image

_MAX_BYTES = 256 * 2**20
_MAX_VALUES = 32
"""A mask of more values is a picture, or one whose edges were smoothed."""
_MAX_LESIONS = 1_000


def read_mask_image(path: Path) -> Annotation:
    """Read a PNG mask.

    Each connected region of one value is a lesion (corners connect), labelled with its value: ``"1"``, ``"255"``.
    Palettes count by index, as LabelMe and Pascal VOC write them. Colour images count where their channels are equal.

    Args:
        path: The PNG, of 1, 8 or 16 bits.

    Returns:
        The annotation, a mask shape per lesion, ordered by value and then from the top.

    Raises:
        AnnotationError: The file cannot be read, or is not a mask.
    """
    with naming(path, hint="save it as a PNG of one channel, without smoothing, 0 outside of lesions"):
        data = read_whole(path, _MAX_BYTES)
        if data is None:
            raise InvalidDocumentError(f"expected at most {_MAX_BYTES // 2**20} MiB")
        try:
            image, orientation, _ = decode(data, formats=("PNG",))
        except UndecodableError as error:
            raise InvalidDocumentError(f"expected a PNG, but it {error.reason}") from error
        values = upright(_values(image), orientation)
        return Annotation(within_memory(_lesions(values)), Size(*values.shape))


def _values(image: Image.Image) -> NDArray[Any]:
    """Return a value per pixel, of shape ``(height, width)``."""
    pixels = np.asarray(image).astype(np.uint8) if image.mode == "1" else np.asarray(image)
    if pixels.ndim == 2:
        return pixels
    colours = 1 if image.mode in {"LA", "PA"} else 3
    if (pixels[..., colours:] != 255).any():
        raise InvalidDocumentError("expected a mask without transparency")
    if (pixels[..., :colours] != pixels[..., :1]).any():
        raise InvalidDocumentError("expected one value per pixel, got colours")
    values: NDArray[Any] = pixels[..., 0]
    return values


def _lesions(values: NDArray[Any]) -> Iterator[Shape]:
    """Yield the connected regions of each value as mask shapes."""
    present = [int(value) for value in np.unique(values) if value != 0]
    if len(present) > _MAX_VALUES:
        raise InvalidDocumentError(f"expected at most {_MAX_VALUES} values, got {len(present)}: no mask")
    lesions = 0
    for value in present:
        region = (values == value).astype(np.uint8)
        count, components, boxes, _ = cv2.connectedComponentsWithStats(region, connectivity=8)
        lesions += count - 1
        if lesions > _MAX_LESIONS:
            raise InvalidDocumentError(f"expected at most {_MAX_LESIONS:,} regions")
        for component in range(1, count):
            left, top, width, height = boxes[component, :4].tolist()
            window = components[top : top + height, left : left + width] == component
            corners = np.array([[left, top], [left + width - 1, top + height - 1]], dtype=np.float64)
            yield Shape(str(value), ShapeType.MASK, corners, window)
