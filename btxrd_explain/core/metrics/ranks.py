"""How many of the hottest pixels lie on the annotation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.metrics.histogram import pixels_at

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from btxrd_explain.core.metrics.histogram import Histogram


def hits_among_hottest(
    values: NDArray[np.float32], levels: NDArray[np.uint16], mask: NDArray[np.bool_], histogram: Histogram
) -> int:
    """Count the annotated pixels among the ``|m|`` hottest ones.

    The count is exact: the histogram says which level the last of them belongs to, and only that level's pixels are
    sorted. Of equal values the first in row order comes first.

    Args:
        values: Float32 heat map of shape ``(height, width)``.
        levels: Its levels, of the same shape.
        mask: Boolean array of the same shape.
        histogram: The pixels by level.

    Returns:
        The count, at most ``|m|``.

    >>> from btxrd_explain.core.metrics.histogram import count_levels, quantise
    >>> values, mask = np.array([[0.9, 0.8, 0.7, 0.1]], np.float32), np.array([[True, False, True, True]])
    >>> levels, _ = quantise(values)
    >>> hits_among_hottest(values, levels, mask, count_levels(levels, levels[mask]))
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
    tied = pixels_at(level, levels)
    hottest = np.argsort(-values.ravel()[tied], kind="stable")[:left]
    return hits + int(np.count_nonzero(mask.ravel()[tied[hottest]]))


def rank_accuracy(hits: int, annotated: int) -> float | None:
    """Return the share of the ``|m|`` hottest pixels that are annotated.

    Relevance rank accuracy (Arras et al., Inf Fusion 81:14, 2022); its chance level is the annotation's share of the
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
