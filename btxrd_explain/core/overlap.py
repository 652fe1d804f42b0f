"""How a heat map and an annotation agree: count once, then divide.

Formulas as in Saporta et al., Nat Mach Intell 4:867 (2022) and Reinke et al. (Metrics Reloaded),
Nat Methods 21:182 (2024). Undefined is None, never 0: an empty union has no IoU.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Overlap:
    """Pixel counts of a region against an annotation.

    Attributes:
        both: Pixels in region and annotation (true positives).
        region: Pixels in the region.
        annotation: Pixels in the annotation.
    """

    both: int
    region: int
    annotation: int

    @property
    def iou(self) -> float | None:
        """Intersection over union (Jaccard index), in [0, 1]; None where the union is empty."""
        return _ratio(self.both, self.region + self.annotation - self.both)

    @property
    def dice(self) -> float | None:
        """Dice coefficient ``2 |A and B| / (|A| + |B|)``, in [0, 1]; None where both are empty."""
        return _ratio(2 * self.both, self.region + self.annotation)

    @property
    def precision(self) -> float | None:
        """Fraction of the region that is annotated; None where the region is empty."""
        return _ratio(self.both, self.region)

    @property
    def recall(self) -> float | None:
        """Fraction of the annotation that the region covers; None where the annotation is empty."""
        return _ratio(self.both, self.annotation)


def count_overlap(region: NDArray[np.bool_], annotation: NDArray[np.bool_]) -> Overlap:
    """Count the pixels that a region and an annotation share.

    Args:
        region: Boolean array of shape ``(height, width)``.
        annotation: Boolean array of the same shape.

    Returns:
        The counts.

    Raises:
        ValueError: The shapes differ, or an array is not boolean.

    >>> count_overlap(np.array([[True, True, False]]), np.array([[False, True, True]])).iou
    0.3333333333333333
    """
    if region.shape != annotation.shape:
        raise ValueError(f"region {region.shape} and annotation {annotation.shape} differ in shape")
    if region.dtype != np.bool_ or annotation.dtype != np.bool_:
        raise ValueError(f"region and annotation must be boolean, got {region.dtype} and {annotation.dtype}")
    return Overlap(
        both=int(np.count_nonzero(region & annotation)),
        region=int(np.count_nonzero(region)),
        annotation=int(np.count_nonzero(annotation)),
    )


def _ratio(numerator: int, denominator: int) -> float | None:
    return numerator / denominator if denominator else None
