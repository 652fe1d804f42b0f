"""Outlines and run lengths of CheXlocalize's files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from pycocotools import mask as codec

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.masks import annotation_mask
from btxrd_explain.errors import AnnotationError, AnnotationSizeError
from btxrd_explain.inputs.chexlocalize import is_chexlocalize, read_chexlocalize

if TYPE_CHECKING:
    from pathlib import Path

    from btxrd_explain.inputs.listing import PartListing

SIZE = Size(20, 30)
SQUARE = [[5, 5], [9, 5], [9, 9], [5, 9]]


def _listing(folder: Path, document: object) -> PartListing:
    path = folder / "gt.json"
    path.write_text(json.dumps(document), "utf-8")
    return read_chexlocalize(path)


def _runs(mask: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> dict[str, object]:
    encoded = codec.encode(np.asfortranarray(mask, np.uint8))
    return {"size": encoded["size"], "counts": encoded["counts"].decode()}


def test_run_lengths_give_every_pixel_of_each_finding(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    masks = {name: random.random(SIZE) < 0.3 for name in ("Edema", "Mass")}
    listing = _listing(tmp_path, {"p_1": {name: _runs(mask) for name, mask in masks.items()}})
    assert list(listing.names) == ["p_1"]
    for shape in listing.read(0, SIZE).shapes:
        np.testing.assert_array_equal(annotation_mask([shape], SIZE), masks[shape.label])


def test_a_finding_without_pixels_is_no_lesion(tmp_path: Path) -> None:
    document = {"p_1": {"Edema": _runs(np.zeros(SIZE, bool)), "Mass": _runs(np.ones(SIZE, bool))}}
    assert [shape.label for shape in _listing(tmp_path, document).read(0, SIZE).shapes] == ["Mass"]


def test_all_outlines_of_a_finding_are_one_lesion(tmp_path: Path) -> None:
    other = [[x + 10, y] for x, y in SQUARE]
    document = {"p_1": {"img_size": [20, 30], "Mass": [SQUARE, other], "Edema": []}}
    shapes = _listing(tmp_path, document).read(0, SIZE).shapes
    assert [shape.label for shape in shapes] == ["Mass", "Mass"]
    assert {shape.group_id for shape in shapes} == {0}


def test_an_image_of_another_size_is_an_error(tmp_path: Path) -> None:
    listing = _listing(tmp_path, {"p_1": {"img_size": [30, 20], "Mass": [SQUARE]}})
    with pytest.raises(AnnotationSizeError):
        listing.read(0, SIZE)
    listing = _listing(tmp_path, {"p_1": {"Mass": _runs(np.ones((4, 4), bool))}})
    with pytest.raises(AnnotationError):
        listing.read(0, SIZE)


@pytest.mark.parametrize(
    "outline", [3, [[1]], [[1, 2, 3]], [[1, "x"]], [1, 2], [[1, None]], [[10**400, 1], [1, 1], [2, 2]]]
)
def test_an_outline_that_is_none_is_an_error_with_its_place(tmp_path: Path, outline: object) -> None:
    listing = _listing(tmp_path, {"p_1": {"img_size": [20, 30], "Mass": [SQUARE, outline]}})
    with pytest.raises(AnnotationError, match=r'"p_1"\."Mass"\[1\]: expected'):
        listing.read(0, SIZE)


@pytest.mark.parametrize(
    ("document", "known"),
    [
        ({"p": {"img_size": [1, 1], "Mass": []}}, True),
        ({"p": {"Mass": {"size": [1, 1], "counts": "11"}}}, True),
        ({"p": {}}, False),
        ({}, False),
        ([], False),
        ({"p": {"Mass": {"size": [1, 1]}}}, False),
        ({"p": {"img_size": [1, 1], "Mass": "x"}}, False),
        ({"p": {"img_size": [1, 1]}, "q": {"Mass": 3}}, False),
    ],
)
def test_a_document_is_recognised_by_all_of_its_images(tmp_path: Path, document: object, known: bool) -> None:
    assert is_chexlocalize(document) is known
    if not known:
        with pytest.raises(AnnotationError, match="as CheXlocalize writes them"):
            _listing(tmp_path, document)
