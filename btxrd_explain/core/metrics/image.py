"""All scores of one heat map against one annotation, from one look at the pixels."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

import cv2
import numpy as np

from btxrd_explain.core.heatmap import HeatMap, MapStatus
from btxrd_explain.core.metrics.curves import CURVE_THRESHOLDS, average_precision, iou_curve, roc_auc
from btxrd_explain.core.metrics.energy import measure_energy
from btxrd_explain.core.metrics.histogram import TOP_LEVEL, Histogram, count_levels, quantise
from btxrd_explain.core.metrics.pixel_precision import PixelCounts
from btxrd_explain.core.metrics.pointing import near_annotation
from btxrd_explain.core.metrics.ranks import area_matched_iou, hits_among_hottest, rank_accuracy
from btxrd_explain.core.metrics.rules import Threshold, otsu_level, percentile_level
from btxrd_explain.core.overlap import Overlap, count_overlap

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

TOP_PERCENT = 5.0
"""Per cent of the pixels that ``iou_percentile`` keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageMetrics:
    """The scores of one image; None is undefined: nothing annotated, or no positive evidence in the map.

    Definitions are those of :mod:`btxrd_explain.core.metrics.catalogue`.

    Attributes:
        lesion_share: The annotation's share of the image, in [0, 1]; always defined.
        threshold: The threshold that the rule chose for this image, in [0, 1]; for Otsu and percentile the lowest
            value of the region (rounded down to a level).
        region_share: The region's share of the image.
        iou: Intersection over union of region and annotation.
        dice: Dice coefficient.
        precision: Share of the region that is annotated; None where the region is empty.
        recall: Share of the annotation that the region covers.
        lesion_recall: Share of the lesions that the region touches; None where the lesions were not given.
        iou_otsu: IoU at Otsu's threshold, whatever the rule.
        iou_percentile: IoU of the hottest 5 % of the pixels, whatever the rule.
        best_iou: Highest IoU of the curve over 101 thresholds: chosen in hindsight, and optimistic.
        best_threshold: The threshold of ``best_iou``, the lowest of equals.
        area_matched_iou: IoU of the hottest pixels, as many as are annotated.
        soft_iou: ``Σ min(h, m) / Σ max(h, m)``.
        pointing_hit: The hottest pixel is annotated.
        tolerance_hit: An annotated pixel lies within the tolerance of the hottest pixel.
        energy_in_mask: Share of the map's mass on the annotation.
        rank_accuracy: Share of the hottest pixels, as many as are annotated, that are annotated.
        average_precision: Average precision of the pixels.
        roc_auc: Area under the ROC curve of the pixels; None where everything is annotated.
    """

    lesion_share: float
    threshold: float | None = None
    region_share: float | None = None
    iou: float | None = None
    dice: float | None = None
    precision: float | None = None
    recall: float | None = None
    lesion_recall: float | None = None
    iou_otsu: float | None = None
    iou_percentile: float | None = None
    best_iou: float | None = None
    best_threshold: float | None = None
    area_matched_iou: float | None = None
    soft_iou: float | None = None
    pointing_hit: bool | None = None
    tolerance_hit: bool | None = None
    energy_in_mask: float | None = None
    rank_accuracy: float | None = None
    average_precision: float | None = None
    roc_auc: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Measurement:
    """What was measured on one image.

    Attributes:
        metrics: The scores.
        curve: Float64 array of shape ``(101,)``: IoU at each of ``CURVE_THRESHOLDS``; None where undefined.
        pixels: Pixels by bins, to be pooled over the data set; None where undefined.
    """

    metrics: ImageMetrics
    curve: NDArray[np.float64] | None = None
    pixels: PixelCounts | None = None


def measure(
    heat: HeatMap,
    mask: NDArray[np.bool_],
    lesions: Iterable[NDArray[np.bool_]] = (),
    threshold: Threshold = Threshold(),  # noqa: B008 -- frozen
    *,
    tolerance: float | None = None,
) -> Measurement:
    """Measure how a heat map and an annotation agree.

    Args:
        heat: The heat map.
        mask: Boolean array of the heat map's shape: the annotation.
        lesions: The annotation lesion by lesion, as boolean arrays of the same shape; looked at once, one at a time.
        threshold: The rule that turns the heat map into a region.
        tolerance: Distance in pixels within which a pointing hit is tolerated; None is half a grid cell.

    Returns:
        The measurement; all but ``lesion_share`` is None where nothing is annotated or the map shows no evidence.

    Raises:
        ValueError: The shapes differ, or the mask is not boolean.
    """
    if heat.values.shape != mask.shape or mask.dtype != np.bool_:
        raise ValueError(f"expected a boolean mask of {heat.values.shape}, got {mask.dtype} of {mask.shape}")
    window = _bounds(mask)
    annotated = int(np.count_nonzero(mask[window]))
    lesion_share = annotated / mask.size
    if heat.status is not MapStatus.OK or annotated == 0:
        return Measurement(ImageMetrics(lesion_share=lesion_share))
    levels = quantise(heat.values)
    histogram = count_levels(levels, levels[window][mask[window]])
    curve = iou_curve(histogram)
    best = None if curve is None else int(curve.argmax())
    region, level = threshold.region(heat.values, levels, histogram)
    overlap = count_overlap(region, mask)
    energy = measure_energy(heat.values, heat.values[window][mask[window]])
    hits = hits_among_hottest(heat.values, levels, mask, histogram)
    metrics = ImageMetrics(
        lesion_share=lesion_share,
        threshold=level,
        region_share=overlap.region / mask.size,
        iou=overlap.iou,
        dice=overlap.dice,
        precision=overlap.precision,
        recall=overlap.recall,
        lesion_recall=_lesion_recall(region, lesions),
        iou_otsu=_overlap_from(histogram, otsu_level(histogram)).iou,
        iou_percentile=_overlap_from(histogram, percentile_level(histogram, TOP_PERCENT)).iou,
        best_iou=None if curve is None or best is None else float(curve[best]),
        best_threshold=None if best is None else float(CURVE_THRESHOLDS[best]),
        area_matched_iou=area_matched_iou(hits, annotated),
        soft_iou=energy.soft_iou,
        pointing_hit=_hit(heat, mask, 0),
        tolerance_hit=_hit(heat, mask, tolerance),
        energy_in_mask=energy.share,
        rank_accuracy=rank_accuracy(hits, annotated),
        average_precision=average_precision(histogram),
        roc_auc=roc_auc(histogram),
    )
    return Measurement(metrics, curve, PixelCounts.of(histogram))


def _hit(heat: HeatMap, mask: NDArray[np.bool_], tolerance: float | None) -> bool | None:
    """Say whether the hottest pixel lies within the tolerance; None where pixel or tolerance are unknown."""
    if tolerance is None and heat.cell is not None:
        tolerance = sqrt(heat.cell[0] * heat.cell[1]) / 2
    if heat.hottest is None or tolerance is None:
        return None
    return near_annotation(heat.hottest, mask, tolerance)


def _lesion_recall(region: NDArray[np.bool_], lesions: Iterable[NDArray[np.bool_]]) -> float | None:
    """Return the share of the lesions that the region touches; None where there are none."""
    touched = [bool((region[window] & lesion[window]).any()) for lesion in lesions for window in (_bounds(lesion),)]
    return sum(touched) / len(touched) if touched else None


def _overlap_from(histogram: Histogram, level: int) -> Overlap:
    """Return the overlap of the region from a level upwards."""
    if level > TOP_LEVEL:
        return Overlap(0, 0, histogram.annotated)
    return Overlap(int(histogram.inside_from[level]), int(histogram.whole_from[level]), histogram.annotated)


def _bounds(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Return the rows and columns that a mask spans; lesions are small, and what is outside need not be touched."""
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    return slice(top, top + height), slice(left, left + width)
