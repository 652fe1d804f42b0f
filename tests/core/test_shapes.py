from __future__ import annotations

import base64
import io
import json
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.shapes import MAX_COORDINATE, MAX_POINTS, Shape, ShapeType, draw_shape, rasterise_union
from btxrd_explain.inputs.labelme import read_labelme

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

VOC = {"person": 15, "chair": 9, "sofa": 18, "bottle": 5, "bus": 6, "car": 7, "__ignore__": 255}


def rasterise(drawn: Shape, size: Size) -> NDArray[np.bool_]:
    return rasterise_union([drawn], size)


def shape(kind: str, *points: tuple[float, float], mask: NDArray[np.bool_] | None = None) -> Shape:
    return Shape("lesion", ShapeType(kind), np.array(points, dtype=np.float64).reshape(-1, 2), mask)


SIZE = Size(100, 120)


def count(drawn: Shape, size: Size = SIZE) -> int:
    return int(rasterise(drawn, size).sum())


def test_polygon_has_its_vertices_and_edges() -> None:
    # 5 + 4 + 3 + 2 + 1 grid points lie in or on the triangle
    triangle = rasterise(shape("polygon", (1, 2), (5, 2), (1, 6)), Size(9, 8))
    expected = np.zeros((9, 8), dtype=bool)
    for row in range(5):
        expected[2 + row, 1 : 6 - row] = True
    assert np.array_equal(triangle, expected)


def test_concave_polygon_leaves_its_notch_out() -> None:
    notched = rasterise(shape("polygon", (0, 0), (10, 0), (10, 10), (5, 4), (0, 10)), Size(12, 12))
    assert notched[2, 5]
    assert not notched[9, 5]


def test_oriented_rectangle_is_the_polygon_of_its_corners() -> None:
    corners = (10.0, 2.0), (18.5, 10.0), (10.0, 18.5), (1.5, 10.0)
    drawn = rasterise(shape("oriented_rectangle", *corners), Size(22, 21))
    assert np.array_equal(drawn, rasterise(shape("polygon", *corners), Size(22, 21)))
    assert not drawn[2, 2]


@pytest.mark.parametrize("corners", [((2, 3), (6, 4)), ((6, 4), (2, 3)), ((6, 3), (2, 4))])
def test_rectangle_includes_both_corners_in_any_order(corners: tuple[tuple[int, int], ...]) -> None:
    drawn = rasterise(shape("rectangle", *corners), Size(7, 9))
    assert np.argwhere(drawn).tolist() == [[row, column] for row in (3, 4) for column in range(2, 7)]


def test_circle_has_the_area_of_its_disc() -> None:
    # centre (50, 40), radius 30 by Pythagoras (18, 24); its border adds up to half a pixel all round
    assert math.pi * 30**2 <= count(shape("circle", (50, 40), (68, 64))) <= math.pi * 30.5**2
    mask = rasterise(shape("circle", (50, 40), (68, 64)), Size(100, 120))
    assert mask[40, 20]
    assert mask[40, 80]
    assert not mask[40, 19]
    assert not mask[40, 81]


def test_point_is_a_disc_of_radius_5_and_points_are_several() -> None:
    one = rasterise(shape("point", (20, 30)), Size(50, 60))
    assert np.flatnonzero(one.any(axis=0)).tolist() == list(range(15, 26))
    assert np.flatnonzero(one.any(axis=1)).tolist() == list(range(25, 36))
    two = rasterise(shape("points", (20, 30), (40, 10)), Size(50, 60))
    assert np.array_equal(two, one | rasterise(shape("point", (40, 10)), Size(50, 60)))


def test_line_is_10_pixels_wide() -> None:
    line = rasterise(shape("line", (20, 50), (59, 50)), Size(100, 120))
    assert set(line[:, 30:50].sum(axis=0).tolist()) == {10}
    assert 39 * 10 <= line.sum() <= 41 * 10


def test_linestrip_joins_its_lines() -> None:
    corner = rasterise(shape("linestrip", (20, 20), (60, 20), (60, 70)), Size(100, 120))
    lines = rasterise_union([shape("line", (20, 20), (60, 20)), shape("line", (60, 20), (60, 70))], Size(100, 120))
    assert (corner | lines).sum() == corner.sum()
    assert corner[18, 62]  # the round joint fills the notch outside the corner
    assert not lines[16, 63]


def test_mask_lies_at_its_first_point() -> None:
    patch = np.array([[True, False, True], [False, True, True]])
    drawn = rasterise(shape("mask", (2, 1), (4, 2), mask=patch), Size(5, 6))
    assert np.argwhere(drawn).tolist() == [[1, 2], [1, 4], [2, 3], [2, 4]]


def test_mask_is_cut_off_at_whole_bounds_and_kept_at_fractional_ones() -> None:
    patch = np.ones((3, 3), dtype=bool)
    assert count(shape("mask", (2, 1), (3, 1), mask=patch)) == 2
    assert count(shape("mask", (1.6, 1), (3, 1), mask=patch)) == 9
    assert np.argwhere(rasterise(shape("mask", (1.6, 1.2), (3, 1), mask=patch), Size(9, 9)))[0].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("first", "expected"),
    [((-1, -2), 2 * 1), ((4, 3), 2 * 1), ((-3, 0), 0), ((6, 0), 0), ((0, 4), 0), ((-9, -9), 0), ((1, 1), 3 * 3)],
)
def test_mask_is_cut_off_at_the_image(first: tuple[int, int], expected: int) -> None:
    last = first[0] + 2, first[1] + 2
    patch = np.ones((3, 3), dtype=bool)
    assert count(shape("mask", first, last, mask=patch), Size(4, 6)) == expected


@pytest.mark.parametrize(
    ("kind", "points"),
    [
        ("polygon", ((-50, -50), (-10, -50), (-10, -10))),
        ("rectangle", ((200, 200), (300, 300))),
        ("circle", ((-100, -100), (-90, -100))),
        ("line", ((200, 0), (200, 90))),
        ("point", ((-20, 5),)),
    ],
)
def test_what_lies_outside_the_image_is_cut_off(kind: str, points: tuple[tuple[float, float], ...]) -> None:
    assert count(shape(kind, *points)) == 0


def test_shapes_larger_than_the_image_fill_it() -> None:
    far = MAX_COORDINATE
    assert count(shape("polygon", (-far, -far), (far, -far), (far, far), (-far, far))) == 100 * 120
    assert count(shape("circle", (50, 50), (far, far))) == 100 * 120


def test_union_is_the_or_of_its_shapes() -> None:
    size = Size(40, 50)
    shapes = [
        shape("rectangle", (1, 1), (20, 10)),
        shape("circle", (25, 20), (25, 30)),
        shape("mask", (30, 2), (33, 4), mask=np.array([[True] * 4, [False] * 4, [True, False] * 2])),
    ]
    expected = np.logical_or.reduce([rasterise(each, size) for each in shapes])
    assert np.array_equal(rasterise_union(shapes, size), expected)
    assert not rasterise_union([], size).any()


coordinate = st.floats(5, 30, allow_nan=False).map(lambda value: round(value * 4) / 4)


@given(points=st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=7), dx=st.integers(0, 9))
def test_moving_a_polygon_by_whole_pixels_moves_its_mask(points: list[tuple[float, float]], dx: int) -> None:
    still = rasterise(shape("polygon", *points), Size(40, 60))
    moved = rasterise(shape("polygon", *((x + dx, y) for x, y in points)), Size(40, 60))
    assert np.array_equal(moved, np.roll(still, dx, axis=1))


@given(points=st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=7), cut=st.integers(6, 30))
def test_a_smaller_image_cuts_the_same_mask(points: list[tuple[float, float]], cut: int) -> None:
    whole = rasterise(shape("polygon", *points), Size(40, 40))
    part = rasterise(shape("polygon", *points), Size(cut, cut + 3))
    assert np.array_equal(part, whole[:cut, : cut + 3])


@pytest.mark.parametrize(
    ("kind", "points", "message"),
    [
        ("polygon", ((0, 0), (1, 1)), "a polygon has 3 to 20,000 points, got 2"),
        ("polygon", ((0, 0),) * (MAX_POINTS + 1), "got 20001"),
        ("rectangle", ((0, 0), (1, 0), (1, 1), (0, 1)), "a rectangle has 2 points, got 4"),
        ("circle", ((0, 0),), "a circle has 2 points, got 1"),
        ("point", (), "a point has 1 points, got 0"),
        ("polygon", ((0, 0), (1, 1), (math.nan, 2)), "finite coordinates"),
        ("polygon", ((0, 0), (1, 1), (math.inf, 2)), "finite coordinates"),
        ("circle", ((0, 0), (1e9, 2)), "within 100,000 pixels"),
        ("mask", ((0, 0), (1, 1)), "a mask shape, and no other, has a mask"),
    ],
)
def test_shapes_that_cannot_be_drawn_are_refused(
    kind: str, points: tuple[tuple[float, float], ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        shape(kind, *points)


def test_only_masks_have_a_mask_and_points_are_pairs() -> None:
    with pytest.raises(ValueError, match="no other"):
        shape("rectangle", (0, 0), (1, 1), mask=np.ones((2, 2), dtype=bool))
    with pytest.raises(ValueError, match=r"\(n, 2\), got \(3,\)"):
        Shape("lesion", ShapeType.POLYGON, np.zeros(3))


def classes(annotation: Path, values: dict[str, int]) -> NDArray[np.int_]:
    """LabelMe's label image: later shapes cover earlier ones."""
    parsed = read_labelme(annotation)
    assert parsed.image_size is not None
    image = np.zeros(parsed.image_size, dtype=int)
    for each in parsed.shapes:
        image[rasterise(each, parsed.image_size)] = values[each.label]
    return image


@pytest.mark.real_data
@pytest.mark.parametrize("kind", ["semantic_segmentation", "instance_segmentation"])
@pytest.mark.parametrize(("name", "differing"), [("2011_000003", 0), ("2011_000006", 1), ("2011_000025", 0)])
def test_label_images_of_labelme_are_reproduced(real_data: Path, kind: str, name: str, differing: int) -> None:
    """Exactly with Pillow 10.4; Pillow 11.3 and 13.0 draw one vertex, a single pixel, otherwise."""
    folder = real_data / "labelme_examples" / kind
    reference = np.array(Image.open(folder / "data_dataset_voc" / "SegmentationClass" / f"{name}.png"))
    drawn = classes(folder / "data_annotated" / f"{name}.json", VOC)
    assert (drawn != reference).sum() <= differing
    for value in np.unique(reference):
        both, either = (operate(drawn == value, reference == value) for operate in (np.logical_and, np.logical_or))
        assert round(float(both.sum() / either.sum()), 4) >= 0.9999


@pytest.mark.real_data
def test_label_image_of_labelmes_tutorial_is_reproduced(real_data: Path) -> None:
    """But for 8 pixels of one horizontal edge, the same with Pillow 9.3 to 13.0; the file is older than these."""
    folder = real_data / "labelme_examples" / "tutorial"
    names = (folder / "apc2016_obj3" / "label_names.txt").read_text().split()
    reference = np.array(Image.open(folder / "apc2016_obj3" / "label.png"))
    drawn = classes(folder / "apc2016_obj3.json", {name: value for value, name in enumerate(names)})
    assert set(np.unique(reference)) == set(range(5))
    assert (drawn != reference).sum() <= 8


@pytest.mark.real_data
def test_primitives_of_labelme_have_their_closed_form_areas(real_data: Path) -> None:
    path = real_data / "labelme_examples" / "primitives" / "primitives.json"
    size = Size(450, 560)
    shapes = read_labelme(path).shapes
    assert len(shapes) == 8
    rectangles = [count(each, size) for each in shapes if each.shape_type is ShapeType.RECTANGLE]
    assert rectangles == [101 * 101, 152 * 103]
    areas = {each.shape_type: count(each, size) for each in shapes}
    radius = math.hypot(30, 41)
    assert math.pi * radius**2 <= areas[ShapeType.CIRCLE] <= math.pi * (radius + 0.5) ** 2
    # shoelace formula, plus up to half a pixel along the perimeter
    corners = np.array([[69, 318], [45, 403], [173, 406], [198, 321]], dtype=float)
    x, y = corners.T
    shoelace = abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2
    perimeter = np.hypot(*(corners - np.roll(corners, 1, axis=0)).T).sum()
    assert shoelace <= areas[ShapeType.POLYGON] <= shoelace + perimeter / 2
    assert areas[ShapeType.LINE] == pytest.approx(10 * math.hypot(28, 46), rel=0.05)
    patch = Image.open(io.BytesIO(base64.b64decode(json.loads(path.read_text())["shapes"][7]["mask"])))
    assert patch.size == (100, 100)
    assert areas[ShapeType.MASK] == np.count_nonzero(np.array(patch)) == 7275


coordinates = st.one_of(st.integers(-40, 160), st.floats(-40, 160, width=32), st.just(0.5))


@given(
    points=st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=9),
    kind=st.sampled_from([ShapeType.POLYGON, ShapeType.RECTANGLE, ShapeType.CIRCLE, ShapeType.LINESTRIP]),
    offset=st.sampled_from([0, 1000]),
)
def test_a_shape_is_the_same_on_a_canvas_of_its_height(
    points: list[tuple[float, float]], kind: ShapeType, offset: int
) -> None:
    """Also where it reaches out of the image, or lies beside it."""
    few = {ShapeType.RECTANGLE: 2, ShapeType.CIRCLE: 2}
    drawn = shape(kind, *((x + offset, y + offset) for x, y in points[: few.get(kind)]))
    size = Size(SIZE.height + offset, SIZE.width + offset)
    canvas = Image.new("L", (size.width, size.height))
    draw_shape(ImageDraw.Draw(canvas), drawn.shape_type, drawn.points)
    np.testing.assert_array_equal(rasterise(drawn, size), np.asarray(canvas).astype(bool))
