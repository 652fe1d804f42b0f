"""Regions of the VGG Image Annotator, in its JSON of both releases and in CSV."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from skimage.draw import ellipse

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.masks import annotation_mask
from btxrd_explain.core.shapes import ShapeType
from btxrd_explain.errors import AnnotationError
from btxrd_explain.inputs.via import LESION, is_via, read_via

if TYPE_CHECKING:
    from pathlib import Path

    from btxrd_explain.inputs.annotation import Annotation
    from btxrd_explain.inputs.listing import PartListing

SIZE = Size(60, 80)
RECT = {"name": "rect", "x": 10, "y": 20, "width": 5, "height": 4}


def _region(drawn: object = RECT, **attributes: object) -> dict[str, object]:
    return {"shape_attributes": drawn, "region_attributes": attributes}


def _document(*regions: object, name: str = "a.png") -> dict[str, Any]:
    return {f"{name}123": {"filename": name, "size": 123, "regions": list(regions)}}


def _listing(folder: Path, document: object) -> PartListing:
    path = folder / "via.json"
    path.write_text(json.dumps(document), "utf-8")
    return read_via(path)


def _only(folder: Path, *regions: object) -> Annotation:
    return _listing(folder, _document(*regions)).read(0, SIZE)


def test_a_project_its_regions_and_the_first_releases_regions_are_the_same(tmp_path: Path) -> None:
    plain = _document(_region(label="x"))
    project = {"_via_settings": {}, "_via_img_metadata": plain}
    first = {key: entry | {"regions": {"0": entry["regions"][0]}} for key, entry in plain.items()}
    shapes = [_listing(tmp_path, document).read(0, SIZE).shapes for document in (plain, project, first)]
    for (shape,) in shapes:
        assert shape.label == "x"
        np.testing.assert_array_equal(shape.points, shapes[0][0].points)


def test_a_csv_file_has_the_same_regions(tmp_path: Path) -> None:
    path = tmp_path / "via.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(["filename", "file_size", "region_count", "region_shape_attributes", "region_attributes"])
        lines.writerow(["a.png", 1, 1, json.dumps(RECT), json.dumps({"label": "x"})])
        lines.writerow(["b.png", 1, 0, "{}", "{}"])
    listing = read_via(path)
    assert list(listing.names) == ["a.png", "b.png"]
    (shape,) = listing.read(0, SIZE).shapes
    assert shape.label == "x"
    assert listing.read(1, SIZE).shapes == ()


def test_a_rectangle_holds_so_many_pixels(tmp_path: Path) -> None:
    mask = annotation_mask(_only(tmp_path, _region()).shapes, SIZE)
    rows, columns = np.nonzero(mask)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (20, 23, 10, 14)


@pytest.mark.parametrize("theta", [0, 0.5, -1.2])
def test_an_ellipse_is_that_of_scikit_image(tmp_path: Path, theta: float) -> None:
    drawn = {"name": "ellipse", "cx": 40, "cy": 30, "rx": 20, "ry": 9, "theta": theta}
    mask = annotation_mask(_only(tmp_path, _region(drawn)).shapes, SIZE)
    expected = np.zeros(SIZE, bool)
    expected[ellipse(30, 40, 9.5, 20.5, shape=SIZE, rotation=-theta)] = True
    assert (mask & expected).sum() / (mask | expected).sum() > 0.9


@pytest.mark.parametrize(
    ("drawn", "kind", "points"),
    [
        ({"name": "circle", "cx": 30, "cy": 20, "r": 5}, ShapeType.CIRCLE, [[30, 20], [35, 20]]),
        ({"name": "point", "cx": 3, "cy": 2}, ShapeType.POINT, [[3, 2]]),
        (
            {"name": "polygon", "all_points_x": [1, 9, 5], "all_points_y": [1, 1, "7"]},
            ShapeType.POLYGON,
            [[1, 1], [9, 1], [5, 7]],
        ),
        (
            {"name": "polyline", "all_points_x": [1, 9], "all_points_y": [1, 2]},
            ShapeType.LINESTRIP,
            [[1, 1], [9, 2]],
        ),
    ],
)
def test_other_shapes_are_what_they_are_called(
    tmp_path: Path, drawn: dict[str, Any], kind: ShapeType, points: list[list[float]]
) -> None:
    (shape,) = _only(tmp_path, _region(drawn)).shapes
    assert shape.shape_type is kind
    np.testing.assert_array_equal(shape.points, points)


@pytest.mark.parametrize(
    ("attributes", "label"),
    [
        ({"label": "x", "class": "y"}, "x"),
        ({"Class": " y "}, "y"),
        ({"anything": "z"}, "z"),
        ({"label": {"a": True, "b": False, "c": 1}}, "a, c"),
        ({"label": ""}, LESION),
        ({"label": 3}, "3"),
        ({"label": [1]}, LESION),
        ({}, LESION),
    ],
)
def test_a_label_is_an_attribute_of_a_usual_name_or_the_only_one(
    tmp_path: Path, attributes: dict[str, object], label: str
) -> None:
    (shape,) = _only(tmp_path, _region(**attributes)).shapes
    assert shape.label == label


def test_attributes_of_which_none_is_a_label_are_said(tmp_path: Path) -> None:
    listing = _listing(tmp_path, _document(_region(side="left", age="3")))
    assert listing.read(0, SIZE).shapes[0].label == LESION
    assert "none of the attributes 'side' and 'age' is a label" in listing.note


@pytest.mark.parametrize("value", ["x", None, 1e9, [1]])
def test_a_number_that_is_none_is_an_error_with_its_place(tmp_path: Path, value: object) -> None:
    with pytest.raises(AnnotationError, match=r"regions\[1\] of \"a.png\".shape_attributes: expected numbers as x, y"):
        _only(tmp_path, _region(), _region(RECT | {"x": value}))


@pytest.mark.parametrize(
    "axes",
    [
        ([1, 2, 3], [1, 2]),
        ([1, 2, "x"], [1, 2, 3]),
        (None, [1, 2, 3]),
        ("123", "123"),
        ([1, 10**400, 3], [1, 2, 3]),
    ],
)
def test_points_that_do_not_pair_are_an_error(tmp_path: Path, axes: tuple[object, object]) -> None:
    drawn = {"name": "polygon", "all_points_x": axes[0], "all_points_y": axes[1]}
    with pytest.raises(AnnotationError, match="shape_attributes: expected"):
        _only(tmp_path, _region(drawn))


def test_a_shape_that_is_not_known_is_left_out_and_named(tmp_path: Path) -> None:
    found = _only(tmp_path, _region({"name": "spline"}), _region())
    assert len(found.shapes) == 1
    (finding,) = found.findings
    assert '"spline" is not a known shape' in finding.message


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "expected images with filename and regions"),
        ({"a": {"filename": "", "regions": []}}, r'"a".filename: expected text'),
        ({"a": {"filename": "a", "regions": "x"}}, r'"a".regions: expected a list'),
        ({"a": {"filename": "a", "regions": ["x"]}}, r'regions\[0\] of "a": expected an object'),
    ],
)
def test_documents_of_another_form_are_refused(tmp_path: Path, document: object, message: str) -> None:
    with pytest.raises(AnnotationError, match=message):
        _listing(tmp_path, document)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["", "{}"], "line 2: expected a filename"),
        (["a.png", "{x"], 'line 2: expected JSON, got "{x"'),
        (["a.png", "[" * 100_000], "line 2: expected JSON"),
        (["a.png", "[" * 100_001], "line 2: expected at most 100,000 characters"),
    ],
)
def test_cells_of_another_form_are_refused_with_their_line(tmp_path: Path, cells: list[str], message: str) -> None:
    path = tmp_path / "via.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["filename", "region_shape_attributes", "x"], [*cells, "1"]])
    with pytest.raises(AnnotationError, match=message):
        read_via(path)


@pytest.mark.parametrize(
    ("document", "known"),
    [
        (_document(), True),
        ({"_via_img_metadata": {}}, True),
        ({}, False),
        ({"a": {"filename": "a"}}, False),
        ({"a": 3}, False),
        ([_document()], False),
    ],
)
def test_a_document_is_recognised_by_its_images(document: object, known: bool) -> None:
    assert is_via(document) is known
