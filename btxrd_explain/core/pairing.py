"""Boxes that are drawn around the same thing, told by how well they cover each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.metrics.boxes import box_ious

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEAST_OVERLAP = 0.3
"""Intersection over union of two boxes that may be of one lesion."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """Which box of one list belongs to which of another.

    Attributes:
        pairs: Positions in the first and in the second list, each position at most once.
        first_alone: Positions in the first list that have no partner.
        second_alone: The same of the second list.
    """

    pairs: tuple[tuple[int, int], ...]
    first_alone: tuple[int, ...]
    second_alone: tuple[int, ...]


def pair_boxes(first: NDArray[np.float64], second: NDArray[np.float64]) -> Pairing:
    """Pair boxes one to one, those that overlap best before others.

    Args:
        first: Float64 array of shape ``(m, 4)``: left, top, right, bottom of each box, in pixels.
        second: The same, shape ``(n, 4)``.

    Returns:
        The pairs whose intersection over union is at least 0.3, and what is left.

    >>> boxes = np.array([[0.0, 0, 10, 10], [20, 0, 30, 10]])
    >>> pair_boxes(boxes, np.array([[21.0, 1, 30, 9]]))
    Pairing(pairs=((1, 0),), first_alone=(0,), second_alone=())
    """
    overlap = box_ious(first, second, ends=0)
    pairs = []
    while overlap.size and overlap.max() >= _LEAST_OVERLAP:
        i, j = (int(place) for place in np.unravel_index(overlap.argmax(), overlap.shape))
        pairs.append((i, j))
        overlap[i], overlap[:, j] = -1, -1
    ones, others = {i for i, _ in pairs}, {j for _, j in pairs}
    return Pairing(
        tuple(sorted(pairs)),
        tuple(i for i in range(len(first)) if i not in ones),
        tuple(j for j in range(len(second)) if j not in others),
    )
