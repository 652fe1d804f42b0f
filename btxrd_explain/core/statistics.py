"""What a table of scores says beyond its images: bootstrap intervals, paired differences, rank correlation."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from numpy.typing import NDArray

# Percentile bootstrap of means, over images or over groups of images.
#
# The plain bootstrap (Efron, Ann Statist 7:1, 1979) draws as many images as there are, with replacement, and takes the
# mean of each draw; the interval runs between the percentiles of those means (Efron and Tibshirani, An Introduction to
# the Bootstrap, 1993, section 13.3). Where images are not independent, such as several views of one patient, whole
# groups are drawn instead (cluster bootstrap: Field and Welsh, J R Stat Soc B 69:369, 2007): an interval over images
# would be too narrow.
#
# A draw is held as the number of times that each image was drawn, so that the means of all columns are one matrix
# product: ``Σ w v / Σ w`` over the images in which ``v`` is defined.

_WEIGHTS_AT_ONCE = 2**20
"""Bounds the memory: 8 MiB of float64, whatever the number of images and draws."""
_MOST_KEPT = 2**24
"""Likewise of draws that are kept: 32 MiB of uint16."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A statistic of a sample, and the interval that says how sure it is.

    Attributes:
        value: The statistic; None where it is undefined.
        low: Lower end of the interval; None where fewer than two independent units carry the statistic.
        high: Upper end of the interval; None likewise.
        n: Number of images in which it is defined.
        units: Number of independent units among them: groups, or the images themselves.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    units: int


@dataclass(frozen=True, slots=True)
class Resampling:
    """How a sample is drawn again.

    Attributes:
        unit_of: Intp array of shape ``(images,)``: the unit that each image belongs to, counted from 0 without gaps.
        resamples: Number of draws, B.
        seed: Seed of the draws; the same seed gives the same interval on every machine.
        level: Fraction of the draws inside the interval, in (0, 1).
        drawn: The draws, where they are kept; see :meth:`kept`.
    """

    unit_of: NDArray[np.intp]
    resamples: int = 1000
    seed: int = 0
    level: float = 0.95
    drawn: tuple[NDArray[np.uint16], ...] = field(default=(), init=False, repr=False, compare=False)

    @classmethod
    def of_images(cls, count: int, *, resamples: int = 1000, seed: int = 0) -> Resampling:
        """Draw single images."""
        return cls(np.arange(count), resamples, seed)

    @classmethod
    def of_groups(cls, groups: Sequence[Hashable], *, resamples: int = 1000, seed: int = 0) -> Resampling:
        """Draw whole groups of images.

        Args:
            groups: The group of each image; None stands for a group of its own.
            resamples: Number of draws.
            seed: Seed of the draws.

        >>> Resampling.of_groups(["a", "b", "a", None, None]).unit_of.tolist()
        [0, 1, 0, 2, 3]
        """
        known: dict[Hashable, int] = {}
        keys = [("alone", index) if group is None else ("group", group) for index, group in enumerate(groups)]
        return cls(np.array([known.setdefault(key, len(known)) for key in keys], dtype=np.intp), resamples, seed)

    @property
    def units(self) -> int:
        """Number of independent units."""
        return int(self.unit_of.max(initial=-1)) + 1

    def kept(self) -> Resampling:
        """Return the same with its draws kept, for statistics by the hundred; as it is where they are too many."""
        if not 0 < self.resamples * self.unit_of.size <= _MOST_KEPT or self.units > np.iinfo(np.uint16).max:
            return self
        same = replace(self)  # for other images than these, such as fewer, the draws are other ones
        object.__setattr__(same, "drawn", tuple(weights.astype(np.uint16) for weights in self.weights()))
        return same

    def weights(self) -> Iterator[NDArray[np.float64]]:
        """Yield how often each image was drawn: arrays of shape ``(draws, images)``, together ``resamples`` rows."""
        if self.drawn:
            yield from (weights.astype(np.float64) for weights in self.drawn)
            return
        units = self.units
        if not units:
            return
        random = np.random.default_rng(self.seed)
        at_once = max(1, _WEIGHTS_AT_ONCE // self.unit_of.size)
        for start in range(0, self.resamples, at_once):
            rows = min(at_once, self.resamples - start)
            drawn = random.integers(0, units, (rows, units)) + np.arange(rows)[:, None] * units
            counts = np.bincount(drawn.ravel(), minlength=rows * units).reshape(rows, units)
            yield counts[:, self.unit_of].astype(np.float64)

    def indices(self) -> Iterator[NDArray[np.intp]]:
        """Yield the images of each draw, for statistics that know no weights.

        >>> [draw.tolist() for draw in Resampling.of_images(3, resamples=2).indices()]
        [[1, 1, 2], [0, 0, 0]]
        """
        for weights in self.weights():
            for row in weights.astype(np.intp):
                yield np.repeat(np.arange(row.size), row)

    def interval(self, draws: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the ends of the percentile interval of each column.

        Args:
            draws: Float64 array of shape ``(resamples, columns)``; a draw in which a statistic is undefined holds NaN
                and has no part in its interval.

        Returns:
            Lower and upper ends, float64 arrays of shape ``(columns,)``; NaN where no draw is defined.
        """
        tail = (1 - self.level) / 2
        counts = np.count_nonzero(~np.isnan(draws), axis=0)
        ends = np.full((2, draws.shape[1]), np.nan)
        for count in set(counts.tolist()) - {0}:  # np.nanquantile takes columns one by one
            columns = draws[:, counts == count]
            defined = columns if count == len(draws) else np.sort(columns, axis=0)[:count]  # NaN comes last
            ends[:, counts == count] = np.quantile(defined, [tail, 1 - tail], axis=0)
        return ends[0], ends[1]


def mean_intervals(values: NDArray[np.float64], resampling: Resampling) -> list[Estimate]:
    """Return the mean of each column with its bootstrap interval.

    The difference of two methods on the same images is the mean of their differences image by image (paired
    bootstrap), so ``mean_intervals(first - second, ...)`` is its interval.

    Args:
        values: Float64 array of shape ``(images, columns)``; NaN marks what is undefined, has no part in a mean, and
            is counted by what is missing from :attr:`Estimate.n`.
        resampling: How images are drawn.

    Returns:
        An estimate per column.

    Raises:
        ValueError: The shapes disagree, or a value is infinite.

    >>> mean_intervals(np.array([[0.0], [1.0]]), Resampling.of_images(2))
    [Estimate(value=0.5, low=0.0, high=1.0, n=2, units=2)]
    """
    if values.ndim != 2 or len(values) != len(resampling.unit_of):
        raise ValueError(f"expected values of shape ({len(resampling.unit_of)}, columns), got {values.shape}")
    if np.isinf(values).any():
        raise ValueError("a value is infinite")
    defined = ~np.isnan(values)
    filled = np.where(defined, values, 0.0)
    summands = exactly_summable(filled)
    drawn = [ratio(weights @ summands, weights @ defined) for weights in resampling.weights()]
    low, high = resampling.interval(np.concatenate(drawn) if drawn else np.empty((0, values.shape[1])))
    means, counts = ratio(filled.sum(axis=0), defined.sum(axis=0)), defined.sum(axis=0)
    units = [len(np.unique(resampling.unit_of[column])) for column in defined.T]
    return [
        Estimate(number(mean), *((number(a), number(b)) if among > 1 else (None, None)), int(count), among)
        for mean, a, b, count, among in zip(means, low, high, counts, units, strict=True)
    ]


def exactly_summable(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round values to so few binary digits that the sum of any draw of them is exact.

    A library for linear algebra adds in an order that depends on the machine, the number of threads and even where the
    memory lies. Exact sums do not, so that the same seed gives the same digits everywhere. Of 2,000 values the 41
    leading binary digits of the largest are kept.

    Args:
        values: Float64 array of shape ``(images, columns)``.

    Returns:
        Float64 array of the same shape.
    """
    largest = np.abs(values).max(axis=0, initial=0)
    _, exponent = np.frexp(largest * max(len(values), 1))
    step = np.ldexp(1.0, exponent - 52)
    rounded: NDArray[np.float64] = np.round(values / step) * step
    return rounded


def number(value: float) -> float | None:
    """Return a plain float, and None for NaN."""
    return None if np.isnan(value) else float(value)


def ratio(above: NDArray[np.float64], below: NDArray[np.float64] | NDArray[np.intp]) -> NDArray[np.float64]:
    """Divide arrays that broadcast; NaN where the divisor is 0."""
    shape = np.broadcast_shapes(above.shape, below.shape)
    defined = np.broadcast_to(below > 0, shape)
    result: NDArray[np.float64] = np.divide(above, below, out=np.full(shape, np.nan), where=defined)
    return result


# Bootstrap of statistics that pool the images before anything is divided, so that no image has a value of its own.


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


# Ranks with ties, and their correlation, in many weighted samples at once.


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


# Rank correlation with a bootstrap interval.


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


# From a statistic that knows weights to estimates with bootstrap intervals.


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
