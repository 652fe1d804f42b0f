"""Slices and the whole data set in numbers, with intervals, chance, baselines and ceiling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from btxrd_explain.core.metrics import CURVE_THRESHOLDS, max_box_accuracy, pooled_precision
from btxrd_explain.core.statistics import mean_intervals, pooled_interval, spearman
from btxrd_explain.evaluation.parts import Estimate
from btxrd_explain.evaluation.protocol import BASELINES, MapKind
from btxrd_explain.evaluation.sample import NAMES, Sample, Slice
from btxrd_explain.evaluation.schema import (
    Baseline,
    Best,
    Boxes,
    Comparator,
    ComparatorCurve,
    Correlations,
    Curve,
    DataSet,
    Metric,
    Pooled,
    SliceSummary,
)
from btxrd_explain.plain import percent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from btxrd_explain.core import statistics
    from btxrd_explain.evaluation.evaluate import Evaluation
    from btxrd_explain.evaluation.score import Score

# Mean IoU at all thresholds.


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
    """Return the curve of all evaluated images with its interval, and those of ceiling and baselines."""
    rows = np.array([row for row, score in enumerate(sample.scores) if MapKind.MODEL in score.curves], dtype=np.intp)
    values = np.array([sample.scores[row].curves[MapKind.MODEL] for row in rows], dtype=np.float64)
    resampling = sample.resampling(rows)
    estimates = mean_intervals(values.reshape(len(rows), len(CURVE_THRESHOLDS)), resampling)
    own = mean_curve(sample.scores)
    threshold, mean_iou = (None, None) if own is None else best_of(own)
    return Curve(
        n=len(rows),
        units=resampling.units,
        thresholds=CURVE_THRESHOLDS.tolist(),
        mean=[estimate.value for estimate in estimates],
        low=[estimate.low for estimate in estimates],
        high=[estimate.high for estimate in estimates],
        ceiling=_listed(mean_curve(sample.scores, MapKind.CEILING)),
        baselines={
            str(kind): _listed(curve) for kind in BASELINES if (curve := mean_curve(sample.scores, kind)) is not None
        },
        comparators=dict(_comparator_curves(sample)),
        best=Best(threshold=threshold, mean_iou=mean_iou),
    )


def _comparator_curves(sample: Sample) -> Iterator[tuple[str, ComparatorCurve]]:
    """Yield the curve of each detector or segmenter over the images in which both it and the classifier have one."""
    scores = [score for score in sample.scores if MapKind.MODEL in score.curves]
    for name in sample.comparators:
        curves = [score.comparator_curves[name] for score in scores if name in score.comparator_curves]
        if curves:
            yield name, ComparatorCurve(n=len(curves), mean=np.mean(curves, axis=0, dtype=np.float64).tolist())


def _listed(curve: NDArray[np.float64] | None) -> list[float | None]:
    return [None] * len(CURVE_THRESHOLDS) if curve is None else curve.tolist()


# Scores of the data set as a whole, for the report.


def describe_data_set(evaluation: Evaluation, sample: Sample) -> DataSet:
    """Describe what has no value per image, with intervals, chance, ceiling and baselines."""
    return DataSet(pxap=_pixels(evaluation, sample), max_box_acc_v2=_boxes(evaluation, sample))


def _pixels(evaluation: Evaluation, sample: Sample) -> Pooled | None:
    pooled = evaluation.pixels
    if MapKind.MODEL not in pooled:
        return None

    def precision(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        inside, whole = np.split(sums, 2, axis=-1)
        return pooled_precision(inside, whole)

    return Pooled.of(
        _estimate([score.pixels for score in sample.scores], precision, sample),
        chance=pooled[MapKind.MODEL].chance,
        **_beside({kind: each.value for kind, each in pooled.items()}),
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
    return Boxes.of(
        _estimate(flags, accuracy, sample),
        chance=None,
        **_beside({kind: result.score for kind, result in results.items()}),
        accuracies={f"{overlap:g}": best for overlap, (best, _) in own.accuracies.items()},
        joint_score=own.joint_score,
        joint_threshold=own.joint_threshold,
    )


def _estimate(
    counts: Sequence[NDArray[Any] | None],
    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    sample: Sample,
) -> statistics.Estimate:
    """Draw the images in which the classifier's map is defined again."""
    rows = np.array([row for row, each in enumerate(counts) if each is not None], dtype=np.intp)
    known = np.array([each.ravel() for each in counts if each is not None])
    return pooled_interval(known, statistic, sample.resampling(rows))


def _beside(values: Mapping[MapKind, float | None]) -> dict[str, Any]:
    baselines = {str(kind): values[kind] for kind in BASELINES if kind in values}
    return {"ceiling": values.get(MapKind.CEILING), "baselines": baselines}


# Slices in numbers: every metric with its interval, chance, baselines and ceiling.


def summarise_all(sample: Sample, slices: Iterable[Slice]) -> dict[str, SliceSummary]:
    """Summarise slices, by name."""
    return {part.name: summarise(sample, part) for part in slices}


def summarise(sample: Sample, part: Slice) -> SliceSummary:
    """Summarise one slice.

    All columns are drawn together: the classifier's, the ceiling's, the baselines', and the classifier's minus the
    baselines' (paired). What is given with a metric is the mean over images in which the classifier has it.

    Args:
        sample: The evaluated images.
        part: Which of them.

    Returns:
        The slice in numbers.
    """
    model = sample.values[part.kind][part.rows]
    beside = {kind: sample.values[kind][part.rows] for kind in (MapKind.CEILING, *BASELINES)}
    others = {kind: _where_defined(model, values) for kind, values in beside.items()}
    blocks = [model, *others.values(), *(model - others[kind] for kind in BASELINES)]
    estimates = mean_intervals(np.concatenate(blocks, axis=1), sample.resampling(part.rows))
    width = len(NAMES)
    drawn = [estimates[start : start + width] for start in range(0, len(estimates), width)]
    means = dict(zip((part.kind, *others), drawn, strict=False))
    differences = dict(zip(BASELINES, drawn[-len(BASELINES) :], strict=True))
    comparators = _compared(sample, part, model)
    chance = _where_defined(model, sample.chance[part.kind][part.rows])
    metrics = {
        name: _metric(
            column, len(model), _over(np.nanmean, chance[:, column]), part.kind, means, differences
        ).model_copy(update={"comparators": {other: found[column] for other, found in comparators.items()}})
        for column, name in enumerate(NAMES)
    }
    iou = means[part.kind][NAMES.index("iou")]
    shares = [sample.scores[row].lesion_share for row in part.rows]
    return SliceSummary(
        n=iou.n,
        n_undefined=len(model) - iou.n,
        units=iou.units,
        mean_iou=iou.value,
        median_iou=_over(np.nanmedian, model[:, NAMES.index("iou")]),
        mean_dice=metrics["dice"].mean,
        pointing_hits=metrics["pointing_hit"].mean,
        mean_energy_in_mask=metrics["energy_in_mask"].mean,
        mean_lesion_share=_over(np.nanmean, np.array(shares, dtype=np.float64)),
        metrics=metrics,
    )


def _compared(sample: Sample, part: Slice, model: NDArray[np.float64]) -> dict[str, list[Comparator]]:
    """Return what detectors and segmenters score, metric by metric."""
    results = {}
    for name, values in sample.comparators.items():
        others = _where_defined(model, values[part.rows])
        blocks = np.concatenate([others, model - others], axis=1)
        estimates = mean_intervals(blocks, sample.resampling(part.rows))
        defined = (~np.isnan(model)).sum(axis=0).tolist()
        results[name] = [
            Comparator.of(own, n_undefined=count - own.n, difference=Estimate.of(difference))
            for own, difference, count in zip(estimates, estimates[len(NAMES) :], defined, strict=False)
        ]
    return results


def correlate(sample: Sample) -> Correlations:
    """Return what goes together with IoU, over all evaluated images."""
    iou, resampling = sample.column("iou"), sample.resampling(np.arange(len(sample.scores)))

    def with_column(values: Iterable[float | None]) -> Estimate:
        column = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
        return Estimate.of(spearman(iou, column, resampling))

    return Correlations(
        iou_with_confidence=with_column(score.confidence for score in sample.scores),
        iou_with_target_probability=with_column(score.target_probability for score in sample.scores),
        iou_with_lesion_share=with_column(score.lesion_share for score in sample.scores),
    )


def _metric(
    column: int,
    images: int,
    chance: float | None,
    kind: MapKind,
    means: Mapping[MapKind, list[statistics.Estimate]],
    differences: Mapping[MapKind, list[statistics.Estimate]],
) -> Metric:
    own, ceiling, random = (means[of][column] for of in (kind, MapKind.CEILING, MapKind.RANDOM))
    return Metric.of(
        own,
        n_undefined=images - own.n,
        chance=random.value if chance is None else chance,
        chance_from="formula" if chance is not None else "random grid" if random.value is not None else None,
        ceiling=Estimate.of(ceiling) if ceiling.n else None,
        baselines={
            str(baseline): Baseline.of(means[baseline][column], difference=Estimate.of(difference[column]))
            for baseline, difference in differences.items()
            if means[baseline][column].n
        },
    )


def _where_defined(model: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Drop values where the classifier's maps have none: means of different images cannot be compared."""
    return np.where(np.isnan(model), np.nan, values)


def _over(statistic: Callable[[NDArray[np.float64]], Any], values: NDArray[np.float64]) -> float | None:
    return None if np.isnan(values).all() else float(statistic(values))


# Heat maps in words.

_FOCAL, _SPREAD = 0.1, 0.3
"""Median fraction of the image that the region covers: up to the first a map is focal, above the second spread out."""


def describe_maps(sample: Sample) -> dict[str, str]:
    """Return for each true class whether heat maps are focal and on the annotated region, in words with numbers."""
    return {part.name: _in_words(sample, part) for part in sample.by_class()}


def _in_words(sample: Sample, part: Slice) -> str:
    models = [sample.scores[row].model for row in part.rows.tolist()]
    found = [model for model in models if model is not None and model.region_share is not None]
    if not found:
        return f"none of {len(models)} images has a heat map that can be judged"
    n, hits = len(found), sum(bool(model.pointing_hit) for model in found)
    extent = float(np.median([model.region_share for model in found]))
    form = "focal" if extent <= _FOCAL else "spread out" if extent > _SPREAD else "neither focal nor spread out"
    place = "mostly on" if hits > 2 * n / 3 else "mostly off" if hits < n / 3 else "partly on, partly off"
    energy, chance = (
        np.mean(values) for values in ([m.energy_in_mask or 0 for m in found], [m.lesion_share for m in found])
    )
    return (
        f"heat maps are {form} (the region covers {percent(extent, digits=1)} of the image in the median) and {place} "
        f"the annotated region (the hottest pixel in {hits} of {n} images; {percent(energy)} of the heat, "
        f"{percent(chance, digits=1)} by chance)"
    )
