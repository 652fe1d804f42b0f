"""Rank correlation with a bootstrap interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.statistics.bootstrap import Estimate, Resampling, number
from btxrd_explain.core.statistics.ranks import levels_of, rank_correlations

if TYPE_CHECKING:
    from numpy.typing import NDArray


def spearman(first: NDArray[np.float64], second: NDArray[np.float64], resampling: Resampling) -> Estimate:
    """Return Spearman's rank correlation of two columns with its bootstrap interval.

    ``ρ`` is Pearson's correlation of the ranks, equal values sharing their mean rank (Spearman, Am J Psychol 15:72,
    1904). Images are drawn as pairs; the ranks are taken anew in each draw.

    Args:
        first: Float64 array of shape ``(images,)``; an image in which either column is NaN has no part.
        second: Likewise.
        resampling: How images are drawn.

    Returns:
        ``ρ`` in [-1, 1]; undefined where fewer than two images are left or a column is constant.

    Raises:
        ValueError: The shapes disagree.

    >>> spearman(np.array([1.0, 2.0, 3.0]), np.array([10.0, 30.0, 20.0]), Resampling.of_images(3)).value
    0.5
    """
    if not first.shape == second.shape == resampling.unit_of.shape:
        raise ValueError(
            f"expected two columns of {resampling.unit_of.size} values, got {first.shape} and {second.shape}"
        )
    both = ~np.isnan(first) & ~np.isnan(second)
    first, second, unit_of = first[both], second[both], resampling.unit_of[both]
    units = len(np.unique(unit_of))
    if len(first) < 2:
        return Estimate(None, None, None, len(first), units)
    levels = [levels_of(column) for column in (first, second)]
    (value,) = rank_correlations(np.ones((1, len(first))), *levels)
    drawn = [rank_correlations(weights[:, both], *levels) for weights in resampling.weights()]
    low, high = resampling.interval(np.concatenate(drawn)[:, None])
    ends = (number(low[0]), number(high[0])) if units > 1 and not np.isnan(value) else (None, None)
    return Estimate(number(value), *ends, len(first), units)
