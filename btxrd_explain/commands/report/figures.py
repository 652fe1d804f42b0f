"""The figures of the page, as numbers: the page draws them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from btxrd_explain.core.classification import Performance
from btxrd_explain.core.metrics import CURVE_THRESHOLDS
from btxrd_explain.core.roc import GRID
from btxrd_explain.evaluation.protocol import MapKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from btxrd_explain.core.multi_label import MultiLabelPerformance
    from btxrd_explain.evaluation.schema import Report
    from btxrd_explain.evaluation.score import Score


_BASELINES = {
    "random grid": MapKind.RANDOM,
    "random channels": MapKind.RANDOM_CHANNELS,
    "least probable class": MapKind.OTHER_CLASS,
}


def figures(
    scores: Sequence[Score],
    places: Sequence[int],
    names: Sequence[str],
    performance: Performance | MultiLabelPerformance | None,
    report: Report,
) -> list[dict[str, Any]]:
    """Return the figures for which there are numbers.

    Args:
        scores: The scores of the radiographs: one, or one for each class that is measured.
        places: The number of the radiograph of each score.
        names: The classes, in the network's order.
        performance: How good the predictions are; None where no true class is known.
        report: What the annotations say of all of them.
    """
    return [
        *_iou_curves(scores, names, report),
        *_iou_by_size(scores, places, names),
        *_iou_by_confidence(scores, places, names),
        *([_reliability(performance)] if isinstance(performance, Performance) else []),
        *([] if performance is None else [_roc(performance, names)]),
    ]


def _iou_curves(scores: Sequence[Score], names: Sequence[str], report: Report) -> Iterator[dict[str, Any]]:
    """Yield the mean IoU over the threshold: with its interval, by class, and between chance and ceiling."""
    curve, places = report.curve, CURVE_THRESHOLDS.tolist()
    if not curve.n:
        return
    all_of_them = {"name": f"all ({curve.n})", "y": curve.mean, "low": curve.low, "high": curve.high, "tone": None}
    of_classes = [
        {"name": f"{name} ({len(curves)})", "y": np.mean(curves, axis=0, dtype=np.float64).tolist(), "tone": index}
        for index, name in enumerate(names)
        if (curves := [s.curves[MapKind.MODEL] for s in scores if s.label == name and MapKind.MODEL in s.curves])
    ]
    bounds: dict[str, Sequence[float | None]] = {"ceiling of the grid": curve.ceiling}
    bounds |= {name: curve.baselines.get(kind, [None]) for name, kind in _BASELINES.items()}
    levels: dict[str, Sequence[float | None]] = {name: ys for name, ys in bounds.items() if None not in ys}
    levels |= {f"compared with {name} ({one.n})": one.mean for name, one in curve.comparators.items()}
    others = [
        *(of_classes if len(of_classes) > 1 else ()),
        *({"name": name, "y": y, "tone": len(names) + place} for place, (name, y) in enumerate(levels.items())),
    ]
    yield {
        "title": "IoU over the threshold",
        "note": "Mean over radiographs; the band is its 95 % interval, the dotted line the threshold of this report. "
        "The highest point was found on these radiographs, and promises too much for others.",
        "kind": "lines",
        "x": {"label": "threshold", "min": 0, "max": 1},
        "y": {"label": "mean IoU", "min": 0, "max": 1},
        "series": [
            all_of_them | {"x": places},
            *(one | {"x": places, "dashed": True} for one in others),
        ],
        "mark": report.iou_threshold,
    }


def _iou_by_size(scores: Sequence[Score], places: Sequence[int], names: Sequence[str]) -> Iterator[dict[str, Any]]:
    shares = [score.lesion_share for score in scores if score.iou is not None and score.lesion_share]
    if not shares:
        return
    groups = {name: [score.label == name for score in scores] for name in names}
    yield {
        "title": "IoU by the size of the lesion",
        "note": "A coarse grid cannot outline a small lesion, however right the classifier is. A point opens its "
        "radiograph.",
        "kind": "points",
        "x": {"label": "lesion's fraction of the image", "min": 10.0 ** int(np.floor(np.log10(min(shares)))), "max": 1}
        | {"log": True},
        "y": {"label": "IoU", "min": 0, "max": 1},
        "series": _points(scores, places, groups, [score.lesion_share for score in scores]),
        "mark": None,
    }


def _iou_by_confidence(
    scores: Sequence[Score], places: Sequence[int], names: Sequence[str]
) -> Iterator[dict[str, Any]]:
    if all(score.iou is None for score in scores):
        return
    several = any(score.case for score in scores)
    right = [score.case.said if score.case else score.row.predicted == score.true for score in scores]
    words = ("predicted", "not predicted") if several else ("correct", "wrong")
    yield {
        "title": "IoU by the probability of the class" if several else "IoU by confidence",
        "note": "Whether the classifier looks at the lesion when it is sure. A point opens its radiograph.",
        "kind": "points",
        "x": {"label": "probability" if several else "confidence", "min": 0 if len(names) > 2 or several else 0.5}
        | {"max": 1},
        "y": {"label": "IoU", "min": 0, "max": 1},
        "series": _points(
            scores,
            places,
            {words[0]: right, words[1]: [not one for one in right]},
            [score.target_probability if several else score.row.confidence for score in scores],
        ),
        "mark": None,
    }


def _reliability(performance: Performance) -> dict[str, Any]:
    """Return how often predictions are right, by their confidence."""
    part = performance.reliability
    filled = part.counts > 0
    columns = {"x": part.probability, "y": part.right, "low": part.low, "high": part.high}
    return {
        "title": "Reliability of the confidence",
        "note": "Fraction of correct predictions in ten bins of confidence, with 95 % intervals; calibration error "
        f"{part.error.value:.3f}.",
        "kind": "lines",
        "x": {"label": "confidence", "min": 0, "max": 1},
        "y": {"label": "fraction correct", "min": 0, "max": 1},
        "series": [
            {"name": "this classifier"} | {name: column[filled].tolist() for name, column in columns.items()},
            {"name": "ideal", "x": [0, 1], "y": [0, 1], "dashed": True},
        ],
        "mark": None,
    }


def _roc(performance: Performance | MultiLabelPerformance, names: Sequence[str]) -> dict[str, Any]:
    """Return the ROC curve of each class against all others."""
    parts = zip(names, performance.per_class, strict=True)
    return {
        "title": "ROC curves",
        "note": "Each class against all others; the areas are in the table of classes.",
        "kind": "lines",
        "x": {"label": "1 − specificity", "min": 0, "max": 1},
        "y": {"label": "sensitivity", "min": 0, "max": 1},
        "series": [
            {"name": name, "x": [0.0, *GRID.tolist()], "y": [0.0, *part.roc.values.tolist()], "tone": index}
            for index, (name, part) in enumerate(parts)
            if part is not None and part.roc.area.value is not None
        ],
        "mark": None,
    }


def _points(
    scores: Sequence[Score],
    radiographs: Sequence[int],
    groups: Mapping[str, Sequence[bool]],
    places: Sequence[float | None],
) -> list[dict[str, Any]]:
    """Return the IoU of each group over another quantity; each point knows its radiograph."""
    series = []
    for name, members in groups.items():
        rows = [row for row, score in enumerate(scores) if members[row] and score.iou is not None]
        x, y = [places[row] for row in rows], [scores[row].iou for row in rows]
        series.append({"name": f"{name} ({len(rows)})", "x": x, "y": y, "rows": [radiographs[row] for row in rows]})
    return series
