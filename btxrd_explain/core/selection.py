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

from btxrd_explain.core.arrays import checked_count, checked_index, checked_items, checked_labels, checked_probabilities

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

UNKNOWN = -1
"""Index of a true class that is not known, or of a prediction that there is not."""


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
    y_true: Any,  # noqa: ANN401 -- an array, a list or a torch tensor
    y_pred: Any,  # noqa: ANN401 -- likewise
    y_prob: Any,  # noqa: ANN401 -- likewise
    class_idx: int,
    k: int = 3,
    *,
    order_keys: Sequence[str] | None = None,
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Select the rows of one class to show: true positives, false positives and false negatives.

    True and false positives are taken by highest confidence, false negatives by lowest probability of the true class:
    the surest successes, the loudest false alarms and the worst misses.

    Args:
        y_true: Shape ``(n,)``, whole numbers: index of the true class; a row of -1 (not known) is never selected.
        y_pred: Shape ``(n,)``, whole numbers: index of the predicted class; likewise.
        y_prob: Shape ``(n, classes)``, probability of each class, in [0, 1].
        class_idx: The class that the examples are for.
        k: Largest number of examples per outcome, at least 0.
        order_keys: Unique texts, such as image ids, that put equal probabilities in order; None keeps that of the rows.

    Returns:
        Row numbers of true positives, false positives and false negatives, each intp of shape ``(at most k,)``, in the
        order in which they are shown.

    Raises:
        TypeError: An argument is of another kind, such as class names instead of indices.
        ValueError: Lengths disagree, or an index, a probability or ``k`` is out of range.

    >>> select_examples([0, 0, 1, 0], [0, 0, 0, 1], [[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.4, 0.6]], class_idx=0, k=1)
    (array([0]), array([2]), array([3]))
    """
    probabilities = checked_probabilities(y_prob, "y_prob")
    rows, classes = probabilities.shape
    true, predicted = (
        checked_labels(values, rows, classes, name) for values, name in ((y_true, "y_true"), (y_pred, "y_pred"))
    )
    index, most = checked_index(class_idx, classes, "class_idx"), checked_count(k, 0, "k")
    keys: Sequence[Any] = range(rows) if order_keys is None else checked_items(order_keys, "order_keys")
    if len(keys) != rows:
        raise ValueError(f"order_keys: expected {rows} values, one per row, got {len(keys)}")

    def first(outcome: Outcome, sign: int) -> NDArray[np.intp]:
        found = members[outcome].tolist()
        best = sorted(found, key=lambda row: (sign * float(probabilities[row, index]), keys[row]))
        return np.array(best[:most], dtype=np.intp)

    members = _members(true, predicted, index)
    return first(Outcome.TP, -1), first(Outcome.FP, -1), first(Outcome.FN, 1)


def choose_examples(
    probabilities: NDArray[np.floating[Any]],
    labels: NDArray[np.integer[Any]],
    class_index: int,
    count: int,
    *,
    order_keys: Sequence[str],
) -> Examples:
    """Select the examples of one class that a gallery shows, and count what there is; see :func:`select_examples`.

    The predicted class is the most probable one, the first of equals.

    Args:
        probabilities: Shape ``(n, classes)``, in [0, 1]. A row with a NaN or an infinity is never selected.
        labels: Shape ``(n,)``, integers: index of the true class, or -1 where it is not known.
        class_index: The class that the examples are for.
        count: Largest number of examples per outcome.
        order_keys: Shape ``(n,)``, unique, such as image ids.

    Returns:
        The examples, as indices of rows, and how many rows there are per outcome.

    Raises:
        TypeError: The labels are not whole numbers.
        ValueError: Shapes disagree, or the class, a label or the count is out of range.

    >>> probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.4, 0.6]])
    >>> examples = choose_examples(probabilities, np.array([0, 0, 1, 0]), 0, 1, order_keys=["a", "b", "c", "d"])
    >>> examples.true_positives, examples.false_positives, examples.false_negatives
    ((0,), (2,), (3,))
    >>> examples.available[Outcome.TP]
    2
    """
    finite = np.isfinite(probabilities)
    filled = np.where(finite, probabilities, 0)
    usable = finite.all(axis=-1) if probabilities.ndim == 2 else finite
    predicted = np.where(usable, filled.argmax(axis=-1), UNKNOWN)
    shown = select_examples(labels, predicted, filled, class_index, count, order_keys=order_keys)
    available = {outcome: len(rows) for outcome, rows in _members(labels, predicted, class_index).items()}
    found, false_alarms, missed = (tuple(rows.tolist()) for rows in shown)
    return Examples(found, false_alarms, missed, MappingProxyType(available))


def choose_examples_of_class(
    probabilities: NDArray[np.floating[Any]],
    truth: NDArray[np.int8],
    said: NDArray[np.bool_],
    count: int,
    *,
    order_keys: Sequence[str],
) -> Examples:
    """Select the examples of a class that excludes no other, by :func:`choose_examples`: the class against its absence.

    Args:
        probabilities: Probability of the class, shape ``(n,)``, in [0, 1].
        truth: Whether the class is true, likewise: 1, 0, or -1 where that is not known; these rows are never selected.
        said: Whether the probability reaches the threshold, likewise.
        count: Largest number of examples per outcome.
        order_keys: Shape ``(n,)``, unique, such as image ids.

    Returns:
        The examples, as indices of rows, and how many rows there are per outcome.

    >>> probabilities, truth = np.array([0.9, 0.6, 0.2, 0.7]), np.array([1, 0, 1, -1], np.int8)
    >>> found = choose_examples_of_class(probabilities, truth, probabilities >= 0.5, 3, order_keys=list("abcd"))
    >>> found.true_positives, found.false_positives, found.false_negatives
    ((0,), (1,), (2,))
    """
    labels, predicted = truth.astype(np.intp), said.astype(np.intp)
    columns = np.stack([1 - probabilities, probabilities], axis=1)
    shown = select_examples(labels, predicted, columns, 1, count, order_keys=order_keys)
    available = {outcome: len(rows) for outcome, rows in _members(labels, predicted, 1).items()}
    found, false_alarms, missed = (tuple(rows.tolist()) for rows in shown)
    return Examples(found, false_alarms, missed, MappingProxyType(available))


def _members(
    labels: NDArray[np.integer[Any]], predicted: NDArray[np.integer[Any]], class_index: int
) -> dict[Outcome, NDArray[np.intp]]:
    """Return the rows of each outcome, in the order of the table; those of which anything is unknown have none."""
    known = (labels != UNKNOWN) & (predicted != UNKNOWN)
    true, positive = labels == class_index, predicted == class_index
    masks = {
        Outcome.TP: true & positive,
        Outcome.FP: ~true & positive,
        Outcome.FN: true & ~positive,
        Outcome.TN: ~true & ~positive,
    }
    return {outcome: np.flatnonzero(mask & known) for outcome, mask in masks.items()}
