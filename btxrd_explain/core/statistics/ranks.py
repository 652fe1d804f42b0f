"""Ranks with ties, and their correlation, in many weighted samples at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def levels_of(values: NDArray[np.floating[Any]]) -> NDArray[np.intp]:
    """Return the position of each value among the distinct values, in their order.

    Args:
        values: Floating values of shape ``(images,)``, without NaN.

    Returns:
        Intp array of the same shape, from 0 on.

    >>> levels_of(np.array([0.5, 0.1, 0.5])).tolist()
    [1, 0, 1]
    """
    levels: NDArray[np.intp] = np.unique(values, return_inverse=True)[1]
    return levels


def rank_correlations(
    weights: NDArray[np.float64], first: NDArray[np.intp], second: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Correlate the ranks within each draw.

    Args:
        weights: Float64 array of shape ``(draws, images)``: how often each image was drawn.
        first: Intp array of shape ``(images,)``: position of each image's value among the distinct values.
        second: Likewise.

    Returns:
        Float64 array of shape ``(draws,)``; NaN where a draw holds one value only.
    """
    total = weights.sum(axis=1)
    centred = [_ranks(weights, levels) - ((total + 1) / 2)[:, None] for levels in (first, second)]
    shared, *spreads = (
        np.einsum("di,di,di->d", weights, a, b)
        for a, b in ((centred[0], centred[1]), (centred[0], centred[0]), (centred[1], centred[1]))
    )
    scale = np.sqrt(spreads[0] * spreads[1])
    rho: NDArray[np.float64] = np.divide(shared, scale, out=np.full(len(total), np.nan), where=scale > 0)
    return rho.clip(-1, 1)  # rounding can pass the limit by one digit


def _ranks(weights: NDArray[np.float64], levels: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return each image's rank among the images of a draw; equal values share their mean rank."""
    order = np.argsort(levels, kind="stable")
    starts = np.flatnonzero(np.diff(levels[order], prepend=-1))
    counts = np.add.reduceat(weights[:, order], starts, axis=1)
    ranks: NDArray[np.float64] = (np.cumsum(counts, axis=1) - (counts - 1) / 2)[:, levels]
    return ranks
