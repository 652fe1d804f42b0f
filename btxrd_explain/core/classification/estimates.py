"""From a statistic that knows weights to estimates with bootstrap intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.statistics.bootstrap import Estimate, number

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from btxrd_explain.core.statistics import Resampling


def draws_of(
    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]], resampling: Resampling
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Evaluate a statistic on the sample and on all draws.

    Args:
        statistic: From how often each image counts, shape ``(draws, images)``, to values of shape
            ``(draws, columns)``; NaN where they are undefined.
        resampling: How images are drawn.

    Returns:
        The values of the sample, and the lower and upper ends of their percentile intervals, each of shape
        ``(columns,)``.
    """
    sample = statistic(np.ones((1, len(resampling.unit_of))))
    drawn = [statistic(weights) for weights in resampling.weights()]
    return sample[0], *resampling.interval(np.concatenate([np.empty((0, sample.shape[1])), *drawn]))


def estimates_of(
    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]], resampling: Resampling
) -> list[Estimate]:
    """Return an estimate per column of a statistic; see :func:`draws_of`."""
    return as_estimates(*draws_of(statistic, resampling), resampling)


def as_estimates(
    values: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64], resampling: Resampling
) -> list[Estimate]:
    """Return values and the ends of their intervals, each of shape ``(columns,)``, as estimates."""
    images, units = len(resampling.unit_of), len(np.unique(resampling.unit_of))
    ends = zip(low, high, strict=True) if units > 1 else [(np.nan, np.nan)] * len(values)
    return [
        Estimate(number(value), number(a), number(b), images, units) for value, (a, b) in zip(values, ends, strict=True)
    ]
