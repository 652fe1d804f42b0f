"""All scores of one heat map against one annotation, from one look at the pixels."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.heatmap import HeatMap, MapStatus
from btxrd_explain.core.metrics.curves import CURVE_THRESHOLDS, average_precision, iou_curve, roc_auc
from btxrd_explain.core.metrics.cuts import Cut, count_reached, overlap_from
from btxrd_explain.core.metrics.energy import Energy
from btxrd_explain.core.metrics.histogram import Histogram, count_levels, quantise
from btxrd_explain.core.metrics.pixel_precision import PixelCounts
from btxrd_explain.core.metrics.pointing import near_annotation
from btxrd_explain.core.metrics.ranks import area_matched_iou, hits_among_hottest, rank_accuracy
from btxrd_explain.core.metrics.rules import Rule, Threshold, fill_contours, otsu_level, percentile_level
from btxrd_explain.core.overlap import Overlap, count_overlap

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

HALF = Threshold()
"""The default rule: 0.5 and more."""
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
    threshold: Threshold = HALF,
    *,
    tolerance: float | None = None,
) -> Measurement:
    """Measure how a heat map and an annotation agree.

    Args:
        heat: The heat map.
        mask: Boolean array of the heat map's shape: the annotation, all lesions together.
        lesions: Boolean arrays of the same shape: the lesions, which make up the mask; looked at once, one by one.
        threshold: The rule that turns the heat map into a region.
        tolerance: Distance in pixels within which a pointing hit is tolerated; None is half a grid cell.

    Returns:
        The measurement; all but ``lesion_share`` is None where nothing is annotated or the map shows no evidence.

    Raises:
        ValueError: The shapes differ, the mask is not boolean, or the heat map is not in [0, 1].
    """
    if heat.values.shape != mask.shape or mask.dtype != np.bool_:
        raise ValueError(f"expected a boolean mask of {heat.values.shape}, got {mask.dtype} of {mask.shape}")
    window = _bounds(mask)
    lesion_share = int(np.count_nonzero(mask[window])) / mask.size
    if heat.status is not MapStatus.OK or lesion_share == 0:
        return Measurement(ImageMetrics(lesion_share=lesion_share))
    look = _Look.at(heat.values, mask, window)
    cut = threshold.cut(look.histogram)
    overlap, region = _region(look, cut, fill=threshold.rule is Rule.OTSU_CHEXLOCALIZE)
    hits = hits_among_hottest(look.values, look.levels, mask, look.histogram)
    curve = iou_curve(look.histogram, threshold.operator)
    metrics = ImageMetrics(
        lesion_share=lesion_share,
        threshold=cut.value,
        region_share=overlap.region / mask.size,
        iou=overlap.iou,
        dice=overlap.dice,
        precision=overlap.precision,
        recall=overlap.recall,
        lesion_recall=_lesion_recall(region, (lesion[window] for lesion in lesions)),
        iou_otsu=overlap_from(otsu_level(look.histogram), look.histogram).iou,
        iou_percentile=overlap_from(percentile_level(look.histogram, TOP_PERCENT), look.histogram).iou,
        best_iou=float(curve.max()),
        best_threshold=float(CURVE_THRESHOLDS[curve.argmax()]),
        area_matched_iou=area_matched_iou(hits, overlap.annotation),
        soft_iou=look.energy.soft_iou,
        pointing_hit=_hit(heat, mask, 0),
        tolerance_hit=_hit(heat, mask, tolerance),
        energy_in_mask=look.energy.share,
        rank_accuracy=rank_accuracy(hits, overlap.annotation),
        average_precision=average_precision(look.histogram),
        roc_auc=roc_auc(look.histogram),
    )
    return Measurement(metrics, curve, PixelCounts.of(look.histogram))


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """What one look at the pixels of a heat map and a mask yields.

    Attributes:
        values: Float32 heat map of shape ``(height, width)`` in [0, 1].
        mask: Boolean array of the same shape.
        window: Rows and columns that the mask spans.
        inside: The heat map's values on the mask, shape ``(n,)``.
        levels: Uint16 levels of the heat map, of its shape.
        histogram: Its pixels by level.
        energy: Its mass.
    """

    values: NDArray[np.float32]
    mask: NDArray[np.bool_]
    window: tuple[slice, slice]
    inside: NDArray[np.float32]
    levels: NDArray[np.uint16]
    histogram: Histogram
    energy: Energy

    @classmethod
    def at(cls, values: NDArray[np.float32], mask: NDArray[np.bool_], window: tuple[slice, slice]) -> _Look:
        """Look at the pixels; a heat map that is not in [0, 1] is refused with a ValueError."""
        inside = values[window][mask[window]]
        levels, mass = quantise(values)
        histogram = count_levels(levels, levels[window][mask[window]])
        if not histogram.fits(mass):
            raise ValueError("the heat map holds NaN, or values outside [0, 1]")
        warm = min(float(inside.sum(dtype=np.float64)), mass)  # added up in another order, all may exceed the whole
        energy = Energy(warm, mass, inside.size)
        return cls(values, mask, window, inside, levels, histogram, energy)


def _region(look: _Look, cut: Cut, *, fill: bool) -> tuple[Overlap, NDArray[np.bool_]]:
    """Return the region's overlap with the mask, and the region within the mask's window."""
    if fill:
        filled = fill_contours(cut.reached(look.values))
        return count_overlap(filled, look.mask), filled[look.window]
    overlap = count_reached(cut, look.values, look.levels, look.inside, look.histogram)
    return overlap, cut.reached(look.values[look.window])


def _hit(heat: HeatMap, mask: NDArray[np.bool_], tolerance: float | None) -> bool | None:
    """Say whether the hottest pixel lies within the tolerance; None where pixel or tolerance are unknown."""
    if tolerance is None and heat.cell is not None:
        tolerance = sqrt(heat.cell[0] * heat.cell[1]) / 2
    if heat.hottest is None or tolerance is None:
        return None
    return near_annotation(heat.hottest, mask, tolerance)


def _lesion_recall(region: NDArray[np.bool_], lesions: Iterable[NDArray[np.bool_]]) -> float | None:
    """Return the share of the lesions that the region touches, of those that have a pixel; None where none has."""
    touched = [bool((region & lesion).any()) for lesion in lesions if lesion.any()]
    return sum(touched) / len(touched) if touched else None


def _bounds(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Return the rows and columns that a mask spans: lesions are small, and what is outside need not be touched."""
    rows = np.flatnonzero(mask.any(axis=1))
    if rows.size == 0:
        return slice(0), slice(0)
    band = slice(int(rows[0]), int(rows[-1]) + 1)
    columns = np.flatnonzero(mask[band].any(axis=0))
    return band, slice(int(columns[0]), int(columns[-1]) + 1)
