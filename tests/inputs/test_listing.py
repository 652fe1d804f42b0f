"""The annotations of many images in one file: a part each, made when its image is read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from btxrd_explain.core.geometry import Size
from btxrd_explain.errors import AnnotationError
from btxrd_explain.inputs.annotation import UnusablePartError, box_shape
from btxrd_explain.inputs.listing import PartListing

if TYPE_CHECKING:
    from btxrd_explain.core.shapes import Shape

PATH, SIZE = Path("boxes.csv"), Size(40, 50)


def _whole(size: Size) -> Shape:
    """A box as large as the radiograph, which is known when it is read."""
    return box_shape("all", (0, 0), (size.width, size.height), "line 2")


def _none(_size: Size) -> None:
    return None


def _no_area(_size: Size) -> Shape:
    raise UnusablePartError("line 3: the box has no area")


def test_parts_of_one_image_are_collected_under_its_name() -> None:
    listing = PartListing(PATH, "save it again")
    for name in ("a.png", "b.png", "a.png"):
        listing.parts(name).append(_whole)
    listing.parts("c.png")
    assert listing.names == ["a.png", "b.png", "c.png"]
    assert [len(listing.read(position, SIZE).shapes) for position in range(3)] == [2, 1, 0]
    (shape,) = listing.read(1, SIZE).shapes
    assert shape.points.tolist() == [[0, 0], [49, 39]]


def test_images_of_one_name_are_told_apart_by_their_mark() -> None:
    listing = PartListing(PATH, "save it again")
    listing.parts("a.png", "100").append(_whole)
    listing.parts("a.png", "200").append(_whole)
    listing.parts("a.png", "100").append(_none)
    assert listing.names == ["a.png", "a.png"]
    assert [len(listing.read(position, SIZE).shapes) for position in range(2)] == [1, 1]


def test_a_part_without_an_area_is_left_out_and_named() -> None:
    listing = PartListing(PATH, "save it again")
    listing.parts("a.png").extend([_no_area, _whole])
    annotation = listing.read(0, SIZE)
    assert len(annotation.shapes) == 1
    (finding,) = annotation.findings
    assert (finding.code, finding.details) == ("annotation-part", {"parts": 1})
    assert "line 3: the box has no area" in finding.message


def test_another_encoding_is_told_of_with_each_annotation() -> None:
    listing = PartListing(PATH, "save it again", encoding="utf-16")
    listing.parts("a.png").append(_whole)
    assert [finding.code for finding in listing.read(0, SIZE).findings] == ["annotation-encoding"]


def test_too_many_parts_of_an_image_are_refused_when_it_is_read() -> None:
    listing = PartListing(PATH, "save it again")
    listing.parts("a.png").extend([_none] * 1001)
    listing.parts("b.png").append(_whole)
    with pytest.raises(AnnotationError, match=r"'boxes.csv': 'a.png': more than 1,000 annotations") as caught:
        listing.read(0, SIZE)
    assert caught.value.hint == "save it again"
    assert len(listing.read(1, SIZE).shapes) == 1


def test_what_was_taken_otherwise_is_noted_once() -> None:
    listing = PartListing(PATH, "save it again")
    assert listing.note == ""
    for text in ("boxes are fractions", "no size", "boxes are fractions"):
        listing.notes[text] = None
    assert listing.note == "boxes are fractions; no size"
