"""Sign-flip tests, Holm's adjustment, equivalence and the number of images that would tell."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest

from btxrd_explain.core.significance import FLIPS, HALF_WIDTH, holm, sign_flip_test, units_needed, within
from btxrd_explain.core.statistics import Estimate, Resampling, mean_intervals

if TYPE_CHECKING:
    from collections.abc import Sequence


def test_few_differences_have_the_p_value_of_all_their_signs() -> None:
    values = np.array([0.3, 0.1, -0.05, 0.2, 0.15, 0.02, 0.08])
    sums = [abs(np.dot(signs, values)) for signs in product((-1, 1), repeat=len(values))]
    exact = np.mean(np.array(sums) >= abs(values.sum()) - 1e-12)
    (p,) = sign_flip_test(values[:, None], Resampling.of_images(len(values)))
    assert p == pytest.approx(exact, abs=0.01)


def test_images_of_a_group_have_one_sign() -> None:
    values = np.repeat([0.3, 0.1, 0.2], 4)[:, None]
    (alone,) = sign_flip_test(values, Resampling.of_images(12))
    (grouped,) = sign_flip_test(values, Resampling.of_groups(np.repeat(["a", "b", "c"], 4).tolist()))
    assert alone == pytest.approx(2 / 2**12, abs=5e-4)
    assert grouped == pytest.approx(2 / 2**3, abs=0.02)


def test_what_is_undefined_has_no_part() -> None:
    values = np.array([[0.2, np.nan], [0.4, np.nan], [np.nan, 0.1], [0.1, np.nan], [0.3, np.nan]])
    p, undefined = sign_flip_test(values, Resampling.of_images(5))
    assert p == pytest.approx(2 / 2**4, abs=0.02)
    assert undefined is None


@pytest.mark.parametrize("images", [30, 100])
def test_one_in_twenty_null_samples_is_called_a_difference(images: int) -> None:
    null = np.random.default_rng(images).standard_t(3, (images, 2000))
    found = [p <= 0.05 for p in sign_flip_test(null, Resampling.of_images(images)) if p is not None]
    assert len(found) == 2000
    assert 0.035 <= np.mean(found) <= 0.065


def test_a_p_value_is_never_0() -> None:
    assert sign_flip_test(np.ones((60, 1)), Resampling.of_images(60)) == [1 / (FLIPS + 1)]


@pytest.mark.parametrize(
    ("p_values", "adjusted"),  # of statsmodels 0.15.0, multipletests(p_values, method="holm")
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.2, 0.9, 0.001, 0.05, 0.05], [0.4, 0.9, 0.005, 0.2, 0.2]),
        ([0.6, 0.5, 0.4], [1.0, 1.0, 1.0]),
    ],
)
def test_holm_agrees_with_statsmodels(p_values: Sequence[float], adjusted: Sequence[float]) -> None:
    assert holm(p_values) == pytest.approx(adjusted, abs=1e-12)


def test_alike_is_what_lies_within_the_margin() -> None:
    assert within(Estimate(0.0, -0.01, 0.015, 20, 20), 0.02) is True
    assert within(Estimate(0.0, -0.01, 0.025, 20, 20), 0.02) is False
    assert within(Estimate(0.0, None, None, 1, 1), 0.02) is None


def test_the_number_that_is_needed_gives_the_half_width() -> None:
    random = np.random.default_rng(3)
    sample = random.beta(1, 4, (80, 1))
    (found,) = mean_intervals(sample, Resampling.of_images(80))
    needed = units_needed(found)
    assert needed is not None
    widths = []
    for seed in range(20):
        again = random.choice(sample, needed)
        (estimate,) = mean_intervals(again, Resampling.of_images(needed, seed=seed))
        assert estimate.low is not None
        assert estimate.high is not None
        widths.append((estimate.high - estimate.low) / 2)
    assert np.mean(widths) == pytest.approx(HALF_WIDTH, rel=0.1)
    assert units_needed(Estimate(0.5, None, None, 1, 1)) is None
