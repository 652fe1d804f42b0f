from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn import metrics

from btxrd_explain.core.classification import rates, reliability
from btxrd_explain.core.roc import GRID, precision_recall, roc
from btxrd_explain.core.statistics import Resampling

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from btxrd_explain.core.roc import Curve


def _sample(seed: int, *, images: int = 60, classes: int = 3) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return labels and probabilities with many ties."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, images)
    raw = random.dirichlet(np.ones(classes), images) + 0.7 * np.eye(classes)[labels] * random.random((images, 1))
    return labels, np.round(raw / raw.sum(axis=1, keepdims=True), 2).clip(0, 1)


def _few(images: int) -> Resampling:
    return Resampling.of_images(images, resamples=20, seed=1)


@pytest.mark.parametrize("seed", range(8))
def test_areas_agree_with_scikit_learn(seed: int) -> None:
    labels, probabilities = _sample(seed)
    for index in range(3):
        positive, scores = labels == index, probabilities[:, index]
        if positive.any() and not positive.all():
            assert roc(scores, positive, _few(60)).area.value == pytest.approx(metrics.roc_auc_score(positive, scores))
            assert precision_recall(scores, positive, _few(60)).area.value == pytest.approx(
                metrics.average_precision_score(positive, scores)
            )


@pytest.mark.parametrize("seed", range(8))
def test_rates_agree_with_scikit_learn(seed: int) -> None:
    labels, probabilities = _sample(seed)
    predicted = probabilities.argmax(axis=1)
    found = rates(labels, predicted, 3, _few(60))
    every: dict[str, Any] = {"labels": [0, 1, 2], "average": None, "zero_division": np.nan}
    assert found.accuracy.value == pytest.approx(metrics.accuracy_score(labels, predicted))
    assert found.balanced_accuracy.value == pytest.approx(metrics.balanced_accuracy_score(labels, predicted))
    assert found.macro_f1.value == pytest.approx(metrics.f1_score(labels, predicted, average="macro"))
    for name, score in (
        ("sensitivity", metrics.recall_score(labels, predicted, **every)),
        ("precision", metrics.precision_score(labels, predicted, **every)),
        ("f1", metrics.f1_score(labels, predicted, **every)),
    ):
        values = [np.nan if one.value is None else one.value for one in found.per_class[name]]
        np.testing.assert_allclose(values, score)
    for index, one in enumerate(found.per_class["specificity"]):
        assert one.value == pytest.approx(metrics.recall_score(labels != index, predicted != index))


@pytest.mark.parametrize("seed", range(3))
def test_intervals_are_those_of_drawing_images_and_scoring_them_anew(seed: int) -> None:
    """By brute force: scikit-learn on each draw, percentiles by hand."""
    labels, probabilities = _sample(seed, images=40)
    resampling = Resampling.of_images(40, resamples=60, seed=seed)
    draws = [
        indices
        for block in resampling.weights()
        for weights in block
        for indices in [np.repeat(np.arange(40), weights.astype(int))]
    ]
    positive, scores = labels == 1, probabilities[:, 1]
    for found, score in (
        (roc(scores, positive, resampling).area, metrics.roc_auc_score),
        (precision_recall(scores, positive, resampling).area, metrics.average_precision_score),
    ):
        values = [score(positive[indices], scores[indices]) for indices in draws]
        assert [found.low, found.high] == pytest.approx(np.quantile(values, [0.025, 0.975]))
    predicted = probabilities.argmax(axis=1)
    values = [metrics.balanced_accuracy_score(labels[indices], predicted[indices]) for indices in draws]
    balanced = rates(labels, predicted, 3, resampling).balanced_accuracy
    assert [balanced.low, balanced.high] == pytest.approx(np.quantile(values, [0.025, 0.975]))


def test_curves_by_hand() -> None:
    """Scores 0.9+ 0.8- 0.7+ 0.7- 0.1-: two of the class, three of the rest, one tie."""
    scores = np.array([0.7, 0.9, 0.1, 0.8, 0.7])
    positive = np.array([True, True, False, False, False])
    curve = roc(scores, positive, _few(5))
    at = dict(zip(GRID.round(3).tolist(), curve.values.tolist(), strict=True))
    assert at[0.0] == 0.5  # the most that no false alarm gives
    assert at[0.5] == pytest.approx(0.75)  # halfway through the tie, from (1/3, 1/2) to (2/3, 1)
    assert at[1.0] == 1.0
    assert curve.area.value == pytest.approx((1 + 1 + 1 + 0 + 1 + 0.5) / 6)  # pairs won, ties half
    curve = precision_recall(scores, positive, _few(5))
    at = dict(zip(GRID.round(3).tolist(), curve.values.tolist(), strict=True))
    assert (at[0.0], at[0.5], at[0.505], at[1.0]) == (1.0, 1.0, 0.5, 0.5)
    assert curve.area.value == pytest.approx(0.5 * 1 + 0.5 * 0.5)


@pytest.mark.parametrize("seed", range(8))
def test_curves_lie_within_bounds_and_their_intervals_around_them(seed: int) -> None:
    labels, probabilities = _sample(seed)
    positive, scores = labels == 0, probabilities[:, 0]
    for curve in (roc(scores, positive, _few(60)), precision_recall(scores, positive, _few(60))):
        for line in (curve.values, curve.low, curve.high):
            assert ((line >= 0) & (line <= 1)).all()
        assert (curve.low <= curve.high).all()
    assert (np.diff(roc(scores, positive, _few(60)).values) >= 0).all()


@pytest.mark.parametrize("seed", range(4))
def test_curves_turn_where_scikit_learns_do(seed: int) -> None:
    labels, probabilities = _sample(seed)
    positive, scores = labels == 0, probabilities[:, 0]
    false, true, _ = metrics.roc_curve(positive, scores, drop_intermediate=False)
    found = roc(scores, positive, _few(60)).points
    np.testing.assert_allclose(_turns(found, 1), _turns(np.column_stack([false, true]), 1))
    precision, recall, _ = metrics.precision_recall_curve(positive, scores)
    expected = np.column_stack([recall, precision])[::-1][1:]  # from the highest score on, without its last point
    found = precision_recall(scores, positive, _few(60)).points
    np.testing.assert_allclose(_turns(found, 0), _turns(expected, 0))


def _turns(points: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Leave out the points that both neighbours share a coordinate with: the line goes straight on there."""
    level = np.diff(points[:, axis]) == 0
    turning: NDArray[np.float64] = points[~np.concatenate([[False], level[:-1] & level[1:], [False]])]
    return turning


def test_a_recall_reaches_its_place_on_the_grid() -> None:
    """Seven of ten are reached at 7 / 10, whatever 140 times the rounded 0.005 is."""
    positive = np.arange(20) % 2 == 0
    curve = precision_recall(np.linspace(1, 0, 20), positive, _few(20))
    assert curve.values[140] == 7 / 13
    assert (GRID[7 * 20], GRID[-1]) == (7 / 10, 1.0)


@pytest.mark.parametrize("build", [roc, precision_recall])
def test_curves_of_no_images_are_refused(build: Callable[..., Curve]) -> None:
    with pytest.raises(ValueError, match="no images are given"):
        build(np.empty(0), np.empty(0, bool), _few(0))


@pytest.mark.parametrize("positive", [np.zeros(4, bool), np.ones(4, bool)])
def test_without_both_kinds_there_is_no_roc_curve(positive: NDArray[np.bool_]) -> None:
    curve = roc(np.array([0.1, 0.4, 0.4, 0.9]), positive, _few(4))
    assert curve.area.value is None
    assert np.isnan(curve.values).all()


@pytest.mark.parametrize("seed", range(4))
def test_curves_and_intervals_are_those_of_each_draw(seed: int) -> None:
    """Every draw as a sample of its own, by scikit-learn; draws without both kinds have no part."""
    labels, probabilities = _sample(seed)
    positive, scores = labels == labels[0], probabilities[:, 0].round(1)
    resampling = Resampling.of_images(len(labels), resamples=40, seed=seed)
    drawn = [(positive[draw], scores[draw]) for draw in resampling.indices() if 0 < positive[draw].sum() < len(draw)]
    tested = (
        (roc, lambda true, values: np.interp(GRID, *metrics.roc_curve(true, values)[:2])),
        (precision_recall, _precision_at),
    )
    for build, by_sklearn in tested:
        curve = build(scores, positive, resampling.kept())
        ends = np.quantile([by_sklearn(true, values) for true, values in drawn], [0.025, 0.975], axis=0)
        np.testing.assert_allclose([curve.low[1:], curve.high[1:]], ends[:, 1:], rtol=0, atol=1e-12)


def _precision_at(true: NDArray[np.bool_], values: NDArray[np.floating]) -> NDArray[np.float64]:
    """The precision of the first threshold, from the highest, that reaches each recall."""
    precision, recall, _ = metrics.precision_recall_curve(true, values)
    return np.array([precision[:-1][recall[:-1] >= level][-1] for level in GRID])


def test_kept_draws_are_the_same_and_belong_to_one_sample() -> None:
    resampling = Resampling.of_groups(["a", "b", "a", None], resamples=7, seed=3)
    kept = resampling.kept()
    assert kept.drawn
    for one, other in zip(kept.weights(), resampling.weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    fewer = replace(kept, unit_of=np.arange(2))
    assert next(fewer.weights()).shape == (7, 2)


def test_without_the_class_there_is_no_precision() -> None:
    curve = precision_recall(np.array([0.1, 0.9]), np.zeros(2, bool), _few(2))
    assert (curve.area.value, curve.area.low) == (None, None)
    assert np.isnan(curve.values).all()


def test_calibration_by_hand() -> None:
    """Bins [0.2, 0.3): said 0.25, right 1 of 2; [0.9, 1]: said 0.95, right 2 of 2."""
    said = np.array([0.2, 0.3 - 1e-9, 0.9, 1.0])
    found = reliability(said, np.array([True, False, True, True]), _few(4))
    assert found.counts.tolist() == [0, 0, 2, 0, 0, 0, 0, 0, 0, 2]
    assert found.probability[[2, 9]] == pytest.approx([0.25, 0.95])
    assert found.right[[2, 9]].tolist() == [0.5, 1.0]
    assert np.isnan(found.right[5])
    assert found.low[[2, 9]] == pytest.approx([0.0945, 0.3424], abs=1e-4)  # Wilson, 1 of 2 and 2 of 2
    assert found.high[[2, 9]] == pytest.approx([0.9055, 1.0], abs=1e-4)
    assert found.error.value == pytest.approx(0.5 * 0.25 + 0.5 * 0.05)
    assert found.brier.value == pytest.approx((0.64 + 0.09 + 0.01 + 0) / 4)


@pytest.mark.parametrize("seed", range(8))
def test_brier_agrees_with_scikit_learn_and_bins_with_its_calibration_curve(seed: int) -> None:
    from sklearn.calibration import calibration_curve  # noqa: PLC0415 -- only here

    labels, probabilities = _sample(seed)
    said, outcomes = probabilities[:, 0] + 1e-6, labels == 0  # off the edges, which scikit-learn sorts the other way
    said = said.clip(0, 1)
    found = reliability(said, outcomes, _few(60))
    assert found.brier.value == pytest.approx(metrics.brier_score_loss(outcomes, said))
    right, mean = calibration_curve(outcomes, said, n_bins=10)
    np.testing.assert_allclose(found.right[found.counts > 0], right)
    np.testing.assert_allclose(found.probability[found.counts > 0], mean)


def test_probabilities_that_come_true_have_no_error_in_the_long_run() -> None:
    random = np.random.default_rng(0)
    said = random.random(200_000)
    found = reliability(said, random.random(200_000) < said, Resampling.of_images(200_000, resamples=5))
    assert found.error.value is not None
    assert found.error.value < 0.005


def test_the_order_of_the_images_does_not_show_in_the_last_digit() -> None:
    """Sums that are exact are those of any order: of a library for linear algebra nobody knows which one it takes."""
    random = np.random.default_rng(5)
    said = random.random(500) ** 4
    outcomes = random.random(500) < said
    order = random.permutation(500)
    one, other = (reliability(said[rows], outcomes[rows], _few(500)) for rows in (np.arange(500), order))
    assert (one.error.value, one.brier.value) == (other.error.value, other.brier.value)
    np.testing.assert_array_equal(one.probability, other.probability)


@pytest.mark.parametrize(
    "call",
    [
        lambda: roc(np.array([0.5, np.nan]), np.array([True, False]), _few(2)),
        lambda: roc(np.array([0.5]), np.array([True, False]), _few(2)),
        lambda: precision_recall(np.empty(0), np.empty(0, bool), _few(0)),
        lambda: rates(np.array([0, 3]), np.array([0, 1]), 3, _few(2)),
        lambda: rates(np.array([0]), np.array([0, 1]), 3, _few(2)),
        lambda: reliability(np.array([1.5]), np.array([True]), _few(1)),
        lambda: reliability(np.empty(0), np.empty(0, bool), _few(0)),
    ],
    ids=["nan", "shapes", "none", "class", "rates", "probability", "empty"],
)
def test_what_does_not_fit_is_refused(call: Any) -> None:  # noqa: ANN401 -- a call that fails
    with pytest.raises(ValueError, match=r"finite|units|no images|outside|do not fit"):
        call()
