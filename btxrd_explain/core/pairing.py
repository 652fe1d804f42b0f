"""Boxes that are drawn around the same thing, told by how well they cover each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

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
    overlap = _overlaps(first, second)
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


def _overlaps(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the intersection over union of each box with each, shape ``(m, n)``."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (first, second)]
    union = areas[0][:, None] + areas[1][None, :] - common
    shares: NDArray[np.float64] = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return shares
