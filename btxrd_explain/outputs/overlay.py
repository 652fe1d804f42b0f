"""Heat maps and outlines over radiographs."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from matplotlib import colormaps

from btxrd_explain.core.arrays import (
    checked_heatmap,
    checked_mask,
    checked_name,
    checked_number,
    checked_picture,
    shown,
    to_array,
)
from btxrd_explain.core.preprocess import IMAGENET_MEAN, IMAGENET_STD
from btxrd_explain.outputs.style import ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from btxrd_explain.core.geometry import Size
    from btxrd_explain.core.preprocess import Preprocessing

COLOURS, ALPHA = "viridis", 0.6
"""Colour map and opacity at heat 1, unless others are asked for. With opacity that grows with the square of the heat,
more heat is a greater difference to the bare radiograph (CIEDE2000) on every grey from 20 to 235."""
_OUTLINE = 500
"""An outline in pixels is as wide as that part of the longest side."""


def create_overlay(
    rgb_img: Any,  # noqa: ANN401 -- an array, a list or a torch tensor
    heatmap: Any,  # noqa: ANN401 -- likewise
    *,
    alpha: float = ALPHA,
    colormap: str = COLOURS,
) -> NDArray[np.uint8]:
    """Lay a heat map over a radiograph.

    The scale is fixed: 0 is the colour map's first colour and 1 its last, in every picture. Opacity grows with the
    square of the heat, ``alpha * h ** 2``: the radiograph stays as it is where there is nothing to show, and with the
    default colours a hotter place always differs more from the bare radiograph.

    Args:
        rgb_img: Radiograph of shape ``(height, width, 3)`` RGB, or ``(height, width)`` grey: floating in [0, 1], or
            uint8.
        heatmap: Shape ``(height, width)``, floating values in [0, 1].
        alpha: Opacity at heat 1, in [0, 1].
        colormap: Name of a matplotlib colour map.

    Returns:
        RGB picture, uint8, shape ``(height, width, 3)``.

    Raises:
        TypeError: An argument is of another kind, such as a heat map of bytes.
        ValueError: Shapes differ, values are out of range or not finite, or the colour map is unknown.

    >>> create_overlay(np.full((1, 2), 100, np.uint8), [[0.0, 1.0]], alpha=1.0).tolist()
    [[[100, 100, 100], [253, 231, 37]]]
    """
    image, heat = checked_picture(rgb_img, "rgb_img"), checked_heatmap(heatmap, "heatmap")
    if image.shape[:2] != heat.shape:
        raise ValueError(f"heatmap: expected the shape {image.shape[:2]} of the image, got {heat.shape}")
    checked_number(alpha, 0, 1, "alpha")
    levels = (heat * 255 + 0.5).astype(np.uint8)
    tint, opacity = layer(checked_name(colormap, colormaps, "colormap"), alpha)
    return (as_rgb(image) * (1 - opacity)[levels] + tint[levels] + 0.5).astype(np.uint8)


def overlay(
    image: Any,  # noqa: ANN401 -- an array, a list or a torch tensor
    heatmap: Any,  # noqa: ANN401 -- likewise
    *,
    mask: Any = None,  # noqa: ANN401 -- likewise
    alpha: float = ALPHA,
    colormap: str = COLOURS,
) -> NDArray[np.uint8]:
    """Lay a heat map, and the outline of an annotation, over a radiograph; see :func:`create_overlay`.

    Args:
        image: Radiograph, as :func:`btxrd_explain.read_radiograph` returns it, or its pixels.
        heatmap: Heat map of the radiograph's size, as :func:`btxrd_explain.explain` returns it, or its values.
        mask: The annotation, of the same shape: truth values, or 0 and 1 (or 0 and 255); None draws no outline.
        alpha: Opacity at heat 1, in [0, 1].
        colormap: Name of a matplotlib colour map.

    Returns:
        RGB picture, uint8, shape ``(height, width, 3)``; the outline lies within the mask and is sky blue.

    Raises:
        TypeError: An argument is of another kind.
        ValueError: Shapes differ, or a value is out of range.

    >>> overlay(np.zeros((1, 3), np.uint8), np.zeros((1, 3)), mask=[[0, 0, 1]])[0].tolist()
    [[0, 0, 0], [0, 0, 0], [86, 180, 233]]
    """
    pixels = checked_picture(getattr(image, "pixels", image), "image")
    picture = create_overlay(pixels, heatmap, alpha=alpha, colormap=colormap)
    if mask is None:
        return picture
    region = checked_mask(mask, picture.shape[:2], "mask").astype(np.uint8)
    width = max(1, round(max(region.shape) / _OUTLINE))
    inner = cv2.erode(region, np.ones((2 * width + 1, 2 * width + 1), np.uint8), borderValue=0)
    picture[region.view(np.bool_) & (np.asarray(inner) == 0)] = ANNOTATION
    return picture


def denormalize_tensor(
    tensor: Any,  # noqa: ANN401 -- a torch tensor, an array or a list
    *,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
) -> NDArray[np.float32]:
    """Turn a network's input back into a picture: the inverse of ``(pixel - mean) / std``.

    Args:
        tensor: Shape ``(channels, height, width)`` or ``(1, channels, height, width)``, floating; 1 or 3 channels.
        mean: Mean per channel, of values in [0, 1]; ImageNet's unless given.
        std: Standard deviation per channel, likewise.

    Returns:
        RGB picture, float32, shape ``(height, width, 3)``; values outside of [0, 1] are clipped, grey is replicated.

    Raises:
        TypeError: The tensor does not hold floating values: it is a picture already.
        ValueError: The tensor has another shape or values that are not finite, or mean and std do not fit its
            channels, or a deviation is not above 0.

    >>> denormalize_tensor(np.zeros((3, 1, 1)), mean=(0.0, 0.5, 1.0), std=(1, 1, 1)).tolist()
    [[[0.0, 0.5, 1.0]]]
    """
    array = to_array(tensor, "tensor")
    planes = array[0] if array.ndim == 4 and len(array) == 1 else array
    if planes.ndim != 3 or len(planes) not in {1, 3} or not planes.size:
        raise ValueError(f"tensor: expected shape (1 or 3, height, width), or 1 of these, got {array.shape}")
    if planes.dtype.kind != "f":
        raise TypeError(f"tensor: expected normalised floating values, got {planes.dtype}")
    if not np.isfinite(planes).all():
        raise ValueError("tensor: expected finite values, got NaN or infinities")
    shift, scale = (_per_channel(values, len(planes), what) for values, what in ((mean, "mean"), (std, "std")))
    if (scale <= 0).any():
        raise ValueError(f"std: expected numbers above 0, got {shown(scale)}")
    picture = np.clip(planes * scale + shift, 0, 1).astype(np.float32)
    return np.ascontiguousarray(np.broadcast_to(picture, (3, *picture.shape[1:])).transpose(1, 2, 0))


def _per_channel(values: Any, channels: int, what: str) -> NDArray[np.float64]:  # noqa: ANN401 -- whatever a caller has
    """Return a number per channel, shape ``(channels, 1, 1)``."""
    array = to_array(values, what).astype(np.float64)
    if array.shape != (channels,) or not np.isfinite(array).all():
        raise ValueError(f"{what}: expected {channels} finite numbers, one per channel, got {shown(array)}")
    return array[:, None, None]


def picture_of(tensor: Any, preprocessing: Preprocessing) -> NDArray[np.uint8]:  # noqa: ANN401 -- see denormalize_tensor
    """Return what the network was given as RGB, uint8, shape ``(height, width, 3)``; see :func:`denormalize_tensor`."""
    return checked_picture(denormalize_tensor(tensor, mean=preprocessing.mean, std=preprocessing.std))


def as_rgb(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a radiograph as an RGB picture of shape ``(height, width, 3)``; grey is replicated."""
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)


def shrunk(
    image: NDArray[np.uint8], heatmap: NDArray[np.float32], limit: Size
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Shrink a radiograph and its heat map to the size at which they are shown; small ones stay as they are.

    Colouring a radiograph costs more than decoding it, so it is shrunk first.

    Args:
        image: Radiograph, uint8, shape ``(height, width)`` or ``(height, width, 3)``.
        heatmap: Float32, shape ``(height, width)``, values in [0, 1].
        limit: The pixels that the picture is to fit into, its aspect ratio kept.

    Returns:
        Both, averaged over the pixels that become one.
    """
    height, width = heatmap.shape
    scale = min(limit.height / height, limit.width / width)
    if scale >= 1:
        return image, heatmap
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    heat = cv2.resize(heatmap, size, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8), np.asarray(heat, np.float32).clip(0, 1)


def layer(colormap: str, alpha: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what is laid over a radiograph at each of 256 levels of heat.

    Returns:
        Tint, float32 in [0, 255], shape ``(256, 3)``, and opacity, float32 in [0, 1], shape ``(256, 1)``: a pixel
        becomes ``pixel * (1 - opacity) + tint``.
    """
    opacity = np.square(np.linspace(0, 1, 256))[:, None] * alpha
    return (opacity * colour_table(colormap)).astype(np.float32), opacity.astype(np.float32)


@cache
def colour_table(colormap: str) -> NDArray[np.float32]:
    """Return the 256 colours of a colour map, float32 in [0, 255], shape ``(256, 3)``."""
    fine = colormaps[colormap].resampled(256)  # some have 10 or 510 colours
    table: NDArray[np.float32] = (fine(np.arange(256))[:, :3] * 255).astype(np.float32)
    return table
