"""Slices in numbers: every metric with its interval, beside chance, baselines and ceiling."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.statistics import Estimate, mean_intervals, spearman
from btxrd_explain.workflows.evaluation.protocol import BASELINES, MapKind
from btxrd_explain.workflows.evaluation.sample import NAMES, Sample, Slice
from btxrd_explain.workflows.evaluation.schema import Correlation, Correlations
from btxrd_explain.workflows.evaluation.slice_schema import Baseline, Mean, Metric, SliceSummary

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray


def summarise_all(sample: Sample, slices: Iterable[Slice]) -> dict[str, SliceSummary]:
    """Summarise slices, by name."""
    return {part.name: summarise(sample, part) for part in slices}


def summarise(sample: Sample, part: Slice) -> SliceSummary:
    """Summarise one slice.

    All columns are drawn together: the classifier's, the ceiling's, the baselines', and the classifier's minus the
    baselines' (paired). What stands beside a metric is the mean over images in which the classifier has it.

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
    chance = _where_defined(model, sample.chance[part.kind][part.rows])
    metrics = {
        name: _metric(column, len(model), _mean_of(chance[:, column]), part.kind, means, differences)
        for column, name in enumerate(NAMES)
    }
    iou = means[part.kind][NAMES.index("iou")]
    shares = [sample.scores[row].lesion_share for row in part.rows]
    return SliceSummary(
        n=iou.n,
        n_undefined=len(model) - iou.n,
        units=iou.units,
        mean_iou=iou.value,
        median_iou=_median_of(model[:, NAMES.index("iou")]),
        mean_dice=metrics["dice"].mean,
        pointing_hits=metrics["pointing_hit"].mean,
        mean_energy_in_mask=metrics["energy_in_mask"].mean,
        mean_lesion_share=_mean_of(np.array(shares, dtype=np.float64)),
        metrics=metrics,
    )


def correlate(sample: Sample) -> Correlations:
    """Return what goes together with IoU, over all evaluated images."""
    iou, resampling = sample.column("iou"), sample.resampling(np.arange(len(sample.scores)))

    def with_column(values: Iterable[float | None]) -> Correlation:
        column = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
        rho = spearman(iou, column, resampling)
        return Correlation(rho=rho.value, low=rho.low, high=rho.high, n=rho.n)

    return Correlations(
        iou_with_confidence=with_column(score.row.confidence for score in sample.scores),
        iou_with_target_probability=with_column(score.target_probability for score in sample.scores),
        iou_with_lesion_share=with_column(score.lesion_share for score in sample.scores),
    )


def _metric(
    column: int,
    images: int,
    chance: float | None,
    kind: MapKind,
    means: Mapping[MapKind, list[Estimate]],
    differences: Mapping[MapKind, list[Estimate]],
) -> Metric:
    own, random = means[kind][column], means[MapKind.RANDOM][column].value
    return Metric(
        **_mean(own).model_dump(),
        n_undefined=images - own.n,
        chance=random if chance is None else chance,
        chance_from="formula" if chance is not None else "random grid" if random is not None else None,
        ceiling=_mean(means[MapKind.CEILING][column]) if means[MapKind.CEILING][column].n else None,
        baselines={
            str(baseline): _baseline(means[baseline][column], differences[baseline][column])
            for baseline in BASELINES
            if means[baseline][column].n
        },
    )


def _where_defined(model: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Drop what the classifier's maps have no value beside: means of different images cannot be held together."""
    return np.where(np.isnan(model), np.nan, values)


def _mean(estimate: Estimate) -> Mean:
    return Mean(mean=estimate.value, low=estimate.low, high=estimate.high, n=estimate.n)


def _baseline(own: Estimate, difference: Estimate) -> Baseline:
    return Baseline(
        **_mean(own).model_dump(),
        difference=difference.value,
        difference_low=difference.low,
        difference_high=difference.high,
    )


def _mean_of(values: NDArray[np.float64]) -> float | None:
    return None if np.isnan(values).all() else float(np.nanmean(values))


def _median_of(values: NDArray[np.float64]) -> float | None:
    return None if np.isnan(values).all() else float(np.nanmedian(values))
