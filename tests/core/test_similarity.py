"""Rank correlation and structural similarity of maps, against SciPy and scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity

from btxrd_explain.core.metrics.similarity import spearman, ssim

maps = arrays(np.float32, (9, 11), elements=st.sampled_from([0.0, 0.5, 1.0]) | st.floats(0, 1, width=32))


@given(first=maps, second=maps)
def test_scipy_agrees(first: np.ndarray, second: np.ndarray) -> None:
    ours = spearman(first, second)
    if len(np.unique(first)) == 1 or len(np.unique(second)) == 1:
        assert ours is None
    else:
        assert ours == pytest.approx(spearmanr(first.ravel(), second.ravel()).statistic, abs=1e-9)


@given(first=maps, second=maps, data_range=st.floats(0.5, 4))
def test_scikit_image_agrees(first: np.ndarray, second: np.ndarray, data_range: float) -> None:
    exact = first.astype(np.float64), second.astype(np.float64)
    expected = structural_similarity(*exact, data_range=data_range)
    assert ssim(first, second, data_range=data_range) == pytest.approx(expected, abs=1e-9)


@given(first=maps)
def test_a_map_is_like_itself(first: np.ndarray) -> None:
    assert ssim(first, first) == pytest.approx(1)
    assert spearman(first, first) in (None, pytest.approx(1))
    if spearman(first, first) is not None:
        assert spearman(first, -first) == pytest.approx(-1)
        assert spearman(first, 4 * first) == pytest.approx(1)


def test_a_side_shorter_than_the_window_has_no_similarity() -> None:
    assert ssim(np.eye(6), np.eye(6)) is None
    assert ssim(np.eye(7), np.eye(7)) == pytest.approx(1)


@pytest.mark.parametrize("measure", [spearman, ssim])
def test_what_cannot_be_compared_is_refused(measure: object) -> None:
    assert callable(measure)
    with pytest.raises(ValueError, match="one shape"):
        measure(np.eye(7), np.eye(8))
    with pytest.raises(ValueError, match="one shape"):
        measure(np.zeros((0, 0)), np.zeros((0, 0)))
    with pytest.raises(ValueError, match="NaN"):
        measure(np.full((7, 7), np.nan), np.eye(7))
