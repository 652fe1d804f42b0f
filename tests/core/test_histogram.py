"""Levels and sums of heat maps, against the same by plain arithmetic, and wherever the arrays lie in memory."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from btxrd_explain.core.choices import ResizeMode
from btxrd_explain.core.geometry import Frame, Size
from btxrd_explain.core.heatmap import HeatMap, MapStatus, heat_map
from btxrd_explain.core.histogram import (
    HUNDREDTHS,
    LEVELS_OF_HUNDREDTHS,
    LEVELS_PER_BYTE,
    TOP_LEVEL,
    count_levels,
    pixels_at,
    quantise,
)


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


def _heat(values: np.ndarray) -> HeatMap:
    return HeatMap(values, 1.0, MapStatus.OK)


@pytest.mark.parametrize("shape", [(40, 100), (57, 71), (1, 4001), (3000, 1), (700, 501)], ids=str)
def test_the_sum_is_the_same_wherever_the_array_lies(shape: tuple[int, int]) -> None:
    values = _made(shape)
    sums = {_heat(_placed(values, offset)).mass for offset in range(0, 64, 4)}
    assert len(sums) == 1
    exact = sum(map(Fraction, values.ravel().tolist()))
    assert sums.pop() == pytest.approx(float(exact), rel=1e-13)


@pytest.mark.parametrize("shape", [(3, 5), (1200, 400)], ids=str)
def test_levels_are_rounded_down_and_tell_the_byte_of_the_picture(shape: tuple[int, int]) -> None:
    values = _made(shape, seed=1)
    values[0, :3] = 0, 1, 1e-30
    levels = quantise(values)
    np.testing.assert_allclose(levels, np.maximum(values * TOP_LEVEL, values > 0) - 0.5, atol=0.51)
    np.testing.assert_array_equal(levels // LEVELS_PER_BYTE, (255 * values).astype(np.uint8))
    assert levels[0, :3].tolist() == [0, TOP_LEVEL, 1]


def test_each_byte_and_each_threshold_of_two_digits_begins_a_level_to_the_last_bit_of_float32() -> None:
    every = np.arange(0x3B000000, 0x3F800001, dtype=np.uint32).view(np.float32)  # from 0.002 to 1
    bytes_begin = every[1:][np.diff((every * np.float32(255)).astype(np.uint8)) > 0]
    assert len(bytes_begin) == 255
    for first, step in ((bytes_begin, LEVELS_PER_BYTE), (HUNDREDTHS[1:], TOP_LEVEL // 100)):
        expected = np.arange(1, len(first) + 1) * step
        np.testing.assert_array_equal(quantise(first), expected)
        assert (quantise(np.nextafter(first, np.float32(0))) < expected).all()
    np.testing.assert_array_equal(quantise(HUNDREDTHS), LEVELS_OF_HUNDREDTHS)


def test_pixels_are_counted_by_level_for_the_whole_image_and_for_the_annotation() -> None:
    values = np.array([[0, 7.5, 7.25], [TOP_LEVEL, 7.75, 0]], np.float32) / np.float32(TOP_LEVEL)
    heat, mask = _heat(values), np.array([[1, 1, 0], [1, 0, 0]], bool)
    counted = count_levels(heat, values[mask])
    assert {level: int(counted.whole[level]) for level in (0, 7, TOP_LEVEL)} == {0: 2, 7: 3, TOP_LEVEL: 1}
    assert (counted.pixels, counted.annotated) == (6, 3)
    assert counted.annotated_levels.tolist() == [0, 7, TOP_LEVEL]
    assert [int(counted.whole_from[level]) for level in (0, 1, 7, 8, TOP_LEVEL + 1)] == [6, 4, 4, 1, 0]
    assert [counted.level_reached_by(count) for count in (1, 2, 4, 5)] == [TOP_LEVEL, 7, 7, 0]
    positions, found = pixels_at(range(7, 8), heat)
    assert positions.tolist() == [1, 2, 4]
    assert found.tolist() == values.ravel()[[1, 2, 4]].tolist()


def test_the_lowest_level_has_all_that_is_more_than_nothing() -> None:
    """Also between cells that are all so cold that they would be rounded down to 0."""
    grid = np.zeros((3, 3), np.float32)
    grid[0, 0], grid[2, 2] = 1e-5, 1
    heat = heat_map(grid, Frame.fit(Size(30, 30), Size(30, 30), ResizeMode.SQUASH), status=MapStatus.OK)
    positions, _ = pixels_at(range(1, TOP_LEVEL + 1), heat)
    np.testing.assert_array_equal(positions, np.flatnonzero(heat.values))


def test_levels_are_counted_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    values = _made((1000, 700), seed=2) * (np.arange(700, dtype=np.float32) > 300)
    expected = count_levels(_heat(values), values[:5])
    monkeypatch.setattr("btxrd_explain.core.histogram._AT_ONCE", 2**18)
    counted = count_levels(_heat(values), values[:5])
    np.testing.assert_array_equal(counted.whole, expected.whole)
    np.testing.assert_array_equal(counted.whole, np.bincount(quantise(values).ravel(), minlength=TOP_LEVEL + 1))
    assert counted.whole[0] == np.count_nonzero(values == 0)


sides = st.integers(1, 70)


@given(
    original=st.builds(Size, sides, sides),
    mode=st.sampled_from(ResizeMode),
    cells=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    seed=st.integers(0, 99),
)
def test_a_map_that_is_made_in_parts_is_the_whole_one(
    original: Size, mode: ResizeMode, cells: tuple[int, int], seed: int
) -> None:
    grid = np.maximum(np.random.default_rng(seed).normal(size=cells), 0).astype(np.float32)
    heat = heat_map(grid, Frame.fit(original, Size(24, 32), mode), status=MapStatus.OK)
    whole = _heat(heat.values)
    window = slice(original.height // 3, original.height), slice(original.width // 4, original.width - 1)
    np.testing.assert_array_equal(heat.part(*window), heat.values[window])
    assert heat.mass == pytest.approx(whole.mass, rel=1e-5, abs=1e-5)
    counted, expected = (count_levels(of, heat.values[:2], equal=True) for of in (heat, whole))
    np.testing.assert_array_equal(counted.whole, expected.whole)
    np.testing.assert_array_equal(counted.inside, expected.inside)
    for made, plain in ((counted.equal, heat.values), (counted.equal_inside, heat.values[:2])):
        np.testing.assert_array_equal(made, [np.count_nonzero(plain == each) for each in HUNDREDTHS])
    for levels in (range(1), range(1, 2), range(20_000, TOP_LEVEL + 1)):
        for ours, theirs in zip(pixels_at(levels, heat), pixels_at(levels, whole), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("bad", [np.nan, -0.5, 1.5, np.inf])
def test_what_is_not_in_range_has_no_mass(bad: float) -> None:
    values = _made((20, 30))
    values[3, 4] = bad
    with pytest.raises(ValueError, match="NaN, or values outside"):
        _ = _heat(values).mass
