"""What is done to a radiograph's values besides resizing: a function of the user's own, percentiles, CLAHE."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from btxrd_explain.plain import kind_of
from btxrd_explain.system.importing import reason_of, resolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from btxrd_explain.core.choices import Clahe

WHITE = 2**16 - 1
"""The value of 16 bits that stands for 1."""

_LEAST_DEVIATION = 1e-8


class PreparationError(ValueError):
    """An image cannot be prepared for the network; the text says why, and whoever knows the file names it."""


def equalised(pixels: NDArray[Any], clahe: Clahe) -> NDArray[Any]:
    """Equalise a radiograph.

    Args:
        pixels: Shape ``(height, width)`` or ``(height, width, 3)``; uint8, or float32 in [0, 1], which is equalised in
            65,536 levels.
        clahe: How.

    Returns:
        Array of the same dtype, height and width; one channel for grey values, unless by lightness.

    Raises:
        PreparationError: OpenCV cannot: a side is too small for the tiles.
    """
    if pixels.ndim == 3 and not clahe.lightness and (pixels == pixels[..., :1]).all():
        pixels = np.ascontiguousarray(pixels[..., 0])
    try:
        if pixels.ndim == 2 and not clahe.lightness:
            return _equalised_plane(pixels, clahe)
        lab = cv2.cvtColor(cv2.merge([pixels] * 3) if pixels.ndim == 2 else pixels, cv2.COLOR_RGB2LAB)
        white = 1 if lab.dtype == np.uint8 else np.float32(100)  # of floating values L* has its own range
        lab[..., 0] = _equalised_plane(lab[..., 0] if white == 1 else lab[..., 0] / white, clahe) * white
        return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB))
    except cv2.error as error:
        height, width = pixels.shape[:2]
        reason = f"CLAHE in {clahe.tiles} x {clahe.tiles} tiles fails on {width} x {height} pixels"
        raise PreparationError(reason) from error


def _equalised_plane(plane: NDArray[Any], clahe: Clahe) -> NDArray[Any]:
    method = cv2.createCLAHE(clahe.clip, (clahe.tiles, clahe.tiles))
    if plane.dtype == np.uint8:
        return np.asarray(method.apply(np.ascontiguousarray(plane)))
    levels = np.rint(plane.clip(0, 1) * WHITE).astype(np.uint16)
    return fractions(np.asarray(method.apply(levels)))


def fractions(pixels: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Return 16-bit values as fractions: float32, ``value / 65535``."""
    return pixels.astype(np.float32) / np.float32(WHITE)


def windowed(pixels: NDArray[Any], percentiles: tuple[float, float]) -> NDArray[np.float32]:
    """Scale values linearly, so that one percentile of the image becomes 0 and another 1; what lies outside is clipped.

    ``(v - P_low) / (P_high - P_low)``, clipped to [0, 1], with NumPy's linear percentiles over all pixels and channels,
    as MONAI's ``ScaleIntensityRangePercentiles`` with ``clip=True`` does. Where both percentiles are one value, values
    above it become 1 and the others 0.

    Args:
        pixels: Any shape, uint8 or uint16.
        percentiles: Both percentiles, from 0 to 100.

    Returns:
        Float32 array of the same shape in [0, 1].

    >>> windowed(np.array([0, 10, 20, 30, 255], np.uint8), (0, 75)).tolist()
    [0.0, 0.3333333432674408, 0.6666666865348816, 1.0, 1.0]
    """
    low, high = (float(value) for value in np.percentile(pixels, percentiles))
    values = np.arange(2 ** (8 * pixels.dtype.itemsize), dtype=np.float64)
    levels = ((values - low) / (high - low)).clip(0, 1) if high > low else values > high
    seen: NDArray[np.float32] = levels.astype(np.float32)[pixels]
    return seen


def standardised(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give an image zero mean and unit variance: ``(x - mean) / max(std, 1e-8)``.

    Mean and standard deviation (that of the population) are those of all values of the image, all channels together, as
    nnU-Net's ``ZScoreNormalization`` and MONAI's ``NormalizeIntensity`` take them by default.

    Args:
        planes: Shape ``(channels, height, width)``.

    Returns:
        Float32 array of the same shape; all 0 for an image of one value.
    """
    mean, deviation = planes.mean(dtype=np.float64), planes.std(dtype=np.float64)
    scaled: NDArray[np.float32] = ((planes - mean) / max(float(deviation), _LEAST_DEVIATION)).astype(np.float32)
    return scaled


@lru_cache(maxsize=8)
def transform_named(reference: str) -> Callable[[NDArray[Any]], Any]:
    """Import a transform of the user's own, once.

    Args:
        reference: ``package.module:callable``.

    Raises:
        SettingsError: It cannot be imported.
    """
    found: Callable[[NDArray[Any]], Any] = resolve(reference, "transform")
    return found


def transformed(pixels: NDArray[Any], reference: str) -> NDArray[Any]:
    """Apply a transform of the user's own to a radiograph.

    Args:
        pixels: Shape ``(height, width)`` or ``(height, width, 3)``, uint8 or uint16.
        reference: ``package.module:callable``; it gets a copy, which it may change.

    Returns:
        What it returned: an array of the same shape and dtype.

    Raises:
        SettingsError: It cannot be imported.
        PreparationError: It raises, or returns something else.
    """
    function = transform_named(reference)
    try:
        result = function(pixels.copy())
    except (Exception, SystemExit) as error:
        raise PreparationError(f"the transform '{reference}' failed ({reason_of(error)})") from error
    if not isinstance(result, np.ndarray):
        raise PreparationError(f"the transform '{reference}' returned {kind_of(result)}, not an array")
    if result.shape != pixels.shape or result.dtype != pixels.dtype:
        raise PreparationError(
            f"the transform '{reference}' returned {result.dtype} of shape {result.shape} for {pixels.dtype} of shape "
            f"{pixels.shape}: it must keep both"
        )
    return np.ascontiguousarray(result)
