"""Which images to show with their annotations: in balance over classes and scores.

The rule is deterministic and blind to the order of the rows, but for equal scores: a figure must not change because a
file system listed the same images in another order.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import lcm
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray


def balanced_panels(classes: Sequence[str], scores: NDArray[np.floating[Any]], count: int) -> tuple[int, ...]:
    """Choose images in balance over classes and over best, median and worst score.

    The first panels of a data set would all be of one class, and the best ones would flatter. The rule:

    1. Images with a finite score are ranked within their class.
    2. Panels are dealt out one by one. The class changes with every panel, in alphabetical order, passing over classes
       that have no image left. What is asked for changes with every panel too: best, median, worst. After each full
       round of both cycles it is shifted by one, so that three classes are not tied to one kind each.
    3. *best* is the highest score left in the class, *worst* the lowest; *median* is the image left that is nearest to
       the median rank of the whole class. Equal scores are ranked by position, ranks equally near by the lower one.

    After ``3 * classes`` panels each class has shown all three kinds, as far as it has the images; at any time
    the classes differ by one panel at most, unless one has run out.

    Args:
        classes: Shape ``(n,)``: class of each image.
        scores: Shape ``(n,)``: score of each image, such as its IoU; NaN and infinities are excluded.
        count: Number of panels wanted; fewer are returned where there are fewer images.

    Returns:
        Indices of the chosen images without duplicates, grouped by class in alphabetical order and within a class
        from best to worst.

    Raises:
        ValueError: The lengths disagree, or the count is negative.

    >>> classes = ["Benign", "Benign", "Benign", "Malignant", "Malignant", "Malignant"]
    >>> balanced_panels(classes, np.array([0.1, 0.2, 0.3, 0.6, 0.5, 0.4]), 3)
    (2, 0, 4)
    """
    if scores.shape != (len(classes),):
        raise ValueError(f"expected one score for each of {len(classes)} images, got shape {scores.shape}")
    if count < 0:
        raise ValueError(f"count must be at least 0, got {count}")
    decks = _decks(classes, scores)
    cycle = lcm(len(_KINDS), max(len(decks), 1))
    chosen: list[tuple[str, int]] = []
    names = list(decks)
    while names and len(chosen) < count:
        name = names.pop(0)
        kind = _KINDS[(len(chosen) + len(chosen) // cycle) % len(_KINDS)]
        chosen.append((name, decks[name].take(kind)))
        if decks[name].left:
            names.append(name)
    chosen.sort(key=lambda pair: (pair[0], -scores[pair[1]], pair[1]))
    return tuple(index for _, index in chosen)


@dataclass(slots=True)
class _Deck:
    """The images of one class that are not chosen yet.

    Attributes:
        ranked: All images of the class, from the lowest score to the highest.
        left: Ranks of those not chosen, ascending.
    """

    ranked: list[int]
    left: list[int]

    def take(self, rule: Callable[[list[int], float], int]) -> int:
        """Choose an image by its rank; it is then gone."""
        rank = rule(self.left, (len(self.ranked) - 1) / 2)
        self.left.remove(rank)
        return self.ranked[rank]


def _best(left: list[int], _median: float) -> int:
    return left[-1]


def _median(left: list[int], median: float) -> int:
    return min(left, key=lambda rank: abs(rank - median))


def _worst(left: list[int], _median: float) -> int:
    return left[0]


_KINDS = (_best, _median, _worst)


def _decks(classes: Sequence[str], scores: NDArray[np.floating[Any]]) -> dict[str, _Deck]:
    """Rank the images with a finite score within their class; classes come in alphabetical order."""
    usable = np.flatnonzero(np.isfinite(scores)).tolist()
    decks = {}
    for name in sorted({classes[index] for index in usable}):
        ranked = sorted((index for index in usable if classes[index] == name), key=lambda index: scores[index])
        decks[name] = _Deck(ranked, list(range(len(ranked))))
    return decks
