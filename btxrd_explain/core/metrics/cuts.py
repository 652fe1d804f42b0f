"""A threshold on a heat map's own values, and how many pixels reach it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.metrics.histogram import TOP_LEVEL, pixels_at, quantise
from btxrd_explain.core.overlap import Overlap
from btxrd_explain.core.threshold import Operator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from btxrd_explain.core.metrics.histogram import Histogram


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
        """Say which values belong to the region; any shape."""
        reached: NDArray[np.bool_] = values >= self.value if self.operator is Operator.AT_LEAST else values > self.value
        return reached


def lowest_value(level: int) -> np.float32:
    """Return the smallest float32 value of a level.

    >>> float(lowest_value(32640))
    0.5
    """
    value = np.float32(level / TOP_LEVEL)
    while level and _level(np.nextafter(value, np.float32(0))) >= level:
        value = np.nextafter(value, np.float32(0))
    while _level(value) < level:
        value = np.nextafter(value, np.float32(2))
    return value


def count_reached(
    cut: Cut,
    values: NDArray[np.float32],
    levels: NDArray[np.uint16],
    inside: NDArray[np.float32],
    histogram: Histogram,
) -> Overlap:
    """Count the pixels that reach a cut, exactly.

    The histogram knows all but the level that the cut divides; only that level's pixels are compared, and none where
    the cut lies between two levels, as do all multiples of 0.05.

    Args:
        cut: The threshold.
        values: Float32 heat map of shape ``(height, width)`` in [0, 1].
        levels: Its levels.
        inside: Its values on the annotation, any shape.
        histogram: Its pixels by level.

    Returns:
        The overlap of region and annotation.
    """
    level = _level(np.float32(cut.value))
    region = int(histogram.whole_from[level])
    if cut.operator is Operator.ABOVE or np.float32(cut.value) != lowest_value(level):
        divided = values.ravel()[pixels_at(level, levels)]
        region += int(np.count_nonzero(cut.reached(divided))) - len(divided)
    return Overlap(int(np.count_nonzero(cut.reached(inside))), region, inside.size)


def overlap_from(level: int, histogram: Histogram) -> Overlap:
    """Return the overlap of the annotation and the pixels of a level and above."""
    return Overlap(int(histogram.inside_from[level]), int(histogram.whole_from[level]), histogram.annotated)


def _level(value: np.float32) -> int:
    return int(quantise(np.full((1, 1), value))[0].item())
