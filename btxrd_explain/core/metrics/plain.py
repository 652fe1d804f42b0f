"""The scores of plain arrays: a heat map in [0, 1] from anywhere, and any mask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from btxrd_explain.core.arrays import (
    checked_choice,
    checked_count,
    checked_heatmap,
    checked_items,
    checked_mask,
    checked_number,
)
from btxrd_explain.core.choices import Operator, Rule
from btxrd_explain.core.heatmap import HeatMap, MapStatus, judge
from btxrd_explain.core.metrics.image import Measurement, measure
from btxrd_explain.core.threshold import Threshold

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from btxrd_explain.core.metrics.image import ImageMetrics

GRID = (7, 7)
"""Rows and columns of most convolutional networks' last feature map, at an input of 224 pixels."""
_MOST_REGIONS = 1_000


def score(  # noqa: PLR0913 -- a keyword for each choice that moves a score
    heatmap: Any,  # noqa: ANN401 -- an array, a list or a torch tensor
    mask: Any,  # noqa: ANN401 -- likewise
    *,
    lesions: Iterable[Any] | None = None,
    threshold: float = 0.5,
    threshold_rule: Rule | str = Rule.FIXED,
    percentile: float = 5.0,
    operator: Operator | str = Operator.AT_LEAST,
    grid: Sequence[int] = GRID,
    tolerance: float | None = None,
) -> ImageMetrics:
    """Return all sixteen scores of a heat map and an annotation.

    Args:
        heatmap: Shape ``(height, width)``, floating values in [0, 1]; or a
            :class:`~btxrd_explain.core.heatmap.HeatMap`, which knows its hottest pixel before scaling, and its grid.
        mask: The same shape: truth values, or numbers that are 0 and 1 (or 0 and 255).
        lesions: A mask of the same shape per lesion, together ``mask``; None takes each connected region of ``mask``
            (corners connect).
        threshold: Level in [0, 1] from which a pixel is highlighted, with the rule ``fixed``.
        threshold_rule: ``fixed``, ``otsu``, ``otsu-chexlocalize`` or ``percentile``.
        percentile: Per cent of the pixels, in (0, 100], that are highlighted with the rule ``percentile``.
        operator: ``>=`` or ``>``: whether a pixel that equals the threshold is highlighted.
        grid: Rows and columns of the class-activation grid that the map was enlarged from.
        tolerance: Pixels within which a pointing hit is tolerated; None is half a cell of the grid.

    Returns:
        The scores by the names of :data:`btxrd_explain.core.metrics.catalogue.METRICS`, each in [0, 1] or a truth
        value, with ``lesion_share``, ``threshold``, ``region_share``, ``otsu_threshold`` and ``best_threshold``. All
        but ``lesion_share`` are None where the map is all 0 or flat, and all but the first four where the mask is
        empty.

    Raises:
        TypeError: An argument is of another kind, such as a heat map of bytes (0 to 255).
        ValueError: Shapes differ, a value is out of range, or a rule or an operator is unknown.

    >>> scores = score([[0.0, 0.2, 1.0]], [[0, 1, 1]])
    >>> scores.iou, scores.pointing_hit, scores.recall
    (0.5, True, 0.5)
    """
    heat = as_heat_map(heatmap, grid)
    wanted = threshold_of(threshold, threshold_rule, percentile, operator)
    return measured(heat, checked_mask(mask, heat.values.shape, "mask"), lesions, wanted, tolerance).metrics


def measured(
    heat: HeatMap, mask: NDArray[np.bool_], lesions: Iterable[Any] | None, threshold: Threshold, tolerance: float | None
) -> Measurement:
    """Measure as :func:`score` does, with a heat map and a mask that are checked already."""
    if tolerance is not None:
        checked_number(tolerance, 0, float("inf"), "tolerance")
    each = regions_of(mask) if lesions is None else list(_checked_lesions(lesions, mask))  # also where none is measured
    return measure(heat, mask, each, threshold, tolerance=tolerance)


def _checked_lesions(lesions: Iterable[Any], mask: NDArray[np.bool_]) -> Iterator[NDArray[np.bool_]]:
    """Yield masks of lesions; refuse those that together are another mask."""
    left = mask.copy()
    for number, one in enumerate(checked_items(lesions, "lesions"), start=1):
        lesion = checked_mask(one, mask.shape, "lesions")
        if outside := np.count_nonzero(lesion & ~mask):
            raise ValueError(f"lesions: lesion {number} has {outside} pixels outside of the mask")
        left &= ~lesion
        yield lesion
    if missing := np.count_nonzero(left):
        raise ValueError(f"lesions: {missing} pixels of the mask are in no lesion")


def as_heat_map(heatmap: Any, grid: Sequence[int] = GRID, what: str = "heatmap") -> HeatMap:  # noqa: ANN401 -- see score
    """Return plain values as a heat map: judged as a raw grid is, with its first maximum as the hottest pixel.

    Raises:
        TypeError: They are not an array of floating values.
        ValueError: They have another shape or values outside [0, 1], or the grid is not one.

    >>> as_heat_map([[0.0, 1.0]]).hottest, as_heat_map([[0.5, 0.5]]).status
    ((0, 1), <MapStatus.FLAT: 'flat'>)
    """
    if isinstance(heatmap, HeatMap):
        return heatmap
    values = checked_heatmap(heatmap, what).astype(np.float32)
    rows, columns = (checked_count(side, 1, "grid") for side in _pair(grid))
    status, peak = judge(values), float(values.max())
    if status is not MapStatus.OK:
        return HeatMap(np.zeros_like(values), peak, status)
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    cell = values.shape[0] / rows, values.shape[1] / columns
    return HeatMap(values, peak, status, (int(row), int(column)), cell)


def threshold_of(threshold: float, rule: Rule | str, percentile: float, operator: Operator | str) -> Threshold:
    """Return the rule that turns a heat map into a region; see :func:`score`."""
    chosen, least = checked_choice(rule, Rule, "threshold_rule"), checked_choice(operator, Operator, "operator")
    level = checked_number(threshold, 0, 1, "threshold")
    share = checked_number(percentile, 0, 100, "percentile")
    return Threshold(chosen, share if chosen is Rule.PERCENTILE else level, least)


def regions_of(mask: NDArray[np.bool_]) -> Iterator[NDArray[np.bool_]]:
    """Yield the connected regions of a mask, as those of a PNG mask are told apart.

    Raises:
        ValueError: There are more than a thousand.

    >>> [int(region.sum()) for region in regions_of(np.array([[True, False, True], [False, True, False]]))]
    [3]
    """
    count, labels = cv2.connectedComponents(mask.view(np.uint8), connectivity=8)
    if count - 1 > _MOST_REGIONS:
        raise ValueError(f"mask: expected at most {_MOST_REGIONS} connected regions, got {count - 1}: give lesions")
    return (np.asarray(labels == number) for number in range(1, count))


def region_at(mask: NDArray[np.bool_], pixel: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the connected region of a mask that one of its pixels, a row and a column, is in.

    >>> region_at(np.array([[True, True, False, True]]), (0, 1)).tolist()
    [[True, True, False, False]]
    """
    _, labels = cv2.connectedComponents(mask.view(np.uint8), connectivity=8)
    return np.asarray(labels == labels[pixel])


def _pair(grid: Sequence[int]) -> Sequence[int]:
    if not isinstance(grid, tuple | list) or len(grid) != 2:
        raise TypeError(f"grid: expected (rows, columns), got {grid!r}")
    return grid
