"""How good predicted classes and probabilities are, with bootstrap intervals."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.roc import Curve, precision_recall, roc
from btxrd_explain.core.statistics import estimates_of, exactly_summable, ratio

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from btxrd_explain.core.statistics import Estimate, Resampling

# Scores of predicted classes, from counts: accuracy, and per class sensitivity, specificity, precision and F1.

_PER_CLASS = ("sensitivity", "specificity", "precision", "f1")


@dataclass(frozen=True, slots=True)
class Rates:
    """Scores of predicted classes.

    Attributes:
        accuracy: Fraction of images whose class is right.
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


# Whether probabilities can be taken at their word.
#
# Images are sorted into bins by the probability that the classifier gave; in a calibrated one the fraction that is
# right in each bin equals the mean probability there (reliability diagram: Niculescu-Mizil and Caruana, ICML 2005). The
# expected calibration error is ``Σ n_b / n |right_b - probability_b|`` over ten bins of equal width (Guo et al., ICML
# 2017). It is never negative, so that it is too large on small samples, and so are the draws of its interval. The
# fraction in a bin has Wilson's interval (J Am Stat Assoc 22:209, 1927), which holds where all of a few images are
# right too; there the bootstrap has no width.

BINS = 10


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Probabilities against what happened, in ten bins of equal width; float64, shape ``(10,)``, NaN in empty bins.

    Attributes:
        error: Expected calibration error.
        brier: Mean squared difference of probability and outcome (Brier, Mon Weather Rev 78:1, 1950).
        probability: Mean probability in each bin.
        right: Fraction of the outcomes in each bin.
        low: Lower ends of Wilson's intervals of ``right``, which take images as independent.
        high: Upper ends.
        counts: Images in each bin, intp.
    """

    error: Estimate
    brier: Estimate
    probability: NDArray[np.float64]
    right: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    counts: NDArray[np.intp]


def reliability(
    probabilities: NDArray[np.floating], outcomes: NDArray[np.bool_], resampling: Resampling
) -> Reliability:
    """Hold probabilities against outcomes.

    Args:
        probabilities: What the classifier said, shape ``(images,)``, in [0, 1]: of the predicted class, or of one
            class.
        outcomes: Whether it came true, shape ``(images,)``: the prediction is right, or the image is of that class.
        resampling: How images are drawn.

    Returns:
        The bins, with the calibration error.

    Raises:
        ValueError: The shapes disagree, no images are given, or a probability lies outside [0, 1].
    """
    if not probabilities.shape == outcomes.shape == resampling.unit_of.shape or not probabilities.size:
        raise ValueError(f"{probabilities.shape} probabilities, {outcomes.shape} outcomes do not fit")
    if not (probabilities.min() >= 0 and probabilities.max() <= 1):  # also false for NaN
        raise ValueError("a probability lies outside [0, 1]")
    values = probabilities.astype(np.float64)
    bins = np.minimum((values * BINS).astype(np.intp), BINS - 1)  # 1 belongs to the last
    member = (bins[:, None] == np.arange(BINS)).astype(np.float64)
    squares = (values - outcomes) ** 2
    columns = exactly_summable(
        np.hstack([member, member * values[:, None], member * outcomes[:, None], squares[:, None]])
    )

    def errors(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        sums, total = weights @ columns, weights.sum(axis=1)
        _, said, right = np.split(sums[:, :-1], 3, axis=1)
        return np.stack([np.abs(right - said).sum(axis=1) / total, sums[:, -1] / total], axis=1)

    error, brier = estimates_of(errors, resampling)
    counts, said, right = np.split(columns[:, :-1].sum(axis=0), 3)
    low, high = _wilson(right, counts, resampling.level)
    return Reliability(error, brier, ratio(said, counts), ratio(right, counts), low, high, counts.astype(np.intp))


def _wilson(
    right: NDArray[np.float64], counts: NDArray[np.float64], level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return Wilson's interval of each fraction ``right / counts``; NaN where the count is 0."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = ratio(right, counts)
    n = np.where(counts > 0, counts, np.nan)
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return np.clip(centre - reach, 0, 1), np.clip(centre + reach, 0, 1)  # rounding leads out of it by 1e-17


# All scores of a classifier on one sample.


@dataclass(frozen=True, slots=True, eq=False)
class ClassPerformance:
    """Scores of one class against the rest.

    Attributes:
        positives: Images of the class.
        roc: ROC curve.
        precision_recall: Precision-recall curve; its chance level is ``positives / images``.
        reliability: Probability of the class against whether the image is of it.
    """

    positives: int
    roc: Curve
    precision_recall: Curve
    reliability: Reliability

    @property
    def images(self) -> int:
        """Number of images, of the class and of the rest."""
        return int(self.reliability.counts.sum())


@dataclass(frozen=True, slots=True, eq=False)
class Performance:
    """Scores of a classifier.

    Attributes:
        rates: Scores of the predicted classes.
        confusion: Images by true class (rows) and predicted class (columns), intp, shape ``(classes, classes)``.
        reliability: Probability of the predicted class against whether it is right.
        per_class: Scores of each class.
    """

    rates: Rates
    confusion: NDArray[np.intp]
    reliability: Reliability
    per_class: tuple[ClassPerformance, ...]

    @property
    def images(self) -> int:
        """Number of images."""
        return int(self.confusion.sum())


def measure_performance(
    probabilities: NDArray[np.floating], labels: NDArray[np.intp], resampling: Resampling
) -> Performance:
    """Score predictions; the predicted class is the most probable one, the first of equals.

    Args:
        probabilities: Shape ``(images, classes)``, in [0, 1].
        labels: True class of each image, shape ``(images,)``, in ``range(classes)``.
        resampling: How images are drawn.

    Returns:
        The scores.

    Raises:
        ValueError: No images are given, the shapes disagree or a value is out of range.
    """
    classes, resampling = probabilities.shape[1], resampling.kept()
    predicted = probabilities.argmax(axis=1)
    confusion = np.zeros((classes, classes), np.intp)
    np.add.at(confusion, (labels, predicted), 1)
    return Performance(
        rates=rates(labels, predicted, classes, resampling),
        confusion=confusion,
        reliability=reliability(probabilities.max(axis=1), labels == predicted, resampling),
        per_class=tuple(
            performance_of_class(probabilities[:, index], labels == index, resampling) for index in range(classes)
        ),
    )


def performance_of_class(
    scores: NDArray[np.floating], positive: NDArray[np.bool_], resampling: Resampling
) -> ClassPerformance:
    """Score the probabilities of one class against the rest; arguments as of :func:`reliability`."""
    return ClassPerformance(
        positives=int(np.count_nonzero(positive)),
        roc=roc(scores, positive, resampling),
        precision_recall=precision_recall(scores, positive, resampling),
        reliability=reliability(scores, positive, resampling),
    )
