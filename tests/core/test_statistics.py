"""Bootstrap intervals and rank correlation, against enumeration, simulation and SciPy."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from btxrd_explain.core import statistics as bootstrap
from btxrd_explain.core.statistics import Estimate, Resampling, mean_intervals, spearman

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

NAN = float("nan")


def _column(values: Sequence[float]) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64)[:, None]


def _exact(groups: Sequence[Sequence[float]], level: float = 0.95) -> list[float]:
    """Percentiles of the means of all equally likely draws of groups."""
    means = []
    for drawn in product(groups, repeat=len(groups)):
        values = [value for group in drawn for value in group]
        means.append(sum(values) / len(values))
    tail = (1 - level) / 2
    ends: list[float] = np.quantile(means, [tail, 1 - tail], method="inverted_cdf").tolist()
    return ends


def test_interval_of_a_few_images_is_that_of_all_their_draws() -> None:
    values = [0.1, 0.2, 0.4, 0.8, 0.05]
    (estimate,) = mean_intervals(_column(values), Resampling.of_images(5, resamples=40_000))
    assert estimate.value == pytest.approx(0.31)
    assert [estimate.low, estimate.high] == pytest.approx(_exact([[value] for value in values]), abs=0.011)
    assert (estimate.n, estimate.units) == (5, 5)


def test_interval_over_groups_is_that_of_all_draws_of_groups() -> None:
    groups = [[0.1, 0.2], [0.9], [0.5, 0.4, 0.6], [0.3]]
    names = [name for name, group in zip("abcd", groups, strict=True) for _ in group]
    values = _column([value for group in groups for value in group])
    (estimate,) = mean_intervals(values, Resampling.of_groups(names, resamples=40_000))
    assert [estimate.low, estimate.high] == pytest.approx(_exact(groups), abs=0.011)
    assert (estimate.n, estimate.units) == (7, 4)


def test_interval_agrees_with_scipy() -> None:
    values = np.random.default_rng(5).beta(1, 6, 300)
    (ours,) = mean_intervals(_column(list(values)), Resampling.of_images(300, resamples=5000, seed=1))
    theirs = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=5000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    assert ours.low == pytest.approx(theirs.low, abs=0.002)
    assert ours.high == pytest.approx(theirs.high, abs=0.002)


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(11)
    covered = 0
    for seed in range(400):
        sample = random.exponential(1.0, (60, 1))
        (estimate,) = mean_intervals(sample, Resampling.of_images(60, resamples=400, seed=seed))
        assert estimate.low is not None
        assert estimate.high is not None
        covered += estimate.low <= 1.0 <= estimate.high
    assert 0.90 <= covered / 400 <= 0.97  # the percentile interval is a little too short on skewed samples


def test_images_of_one_group_do_not_count_twice() -> None:
    values = np.random.default_rng(0).random(30)
    (once,) = mean_intervals(_column(list(values)), Resampling.of_images(30))
    repeated, names = _column(list(np.repeat(values, 4))), list(np.repeat(np.arange(30), 4))
    (grouped,) = mean_intervals(repeated, Resampling.of_groups(names))
    (naive,) = mean_intervals(repeated, Resampling.of_images(120))
    assert grouped.low == pytest.approx(once.low)
    assert grouped.high == pytest.approx(once.high)
    widths = [estimate.high - estimate.low for estimate in (naive, grouped)]  # type: ignore[operator]
    assert widths[0] / widths[1] == pytest.approx(0.5, abs=0.1)


def test_what_is_undefined_is_left_out_of_means_and_counted() -> None:
    values = np.array([[0.2, NAN, NAN], [NAN, NAN, 0.7], [0.4, NAN, NAN], [0.6, NAN, NAN]])
    first, none, single = mean_intervals(values, Resampling.of_images(4))
    assert first.value == pytest.approx(0.4)
    assert first.n == 3
    assert first.low is not None
    assert first.high is not None
    assert 0.2 <= first.low < 0.4 < first.high <= 0.6
    assert none == Estimate(None, None, None, 0, 0)
    assert single == Estimate(0.7, None, None, 1, 1)  # one image says nothing about others


def test_groups_of_one_image_are_images() -> None:
    values = _column([0.1, 0.5, 0.3])
    assert mean_intervals(values, Resampling.of_groups(["x", "y", "z"])) == mean_intervals(
        values, Resampling.of_images(3)
    )


def test_no_images_have_no_mean() -> None:
    assert mean_intervals(np.empty((0, 1)), Resampling.of_images(0)) == [Estimate(None, None, None, 0, 0)]


def test_draws_do_not_depend_on_how_many_are_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(3).random((50, 4))
    whole = mean_intervals(values, Resampling.of_images(50))
    assert mean_intervals(values, Resampling.of_images(50, seed=1)) != whole
    monkeypatch.setattr(bootstrap, "_WEIGHTS_AT_ONCE", 170)
    pieces = list(Resampling.of_images(50).weights())
    assert {piece.shape for piece in pieces[:-1]} == {(3, 50)}
    assert sum(len(piece) for piece in pieces) == 1000
    assert mean_intervals(values, Resampling.of_images(50)) == whole


def test_intervals_are_the_same_to_the_last_digit_in_whatever_order_sums_run() -> None:
    values = np.random.default_rng(7).random((300, 5)) * [1, 1e-9, 1e9, -1, 0]
    resampling = Resampling.of_images(300)
    with_sums = mean_intervals(values, resampling)
    (weights,) = resampling.weights()
    summands = bootstrap.exactly_summable(values)
    assert (np.abs(summands - values) <= np.abs(values).max(axis=0) * 1e-12).all()
    backwards = np.add.accumulate((weights[:, ::-1, None] * summands[::-1]), axis=1)[:, -1] / 300
    low, high = resampling.interval(backwards)
    assert [(estimate.low, estimate.high) for estimate in with_sums] == list(zip(low, high, strict=True))


def test_a_paired_difference_is_surer_than_its_two_means() -> None:
    random = np.random.default_rng(8)
    first = random.random(100)
    second = first - 0.02 + random.normal(0, 0.01, 100)
    resampling = Resampling.of_images(100)
    (difference,) = mean_intervals(_column(list(first - second)), resampling)
    (alone,) = mean_intervals(_column(list(first)), resampling)
    assert difference.low is not None
    assert difference.high is not None
    assert difference.low > 0.01
    assert alone.low is not None
    assert alone.high is not None
    assert difference.high - difference.low < (alone.high - alone.low) / 10


@pytest.mark.parametrize("values", [np.zeros(3), np.zeros((2, 1)), np.full((3, 1), np.inf)])
def test_values_that_do_not_fit_are_refused(values: NDArray[np.float64]) -> None:
    with pytest.raises(ValueError, match=r"expected values|infinite"):
        mean_intervals(values, Resampling.of_images(3))


pairs = st.integers(2, 30).flatmap(
    lambda n: st.tuples(*[arrays(np.float64, n, elements=st.integers(0, 8).map(float)) for _ in range(2)])
)


@given(pairs)
def test_spearman_is_scipys(pair: tuple[NDArray[np.float64], NDArray[np.float64]]) -> None:
    first, second = pair
    ours = spearman(first, second, Resampling.of_images(len(first), resamples=3))
    if len(np.unique(first)) == 1 or len(np.unique(second)) == 1:
        assert ours.value is None
    else:
        assert ours.value == pytest.approx(scipy.stats.spearmanr(first, second).statistic, abs=1e-12)


def test_each_draw_of_spearman_is_that_of_the_drawn_images() -> None:
    random = np.random.default_rng(4)
    first, second = random.integers(0, 6, 25).astype(float), random.random(25)
    resampling = Resampling.of_images(25, resamples=200)
    draws = [scipy.stats.spearmanr(first[draw], second[draw]).statistic for draw in resampling.indices()]
    estimate = spearman(first, second, resampling)
    assert [estimate.low, estimate.high] == pytest.approx(np.quantile(draws, [0.025, 0.975]).tolist())


def test_spearman_leaves_out_images_without_either_value() -> None:
    first, second = np.array([1.0, NAN, 3.0, 2.0]), np.array([1.0, 2.0, 9.0, NAN])
    estimate = spearman(first, second, Resampling.of_images(4))
    assert (estimate.value, estimate.n) == (1.0, 2)
    assert spearman(first[:2], second[:2], Resampling.of_images(2)) == Estimate(None, None, None, 1, 1)


def test_columns_of_different_lengths_have_no_correlation() -> None:
    with pytest.raises(ValueError, match="two columns of 3"):
        spearman(np.zeros(3), np.zeros(2), Resampling.of_images(3))
