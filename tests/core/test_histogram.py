"""Levels and sums of heat maps, against the same by plain arithmetic, and wherever the arrays lie in memory."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from btxrd_explain.core.histogram import TOP_LEVEL, count_levels, pixels_at, quantise


def _made(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Values in [0, 1] of very different sizes, so that the order of a sum shows in its last digits."""
    return np.random.default_rng(seed).random(shape, np.float32) ** 6


def _placed(values: np.ndarray, offset: int) -> np.ndarray:
    """Return a copy that begins that many bytes behind a multiple of 64."""
    memory = np.empty(values.nbytes + 128, np.uint8)
    start = -memory.ctypes.data % 64 + offset
    copy = memory[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
    copy[...] = values
    return copy


@pytest.mark.parametrize("shape", [(40, 100), (57, 71), (1, 4001), (3000, 1), (700, 501)], ids=str)
def test_the_sum_is_the_same_wherever_the_array_lies(shape: tuple[int, int]) -> None:
    values = _made(shape)
    sums = {quantise(_placed(values, offset))[1] for offset in range(0, 64, 4)}
    assert len(sums) == 1
    exact = sum(map(Fraction, values.ravel().tolist()))
    assert sums.pop() == pytest.approx(float(exact), rel=1e-14)


def test_the_sum_of_a_view_is_that_of_its_copy() -> None:
    values = _made((300, 400))[:, 7:390]
    assert not values.flags.c_contiguous
    assert quantise(values)[1] == quantise(values.copy())[1]


@pytest.mark.parametrize("shape", [(3, 5), (1200, 400)], ids=str)
def test_levels_are_rounded_down_and_their_upper_byte_is_that_of_the_picture(shape: tuple[int, int]) -> None:
    values = _made(shape, seed=1)
    values[0, :2] = 0, 1
    levels, _ = quantise(values)
    np.testing.assert_array_equal(levels, np.floor(values * np.float32(TOP_LEVEL)))
    np.testing.assert_array_equal(levels >> 8, (255 * values.astype(np.float64)).astype(np.uint8))


def test_pixels_are_counted_by_level_for_the_whole_image_and_for_the_annotation() -> None:
    levels, mask = np.array([[0, 7, 7], [TOP_LEVEL, 7, 0]], np.uint16), np.array([[1, 1, 0], [1, 0, 0]], bool)
    counted = count_levels(levels, levels[mask])
    assert {level: int(counted.whole[level]) for level in (0, 7, TOP_LEVEL)} == {0: 2, 7: 3, TOP_LEVEL: 1}
    assert (counted.pixels, counted.annotated) == (6, 3)
    assert counted.annotated_levels.tolist() == [0, 7, TOP_LEVEL]
    assert [int(counted.whole_from[level]) for level in (0, 1, 7, 8, TOP_LEVEL + 1)] == [6, 4, 4, 1, 0]
    assert [counted.level_reached_by(count) for count in (1, 2, 4, 5)] == [TOP_LEVEL, 7, 7, 0]
    assert pixels_at(7, levels).tolist() == [1, 2, 4]


@pytest.mark.parametrize("bad", [np.nan, -0.5, 1.5, np.inf])
def test_the_sum_betrays_what_is_not_a_heat_map(bad: float) -> None:
    values = _made((20, 30))
    levels, mass = quantise(values)
    assert count_levels(levels, levels[:0]).fits(mass)
    values[3, 4] = bad
    levels, mass = quantise(values)
    assert not count_levels(levels, levels[:0]).fits(mass)
