"""The ideal grid of a lesion: against numbers computed by hand, conservation of area, and torch's pooling."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from btxrd_explain.core.ceiling import ideal_grid
from btxrd_explain.core.choices import ResizeMode
from btxrd_explain.core.geometry import Frame, Size

SIDES = st.integers(1, 40)


def _mask(size: Size, seed: int = 0) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    return np.random.default_rng(seed).random(size) < 0.4


def test_pixels_on_the_border_of_two_cells_count_by_area() -> None:
    """Three rows on two cells: each cell covers one and a half of them."""
    mask = np.array([[True, False], [True, False], [False, True]])
    frame = Frame.fit(Size(3, 2), Size(8, 8), ResizeMode.SQUASH)
    np.testing.assert_allclose(ideal_grid(mask, frame, Size(2, 2)), [[1.0, 0.0], [1 / 3, 2 / 3]], atol=1e-6)


def test_what_is_cropped_away_has_no_part() -> None:
    """The crop keeps the four middle columns of six."""
    mask = np.zeros((4, 6), dtype=bool)
    mask[:, 0] = mask[0, 1] = True
    frame = Frame.fit(Size(4, 6), Size(4, 4), ResizeMode.CROP)
    np.testing.assert_allclose(ideal_grid(mask, frame, Size(2, 2)), [[0.25, 0.0], [0.0, 0.0]], atol=1e-6)


def test_padding_dilutes_no_cell() -> None:
    """A 4 x 2 image in a 4 x 4 input: of 4 x 3 cells the outer columns are half padding, and still full of lesion."""
    frame = Frame.fit(Size(4, 2), Size(4, 4), ResizeMode.LETTERBOX)
    np.testing.assert_allclose(ideal_grid(np.ones((4, 2), bool), frame, Size(4, 3)), np.ones((4, 3)), atol=1e-6)
    columns = ideal_grid(np.ones((4, 2), bool), frame, Size(1, 8))[0]
    np.testing.assert_allclose(columns, [0, 0, 1, 1, 1, 1, 0, 0], atol=1e-6)


@given(height=st.integers(1, 5), width=st.integers(1, 5), rows=SIDES, columns=SIDES, seed=st.integers(0, 99))
def test_whole_pixels_per_cell_are_pooled_as_torch_pools(
    height: int, width: int, rows: int, columns: int, seed: int
) -> None:
    size = Size(rows * height, columns * width)
    mask = _mask(size, seed)
    frame = Frame.fit(size, Size(224, 160), ResizeMode.SQUASH)
    pooled = torch.nn.functional.avg_pool2d(torch.from_numpy(mask)[None].float(), (height, width))[0].numpy()
    np.testing.assert_allclose(ideal_grid(mask, frame, Size(rows, columns)), pooled, atol=1e-5)


@given(size=st.builds(Size, SIDES, SIDES), grid=st.builds(Size, SIDES, SIDES), seed=st.integers(0, 99))
def test_area_is_kept_where_everything_is_seen(size: Size, grid: Size, seed: int) -> None:
    mask = _mask(size, seed)
    ideal = ideal_grid(mask, Frame.fit(size, Size(96, 64), ResizeMode.SQUASH), grid)
    assert ideal.mean() == pytest.approx(mask.mean(), abs=1e-5)
    assert ideal.min() >= 0
    assert ideal.max() <= 1 + 1e-5


@given(mode=st.sampled_from(ResizeMode), size=st.builds(Size, SIDES, SIDES), seed=st.integers(0, 99))
def test_lesions_add_up(mode: ResizeMode, size: Size, seed: int) -> None:
    mask = _mask(size, seed)
    frame = Frame.fit(size, Size(48, 32), mode)
    whole, part, rest = (ideal_grid(m, frame, Size(5, 3)) for m in (np.ones_like(mask), mask, ~mask))
    np.testing.assert_allclose(part + rest, whole, atol=1e-5)


@pytest.mark.parametrize(
    ("mask", "grid", "message"),
    [
        (np.zeros((4, 5), bool), Size(2, 2), "expected a boolean mask"),
        (np.zeros((4, 4), np.uint8), Size(2, 2), "expected a boolean mask"),
        (np.zeros((4, 4), bool), Size(0, 2), "at least 1 x 1 cells"),
    ],
)
def test_what_cannot_be_averaged_is_refused(
    mask: np.ndarray[tuple[int, int], np.dtype[np.bool_]], grid: Size, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ideal_grid(mask, Frame.fit(Size(4, 4), Size(8, 8), ResizeMode.SQUASH), grid)
