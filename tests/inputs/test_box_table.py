"""Tables of boxes: edges or sides, pixels or fractions, and lines that say that there is nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.masks import annotation_mask
from btxrd_explain.errors import AnnotationError, AnnotationSizeError
from btxrd_explain.inputs.box_table import is_box_table, read_box_table

if TYPE_CHECKING:
    from pathlib import Path

    from btxrd_explain.inputs.listing import PartListing

SIZE = Size(40, 60)


def _listing(folder: Path, *lines: str) -> PartListing:
    path = folder / "boxes.csv"
    path.write_text("\n".join(lines), "utf-8")
    return read_box_table(path)


def _bounds(listing: PartListing, place: int = 0) -> tuple[int, ...]:
    rows, columns = np.nonzero(annotation_mask(listing.read(place, SIZE).shapes, SIZE))
    return int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())


@pytest.mark.parametrize(
    ("header", "line"),
    [
        ("image_id,x_min,y_min,x_max,y_max", "a,10,5,20,15"),
        ("filename,xmin,ymin,xmax,ymax,class", "a,10,5,20,15,Mass"),
        ("Image_ID;x1;y1;x2;y2", "a;10;5;20;15"),
        ("image,left,top,right,bottom", "a,10,5,20,15"),
        ("image_path,x,y,width,height", "a,10,5,10,10"),
        ("patientId,x,y,w,h", "a,10,5,10,10"),
        ("path,bbox_x,bbox_y,bbox_width,bbox_height", "a,10,5,10,10"),
        ("image_id,x_min,y_min,width,height", "a,10,5,10,10"),
        ("image_id,x_min,y_min,x_max,y_max,width,height", "a,10,5,20,15,60,40"),
        ("image_id,x_min,y_min,x_max,y_max,width,height", "a,10,5,20,15,10,10"),
    ],
)
def test_the_same_box_under_many_names(tmp_path: Path, header: str, line: str) -> None:
    assert _bounds(_listing(tmp_path, header, line)) == (10, 5, 19, 14)


def test_fractions_of_the_sides_are_said(tmp_path: Path) -> None:
    listing = _listing(tmp_path, "image_id,x_min,y_min,x_max,y_max", "a,0.5,0.25,1,0.5", "b,0,0,1,1")
    assert _bounds(listing) == (30, 10, 59, 19)
    assert "fractions of the image's sides" in listing.note
    whole = _listing(tmp_path, "image_id,x_min,y_min,x_max,y_max", "a,0,0,1,1")  # one pixel, and no fraction
    assert _bounds(whole) == (0, 0, 0, 0)
    assert "fractions" not in whole.note


def test_a_decimal_comma_is_one_where_the_separator_is_another(tmp_path: Path) -> None:
    listing = _listing(tmp_path, "image_id;x_min;y_min;x_max;y_max", "a;0,5;0,25;1;0,5")
    assert _bounds(listing) == (30, 10, 59, 19)


@pytest.mark.parametrize("cells", [",,,", "nan,nan,nan,nan", "None,NULL,n/a,NA"])
def test_a_line_without_numbers_is_an_image_without_lesions(tmp_path: Path, cells: str) -> None:
    listing = _listing(tmp_path, "image_id,x_min,y_min,x_max,y_max,label", f"a,{cells},Mass", "b,1,1,2,2,Mass")
    assert list(listing.names) == ["a", "b"]
    assert listing.read(0, SIZE).shapes == ()
    assert len(listing.read(1, SIZE).shapes) == 1


def test_a_finding_of_nothing_is_no_lesion_whatever_its_box(tmp_path: Path) -> None:
    listing = _listing(tmp_path, "image_id,x_min,y_min,x_max,y_max,class_name", "a,0,0,1,1,No finding")
    assert listing.read(0, SIZE).shapes == ()
    assert "there is no lesion" in listing.note


def test_lines_of_one_image_are_its_lesions(tmp_path: Path) -> None:
    header = "image_id,x_min,y_min,x_max,y_max,class_name"
    listing = _listing(tmp_path, header, "a,1,1,5,5,Mass", "b,1,1,5,5,", "a,10,10,20,20,Edema")
    assert list(listing.names) == ["a", "b"]
    assert [shape.label for shape in listing.read(0, SIZE).shapes] == ["Mass", "Edema"]
    assert [shape.label for shape in listing.read(1, SIZE).shapes] == ["lesion"]


@pytest.mark.parametrize("cell", ["x", "1e9", "1;2"])
def test_a_cell_that_is_not_a_number_is_an_error_with_its_line(tmp_path: Path, cell: str) -> None:
    listing = _listing(tmp_path, "image_id,x_min,y_min,x_max,y_max", "b,1,1,2,2", f"a,{cell},1,2,2")
    with pytest.raises(AnnotationError, match=r"line 3: expected numbers in x_min, y_min, x_max, y_max"):
        listing.read(1, SIZE)


def test_a_line_that_states_another_size_is_an_error(tmp_path: Path) -> None:
    header = "image_id,x_min,y_min,x_max,y_max,width,height"
    with pytest.raises(AnnotationSizeError):
        _listing(tmp_path, header, "a,10,5,20,15,61,40").read(0, SIZE)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("image_id,x,y,width", "a,1,1,1"), "expected a column of images, and four of boxes"),
        (("x,y,w,h", "1,1,1,1"), "expected a column of images"),
        (("image_id,x,y,w,h", ",1,1,1,1"), "line 2: expected the name of an image in image_id"),
    ],
)
def test_tables_of_another_kind_are_refused(tmp_path: Path, lines: tuple[str, ...], message: str) -> None:
    with pytest.raises(AnnotationError, match=message):
        _listing(tmp_path, *lines)


def test_a_table_is_recognised_by_its_columns() -> None:
    assert is_box_table(["image_id", "x", "y", "w", "h"])
    assert not is_box_table(["x", "y", "w", "h"])
    assert not is_box_table(["image_id", "x", "y", "w", "height"])
