"""What each score means: for reports, tables and documentation alike."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from btxrd_explain.core.metrics.image import ImageMetrics

Chance = Literal["lesion_share", "region_share", "half"]
"""What the score of a map without knowledge is: the annotation's or the region's fraction of the image, or 0.5."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A score.

    Attributes:
        name: Field of :class:`~btxrd_explain.core.metrics.image.ImageMetrics`, and column of tables.
        title: What it is called in print.
        definition: One sentence; ``h`` is the heat map, ``b`` the region, ``m`` the annotation.
        source: Where the definition is from.
        chance: Its level by chance, in expectation; None where only baselines can tell.
        threshold_free: No choice of a threshold has a part in it.
    """

    name: str
    title: str
    definition: str
    source: str
    chance: Chance | None = None
    threshold_free: bool = False


_SAPORTA = "Saporta et al., Nat Mach Intell 4:867 (2022)"
_RELOADED = "Maier-Hein et al., Metrics Reloaded, Nat Methods 21:195 (2024)"
_ARRAS = "Arras et al., Inf Fusion 81:14 (2022)"
_ARUN = "Arun et al., Radiol Artif Intell 3:e200267 (2021)"
_HANLEY = "Hanley and McNeil, Radiology 143:29 (1982)"
_ZHANG = "Zhang et al., Int J Comput Vis 126:1084 (2018)"

_ALL = (
    Metric("iou", "IoU", "|b ∧ m| / |b ∨ m|", _SAPORTA),
    Metric("dice", "Dice", "2 |b ∧ m| / (|b| + |m|)", _RELOADED),
    Metric("precision", "Precision", "|b ∧ m| / |b|", _RELOADED, "lesion_share"),
    Metric("recall", "Recall", "|b ∧ m| / |m|", _RELOADED, "region_share"),
    Metric("lesion_recall", "Lesion recall", "fraction of the lesions that b touches", _RELOADED),
    Metric("iou_otsu", "IoU at Otsu", "IoU of uint8(255 h) above Otsu's threshold", _SAPORTA),
    Metric("iou_percentile", "IoU of top 5 %", "IoU of the hottest 5 % of the pixels", _RELOADED),
    Metric("best_iou", "Best IoU (in hindsight)", "highest IoU over the thresholds 0, 0.01, ... 1", _SAPORTA),
    Metric(
        "area_matched_iou", "Area-matched IoU", "IoU of the |m| hottest pixels, = RRA / (2 - RRA)", _ARRAS, None, True
    ),
    Metric("soft_iou", "Soft IoU", "Σ min(h, m) / Σ max(h, m)", _RELOADED, None, True),
    Metric("pointing_hit", "Pointing hit", "the hottest pixel lies in m", _ZHANG, "lesion_share", True),
    Metric(
        "tolerance_hit",
        "Pointing hit with tolerance",
        "a pixel of m lies within the tolerance of the hottest pixel",
        _ZHANG,
        None,
        True,
    ),
    Metric("energy_in_mask", "Energy in mask", "Σ(h m) / Σ h", _ARRAS, "lesion_share", True),
    Metric(
        "rank_accuracy",
        "Rank accuracy",
        "fraction of the |m| hottest pixels that are in m",
        _ARRAS,
        "lesion_share",
        True,
    ),
    Metric(
        "average_precision",
        "Average precision",
        "Σ precision · Δrecall over the pixels, from the highest threshold down",
        _ARUN,
        "lesion_share",
        True,
    ),
    Metric("roc_auc", "ROC-AUC", "probability that a pixel of m is hotter than one outside", _HANLEY, "half", True),
)  # fmt: skip -- a table

METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _ALL})
"""The scores of an image by name, in the order in which they are shown."""


def chance_level(name: str, metrics: ImageMetrics) -> float | None:
    """Return the score of an image that a map without knowledge has in expectation.

    Args:
        name: A key of :data:`METRICS`.
        metrics: The image's scores, for its ``lesion_share`` and ``region_share``.

    Returns:
        The level; None where it is not known in closed form.
    """
    match METRICS[name].chance:
        case "lesion_share":
            return metrics.lesion_share
        case "region_share":
            return metrics.region_share
        case "half":
            return 0.5
        case None:
            return None
