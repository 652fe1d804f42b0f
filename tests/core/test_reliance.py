"""Excess, rank and verdict: hand-computed, and right as often as they say where there is nothing to be found."""

from __future__ import annotations

import numpy as np
import pytest

from btxrd_explain.core.reliance import Reliance, excess, judge_reliance, rank_of
from btxrd_explain.core.statistics import Estimate, Resampling, mean_intervals


def test_a_lesion_like_its_controls_is_called_so_in_the_promised_share() -> None:
    """1,000 data sets of 60 images, whose lesion is drawn as each of its 9 controls is, with images that differ."""
    random = np.random.default_rng(0)
    level = random.normal(0, 1, (1000, 60, 1))
    effects = level + random.standard_t(4, (1000, 60, 10)) * random.uniform(0.2, 2, (1000, 60, 1))
    lesion, controls = effects[..., 0], effects[..., 1:]
    found = mean_intervals(excess(lesion, controls).T, Resampling.of_images(60))
    verdicts = [judge_reliance(one).outcome for one in found]
    assert verdicts.count(Reliance.DEPENDS) <= 40
    assert verdicts.count(Reliance.OPPOSED) <= 40
    assert verdicts.count(Reliance.UNDECIDED) > 900
    assert (rank_of(lesion, controls) == 1).mean() == pytest.approx(0.1, abs=0.01)


def test_a_lesion_that_matters_is_found() -> None:
    random = np.random.default_rng(1)
    effects = random.normal(0, 1, (60, 10))
    effects[:, 0] -= 3
    (found,) = mean_intervals(excess(effects[:, 0], effects[:, 1:])[:, None], Resampling.of_images(60))
    assert judge_reliance(found).outcome is Reliance.DEPENDS
    assert (rank_of(effects[:, 0], effects[:, 1:]) == 1).mean() > 0.8


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (-0.3, -0.01, Reliance.DEPENDS),
        (-0.1, 0.1, Reliance.INDEPENDENT),
        (0.0, 0.0, Reliance.INDEPENDENT),
        (-0.2, 0.05, Reliance.UNDECIDED),
        (0.01, 0.05, Reliance.OPPOSED),
        (None, None, Reliance.UNDECIDED),
    ],
)
def test_the_interval_decides(low: float | None, high: float | None, outcome: Reliance) -> None:
    value = None if low is None or high is None else (low + high) / 2
    assert judge_reliance(Estimate(value, low, high, 5, 5)).outcome is outcome


def test_the_count_is_behind_the_verdict() -> None:
    assert "(95 % interval, n = 40)" in judge_reliance(Estimate(-2.0, -3.0, -1.0, 40, 40)).text
    assert "-2.00 [-3.00, -1.00]" in judge_reliance(Estimate(-2.0, -3.0, -1.0, 40, 40)).text
    assert "no image" in judge_reliance(Estimate(None, None, None, 0, 0)).text
    assert "only 1 image " in judge_reliance(Estimate(-2.0, None, None, 1, 1)).text
    assert "3 values of only 1 independent image " in judge_reliance(Estimate(-2.0, None, None, 3, 1)).text


def test_fewer_than_five_controls_give_no_rank_and_undefined_stays_so() -> None:
    nan = np.nan
    controls = np.array([[1, 2, 3, 4, nan], [1, 2, 3, 4, 5.0], [nan] * 5, [0, 0, 0, 0, 0.0]])
    lesion = np.array([0.0, nan, 0.0, 0.0])
    assert np.array_equal(rank_of(lesion, controls), [nan, nan, nan, 6.0], equal_nan=True)
    assert np.array_equal(excess(lesion, controls), [-2.5, nan, nan, 0.0], equal_nan=True)
