"""The statistics behind the warnings: what they find, and where they are silent."""

from __future__ import annotations

from itertools import permutations
from math import comb
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from btxrd_explain.core.anomalies import (
    LEVEL,
    are_constant,
    are_identical,
    are_undecided,
    find_exchange,
    saturated,
    tail_bound,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

GOOD = np.array([[250, 20, 12], [30, 190, 11], [4, 6, 41]])
"""As in the usual test split of 282, 231 and 51 radiographs."""


def scores(rows: list[Any]) -> NDArray[np.float32]:
    return np.array(rows, dtype=np.float32)


def confusion(*rows: list[int]) -> NDArray[np.int64]:
    return np.array(rows, dtype=np.int64)


@pytest.mark.parametrize("order", [order for order in permutations(range(3)) if order != (0, 1, 2)])
def test_names_in_any_other_order_are_found(order: tuple[int, ...]) -> None:
    """The network's output for what is really class i has the name of class order[i]."""
    seen = np.zeros_like(GOOD)
    seen[:, list(order)] = GOOD
    found = find_exchange(seen)
    assert found is not None
    assert [found.order[said] for said in order] == [0, 1, 2]
    assert found.moved == tuple(index for index in range(3) if order[index] != index)


def test_only_the_images_of_exchanged_classes_count() -> None:
    found = find_exchange(confusion([270, 6, 6], [9, 12, 210], [2, 43, 6]))
    assert found is not None
    assert (found.moved, found.images) == ((1, 2), 271)
    assert found.accuracy == pytest.approx(18 / 271)
    assert found.exchanged == pytest.approx(253 / 271)
    assert found.chance == pytest.approx((222 * 55 + 49 * 216) / 271**2)


def test_a_network_that_is_right_is_left_alone() -> None:
    assert find_exchange(GOOD) is None


def test_the_bound_is_that_of_a_fair_coin() -> None:
    """All of n images exchanged between two classes: the bound is 2^-n, shared among the five orders of three."""
    least = next(n for n in range(1, 99) if 0.5**n <= LEVEL / 5)
    assert least == 16
    even = least // 2
    assert find_exchange(confusion([9, 0, 0], [0, 0, even], [0, even, 0])) is not None
    assert find_exchange(confusion([9, 0, 0], [0, 0, even - 1], [0, even, 0])) is None


@pytest.mark.parametrize(
    "seen",
    [
        confusion([0, 0, 282], [0, 0, 231], [0, 0, 51]),  # one class always
        confusion([150, 66, 66], [123, 54, 54], [27, 12, 12]),  # nothing learnt
        confusion([200, 60, 22], [150, 60, 21], [30, 15, 6]),  # little learnt
        confusion([250, 20, 12], [100, 40, 91], [10, 22, 19]),  # tumours poorly told apart
        confusion([0, 0, 0], [0, 0, 0], [0, 0, 0]),
    ],
)
def test_bad_classifiers_are_not_taken_for_exchanged_ones(seen: NDArray[np.int64]) -> None:
    assert find_exchange(seen) is None


@given(st.lists(st.lists(st.integers(0, 5), min_size=3, max_size=3), min_size=3, max_size=3))
def test_fifteen_images_are_never_enough(rows: list[list[int]]) -> None:
    seen = confusion(*rows)
    if seen.sum() < 16:
        assert find_exchange(seen) is None


def test_chance_hardly_ever_cries_wolf() -> None:
    """Labels and predictions drawn apart, of 5 to 300 images and classes of any shares: 2,000 times without a word."""
    random = np.random.default_rng(0)
    alarms = 0
    for _ in range(2_000):
        shares = random.dirichlet([1, 1, 1], size=2)
        images = int(random.integers(5, 300))
        pairs = [random.choice(3, size=images, p=share) for share in shares]
        seen = np.bincount(pairs[0] * 3 + pairs[1], minlength=9).reshape(3, 3)
        alarms += find_exchange(seen) is not None
    assert alarms == 0


def test_of_many_classes_pairs_are_exchanged() -> None:
    seen = np.diag(np.full(12, 30))
    seen[[3, 7]] = seen[[7, 3]]
    found = find_exchange(seen)
    assert found is not None
    assert found.moved == (3, 7)
    assert found.order == (0, 1, 2, 7, 4, 5, 6, 3, 8, 9, 10, 11)


@given(st.integers(1, 60), st.data(), st.floats(0.05, 0.95))
def test_the_bound_lies_above_the_binomial_tail(count: int, data: st.DataObject, chance: float) -> None:
    hits = data.draw(st.integers(0, count))
    terms = [comb(count, k) * chance**k * (1 - chance) ** (count - k) for k in range(count + 1)]
    tail = sum(terms[hits:]) if hits >= chance * count else sum(terms[: hits + 1])
    assert tail_bound(hits / count, chance, count) >= tail - 1e-9


def test_what_chance_cannot_do_has_no_probability() -> None:
    assert tail_bound(0.5, 0.0, 3) == 0
    assert tail_bound(0.0, 0.0, 3) == 1


def test_scores_are_the_same_by_their_logarithms() -> None:
    sure = scores([[1 - 1e-6, 1e-6], [1 - 1e-7, 1e-7]])
    assert not are_constant(sure)
    assert are_constant(scores([[0.3, 0.7], [0.3002, 0.6998]]))
    assert not are_constant(scores([[0.3, 0.7], [0.3006, 0.6994]]))
    assert are_constant(scores([[0, 1], [0, 1]]))


def test_undecided_means_within_a_margin_of_an_even_share() -> None:
    even = scores([[0.34, 0.33, 0.33], [0.30, 0.32, 0.38]])
    assert are_undecided(even)
    assert not are_undecided(scores([*even, [0.30, 0.31, 0.39]]))
    assert not are_undecided(scores([[0.44, 0.56]]))


def test_saturated_means_that_float32_knows_nothing_else() -> None:
    assert saturated(scores([[1, 0], [1 - 1e-5, 1e-5], [1 - 5e-7, 5e-7]])).tolist() == [True, False, True]


def test_heat_maps_are_identical_up_to_their_scale() -> None:
    grid = scores([[[1, -2], [3, 4]], [[0, 1], [1, 0]]])
    assert are_identical(np.stack([grid, 3 * grid, 0.5 * grid]))
    moved = grid + scores([[0, 0], [0.01, 0]])
    assert not are_identical(np.stack([grid, moved]))
    assert not are_identical(np.stack([grid, np.zeros_like(grid)]))
    assert not are_identical(np.stack([grid, np.full_like(grid, np.nan)]))
