"""What is changed on a radiograph: fills, controls, and what is found around the body."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from btxrd_explain.core.controls import BRIGHTNESS, Ground, generator_of, place_controls
from btxrd_explain.core.intervention import (
    SURROUNDINGS,
    Condition,
    Design,
    Fill,
    Kind,
    filled,
    grey_of,
    intervene,
    widened,
)
from btxrd_explain.core.surroundings import find_surroundings

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 96
WHOLE = (slice(0, SIDE), slice(0, SIDE))


def limb() -> NDArray[np.uint8]:
    """A grey limb with a darker lesion on black, and a white letter next to it."""
    pixels = np.random.default_rng(0).integers(5, 12, (SIDE, SIDE)).astype(np.uint8)
    pixels[:, 30:80] = np.random.default_rng(1).integers(115, 125, (SIDE, 50))
    cv2.putText(pixels, "L", (8, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 2)
    pixels[40:52, 50:58] = 95
    return pixels


def lesion_of(limb: NDArray[np.uint8]) -> NDArray[np.bool_]:
    mask = np.zeros(limb.shape, dtype=bool)
    mask[40:52, 50:58] = True
    return mask


@pytest.fixture(name="limb")
def _limb() -> NDArray[np.uint8]:
    return limb()


def test_body_background_and_marker_are_told_apart(limb: NDArray[np.uint8]) -> None:
    found = find_surroundings(limb, WHOLE)
    assert found.background[:, :25].mean() > 0.8
    assert found.background[:, 85:].all()
    assert not found.background[:, 33:77].any()
    assert found.markers[10:26, 6:22].sum() == found.markers.sum() > 20
    assert found.tissue[:, 33:77].all()
    assert found.border.sum() == SIDE**2 - (SIDE - 12) ** 2  # 6 % of 96 pixels, on each side


def test_a_finger_is_no_marker() -> None:
    pixels = np.zeros((SIDE, SIDE), np.uint8)
    pixels[20:, 40:60] = 90  # soft tissue
    pixels[24:40, 46:54] = 230  # the last bone
    pixels[50:, 44:56] = 230
    assert not find_surroundings(pixels, WHOLE).markers.any()


@pytest.mark.parametrize("level", [0, 128])
def test_a_picture_of_one_level_has_neither(level: int) -> None:
    found = find_surroundings(np.full((SIDE, SIDE), level, np.uint8), WHOLE)
    assert not found.background.any()
    assert not found.markers.any()
    assert found.tissue.all()


def test_padding_is_neither_body_nor_background(limb: NDArray[np.uint8]) -> None:
    padded = np.zeros((SIDE, SIDE + 40), np.uint8)
    padded[:, 20:-20] = limb
    found = find_surroundings(padded, (slice(0, SIDE), slice(20, SIDE + 20)))
    for mask in (found.window, found.border, found.background, found.markers, found.tissue):
        assert not mask[:, :20].any()
        assert not mask[:, -20:].any()
    assert found.markers.any()


@given(st.integers(0, 2**16))
def test_controls_are_the_lesion_elsewhere(seed: int) -> None:
    pixels, lesion = limb(), lesion_of(limb())
    around = find_surroundings(pixels, WHOLE)
    free = ~cv2.dilate(lesion.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    controls = place_controls(lesion, Ground(pixels, free, around.tissue), 4, np.random.default_rng(seed))
    assert len(controls) == 4
    for control in controls:
        rows, columns = (np.flatnonzero(control.any(axis=axis)) for axis in (1, 0))
        assert {len(rows), len(columns)} == {12, 8}
        assert control.sum() == lesion.sum()
        assert free[control].all()
        assert around.tissue[control].mean() >= 0.9
        assert abs(pixels[control].mean() - pixels[lesion].mean()) <= BRIGHTNESS
    assert all((a & b).sum() <= a.sum() / 2 for n, a in enumerate(controls) for b in controls[:n])


def test_the_parts_of_a_lesion_go_their_own_ways(limb: NDArray[np.uint8]) -> None:
    lesion = np.zeros(limb.shape, dtype=bool)
    lesion[4:16, 40:46] = lesion[80:92, 60:70] = True  # together they fit nowhere else
    ground = Ground(limb, ~lesion, find_surroundings(limb, WHOLE).tissue)
    controls = place_controls(lesion, ground, 3, np.random.default_rng(0))
    assert [int(control.sum()) for control in controls] == [int(lesion.sum())] * 3
    assert not any((control & lesion).any() for control in controls)


def test_a_lesion_that_fits_nowhere_else_has_no_control(limb: NDArray[np.uint8]) -> None:
    lesion = np.zeros(limb.shape, dtype=bool)
    lesion[10:90, 32:78] = True
    made = intervene(limb, WHOLE, lesion, None, design=Design(), rng=np.random.default_rng(0))
    assert made.reasons["control:0"] == "its shape finds room for 0 of 9 controls on tissue of like brightness"
    assert Condition(Kind.LESION, Fill.INPAINT) in made.pictures


def test_an_image_has_its_own_places_whatever_the_others() -> None:
    first, again, other, seed = (
        generator_of(*which).integers(0, 2**32) for which in (("a", 0), ("a", 0), ("b", 0), ("a", 1))
    )
    assert first == again
    assert len({int(first), int(other), int(seed)}) == 3


def test_each_condition_changes_its_own_pixels_alone(limb: NDArray[np.uint8]) -> None:
    lesion = lesion_of(limb)
    made = intervene(limb, WHOLE, lesion, None, design=Design(controls=5), rng=np.random.default_rng(0))
    assert not made.reasons
    assert len(made.pictures) == Design(controls=5).most == 1 + 2 * (1 + 5) + 1 + 3
    around = find_surroundings(limb, WHOLE)
    changed = {condition: picture != limb for condition, picture in made.pictures.items()}
    for fill in Fill:
        assert not changed[Condition(Kind.LESION, fill)][~lesion].any()
        assert not any(changed[Condition(Kind.CONTROL, fill, 0, number)][lesion].any() for number in range(5))
    assert not changed[Condition(Kind.LESION_ALONE)][lesion].any()
    assert not changed[Condition(Kind.BORDER)][~around.border].any()
    assert not changed[Condition(Kind.BACKGROUND)][~around.background].any()
    assert np.unique(made.pictures[Condition(Kind.BACKGROUND)][around.background]).size == 1
    assert made.pictures[Condition(Kind.MARKERS)].max() < 200 < limb.max()  # the letter is gone
    inpainted = made.pictures[Condition(Kind.LESION, Fill.INPAINT)]
    assert abs(inpainted[lesion].mean() - 120) < 2  # as the limb around it


def test_both_fills_of_a_control_are_at_the_same_place(limb: NDArray[np.uint8]) -> None:
    noisy = np.random.default_rng(3).integers(90, 130, limb.shape).astype(np.uint8)
    made = intervene(noisy, WHOLE, lesion_of(limb), None, design=Design(controls=1), rng=np.random.default_rng(0))
    places = [
        {tuple(place) for place in np.argwhere(made.pictures[Condition(Kind.CONTROL, fill)] != noisy).tolist()}
        for fill in Fill
    ]
    assert len(places[0] & places[1]) > 0.8 * max(map(len, places))


def test_lesions_at_the_border_stay_where_it_is_cleared(limb: NDArray[np.uint8]) -> None:
    lesion = np.zeros(limb.shape, dtype=bool)
    lesion[:10, 40:50] = True
    made = intervene(limb, WHOLE, lesion, None, design=Design(controls=1), rng=np.random.default_rng(0))
    assert np.array_equal(made.pictures[Condition(Kind.BORDER)][lesion], limb[lesion])


def test_without_a_lesion_the_surroundings_are_changed_alone(limb: NDArray[np.uint8]) -> None:
    made = intervene(limb, WHOLE, None, None, design=Design(), rng=np.random.default_rng(0))
    assert {condition.kind for condition in made.pictures} == {Kind.ORIGINAL, *SURROUNDINGS}
    assert len(made.pictures) == Design().least
    nothing = intervene(np.full_like(limb, 90), WHOLE, None, None, design=Design(), rng=np.random.default_rng(0))
    assert nothing.reasons == {Kind.BACKGROUND: "none was found", Kind.MARKERS: "none was found"}


def test_annotated_markers_are_taken_as_they_are(limb: NDArray[np.uint8]) -> None:
    sign = np.zeros(limb.shape, dtype=bool)
    sign[60:64, 60:64] = True
    made = intervene(limb, WHOLE, None, sign, design=Design(), rng=np.random.default_rng(0))
    changed = made.pictures[Condition(Kind.MARKERS)] != limb
    assert changed[60:64, 60:64].any()
    assert not changed[:, :30].any()  # the letter stays


def test_colours_and_values_of_any_range_are_filled_channel_by_channel(limb: NDArray[np.uint8]) -> None:
    lesion = lesion_of(limb)
    grey = limb.astype(np.float32) / 50 - 1
    both = np.stack([grey, 3 * grey + 1], axis=-1)
    made = intervene(both, WHOLE, lesion, None, design=Design(controls=2), rng=np.random.default_rng(0))
    bytes_ = intervene(limb, WHOLE, lesion, None, design=Design(controls=2), rng=np.random.default_rng(0))
    assert made.pictures.keys() == bytes_.pictures.keys()
    for condition, picture in made.pictures.items():
        assert picture.dtype == np.float32
        np.testing.assert_allclose(picture[..., 1], 3 * picture[..., 0] + 1, atol=1e-4)
        differences = np.abs((picture[..., 0] + 1) * 50 - bytes_.pictures[condition])
        assert differences.max() < 6  # rounding travels from pixel to pixel
        assert differences.mean() < 0.5


def test_a_margin_is_a_part_of_the_extent() -> None:
    mask = np.zeros((101, 101), dtype=bool)
    mask[40:61, 40:61] = True  # a disc of this area has a diameter of 23.7 pixels
    assert widened(mask, 0) is mask
    assert np.flatnonzero(widened(mask, 25).any(axis=0)).tolist() == list(range(34, 67))
    made = intervene(
        np.random.default_rng(0).integers(90, 110, (101, 101)).astype(np.uint8),
        (slice(0, 101), slice(0, 101)),
        mask,
        None,
        design=Design(controls=5, margins=(0, 25)),
        rng=np.random.default_rng(0),
    )
    assert len([condition for condition in made.pictures if condition.kind is Kind.CONTROL]) == 2 * 2 * 5


def test_bytes_are_grey_levels_as_they_are(limb: NDArray[np.uint8]) -> None:
    assert np.array_equal(grey_of(limb), limb)
    assert grey_of(limb.astype(np.float32)).max() == 255
    assert not grey_of(np.ones((2, 2), np.float32)).any()


def test_what_is_filled_by_blur_comes_from_the_blurred_picture(limb: NDArray[np.uint8]) -> None:
    mask = lesion_of(limb)
    soft = np.full_like(limb, 7)
    assert np.array_equal(filled(limb, soft, mask, Fill.BLUR), np.where(mask, 7, limb))
