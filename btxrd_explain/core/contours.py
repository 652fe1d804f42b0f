"""The connected regions of a mask and their borders, as other programs draw them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A connected region of a mask (neighbours touch by an edge or a corner).

    Attributes:
        mask: Boolean, the region alone within its bounding box, shape ``(height, width)``.
        origin: Column and row (x, y) of the box's first pixel.
        border: Outer border through the centres of the border's pixels, int32, shape ``(n, 2)``: x and y as pixel
            indices. Drawn as a polygon with its outline, as LabelMe does, it gives back the region where it has no
            holes.
        holes: Borders of its holes, likewise, through the region's own pixels.
    """

    mask: NDArray[np.bool_]
    origin: tuple[int, int]
    border: NDArray[np.int32]
    holes: tuple[NDArray[np.int32], ...]

    @property
    def area(self) -> int:
        """Number of its pixels."""
        return int(np.count_nonzero(self.mask))


def regions(mask: NDArray[np.bool_]) -> list[Region]:
    """Split a mask into its connected regions, the largest first.

    Args:
        mask: Boolean, shape ``(height, width)``.

    Returns:
        The regions; none for an empty mask.

    >>> [(region.area, region.border.tolist()) for region in regions(np.array([[True, True, False, True]]))]
    [(2, [[0, 0], [1, 0]]), (1, [[3, 0]])]
    """
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    own = mask[top : top + height, left : left + width].astype(np.uint8)
    if not own.size:
        return []
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(own, connectivity=8)
    order = sorted(range(1, count), key=lambda label: -int(boxes[label][cv2.CC_STAT_AREA]))  # 0 is the ground
    return [_region(np.asarray(labels, np.int32), label, boxes[label][:4].tolist(), (left, top)) for label in order]


def simplified(border: NDArray[np.int32], tolerance: float) -> NDArray[np.int32]:
    """Leave out vertices of a closed border as long as no part of it moves by more than ``tolerance`` pixels.

    Args:
        border: Shape ``(n, 2)``.
        tolerance: In pixels; 0 changes nothing.

    Returns:
        Int32 array of shape ``(m, 2)``, m <= n (Douglas and Peucker, Cartographica 10:112, 1973).
    """
    if tolerance <= 0:
        return border
    return np.asarray(cv2.approxPolyDP(border[:, None], tolerance, closed=True), np.int32).reshape(-1, 2)


def _region(labels: NDArray[np.int32], label: int, box: Sequence[int], corner: tuple[int, int]) -> Region:
    """Return a region, given the labels of a window that begins at ``corner`` (x, y), and its box in the window."""
    left, top, width, height = box
    own = labels[top : top + height, left : left + width] == label
    origin = corner[0] + left, corner[1] + top
    found, hierarchy = cv2.findContours(own.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE, offset=origin)
    borders = [np.asarray(border, np.int32).reshape(-1, 2) for border in found]
    is_hole = [parent >= 0 for parent in hierarchy[0][:, 3]]  # of one region, all holes lie in the one border
    return Region(
        mask=own,
        origin=origin,
        border=borders[is_hole.index(False)],
        holes=tuple(border for border, hole in zip(borders, is_hole, strict=True) if hole),
    )
