"""Heat maps and outlines over radiographs."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import cv2
import numpy as np
from matplotlib import colormaps
from matplotlib.collections import PolyCollection
from matplotlib.patheffects import withStroke

from btxrd_explain.core.contours import regions, simplified
from btxrd_explain.outputs.style import to_hex

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from btxrd_explain.core.geometry import Size


def create_overlay(
    image: NDArray[np.uint8],
    heatmap: NDArray[np.floating[Any]],
    alpha: float = 0.45,
    *,
    colormap: str = "inferno",
) -> NDArray[np.uint8]:
    """Lay a heat map over a radiograph.

    The scale is fixed: 0 is the colour map's first colour and 1 its last, in every picture. Opacity grows with the
    heat, ``alpha * sqrt(h)``, so that the radiograph stays as it is where there is nothing to show.

    Args:
        image: Radiograph, uint8, shape ``(height, width)`` or ``(height, width, 3)`` RGB.
        heatmap: Shape ``(height, width)``, values in [0, 1].
        alpha: Opacity at heat 1, in [0, 1].
        colormap: Name of a matplotlib colour map.

    Returns:
        RGB picture, uint8, shape ``(height, width, 3)``.

    Raises:
        ValueError: Shapes differ, values are out of range or not finite, or the colour map is unknown.

    >>> create_overlay(np.full((1, 2), 100, np.uint8), np.array([[0.0, 1.0]]), alpha=1.0).tolist()
    [[[100, 100, 100], [252, 255, 164]]]
    """
    if image.dtype != np.uint8 or image.shape[:2] != heatmap.shape or image.shape[2:] not in {(), (3,)}:
        raise ValueError(f"a {image.dtype} image {image.shape} and a heat map {heatmap.shape} do not fit")
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must lie in [0, 1], got {alpha}")
    if heatmap.size and not (heatmap.min() >= 0 and heatmap.max() <= 1):  # also false for NaN
        raise ValueError("the heat map has values outside [0, 1]")
    levels = (heatmap * 255 + 0.5).astype(np.uint8)
    opacity = (alpha * np.sqrt(np.arange(256, dtype=np.float32) / 255))[:, None]
    tint = opacity * colour_table(colormap)
    rgb = as_rgb(image)
    return (rgb * (1 - opacity)[levels] + tint[levels] + 0.5).astype(np.uint8)


def denormalize_tensor(tensor: Any, mean: Sequence[float], std: Sequence[float]) -> NDArray[np.uint8]:  # noqa: ANN401
    """Turn a network's input back into a picture: the inverse of ``(pixel / 255 - mean) / std``.

    Args:
        tensor: Shape ``(channels, height, width)`` or ``(1, channels, height, width)``, a torch tensor on any
            device or an array; 1 or 3 channels.
        mean: Mean per channel.
        std: Standard deviation per channel.

    Returns:
        RGB picture, uint8, shape ``(height, width, 3)``; values outside of [0, 255] are clipped.

    Raises:
        ValueError: The tensor has another shape or values that are not finite, or mean and std do not fit its
            channels.

    >>> denormalize_tensor(np.zeros((3, 1, 1)), mean=(0.0, 0.5, 1.0), std=(1, 1, 1)).tolist()
    [[[0, 128, 255]]]
    """
    # NumPy knows no bfloat16, the type of networks under autocast.
    detached = tensor.detach().cpu().float() if hasattr(tensor, "detach") else tensor
    array = np.asarray(detached, dtype=np.float64)
    array = array[0] if array.ndim == 4 and len(array) == 1 else array
    if array.ndim != 3 or len(array) not in {1, 3} or not len(array) == len(mean) == len(std):
        raise ValueError(
            f"a tensor of shape {tuple(np.shape(detached))} does not fit {len(mean)} means, {len(std)} stds"
        )
    if not np.isfinite(array).all():
        raise ValueError("the tensor has values that are not finite")
    scale, shift = (np.asarray(values, dtype=np.float64)[:, None, None] for values in (std, mean))
    picture = np.clip((array * scale + shift) * 255 + 0.5, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(picture, (3, *picture.shape[1:])).transpose(1, 2, 0))


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


@cache
def colour_table(colormap: str) -> NDArray[np.float32]:
    """Return the 256 colours of a colour map, float32 in [0, 255], shape ``(256, 3)``."""
    if colormap not in colormaps:
        raise ValueError(f"matplotlib has no colour map '{colormap}'")
    fine = colormaps[colormap].resampled(256)  # some have 10 or 510 colours
    table: NDArray[np.float32] = (fine(np.arange(256))[:, :3] * 255).astype(np.float32)
    return table


Outlines: TypeAlias = "tuple[NDArray[np.float64], ...]"
"""Closed lines, each float64 of shape ``(n, 2)``: x and y as shares of the picture's width and height, in [0, 1]."""

_FINEST = 2000
"""Outlines follow a mask to that share of its longest side: less than a pixel of what is printed."""
_WIDTH, _RIM = 1.0, 1.9
"""Points: width of a line, and of the dark rim that makes it show on bright bone as well."""


def outlines_of(mask: NDArray[np.bool_]) -> Outlines:
    """Return the borders of a mask, holes included.

    Args:
        mask: Boolean, shape ``(height, width)``.

    Returns:
        The outlines; none for an empty mask.

    >>> outlines_of(np.array([[False, True], [False, True]]))[0].tolist()
    [[0.75, 0.25], [0.75, 0.75]]
    """
    height, width = mask.shape
    tolerance = max(mask.shape) / _FINEST
    borders = [border for region in regions(mask) for border in (region.border, *region.holes)]
    return tuple((simplified(border, tolerance) + 0.5) / (width, height) for border in borders)


def add_outlines(
    axes: Axes,
    outlines: Outlines,
    place: tuple[float, float, float, float],
    colour: tuple[int, int, int],
) -> None:
    """Draw outlines over a picture.

    Args:
        axes: A cell made by :func:`btxrd_explain.outputs.style.add_cell`.
        outlines: What to draw.
        place: Where the picture lies, as :func:`btxrd_explain.outputs.style.show_picture` returned it.
        colour: RGB, each in 0..255.
    """
    if not outlines:
        return
    left, top, width, height = place
    lines = [line * (width, height) + (left, top) for line in outlines]
    lines = [np.vstack([line, line[:1] + 1e-3]) for line in lines]  # so that a single pixel is a line, and shows
    axes.add_collection(
        PolyCollection(
            lines,
            facecolors="none",
            edgecolors=to_hex(colour),
            linewidths=_WIDTH,
            capstyle="round",
            joinstyle="round",
            path_effects=[withStroke(linewidth=_RIM, foreground="black")],
        ),
        autolim=False,
    )
