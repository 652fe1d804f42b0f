"""Interpolation of grids against its definition, for all frames, and its extremes against those of all pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from btxrd_explain.core.choices import ResizeMode
from btxrd_explain.core.geometry import Frame, Size
from btxrd_explain.core.interpolation import Line, Surface, extremes

sides = st.integers(1, 50)
frames = st.builds(
    Frame.fit,
    st.builds(Size, sides, sides),
    st.builds(Size, sides, sides),
    st.sampled_from(ResizeMode),
    crop_fraction=st.sampled_from([0.875, 1.0]),
)
cells = st.integers(1, 9)


def _exact(grid: np.ndarray, rows: Line, columns: Line) -> np.ndarray:
    """The definition, pixel by pixel: np.interp along the rows, then along the columns."""
    across = np.array([np.interp(columns.coordinates, np.arange(grid.shape[1]), row) for row in grid])
    full = np.array([np.interp(rows.coordinates, np.arange(grid.shape[0]), column) for column in across.T]).T
    inside = np.zeros(full.shape, bool)
    inside[rows.inside, columns.inside] = True
    return np.where(inside, full, 0)


@given(frame=frames, height=cells, width=cells, seed=st.integers(0, 99), on_input=st.booleans())
def test_every_pixel_follows_the_definition(
    frame: Frame, height: int, width: int, seed: int, *, on_input: bool
) -> None:
    grid = np.random.default_rng(seed).normal(size=(height, width))
    lines = (frame.lines_on_input if on_input else frame.lines_on_original)(grid.shape)
    ours = Surface(grid, *lines).part()
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, _exact(grid, *lines), atol=1e-6 * np.abs(grid).max())


@given(frame=frames, height=cells, width=cells, seed=st.integers(0, 99), on_input=st.booleans())
def test_extremes_are_those_of_all_pixels(frame: Frame, height: int, width: int, seed: int, *, on_input: bool) -> None:
    """Few distinct values, so that there are plateaus and ties; the first of equal pixels counts."""
    grid = np.random.default_rng(seed).integers(0, 3, (height, width)).astype(np.float64)
    rows, columns = (frame.lines_on_input if on_input else frame.lines_on_original)(grid.shape)
    seen = _exact(grid, rows, columns)[rows.inside, columns.inside]
    found = extremes(grid, rows, columns)
    if seen.size == 0:
        assert found is None
        return
    assert found is not None
    assert [found.low, found.high] == pytest.approx([seen.min(), seen.max()])
    first = np.unravel_index(int((seen >= seen.max() - 1e-9).argmax()), seen.shape)
    assert found.hottest == (first[0] + rows.inside.start, first[1] + columns.inside.start)
    row, column = found.coldest
    assert seen[row - rows.inside.start, column - columns.inside.start] == pytest.approx(seen.min())


def test_corners_by_hand() -> None:
    """Eight pixels on three cells: centres at 0, 1 and 2; two pixels lie before the first one, two after the last."""
    coordinates = np.array([-0.4, -0.1, 0.2, 0.5, 0.8, 1.5, 2.1, 2.4])
    assert Line(coordinates, 3, slice(0, 8)).corners().tolist() == [0, 1, 2, 4, 5, 6, 7]
    assert Line(coordinates, 3, slice(3, 6)).corners().tolist() == [3, 4, 5]
    assert Line(coordinates, 3, slice(0, 0)).corners().tolist() == []


@given(frame=frames, height=cells, width=cells, seed=st.integers(0, 99), step=st.integers(1, 7))
def test_every_nth_pixel_has_the_value_that_it_has_among_all(
    frame: Frame, height: int, width: int, seed: int, step: int
) -> None:
    grid = np.random.default_rng(seed).normal(size=(height, width))
    lines = frame.lines_on_original(grid.shape)
    every = Surface(grid, *(line.every(step) for line in lines)).part()
    np.testing.assert_array_equal(every, Surface(grid, *lines).part()[step // 2 :: step, step // 2 :: step])


windows = st.tuples(st.integers(0, 49), st.integers(1, 50))


@given(frame=frames, height=cells, width=cells, seed=st.integers(0, 99), down=windows, right=windows)
def test_pixels_that_need_no_clipping_are_within_the_range_and_come_in_any_memory(
    frame: Frame, height: int, width: int, seed: int, down: tuple[int, int], right: tuple[int, int]
) -> None:
    """Cells are a little below 0 where the lowest pixel is no cell's centre, or exactly 0 and 1, or between."""
    random = np.random.default_rng(seed)
    grid = random.choice([-1e-9, 0.0, 1e-30, 0.4, 1.0], (height, width), p=random.dirichlet(np.ones(5)))
    surface = Surface(grid, *frame.lines_on_original(grid.shape))
    window = slice(down[0], down[0] + down[1]), slice(right[0], right[0] + right[1])
    pixels = surface.part()[window]
    if not surface.may_leave(*window):
        assert ((pixels >= 0) & (pixels < 1)).all()
    elif pixels.size:
        assert grid.min() < 0 or grid.max() == 1
    memory = np.full(pixels.shape, np.nan, np.float32)
    assert surface.part(*window, memory) is memory
    np.testing.assert_array_equal(memory, pixels)


def test_the_mass_of_a_map_weighs_each_cell_by_the_pixels_that_it_has_a_part_in() -> None:
    frame = Frame.fit(Size(31, 17), Size(8, 8), ResizeMode.LETTERBOX)
    grid = np.random.default_rng(0).random((3, 5))
    surface = Surface(grid, *frame.lines_on_original(grid.shape))
    assert surface.rows.weight.sum() == pytest.approx(31)
    assert surface.mass == pytest.approx(_exact(grid, surface.rows, surface.columns).sum())


def test_cells_as_fine_as_pixels_are_looked_at_by_the_thousand() -> None:
    """The maps of other programs are often as large as the radiograph."""
    random, size = np.random.default_rng(0), Size(300, 200)
    grid = random.random(size) * (random.random(size) > 0.5)
    grid[:, 90:110] = 0
    frame = Frame.fit(size, size, ResizeMode.SQUASH)
    surface, image = Surface(grid, *frame.lines_on_original(grid.shape)), np.zeros(size, np.float32)
    blocks = list(surface.blocks())
    assert len(blocks) < 20
    for block in blocks:
        part = surface.part(block.rows, block.columns)
        assert block.low <= part.min()
        assert part.max() <= np.float32(block.high)
        image[block.rows, block.columns] = part
    np.testing.assert_array_equal(image, surface.part())
    assert not any(block.columns.start <= 100 < block.columns.stop for block in blocks)
