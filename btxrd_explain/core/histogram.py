"""A heat map's pixels counted by level, once for the whole image and once within the annotation.

Heat maps are quantised to 65,281 levels: ``level = floor(65280 h)`` with ``65280 = 255 * 256``, so that the upper byte
of a level is ``uint8(255 h)`` to the last bit and one histogram serves Otsu's rule as well as the fine curves. From the
two histograms every threshold's true and false positives follow by cumulative sums, without another look at the pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOP_LEVEL = 255 * 256
"""The level of ``h = 1``."""
_AT_ONCE = 2**18
"""Pixels handled at a time, so that what lies between two steps stays in the processor's cache."""
_FLOAT32_COUNTS = 2**24
"""OpenCV returns counts as float32, which holds integers up to here."""


@dataclass(frozen=True, eq=False)
class Histogram:
    """Pixels per level.

    Attributes:
        inside: Int64 array of shape ``(TOP_LEVEL + 1,)``: annotated pixels of each level.
        whole: Int64 array of the same shape: all pixels of each level.
    """

    inside: NDArray[np.int64]
    whole: NDArray[np.int64]

    @cached_property
    def inside_from(self) -> NDArray[np.int64]:
        """Annotated pixels at a level or above (true positives of ``level >= k``); one entry more, which is 0."""
        return _from_above(self.inside)

    @cached_property
    def whole_from(self) -> NDArray[np.int64]:
        """All pixels at a level or above; one entry more, which is 0."""
        return _from_above(self.whole)

    @cached_property
    def annotated_levels(self) -> NDArray[np.intp]:
        """The levels with annotated pixels, ascending: recall changes nowhere else."""
        return np.flatnonzero(self.inside)

    @property
    def annotated(self) -> int:
        """Pixels in the annotation."""
        return int(self.inside_from[0])

    @property
    def pixels(self) -> int:
        """Pixels in the image."""
        return int(self.whole_from[0])

    def fits(self, mass: float) -> bool:
        """Return whether these are the levels of a heat map in [0, 1] with that sum; NaN and other values betray it."""
        lowest = int(self.whole_from[1:].sum()) / TOP_LEVEL
        slack = self.pixels * 1e-6
        return lowest - slack <= mass <= lowest + self.pixels / TOP_LEVEL + slack

    def level_reached_by(self, count: int) -> int:
        """Return the highest level at or above which at least ``count`` pixels lie; ``count`` is at least 1."""
        return int(np.searchsorted(-self.whole_from, -count, side="right")) - 1


def quantise(values: NDArray[np.float32]) -> tuple[NDArray[np.uint16], float]:
    """Return the level of each pixel, ``floor(65280 h)``, and the sum of the heat map.

    Args:
        values: Float32 heat map of shape ``(height, width)`` in [0, 1].

    Returns:
        Uint16 array of the same shape, at most :data:`TOP_LEVEL`, and ``Σ h`` in float64.

    >>> levels, mass = quantise(np.array([[0.0, 0.5, 1.0]], np.float32))
    >>> levels.tolist(), mass
    ([[0, 32640, 65280]], 1.5)
    """
    levels = np.empty(values.shape, np.uint16)
    mass = 0.0
    rows = max(_AT_ONCE // values.shape[1], 1)
    scaled = np.empty((min(rows, len(values)), values.shape[1]), np.float32)
    for start in range(0, len(values), rows):
        part = values[start : start + rows]
        mass += _sum(part)
        np.multiply(part, np.float32(TOP_LEVEL), out=scaled[: len(part)])
        with np.errstate(invalid="ignore"):  # what is not a heat map is refused when it is counted
            np.copyto(levels[start : start + rows], scaled[: len(part)], casting="unsafe")
    return levels, mass


def _sum(values: NDArray[np.float32]) -> float:
    """Add up in float64, in an order that does not depend on where the array lies, as that of cv2.sumElems does.

    OpenCV adds up each row, and NumPy the rows: NumPy alone takes three times as long, for it copies to float64 first.
    """
    return float(cv2.reduce(values, 1, cv2.REDUCE_SUM, dtype=cv2.CV_64F).sum())


def count_levels(levels: NDArray[np.uint16], inside: NDArray[np.uint16]) -> Histogram:
    """Count the pixels of each level, in the whole image and in the annotation.

    Args:
        levels: From :func:`quantise`, shape ``(height, width)``.
        inside: The levels of the annotated pixels alone, any shape.

    Returns:
        The two histograms.
    """
    return Histogram(inside=_count(inside), whole=_count(levels))


def pixels_at(level: int, levels: NDArray[np.uint16]) -> NDArray[np.intp]:
    """Return the positions of a level's pixels.

    Args:
        level: The level.
        levels: From :func:`quantise`, contiguous, shape ``(height, width)``.

    Returns:
        Intp array of indices into the flattened image, ascending.
    """
    flat = levels.ravel()
    starts = range(0, flat.size, _AT_ONCE)
    return np.concatenate([np.flatnonzero(flat[start : start + _AT_ONCE] == level) + start for start in starts])


def _count(levels: NDArray[np.uint16]) -> NDArray[np.int64]:
    """Count with OpenCV, whose path for all 65,536 levels is the fastest at hand (NumPy's takes five times as long)."""
    if levels.size == 0:
        return np.zeros(TOP_LEVEL + 1, np.int64)
    counted = cv2.calcHist([np.atleast_2d(levels)], [0], None, [2**16], [0, 2**16])
    counts = counted.ravel()[: TOP_LEVEL + 1].astype(np.int64)
    if levels.size > _FLOAT32_COUNTS:
        counts[counts.argmax()] += levels.size - counts.sum()  # no more than one level can have been rounded
    return counts


def _from_above(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    sums = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts[::-1], out=sums[-2::-1])
    return sums
