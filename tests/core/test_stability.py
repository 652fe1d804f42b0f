"""Small changes of radiographs: what they do, that maps come back to where they were, and the rule of the verdict."""

from __future__ import annotations

import numpy as np
import pytest

from btxrd_explain.core.stability import (
    DECISIVE,
    LIMIT,
    STRENGTHS,
    Change,
    Followed,
    Stability,
    changed,
    judge_stability,
    undone,
)
from btxrd_explain.core.statistics import Estimate

IMAGE = np.random.default_rng(0).random((3, 24, 20), np.float32)
EVERY = [(change, strength) for change, strengths in STRENGTHS.items() for strength in strengths]


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(("change", "strength"), EVERY)
def test_a_change_is_seeded_and_stays_in_range(change: Change, strength: float) -> None:
    found, again = (changed(IMAGE, change, strength, _rng()) for _ in range(2))
    assert found.shape == IMAGE.shape
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, again)
    assert found.min() >= 0
    assert found.max() <= 1
    assert not np.array_equal(found, IMAGE)


@pytest.mark.parametrize("change", [Change.SHIFT, Change.FLIP])
@pytest.mark.parametrize("seed", range(6))
def test_a_map_that_moves_with_the_radiograph_is_moved_back(change: Change, seed: int) -> None:
    for strength in STRENGTHS[change]:
        moved = changed(IMAGE, change, strength, _rng(seed))[0]
        back, seen = undone(moved, change, strength, _rng(seed))
        np.testing.assert_array_equal(back[seen], IMAGE[0][seen])
        lost = strength if change is Change.SHIFT else 0
        assert back[seen].shape == (24 - lost, 20 - lost)


def test_directions_of_shifts_differ() -> None:
    corners = {changed(IMAGE, Change.SHIFT, 8, _rng(seed))[0, 0, 0].item() for seed in range(20)}
    assert len(corners) == 4


def test_changes_are_what_they_are_called() -> None:
    grey = np.full((3, 64, 64), 0.5, np.float32)
    noise = changed(grey, Change.NOISE, 1, _rng()) - grey
    assert noise.std() == pytest.approx(0.01, rel=0.1)
    np.testing.assert_array_equal(noise[0], noise[2])
    np.testing.assert_allclose(changed(grey, Change.BRIGHTNESS, 10, _rng()), 0.6)
    smooth = np.broadcast_to(np.linspace(0, 1, 64, dtype=np.float32), (3, 64, 64))
    errors = [np.abs(changed(smooth, Change.JPEG, quality, _rng()) - smooth).mean() for quality in (95, 50)]
    assert 0 < errors[0] < errors[1] < 0.02


def _found(low: float | None, high: float | None, *, n: int = 9, vanished: int = 0, incomplete: int = 0) -> Followed:
    value = None if low is None or high is None else (low + high) / 2
    return Followed(Estimate(value, low, high, n, n), vanished, incomplete)


SAME = _found(0.9, 0.95)


@pytest.mark.parametrize(
    ("noise", "outcome", "said"),
    [
        (SAME, Stability.STABLE, "or more"),
        (_found(LIMIT, 0.9), Stability.STABLE, "0.85 [0.80, 0.90] or more (1 % noise)"),
        (_found(0.5, 0.79), Stability.UNSTABLE, "1 % noise: they correlate at 0.65 [0.50, 0.79]"),
        (_found(0.5, LIMIT), Stability.UNDECIDED, "1 % noise: they correlate"),
        (_found(0.9, 0.95, n=4, vanished=5), Stability.UNSTABLE, "5 of 9 maps vanish"),
        (_found(0.9, 0.95, n=5, vanished=5), Stability.STABLE, "or more"),
        (_found(0.9, 0.95, n=4, incomplete=5), Stability.UNDECIDED, "5 of 9 maps do not add up"),
        (_found(None, None, n=1), Stability.UNDECIDED, "only 1 maps can be compared"),
    ],
)
def test_the_rule_of_the_verdict(noise: Followed, outcome: Stability, said: str) -> None:
    found, text = judge_stability(dict.fromkeys(DECISIVE, SAME) | {Change.NOISE: noise})
    assert found is outcome
    assert said in text


def test_one_change_that_moves_maps_outweighs_one_that_is_undecided() -> None:
    found, text = judge_stability({Change.FLIP: _found(0.5, 0.9), Change.JPEG: _found(0.1, 0.2), Change.SHIFT: SAME})
    assert found is Stability.UNSTABLE
    assert "JPEG of quality 90" in text
    assert "flip" not in text
