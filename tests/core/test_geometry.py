from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from btxrd_explain.core.choices import ResizeMode
from btxrd_explain.core.geometry import Frame, Size
from btxrd_explain.core.interpolation import Surface

sides = st.integers(1, 60)
sizes = st.builds(Size, sides, sides)


@given(original=sizes, network=sizes, mode=st.sampled_from(ResizeMode), crop=st.floats(0.3, 1.0))
def test_every_frame_fills_the_network_input(original: Size, network: Size, mode: ResizeMode, crop: float) -> None:
    frame = Frame.fit(original, network, mode, crop_fraction=crop)
    assert frame.place(np.ones(frame.resized, np.uint8)).shape == network
    assert frame.mask_to_input(np.ones(original, bool)).shape == network
    grid = np.ones((2, 3))
    assert Surface(grid, *frame.lines_on_original(grid.shape)).part().shape == original
    assert Surface(grid, *frame.lines_on_input(grid.shape)).part().shape == network


@given(original=sizes, network=sizes, rows=st.integers(1, 12), columns=st.integers(1, 12), seed=st.integers(0, 99))
def test_squash_upsamples_as_torch_does(original: Size, network: Size, rows: int, columns: int, seed: int) -> None:
    grid = np.random.default_rng(seed).normal(size=(rows, columns))
    ours = Surface(grid, *Frame.fit(original, network, ResizeMode.SQUASH).lines_on_original(grid.shape)).part()
    single = torch.from_numpy(grid.astype(np.float32))[None, None]
    theirs = torch.nn.functional.interpolate(single, size=tuple(original), mode="bilinear", align_corners=False)
    np.testing.assert_allclose(ours, theirs[0, 0].numpy(), atol=1e-5)


def test_letterbox_of_a_tall_radiograph() -> None:
    frame = Frame.fit(Size(8, 4), Size(4, 4), ResizeMode.LETTERBOX)
    assert (frame.resized, frame.top, frame.left) == (Size(4, 2), 0, 1)
    placed = frame.place(np.full((4, 2), 7, np.uint8))
    assert placed.tolist() == [[0, 7, 7, 0]] * 4
    mask = np.zeros((8, 4), bool)
    mask[6:, :2] = True
    assert frame.mask_to_input(mask).tolist() == [[False] * 4] * 3 + [[False, True, False, False]]


def test_crop_of_a_tall_radiograph_sees_the_middle_only() -> None:
    frame = Frame.fit(Size(8, 4), Size(4, 4), ResizeMode.CROP)
    assert (frame.resized, frame.top, frame.left) == (Size(8, 4), -2, 0)
    assert frame.place(np.arange(32, dtype=np.uint8).reshape(8, 4))[:, 0].tolist() == [8, 12, 16, 20]
    assert frame.window_seen == (slice(2, 6), slice(0, 4))
    heat = Surface(np.full((2, 2), 5.0), *frame.lines_on_original((2, 2))).part()
    assert heat[:, 0].tolist() == [0, 0, 5, 5, 5, 5, 0, 0]


def test_crop_fraction_is_timms_crop_pct() -> None:
    frame = Frame.fit(Size(100, 200), Size(70, 70), ResizeMode.CROP, crop_fraction=0.875)
    assert frame.resized == Size(80, 160)
    assert (frame.top, frame.left) == (-5, -45)


@pytest.mark.parametrize("mode", list(ResizeMode))
@pytest.mark.parametrize("original", [Size(80, 50), Size(50, 80), Size(33, 33)])
def test_image_mask_and_map_agree(original: Size, mode: ResizeMode) -> None:
    """A bright square lands, as image, as mask and as map, on the same place."""
    frame = Frame.fit(original, Size(64, 64), mode)
    square = np.zeros(original, bool)
    square[30:34, 24:28] = True
    carried = frame.mask_to_input(square)
    centre = np.argwhere(carried).mean(axis=0)
    grid = np.zeros((64, 64))
    grid[tuple(np.round(centre).astype(int))] = 1
    back = np.unravel_index(int(Surface(grid, *frame.lines_on_original(grid.shape)).part().argmax()), original)
    assert abs(back[0] - 31.5) <= 2
    assert abs(back[1] - 25.5) <= 2


def test_a_wrong_shape_is_refused() -> None:
    frame = Frame.fit(Size(8, 4), Size(4, 4), ResizeMode.SQUASH)
    with pytest.raises(ValueError, match="expected a mask of"):
        frame.mask_to_input(np.zeros((4, 8), bool))
    with pytest.raises(ValueError, match="expected an array of"):
        frame.place(np.zeros((8, 4)))


@pytest.mark.parametrize(("original", "fraction"), [(Size(0, 4), 1.0), (Size(4, 4), 0.0), (Size(4, 4), 1.5)])
def test_impossible_frames_are_refused(original: Size, fraction: float) -> None:
    with pytest.raises(ValueError, match="must"):
        Frame.fit(original, Size(4, 4), ResizeMode.CROP, crop_fraction=fraction)
