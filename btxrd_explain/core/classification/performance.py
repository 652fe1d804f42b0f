"""All scores of a classifier on one sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.classification.calibration import Reliability, reliability
from btxrd_explain.core.classification.curves import Curve, precision_recall, roc
from btxrd_explain.core.classification.rates import Rates, rates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from btxrd_explain.core.statistics import Resampling


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
        ValueError: There are no images, the shapes disagree or a value is out of range.
    """
    classes = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    confusion = np.zeros((classes, classes), np.intp)
    np.add.at(confusion, (labels, predicted), 1)
    return Performance(
        rates=rates(labels, predicted, classes, resampling),
        confusion=confusion,
        reliability=reliability(probabilities.max(axis=1), labels == predicted, resampling),
        per_class=tuple(_of_class(probabilities[:, index], labels == index, resampling) for index in range(classes)),
    )


def _of_class(scores: NDArray[np.floating], positive: NDArray[np.bool_], resampling: Resampling) -> ClassPerformance:
    return ClassPerformance(
        positives=int(np.count_nonzero(positive)),
        roc=roc(scores, positive, resampling),
        precision_recall=precision_recall(scores, positive, resampling),
        reliability=reliability(scores, positive, resampling),
    )
