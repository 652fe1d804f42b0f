"""Arrays as the page takes them: grids as base64, masks as runs, outlines as paths, pictures as JPEG."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from btxrd_explain.core.geometry import Size
from btxrd_explain.system.own_pictures import marked

if TYPE_CHECKING:
    from numpy.typing import NDArray


def grids_to_text(grids: NDArray[np.floating[Any]]) -> str:
    """Return grids as base64 of little-endian float32, in row-major order."""
    return b64encode(np.ascontiguousarray(grids, "<f4").tobytes()).decode()


def mask_to_runs(mask: NDArray[np.bool_]) -> list[int]:
    """Return the lengths of a mask's runs in row-major order: off, on, off, on ...

    Args:
        mask: Boolean array of shape ``(height, width)``.

    Returns:
        Lengths that add up to the number of pixels; only the first may be 0.

    >>> mask_to_runs(np.array([[True, False, False], [False, True, True]]))
    [0, 1, 3, 2]
    """
    flat = mask.ravel()
    bounds = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1, [flat.size]])
    lengths: list[int] = np.diff(bounds).tolist()
    return [0, *lengths] if flat.size and flat[0] else lengths


def mask_to_path(mask: NDArray[np.bool_]) -> str:
    """Return the outlines of a mask as the path of an SVG in pixels of the mask.

    Corners that are less than half a pixel (or less than 1/2000 of the longer side) off a straight line are left out.

    Args:
        mask: Boolean array of shape ``(height, width)``.

    Returns:
        Closed outlines, those of holes included; empty where there is nothing to outline.

    >>> mask_to_path(np.pad(np.ones((2, 3), bool), 1))
    'M1.5 1.5L1.5 2.5L3.5 2.5L3.5 1.5Z'
    """
    tolerance = max(0.5, max(mask.shape) / 2000)
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    simple = [cv2.approxPolyDP(contour, tolerance, closed=True).reshape(-1, 2) + 0.5 for contour in contours]
    return "".join("M" + "L".join(f"{x:g} {y:g}" for x, y in corners) + "Z" for corners in simple)


def to_jpeg(pixels: NDArray[np.uint8], side: int, *, quality: int) -> tuple[bytes, Size]:
    """Return a radiograph as JPEG, reduced so that its longer side has at most that many pixels.

    Args:
        pixels: Uint8 array of shape ``(height, width)``, or ``(height, width, 3)`` in RGB.
        side: Longest side of the picture in pixels.
        quality: From 1 to 100.

    Returns:
        The file's content and the picture's size.
    """
    scale = min(1.0, side / max(pixels.shape[:2]))
    size = Size(*(max(1, round(length * scale)) for length in pixels.shape[:2]))
    reduced = pixels if scale == 1 else cv2.resize(pixels, (size.width, size.height), interpolation=cv2.INTER_AREA)
    ordered = reduced if reduced.ndim == 2 else cv2.cvtColor(reduced, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", ordered, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return marked(data.tobytes()), size
