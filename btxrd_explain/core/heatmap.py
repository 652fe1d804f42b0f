"""From a raw class-activation grid to a heat map that can be drawn and scored.

The order of steps is fixed: judge the raw grid, cut off negative evidence (ReLU), upsample, and scale to [0, 1] by
the extremes of what was upsampled. A grid without evidence is never stretched into a confident picture.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from btxrd_explain.core.choices import Space
from btxrd_explain.core.interpolation import Block, Surface, extremes, row_blocks
from btxrd_explain.plain import short_repr

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from btxrd_explain.core.geometry import Frame
    from btxrd_explain.core.interpolation import Line

NOISE_FLOOR = 1e-6
"""A peak below this fraction of the terms it was summed from is rounding noise of float32, not evidence.

So is a cell below this fraction of the peak: it counts as 0.
"""

COMPLETE = 0.05
"""Attributions are complete if their sum misses the change of the class score by at most this fraction of it."""


class MapStatus(StrEnum):
    """What a raw class-activation grid is worth."""

    OK = "ok"
    NO_POSITIVE_EVIDENCE = "no_positive_evidence"
    """No cell speaks for the class: after ReLU nothing is left but rounding noise."""
    FLAT = "flat"
    """All cells speak for the class alike: no place stands out."""
    NON_FINITE = "non_finite"
    """The grid holds NaN or infinities."""
    INCOMPLETE = "incomplete"
    """The attributions do not add up to the change of the class score, as the method promises: see ``COMPLETE``."""
    NOT_COMPUTED = "not_computed"
    """Grids of other classes were asked for (``--explain-classes``)."""


class DegenerateMapWarning(UserWarning):
    """A heat map is all zero because its raw grid holds no usable evidence."""


@dataclass(frozen=True)
class HeatMap:
    """A heat map on an image.

    Attributes:
        source: Float32 array of shape ``(height, width)`` in [0, 1], or the scaled grid from which such pixels are made
            where they are looked at.
        peak: Largest value before scaling, in units of the class score; None for a grid that is not finite or not
            there.
        status: What the raw grid is worth.
        hottest: Row and column of the first maximum before scaling, which can make neighbours equal; None unless
            the status is ``ok``.
        cell: Height and width of a grid cell in the pixels of ``values``; None where it is not known.
        coldest: Row and column of the first minimum before scaling; None where it is not known.
    """

    source: NDArray[np.float32] | Surface
    peak: float | None
    status: MapStatus
    hottest: tuple[int, int] | None = None
    cell: tuple[float, float] | None = None
    coldest: tuple[int, int] | None = None

    __repr__ = short_repr

    @cached_property
    def values(self) -> NDArray[np.float32]:
        """Float32 array of shape ``(height, width)`` in [0, 1]; all 0 unless the status is ``ok``."""
        return self.part() if isinstance(self.source, Surface) else self.source

    @property
    def shape(self) -> tuple[int, ...]:
        """Height and width of the image."""
        return self.source.shape

    def part(
        self, rows: slice = slice(None), columns: slice = slice(None), out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Return the values of some of the pixels, in steps of 1; written into ``out`` where that is given."""
        if not isinstance(self.source, Surface):
            return np.positive(self.source[rows, columns], out=out) if out is not None else self.source[rows, columns]
        image = self.source.part(rows, columns, out)
        if self.source.may_leave(rows, columns):
            np.clip(image, 0, 1, out=image)
        top, left = rows.start or 0, columns.start or 0
        for pixel, value in ((self.coldest, 0), (self.hottest, 1)):  # whatever rounding has made of them
            if pixel and 0 <= pixel[0] - top < image.shape[0] and 0 <= pixel[1] - left < image.shape[1]:
                image[pixel[0] - top, pixel[1] - left] = value
        return image

    @property
    def mass(self) -> float:
        """Sum of all values.

        Raises:
            ValueError: An array was given whose values are not all in [0, 1].
        """
        if isinstance(self.source, Surface):
            return self.source.mass
        if not (self.source.min(initial=0) >= 0 and self.source.max(initial=0) <= 1):  # False for NaN
            raise ValueError("the heat map holds NaN, or values outside [0, 1]")
        return float(np.ascontiguousarray(self.source).sum(dtype=np.float64))

    def blocks(self, low: float = -inf, high: float = inf) -> Iterable[Block]:
        """Return rectangles that cover all pixels which are not 0, and between ``low`` and ``high``."""
        return self.source.blocks(low, high) if isinstance(self.source, Surface) else row_blocks(self.source.shape)


def judge(grid: NDArray[np.floating[Any]], magnitude: float | None = None, violation: float = 0.0) -> MapStatus:
    """Return what a raw class-activation grid is worth, before any scaling hides it.

    Args:
        grid: Raw grid of shape ``(rows, columns)``, signed.
        magnitude: Largest sum over cells of the absolute terms that the grid was summed from (for Grad-CAM
            ``max Σ_k |w_k A_k|``); None takes the largest absolute value of the grid itself.
        violation: By which fraction the method's own law is violated.

    Returns:
        The status.

    >>> judge(np.array([[-1.0, -2.0]]))
    <MapStatus.NO_POSITIVE_EVIDENCE: 'no_positive_evidence'>
    >>> judge(np.array([[1e-10, -1e-10]]), magnitude=3.0)
    <MapStatus.NO_POSITIVE_EVIDENCE: 'no_positive_evidence'>
    """
    whole = np.abs(grid).max() if magnitude is None else magnitude
    return MapStatus(judge_each(grid, np.asarray(whole), np.asarray(violation)).item())


def judge_each(
    grids: NDArray[np.floating[Any]], magnitudes: NDArray[np.floating[Any]], violations: NDArray[np.floating[Any]]
) -> NDArray[np.object_]:
    """Judge many grids at once, see :func:`judge`.

    Args:
        grids: Raw grids, shape ``(..., rows, columns)``, signed.
        magnitudes: One of each grid, shape ``(...)``.
        violations: Likewise.

    Returns:
        Array of :class:`MapStatus`, shape ``(...)``.
    """
    cells = (-2, -1)
    peaks = grids.max(axis=cells).astype(np.float64)
    floors = NOISE_FLOOR * magnitudes.astype(np.float64)
    with np.errstate(invalid="ignore"):  # infinities have no difference, and are told from numbers by then
        spans = peaks - grids.min(axis=cells).clip(min=0)
    verdicts = {
        MapStatus.NON_FINITE: ~np.isfinite(grids).all(axis=cells),
        MapStatus.INCOMPLETE: ~(violations <= COMPLETE),
        MapStatus.NO_POSITIVE_EVIDENCE: peaks <= floors,
        MapStatus.FLAT: spans <= floors,
    }
    found = [np.array(status, object) for status in verdicts]
    return np.select(list(verdicts.values()), found, np.array(MapStatus.OK, object))


def heat_map(
    grid: NDArray[np.floating[Any]],
    frame: Frame,
    *,
    status: MapStatus,
    space: Space = Space.ORIGINAL,
    step: int = 1,
) -> HeatMap:
    """Turn a raw class-activation grid into a heat map on the radiograph or on the network's input.

    Args:
        grid: Raw grid of shape ``(rows, columns)``, signed.
        frame: How the radiograph maps to the network's input.
        status: The grid's status as judged when it was computed.
        space: On which pixels the heat map lives.
        step: Take only every so many-th of them along each axis (see :meth:`Line.every`); they have the values that
            they have among all.

    Returns:
        The heat map: ReLU, bilinear upsampling and min-max scaling per image. Pixels that the network did not see,
        and padding, are 0 and have no part in the scaling.
    """
    rows, columns = _lines(frame, space, grid.shape)
    taken = _every(frame, space, grid.shape, step)
    size = len(taken[0].coordinates), len(taken[1].coordinates)
    if status in {MapStatus.NON_FINITE, MapStatus.NOT_COMPUTED}:
        return HeatMap(np.zeros(size, np.float32), None, status)
    peak = float(grid.max())
    if status is not MapStatus.OK:
        return HeatMap(np.zeros(size, np.float32), peak, status)
    positive = grid.clip(0).astype(np.float64)
    positive[positive < NOISE_FLOOR * positive.max()] = 0
    found = extremes(positive, rows, columns)
    if found is None or found.high - found.low <= NOISE_FLOOR * found.high:
        return HeatMap(np.zeros(size, np.float32), peak, MapStatus.FLAT)  # what varies was cropped away
    # Scaling commutes with interpolation: on the grid it is exact, and costs nothing.
    scaled = Surface((positive - found.low) / (found.high - found.low), *taken)
    height, width = _cell_size(grid.shape, frame, space)
    if step == 1:
        return HeatMap(scaled, peak, status, found.hottest, (height, width), found.coldest)
    row, column = (min(place // step, side - 1) for place, side in zip(found.hottest, size, strict=True))
    return HeatMap(scaled, peak, status, (row, column), (height / step, width / step))


@lru_cache(maxsize=16)
def _lines(frame: Frame, space: Space, cells: tuple[int, ...]) -> tuple[Line, Line]:
    """Place rows and columns of pixels on a grid; the maps of one image, which come one after another, share them."""
    return frame.lines_on_original(cells) if space is Space.ORIGINAL else frame.lines_on_input(cells)


@lru_cache(maxsize=16)
def _every(frame: Frame, space: Space, cells: tuple[int, ...], step: int) -> tuple[Line, Line]:
    """Take every so many-th of them."""
    rows, columns = _lines(frame, space, cells)
    return (rows, columns) if step == 1 else (rows.every(step), columns.every(step))


def hash_of_maps(maps: NDArray[np.float32]) -> str:
    """Return the SHA-256 of the values of heat maps, the same on every machine."""
    return hashlib.sha256(np.ascontiguousarray(maps, "<f4").tobytes()).hexdigest()


def _cell_size(cells: tuple[int, ...], frame: Frame, space: Space) -> tuple[float, float]:
    """Return the height and width of a grid cell in the pixels of ``space``."""
    height, width = (length / number for length, number in zip(frame.network, cells, strict=True))
    if space is Space.INPUT:
        return height, width
    return (
        height * frame.original.height / frame.resized.height,
        width * frame.original.width / frame.resized.width,
    )
