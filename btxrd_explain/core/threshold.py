"""From a heat map to a region: operators, rules, and how many pixels reach a threshold."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from btxrd_explain.core.arrays import checked_choice, checked_heatmap, checked_mask, checked_number
from btxrd_explain.core.choices import Operator, Rule
from btxrd_explain.core.heatmap import HeatMap, MapStatus
from btxrd_explain.core.histogram import LEVELS_PER_BYTE, TOP_LEVEL, count_levels, pixels_at, quantise
from btxrd_explain.core.overlap import Overlap, count_overlap

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from btxrd_explain.core.histogram import Histogram

# The pixels of a heat map that reach a threshold.


def binarize(
    heatmap: NDArray[np.floating[Any]], threshold: float, *, operator: Operator = Operator.AT_LEAST
) -> NDArray[np.bool_]:
    """Return the region in which a heat map reaches the threshold.

    Args:
        heatmap: Shape ``(height, width)``, values in [0, 1].
        threshold: In [0, 1].
        operator: Whether the threshold itself belongs to the region.

    Returns:
        Boolean array of the heat map's shape.

    Raises:
        ValueError: The threshold lies outside [0, 1], or the heat map holds NaN.

    >>> binarize(np.array([[0.2, 0.5]]), 0.5, operator=Operator.ABOVE).tolist()
    [[False, False]]
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold must lie in [0, 1], got {threshold}")
    if np.isnan(heatmap).any():
        raise ValueError("the heat map holds NaN")
    return operator.reached(heatmap, threshold)


def compute_cam_iou(
    cam_heatmap: Any,  # noqa: ANN401 -- an array, a list or a torch tensor
    annotation_mask: Any,  # noqa: ANN401 -- likewise
    threshold: float = 0.5,
    *,
    operator: Operator | str = Operator.AT_LEAST,
) -> float:
    """Return the IoU of a thresholded heat map and an annotation mask.

    ``IoU = |b ∧ m| / |b ∨ m|`` with ``b = heatmap >= threshold``.

    Args:
        cam_heatmap: Shape ``(height, width)``, floating values in [0, 1].
        annotation_mask: The same shape: truth values, or numbers that are 0 and 1 (or 0 and 255).
        threshold: In [0, 1].
        operator: ``>=`` (default) or ``>``.

    Returns:
        IoU in [0, 1]. **0.0 for an empty union**, so that the function is total; the reports of this package
        call that undefined instead (see :attr:`~btxrd_explain.core.overlap.Overlap.iou`).

    Raises:
        TypeError: An argument is of another kind, such as a heat map of bytes (0 to 255).
        ValueError: The shapes differ, a value or the threshold is out of range, or the operator is unknown.

    >>> compute_cam_iou([[0.9, 0.6, 0.1]], [[0, 1, 1]])
    0.3333333333333333
    """
    values = checked_heatmap(cam_heatmap, "cam_heatmap")
    mask = checked_mask(annotation_mask, values.shape, "annotation_mask")
    level, chosen = checked_number(threshold, 0, 1, "threshold"), checked_choice(operator, Operator, "operator")
    iou = count_overlap(binarize(values, level, operator=chosen), mask).iou
    return 0.0 if iou is None else iou


# A threshold on a heat map's own values, and how many pixels reach it.


@dataclass(frozen=True, slots=True)
class Cut:
    """A threshold with its operator.

    Attributes:
        value: The threshold; it is compared as float32, which is what heat maps hold.
        operator: Whether the threshold itself belongs to the region.
    """

    value: float
    operator: Operator = Operator.AT_LEAST

    @classmethod
    def from_level(cls, level: int) -> Cut:
        """Return the cut that keeps the pixels of a level and above."""
        return cls(float(lowest_value(level)))

    def reached(self, values: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return which values belong to the region; any shape."""
        return self.operator.reached(values, self.value)


def lowest_value(level: int) -> np.float32:
    """Return the smallest float32 value of a level.

    >>> float(lowest_value(25500))
    0.5
    """
    if level == 1:
        return np.float32(np.nextafter(np.float32(0), np.float32(1)))
    value = np.float32(level / TOP_LEVEL)
    while level and _level(np.nextafter(value, np.float32(0))) >= level:
        value = np.nextafter(value, np.float32(0))
    while _level(value) < level:
        value = np.nextafter(value, np.float32(2))
    return value


def count_reached(cut: Cut, heat: HeatMap, inside: NDArray[np.float32], histogram: Histogram) -> Overlap:
    """Count the pixels that reach a cut, exactly.

    The histogram knows all but the level that the cut divides; only that level's pixels are compared, and none where
    the cut lies between two levels, as do nearly all multiples of 0.01.

    Args:
        cut: The threshold.
        heat: The heat map.
        inside: Its values on the annotation, any shape.
        histogram: Its pixels by level.

    Returns:
        The overlap of region and annotation.
    """
    level = _level(np.float32(cut.value))
    region = int(histogram.whole_from[level])
    if cut.operator is Operator.ABOVE or np.float32(cut.value) != lowest_value(level):
        _, divided = pixels_at(range(level, level + 1), heat)
        region += int(np.count_nonzero(cut.reached(divided))) - len(divided)
    return Overlap(int(np.count_nonzero(cut.reached(inside))), region, inside.size)


def overlap_from(level: int, histogram: Histogram) -> Overlap:
    """Return the overlap of the annotation and the pixels of a level and above."""
    return Overlap(int(histogram.inside_from[level]), int(histogram.whole_from[level]), histogram.annotated)


def _level(value: np.float32) -> int:
    return int(quantise(np.full(1, value)).item())


# Rules that turn a heat map into a region.

_SINGLE_EPSILON = float(np.finfo(np.float32).eps)
_ALL_BUT = 1 - _SINGLE_EPSILON
"""OpenCV leaves out thresholds that put next to nothing on one side."""


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
    histogram = count_levels(HeatMap(values, None, MapStatus.OK), values[:0])
    region = threshold.cut(histogram).reached(values)
    return fill_contours(region) if threshold.rule is Rule.OTSU_CHEXLOCALIZE else region


def otsu_level(histogram: Histogram) -> int:
    """Return the lowest level of the region by Otsu's rule.

    The threshold that maximises the variance between the two parts, ``q1 q2 (mu1 - mu2)^2``, is found on
    ``uint8(255 h)`` (Otsu, IEEE Trans Syst Man Cybern 9:62, 1979), the region is what lies above it. The sums run in
    OpenCV's order, so that the threshold is OpenCV's.

    Args:
        histogram: The pixels by level.

    Returns:
        A multiple of :data:`~btxrd_explain.core.histogram.LEVELS_PER_BYTE`.
    """
    counts = np.add.reduceat(histogram.whole, np.arange(0, TOP_LEVEL + 1, LEVELS_PER_BYTE)).tolist()
    pixels = histogram.pixels
    shares = [count / pixels for count in counts]
    mean = sum(value * count for value, count in enumerate(counts)) / pixels
    best, best_spread = 0, 0.0
    below, mean_below = 0.0, 0.0
    for value, share in enumerate(shares):
        mean_below *= below
        below += share
        above = 1.0 - below
        if not (_SINGLE_EPSILON <= below <= _ALL_BUT and _SINGLE_EPSILON <= above <= _ALL_BUT):
            continue
        mean_below = (mean_below + value * share) / below
        mean_above = (mean - below * mean_below) / above
        spread = below * above * (mean_below - mean_above) ** 2
        if spread > best_spread:
            best, best_spread = value, spread
    return LEVELS_PER_BYTE * (best + 1)


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
