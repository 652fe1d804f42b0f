"""Maps averaged over views of a radiograph: mirrored, or moved by half a cell.

Mirroring and averaging are augmentations at test time, as in pytorch-grad-cam's ``aug_smooth`` and in Augmented
Grad-CAM (Morbidelli et al., ICASSP 2020). Four maps whose cells lie half a cell apart tell places apart that one of
them cannot: the mean has twice the rows and columns.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from btxrd_explain.core.choices import Smooth
from btxrd_explain.core.geometry import Size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

PASSES: Mapping[Smooth, int] = MappingProxyType({Smooth.NONE: 1, Smooth.FLIP: 2, Smooth.SHIFT2: 4})
"""How many views there are, the plain one included."""

SHIFTS = ((0, 0), (0, 1), (1, 0), (1, 1))
"""By how many half cells down and right the cells of each view of ``shift2`` lie."""


def half_cell(pixels: int, cells: int) -> int:
    """Return how many pixels half a cell is, rounded.

    >>> half_cell(224, 7)
    16
    """
    return round(pixels / (2 * cells))


def cells_of(grid: Size, smooth: Smooth) -> Size:
    """Return the rows and columns of the averaged map of grids."""
    return Size(2 * grid.height, 2 * grid.width) if smooth is Smooth.SHIFT2 else grid


def cells_of_views(averaged: Size, smooth: Smooth) -> Size:
    """Return the rows and columns of each view of an averaged map; see :func:`cells_of`."""
    return Size(averaged.height // 2, averaged.width // 2) if smooth is Smooth.SHIFT2 else averaged


def averaged(views: Sequence[NDArray[np.floating[Any]]], smooth: Smooth) -> NDArray[np.floating[Any]]:
    """Average the grids of all views in the place of the plain one.

    Args:
        views: As many as :data:`PASSES` says, the plain one first, each of shape ``(..., rows, columns)``.
        smooth: What the views are.

    Returns:
        The mean. At the upper and the left border of ``shift2``, where moved views show nothing, that of the others.

    >>> averaged([np.array([[1.0, 2.0]]), np.array([[3.0, 5.0]])], Smooth.FLIP).tolist()
    [[3.0, 2.5]]
    """
    if smooth is Smooth.FLIP:
        plain, mirrored = views
        return (plain + mirrored[..., ::-1]) / 2
    if smooth is Smooth.NONE:
        return views[0]
    rows = [averaged_along((views[0], views[2]), -2), averaged_along((views[1], views[3]), -2)]
    return averaged_along((rows[0], rows[1]), -1)


def averaged_along(
    pair: tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]], axis: int
) -> NDArray[np.floating[Any]]:
    """Average cells along an axis with those that lie half a cell further on; the mean has twice as many.

    >>> averaged_along((np.array([2.0, 4.0]), np.array([6.0, 8.0])), 0).tolist()
    [2.0, 4.0, 5.0, 6.0]
    """
    plain, moved = (np.repeat(np.moveaxis(values, axis, 0), 2, axis=0) for values in pair)
    mean = plain.copy()
    mean[1:] = (plain[1:] + moved[:-1]) / 2
    return np.moveaxis(mean, 0, axis)
