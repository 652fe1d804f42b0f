"""PxAP: average precision of the pixels of a whole data set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from btxrd_explain.core.histogram import TOP_LEVEL
from btxrd_explain.core.statistics import ratio

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from btxrd_explain.core.histogram import Histogram

BINS = 1000
"""Bins of width 0.001, and one more for the value 1 alone."""
_FIRST_LEVELS = np.arange(BINS + 1) * (TOP_LEVEL // BINS)


@dataclass(frozen=True, slots=True, eq=False)
class PixelCounts:
    """Pixels by bins of 0.001.

    Attributes:
        inside: Int64 array of shape ``(1001,)``: annotated pixels; the last bin holds the value 1 alone.
        whole: Likewise all pixels.
    """

    inside: NDArray[np.int64]
    whole: NDArray[np.int64]

    @classmethod
    def of(cls, histogram: Histogram) -> PixelCounts:
        """Sum an image's levels into bins."""
        return cls(*(np.add.reduceat(counts, _FIRST_LEVELS) for counts in (histogram.inside, histogram.whole)))


@dataclass(slots=True, eq=False)
class PixelPrecision:
    """Pixel average precision over a data set, in the memory of two histograms.

    Pixels of all images are pooled before precision and recall are taken (Choe et al., CVPR 2020): large images and
    large lesions weigh more than small ones.

    Attributes:
        inside: Annotated pixels by bin, of all images so far.
        whole: All pixels by bin.
    """

    inside: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS + 1, np.int64))
    whole: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS + 1, np.int64))

    def add(self, counts: PixelCounts | PixelPrecision) -> None:
        """Add an image, or another part of the data set."""
        self.inside += counts.inside
        self.whole += counts.whole

    @property
    def value(self) -> float | None:
        """PxAP, ``Σ precision · Δrecall``, in (0, 1]; None where nothing is annotated."""
        value = float(pooled_precision(self.inside, self.whole))
        return None if np.isnan(value) else value

    @property
    def chance(self) -> float | None:
        """The annotations' fraction of all pixels, which a map without knowledge scores."""
        total = int(self.whole.sum())
        return int(self.inside.sum()) / total if total else None


def pooled_precision(inside: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    """Return the average precision of pixels by bins, ``Σ precision · Δrecall`` from the highest bin down.

    Args:
        inside: Annotated pixels by bin, shape ``(..., bins)``, whole numbers of any type.
        whole: All pixels by bin, of the same shape.

    Returns:
        Float64 array of shape ``(...)`` in (0, 1]; NaN where nothing is annotated.

    >>> pooled_precision(np.array([[0, 1], [0, 0]]), np.array([[2, 1], [2, 1]])).tolist()
    [1.0, nan]
    """
    hits, pixels = inside[..., ::-1].astype(np.float64), whole[..., ::-1].astype(np.float64)
    both, region = np.cumsum(hits, axis=-1), np.cumsum(pixels, axis=-1)
    precision = np.divide(both, region, out=np.zeros_like(both), where=region > 0)
    return ratio((precision * hits).sum(axis=-1), both[..., -1])
