"""Whether probabilities can be taken at their word.

Images are sorted into bins by the probability that the classifier gave; in a calibrated one the share that is right
in each bin equals the mean probability there (reliability diagram: Niculescu-Mizil and Caruana, ICML 2005). The
expected calibration error is ``Σ n_b / n |right_b - probability_b|`` over ten bins of equal width (Guo et al., ICML
2017). It is never negative, so that it is too large on small samples, and so are the draws of its interval. The share
in a bin has Wilson's interval (J Am Stat Assoc 22:209, 1927), which holds where all of a few images are right too;
there the bootstrap has no width.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.classification.estimates import estimates_of
from btxrd_explain.core.statistics.bootstrap import ratio

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from btxrd_explain.core.statistics import Estimate, Resampling

BINS = 10


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Probabilities against what happened, in ten bins of equal width; float64, shape ``(10,)``, NaN in empty bins.

    Attributes:
        error: Expected calibration error.
        brier: Mean squared difference of probability and outcome (Brier, Mon Weather Rev 78:1, 1950).
        probability: Mean probability in each bin.
        right: Share of the outcomes in each bin.
        low: Lower ends of Wilson's intervals of ``right``, which take images as independent.
        high: Upper ends.
        counts: Images in each bin, intp.
    """

    error: Estimate
    brier: Estimate
    probability: NDArray[np.float64]
    right: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    counts: NDArray[np.intp]


def reliability(
    probabilities: NDArray[np.floating], outcomes: NDArray[np.bool_], resampling: Resampling
) -> Reliability:
    """Hold probabilities against outcomes.

    Args:
        probabilities: What the classifier said, shape ``(images,)``, in [0, 1]: of the predicted class, or of one
            class.
        outcomes: Whether it came true, shape ``(images,)``: the prediction is right, or the image is of that class.
        resampling: How images are drawn.

    Returns:
        The bins, with the calibration error.

    Raises:
        ValueError: The shapes disagree, there are no images, or a probability lies outside [0, 1].
    """
    if not probabilities.shape == outcomes.shape == resampling.unit_of.shape or not probabilities.size:
        raise ValueError(f"{probabilities.shape} probabilities, {outcomes.shape} outcomes do not fit")
    if not (probabilities.min() >= 0 and probabilities.max() <= 1):  # also false for NaN
        raise ValueError("a probability lies outside [0, 1]")
    values = probabilities.astype(np.float64)
    bins = np.minimum((values * BINS).astype(np.intp), BINS - 1)  # 1 belongs to the last
    member = (bins[:, None] == np.arange(BINS)).astype(np.float64)
    columns = np.hstack([member, member * values[:, None], member * outcomes[:, None]])
    squares = (values - outcomes) ** 2

    def errors(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        _, said, right = np.split(weights @ columns, 3, axis=1)
        total = weights.sum(axis=1)
        return np.stack([np.abs(right - said).sum(axis=1) / total, weights @ squares / total], axis=1)

    error, brier = estimates_of(errors, resampling)
    counts, said, right = np.split(columns.sum(axis=0), 3)
    low, high = _wilson(right, counts, resampling.level)
    return Reliability(error, brier, ratio(said, counts), ratio(right, counts), low, high, counts.astype(np.intp))


def _wilson(
    right: NDArray[np.float64], counts: NDArray[np.float64], level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return Wilson's interval of each share ``right / counts``; NaN where the count is 0."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = ratio(right, counts)
    n = np.where(counts > 0, counts, np.nan)
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return centre - reach, centre + reach
