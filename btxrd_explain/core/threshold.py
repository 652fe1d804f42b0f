"""The pixels of a heat map that reach a threshold."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Operator(StrEnum):
    """Whether a pixel that equals the threshold belongs to the region."""

    AT_LEAST = ">="
    ABOVE = ">"
    """The operator of cheXlocalize (Saporta et al. 2022)."""


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
    region: NDArray[np.bool_] = heatmap >= threshold if operator is Operator.AT_LEAST else heatmap > threshold
    return region
