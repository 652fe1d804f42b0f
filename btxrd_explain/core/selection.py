"""Which images to show: examples per outcome for the gallery, balanced panels for the comparison with annotations.

Both rules are deterministic and blind to the order of the rows as far as it can be: a figure must not change because
a file system listed the same images in another order.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import lcm
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

UNLABELLED = -1
"""Label of an image whose true class is not known."""


class Outcome(StrEnum):
    """What a prediction is worth, seen from one class against all others."""

    TP = "TP"
    """The class is true and predicted."""
    FP = "FP"
    """The class is predicted, but another one is true."""
    FN = "FN"
    """The class is true, but another one is predicted."""
    TN = "TN"
    """The class is neither true nor predicted."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Row indices of the examples of one class, in the order in which they are shown.

    Attributes:
        true_positives: The most confident first.
        false_positives: The most confident first.
        false_negatives: The lowest probability of the true class first.
        available: How many rows have each outcome, shown or not.
    """

    true_positives: tuple[int, ...]
    false_positives: tuple[int, ...]
    false_negatives: tuple[int, ...]
    available: Mapping[Outcome, int]

    def of(self, outcome: Outcome) -> tuple[int, ...]:
        """Return the examples of one outcome.

        Raises:
            ValueError: True negatives, of which no examples are selected.
        """
        if outcome is Outcome.TN:
            raise ValueError("no examples of true negatives are selected")
        shown = {
            Outcome.TP: self.true_positives,
            Outcome.FP: self.false_positives,
            Outcome.FN: self.false_negatives,
        }
        return shown[outcome]


def select_examples(
    probabilities: NDArray[np.floating[Any]],
    labels: NDArray[np.integer[Any]],
    class_index: int,
    count: int,
    *,
    order_keys: Sequence[str],
) -> Examples:
    """Select the examples of one class that a gallery shows.

    The predicted class is the most probable one, the first of equals. True and false positives are taken by highest
    confidence, false negatives by lowest probability of the true class: the surest successes, the loudest false
    alarms and the worst misses. Equal probabilities are put in the order of ``order_keys``.

    Args:
        probabilities: Shape ``(n, classes)``, in [0, 1]. A row with a NaN or an infinity is never selected.
        labels: Shape ``(n,)``, integers: index of the true class, or -1 where it is not known.
        class_index: The class that the examples are for.
        count: Largest number of examples per outcome.
        order_keys: Shape ``(n,)``, unique, such as image ids.

    Returns:
        The examples, as indices of rows, and how many rows there are per outcome.

    Raises:
        ValueError: Shapes disagree, or the class, a label or the count is out of range.

    >>> probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.4, 0.6]])
    >>> examples = select_examples(probabilities, np.array([0, 0, 1, 0]), 0, 1, order_keys=["a", "b", "c", "d"])
    >>> examples.true_positives, examples.false_positives, examples.false_negatives
    ((0,), (2,), (3,))
    >>> examples.available[Outcome.TP]
    2
    """
    _check_examples(probabilities, labels, class_index, count, order_keys)
    of_class = np.where(np.isfinite(probabilities[:, class_index]), probabilities[:, class_index], 0.0)
    members = _members(probabilities, labels, class_index)

    def first(outcome: Outcome, direction: int) -> tuple[int, ...]:
        rows = sorted(members[outcome], key=lambda row: (direction * float(of_class[row]), order_keys[row]))
        return tuple(rows[:count])

    return Examples(
        true_positives=first(Outcome.TP, -1),
        false_positives=first(Outcome.FP, -1),
        false_negatives=first(Outcome.FN, 1),
        available=MappingProxyType({outcome: len(rows) for outcome, rows in members.items()}),
    )


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


def _members(
    probabilities: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]], class_index: int
) -> dict[Outcome, list[int]]:
    """Return the rows of each outcome, in the order of the table."""
    usable = np.isfinite(probabilities).all(axis=1) & (labels != UNLABELLED)
    predicted = np.argmax(np.where(usable[:, None], probabilities, 0), axis=1) == class_index
    true = labels == class_index
    masks = {
        Outcome.TP: true & predicted,
        Outcome.FP: ~true & predicted,
        Outcome.FN: true & ~predicted,
        Outcome.TN: ~true & ~predicted,
    }
    return {outcome: np.flatnonzero(mask & usable).tolist() for outcome, mask in masks.items()}


def _check_examples(
    probabilities: NDArray[np.floating[Any]],
    labels: NDArray[np.integer[Any]],
    class_index: int,
    count: int,
    order_keys: Sequence[str],
) -> None:
    if probabilities.ndim != 2 or probabilities.shape[1] == 0:
        raise ValueError(f"expected probabilities of shape (n, classes), got {probabilities.shape}")
    rows, classes = probabilities.shape
    if labels.shape != (rows,) or len(order_keys) != rows:
        raise ValueError(
            f"expected a label and a key for each of {rows} rows, got {labels.shape} and {len(order_keys)}"
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"expected labels as integers, got {labels.dtype}")
    if not 0 <= class_index < classes:
        raise ValueError(f"class_index must lie in 0..{classes - 1}, got {class_index}")
    if rows and not (labels.min() >= UNLABELLED and labels.max() < classes):
        raise ValueError(f"labels must lie in -1..{classes - 1}, got {labels.min()}..{labels.max()}")
    if count < 0:
        raise ValueError(f"count must be at least 0, got {count}")
