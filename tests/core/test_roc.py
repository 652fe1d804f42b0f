"""The threshold of the best Youden index, and what curves say where there is little to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from btxrd_explain.core.roc import GRID, areas_of, precision_recall, roc, youden
from btxrd_explain.core.statistics import Resampling
from tests.support.refusals import assert_refused

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCORES = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]), st.booleans()), min_size=1, max_size=12)


def _arrays(pairs: list[tuple[float, bool]]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    return np.array([score for score, _ in pairs]), np.array([true for _, true in pairs])


def _few(images: int) -> Resampling:
    return Resampling.of_images(images, resamples=10)


@settings(max_examples=60, deadline=None)
@given(SCORES)
def test_the_youden_threshold_is_the_best_of_all_that_are_tried(pairs: list[tuple[float, bool]]) -> None:
    scores, positive = _arrays(pairs)
    found = youden(scores, positive)
    if positive.all() or not positive.any():
        assert found is None
        return
    tried = {
        float(threshold): float((scores[positive] >= threshold).mean() + (scores[~positive] < threshold).mean() - 1)
        for threshold in scores
    }
    best = max(tried.values())
    if best <= 1e-12:
        assert found is None
        return
    assert found is not None
    assert found[1] == pytest.approx(best)
    assert found[0] == max(threshold for threshold, index in tried.items() if index == pytest.approx(best))


@settings(max_examples=40, deadline=None)
@given(SCORES)
def test_areas_are_scikit_learns_or_undefined(pairs: list[tuple[float, bool]]) -> None:
    scores, positive = _arrays(pairs)
    ((area, precision),) = areas_of(scores, positive, len(scores))(np.ones((1, len(scores))))
    both = bool(positive.any()) and not positive.all()
    assert area == pytest.approx(metrics.roc_auc_score(positive, scores) if both else np.nan, nan_ok=True)
    expected = metrics.average_precision_score(positive, scores) if positive.any() else np.nan
    assert precision == pytest.approx(expected, nan_ok=True)


@settings(max_examples=25, deadline=None)
@given(SCORES, st.data())
def test_an_image_that_counts_twice_is_an_image_that_is_there_twice(
    pairs: list[tuple[float, bool]], data: st.DataObject
) -> None:
    scores, positive = _arrays(pairs)
    weights = np.array([data.draw(st.integers(0, 2)) for _ in pairs])
    repeated = np.repeat(np.arange(len(pairs)), weights)
    (weighted,) = areas_of(scores, positive, len(scores))(weights[None].astype(float))
    if not len(repeated):
        assert np.isnan(weighted).all()
        return
    (plain,) = areas_of(scores[repeated], positive[repeated], len(repeated))(np.ones((1, len(repeated))))
    np.testing.assert_allclose(weighted, plain)


def test_the_order_of_images_does_not_matter() -> None:
    random = np.random.default_rng(0)
    scores, positive = random.random(30).round(1), random.random(30) < 0.4
    order = random.permutation(30)
    for curve in (roc, precision_recall):
        first, second = curve(scores, positive, _few(30)), curve(scores[order], positive[order], _few(30))
        np.testing.assert_array_equal(first.values, second.values)
        np.testing.assert_array_equal(first.points, second.points)
        assert first.area.value == second.area.value


@pytest.mark.parametrize("true", [True, False])
def test_one_class_alone_has_no_roc_curve(true: bool) -> None:
    curve = roc(np.array([0.2, 0.7]), np.array([true, true]), _few(2))
    assert (curve.area.value, curve.area.low, curve.area.n) == (None, None, 2)
    for line in (curve.values, curve.low, curve.high):
        assert line.shape == GRID.shape
        assert np.isnan(line).all()


def test_precision_is_defined_where_every_image_is_of_the_class() -> None:
    every = precision_recall(np.array([0.2, 0.7]), np.array([True, True]), _few(2))
    assert every.area.value == 1.0
    assert (every.values == 1).all()
    none = precision_recall(np.array([0.2, 0.7]), np.array([False, False]), _few(2))
    assert none.area.value is None
    assert np.isnan(none.values).all()


def test_scores_that_are_all_equal_are_chance() -> None:
    scores, positive = np.full(8, 0.5), np.arange(8) < 2
    curve = roc(scores, positive, _few(8))
    assert curve.area.value == 0.5
    np.testing.assert_allclose(curve.values, GRID)
    np.testing.assert_array_equal(curve.points, [[0, 0], [1, 1]])
    assert precision_recall(scores, positive, _few(8)).area.value == 0.25
    assert youden(scores, positive) is None


def test_one_unit_has_no_interval() -> None:
    group = Resampling.of_groups(["a", "a", "a"], resamples=10)
    area = roc(np.array([0.1, 0.6, 0.9]), np.array([False, True, True]), group).area
    assert (area.value, area.low, area.high, area.units) == (1.0, None, None, 1)


@pytest.mark.parametrize(
    ("scores", "positive", "images", "message"),
    [
        ([0.1, 0.2], [True], 2, "(2,) scores, (1,) labels and (2,) units"),
        ([0.1], [True], 2, "(1,) scores, (1,) labels and (2,) units"),
        ([], [], 0, "no images are given"),
        ([0.1, np.nan], [True, False], 2, "a score is not finite"),
        ([0.1, np.inf], [True, False], 2, "a score is not finite"),
    ],
)
def test_what_cannot_be_ranked_is_refused(scores: list[float], positive: list[bool], images: int, message: str) -> None:
    given_scores, given_truths = np.array(scores, float), np.array(positive, bool)
    for curve in (roc, precision_recall):
        assert_refused(lambda: curve(given_scores, given_truths, _few(images)), ValueError, message)  # noqa: B023 -- at once
