"""Shortcuts that go with the class of a synthetic radiograph: what an audit of a classifier must find.

Networks learn what tells the classes apart, be it a hospital's marker or a scanner's grey levels (Zech et al., PLoS Med
15:e1002683, 2018; DeGrave et al., Nat Mach Intell 3:610, 2021).
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from btxrd_explain.core.geometry import Size

_MARGIN, _HEIGHT, _WIDTH = 0.03, 0.08, 0.1
"""Of the shorter side: distance of the marker from the edges, height of its plate, and width."""
_FRAME = 0.04
_DARKER = 0.8


class Shortcut(StrEnum):
    """What goes with the class."""

    MARKER = "marker"
    """A white letter on a black plate in the upper left corner."""
    BORDER = "border"
    """A grey frame, as some scanners leave."""
    GREY_LEVEL = "grey-level"
    """All grey levels are lower, as with another scanner."""


def plant(pixels: NDArray[np.uint8], shortcut: Shortcut) -> NDArray[np.uint8]:
    """Return a radiograph with a shortcut.

    Args:
        pixels: Uint8 array of shape ``(height, width)``.
        shortcut: Which one.

    >>> plant(np.full((100, 100), 200, np.uint8), Shortcut.GREY_LEVEL).max()
    np.uint8(160)
    """
    if shortcut is Shortcut.GREY_LEVEL:
        darker: NDArray[np.uint8] = (pixels * _DARKER).astype(np.uint8)
        return darker
    planted = pixels.copy()
    side = min(pixels.shape)
    if shortcut is Shortcut.BORDER:
        width = max(1, round(_FRAME * side))
        inner = planted[width:-width, width:-width].copy()
        planted[:] = 128
        planted[width:-width, width:-width] = inner
        return planted
    rows, columns = marker_place(pixels.shape)
    plate = planted[rows, columns]
    plate[:] = 0
    height, width = plate.shape
    stroke, edge = max(1, height // 5), max(1, height // 8)
    plate[edge : edge + stroke, width // 4 : width - width // 4] = 255
    plate[edge : height - edge, (width - stroke) // 2 : (width + stroke) // 2] = 255
    return planted


def marker_place(size: Size | tuple[int, ...]) -> tuple[slice, slice]:
    """Return the rows and columns of the marker's plate.

    Args:
        size: Height and width of the radiograph.
    """
    side = min(size[:2])
    start, height, width = (round(part * side) for part in (_MARGIN, _HEIGHT, _WIDTH))
    return slice(start, start + height), slice(start, start + width)
