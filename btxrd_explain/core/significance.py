"""Whether paired differences are more than chance: sign flips, Holm's adjustment, and how many images would tell."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.statistics import exactly_summable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from btxrd_explain.core.statistics import Estimate, Resampling

FLIPS = 9_999
"""Draws of signs; the smallest p-value is 1 / 10,000."""
_SIGNS_AT_ONCE = 2**20
HALF_WIDTH = 0.05
"""Half-width of an interval at which :func:`units_needed` aims."""


def sign_flip_test(differences: NDArray[np.float64], resampling: Resampling) -> list[float | None]:
    """Test whether the mean of paired differences is 0, two-sided, column by column.

    If two methods are alike, each difference could as well have the other sign. So signs are drawn at random, one for
    all images of a unit, and p is the fraction of draws whose sum is at least as far from 0 as the sum that was found;
    the finding counts as one of the draws, so that p is never 0 (Fisher, The Design of Experiments, 1935, section 21;
    Phipson and Smyth, Stat Appl Genet Mol Biol 9:39, 2010).

    Args:
        differences: Float64 array of shape ``(images, columns)``; NaN has no part.
        resampling: Which images belong to one unit, and the seed.

    Returns:
        p-values in (0, 1]; None where fewer than two units have a difference.

    >>> from btxrd_explain.core.statistics import Resampling
    >>> sign_flip_test(np.array([[0.0], [0.0]]), Resampling.of_images(2))
    [1.0]
    """
    defined = ~np.isnan(differences)
    sums, counts = (np.zeros((resampling.units, differences.shape[1])) for _ in range(2))
    np.add.at(sums, resampling.unit_of, exactly_summable(np.where(defined, differences, 0.0)))
    np.add.at(counts, resampling.unit_of, defined)
    found = np.abs(sums.sum(axis=0))
    random = np.random.default_rng(resampling.seed)
    reached = np.ones(differences.shape[1], np.int64)
    at_once = max(1, _SIGNS_AT_ONCE // max(resampling.units, 1))
    for start in range(0, FLIPS, at_once):
        signs = random.integers(0, 2, (min(at_once, FLIPS - start), resampling.units)) * 2.0 - 1
        reached += (np.abs(signs @ sums) >= found).sum(axis=0)  # the sums are exact, in any order
    carried = (counts > 0).sum(axis=0)
    return [float(p) if units > 1 else None for p, units in zip(reached / (FLIPS + 1), carried, strict=True)]


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjust p-values of one family, so that any false finding among them is as rare as a single one.

    ``p_(i)`` becomes the largest of ``(m - j + 1) p_(j)`` over all ``j <= i``, at most 1 (Holm, Scand J Statist 6:65,
    1979).

    Args:
        p_values: In [0, 1]; None has no part and stays None.

    >>> holm([0.01, None, 0.04, 0.03])
    [0.03, None, 0.06, 0.06]
    """
    tested = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, place) in enumerate(tested):
        highest = max(highest, min((len(tested) - rank) * p, 1.0))
        adjusted[place] = highest
    return adjusted


def within(estimate: Estimate, margin: float) -> bool | None:
    """Return whether an interval lies within ``±margin``; None where there is none.

    With a 90 % interval this is the equivalence test by two one-sided tests at 5 % (Schuirmann, J Pharmacokinet
    Biopharm 15:657, 1987).
    """
    if estimate.low is None or estimate.high is None:
        return None
    return -margin < estimate.low and estimate.high < margin


def units_needed(estimate: Estimate) -> int | None:
    """Return how many units would give the interval a half-width of :data:`HALF_WIDTH`.

    The width of an interval falls with the square root of the number of units.

    Returns:
        The number, 2 at least; None without an interval.
    """
    if estimate.low is None or estimate.high is None:
        return None
    half = (estimate.high - estimate.low) / 2
    return max(math.ceil(estimate.units * (half / HALF_WIDTH) ** 2), 2)
