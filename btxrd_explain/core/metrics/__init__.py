"""How a heat map and an expert's annotation agree: all scores of an image, and of a data set.

:func:`measure` looks at an image's pixels once; the other modules hold one family of scores each, with formula, limits
and source. Scores that pool pixels or boxes over images have an accumulator of fixed size.
"""

from btxrd_explain.core.choices import Rule
from btxrd_explain.core.histogram import CURVE_THRESHOLDS
from btxrd_explain.core.metrics.boxes import BoxAccuracy, BoxResult, box_overlaps, found_boxes, max_box_accuracy
from btxrd_explain.core.metrics.image import ImageMetrics, Measurement, RegionAgreement, agreement, mean_of, measure
from btxrd_explain.core.metrics.pixel_precision import PixelCounts, PixelPrecision, pooled_precision
from btxrd_explain.core.threshold import Threshold, region_of

__all__ = [
    "CURVE_THRESHOLDS",
    "BoxAccuracy",
    "BoxResult",
    "ImageMetrics",
    "Measurement",
    "PixelCounts",
    "PixelPrecision",
    "RegionAgreement",
    "Rule",
    "Threshold",
    "agreement",
    "box_overlaps",
    "found_boxes",
    "max_box_accuracy",
    "mean_of",
    "measure",
    "pooled_precision",
    "region_of",
]
