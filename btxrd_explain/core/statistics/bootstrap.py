"""Percentile bootstrap of means, over images or over groups of images.

The plain bootstrap (Efron, Ann Statist 7:1, 1979) draws as many images as there are, with replacement, and takes the
mean of each draw; the interval runs between the percentiles of those means (Efron and Tibshirani, An Introduction to
the Bootstrap, 1993, section 13.3). Where images are not independent, such as several views of one patient, whole
groups are drawn instead (cluster bootstrap: Field and Welsh, J R Stat Soc B 69:369, 2007): an interval over images
would be too narrow.

A draw is held as the number of times that each image was drawn, so that the means of all columns are one matrix
product: ``Σ w v / Σ w`` over the images in which ``v`` is defined.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from numpy.typing import NDArray

_WEIGHTS_AT_ONCE = 2**20
"""Bounds the memory: 8 MiB of float64, whatever the number of images and draws."""


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
        level: Share of the draws inside the interval, in (0, 1).
    """

    unit_of: NDArray[np.intp]
    resamples: int = 1000
    seed: int = 0
    level: float = 0.95

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

    def weights(self) -> Iterator[NDArray[np.float64]]:
        """Yield how often each image was drawn: arrays of shape ``(draws, images)``, together ``resamples`` rows."""
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
        defined = ~np.isnan(draws).all(axis=0)
        ends = np.full((2, draws.shape[1]), np.nan)
        if defined.any():
            ends[:, defined] = np.nanquantile(draws[:, defined], [tail, 1 - tail], axis=0)
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
    summands = _exactly_summable(filled)
    drawn = [ratio(weights @ summands, weights @ defined) for weights in resampling.weights()]
    low, high = resampling.interval(np.concatenate(drawn) if drawn else np.empty((0, values.shape[1])))
    means, counts = ratio(filled.sum(axis=0), defined.sum(axis=0)), defined.sum(axis=0)
    units = [len(np.unique(resampling.unit_of[column])) for column in defined.T]
    return [
        Estimate(number(mean), *((number(a), number(b)) if among > 1 else (None, None)), int(count), among)
        for mean, a, b, count, among in zip(means, low, high, counts, units, strict=True)
    ]


def _exactly_summable(values: NDArray[np.float64]) -> NDArray[np.float64]:
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
