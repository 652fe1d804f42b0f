"""Bilinear interpolation of a small grid at the pixels of an image, and what it looks like before it is done.

Between two cell centres an interpolated map changes linearly along each axis. Its extremes therefore lie at the
first or last pixels between two centres: of a million pixels a few hundred tell the range of a map, and where it is
hottest.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_ROUNDING = 1e-6
"""Interpolation in float32 is off by less, in units of the largest value."""
_AT_ONCE = 2**17
"""Pixels handled at a time, so that what lies between two steps stays in the processor's cache."""
_WORTH_A_LOOK = 2**13
"""Pixels that take as long as it takes to turn to them."""


@dataclass(frozen=True, eq=False)
class Line:
    """The pixels along one axis, in the coordinates of the grid's cells.

    Attributes:
        coordinates: Float64 array of shape ``(n,)``, ascending: 0 is the first cell's centre, 1 the second's.
        cells: Number of cells.
        inside: The pixels that are interpolated; the others are 0.
    """

    coordinates: NDArray[np.float64]
    cells: int
    inside: slice

    @classmethod
    def at(cls, positions: NDArray[np.float64], extent: int, cells: int, inside: slice) -> Line:
        """Place pixels on a line of cells.

        Args:
            positions: Float64 array of shape ``(n,)``: the pixels' centres.
            extent: Length that the cells cover together, in the same unit.
            cells: Number of cells, with centres at ``(k + 0.5) * extent / cells``.
            inside: The pixels to interpolate.
        """
        return cls(positions * (cells / extent) - 0.5, cells, inside)

    def every(self, step: int) -> Line:
        """Return every ``step``-th pixel, from the middle of the first ``step`` on."""
        first = step // 2
        start, stop = (max(-((first - end) // step), 0) for end in (self.inside.start, self.inside.stop))
        return Line(self.coordinates[first::step], self.cells, slice(start, stop))

    @cached_property
    def lower(self) -> NDArray[np.intp]:
        """The cell before each pixel, shape ``(n,)``; beyond the outermost centres the outermost cell."""
        return np.floor(np.clip(self.coordinates, 0, self.cells - 1)).astype(np.intp)

    @cached_property
    def upper(self) -> NDArray[np.intp]:
        """The cell behind each pixel, likewise."""
        return np.minimum(self.lower + 1, self.cells - 1)

    @cached_property
    def fraction(self) -> NDArray[np.float64]:
        """How far each pixel is from the one to the other, in [0, 1), shape ``(n,)``."""
        return np.clip(self.coordinates, 0, self.cells - 1) - self.lower

    def runs(self, within: slice = slice(None)) -> Iterator[tuple[int, slice]]:
        """Yield the pixels between two neighbouring cells, with the number of the first; pixels that are 0 are in none.

        Args:
            within: The pixels to look at, in steps of 1.
        """
        first, last, _ = within.indices(len(self.coordinates))
        first, last = max(first, self.inside.start), min(last, self.inside.stop)
        inner = self._changes[bisect_right(self._changes, first) : bisect_left(self._changes, last)]
        yield from ((int(self.lower[a]), slice(a, b)) for a, b in pairwise([first, *inner, last]) if a < b)

    @cached_property
    def _changes(self) -> list[int]:
        """The first pixel behind each centre of a cell."""
        return (np.flatnonzero(np.diff(self.lower)) + 1).tolist()

    def along(self, values: NDArray[np.float64], pixels: NDArray[np.intp] | slice = slice(None)) -> NDArray[np.float64]:
        """Interpolate rows of an array, element by element.

        Args:
            values: Float64 array of shape ``(cells, ...)``.
            pixels: The pixels at which to interpolate.

        Returns:
            Float64 array of shape ``(n, ...)``.
        """
        lower, upper = values[self.lower[pixels]], values[self.upper[pixels]]
        return lower + self.fraction[pixels, None] * (upper - lower)

    def weights(self, pixels: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the matrix that interpolates a row of cells.

        Args:
            pixels: Intp array of shape ``(n,)``: the pixels at which to interpolate.

        Returns:
            Float64 array of shape ``(n, cells)``. Rows sum to 1, and beyond the outermost centres the outermost cell
            counts alone.

        >>> line = Line.at(np.array([0.5, 2.0, 3.5]), extent=4, cells=2, inside=slice(0, 3))
        >>> line.weights(np.arange(3)).tolist()
        [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]
        """
        weights = np.zeros((len(pixels), self.cells))
        index = np.arange(len(pixels))
        weights[index, self.lower[pixels]] += 1 - self.fraction[pixels]
        weights[index, self.upper[pixels]] += self.fraction[pixels]
        return weights

    @cached_property
    def weight(self) -> NDArray[np.float64]:
        """How much each cell counts in the sum of all pixels, shape ``(cells,)``."""
        weight: NDArray[np.float64] = self.weights(np.arange(len(self.coordinates))[self.inside]).sum(axis=0)
        return weight

    def around(self, pixels: slice) -> slice:
        """Return the cells between which some of the pixels lie, in steps of 1."""
        first, last, _ = pixels.indices(len(self.coordinates))
        return slice(int(self.lower[first]), int(self.upper[last - 1]) + 1) if first < last else slice(0)

    def corners(self) -> NDArray[np.intp]:
        """Return the first and last pixel between each two cell centres, and beyond the outermost ones.

        Returns:
            Intp array, ascending, at most ``2 (cells + 1)`` long.
        """
        gaps = np.clip(np.floor(self.coordinates[self.inside]), -1, self.cells - 1)
        new = np.diff(gaps, prepend=-2, append=self.cells) != 0
        corners: NDArray[np.intp] = np.flatnonzero(new[:-1] | new[1:]) + (self.inside.start or 0)
        return corners


class Extremes(NamedTuple):
    """The range of an interpolated grid.

    Attributes:
        low: Lowest value among the interpolated pixels.
        high: Highest value.
        coldest: Row and column of the first pixel with the lowest value.
        hottest: Row and column of the first pixel with the highest value.
    """

    low: float
    high: float
    coldest: tuple[int, int]
    hottest: tuple[int, int]


class Block(NamedTuple):
    """A rectangle of an interpolated image.

    Attributes:
        rows: Its rows.
        columns: Its columns.
        low: No pixel in it is lower, but for rounding.
        high: No pixel in it is higher.
    """

    rows: slice
    columns: slice
    low: float
    high: float

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start

    @property
    def size(self) -> int:
        """Number of pixels."""
        height, width = self.shape
        return height * width


class _Band(NamedTuple):
    """The pixels between rows of cells, by the columns of cells between which they are.

    Attributes:
        rows: Its rows.
        starts: The first pixel between each two columns of cells.
        stops: The pixel behind the last one, likewise.
        lows: The lowest of the cells around these pixels, four or more, float64.
        highs: The highest of them, likewise.
        lit: Whether one of them is not 0, boolean.
    """

    rows: slice
    starts: list[int]
    stops: list[int]
    lows: NDArray[np.float64]
    highs: NDArray[np.float64]
    lit: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Surface:
    """An interpolated grid whose pixels are made where they are looked at.

    A pixel has the same value in whatever part it is asked for: everything is computed element by element, first along
    the rows of cells and then between two of them, so that no library decides on the order of a sum.

    Attributes:
        grid: Float64 array of shape ``(rows.cells, columns.cells)``.
        rows: The image's rows.
        columns: The image's columns.
    """

    grid: NDArray[np.float64]
    rows: Line
    columns: Line

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the image."""
        return len(self.rows.coordinates), len(self.columns.coordinates)

    @cached_property
    def _across(self) -> NDArray[np.float32]:
        """The rows of cells at all columns of pixels, float32, shape ``(rows.cells, width)``; 0 where none are seen."""
        across = self.columns.along(self.grid.T).T.astype(np.float32, order="C")
        across[:, : self.columns.inside.start] = 0
        across[:, self.columns.inside.stop :] = 0
        return across

    def part(
        self, rows: slice = slice(None), columns: slice = slice(None), out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Interpolate at some of the pixels, in steps of 1.

        Args:
            rows: Which rows.
            columns: Which columns.
            out: Where to write them, of their shape; None makes an array.

        Returns:
            Float32 array, within 1e-6 of the exact value (in units of the largest); 0 where nothing is interpolated.
        """
        across = self._across[:, columns]
        start, stop, _ = rows.indices(self.shape[0])
        image = np.empty((max(stop - start, 0), across.shape[1]), np.float32) if out is None else out
        image[: max(self.rows.inside.start - start, 0)] = 0
        image[max(self.rows.inside.stop - start, 0) :] = 0
        for cell, run in self.rows.runs(rows):
            target = image[run.start - start : run.stop - start]
            step = across[min(cell + 1, self.rows.cells - 1)] - across[cell]
            np.multiply(self.rows.fraction[run, None].astype(np.float32), step, out=target)
            target += across[cell]
        return image

    @property
    def mass(self) -> float:
        """Sum of all pixels: each cell times what it weighs in all."""
        return float((self.rows.weight[:, None] * self.grid * self.columns.weight).sum())

    def may_leave(self, rows: slice = slice(None), columns: slice = slice(None)) -> bool:
        """Return whether some of the pixels may lie outside [0, 1], be it by rounding.

        Between cells that are not negative no pixel is: what is added to the one cell is at least its own negative.
        """
        return bool(self._outside[self.rows.around(rows), self.columns.around(columns)].any())

    @cached_property
    def _outside(self) -> NDArray[np.bool_]:
        """Between which cells pixels may lie outside [0, 1]."""
        return ~((self.grid >= 0) & (self.grid < 1 - _ROUNDING))

    def blocks(self, low: float = -inf, high: float = inf) -> Iterator[Block]:
        """Yield rectangles with all pixels but those that are 0 because all cells around them are.

        Args:
            low: Leave out what lies between cells that are all lower, where that is not needed.
            high: Likewise between cells that are all higher.
        """
        for rows, starts, stops, lows, highs, lit in self._bands:
            live = np.flatnonzero(lit & (highs >= low) & (lows <= high))
            for each in np.split(live, np.flatnonzero(np.diff(live) > 1) + 1) if live.size else ():
                columns = slice(starts[each[0]], stops[each[-1]])
                own = float(lows[each].min()), float(highs[each].max())
                for part in _parts(rows, columns):
                    yield Block(part, columns, *own)

    @cached_property
    def _bands(self) -> list[_Band]:
        """The rows between rows of cells, and the range of what is in them between two columns of cells."""
        runs = list(self.columns.runs())
        starts, stops = [run.start for _, run in runs], [run.stop for _, run in runs]
        left = np.array([cell for cell, _ in runs], np.intp)
        right = np.minimum(left + 1, self.columns.cells - 1)
        bands = []
        for cells, rows in self._rows_between() if runs else ():
            around = self.grid[cells]
            low, high, lit = around.min(axis=0), around.max(axis=0), (around != 0).any(axis=0)
            ranges = np.minimum(low[left], low[right]), np.maximum(high[left], high[right])
            bands.append(_Band(rows, starts, stops, *ranges, lit[left] | lit[right]))
        return bands

    def _rows_between(self) -> Iterator[tuple[slice, slice]]:
        """Yield rows of cells and the pixels between them, together where these are few, as in a map of fine cells."""
        fewest, runs = _WORTH_A_LOOK // self.shape[1], list(self.rows.runs())
        start: tuple[int, int] | None = None
        for number, (cell, rows) in enumerate(runs, 1):
            start = start or (cell, rows.start)
            if rows.stop - start[1] >= fewest or number == len(runs):
                yield slice(start[0], min(cell + 2, self.rows.cells)), slice(start[1], rows.stop)
                start = None


def row_blocks(shape: tuple[int, ...]) -> Iterator[Block]:
    """Yield rectangles of whole rows that cover an image of that shape, of values in [0, 1]."""
    for rows in _parts(slice(0, shape[0]), slice(0, shape[1])):
        yield Block(rows, slice(0, shape[1]), 0.0, 1.0)


def _parts(rows: slice, columns: slice) -> Iterator[slice]:
    """Split the rows of a rectangle."""
    height = max(_AT_ONCE // max(columns.stop - columns.start, 1), 1)
    for start in range(rows.start, rows.stop, height):
        yield slice(start, min(start + height, rows.stop))


def extremes(grid: NDArray[np.floating[Any]], rows: Line, columns: Line) -> Extremes | None:
    """Return the range of an interpolated grid without interpolating it everywhere.

    Args:
        grid: Array of shape ``(rows.cells, columns.cells)``.
        rows: The image's rows.
        columns: The image's columns.

    Returns:
        The range; None where no pixel is interpolated.
    """
    at_rows, at_columns = rows.corners(), columns.corners()
    if at_rows.size == 0 or at_columns.size == 0:
        return None
    values = rows.along(columns.along(grid.T.astype(np.float64), at_columns).T, at_rows)
    # Equal cells make a plateau, whose first pixel counts: rounding in the 16th digit must not break the tie.
    rounded = values.astype(np.float32)
    coldest, hottest = (
        (int(at_rows[index // len(at_columns)]), int(at_columns[index % len(at_columns)]))
        for index in (int(rounded.argmin()), int(rounded.argmax()))
    )
    return Extremes(float(values.min()), float(values.max()), coldest, hottest)
