from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from btxrd_explain.core.choices import ResizeMode, Space
from btxrd_explain.core.geometry import Frame, Size
from btxrd_explain.core.heatmap import MapStatus, heat_map, judge

SQUARE = Frame.fit(Size(4, 4), Size(2, 2), ResizeMode.SQUASH)
grids = arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=5), elements=st.floats(-9, 9, width=32))


@pytest.mark.parametrize(
    ("grid", "magnitude", "status"),
    [
        ([[0.0, 1.0]], None, MapStatus.OK),
        ([[-1.0, 0.0]], None, MapStatus.NO_POSITIVE_EVIDENCE),
        ([[0.0, 0.0]], None, MapStatus.NO_POSITIVE_EVIDENCE),
        ([[2.0, 2.0]], None, MapStatus.FLAT),
        ([[1e-10, 0.0]], 1.0, MapStatus.NO_POSITIVE_EVIDENCE),
        ([[1e-10, 0.0]], 1e-10, MapStatus.OK),
        ([[5.0, 5.0 + 1e-7]], 5.0, MapStatus.FLAT),
        ([[np.nan, 1.0]], None, MapStatus.NON_FINITE),
        ([[np.inf, 1.0]], None, MapStatus.NON_FINITE),
    ],
)
def test_judging_raw_grids(grid: list[list[float]], magnitude: float | None, status: MapStatus) -> None:
    assert judge(np.array(grid), magnitude) is status


def test_negative_evidence_is_cut_off_before_scaling() -> None:
    grid = np.array([[-8.0, -8.0], [4.0, 4.0]], np.float32)
    heat = heat_map(grid, Frame.fit(Size(2, 2), Size(2, 2), ResizeMode.SQUASH), status=judge(grid))
    assert heat.values.tolist() == [[0, 0], [1, 1]]
    assert heat.peak == 4.0


@pytest.mark.parametrize("status", [MapStatus.NO_POSITIVE_EVIDENCE, MapStatus.FLAT])
def test_a_degenerate_grid_is_never_stretched(status: MapStatus) -> None:
    heat = heat_map(np.array([[1e-10, 0.0]], np.float32), SQUARE, status=status)
    assert heat.status is status
    assert not heat.values.any()


def test_a_non_finite_grid_has_no_peak() -> None:
    heat = heat_map(np.array([[np.nan]], np.float32), SQUARE, status=MapStatus.NON_FINITE)
    assert heat.peak is None
    assert not heat.values.any()


def test_what_varies_outside_the_crop_is_flat_inside() -> None:
    frame = Frame.fit(Size(40, 1), Size(1, 1), ResizeMode.CROP)
    grid = np.array([[1.0]], np.float32)
    for space in Space:
        assert heat_map(grid, frame, status=MapStatus.OK, space=space).status is MapStatus.FLAT


def test_what_is_not_seen_has_no_part_in_the_scaling() -> None:
    """All visible values are positive; padding and unseen pixels must not become the minimum."""
    grid = np.array([[2.0, 2.0], [4.0, 4.0]], np.float32)
    crop = Frame.fit(Size(8, 4), Size(4, 4), ResizeMode.CROP)
    values = heat_map(grid, crop, status=MapStatus.OK).values
    assert values[[0, 1, 6, 7]].max() == 0
    assert (values[2].max(), values[5].min()) == (0, 1)
    letterbox = Frame.fit(Size(4, 8), Size(4, 4), ResizeMode.LETTERBOX)
    padded = heat_map(grid, letterbox, status=MapStatus.OK, space=Space.INPUT).values
    assert padded[[0, 3]].max() == 0
    assert (padded[1].max(), padded[2].min()) == (0, 1)


@given(grid=grids, space=st.sampled_from(Space))
def test_a_heat_map_spans_zero_to_one_or_is_empty(grid: np.ndarray, space: Space) -> None:
    heat = heat_map(grid, SQUARE, status=judge(grid), space=space)
    if heat.status is MapStatus.OK:
        assert (heat.values.min(), heat.values.max()) == (0, 1)
    else:
        assert not heat.values.any()


@given(grid=grids, factor=st.floats(0.0625, 64, width=32))
def test_scaling_the_scores_changes_nothing(grid: np.ndarray, factor: float) -> None:
    once, scaled = (heat_map(g, SQUARE, status=judge(g)) for g in (grid, grid * np.float32(factor)))
    if once.status is scaled.status is MapStatus.OK:
        np.testing.assert_allclose(once.values, scaled.values, atol=1e-3)
