"""Which images are the same, or show the same radiograph: saved again, resized, brightened, mirrored or turned."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

# Which of many things are the same, as groups of their positions.


def equal_groups(keys: Iterable[Hashable | None]) -> list[list[int]]:
    """Group positions whose keys are equal.

    Args:
        keys: A key for each position, such as a file's hash; None equals nothing, not even another None.

    Returns:
        The groups of two and more, each in ascending order, in the order of their first positions.

    >>> equal_groups(["a", "b", None, "a", None, "b", "c"])
    [[0, 3], [1, 5]]
    """
    places: dict[Hashable, list[int]] = defaultdict(list)
    for place, key in enumerate(keys):
        if key is not None:
            places[key].append(place)
    return [group for group in places.values() if len(group) > 1]


def crossing_groups(groups: Iterable[Sequence[int]], parts: Sequence[Hashable | None]) -> list[list[int]]:
    """Return of each group that has members in more than one part, such as train and test, the members in any part.

    Args:
        groups: Positions that belong together; see :func:`equal_groups`.
        parts: The part of each position; None is in no part, and leaks into none.

    Returns:
        The groups that cross, without members in no part.

    >>> crossing_groups([[0, 3], [1, 5], [2, 4]], ["train", "train", "test", "test", None, "train"])
    [[0, 3]]
    """
    inside = ([place for place in group if parts[place] is not None] for group in groups)
    return [group for group in inside if len({parts[place] for place in group}) > 1]


class Groups:
    """Positions that are joined pair by pair (a disjoint-set forest with path halving).

    Args:
        count: Number of positions, each alone at first.

    >>> groups = Groups(5)
    >>> groups.join(0, 3), groups.join(3, 4), groups.join(0, 4)
    (True, True, False)
    >>> groups.of_several()
    [[0, 3, 4]]
    """

    def __init__(self, count: int) -> None:
        """Leave each position alone."""
        self._above = list(range(count))

    def find(self, place: int) -> int:
        """Return the position that stands for the group of another."""
        above = self._above
        while above[place] != place:
            above[place] = place = above[above[place]]
        return place

    def join(self, first: int, second: int) -> bool:
        """Make one group of two; returns False where they were one already."""
        low, high = sorted((self.find(first), self.find(second)))
        self._above[high] = low
        return low != high

    def of_several(self) -> list[list[int]]:
        """Return the groups of two and more, each in ascending order, in the order of their first positions."""
        return equal_groups(self.find(place) for place in range(len(self._above)))


# Images that show the same radiograph: saved again, resized, brightened, inverted, mirrored or turned.
#
# Two measures must agree, both on pictures of 64 x 64 pixels:
#
# - a difference hash (dHash: N. Krawetz, "Kind of Like That", 2013) of 480 bits: whether each cell of 16 x 16 is
# brighter
#   than its left and its upper neighbour; two images are candidates where at most a quarter of the bits differ;
# - Pearson's correlation of the pictures without their coarse structure (less a Gaussian blur), which two knees have in
#   common, but not the texture and outline that is left.
#
# All pairs are compared in all eight ways to turn and mirror a picture, as products of matrices of ±1: with b and c in
# {-1, 1}^n their product is n - 2 d, where d is the Hamming distance. An inverted image differs in all bits, so that a
# large negative product tells of one.

PICTURE_SIDE = 64
HASH_BITS = 480
MAX_DISTANCE = 120
"""Of the 480 bits; unrelated radiographs differ in 240 on average."""
MIN_CORRELATION = 0.9
_CELLS = 16
_BLUR = 3.0
"""Standard deviation, in pixels of the picture, of what counts as coarse structure."""
_BLOCK = 256
_CHUNK = 1024

TURNS: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    "as it is": lambda pictures: pictures,
    "mirrored": lambda pictures: pictures[:, :, ::-1],
    "upside down": lambda pictures: pictures[:, ::-1],
    "turned around": lambda pictures: pictures[:, ::-1, ::-1],
    "turned right": lambda pictures: pictures.swapaxes(1, 2)[:, :, ::-1],
    "turned left": lambda pictures: pictures.swapaxes(1, 2)[:, ::-1],
    "transposed": lambda pictures: pictures.swapaxes(1, 2),
    "transposed and turned around": lambda pictures: pictures.swapaxes(1, 2)[:, ::-1, ::-1],
}
"""The eight ways, each from and to pictures of shape ``(n, side, side)``; right and left are quarter turns."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """What makes two images near duplicates.

    Attributes:
        first: Position of the one.
        second: Position of the other, which is larger.
        turn: How the second is turned to look like the first, a key of :data:`TURNS`.
        inverted: True where dark is bright in the other.
        distance: How many of the 480 bits differ, up to the inversion.
        correlation: Of the fine structure, from 0 to 1, up to the inversion.
    """

    first: int
    second: int
    turn: str
    inverted: bool
    distance: int
    correlation: float


def picture_of(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Shrink an image to the picture by which it is compared.

    Args:
        pixels: Uint8 array of shape ``(height, width)``, or ``(height, width, 3)`` in RGB.

    Returns:
        Uint8 array of shape ``(64, 64)``: means over areas, the sides squashed to a square.
    """
    small = cv2.resize(pixels, (PICTURE_SIDE, PICTURE_SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY) if small.ndim == 3 else small, dtype=np.uint8)


def find_near_duplicates(
    pictures: NDArray[np.uint8],
    *,
    max_distance: int = MAX_DISTANCE,
    min_correlation: float = MIN_CORRELATION,
) -> list[Likeness]:
    """Find images that are near duplicates of each other.

    Args:
        pictures: Uint8 array of shape ``(n, 64, 64)``; see :func:`picture_of`.
        max_distance: Most bits that may differ.
        min_correlation: Least correlation, in (0, 1].

    Returns:
        Pairs that join near duplicates to groups: of three images that are all alike, two pairs. A picture of one
        value has no structure and is like no other.
    """
    if not len(pictures):
        return []
    groups, found = Groups(len(pictures)), []
    plain = _signs(pictures)
    for name, turn in TURNS.items():
        turned = turn(pictures)
        for pairs, products in _candidates(plain, _signs(turned), HASH_BITS - 2 * max_distance):
            apart = np.array([groups.find(i) != groups.find(j) for i, j in pairs.tolist()], dtype=bool)
            pairs, products = pairs[apart], products[apart]  # noqa: PLW2901 -- the rest is known already
            correlations = _correlations(pictures, turned, pairs)
            alike = (np.abs(correlations) >= min_correlation) & ((correlations < 0) == (products < 0))
            for (first, second), product, value in zip(
                pairs[alike].tolist(), products[alike].tolist(), correlations[alike].tolist(), strict=True
            ):
                if groups.join(first, second):
                    distance = (HASH_BITS - abs(int(product))) // 2
                    found.append(Likeness(first, second, name, product < 0, distance, min(abs(value), 1.0)))
    return sorted(found, key=lambda pair: (pair.first, pair.second))


def _signs(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the hashes of pictures as rows of -1 and 1, float32, shape ``(n, 480)``."""
    count, cell = len(pictures), PICTURE_SIDE // _CELLS
    cells = pictures.reshape(count, _CELLS, cell, _CELLS, cell).sum(axis=(2, 4), dtype=np.int32)
    across = cells[:, :, 1:] > cells[:, :, :-1]
    down = cells[:, 1:] > cells[:, :-1]
    bits = np.concatenate([across.reshape(count, -1), down.reshape(count, -1)], axis=1)
    return np.where(bits, np.float32(1), np.float32(-1))


def _candidates(
    plain: NDArray[np.float32], turned: NDArray[np.float32], least: int
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
    """Yield pairs ``(i, j)``, i < j, whose product is at least that large, and their products, some at a time."""
    for start in range(0, len(plain), _BLOCK):
        products = plain[start : start + _BLOCK] @ turned[start:].T
        rows, columns = np.nonzero(np.abs(products) >= least)
        rows, columns = rows[columns > rows], columns[columns > rows]
        for part in range(0, len(rows), _CHUNK):
            i, j = rows[part : part + _CHUNK], columns[part : part + _CHUNK]
            yield np.stack([i, j], axis=1) + start, products[i, j]


def _correlations(
    pictures: NDArray[np.uint8], turned: NDArray[np.uint8], pairs: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Return Pearson's correlation of the fine structure of each pair, 0 where one of them has none."""
    firsts, first_of = np.unique(pairs[:, 0], return_inverse=True)
    seconds, second_of = np.unique(pairs[:, 1], return_inverse=True)
    one, other = _fine_structure(pictures[firsts])[first_of], _fine_structure(turned[seconds])[second_of]
    products: NDArray[np.float32] = np.einsum("nk,nk->n", one, other)
    return products


def _fine_structure(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return pictures without coarse structure as rows of mean 0 and length 1; 0 where nothing is left."""
    rows = np.zeros((len(pictures), PICTURE_SIDE**2), np.float32)
    for row, picture in zip(rows, pictures, strict=True):
        values = picture.astype(np.float32)
        fine = values - cv2.GaussianBlur(values, (0, 0), _BLUR, borderType=cv2.BORDER_REFLECT)
        row[:] = (fine - fine.mean()).ravel()
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    np.divide(rows, lengths, out=rows, where=lengths > 1)
    rows[lengths[:, 0] <= 1] = 0
    return rows
