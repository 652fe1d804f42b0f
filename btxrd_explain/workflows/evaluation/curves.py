"""Mean IoU at all thresholds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.metrics import CURVE_THRESHOLDS
from btxrd_explain.core.statistics import mean_intervals
from btxrd_explain.workflows.evaluation.protocol import BASELINES, MapKind
from btxrd_explain.workflows.evaluation.schema import Best, Curve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from btxrd_explain.workflows.evaluation.sample import Sample
    from btxrd_explain.workflows.evaluation.score import Score


def mean_curve(scores: Sequence[Score], kind: MapKind = MapKind.MODEL) -> NDArray[np.float64] | None:
    """Return the mean IoU of a map at each threshold; None without any.

    It is that of the images in which both the map and the classifier's are defined.
    """
    curves = [score.curves[kind] for score in scores if {kind, MapKind.MODEL} <= score.curves.keys()]
    return np.mean(curves, axis=0, dtype=np.float64) if curves else None


def best_of(curve: NDArray[np.float64]) -> tuple[float, float]:
    """Return the threshold of the highest mean IoU, the lowest of equals, and that mean IoU."""
    best = int(curve.argmax())
    return float(CURVE_THRESHOLDS[best]), float(curve[best])


def describe_curve(sample: Sample) -> Curve:
    """Return the curve of all evaluated images with its interval, beside ceiling and baselines."""
    rows = np.array([row for row, score in enumerate(sample.scores) if MapKind.MODEL in score.curves], dtype=np.intp)
    values = np.array([sample.scores[row].curves[MapKind.MODEL] for row in rows], dtype=np.float64)
    estimates = mean_intervals(values.reshape(len(rows), len(CURVE_THRESHOLDS)), sample.resampling(rows))
    own = mean_curve(sample.scores)
    threshold, mean_iou = (None, None) if own is None else best_of(own)
    return Curve(
        n=len(rows),
        thresholds=CURVE_THRESHOLDS.tolist(),
        mean=[estimate.value for estimate in estimates],
        low=[estimate.low for estimate in estimates],
        high=[estimate.high for estimate in estimates],
        ceiling=_listed(mean_curve(sample.scores, MapKind.CEILING)),
        baselines={
            str(kind): _listed(curve) for kind in BASELINES if (curve := mean_curve(sample.scores, kind)) is not None
        },
        best=Best(threshold=threshold, mean_iou=mean_iou),
    )


def _listed(curve: NDArray[np.float64] | None) -> list[float | None]:
    return [None] * len(CURVE_THRESHOLDS) if curve is None else curve.tolist()
