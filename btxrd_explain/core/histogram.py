"""A heat map's pixels counted by level, once for the whole image and once within the annotation.

Heat maps are quantised to 51,001 levels: ``level = floor(51000 h)``, but 1 for whatever is more than 0, so that the
pixels without evidence are a level of their own. Because of ``51000 = 255 * 200 = 1000 * 51`` one
histogram serves Otsu's rule on ``uint8(255 h)``, thresholds of two digits and bins of 0.001, each to the last pixel.
From the two histograms every threshold's true and false positives follow by cumulative sums, without another look at
the pixels: the first value of a level is the threshold itself, as float32 has it (see ``_FACTORS``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import cv2
import numpy as np

from btxrd_explain.core.interpolation import row_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from btxrd_explain.core.heatmap import HeatMap
    from btxrd_explain.core.interpolation import Block

LEVELS_PER_BYTE = 200
"""Levels that share a value of ``uint8(255 h)``."""
TOP_LEVEL = 255 * LEVELS_PER_BYTE
"""The level of ``h = 1``."""
CURVE_THRESHOLDS: NDArray[np.float64] = np.arange(101) / 100
"""The thresholds of an IoU curve: 0, 0.01, ... 1."""
HUNDREDTHS = CURVE_THRESHOLDS.astype(np.float32)
"""These as they are compared with heat maps."""
_PER_HUNDREDTH = TOP_LEVEL // 100
LEVELS_OF_HUNDREDTHS = np.arange(101) * _PER_HUNDREDTH
"""The level that each of :data:`HUNDREDTHS` is the lowest value of."""
_FACTORS = np.float32(31576.171875), np.float32(1.6151419878005981)
"""Their product is 51000; a value is multiplied by the one and then by the other, and float32 rounds twice.

These two were found by trying many: with them, each of :data:`HUNDREDTHS` is the lowest value of its level, and so is
the lowest value of each byte of ``uint8(255 h)``, to the last bit of float32. With 51000 itself 12 of them are not.
"""
_LOWEST = 2 / TOP_LEVEL
"""Values that are higher, be it by rounding, are of level 1 at least."""
_AT_ONCE = 2**22
"""Levels that are kept until they are counted, so that large images take no more memory than others."""
_FEW = 2**18
_FLOAT32_COUNTS = 2**24
"""OpenCV returns counts as float32, which holds integers up to here."""


@dataclass(frozen=True, eq=False)
class Histogram:
    """Pixels per level.

    Attributes:
        inside: Int64 array of shape ``(TOP_LEVEL + 1,)``: annotated pixels of each level.
        whole: Int64 array of the same shape: all pixels of each level.
        equal_inside: Int64 array of shape ``(101,)``: annotated pixels that equal each of :data:`HUNDREDTHS`; None
            where that was not asked for.
        equal: Likewise, of all pixels.
    """

    inside: NDArray[np.int64]
    whole: NDArray[np.int64]
    equal_inside: NDArray[np.int64] | None = None
    equal: NDArray[np.int64] | None = None

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

    def level_reached_by(self, count: int) -> int:
        """Return the highest level at or above which at least ``count`` pixels lie; ``count`` is at least 1."""
        return len(self.whole_from) - 1 - int(np.searchsorted(self.whole_from[::-1], count, side="left"))


def quantise(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Return the level of each pixel.

    Args:
        values: Float32 heat map of any shape in [0, 1].

    Returns:
        Uint16 array of the same shape, at most :data:`TOP_LEVEL`; 0 where a value is 0.

    >>> quantise(np.array([0.0, 1e-7, 0.5, 1.0], np.float32)).tolist()
    [0, 1, 25500, 51000]
    """
    levels = np.empty(values.shape, np.uint16)
    _round_down(values, levels, np.empty(values.shape, np.float32))
    return np.maximum(levels, values > 0, out=levels)


def _round_down(values: NDArray[np.float32], levels: NDArray[np.uint16], scaled: NDArray[np.float32]) -> None:
    np.multiply(values, _FACTORS[0], out=scaled)
    scaled *= _FACTORS[1]
    np.copyto(levels, scaled, casting="unsafe")


def _on_hundredths(values: NDArray[np.float32], levels: NDArray[np.uint16]) -> NDArray[np.int64]:
    """Count the pixels that equal each of :data:`HUNDREDTHS` above 0, given their levels; shape ``(101,)``."""
    hundredths = levels // np.uint16(_PER_HUNDREDTH)
    first = (levels == hundredths * np.uint16(_PER_HUNDREDTH)) & (levels > 0)
    own = hundredths[first]
    return np.bincount(own[values[first] == HUNDREDTHS[own]], minlength=len(HUNDREDTHS))


def count_levels(heat: HeatMap, inside: NDArray[np.float32], *, equal: bool = False) -> Histogram:
    """Count the pixels of each level, in the whole image and in the annotation.

    Args:
        heat: The heat map.
        inside: Its values on the annotation, any shape.
        equal: Whether to count those that equal one of :data:`HUNDREDTHS` as well.

    Returns:
        The two histograms.
    """
    pixels, blocks = heat.shape[0] * heat.shape[1], list(heat.blocks())
    whole, positive, filled = np.zeros(TOP_LEVEL + 1, np.int64), 0, 0
    equals = np.zeros(len(HUNDREDTHS), np.int64)
    most = max((block.size for block in blocks), default=0)
    scratch = np.empty((2, most), np.float32)  # new memory costs more than sums
    levels = np.empty(min(max(_AT_ONCE, most), pixels), np.uint16)
    for block in blocks:
        if filled + block.size > levels.size:
            whole += _count(levels[:filled])
            filled = 0
        values, scaled = (row[: block.size].reshape(block.shape) for row in scratch)
        values = heat.part(block.rows, block.columns, values)
        positive += values.size if block.low > _LOWEST else cv2.countNonZero(values)
        own = levels[filled : filled + values.size].reshape(values.shape)
        _round_down(values, own, scaled)
        if equal:
            equals += _on_hundredths(values, own)
        filled += values.size
    whole += _count(levels[:filled])
    # Counting what is more than 0 is quicker than raising the levels of all that would be rounded down to 0.
    whole[:2] = pixels - positive, whole[:2].sum() - (whole.sum() - positive)
    annotated = quantise(inside)
    counts = _count(annotated), whole
    if not equal:
        return Histogram(*counts)
    equals_inside = _on_hundredths(inside, annotated)
    equals_inside[0], equals[0] = (each[0] for each in counts)
    return Histogram(*counts, equals_inside, equals)


def pixels_at(levels: range, heat: HeatMap) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return the positions and values of some levels' pixels.

    Args:
        levels: The levels, in steps of 1.
        heat: The heat map.

    Returns:
        Intp array of indices into the flattened image, ascending, and float32 array of the same shape.
    """
    nowhere = np.empty(0, np.intp), np.empty(0, np.float32)
    found = [nowhere, *(_at(levels, heat, block) for block in _with_levels(levels, heat))]
    positions, values = (np.concatenate([part[of] for part in found]) for of in (0, 1))
    order = np.argsort(positions)
    return positions[order], values[order]


def _with_levels(levels: range, heat: HeatMap) -> Iterator[Block]:
    """Yield the parts of a heat map that may have pixels of some levels."""
    slack = 1e-6  # of interpolation in float32
    least = levels.start if levels.start > 1 else 0  # all that is more than 0 is at least of level 1
    low, high = least / TOP_LEVEL - slack, levels.stop / TOP_LEVEL + slack
    for block in row_blocks(heat.shape) if 0 in levels else heat.blocks(low, high):
        if block.low < high and block.high >= low:
            yield block


def _at(levels: range, heat: HeatMap, block: Block) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    values = heat.part(block.rows, block.columns)
    near = values.ravel() >= np.float32((levels.start - 1) / TOP_LEVEL)
    if levels.stop <= TOP_LEVEL:
        near &= values.ravel() <= np.float32((levels.stop + 1) / TOP_LEVEL)
    places = np.flatnonzero(near)
    found = values.ravel()[places]
    own = quantise(found)
    within = (own >= levels.start) & (own < levels.stop)
    rows, columns = np.divmod(places[within], values.shape[1])
    return (rows + block.rows.start) * heat.shape[1] + columns + block.columns.start, found[within]


def _count(levels: NDArray[np.uint16]) -> NDArray[np.int64]:
    """Count many with OpenCV, whose path for all 65,536 levels is the fastest at hand, and few with NumPy."""
    if levels.size < _FEW:
        return np.bincount(levels.ravel(), minlength=TOP_LEVEL + 1)[: TOP_LEVEL + 1]
    counted = cv2.calcHist([np.atleast_2d(levels)], [0], None, [2**16], [0, 2**16])
    counts = counted.ravel()[: TOP_LEVEL + 1].astype(np.int64)
    if levels.size > _FLOAT32_COUNTS:
        counts[counts.argmax()] += levels.size - counts.sum()  # no more than one level can have been rounded
    return counts


def _from_above(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    sums = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts[::-1], out=sums[-2::-1])
    return sums
