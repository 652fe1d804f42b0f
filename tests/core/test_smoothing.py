"""Maps averaged over views, and the ceiling of such maps."""

from __future__ import annotations

import numpy as np
import pytest

from btxrd_explain.core.ceiling import ceiling_iou, ideal_grid, reference_lesions
from btxrd_explain.core.choices import ResizeMode, Smooth
from btxrd_explain.core.geometry import Frame, Size
from btxrd_explain.core.smoothing import PASSES, SHIFTS, averaged, cells_of


def test_each_fine_cell_is_the_mean_of_the_cells_that_cover_it() -> None:
    """The upper left fine cell is covered by the plain view alone, others by up to four."""
    random = np.random.default_rng(0)
    views = random.normal(size=(4, 2, 3, 5))
    found = averaged(list(views), Smooth.SHIFT2)
    assert found.shape == (2, 6, 10)
    for row in range(6):
        for column in range(10):
            covering = [
                view[:, (row - down) // 2, (column - right) // 2]
                for view, (down, right) in zip(views, SHIFTS, strict=True)
                if row >= down and column >= right
            ]
            np.testing.assert_allclose(found[:, row, column], np.mean(covering, axis=0))


def test_views_that_agree_stay_as_they_are() -> None:
    flat = np.full((1, 2, 2), 3.0)
    for smooth, passes in PASSES.items():
        found = averaged([flat] * passes, smooth)
        assert found.shape[1:] == cells_of(Size(2, 2), smooth)
        assert (found == 3).all()


@pytest.mark.parametrize("mode", [ResizeMode.SQUASH, ResizeMode.CROP])
def test_the_ideal_map_is_moved_and_averaged_alike(mode: ResizeMode) -> None:
    """By hand: the fraction of the lesion in what each moved view shows of the radiograph."""
    mask = np.random.default_rng(1).random((16, 24)) > 0.6
    size = Size(16, 24) if mode is ResizeMode.SQUASH else Size(16, 16)
    frame = Frame.fit(Size(16, 24), size, mode)
    seen = mask[:, -frame.left : -frame.left + size.width].astype(float)
    views = []
    for down, right in SHIFTS:
        view = np.full(seen.shape, np.nan)
        below, beside = 2 * down, size.width // 8 * right
        view[: 16 - below, : size.width - beside] = seen[below:, beside:]
        views.append(np.nanmean(view.reshape(4, 4, 4, -1), axis=(1, 3)))
    expected = averaged(views, Smooth.SHIFT2)
    np.testing.assert_allclose(ideal_grid(mask, frame, Size(8, 8), Smooth.SHIFT2), expected, atol=1e-6)
    plain = ideal_grid(mask, frame, Size(4, 4))
    np.testing.assert_array_equal(ideal_grid(mask, frame, Size(4, 4), Smooth.FLIP), plain)


def test_maps_half_a_cell_apart_can_draw_lesions_better() -> None:
    """Better than one grid, and worse than a grid of twice the rows and columns."""
    ceilings = []
    for grid, smooth in ((Size(7, 7), Smooth.NONE), (Size(7, 7), Smooth.SHIFT2), (Size(14, 14), Smooth.NONE)):
        ious = []
        for mask in reference_lesions(20):
            frame = Frame.fit(Size(*mask.shape), Size(224, 224), ResizeMode.SQUASH)
            ious.append(ceiling_iou(mask, frame, grid, smooth=smooth) or 0.0)
        ceilings.append(np.mean(ious))
    assert ceilings[0] + 0.02 < ceilings[1] < ceilings[2]
