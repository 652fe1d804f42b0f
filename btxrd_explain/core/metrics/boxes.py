"""MaxBoxAccV2: how often a box around the hot region finds a lesion's box, at the data set's best threshold.

Choe et al., CVPR 2020, and their ``wsolevaluation``, whose conventions these are: heat maps as ``uint8(255 h)``, boxes
``(x, y, x + width, y + height)`` cut off at the last pixel, and areas that count both ends. Contours for hundreds of
thresholds take their time: the measure is meant for the network's input, not for the radiograph's own pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

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


BOX_THRESHOLDS: NDArray[np.float64] = np.arange(1000) / 1000
"""Thresholds as fractions of the map's maximum: 0, 0.001, ... 0.999."""
BOX_DELTAS = (0.3, 0.5, 0.7)
"""IoU from which on a box has found a lesion."""


@dataclass(frozen=True, slots=True)
class BoxResult:
    """Box accuracies of a data set.

    Attributes:
        score: MaxBoxAccV2: the mean over :data:`BOX_DELTAS` of the accuracy at the best threshold for each.
        accuracies: For each delta the best accuracy and the lowest threshold at which it is reached.
        joint_score: The highest mean accuracy over the deltas at one threshold for all; at most ``score``.
        joint_threshold: The lowest threshold at which it is reached.
        images: Number of images.
    """

    score: float
    accuracies: dict[float, tuple[float, float]]
    joint_score: float
    joint_threshold: float
    images: int


@dataclass(slots=True, eq=False)
class BoxAccuracy:
    """Counts the images whose lesion a box finds, by threshold; in the memory of one table.

    The best threshold is chosen on the images that are scored, as the measure is defined, and so is optimistic.

    Attributes:
        found: Int64 array of shape ``(3, 1000)``: images found, by delta and threshold.
        images: Number of images so far.
    """

    found: NDArray[np.int64] = field(default_factory=lambda: np.zeros((len(BOX_DELTAS), len(BOX_THRESHOLDS)), np.int64))
    images: int = 0

    def add(self, overlaps: NDArray[np.float64]) -> None:
        """Add an image: its overlaps from :func:`box_overlaps`, shape ``(1000,)``."""
        self.found += found_boxes(overlaps)
        self.images += 1

    def result(self) -> BoxResult | None:
        """Return the accuracies; None before the first image."""
        if self.images == 0:
            return None
        accuracy = self.found / self.images
        best = accuracy.argmax(axis=1)
        joint = accuracy.mean(axis=0)
        return BoxResult(
            score=float(max_box_accuracy(self.found, np.array(self.images))),
            accuracies={
                delta: (float(accuracy[row, best[row]]), float(BOX_THRESHOLDS[best[row]]))
                for row, delta in enumerate(BOX_DELTAS)
            },
            joint_score=float(joint.max()),
            joint_threshold=float(BOX_THRESHOLDS[joint.argmax()]),
            images=self.images,
        )


def found_boxes(overlaps: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return by delta and threshold whether a box has found a lesion.

    Args:
        overlaps: From :func:`box_overlaps`, shape ``(1000,)``.

    Returns:
        Boolean array of shape ``(3, 1000)``.
    """
    found: NDArray[np.bool_] = overlaps >= np.array(BOX_DELTAS)[:, None]
    return found


def max_box_accuracy(found: NDArray[Any], images: NDArray[Any]) -> NDArray[np.float64]:
    """Return MaxBoxAccV2, the mean over the deltas of the accuracy at the best threshold for each.

    Args:
        found: Images found by delta and threshold, shape ``(..., 3, 1000)``, whole numbers of any type.
        images: Number of images, shape ``(...)``, at least 1.

    Returns:
        Float64 array of shape ``(...)`` in [0, 1].
    """
    accuracy: NDArray[np.float64] = (found.max(axis=-1) / images[..., None]).mean(axis=-1)
    return accuracy


def box_overlaps(values: NDArray[np.float32], lesions: Iterable[NDArray[np.bool_]]) -> NDArray[np.float64] | None:
    """Return the best IoU of a box around hot pixels and a lesion's box, for each threshold.

    Args:
        values: Float32 heat map of shape ``(height, width)`` in [0, 1].
        lesions: Boolean arrays of the same shape; each lesion has a box, as have the outer and inner contours of
            ``h > t max h``.

    Returns:
        Float64 array of shape ``(1000,)`` in [0, 1], 0 where a threshold leaves no pixel; None without a lesion.
    """
    boxes = [_box(lesion.view(np.uint8), lesion.shape) for lesion in lesions if lesion.any()]
    if not boxes:
        return None
    wanted = np.array(boxes)
    bytes_ = (255 * values).astype(np.uint8)
    cuts = (BOX_THRESHOLDS * int(bytes_.max())).astype(int)
    levels, position = np.unique(cuts, return_inverse=True)
    overlaps = np.array([_best_overlap(_contour_boxes(bytes_ > level), wanted) for level in levels.tolist()])
    by_threshold: NDArray[np.float64] = overlaps[position]
    return by_threshold


def box_ious(boxes: NDArray[Any], others: NDArray[Any], *, ends: int = 1) -> NDArray[np.float64]:
    """Return the IoU of each box with each of the others.

    Args:
        boxes: Array of shape ``(n, 4)``: x0, y0, x1, y1.
        others: Likewise, shape ``(m, 4)``.
        ends: What a box is longer than the difference of its ends: 1 where both are pixels that count, 0 where they are
            lines.

    Returns:
        Float64 array of shape ``(n, m)``; 0 where both boxes are empty.

    >>> float(box_ious(np.array([[0, 0, 1, 1]]), np.array([[1, 1, 2, 2]]))[0, 0])
    0.14285714285714285
    """
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = np.clip(high - low + ends, 0, None).prod(axis=2)
    areas, other_areas = ((group[:, 2:] - group[:, :2] + ends).prod(axis=1) for group in (boxes, others))
    union = areas[:, None] + other_areas - shared
    ious: NDArray[np.float64] = np.divide(shared, union, out=np.zeros(shared.shape, np.float64), where=union > 0)
    return ious


def _best_overlap(boxes: NDArray[np.int64], wanted: NDArray[np.int64]) -> float:
    return float(box_ious(boxes, wanted).max()) if len(boxes) else 0.0


def _contour_boxes(region: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the box of every contour, inner ones included, shape ``(n, 4)``."""
    contours, _ = cv2.findContours(region.view(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    return np.array([_box(contour, region.shape) for contour in contours], dtype=np.int64).reshape(-1, 4)


def _box(drawn: cv2.typing.MatLike, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Return the box of a contour or a mask, cut off at the last pixel of an image of that shape."""
    x, y, width, height = cv2.boundingRect(drawn)
    return x, y, min(x + width, shape[1] - 1), min(y + height, shape[0] - 1)
