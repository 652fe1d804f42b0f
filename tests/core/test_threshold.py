"""From a heat map to a region: every rule against the pixels themselves, scikit-image and OpenCV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.filters import threshold_otsu

from btxrd_explain.core.choices import Operator, Rule
from btxrd_explain.core.heatmap import HeatMap, MapStatus
from btxrd_explain.core.histogram import TOP_LEVEL, count_levels
from btxrd_explain.core.threshold import (
    Cut,
    Threshold,
    binarize,
    compute_cam_iou,
    count_reached,
    fill_contours,
    lowest_value,
    overlap_from,
    percentile_level,
    region_of,
)
from tests.support.refusals import assert_refused

if TYPE_CHECKING:
    from numpy.typing import NDArray


def _map(seed: int, shape: tuple[int, int] = (30, 40)) -> NDArray[np.float32]:
    values = ndimage.gaussian_filter(np.random.default_rng(seed).random(shape), 3)
    values = np.maximum(values - np.median(values), 0)
    scaled: NDArray[np.float32] = (values / values.max()).astype(np.float32)
    return scaled


def _histogram(values: NDArray[np.float32], mask: NDArray[np.bool_]) -> Any:  # noqa: ANN401 -- a histogram
    return count_levels(HeatMap(values, None, MapStatus.OK), values[mask])


@pytest.mark.parametrize("operator", Operator)
@pytest.mark.parametrize("value", [0.0, 0.005, 0.5, 0.123456, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_counts_from_the_histogram_are_those_of_the_pixels(seed: int, value: float, operator: Operator) -> None:
    values = _map(seed)
    values[3, 4] = np.float32(value)
    mask = np.random.default_rng(seed).random(values.shape) < 0.3
    cut = Cut(value, operator)
    found = count_reached(cut, HeatMap(values, None, MapStatus.OK), values[mask], _histogram(values, mask))
    level = np.float32(value)
    region = values >= level if operator is Operator.AT_LEAST else values > level
    assert (found.both, found.region, found.annotation) == ((region & mask).sum(), region.sum(), mask.sum())


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 1, width=32), st.sampled_from(Operator))
def test_a_cut_at_a_pixels_own_value_is_exact(value: float, operator: Operator) -> None:
    values = np.array([[0, value, np.nextafter(np.float32(value), np.float32(2)), 1]], np.float32).clip(0, 1)
    mask = np.ones(values.shape, bool)
    found = count_reached(
        Cut(value, operator), HeatMap(values, None, MapStatus.OK), values[mask], _histogram(values, mask)
    )
    assert found.region == operator.reached(values, float(value)).sum()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, TOP_LEVEL))
def test_the_lowest_value_of_a_level_is_the_first_that_reaches_it(level: int) -> None:
    value = lowest_value(level)
    below = np.nextafter(value, np.float32(0))
    pixels = np.array([[below, value]], np.float32)
    histogram = _histogram(pixels, np.ones(pixels.shape, bool))
    assert overlap_from(level, histogram).region == 1
    assert Cut.from_level(level).reached(pixels).tolist() == [[False, True]]


@pytest.mark.parametrize("seed", range(6))
def test_otsus_region_is_that_of_opencv_and_scikit_image(seed: int) -> None:
    values = _map(seed)
    bytes_ = (255 * values).astype(np.uint8)
    _, expected = cv2.threshold(bytes_, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    region = region_of(values, Threshold(Rule.OTSU))
    np.testing.assert_array_equal(region, expected.astype(bool))
    assert region.sum() == (bytes_ > threshold_otsu(bytes_)).sum()


@pytest.mark.parametrize("seed", range(6))
def test_the_filled_region_has_no_holes_and_no_single_pixels(seed: int) -> None:
    values = _map(seed)
    values[:2, :2] = [[1, 0], [0, 0]]
    region = region_of(values, Threshold(Rule.OTSU))
    filled = region_of(values, Threshold(Rule.OTSU_CHEXLOCALIZE))
    expected = ndimage.binary_fill_holes(region)
    parts, count = ndimage.label(expected, np.ones((3, 3)))
    sizes = ndimage.sum_labels(expected, parts, range(1, count + 1))
    expected[np.isin(parts, 1 + np.flatnonzero(sizes == 1))] = False
    np.testing.assert_array_equal(filled, expected)
    assert region[0, 0]
    assert not filled[0, 0]


def test_filling_fills_holes_within_holes() -> None:
    region = np.zeros((9, 9), bool)
    region[0], region[-1], region[:, 0], region[:, -1] = True, True, True, True
    region[4, 4] = True
    assert fill_contours(region).all()
    assert not fill_contours(np.zeros((3, 3), bool)).any()


@pytest.mark.parametrize("percent", [0.1, 5, 33.3, 50, 100])
@pytest.mark.parametrize("seed", range(3))
def test_the_hottest_pixels_are_at_least_so_many_and_hotter_than_the_rest(seed: int, percent: float) -> None:
    values = _map(seed)
    region = region_of(values, Threshold(Rule.PERCENTILE, percent))
    wanted = min(int(np.ceil(values.size * percent / 100)), int((values > 0).sum()))
    assert region.sum() >= wanted
    assert (values[region] > 0).all()
    if not region.all():
        assert values[region].min() >= values[~region].max()
    level = percentile_level(_histogram(values, np.ones(values.shape, bool)), percent)
    assert level >= 1
    if percent < 50:  # a higher level would hold too few
        assert Cut.from_level(level + 1).reached(values).sum() < wanted


@pytest.mark.parametrize(
    ("rule", "value", "message"),
    [
        (Rule.FIXED, -0.1, "a fixed threshold must lie in [0, 1], got -0.1"),
        (Rule.FIXED, 1.1, "a fixed threshold must lie in [0, 1]"),
        (Rule.FIXED, np.nan, "a fixed threshold must lie in [0, 1], got nan"),
        (Rule.PERCENTILE, 0, "a percentile threshold must lie in (0, 100], got 0"),
        (Rule.PERCENTILE, 101, "a percentile threshold must lie in (0, 100]"),
    ],
)
def test_parameters_out_of_range_are_refused(rule: Rule, value: float, message: str) -> None:
    assert_refused(lambda: Threshold(rule, value), ValueError, message)


def test_a_map_of_nan_or_a_threshold_beyond_is_refused() -> None:
    assert_refused(lambda: binarize(np.array([[np.nan]]), 0.5), ValueError, "the heat map holds NaN")
    assert_refused(lambda: binarize(np.zeros((1, 1)), 2), ValueError, "threshold must lie in [0, 1], got 2")


@pytest.mark.parametrize("seed", range(3))
def test_the_iou_is_that_of_the_sets_of_pixels(seed: int) -> None:
    values, mask = _map(seed), np.random.default_rng(seed).random((30, 40)) < 0.2
    hot = {*zip(*np.nonzero(values > 0.4), strict=True)}
    lesion = {*zip(*np.nonzero(mask), strict=True)}
    found = compute_cam_iou(values, mask.astype(int) * 255, 0.4, operator=">")
    assert found == pytest.approx(len(hot & lesion) / len(hot | lesion))


def test_an_empty_union_has_the_iou_zero() -> None:
    assert compute_cam_iou([[0.0, 0.2]], [[0, 0]]) == 0.0
    assert isinstance(compute_cam_iou([[1.0]], [[True]]), float)
