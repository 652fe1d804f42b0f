"""Arrays as the page takes them, decoded again by other means."""

from __future__ import annotations

import io
import re
from base64 import b64decode
from itertools import cycle
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from skimage.metrics import structural_similarity

from btxrd_explain.core.geometry import Size
from btxrd_explain.outputs.html.encode import grids_to_text, mask_to_path, mask_to_runs, to_jpeg

SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 9))


@settings(max_examples=40, deadline=None)
@given(arrays(bool, SHAPES))
def test_runs_give_the_mask_back(mask: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> None:
    runs = mask_to_runs(mask)
    assert sum(runs) == mask.size
    assert all(runs[1:])
    pixels = [value for length, value in zip(runs, cycle([False, True]), strict=False) for _ in range(length)]
    np.testing.assert_array_equal(np.reshape(pixels, mask.shape), mask)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_grids_are_float32_row_by_row_whatever_they_were(kind: type[np.floating[Any]]) -> None:
    grids = np.random.default_rng(0).normal(size=(4, 3, 2)).astype(kind).transpose(2, 1, 0)
    decoded = np.frombuffer(b64decode(grids_to_text(grids)), "<f4").reshape(grids.shape)
    np.testing.assert_array_equal(decoded, grids.astype(np.float32))
    strange = np.array([[[np.nan, np.inf, -0.0]]], np.float32)
    assert np.frombuffer(b64decode(grids_to_text(strange)), "<u4").tolist() == strange.view("<u4").ravel().tolist()


def _outlines(path: str) -> list[np.ndarray[tuple[int, int], np.dtype[np.float64]]]:
    assert re.fullmatch(r"(M[\d.]+ [\d.]+(L[\d.]+ [\d.]+)*Z)*", path)
    return [
        np.array([[float(number) for number in corner.split()] for corner in part.split("L")])
        for part in re.findall(r"M([^Z]*)Z", path)
    ]


@pytest.mark.parametrize("seed", range(4))
def test_outlines_are_those_of_the_mask_with_its_holes(seed: int) -> None:
    noise = cv2.GaussianBlur(np.random.default_rng(seed).random((40, 60)), (0, 0), 4)
    mask = noise > np.median(noise)
    mask[20:22, 30:32] ^= True
    drawn = np.zeros(mask.shape, np.uint8)
    lines = [np.rint(corners - 0.5).astype(np.int32) for corners in _outlines(mask_to_path(mask))]
    cv2.drawContours(drawn, lines, -1, 1, cv2.FILLED)
    both = (drawn.astype(bool) & mask).sum() / (drawn.astype(bool) | mask).sum()
    assert both > 0.85  # corners of half a pixel are left out, and holes have their border inside
    if seed == 0:
        assert mask_to_path(np.zeros((4, 4), bool)) == ""


def test_a_straight_side_has_no_more_corners_than_its_ends() -> None:
    mask = np.zeros((30, 50), bool)
    mask[5:25, 10:40] = True
    (corners,) = _outlines(mask_to_path(mask))
    assert sorted(corners.tolist()) == [[10.5, 5.5], [10.5, 24.5], [39.5, 5.5], [39.5, 24.5]]


@pytest.mark.parametrize(
    ("shape", "side", "size"),
    [
        ((40, 60), 100, Size(40, 60)),
        ((40, 60), 60, Size(40, 60)),
        ((400, 600), 100, Size(67, 100)),
        ((600, 400, 3), 100, Size(100, 67)),
        ((1, 900), 90, Size(1, 90)),
        ((2, 900), 9, Size(1, 9)),
    ],
)
def test_pictures_are_reduced_to_a_longest_side(shape: tuple[int, ...], side: int, size: Size) -> None:
    content, found = to_jpeg(np.zeros(shape, np.uint8), side, quality=90)
    assert found == size
    with Image.open(io.BytesIO(content)) as picture:
        assert (picture.format, picture.size) == ("JPEG", (size.width, size.height))
        assert picture.mode == ("L" if len(shape) == 2 else "RGB")


def test_a_picture_looks_like_the_radiograph_and_keeps_its_colours() -> None:
    pixels = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (80, 80), dtype=np.uint8), (0, 0), 3)
    pixels = cv2.normalize(pixels, None, 0, 255, cv2.NORM_MINMAX)  # type: ignore[call-overload]
    with Image.open(io.BytesIO(to_jpeg(pixels, 80, quality=90)[0])) as picture:
        assert structural_similarity(np.asarray(picture), pixels) > 0.95
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 200
    with Image.open(io.BytesIO(to_jpeg(red, 16, quality=95)[0])) as picture:
        channels = np.asarray(picture).reshape(-1, 3).mean(axis=0)
    np.testing.assert_allclose(channels, [200, 0, 0], atol=4)


def test_a_better_quality_takes_more_bytes() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    assert len(to_jpeg(pixels, 64, quality=95)[0]) > 2 * len(to_jpeg(pixels, 64, quality=30)[0])
