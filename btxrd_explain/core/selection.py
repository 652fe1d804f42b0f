"""Which images to show as examples of each outcome.

The rule is deterministic and blind to the order of the rows: a figure must not change because a file system listed the
same images in another order.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
