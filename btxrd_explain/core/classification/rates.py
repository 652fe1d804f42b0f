"""Scores of predicted classes, from counts: accuracy, and per class sensitivity, specificity, precision and F1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.classification.estimates import estimates_of
from btxrd_explain.core.statistics.bootstrap import ratio

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from btxrd_explain.core.statistics import Estimate, Resampling

_PER_CLASS = ("sensitivity", "specificity", "precision", "f1")


@dataclass(frozen=True, slots=True)
class Rates:
    """Scores of predicted classes.

    Attributes:
        accuracy: Share of images whose class is right.
        balanced_accuracy: Mean sensitivity over the classes that occur.
        macro_f1: Mean F1 over the classes that occur.
        per_class: By score, an estimate per class: ``sensitivity`` TP / (TP + FN), ``specificity`` TN / (TN + FP),
            ``precision`` TP / (TP + FP) and ``f1`` 2 TP / (2 TP + FP + FN), each class against the rest.
    """

    accuracy: Estimate
    balanced_accuracy: Estimate
    macro_f1: Estimate
    per_class: dict[str, tuple[Estimate, ...]]


def rates(labels: NDArray[np.intp], predicted: NDArray[np.intp], classes: int, resampling: Resampling) -> Rates:
    """Score predicted classes, with intervals.

    Args:
        labels: True class of each image, shape ``(images,)``, in ``range(classes)``.
        predicted: Predicted class, likewise.
        classes: Number of classes.
        resampling: How images are drawn.

    Returns:
        The scores; a score whose denominator is 0 is undefined.

    Raises:
        ValueError: The shapes disagree or a class is out of range.
    """
    if not labels.shape == predicted.shape == resampling.unit_of.shape:
        raise ValueError(f"{labels.shape} labels, {predicted.shape} predictions and {resampling.unit_of.shape} units")
    if labels.size and not (min(labels.min(), predicted.min()) >= 0 and max(labels.max(), predicted.max()) < classes):
        raise ValueError(f"a class lies outside of 0..{classes - 1}")
    every = np.arange(classes)
    indicators = np.hstack(
        [
            (labels == predicted)[:, None] & (labels[:, None] == every),
            labels[:, None] == every,
            predicted[:, None] == every,
        ]
    ).astype(np.float64)
    occurs = (labels[:, None] == every).any(axis=0)

    def scores(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return _scores(weights @ indicators, weights.sum(axis=1, keepdims=True), occurs)

    found = estimates_of(scores, resampling)
    per_class = {name: tuple(found[3 + i * classes : 3 + (i + 1) * classes]) for i, name in enumerate(_PER_CLASS)}
    return Rates(found[0], found[1], found[2], per_class)


def _scores(counts: NDArray[np.float64], total: NDArray[np.float64], occurs: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return all scores of each draw, shape ``(draws, 3 + 4 classes)``."""
    right, true, predicted = np.split(counts, 3, axis=1)
    sensitivity = ratio(right, true)
    f1 = ratio(2 * right, true + predicted)
    return np.hstack(
        [
            ratio(right.sum(axis=1, keepdims=True), total),
            _mean(sensitivity[:, occurs]),
            _mean(f1[:, occurs]),
            sensitivity,
            ratio(total - true - predicted + right, total - true),
            ratio(right, predicted),
            f1,
        ]
    )


def _mean(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over classes of each draw; NaN where a class has none in it."""
    return scores.mean(axis=1, keepdims=True) if scores.shape[1] else np.full((len(scores), 1), np.nan)
