"""How an output holds its grid: shapes of real networks, counted by hand, and laws."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from btxrd_explain.core.geometry import Size
from btxrd_explain.model.layout import Layout, Order, find_layout

SQUARE = Size(224, 224)
FIRST, LAST, TOKENS = Order.CHANNELS_FIRST, Order.CHANNELS_LAST, Order.TOKENS


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [
        ((1, 1280, 7, 7), SQUARE, Layout(FIRST, Size(7, 7))),
        ((1, 7, 7, 768), SQUARE, Layout(LAST, Size(7, 7))),
        ((1, 49, 768), SQUARE, Layout(TOKENS, Size(7, 7))),
        ((1, 197, 192), SQUARE, Layout(TOKENS, Size(14, 14), 1)),
        ((1, 198, 192), SQUARE, Layout(TOKENS, Size(14, 14), 2)),
        ((1, 2048, 8, 8), Size(299, 299), Layout(FIRST, Size(8, 8))),  # Inception loses cells at the borders
        ((1, 4032, 11, 11), Size(331, 331), Layout(FIRST, Size(11, 11))),  # NASNet wins one
        ((1, 8, 15, 15), Size(32, 32), Layout(FIRST, Size(15, 15))),  # a convolution of 3 x 3, stride 2, not padded
        ((1, 8, 204, 204), SQUARE, Layout(FIRST, Size(204, 204))),  # ten of them with stride 1
        ((1, 8, 5, 4), Size(160, 128), Layout(FIRST, Size(5, 4))),
        ((1, 81, 64), Size(160, 128), Layout(TOKENS, Size(10, 8), 1)),
        ((1, 6, 384), Size(160, 128), Layout(TOKENS, Size(3, 2))),  # not 2 x 3
        ((1, 6, 384), Size(128, 160), Layout(TOKENS, Size(2, 3))),
        ((1, 3, 197, 197), SQUARE, None),  # attention between tokens
        ((1, 16, 49, 49), SQUARE, None),
        ((1, 3, 1, 401), Size(240, 240), None),
        ((1, 1280, 1, 1), SQUARE, None),
        ((1, 1280), SQUARE, None),
        ((1, 2, 192), SQUARE, None),  # a class and a distillation token
        ((1, 400, 96), Size(160, 128), None),  # 20 x 20 cells of an input that was squashed on the way
    ],
)
def test_shapes_of_real_networks(shape: tuple[int, ...], size: Size, expected: Layout | None) -> None:
    assert find_layout(shape, size, prefixes=(0, 1, 2)) == expected


@given(
    stride=st.integers(2, 32),
    rows=st.integers(2, 20),
    columns=st.integers(2, 20),
    rest=st.tuples(st.integers(0, 31), st.integers(0, 31)),
    padded=st.booleans(),
)
def test_every_strided_grid_is_found(
    stride: int, rows: int, columns: int, rest: tuple[int, int], *, padded: bool
) -> None:
    """Whatever the stride, and whether its last cell was padded or cut off."""
    size = Size(rows * stride + rest[0] % stride, columns * stride + rest[1] % stride)
    grid = Size(*(-(-side // stride) if padded else side // stride for side in size))
    assert find_layout((1, 64, *grid), size, channels=64) == Layout(FIRST, grid)
    assert find_layout((1, *grid, 64), size, channels=64) == Layout(LAST, grid)


@given(rows=st.integers(2, 24), columns=st.integers(2, 24), prefix=st.integers(0, 5))
def test_tokens_of_whole_patches_are_found(rows: int, columns: int, prefix: int) -> None:
    found = find_layout((1, rows * columns + prefix, 8), Size(rows * 16, columns * 16), prefixes=(prefix,))
    assert found == Layout(TOKENS, Size(rows, columns), prefix)


@pytest.mark.parametrize("layout", [Layout(FIRST, Size(2, 3)), Layout(LAST, Size(2, 3)), Layout(TOKENS, Size(2, 3), 2)])
def test_a_grid_goes_there_and_back(layout: Layout) -> None:
    """Cells in raster order: cell (1, 2) holds what belongs to the second row and the third column."""
    shape = {FIRST: (1, 4, 2, 3), LAST: (1, 2, 3, 4), TOKENS: (1, 8, 4)}[layout.order]
    output = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    grid = layout.to_grid(output)
    assert grid.shape == (1, 4, 2, 3)
    cell = {FIRST: (0, slice(None), 1, 2), LAST: (0, 1, 2), TOKENS: (0, 7)}[layout.order]
    torch.testing.assert_close(grid[0, :, 1, 2], output[cell])
    torch.testing.assert_close(layout.from_grid(grid, output), output)
