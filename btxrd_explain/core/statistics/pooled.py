"""Bootstrap of statistics that pool the images before anything is divided, so that no image has a value of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from btxrd_explain.core.statistics.bootstrap import Estimate, Resampling, number

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


def pooled_interval(
    counts: NDArray[Any], statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]], resampling: Resampling
) -> Estimate:
    """Return a statistic of sums over the images, with its bootstrap interval.

    Args:
        counts: Whole numbers, shape ``(images, columns)``; their sums are exact in any order.
        statistic: Maps sums of shape ``(draws, columns)`` to values of shape ``(draws,)``; NaN is undefined.
        resampling: How images are drawn.

    Returns:
        The estimate; without an interval where fewer than two independent units carry it.

    >>> heads = np.array([[1, 1], [0, 1]])
    >>> pooled_interval(heads, lambda sums: sums[:, 0] / sums[:, 1], Resampling.of_images(2))
    Estimate(value=0.5, low=0.0, high=1.0, n=2, units=2)
    """
    images = len(counts)
    if not images:
        return Estimate(None, None, None, 0, 0)
    columns = counts.astype(np.float64)
    value = number(statistic(columns.sum(axis=0)[None])[0])
    if resampling.units < 2:
        return Estimate(value, None, None, images, resampling.units)
    drawn = np.concatenate([statistic(weights @ columns) for weights in resampling.weights()])
    (low,), (high,) = resampling.interval(drawn[:, None])
    return Estimate(value, number(low), number(high), images, resampling.units)
