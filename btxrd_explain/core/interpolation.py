"""Bilinear interpolation of a small grid at the pixels of an image, and what it looks like before it is done.

Between two cell centres an interpolated map changes linearly along each axis. Its extremes therefore lie at the
first or last pixels between two centres: of a million pixels a few hundred tell the range of a map, and where it is
hottest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """The pixels along one axis, in the coordinates of the grid's cells.

    Attributes:
        coordinates: Float64 array of shape ``(n,)``, ascending: 0 is the first cell's centre, 1 the second's.
        cells: Number of cells.
        inside: The pixels that are interpolated; the others are 0.
        even: The pixels divide the cells' whole extent evenly, as when an image is resized.
    """

    coordinates: NDArray[np.float64]
    cells: int
    inside: slice
    even: bool

    @classmethod
    def at(cls, positions: NDArray[np.float64], extent: int, cells: int, inside: slice, *, even: bool = False) -> Line:
        """Place pixels on a line of cells.

        Args:
            positions: Float64 array of shape ``(n,)``: the pixels' centres.
            extent: Length that the cells cover together, in the same unit.
            cells: Number of cells, with centres at ``(k + 0.5) * extent / cells``.
            inside: The pixels to interpolate.
            even: See :class:`Line`.
        """
        return cls(positions * (cells / extent) - 0.5, cells, inside, even)

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
        coordinates = np.clip(self.coordinates[pixels], 0, self.cells - 1)
        lower = np.floor(coordinates).astype(np.intp)
        fraction = coordinates - lower
        weights = np.zeros((len(pixels), self.cells))
        index = np.arange(len(pixels))
        weights[index, lower] += 1 - fraction
        weights[index, np.minimum(lower + 1, self.cells - 1)] += fraction
        return weights

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


def interpolate(grid: NDArray[np.floating[Any]], rows: Line, columns: Line) -> NDArray[np.float32]:
    """Interpolate a grid at all pixels of an image.

    Args:
        grid: Array of shape ``(rows.cells, columns.cells)``.
        rows: The image's rows.
        columns: The image's columns.

    Returns:
        Float32 array with a pixel for each row and column, within 1e-6 of the exact value (in units of the largest).
    """
    size = (len(columns.coordinates), len(rows.coordinates))
    if rows.even and columns.even:
        import cv2  # noqa: PLC0415 -- the geometry is also asked where no map is drawn

        resized = cv2.resize(grid.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    else:
        across = grid.astype(np.float64) @ columns.weights(np.arange(size[0])).T
        down = rows.weights(np.arange(size[1]))
        resized = down.astype(np.float32) @ across.astype(np.float32)
    image: NDArray[np.float32] = np.asarray(resized, np.float32)
    for line, view in ((rows, image), (columns, image.T)):
        view[: line.inside.start] = 0
        view[line.inside.stop :] = 0
    return image


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
    values = rows.weights(at_rows) @ grid.astype(np.float64) @ columns.weights(at_columns).T
    # Equal cells make a plateau, whose first pixel counts: rounding in the 16th digit must not break the tie.
    rounded = values.astype(np.float32)
    coldest, hottest = (
        (int(at_rows[index // len(at_columns)]), int(at_columns[index % len(at_columns)]))
        for index in (int(rounded.argmin()), int(rounded.argmax()))
    )
    return Extremes(float(values.min()), float(values.max()), coldest, hottest)
