"""Which images are the same, and which boxes are of one lesion."""

from __future__ import annotations

import io
from itertools import combinations
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from btxrd_explain.core.duplicates import (
    TURNS,
    Groups,
    Likeness,
    crossing_groups,
    equal_groups,
    find_near_duplicates,
    picture_of,
)
from btxrd_explain.core.metrics.boxes import pair_boxes
from btxrd_explain.synthetic.radiographs import Diagnosis, draw_radiograph

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray


@pytest.fixture(scope="module")
def radiographs() -> list[NDArray[np.uint8]]:
    """Forty synthetic radiographs."""
    kinds = list(Diagnosis)
    return [draw_radiograph(np.random.default_rng([5, k]), kinds[k % 3]).pixels for k in range(40)]


@given(st.lists(st.sampled_from(["a", "b", "c", None]), max_size=12))
def test_groups_hold_exactly_the_pairs_with_equal_keys(keys: list[str | None]) -> None:
    together = {pair for group in equal_groups(keys) for pair in combinations(group, 2)}
    assert together == {
        (i, j) for i, j in combinations(range(len(keys)), 2) if keys[i] is not None is not keys[j] == keys[i]
    }


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=15))
def test_joined_groups_are_the_connected_components(pairs: list[tuple[int, int]]) -> None:
    groups = Groups(10)
    for i, j in pairs:
        groups.join(i, j)
    reach = np.eye(10, dtype=bool)
    for i, j in pairs:
        reach[i, j] = reach[j, i] = True
    for _ in range(4):  # paths of up to 16 steps
        reach = reach @ reach
    components = {tuple(np.flatnonzero(row).tolist()) for row in reach if row.sum() > 1}
    assert {tuple(group) for group in groups.of_several()} == components


def test_a_group_crosses_only_between_named_parts() -> None:
    parts = ["train", "test", None, "train", "val"]
    assert crossing_groups([[0, 1, 2], [0, 3], [2, 4], [0, 2], [1, 4]], parts) == [[0, 1], [1, 4]]


def _saved(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def _half(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), dtype=np.uint8)


COPIES: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    "saved at quality 30": lambda pixels: _saved(pixels, 30),
    "half the size": _half,
    "in RGB": lambda pixels: np.repeat(pixels[:, :, None], 3, axis=2),
    "brighter": lambda pixels: (255 * (pixels / 255) ** 0.7).astype(np.uint8),
    "inverted": lambda pixels: 255 - pixels,
    "inverted and mirrored": lambda pixels: 255 - pixels[:, ::-1],
    "noisy": lambda pixels: np.clip(pixels + np.random.default_rng(0).normal(0, 6, pixels.shape), 0, 255).astype("u1"),
}
TURNED: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    "as it is": lambda pixels: pixels,
    "mirrored": np.fliplr,
    "upside down": np.flipud,
    "turned around": lambda pixels: np.rot90(pixels, 2),
    "turned right": lambda pixels: np.rot90(pixels, -1),
    "turned left": lambda pixels: np.rot90(pixels, 1),
    "transposed": np.transpose,
    "transposed and turned around": lambda pixels: np.rot90(np.transpose(pixels), 2),
}


def _search(images: list[NDArray[np.uint8]]) -> list[Likeness]:
    return find_near_duplicates(np.stack([picture_of(np.ascontiguousarray(image)) for image in images]))


def test_radiographs_that_differ_are_no_duplicates(radiographs: list[NDArray[np.uint8]]) -> None:
    assert _search(radiographs) == []


@pytest.mark.parametrize("copy", COPIES)
def test_a_copy_is_found_among_others(radiographs: list[NDArray[np.uint8]], copy: str) -> None:
    """Of each of twelve images, and nothing besides."""
    images = radiographs + [COPIES[copy](image) for image in radiographs[:12]]
    found = _search(images)
    assert [(pair.first, pair.second) for pair in found] == [(k, 40 + k) for k in range(12)]
    assert {pair.inverted for pair in found} == {"inverted" in copy}
    assert {pair.turn for pair in found} == {"mirrored" if "mirrored" in copy else "as it is"}
    assert all(0.9 <= pair.correlation <= 1 and 0 <= pair.distance <= 120 for pair in found)


@pytest.mark.parametrize("turn", TURNS)
def test_the_way_back_is_named(radiographs: list[NDArray[np.uint8]], turn: str) -> None:
    """The second image, turned as the pair says, is the first."""
    original = radiographs[3]
    (pair,) = _search([original, TURNED[turn](original)])
    back = TURNED[pair.turn](TURNED[turn](original))
    np.testing.assert_array_equal(back, original)
    assert pair.correlation > 0.999


def test_groups_are_joined_by_as_few_pairs_as_needed(radiographs: list[NDArray[np.uint8]]) -> None:
    images = [radiographs[0]] * 5 + [radiographs[1]] * 3
    groups = Groups(8)
    pairs = _search(images)
    for pair in pairs:
        groups.join(pair.first, pair.second)
    assert len(pairs) == 4 + 2
    assert groups.of_several() == [[0, 1, 2, 3, 4], [5, 6, 7]]


def test_the_distance_is_hammings(radiographs: list[NDArray[np.uint8]]) -> None:
    """By another way: sums of cells, compared and counted one by one."""
    images = [radiographs[0], COPIES["brighter"](radiographs[0])]
    (pair,) = _search(images)
    hashes = []
    for image in images:
        picture = picture_of(image).astype(int)
        cells = [[picture[4 * r : 4 * r + 4, 4 * c : 4 * c + 4].sum() for c in range(16)] for r in range(16)]
        hashes.append(
            [cells[r][c] > cells[r][c - 1] for r in range(16) for c in range(1, 16)]
            + [cells[r][c] > cells[r - 1][c] for r in range(1, 16) for c in range(16)]
        )
    assert pair.distance == sum(a != b for a, b in zip(*hashes, strict=True))


def test_images_without_structure_are_like_nothing() -> None:
    blank = [np.full((90, 60), value, np.uint8) for value in (0, 0, 128)]
    assert _search(blank) == []
    assert find_near_duplicates(np.zeros((0, 64, 64), np.uint8)) == []


def test_real_radiographs_are_told_apart_and_found_again(real_data: Path) -> None:
    paths = sorted((real_data / "btxrd_sample" / "images").iterdir())
    images = [np.asarray(Image.open(path).convert("L")) for path in paths]
    assert _search(images) == []
    for copy in COPIES.values():
        found = _search(images + [copy(image) for image in images])
        assert [(pair.first, pair.second) for pair in found] == [(k, 15 + k) for k in range(15)]


def test_boxes_are_paired_best_first() -> None:
    """The first rectangle overlaps both polygons; the second, which fits one of them exactly, comes first."""
    rectangles = np.array([[0.0, 0, 20, 10], [0, 0, 10, 10], [100, 100, 110, 110]])
    polygons = np.array([[0.0, 0, 10, 10], [8, 0, 20, 10]])
    pairing = pair_boxes(rectangles, polygons)
    assert pairing.pairs == ((0, 1), (1, 0))
    assert pairing.first_alone == (2,)
    assert pairing.second_alone == ()
    nothing = np.zeros((0, 4))
    assert pair_boxes(nothing, polygons).second_alone == (0, 1)
    assert pair_boxes(rectangles, nothing).first_alone == (0, 1, 2)
    assert pair_boxes(np.array([[5.0, 5, 5, 5]]), np.array([[5.0, 5, 5, 5]])).pairs == ()
