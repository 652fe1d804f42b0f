"""Scores of the data set as a whole, for the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from btxrd_explain.core.metrics import max_box_accuracy, pooled_precision
from btxrd_explain.core.statistics import pooled_interval
from btxrd_explain.workflows.evaluation.protocol import BASELINES, MapKind
from btxrd_explain.workflows.evaluation.schema import Boxes, DataSet, Pooled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from btxrd_explain.core.statistics import Estimate
    from btxrd_explain.workflows.evaluation.evaluate import Evaluation
    from btxrd_explain.workflows.evaluation.sample import Sample


def describe_data_set(evaluation: Evaluation, sample: Sample) -> DataSet:
    """Describe what has no value per image, with intervals, beside chance, ceiling and baselines."""
    return DataSet(pxap=_pixels(evaluation, sample), max_box_acc_v2=_boxes(evaluation, sample))


def _pixels(evaluation: Evaluation, sample: Sample) -> Pooled | None:
    pooled = evaluation.pixels
    if MapKind.MODEL not in pooled:
        return None

    def precision(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        inside, whole = np.split(sums, 2, axis=-1)
        return pooled_precision(inside, whole)

    estimate = _estimate([score.pixels for score in sample.scores], precision, sample)
    return Pooled(
        **_beside(estimate, {kind: each.value for kind, each in pooled.items()}), chance=pooled[MapKind.MODEL].chance
    )


def _boxes(evaluation: Evaluation, sample: Sample) -> Boxes | None:
    results = {kind: result for kind, each in evaluation.boxes.items() if (result := each.result()) is not None}
    own = results.get(MapKind.MODEL)
    if own is None:
        return None
    deltas = len(own.accuracies)

    def accuracy(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        found, images = sums[:, :-1], sums[:, -1]
        return max_box_accuracy(found.reshape(len(sums), deltas, -1), images)

    flags = [None if score.boxes is None else np.append(score.boxes.ravel(), True) for score in sample.scores]
    return Boxes(
        **_beside(_estimate(flags, accuracy, sample), {kind: result.score for kind, result in results.items()}),
        chance=None,
        accuracies={f"{overlap:g}": best for overlap, (best, _) in own.accuracies.items()},
        joint_score=own.joint_score,
        joint_threshold=own.joint_threshold,
    )


def _estimate(
    counts: Sequence[NDArray[Any] | None],
    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    sample: Sample,
) -> Estimate:
    """Draw the images in which the classifier's map is defined again."""
    rows = np.array([row for row, each in enumerate(counts) if each is not None], dtype=np.intp)
    known = np.array([each.ravel() for each in counts if each is not None])
    return pooled_interval(known, statistic, sample.resampling(rows))


def _beside(estimate: Estimate, values: Mapping[MapKind, float | None]) -> dict[str, Any]:
    return {
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "n": estimate.n,
        "ceiling": values.get(MapKind.CEILING),
        "baselines": {str(kind): values[kind] for kind in BASELINES if kind in values},
    }
