"""Images without what is to be explained, the order of pixels, and areas under curves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.integrate import trapezoid
from scipy.ndimage import gaussian_filter

from btxrd_explain.core.choices import Baseline
from btxrd_explain.core.perturbation import area_under_curve, baseline_image, importance_ranks, pixel_counts


def _image(seed: int = 0) -> np.ndarray[tuple[int, int, int], np.dtype[np.float32]]:
    return np.random.default_rng(seed).normal(1, 2, (3, 40, 60)).astype(np.float32)


def test_the_mean_baseline_is_each_channels_own_mean() -> None:
    image = _image()
    flat = baseline_image(image, Baseline.MEAN)
    assert flat.shape == image.shape
    assert flat.dtype == np.float32
    for channel, own in zip(flat, image, strict=True):
        assert np.unique(channel).tolist() == [pytest.approx(float(own.astype(np.float64).mean()), rel=1e-6)]


def test_the_blurred_baseline_is_scipys_gaussian_of_a_twentieth_of_the_shorter_side() -> None:
    image = _image()
    blurred = baseline_image(image, Baseline.BLUR)
    for found, own in zip(blurred, image, strict=True):
        expected = gaussian_filter(own.astype(np.float64), 0.05 * 40, mode="mirror", truncate=4)
        np.testing.assert_allclose(found, expected, atol=2e-3)
    assert blurred.std() < image.std() / 3


def test_a_baseline_leaves_the_image_as_it_is() -> None:
    image = _image()
    before = image.copy()
    for baseline in Baseline:
        baseline_image(image, baseline)
        np.testing.assert_array_equal(image, before)


@settings(max_examples=25)
@given(
    arrays(
        np.float32, st.tuples(st.integers(1, 8), st.integers(1, 8)), elements=st.sampled_from([0.0, 0.25, 0.5, 1.0])
    ),
    st.integers(0, 5),
)
def test_ranks_count_every_pixel_once_and_fall_with_importance(
    values: np.ndarray[tuple[int, int], np.dtype[np.float32]], seed: int
) -> None:
    ranks = importance_ranks(values, seed)
    assert sorted(ranks.ravel().tolist()) == list(range(values.size))
    ordered = values.ravel()[np.argsort(ranks.ravel())]
    assert (np.diff(ordered) <= 0).all()
    np.testing.assert_array_equal(ranks, importance_ranks(values, seed))


def test_equal_pixels_are_ranked_at_random_and_prefer_no_corner() -> None:
    flat = np.zeros((16, 16), np.float32)
    firsts = {int(importance_ranks(flat, seed).argmin()) for seed in range(20)}
    assert len(firsts) > 10
    top = np.mean([importance_ranks(flat, seed)[:8].mean() for seed in range(20)])
    assert top == pytest.approx(127.5, abs=6)


@settings(max_examples=25)
@given(st.integers(1, 10_000), st.integers(1, 60))
def test_steps_run_from_none_to_all_and_differ_by_one_pixel_at_most(pixels: int, steps: int) -> None:
    counts = pixel_counts(pixels, steps)
    assert (counts[0], counts[-1], len(counts)) == (0, pixels, steps + 1)
    widths = np.diff(counts)
    assert widths.min() >= 0
    assert widths.max() - widths.min() <= 2


@settings(max_examples=25)
@given(arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(2, 30)), elements=st.floats(0, 1)))
def test_the_area_is_scipys_trapezoid_over_the_fraction_of_pixels(
    curves: np.ndarray[tuple[int, int], np.dtype[np.float64]],
) -> None:
    expected = trapezoid(curves, dx=1 / (curves.shape[1] - 1), axis=-1)
    np.testing.assert_allclose(area_under_curve(curves), expected, atol=1e-12)
    assert (area_under_curve(curves) <= curves.max(axis=-1) + 1e-12).all()
