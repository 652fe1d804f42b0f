"""All scores of one heat map against one annotation, from one look at the pixels."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from math import ceil, sqrt
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.choices import Operator, Rule
from btxrd_explain.core.heatmap import HeatMap, MapStatus
from btxrd_explain.core.histogram import (
    CURVE_THRESHOLDS,
    LEVELS_PER_BYTE,
    TOP_LEVEL,
    Histogram,
    count_levels,
    pixels_at,
)
from btxrd_explain.core.metrics.curves import average_precision, iou_curve, roc_auc
from btxrd_explain.core.metrics.pixel_precision import PixelCounts
from btxrd_explain.core.overlap import Overlap, count_overlap
from btxrd_explain.core.threshold import (
    Cut,
    Threshold,
    count_reached,
    fill_contours,
    otsu_level,
    overlap_from,
    percentile_level,
    region_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

# How much of a heat map's mass lies on the annotation, without a threshold.


@dataclass(frozen=True, slots=True)
class Energy:
    """A heat map's mass, within the annotation and in all.

    Attributes:
        inside: Sum of the heat map over the annotation.
        total: Sum of the heat map.
        annotation: Pixels in the annotation.
    """

    inside: float
    total: float
    annotation: int

    @property
    def share(self) -> float | None:
        """Energy in the mask, ``Σ(h m) / Σ h``, in [0, 1]; None where the map has no mass or nothing is annotated.

        Also known as relevance mass accuracy (Arras et al., Inf Fusion 81:14, 2022) and energy-based pointing game
        (Wang et al., CVPR Workshops 2020). Its chance level is the annotation's fraction of the image.
        """
        return self.inside / self.total if self.total > 0 and self.annotation else None

    @property
    def soft_iou(self) -> float | None:
        """Soft IoU, ``Σ min(h, m) / Σ max(h, m)``, in [0, 1]; None where nothing is annotated.

        For a mask of 0 and 1 that is the mass inside over the annotation's area plus the mass outside.
        """
        return self.inside / (self.annotation + self.total - self.inside) if self.annotation else None


# Whether a heat map's hottest pixel lies on the annotation.


def near_annotation(pixel: tuple[int, int], mask: NDArray[np.bool_], radius: float) -> bool | None:
    """Return whether an annotated pixel lies within a distance of a pixel, from centre to centre.

    With the hottest pixel of a heat map this is the pointing game (Zhang et al., IJCV 126:1084, 2018).

    Args:
        pixel: Row and column.
        mask: Boolean array of shape ``(height, width)``.
        radius: Largest distance in pixels, at least 0; 0 asks for the pixel itself.

    Returns:
        True where one does; None where nothing is annotated.

    Raises:
        ValueError: The radius is negative.

    >>> mask = np.array([[True, False, False, False]])
    >>> near_annotation((0, 2), mask, 1.9), near_annotation((0, 2), mask, 2.0)
    (False, True)
    """
    if not radius >= 0:
        raise ValueError(f"radius must be at least 0, got {radius}")
    return _near(pixel, mask, radius) if mask.any() else None


def _near(pixel: tuple[int, int], mask: NDArray[np.bool_], radius: float) -> bool:
    row, column = pixel
    reach = ceil(radius)
    top, left = max(row - reach, 0), max(column - reach, 0)
    rows, columns = np.nonzero(mask[top : row + reach + 1, left : column + reach + 1])
    squares = (rows + (top - row)) ** 2 + (columns + (left - column)) ** 2
    return bool((squares <= radius**2).any())


# How many of the hottest pixels lie on the annotation.


def hits_among_hottest(heat: HeatMap, mask: NDArray[np.bool_], histogram: Histogram) -> int:
    """Count the annotated pixels among the ``|m|`` hottest ones.

    The count is exact: the histogram says which level the last of them belongs to, and only that level's pixels are
    sorted. Of equal values the first in row order comes first.

    Args:
        heat: The heat map.
        mask: Boolean array of its shape.
        histogram: The pixels by level.

    Returns:
        The count, at most ``|m|``.

    >>> values, mask = np.array([[0.9, 0.8, 0.7, 0.1]], np.float32), np.array([[True, False, True, True]])
    >>> heat = HeatMap(values, 1.0, MapStatus.OK)
    >>> hits_among_hottest(heat, mask, count_levels(heat, values[mask]))
    2
    """
    wanted = histogram.annotated
    if wanted == 0:
        return 0
    level = histogram.level_reached_by(wanted)
    left = wanted - int(histogram.whole_from[level + 1])
    hits = int(histogram.inside_from[level + 1])
    if histogram.inside[level] in (0, histogram.whole[level]):  # whichever are taken, all are alike
        return hits + (left if histogram.inside[level] else 0)
    tied, values = pixels_at(range(level, level + 1), heat)
    hottest = np.argsort(-values, kind="stable")[:left]
    return hits + int(np.count_nonzero(mask.ravel()[tied[hottest]]))


def rank_accuracy(hits: int, annotated: int) -> float | None:
    """Return the fraction of the ``|m|`` hottest pixels that are annotated.

    Relevance rank accuracy (Arras et al., Inf Fusion 81:14, 2022); its chance level is the annotation's fraction of the
    image.

    Args:
        hits: Annotated pixels among the ``annotated`` hottest ones.
        annotated: Pixels in the annotation.

    Returns:
        Share in [0, 1]; None where nothing is annotated.
    """
    return hits / annotated if annotated else None


def area_matched_iou(hits: int, annotated: int) -> float | None:
    """Return the IoU of the ``|m|`` hottest pixels and the annotation.

    With ``|b| = |m|`` it is ``hits / (2 |m| - hits)``, which is ``RRA / (2 - RRA)``: the IoU that no choice of a
    threshold has influenced.

    Args:
        hits: Annotated pixels among the ``annotated`` hottest ones.
        annotated: Pixels in the annotation.

    Returns:
        IoU in [0, 1]; None where nothing is annotated.
    """
    return hits / (2 * annotated - hits) if annotated else None


HALF = Threshold()
"""The default rule: 0.5 and more."""
TOP_PERCENT = 5.0
"""Per cent of the pixels that ``iou_percentile`` keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageMetrics:
    """The scores of one image; None is undefined: nothing annotated, or no positive evidence in the map.

    Where nothing is annotated, the threshold and the region of the map are known all the same.

    Definitions are those of :mod:`btxrd_explain.core.metrics.catalogue`.

    Attributes:
        lesion_share: The annotation's fraction of the image, in [0, 1]; always defined.
        threshold: The threshold that the rule chose for this image, in [0, 1]; for Otsu and percentile the lowest
            value of the region (rounded down to a level).
        region_share: The region's fraction of the image.
        iou: Intersection over union of region and annotation.
        dice: Dice coefficient.
        precision: Fraction of the region that is annotated; None where the region is empty.
        recall: Fraction of the annotation that the region covers.
        lesion_recall: Fraction of the lesions that the region touches; None where the lesions were not given.
        iou_otsu: IoU at Otsu's threshold, whatever the rule.
        otsu_threshold: Otsu's threshold: the region is what lies above it in ``uint8(255 h) / 255``.
        iou_percentile: IoU of the hottest 5 % of the pixels, whatever the rule.
        best_iou: Highest IoU of the curve over 101 thresholds: chosen in hindsight, and optimistic.
        best_threshold: The threshold of ``best_iou``, the lowest of equals.
        area_matched_iou: IoU of the hottest pixels, as many as are annotated.
        soft_iou: ``Σ min(h, m) / Σ max(h, m)``.
        pointing_hit: The hottest pixel is annotated.
        tolerance_hit: An annotated pixel lies within the tolerance of the hottest pixel.
        energy_in_mask: Fraction of the map's mass on the annotation.
        rank_accuracy: Fraction of the hottest pixels, as many as are annotated, that are annotated.
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
    otsu_threshold: float | None = None
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


def mean_of(measured: Sequence[Measurement]) -> Measurement:
    """Average what was measured of several maps of one image, such as random ones.

    Args:
        measured: At least one measurement, all with the same annotation.

    Returns:
        The mean of each score over the maps that define it (of hits their fraction), the mean of the curves, and the
        pixels of all maps together.
    """
    scores = {}
    for name in (field.name for field in fields(ImageMetrics)):
        known = [value for one in measured if (value := getattr(one.metrics, name)) is not None]
        scores[name] = float(np.mean(known)) if known else None
    curves = [one.curve for one in measured if one.curve is not None]
    pixels = [one.pixels for one in measured if one.pixels is not None]
    return Measurement(
        ImageMetrics(**scores),  # type: ignore[arg-type]  # the fraction of the lesion is known of each
        np.mean(curves, axis=0) if curves else None,
        PixelCounts(*(np.sum([getattr(one, part) for one in pixels], axis=0) for part in ("inside", "whole")))
        if pixels
        else None,
    )


def measure(
    heat: HeatMap,
    mask: NDArray[np.bool_],
    lesions: Iterable[NDArray[np.bool_]] = (),
    threshold: Threshold = HALF,
    *,
    tolerance: float | None = None,
    exact: bool = True,
) -> Measurement:
    """Measure how a heat map and an annotation agree.

    Args:
        heat: The heat map.
        mask: Boolean array of the heat map's shape: the annotation, all lesions together.
        lesions: Boolean arrays of the same shape: the lesions, which make up the mask; looked at once, one by one.
        threshold: The rule that turns the heat map into a region.
        tolerance: Distance in pixels within which a pointing hit is tolerated; None is half a grid cell.
        exact: Whether average precision tells the hottest pixels apart by their values; else by their levels.

    Returns:
        The measurement; all but ``lesion_share`` is None where the map shows no evidence. Where nothing is annotated,
        ``threshold``, ``region_share`` and ``otsu_threshold`` are known.

    Raises:
        ValueError: The shapes differ, the mask is not boolean, or the heat map is not in [0, 1].
    """
    if heat.shape != mask.shape or mask.dtype != np.bool_:
        raise ValueError(f"expected a boolean mask of {heat.shape}, got {mask.dtype} of {mask.shape}")
    window = _bounds(mask)
    lesion_share = int(np.count_nonzero(mask[window])) / mask.size
    if heat.status is not MapStatus.OK:
        return Measurement(ImageMetrics(lesion_share=lesion_share))
    look = _Look.at(heat, mask, window, threshold.operator)
    cut, otsu = threshold.cut(look.histogram), otsu_level(look.histogram)
    overlap, region = _region(look, cut, fill=threshold.rule is Rule.OTSU_CHEXLOCALIZE)
    of_map = ImageMetrics(
        lesion_share=lesion_share,
        threshold=cut.value,
        region_share=overlap.region / mask.size,
        otsu_threshold=(otsu // LEVELS_PER_BYTE - 1) / 255,
    )
    if lesion_share == 0:
        return Measurement(of_map)
    hits = hits_among_hottest(heat, mask, look.histogram)
    curve = iou_curve(look.histogram, threshold.operator)
    metrics = replace(
        of_map,
        iou=overlap.iou,
        dice=overlap.dice,
        precision=overlap.precision,
        recall=overlap.recall,
        lesion_recall=_lesion_recall(region, (lesion[window] for lesion in lesions)),
        iou_otsu=overlap_from(otsu, look.histogram).iou,
        iou_percentile=overlap_from(percentile_level(look.histogram, TOP_PERCENT), look.histogram).iou,
        best_iou=float(curve.max()),
        best_threshold=float(CURVE_THRESHOLDS[curve.argmax()]),
        area_matched_iou=area_matched_iou(hits, overlap.annotation),
        soft_iou=look.energy.soft_iou,
        pointing_hit=_hit(heat, mask, 0),
        tolerance_hit=_hit(heat, mask, tolerance),
        energy_in_mask=look.energy.share,
        rank_accuracy=rank_accuracy(hits, overlap.annotation),
        average_precision=average_precision(look.histogram, *_hottest(look, _SORTED if exact else 0)),
        roc_auc=roc_auc(look.histogram),
    )
    return Measurement(metrics, curve, PixelCounts.of(look.histogram))


@dataclass(frozen=True, slots=True, eq=False)
class RegionAgreement:
    """How far a heat map marks the region of another map, such as what a detector found.

    Attributes:
        iou: IoU of the regions of both by one rule.
        iou_otsu: IoU of the region at the heat map's Otsu threshold and the other one's region.
        curve: Float64 array of shape ``(101,)``: IoU of ``h >= t`` (or ``h > t``) and that region at each of
            ``CURVE_THRESHOLDS``.
    """

    iou: float | None
    iou_otsu: float | None
    curve: NDArray[np.float64]


def agreement(heat: HeatMap, other: HeatMap, threshold: Threshold = HALF) -> RegionAgreement | None:
    """Compare the regions of two heat maps of one image, whatever is annotated.

    Args:
        heat: The heat map.
        other: Another one, of the same shape.
        threshold: The rule that turns both into regions.

    Returns:
        How far they agree; None where one of them has no region by that rule, or no evidence.
    """
    if {heat.status, other.status} != {MapStatus.OK}:
        return None
    region = region_of(other.values, threshold)
    if not region.any():
        return None
    look = _Look.at(heat, region, _bounds(region), threshold.operator)
    overlap, _ = _region(look, threshold.cut(look.histogram), fill=threshold.rule is Rule.OTSU_CHEXLOCALIZE)
    otsu = overlap_from(otsu_level(look.histogram), look.histogram)
    return RegionAgreement(overlap.iou, otsu.iou, iou_curve(look.histogram, threshold.operator))


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """What one look at the pixels of a heat map and a mask yields.

    Attributes:
        heat: The heat map.
        mask: Boolean array of its shape.
        window: Rows and columns that the mask spans.
        seen: The heat map's values in the window.
        inside: The heat map's values on the mask, shape ``(n,)``.
        histogram: Its pixels by level.
        energy: Its mass.
    """

    heat: HeatMap
    mask: NDArray[np.bool_]
    window: tuple[slice, slice]
    seen: NDArray[np.float32]
    inside: NDArray[np.float32]
    histogram: Histogram
    energy: Energy

    @classmethod
    def at(cls, heat: HeatMap, mask: NDArray[np.bool_], window: tuple[slice, slice], operator: Operator) -> _Look:
        """Look at the pixels; a heat map that is not in [0, 1] is refused with a ValueError."""
        mass, seen = heat.mass, heat.part(*window)
        inside = seen[mask[window]]
        histogram = count_levels(heat, inside, equal=operator is Operator.ABOVE)
        warm = min(float(inside.sum(dtype=np.float64)), mass)  # added up in another order, all may exceed the whole
        return cls(heat, mask, window, seen, inside, histogram, Energy(warm, mass, inside.size))


def _region(look: _Look, cut: Cut, *, fill: bool) -> tuple[Overlap, NDArray[np.bool_]]:
    """Return the region's overlap with the mask, and the region within the mask's window."""
    if fill:
        filled = fill_contours(cut.reached(look.heat.values))
        return count_overlap(filled, look.mask), filled[look.window]
    return count_reached(cut, look.heat, look.inside, look.histogram), cut.reached(look.seen)


_SORTED = 2**14
"""So many of the hottest pixels are told apart by their values: precision among few is moved by every tie."""


def _hottest(look: _Look, count: int) -> tuple[int, NDArray[np.float32], NDArray[np.bool_]]:
    """Return the level from which on the hottest pixels are sorted, their values, and which of them are annotated."""
    first = max(look.histogram.level_reached_by(count + 1) + 1, 1)
    places, values = pixels_at(range(first, TOP_LEVEL + 1), look.heat)
    return first, values, look.mask.ravel()[places]


def _hit(heat: HeatMap, mask: NDArray[np.bool_], tolerance: float | None) -> bool | None:
    """Return whether the hottest pixel lies within the tolerance; None where pixel or tolerance are unknown."""
    if tolerance is None and heat.cell is not None:
        tolerance = sqrt(heat.cell[0] * heat.cell[1]) / 2
    if heat.hottest is None or tolerance is None:
        return None
    return _near(heat.hottest, mask, tolerance)


def _lesion_recall(region: NDArray[np.bool_], lesions: Iterable[NDArray[np.bool_]]) -> float | None:
    """Return the fraction of the lesions that the region touches, of those that have a pixel; None where none has."""
    touched = [bool((region & lesion).any()) for lesion in lesions if lesion.any()]
    return sum(touched) / len(touched) if touched else None


def _bounds(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Return the rows and columns that a mask spans: lesions are small, and what is outside need not be touched."""
    rows = _span(np.flatnonzero(mask.any(axis=1)))
    return rows, _span(np.flatnonzero(mask[rows].any(axis=0)))


def _span(places: NDArray[np.intp]) -> slice:
    return slice(int(places[0]), int(places[-1]) + 1) if places.size else slice(0, 0)
