"""How good the probabilities of classes are that do not exclude each other, each class against its own absence.

An image has a part in a class's scores where it is known whether the class is true; elsewhere it is left out of that
class, and counted. Macro means are plain means over the classes of which a score is defined.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.classification import ClassPerformance, performance_of_class
from btxrd_explain.core.labels import UNKNOWN, YES
from btxrd_explain.core.roc import areas_of
from btxrd_explain.core.statistics import Estimate, Resampling, estimates_of, ratio

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

UNDEFINED = Estimate(None, None, None, 0, 0)
RATES = ("sensitivity", "specificity", "precision", "npv", "f1")
MACRO = ("auroc", "average_precision", *RATES, "brier")
"""The scores of which there is a macro mean."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Images of one class by truth and decision.

    Attributes:
        tp: The class is true, and its probability reaches the threshold.
        fp: The class is not true, but its probability reaches the threshold.
        fn: The class is true, but its probability does not reach the threshold.
        tn: Neither.
        unknown: It is not known whether the class is true; these images are in none of the others.
    """

    tp: int
    fp: int
    fn: int
    tn: int
    unknown: int

    @property
    def known(self) -> int:
        """Images of which it is known whether the class is true."""
        return self.tp + self.fp + self.fn + self.tn


@dataclass(frozen=True, slots=True, eq=False)
class ClassScores:
    """Scores of one class.

    Attributes:
        threshold: The probability from which the class counts as said.
        counts: Images by truth and decision.
        rates: By name of :data:`RATES`, an estimate.
        performance: Curves and calibration; None where the truth of no image is known.
    """

    threshold: float
    counts: Counts
    rates: dict[str, Estimate]
    performance: ClassPerformance | None


@dataclass(frozen=True, slots=True)
class Macro:
    """A mean over classes.

    Attributes:
        estimate: The mean, with its interval.
        classes: Number of classes of which the score is defined.
    """

    estimate: Estimate
    classes: int


@dataclass(frozen=True, slots=True, eq=False)
class MultiLabelPerformance:
    """Scores of a classifier whose classes do not exclude each other.

    Attributes:
        images: Number of images.
        classes: Scores of each class.
        macro: Means over classes, by name of :data:`MACRO`.
        subset_accuracy: Fraction of the images of which all classes are known, and all are said rightly.
        hamming_loss: Fraction of the known truths, over all images and classes, that are not said.
    """

    images: int
    classes: tuple[ClassScores, ...]
    macro: dict[str, Macro]
    subset_accuracy: Estimate
    hamming_loss: Estimate

    @property
    def per_class(self) -> tuple[ClassPerformance | None, ...]:
        """Curves and calibration of each class; None where the truth of no image is known."""
        return tuple(part.performance for part in self.classes)


def reached(probabilities: NDArray[np.float32], thresholds: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return which probabilities reach their class's threshold; compared as float32, which is what tables hold.

    Args:
        probabilities: Shape ``(..., classes)``, in [0, 1].
        thresholds: Shape ``(classes,)``, in [0, 1].

    >>> reached(np.array([0.7], np.float32), np.array([0.7])).tolist()
    [True]
    """
    said: NDArray[np.bool_] = probabilities >= thresholds.astype(np.float32)
    return said


def count_decisions(truth: NDArray[np.int8], said: NDArray[np.bool_]) -> Counts:
    """Count the images of one class, both of shape ``(images,)``; see :func:`measure_multi_label`."""
    known, true = truth != UNKNOWN, truth == YES
    parts = (true & said, ~true & said, true & ~said, ~true & ~said)
    tp, fp, fn, tn = (int(np.count_nonzero(part & known)) for part in parts)
    return Counts(tp, fp, fn, tn, int(np.count_nonzero(~known)))


def measure_multi_label(
    probabilities: NDArray[np.float32],
    truth: NDArray[np.int8],
    thresholds: NDArray[np.floating],
    resampling: Resampling,
) -> MultiLabelPerformance:
    """Score the probabilities of classes that do not exclude each other.

    Args:
        probabilities: Shape ``(images, classes)``, in [0, 1].
        truth: Whether each class is true, int8, likewise; see :func:`btxrd_explain.core.labels.truth_matrix`.
        thresholds: The probability from which each class counts as said, shape ``(classes,)``.
        resampling: How images are drawn.

    Returns:
        The scores.

    Raises:
        ValueError: No images are given, the shapes disagree or a value is out of range.
    """
    if not probabilities.shape == truth.shape or not probabilities.size:
        raise ValueError(f"{probabilities.shape} probabilities and {truth.shape} truths do not fit")
    said, resampling = reached(probabilities, thresholds), resampling.kept()
    classes = tuple(
        _class_scores(probabilities[:, index], truth[:, index], said[:, index], float(threshold), resampling)
        for index, threshold in enumerate(thresholds)
    )
    whole = (truth != UNKNOWN).all(axis=1)
    right = (said == (truth == YES))[whole].all(axis=1)
    (subset,) = estimates_of(_share(right, np.ones_like(right)), _of(resampling, whole))
    wrong = ((said != (truth == YES)) & (truth != UNKNOWN)).sum(axis=1)
    (hamming,) = estimates_of(_share(wrong, (truth != UNKNOWN).sum(axis=1)), resampling)
    return MultiLabelPerformance(
        len(truth), classes, _macro_means(probabilities, truth, said, resampling), subset, hamming
    )


def _class_scores(
    scores: NDArray[np.float32],
    truth: NDArray[np.int8],
    said: NDArray[np.bool_],
    threshold: float,
    resampling: Resampling,
) -> ClassScores:
    known = truth != UNKNOWN
    drawn, true = _of(resampling, known), truth[known] == YES
    counts = count_decisions(truth, said)
    if not counts.known:
        return ClassScores(threshold, counts, dict.fromkeys(RATES, UNDEFINED), None)
    rates = estimates_of(_rates(true, said[known]), drawn)
    performance = performance_of_class(scores[known], true, drawn)
    return ClassScores(threshold, counts, dict(zip(RATES, rates, strict=True)), performance)


def _rates(true: NDArray[np.bool_], said: NDArray[np.bool_]) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Return a statistic of draws: the scores of :data:`RATES`, shape ``(draws, 5)``."""
    parts = np.stack([true & said, ~true & said, true & ~said, ~true & ~said], axis=1).astype(np.float64)

    def rates(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        tp, fp, fn, tn = (weights @ parts).T
        pairs = ((tp, tp + fn), (tn, tn + fp), (tp, tp + fp), (tn, tn + fn), (2 * tp, 2 * tp + fp + fn))
        return np.stack([ratio(part, whole) for part, whole in pairs], axis=1)

    return rates


def _macro_means(
    probabilities: NDArray[np.float32], truth: NDArray[np.int8], said: NDArray[np.bool_], resampling: Resampling
) -> dict[str, Macro]:
    """Return the mean of each score over the classes of which it is defined; all classes are drawn together."""
    known = [index for index in range(truth.shape[1]) if (truth[:, index] != UNKNOWN).any()]
    every = [_scores_of_class(probabilities[:, c], truth[:, c], said[:, c]) for c in known]
    if not every:
        return dict.fromkeys(MACRO, Macro(UNDEFINED, 0))
    sample = np.stack([scores(np.ones((1, len(truth))))[0] for scores in every])
    defined = ~np.isnan(sample)

    def means(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        drawn = np.stack([scores(weights) for scores in every], axis=1)
        columns = [drawn[:, defined[:, column], column] for column in range(len(MACRO))]
        nothing = np.full(len(weights), np.nan)
        return np.stack([part.mean(axis=1) if part.shape[1] else nothing for part in columns], axis=1)

    found = zip(MACRO, estimates_of(means, resampling), defined.sum(axis=0).tolist(), strict=True)
    return {name: Macro(estimate, classes) for name, estimate, classes in found}


def _scores_of_class(
    scores: NDArray[np.float32], truth: NDArray[np.int8], said: NDArray[np.bool_]
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Return a statistic of draws of all images: the scores of :data:`MACRO` of one class."""
    known = truth != UNKNOWN
    true = truth[known] == YES
    areas, rates = areas_of(scores[known], true, len(true)), _rates(true, said[known])
    squares = (scores[known].astype(np.float64) - true) ** 2

    def all_of_them(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        own = weights[:, known]
        return np.column_stack([areas(own), rates(own), ratio(own @ squares, own.sum(axis=1))])

    return all_of_them


def _share(
    part: NDArray[np.generic], whole: NDArray[np.generic]
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Return a statistic of draws: the sum of one column over that of another."""
    sums = np.stack([part, whole], axis=1).astype(np.float64)
    return lambda weights: ratio(*np.split(weights @ sums, 2, axis=1))


def _of(resampling: Resampling, members: NDArray[np.bool_]) -> Resampling:
    """Return how some of the images are drawn: the units that they belong to, counted anew."""
    if members.all():
        return resampling
    units = np.unique(resampling.unit_of[members], return_inverse=True)[1].reshape(-1)
    return replace(resampling, unit_of=units.astype(np.intp))
