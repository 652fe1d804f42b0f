"""PxAP of a data set, against scikit-learn on the pixels of all images together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from btxrd_explain.core.heatmap import HeatMap, MapStatus
from btxrd_explain.core.histogram import count_levels
from btxrd_explain.core.metrics.pixel_precision import PixelCounts, PixelPrecision, pooled_precision


def _image(seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    values = random.random((5 + seed, 8), dtype=np.float32)
    values[0, :2] = 0, 1
    return values, random.random(values.shape) < 0.1 + 0.2 * seed


def _counts(values: np.ndarray, mask: np.ndarray) -> PixelCounts:
    return PixelCounts.of(count_levels(HeatMap(values, 1.0, MapStatus.OK), values[mask]))


def test_pixels_of_all_images_are_pooled() -> None:
    images = [_image(seed) for seed in range(4)]
    whole = PixelPrecision()
    for values, mask in images:
        whole.add(_counts(values, mask))
    bins = np.concatenate([np.floor(values.astype(np.float64) * 1000).ravel() for values, _ in images])
    annotated = np.concatenate([mask.ravel() for _, mask in images])
    assert whole.value == pytest.approx(average_precision_score(annotated, bins), abs=1e-12)
    assert whole.chance == pytest.approx(annotated.mean(), abs=1e-12)


def test_parts_of_a_data_set_may_be_added_in_any_grouping() -> None:
    counts = [_counts(*_image(seed)) for seed in range(4)]
    at_once, first, second = PixelPrecision(), PixelPrecision(), PixelPrecision()
    for number, one in enumerate(counts):
        at_once.add(one)
        (first, second)[number % 2].add(one)
    second.add(first)
    assert (second.value, second.chance) == (at_once.value, at_once.chance)


def test_the_last_bin_holds_the_value_one_alone() -> None:
    values = np.array([[1.0, 0.9999, 0.999, 0.0]], np.float32)
    counts = _counts(values, np.array([[True, False, True, False]]))
    assert counts.whole[[0, 999, 1000]].tolist() == [1, 2, 1]
    assert counts.inside[[0, 999, 1000]].tolist() == [0, 1, 1]


def test_nothing_annotated_has_no_precision() -> None:
    empty = PixelPrecision()
    assert (empty.value, empty.chance) == (None, None)
    empty.add(_counts(_image(0)[0], np.zeros((5, 8), bool)))
    assert (empty.value, empty.chance) == (None, 0.0)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=6))
def test_precision_by_bins_is_that_of_the_pixels(bins: list[tuple[int, int]]) -> None:
    inside = np.array([hits for hits, _ in bins])
    whole = inside + [others for _, others in bins]
    found = pooled_precision(inside, whole)
    if not inside.any():
        assert np.isnan(found)
        return
    scores = np.repeat(np.arange(len(bins)), whole)
    annotated = np.concatenate([[1] * hits + [0] * others for hits, others in bins])
    assert found == pytest.approx(average_precision_score(annotated, scores), abs=1e-12)
