from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.extra.numpy import arrays
from pycocotools import mask as codec

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.masks import lesion_masks
from btxrd_explain.core.shapes import ShapeType
from btxrd_explain.errors import AnnotationError
from btxrd_explain.inputs.coco import read_coco, read_results

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SIZE = Size(6, 9)
IMAGES = [{"id": 7, "file_name": "a.png", "height": 6, "width": 9}, {"id": 8, "file_name": "b.png"}]
CATEGORIES = [{"id": 1, "name": "Benign"}, {"id": 2, "name": "Malignant"}]


def entry(segmentation: object = None, **changes: object) -> dict[str, Any]:
    return {"id": 1, "image_id": 7, "category_id": 2, "segmentation": segmentation, "bbox": [2, 1, 4, 3]} | changes


def save(folder: Path, *annotations: object, **changes: object) -> Path:
    path = folder / "coco.json"
    content = {"images": IMAGES, "annotations": list(annotations), "categories": CATEGORIES} | changes
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def union(path: Path, size: Size = SIZE) -> NDArray[np.bool_]:
    mask = np.zeros(size, bool)
    for lesion in lesion_masks(read_coco(path).read(0, size).shapes, size):
        mask |= lesion
    return mask


def test_run_lengths_go_down_the_columns(tmp_path: Path) -> None:
    # a column has 6 pixels: two columns and one pixel are empty, then 3 full, 4 empty, 2 full, the rest empty
    path = save(tmp_path, entry({"size": [6, 9], "counts": [13, 3, 4, 2, 32]}))
    annotation = read_coco(path).read(0, SIZE)
    assert [(shape.label, shape.shape_type) for shape in annotation.shapes] == [("Malignant", ShapeType.MASK)]
    assert annotation.image_size == SIZE
    assert np.argwhere(union(path)).tolist() == [[1, 2], [2, 2], [2, 3], [3, 2], [3, 3]]


@given(mask=arrays(np.bool_, (6, 9)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_compressed_run_lengths_are_those_of_pycocotools(tmp_path: Path, mask: NDArray[np.bool_]) -> None:
    runs = codec.encode(np.asfortranarray(mask.astype(np.uint8)))
    path = save(tmp_path, entry({"size": [6, 9], "counts": runs["counts"].decode()}))
    assert np.array_equal(union(path), mask)


def test_large_compressed_runs_are_read(tmp_path: Path) -> None:
    size = Size(2301, 1608)
    mask = np.zeros(size, bool)
    mask[300:1700, 200:900] = np.random.default_rng(0).random((1400, 700)) < 0.999
    runs = codec.encode(np.asfortranarray(mask.astype(np.uint8)))
    path = save(
        tmp_path, entry({"size": list(size), "counts": runs["counts"].decode()}), images=[{**IMAGES[1], "id": 7}]
    )
    assert np.array_equal(union(path, size), mask)


def test_the_parts_of_a_polygon_are_one_lesion_drawn_as_labelme_does(tmp_path: Path) -> None:
    parts = [[1, 1, 4, 1, 4, 4, 1, 4], [6.0, 2.0, 8.0, 2.0, 8.0, 5.0]]
    path = save(tmp_path, entry(parts), entry([[1, 1, 4, 1, 4, 4]], id=2))
    shapes = read_coco(path).read(0, SIZE).shapes
    assert [shape.group_id for shape in shapes] == [0, 0, None]
    first, second = lesion_masks(shapes, SIZE)
    expected = np.zeros(SIZE, bool)
    expected[1:5, 1:5] = True  # the outline belongs to the polygon: from pixel 1 to 4 there are 4 x 4
    assert np.array_equal(first[:, :5], expected[:, :5])
    assert first[2, 6:9].all()
    assert first[2:6, 8].all()
    assert np.array_equal(second[1:5, 1:5], np.triu(np.ones((4, 4))) > 0)


@pytest.mark.parametrize("segmentation", [None, [], {}])
def test_a_box_counts_where_there_is_no_segmentation(tmp_path: Path, segmentation: object) -> None:
    path = save(tmp_path, entry(segmentation))
    (shape,) = read_coco(path).read(0, SIZE).shapes
    assert shape.shape_type is ShapeType.RECTANGLE
    expected = np.zeros(SIZE, bool)
    expected[1:4, 2:6] = True  # 4 wide and 3 high
    assert np.array_equal(union(path), expected)


def test_an_image_without_annotations_has_no_shapes_and_strays_are_counted(tmp_path: Path) -> None:
    file = read_coco(save(tmp_path, entry(), entry(image_id=99)))
    assert [len(file.read(position, SIZE).shapes) for position in (0, 1)] == [1, 0]
    assert file.stray == 1


def test_ids_can_be_text(tmp_path: Path) -> None:
    images = [{"id": "x", "file_name": "a.png"}]
    path = save(tmp_path, entry(image_id="x", category_id="c"), images=images, categories=[{"id": "c", "name": "cyst"}])
    assert [shape.label for shape in read_coco(path).read(0, SIZE).shapes] == ["cyst"]


def test_numbers_of_results_may_be_text_as_those_of_images(tmp_path: Path) -> None:
    coco, results = tmp_path / "coco.json", tmp_path / "results.json"
    images = [{"id": "7", "file_name": "a.png"}, {"id": 8, "file_name": "12"}]
    coco.write_text(json.dumps({"images": images, "annotations": [], "categories": [{"id": "1", "name": "cyst"}]}))
    found = [{"image_id": key, "category_id": 1, "bbox": [1, 1, 2, 2], "score": 0.5} for key in (7, "7", "8", "12")]
    results.write_text(json.dumps(found))
    read = read_results(results, read_coco(coco))
    assert {image.file_name: len(image.annotations) for image in read.images} == {"a.png": 2, "12": 2}
    results.write_text(json.dumps(found[3:]))
    assert [image.file_name for image in read_results(results, None).images] == ["12"]


def test_an_empty_mask_is_no_shape(tmp_path: Path) -> None:
    assert not read_coco(save(tmp_path, entry({"size": [6, 9], "counts": [54]}))).read(0, SIZE).shapes


def test_another_size_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path, entry())
    with pytest.raises(AnnotationError, match="annotates an image of 9 x 6 pixels, but the radiograph has 6 x 9"):
        read_coco(path).read(0, Size(9, 6))


def test_one_bad_annotation_stops_only_its_image(tmp_path: Path) -> None:
    file = read_coco(save(tmp_path, entry({"size": [6, 9], "counts": [1]}), entry(image_id=8)))
    with pytest.raises(AnnotationError, match="54 pixels in all, got 1"):
        file.read(0, SIZE)
    assert len(file.read(1, SIZE).shapes) == 1


RUNS = {"size": [6, 9], "counts": [54]}


@pytest.mark.parametrize(
    ("annotation", "message", "left"),
    [
        (entry(bbox=[1, 2, 0, 4]), "annotations[0].bbox: the box has no area", 1),
        (entry([[1, 2, 3, 4]]), "annotations[0].segmentation[0]: a polygon has 3 to 20,000 points, got 2", 1),
        (entry([[1, 1, 4, 1, 4, 4], []]), "annotations[0].segmentation[1]: a polygon has 3 to 20,000 points, got 0", 2),
        (entry([[1, 1, 4, 1, 6, 1]]), "annotations[0].segmentation[0]: the polygon has no area", 1),
    ],
)
def test_a_part_without_area_loses_itself_alone_and_is_named(
    tmp_path: Path, annotation: dict[str, Any], message: str, left: int
) -> None:
    path = save(tmp_path, annotation, entry(id=2))
    read = read_coco(path).read(0, SIZE)
    assert len(read.shapes) == left
    (finding,) = read.findings
    assert finding.message.startswith(f"'{path}': {message}")


def test_numbers_may_be_text_where_nothing_else_can_be_meant(tmp_path: Path) -> None:
    (shape,) = read_coco(save(tmp_path, entry(bbox=["2", "1", "4.0", "3"]))).read(0, SIZE).shapes
    assert shape.points.tolist() == [[2, 1], [5, 3]]


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (entry(category_id=3), "annotations[0].category_id: 3 is the id of no category"),
        (entry(category_id=None), "annotations[0].category_id: null is the id of no category"),
        (entry(bbox=[1, 2, 3]), "annotations[0].bbox: expected [x, y, width, height], got [1, 2, 3]"),
        (entry(bbox=[1, 2, float("nan"), 4]), "annotations[0].bbox: expected [x, y, width, height]"),
        (entry(bbox=None), "annotations[0].bbox: expected [x, y, width, height], got null"),
        (entry("text"), 'annotations[0].segmentation: expected polygons or run lengths, got "text"'),
        (entry([[1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6, 7]]), "annotations[0].segmentation[1]: expected at least three"),
        (entry([[1, 2, 3, 4, 5, 1e9]]), "annotations[0].segmentation[0]: expected finite numbers"),
        (entry([[1, 2, 3, 4, 5, True]]), "annotations[0].segmentation[0]: expected finite numbers"),
        (entry(RUNS | {"size": [9, 6]}), "annotations[0].segmentation.size: expected [6, 9] as the radiograph has"),
        (entry(RUNS | {"counts": [60, -6]}), "annotations[0].segmentation.counts: expected run lengths, got [60, -6]"),
        (entry(RUNS | {"counts": "0"}), "annotations[0].segmentation.counts: expected runs of 54 pixels in all, got 0"),
        (entry(RUNS | {"counts": "ä"}), "annotations[0].segmentation.counts: expected run lengths, got"),
        (entry(RUNS | {"counts": "o" * 99}), "annotations[0].segmentation.counts: expected run lengths, got"),
        (entry(RUNS | {"counts": "f1f1"}), "annotations[0].segmentation.counts: expected runs of 54 pixels"),
        (entry([[0, 0, 9, 9] * 9_999] * 3), "images[0]: more than 50,000 points in all polygons"),
        (entry([[1, 2, 3, 4, 5, 6]] * 1_001), "images[0]: more than 1,000 annotations and polygons"),
        (entry(RUNS | {"counts": None}), "annotations[0].segmentation.counts: expected run lengths, got null"),
    ],
)
def test_what_is_wrong_with_an_annotation_is_said_with_its_place(
    tmp_path: Path, annotation: dict[str, Any], message: str
) -> None:
    path = save(tmp_path, annotation)
    with pytest.raises(AnnotationError) as caught:
        read_coco(path).read(0, SIZE)
    assert str(caught.value).startswith(f"'{path}': {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": {}}, "expected an object with the lists images and annotations"),
        ({"annotations": [3]}, "annotations[0]: expected an object"),
        ({"categories": {"1": "x"}}, "categories: expected a list"),
        ({"images": [{"id": 1, "file_name": None}]}, "images[0].file_name: expected text, got null"),
        ({"images": [{"id": None, "file_name": "a"}]}, "images[0].id: expected a whole number or text, got null"),
        (
            {"images": [IMAGES[0] | {"id": 2**64}]},
            "images[0].id: expected a whole number or text, got 18446744",
        ),
        ({"images": [IMAGES[0], IMAGES[0]]}, "images: several have one id"),
        ({"annotations": [{"id": 1}]}, "annotations[0].image_id: expected a whole number or text, got null"),
    ],
)
def test_what_is_wrong_with_the_file_is_said_with_its_place(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = save(tmp_path, **changes)
    with pytest.raises(AnnotationError) as caught:
        read_coco(path)
    assert str(caught.value).startswith(f"'{path}': {message}")


def test_files_of_too_many_values_are_refused_before_they_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("btxrd_explain.inputs.coco.MAX_VALUES", 100)
    with pytest.raises(AnnotationError, match="expected at most 100 values"):
        read_coco(save(tmp_path, entry([list(range(200))])))


def test_a_key_that_is_there_twice_is_no_riddle(tmp_path: Path) -> None:
    path = tmp_path / "coco.json"
    path.write_text('{"images": [], "annotations": [], "images": []}')
    with pytest.raises(AnnotationError, match='the key "images" is there twice'):
        read_coco(path)
