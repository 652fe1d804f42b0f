"""Outlines of annotations and of heat maps, drawn as lines: sharp at every size, and as wide in every picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.patheffects import withStroke

from btxrd_explain.core.contours import regions, simplified
from btxrd_explain.outputs.style import to_hex

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

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
