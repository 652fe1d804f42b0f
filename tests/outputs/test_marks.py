"""What is drawn over pictures: colours that rise with the heat, outlines with a side, frames, signs and insets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from btxrd_explain.core.choices import ResizeMode
from btxrd_explain.core.geometry import Frame, Size
from btxrd_explain.outputs.marks import (
    Key,
    Marks,
    draw_marks,
    hottest_of,
    inset_of,
    inset_window,
    outlines_of,
    seen_box,
)
from btxrd_explain.outputs.overlay import ALPHA, COLOURS, create_overlay, layer
from btxrd_explain.outputs.style import ANNOTATION, REGION, add_cell, new_figure, show_picture
from btxrd_explain.settings import OutputSettings

if TYPE_CHECKING:
    from numpy.typing import NDArray

GREYS = np.arange(20, 236, dtype=np.uint8)


def _over_greys(levels: NDArray[np.int_]) -> NDArray[np.float64]:
    """Return the default overlay of each level of heat on each grey as CIELAB, before it is rounded to bytes."""
    tint, opacity = layer(COLOURS, ALPHA)
    return np.asarray(rgb2lab((GREYS[:, None, None] * (1 - opacity[levels]) + tint[levels]) / 255))


def test_more_heat_is_a_greater_difference_on_every_grey() -> None:
    """By CIEDE2000, from a heat of 0.1 on, level by level; and the hottest is far from the bare radiograph."""
    bare = np.asarray(rgb2lab(np.repeat(GREYS[:, None, None] / 255, 3, axis=2)))
    difference = deltaE_ciede2000(_over_greys(np.arange(25, 256)), bare)
    assert (np.diff(difference, axis=1) > 0).all()
    assert difference[:, -1].min() > 20


@pytest.mark.parametrize("name", get_args(OutputSettings.model_fields["colormap"].annotation))
def test_the_page_of_figures_says_where_other_colours_fall(name: str) -> None:
    """Its table is what this test computes."""
    tint, opacity = layer(name, ALPHA)
    levels = np.arange(25, 256)
    over = rgb2lab((GREYS[:, None, None] * (1 - opacity[levels]) + tint[levels]) / 255)
    difference = deltaE_ciede2000(over, rgb2lab(np.repeat(GREYS[:, None, None] / 255, 3, axis=2)))
    fall = (np.maximum.accumulate(difference, axis=1) - difference).max(axis=1)
    greys = GREYS[fall > 0].astype(int)
    runs = [run for run in np.split(greys, np.flatnonzero(np.diff(greys) > 1) + 1) if run.size]
    where = ", ".join(f"{run[0]} to {run[-1]}" for run in runs) or "none"
    page = (Path(__file__).parents[2] / "docs" / "howto" / "figures.md").read_text("utf-8")
    assert f"| `{name}` | {where} | {fall.max():.1f} |" in page


def test_overlays_are_these_colours_in_whole_numbers() -> None:
    ground = np.repeat(GREYS[:, None], 256, axis=1)
    drawn = create_overlay(ground, np.broadcast_to(np.arange(256) / 255, ground.shape))
    tint, opacity = layer(COLOURS, ALPHA)
    np.testing.assert_allclose(drawn, GREYS[:, None, None] * (1 - opacity) + tint, atol=0.51)


def test_the_overlay_stays_in_the_hues_of_its_bar() -> None:
    """What is over any grey has the hue of the same heat over mid grey, where it has a hue at all."""
    lab = _over_greys(np.arange(128, 256))
    hue, chroma = np.degrees(np.arctan2(lab[..., 2], lab[..., 1])), np.hypot(lab[..., 1], lab[..., 2])
    off = np.abs((hue - hue[GREYS.tolist().index(128)] + 180) % 360 - 180)
    assert off[chroma > 8].max() < 8
    assert chroma[:, -1].min() > 40  # the hottest is no grey


def _drawn(marks: Marks, shape: tuple[int, int] = (300, 200), grey: int = 90) -> NDArray[np.int_]:
    """Return a picture with its marks as it is drawn, 200 pixels for an inch."""
    figure = new_figure(shape[1] / 100, shape[0] / 100)
    axes = add_cell(figure, 0, 0, shape[1] / 100, shape[0] / 100)
    draw_marks(axes, marks, show_picture(axes, np.full((*shape, 3), grey, np.uint8)))
    figure.set_dpi(200)
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(int)  # type: ignore[attr-defined]


def _is(drawn: NDArray[np.int_], colour: tuple[int, int, int]) -> NDArray[np.bool_]:
    return np.asarray(np.abs(drawn - colour).max(axis=2) < 60)


def test_ticks_point_into_a_region_and_out_of_its_holes() -> None:
    """White pixels off the border are nearly all on the region's own side, also around a hole."""
    mask = np.ones((300, 200), bool)
    mask[100:200, 50:150] = False
    drawn = _drawn(Marks(region=outlines_of(mask)))
    white = _is(drawn, REGION)
    hole = np.zeros_like(white)
    hole[206:394, 106:294] = True
    around = np.zeros_like(white)
    around[180:420, 80:320] = True
    around[192:408, 92:308] = False
    assert not white[hole].any()
    assert white[around].sum() > 40
    assert white[8:592, 8:24].sum() > 40  # along the picture's border too


@pytest.mark.parametrize("rows", [slice(100, 150), slice(0, 50), slice(10, 290)])
def test_ticks_are_for_regions_that_are_large_or_cut_by_the_border(rows: slice) -> None:
    mask = np.zeros((300, 200), bool)
    mask[rows, 50:150] = True
    marks = Marks(region=outlines_of(mask))
    assert bool(marks.ticked) == (rows != slice(100, 150))
    (entry,) = Key.of([marks], 6, "heat map >= 0.5").entries
    assert entry.get_label() == "heat map >= 0.5" + (", ticks point inwards" if marks.ticked else "")


def test_a_narrow_region_at_the_border_has_no_ticks_which_would_cross_it() -> None:
    mask = np.zeros((300, 200), bool)
    mask[200:, 100:108] = True
    assert not Marks(region=outlines_of(mask)).ticked
    mask[:60, 20:120] = True
    (broad,) = Marks(region=outlines_of(mask)).ticked
    assert broad[:, 1].max() < 0.25
    mask[:] = True
    mask[100:104, 50:54] = False
    assert len(Marks(region=outlines_of(mask)).ticked) == 2  # a hole of any size: its ticks point away from it


def test_outlines_at_the_border_stay_within_the_picture() -> None:
    drawn = _drawn(Marks(region=outlines_of(np.ones((300, 200), bool))))
    white = _is(drawn, REGION)
    assert white[300, :6].any()
    assert white[:6, 200].any()
    assert white[300, -6:].any()


def test_what_the_network_saw_is_framed() -> None:
    frame = Frame.fit(Size(300, 200), Size(64, 64), ResizeMode.CROP)
    seen = seen_box(frame)
    assert seen == pytest.approx((0, 1 / 6, 1, 5 / 6), abs=0.01)
    assert frame.seen_fraction == pytest.approx(2 / 3, abs=0.01)
    changed = (_drawn(Marks(seen=seen)) != 90).any(axis=2)
    rows = np.flatnonzero(changed[:, 150:250].any(axis=1))
    assert [rows.min(), rows.max()] == pytest.approx([100, 500], abs=3)
    assert seen_box(Frame.fit(Size(300, 200), Size(64, 64), ResizeMode.SQUASH)) is None


def test_the_hottest_pixel_is_marked() -> None:
    heat = np.zeros((300, 200), np.float32)
    heat[70, 40] = 1
    drawn = _drawn(Marks(hottest=hottest_of(heat)))
    rows, columns = (drawn != 90).any(axis=2).nonzero()
    assert (rows.mean(), columns.mean()) == (pytest.approx(141, abs=2), pytest.approx(81, abs=2))


def test_small_lesions_are_shown_enlarged_where_no_lesion_is() -> None:
    mask = np.zeros((300, 200), bool)
    mask[20:30, 20:30] = True  # in the upper left corner, which the inset must leave alone
    window = inset_window(mask)
    assert window is not None
    assert mask[window].sum() == mask.sum()
    inset = inset_of(np.full((*mask[window].shape, 3), 200, np.uint8), window, mask.shape)
    bare, drawn = (_drawn(Marks(outlines_of(mask), inset=one)) for one in (None, inset))
    changed = (bare != drawn).any(axis=2)
    assert changed[:60, :60].sum() < 500  # the frame of its place
    assert changed[-140:, -140:].any() or changed[-140:, :140].any() or changed[:140, -140:].any()
    assert _is(drawn[140:], ANNOTATION).any() or _is(drawn[:, 140:], ANNOTATION).any()


@pytest.mark.parametrize(("hottest", "upper_left"), [(None, True), ((0.39, 0.1), False), ((0.6, 0.1), True)])
def test_an_inset_covers_no_part_of_the_sign_of_the_hottest_pixel(
    hottest: tuple[float, float] | None, *, upper_left: bool
) -> None:
    mask = np.zeros((300, 200), bool)
    mask[150:160, 100:110] = True
    window = inset_window(mask)
    assert window is not None
    inset = inset_of(np.full((*mask[window].shape, 3), 200, np.uint8), window, mask.shape)
    bare, drawn = (_drawn(Marks(outlines_of(mask), hottest=hottest, inset=one)) for one in (None, inset))
    assert (bare != drawn).any(axis=2)[:100, :100].any() == upper_left


def test_the_sign_of_the_hottest_pixel_is_whole_at_the_border_of_a_picture() -> None:
    figure = new_figure(3, 3)
    axes = add_cell(figure, 1, 1, 1, 1)
    draw_marks(axes, Marks(hottest=(0.0, 0.5)), show_picture(axes, np.full((60, 60, 3), 255, np.uint8)))
    figure.set_dpi(200)
    figure.canvas.draw()
    drawn = np.asarray(figure.canvas.buffer_rgba())[..., :3]  # type: ignore[attr-defined]
    columns = np.flatnonzero((drawn < 200).any(axis=(0, 2)))
    assert (columns.min() + columns.max()) / 2 == pytest.approx(200, abs=2)  # half of it is left of the picture


@pytest.mark.parametrize("corner", [(0, 0), (292, 0), (0, 192), (292, 192), (150, 100)])
def test_insets_are_square_at_the_border_too(corner: tuple[int, int]) -> None:
    """Else they would be stretched, and the lesion with them."""
    mask = np.zeros((300, 200), bool)
    mask[corner[0] : corner[0] + 8, corner[1] : corner[1] + 8] = True
    window = inset_window(mask)
    assert window is not None
    assert mask[window].shape == (24, 24)
    assert mask[window].sum() == mask.sum()


@pytest.mark.parametrize("side", [0, 40])
def test_other_lesions_have_no_inset(side: int) -> None:
    mask = np.zeros((300, 200), bool)
    mask[:side, :side] = True
    assert inset_window(mask) is None
    assert inset_window(None) is None


def test_lines_are_thinner_on_small_pictures() -> None:
    mask = np.zeros((300, 200), bool)
    mask[100:200, 50:150] = True
    large, small = (_drawn(Marks(outlines_of(mask)), shape) for shape in ((300, 200), (90, 60)))
    widths = [_is(one, ANNOTATION).sum() / one.shape[0] for one in (large, small)]
    assert widths[1] < 0.9 * widths[0] * 2  # an outline of one width for all would take as many pixels per row
    assert _is(small, ANNOTATION).any()


def test_a_small_lesion_that_is_enlarged_elsewhere_has_a_frame_and_a_place_in_the_key() -> None:
    frame = Marks(box=(0.25, 0.25, 0.75, 0.75))
    assert _is(_drawn(frame), ANNOTATION).sum() > 100
    assert not _is(_drawn(Marks()), ANNOTATION).any()
    enlarged = Marks(inset=inset_of(np.zeros((9, 9, 3), np.uint8), (slice(0, 9), slice(0, 9)), (90, 90)))
    assert [entry.get_label() for entry in Key.of([enlarged], 6).entries] == ["small lesion, enlarged in a corner"]


@pytest.mark.parametrize("width", [2.0, 3.5, 9.0])
def test_keys_fit_the_room_that_there_is(width: float) -> None:
    heat = np.ones((30, 20), bool)
    marks = Marks(outlines_of(heat), outlines_of(heat), (0, 0.1, 1, 0.9), (0.5, 0.5))
    key = Key.of([marks], width, "heat map >= 0.5")
    figure = new_figure(max(width, 4.2) + 0.2, key.height)
    key.draw(figure, 0.1, key.height, "viridis", 0.6)
    figure.canvas.draw()
    (legend,) = figure.legends
    box, bar = legend.get_window_extent(), figure.axes[0].get_tightbbox()
    assert bar is not None
    assert not box.overlaps(bar)
    assert box.y0 >= 0
    assert len(legend.get_texts()) == 4
