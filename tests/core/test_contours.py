from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from btxrd_explain.core.contours import regions, simplified
from btxrd_explain.core.geometry import Size
from btxrd_explain.core.shapes import Shape, ShapeType, rasterise_union

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from btxrd_explain.core.contours import Region

MASKS = arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)))


def _placed(region: Region, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    placed = np.zeros(shape, bool)
    (left, top), (height, width) = region.origin, region.mask.shape
    placed[top : top + height, left : left + width] = region.mask
    return placed


@given(mask=MASKS)
def test_regions_make_up_the_mask_and_do_not_touch(mask: NDArray[np.bool_]) -> None:
    parts = [_placed(region, mask.shape) for region in regions(mask)]
    assert (np.sum(parts, axis=0, initial=0) == mask).all()
    areas = [region.area for region in regions(mask)]
    assert areas == sorted(areas, reverse=True)
    assert sum(areas) == mask.sum()


@given(mask=MASKS)
def test_labelmes_own_rasteriser_gives_a_region_back_from_its_border(mask: NDArray[np.bool_]) -> None:
    for region in regions(mask):
        if not region.holes and len(region.border) >= 3:
            shape = Shape("x", ShapeType.POLYGON, region.border.astype(float))
            drawn = rasterise_union([shape], Size(*mask.shape))
            np.testing.assert_array_equal(drawn, _placed(region, mask.shape))


def test_holes_are_found() -> None:
    mask = np.ones((7, 8), bool)
    mask[2:4, 2:4] = mask[5, 6] = False
    (ring,) = regions(mask)
    assert ring.border.tolist() == [[0, 0], [0, 6], [7, 6], [7, 0]]
    assert len(ring.holes) == 2


@given(mask=arrays(bool, (12, 12)), tolerance=st.floats(0.1, 3))
def test_simplifying_keeps_vertices_of_the_border(mask: NDArray[np.bool_], tolerance: float) -> None:
    for region in regions(mask):
        short = simplified(region.border, tolerance)
        assert 1 <= len(short) <= len(region.border)
        assert {tuple(vertex) for vertex in short.tolist()} <= {tuple(vertex) for vertex in region.border.tolist()}


def test_no_tolerance_changes_nothing() -> None:
    border = np.array([[0, 0], [5, 0], [5, 1], [6, 1]], np.int32)
    assert simplified(border, 0) is border
