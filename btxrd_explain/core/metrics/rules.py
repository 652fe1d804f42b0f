"""Rules that turn a heat map into a region."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from typing import TYPE_CHECKING

import cv2
import numpy as np

from btxrd_explain.core.metrics.cuts import Cut
from btxrd_explain.core.metrics.histogram import TOP_LEVEL, count_levels, quantise
from btxrd_explain.core.threshold import Operator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from btxrd_explain.core.metrics.histogram import Histogram

_SINGLE_EPSILON = float(np.finfo(np.float32).eps)
"""OpenCV leaves out thresholds that put next to nothing on one side."""


class Rule(StrEnum):
    """How the threshold is chosen."""

    FIXED = "fixed"
    """The same value for every image; one tuned on another split is a fixed one too."""
    OTSU = "otsu"
    """Per image, so that the variance between the two parts is largest (Otsu 1979)."""
    OTSU_CHEXLOCALIZE = "otsu-chexlocalize"
    """Otsu, then every contour is filled: holes belong to the region (Saporta et al. 2022, as published)."""
    PERCENTILE = "percentile"
    """Per image, so that the region is the hottest q per cent of the pixels."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A rule with its parameter.

    Attributes:
        rule: How the threshold is chosen.
        value: The threshold in [0, 1] for ``fixed``, the per cent q in (0, 100] for ``percentile``; else unused.
        operator: Whether the threshold itself belongs to the region; for ``fixed`` only.

    Raises:
        ValueError: The value is out of range.
    """

    rule: Rule = Rule.FIXED
    value: float = 0.5
    operator: Operator = Operator.AT_LEAST

    def __post_init__(self) -> None:
        """Check the parameter."""
        if self.rule is Rule.FIXED and not 0 <= self.value <= 1:
            raise ValueError(f"a fixed threshold must lie in [0, 1], got {self.value}")
        if self.rule is Rule.PERCENTILE and not 0 < self.value <= 100:
            raise ValueError(f"a percentile threshold must lie in (0, 100], got {self.value}")

    def cut(self, histogram: Histogram) -> Cut:
        """Return the threshold that the rule chooses for a heat map.

        Args:
            histogram: The heat map's pixels by level.

        Returns:
            The cut; that of ``otsu-chexlocalize`` bounds the region before it is filled.
        """
        match self.rule:
            case Rule.FIXED:
                return Cut(self.value, self.operator)
            case Rule.PERCENTILE:
                return Cut.from_level(percentile_level(histogram, self.value))
            case Rule.OTSU | Rule.OTSU_CHEXLOCALIZE:
                return Cut.from_level(otsu_level(histogram))


def region_of(values: NDArray[np.float32], threshold: Threshold) -> NDArray[np.bool_]:
    """Return the region that a rule cuts out of a heat map.

    Args:
        values: Float32 heat map of shape ``(height, width)`` in [0, 1].
        threshold: The rule.

    Returns:
        Boolean array of the same shape.
    """
    levels, _ = quantise(values)
    region = threshold.cut(count_levels(levels, levels[:0])).reached(values)
    return fill_contours(region) if threshold.rule is Rule.OTSU_CHEXLOCALIZE else region


def otsu_level(histogram: Histogram) -> int:
    """Return the lowest level of the region by Otsu's rule.

    The threshold that maximises the variance between the two parts, ``q1 q2 (mu1 - mu2)^2``, is found on
    ``uint8(255 h)`` (Otsu, IEEE Trans Syst Man Cybern 9:62, 1979), the region is what lies above it. The sums run in
    OpenCV's order, so that the threshold is OpenCV's.

    Args:
        histogram: The pixels by level.

    Returns:
        A multiple of 256.
    """
    counts = np.add.reduceat(histogram.whole, np.arange(0, TOP_LEVEL + 1, 256)).tolist()
    pixels = histogram.pixels
    shares = [count / pixels for count in counts]
    mean = sum(value * count for value, count in enumerate(counts)) / pixels
    best, best_spread = 0, 0.0
    below, mean_below = 0.0, 0.0
    for value, share in enumerate(shares):
        mean_below *= below
        below += share
        above = 1.0 - below
        if min(below, above) < _SINGLE_EPSILON or max(below, above) > 1 - _SINGLE_EPSILON:
            continue
        mean_below = (mean_below + value * share) / below
        mean_above = (mean - below * mean_below) / above
        spread = below * above * (mean_below - mean_above) ** 2
        if spread > best_spread:
            best, best_spread = value, spread
    return 256 * (best + 1)


def percentile_level(histogram: Histogram, percent: float) -> int:
    """Return the highest level at or above which at least ``percent`` of the pixels lie.

    Pixels of the lowest level show no evidence, and belong to no region, however few are left without them.

    Args:
        histogram: The pixels by level.
        percent: In (0, 100].

    Returns:
        The level, at least 1.
    """
    wanted = ceil(histogram.pixels * percent / 100)
    return max(histogram.level_reached_by(wanted), 1)


def fill_contours(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fill every contour of a region, as cheXlocalize does before it compares.

    Holes become part of the region; parts of a single pixel have no contour to fill, and are dropped
    (Saporta et al., Nat Mach Intell 4:867, 2022, ``cam_to_segmentation``).

    Args:
        region: Boolean array of shape ``(height, width)``.

    Returns:
        Boolean array of the same shape.

    >>> ring = np.array([[1, 1, 1, 0, 0], [1, 0, 1, 0, 1], [1, 1, 1, 0, 0]], bool)
    >>> fill_contours(ring).astype(int).tolist()
    [[1, 1, 1, 0, 0], [1, 1, 1, 0, 0], [1, 1, 1, 0, 0]]
    """
    contours, _ = cv2.findContours(region.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    filled = np.zeros(region.shape, np.uint8)
    cv2.drawContours(filled, [contour for contour in contours if len(contour) > 1], -1, 1, cv2.FILLED)
    return filled.view(np.bool_)
