"""ROC and precision-recall curves of one class against the rest, with their areas and bootstrap intervals.

Both are step functions of the threshold on the class's probability; images with equal probabilities pass it together.
The area under the ROC curve is the chance that a random image of the class has a higher probability than a random
image of the rest, ties counting half (Hanley and McNeil, Radiology 143:29, 1982). Average precision is the sum of
precision times the gain in recall, without interpolation, which would flatter (Davis and Goadrich, ICML 2006).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.statistics import as_estimates, draws_of, ratio

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from btxrd_explain.core.statistics import Estimate, Resampling

GRID: NDArray[np.float64] = np.arange(201) / 200  # a recall of 7 / 10 reaches 140 / 200, but not linspace's 140 * 0.005
"""Where curves are evaluated along their x axis, so that those of all draws can be compared."""


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A curve over :data:`GRID`, with pointwise intervals.

    Attributes:
        area: The area under the curve (ROC), or average precision.
        values: True positive rate at each false positive rate, or precision at each recall; float64, shape
            ``(201,)``, NaN where the class or the rest has no image.
        low: Lower ends of the pointwise intervals, likewise.
        high: Upper ends.
        points: The curve itself, wherever it turns, highest score first: x and y, float64, shape ``(n, 2)``. Lines join
            those of ROC; a precision holds from the recall before up to its own.
    """

    area: Estimate
    values: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    points: NDArray[np.float64]


def roc(scores: NDArray[np.floating], positive: NDArray[np.bool_], resampling: Resampling) -> Curve:
    """Return the ROC curve: true positive rate over false positive rate.

    Args:
        scores: Probability of the class, shape ``(images,)``, finite.
        positive: Whether the image is of the class, shape ``(images,)``.
        resampling: How images are drawn.

    Returns:
        The curve; undefined where all images or none are of the class.

    Raises:
        ValueError: No images are given, the shapes disagree or a score is not finite.
    """
    ranking = _Ranking(scores, positive, resampling.unit_of.size)

    def area_and_curve(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        true, false, area = ranking.roc(weights)
        curves = np.array([np.interp(GRID, x, y) for x, y in zip(false, true, strict=True)])
        curves[np.isnan(area)] = np.nan  # of a draw without the class, or without the rest
        return np.column_stack([area, curves])

    (true,), (false,), _ = ranking.roc(np.ones((1, len(scores))))
    defined = bool(positive.any()) and not positive.all()
    return _curve(area_and_curve, resampling, np.column_stack([false, true]), defined=defined)


def precision_recall(scores: NDArray[np.floating], positive: NDArray[np.bool_], resampling: Resampling) -> Curve:
    """Return the precision-recall curve: precision at the highest threshold that reaches a recall.

    Args:
        scores: Probability of the class, shape ``(images,)``, finite.
        positive: Whether the image is of the class, shape ``(images,)``.
        resampling: How images are drawn.

    Returns:
        The curve; its chance level is the fraction of the class. Undefined where no image is of the class.

    Raises:
        ValueError: No images are given, the shapes disagree or a score is not finite.
    """
    ranking = _Ranking(scores, positive, resampling.unit_of.size)

    def area_and_curve(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        recall, precision, area = ranking.precision_recall(weights)
        return np.column_stack([area, _reached(recall[:, 1:], precision[:, 1:])])

    (recall,), (precision,), _ = ranking.precision_recall(np.ones((1, len(scores))))
    points = np.column_stack([recall, precision])[1:]
    return _curve(area_and_curve, resampling, points, defined=bool(positive.any()))


def areas_of(
    scores: NDArray[np.floating], positive: NDArray[np.bool_], images: int
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Return a statistic of draws: the area under the ROC curve, and average precision, shape ``(draws, 2)``.

    Args:
        scores: Probability of the class, shape ``(images,)``, finite.
        positive: Whether the image is of the class, shape ``(images,)``.
        images: Number of images.

    Raises:
        ValueError: No images are given, the shapes disagree or a score is not finite.
    """
    ranking = _Ranking(scores, positive, images)
    return lambda weights: np.stack([ranking.roc(weights)[2], ranking.precision_recall(weights)[2]], axis=1)


def youden(scores: NDArray[np.floating], positive: NDArray[np.bool_]) -> tuple[float, float] | None:
    """Return the threshold of the highest Youden index, and that index.

    The index is sensitivity + specificity - 1 of ``score >= threshold`` (Youden, Cancer 3:32, 1950); it does not depend
    on how frequent the class is. Of equals the highest threshold is taken.

    Args:
        scores: Probability of the class, shape ``(images,)``, finite.
        positive: Whether the image is of the class, shape ``(images,)``.

    Returns:
        One of the scores, and the index in (0, 1]; None where all images or none are of the class, or no threshold is
        better than chance.

    >>> youden(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
    (0.8, 0.5)
    """
    if positive.all() or not positive.any():
        return None
    ranking = _Ranking(scores, positive, len(scores))
    (true,), (false,) = ranking.counts(np.ones((1, len(scores))))
    index = (true * false[-1] - false * true[-1])[1:]  # whole numbers, of which equals are equal
    best = int(index.argmax())
    return (float(ranking.steps[best]), float(index[best] / (true[-1] * false[-1]))) if index[best] > 0 else None


class _Ranking:
    """Images in the order of falling scores, equal scores as one step.

    Of steps without an image of the class that follow each other the last one is kept, and the first of all: between
    them neither curve turns, and a class of few images has a few steps.
    """

    def __init__(self, scores: NDArray[np.floating], positive: NDArray[np.bool_], images: int) -> None:
        if not scores.shape == positive.shape == (images,):
            raise ValueError(f"{scores.shape} scores, {positive.shape} labels and ({images},) units")
        if not images:
            raise ValueError("no images are given")
        if not np.isfinite(scores).all():
            raise ValueError("a score is not finite")
        self._order = np.argsort(-scores, kind="stable")
        ends = np.flatnonzero(np.diff(scores[self._order], append=np.nan))
        true = np.cumsum(positive[self._order])[ends]
        turns = np.diff(true, prepend=0) > 0
        kept = turns | np.append(turns[1:], True)
        kept[:1] = True
        self._ends, true = ends[kept], true[kept]
        self._positive = self._order[positive[self._order]]
        self._true = true
        self.steps = scores[self._order][self._ends]

    def roc(self, weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return true and false positive rates after each step, and the area between, of each draw."""
        true, false = self.counts(weights)
        true, false = ratio(true, true[:, -1:]), ratio(false, false[:, -1:])
        return true, false, (np.diff(false, axis=1) * (true[:, 1:] + true[:, :-1]) / 2).sum(axis=1)

    def precision_recall(
        self, weights: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return recall and precision after each step, and average precision, of each draw."""
        true, false = self.counts(weights)
        recall, precision = ratio(true, true[:, -1:]), ratio(true, true + false)
        gained = np.nan_to_num(precision)[:, 1:]  # undefined only before the first image, where recall gains nothing
        return recall, precision, (np.diff(recall, axis=1) * gained).sum(axis=1)

    def counts(self, weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return true and false positives after each step, from none at all, shape ``(draws, 1 + steps)``."""
        start = np.zeros((len(weights), 1))
        starts = np.append(0, self._ends[:-1] + 1)
        both = np.cumsum(np.add.reduceat(weights[:, self._order], starts, axis=1), axis=1)
        of_class = np.cumsum(np.hstack([start, weights[:, self._positive]]), axis=1)
        true = of_class[:, self._true]
        return np.hstack([start, true]), np.hstack([start, both - true])


def _reached(recall: NDArray[np.float64], precision: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the precision of the first step that reaches each recall of the grid, of each draw."""
    draws, last = len(recall), recall.shape[1] - 1
    passed = np.searchsorted(GRID, recall.ravel(), side="right").reshape(recall.shape)  # NaN passes all
    places = np.arange(draws)[:, None] * (len(GRID) + 1) + passed
    below = np.bincount(places.ravel(), minlength=draws * (len(GRID) + 1)).reshape(draws, -1)
    first = np.minimum(np.cumsum(below, axis=1)[:, : len(GRID)], last)
    found: NDArray[np.float64] = np.take_along_axis(precision, first, axis=1)
    found[np.isnan(recall).any(axis=1)] = np.nan
    return found


def _curve(
    area_and_curve: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    resampling: Resampling,
    points: NDArray[np.float64],
    *,
    defined: bool,
) -> Curve:
    """Evaluate a curve: a statistic whose first column is its area, and the others its values over the grid."""
    nothing = np.full(1 + len(GRID), np.nan)
    values, low, high = draws_of(area_and_curve, resampling) if defined else (nothing, nothing, nothing)
    (area,) = as_estimates(values[:1], low[:1], high[:1], resampling)
    return Curve(area, values[1:], low[1:], high[1:], points)
