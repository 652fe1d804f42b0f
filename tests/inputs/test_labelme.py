from __future__ import annotations

import base64
import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from btxrd_explain.core.choices import MaskPolicy
from btxrd_explain.core.geometry import Size
from btxrd_explain.core.shapes import ShapeType
from btxrd_explain.errors import AnnotationError, ExitCode
from btxrd_explain.inputs.annotation_file import read_annotation
from btxrd_explain.inputs.labelme import read_labelme

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RECTANGLE = {"label": "osteosarcoma", "points": [[2, 1], [6.5, 3]], "shape_type": "rectangle"}
POLYGON = {"label": "osteosarcoma", "points": [[2, 1], [6, 1], [2, 3]], "shape_type": "polygon"}


def document(*shapes: object, **changes: object) -> dict[str, Any]:
    return {
        "version": "5.4.1",
        "flags": {},
        "shapes": list(shapes),
        "imagePath": "IMG000046.jpeg",
        "imageData": None,
        "imageHeight": 8,
        "imageWidth": 10,
    } | changes


def save(folder: Path, content: object) -> Path:
    path = folder / "IMG000046.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def png(pixels: NDArray[Any]) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def test_an_annotation_is_parsed_into_types(tmp_path: Path) -> None:
    grouped: dict[str, Any] = POLYGON | {"group_id": 3, "mask": None, "description": "", "flags": {}}
    annotation = read_labelme(save(tmp_path, document(RECTANGLE, grouped)))
    first, second = annotation.shapes
    assert annotation.image_size == Size(8, 10)
    assert annotation.image_path == "IMG000046.jpeg"
    assert (first.label, first.shape_type, first.group_id) == ("osteosarcoma", ShapeType.RECTANGLE, None)
    assert (second.shape_type, second.group_id) == (ShapeType.POLYGON, 3)
    assert first.points.dtype == np.float64
    assert first.points.tolist() == [[2.0, 1.0], [6.5, 3.0]]


@pytest.mark.parametrize("kind", [None, "polygon"])
def test_shapes_of_the_first_labelme_versions_are_polygons(tmp_path: Path, kind: str | None) -> None:
    annotation = read_labelme(save(tmp_path, document(POLYGON | {"shape_type": kind})))
    assert annotation.shapes[0].shape_type is ShapeType.POLYGON


def test_line_ends_and_byte_order_mark_do_not_matter(tmp_path: Path) -> None:
    text = json.dumps(document(POLYGON), indent=2).replace("\n", "\r\n")
    path = tmp_path / "a.json"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert len(read_labelme(path).shapes) == 1


def test_a_file_of_flags_has_no_shapes(tmp_path: Path) -> None:
    path = save(tmp_path, document(flags={"cat": True}))
    assert read_labelme(path).shapes == ()
    assert not read_annotation(path, Size(8, 10)).mask.any()


def test_embedded_and_named_images_are_never_opened(tmp_path: Path) -> None:
    path = save(tmp_path, document(POLYGON, imageData="not base64", imagePath="../../../etc/passwd"))
    assert read_labelme(path).image_path == "../../../etc/passwd"


def test_half_characters_in_a_label_become_writable(tmp_path: Path) -> None:
    label = read_labelme(save(tmp_path, document(POLYGON | {"label": "a\ud800"}))).shapes[0].label
    assert label.encode() == b"a?"


def test_mask_shapes_hold_pixels(tmp_path: Path) -> None:
    patch = np.array([[0, 255, 0], [1, 0, 0]], dtype=np.uint8)
    shape = {"label": "x", "points": [[4, 2], [6, 3]], "shape_type": "mask", "mask": png(patch)}
    path = save(tmp_path, document(shape))
    assert np.argwhere(read_annotation(path, Size(8, 10)).mask).tolist() == [[2, 5], [3, 4]]


def test_the_mask_follows_the_policy(tmp_path: Path) -> None:
    path = save(tmp_path, document(RECTANGLE, POLYGON))
    triangle = read_annotation(path, Size(8, 10)).mask
    assert triangle.shape == (8, 10)
    assert not triangle[3, 6]
    assert np.array_equal(triangle, read_annotation(path, (8, 10), mask_policy="polygons").mask)
    box = read_annotation(path, Size(8, 10), mask_policy=MaskPolicy.RECTANGLES).mask
    assert box[3, 6]
    assert np.array_equal(box, read_annotation(path, Size(8, 10), mask_policy="all").mask)
    with pytest.raises(ValueError, match="mask_policy: there is no 'boxes'"):
        read_annotation(path, Size(8, 10), mask_policy="boxes")


def test_another_size_is_an_error_that_says_what_to_check(tmp_path: Path) -> None:
    path = save(tmp_path, document(POLYGON))
    with pytest.raises(AnnotationError, match="has 8 x 10; the sides are swapped: check") as caught:
        read_annotation(path, Size(10, 8))
    assert str(path) in str(caught.value)
    assert caught.value.exit_code is ExitCode.INPUT


def test_a_file_without_size_is_accepted_unless_refused(tmp_path: Path) -> None:
    path = save(tmp_path, document(POLYGON, imageHeight=None, imageWidth=None))
    assert read_labelme(path).image_size is None
    assert read_annotation(path, Size(20, 30)).mask.shape == (20, 30)
    with pytest.raises(AnnotationError, match="no imageHeight and imageWidth"):
        read_annotation(path, Size(20, 30), accept_unsized=False)
    with pytest.raises(AnnotationError, match="no imageHeight and imageWidth"):
        read_annotation(path, None)


def test_the_files_own_size_can_be_taken(tmp_path: Path) -> None:
    assert read_annotation(save(tmp_path, document(POLYGON)), None).mask.shape == (8, 10)


MASK = {"label": "x", "points": [[4, 2], [6, 3]], "shape_type": "mask"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "expected a JSON object at the top"),
        ({}, "shapes: expected a list"),
        (document(shapes={}), "shapes: expected a list"),
        (document(imagePath=3), "imagePath: expected text or null"),
        (document(imageHeight="8 px"), 'imageHeight: expected a whole number from 1 to 20,000, got "8 px"'),
        (document(imageWidth=None), "imageWidth: expected a whole number from 1 to 20,000, got null"),
        (document(imageWidth=0), "imageWidth: expected a whole number from 1 to 20,000, got 0"),
        (document(imageWidth=10**12), "imageWidth: expected a whole number from 1 to 20,000, got 1000000000000"),
        (document(imageHeight=True), "imageHeight: expected a whole number from 1 to 20,000, got true"),
        (document(RECTANGLE, 7), "shapes[1]: expected an object"),
        (document(RECTANGLE | {"label": None}), "shapes[0].label: expected text, got null"),
        (document(RECTANGLE | {"label": {"a": "b" * 99}}), "shapes[0].label: expected text, got {"),
        (document(RECTANGLE | {"group_id": "a"}), 'shapes[0].group_id: expected a whole number or null, got "a"'),
        (document(RECTANGLE | {"points": None}), "shapes[0].points: expected a list of [x, y] pairs"),
        (document(POLYGON, RECTANGLE | {"points": [[1, 2, 3]]}), "shapes[1].points: expected a list of [x, y] pairs"),
        (document(RECTANGLE | {"points": [[1, "2,5"], [3, 4]]}), "shapes[0].points: expected a list of [x, y] pairs"),
        (document(RECTANGLE | {"points": [[1, True], [3, 4]]}), "shapes[0].points: expected a list of [x, y] pairs"),
        (document(RECTANGLE | {"points": [[1, 10**400], [3, 4]]}), "shapes[0].points: expected finite"),
        (document(MASK), "shapes[0].mask: expected a PNG in base64, got null"),
        (document(MASK | {"mask": "äöü"}), "shapes[0].mask: expected a PNG in base64 ("),
        (document(MASK | {"mask": "AAAA"}), "shapes[0].mask: expected a PNG in base64, but it is not an image"),
        (document(MASK | {"mask": png(np.zeros((2, 3, 3), np.uint8))}), "a PNG of one channel, got mode RGB"),
        (document(*[POLYGON | {"points": [[1, 2]] * 20_000}] * 3), "shapes: more than 50,000 points in all"),
        (document(*[RECTANGLE] * 1001), "shapes: expected at most 1,000, got 1,001"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, content: object, message: str) -> None:
    path = save(tmp_path, content)
    with pytest.raises(AnnotationError) as caught:
        read_labelme(path)
    text = str(caught.value)
    assert text.startswith(f"'{path}': ")
    assert message in text
    assert text.count(str(path)) == 1
    assert "\n" not in text
    assert len(text) < len(str(path)) + 250


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (RECTANGLE | {"points": []}, "shapes[0].points: a rectangle has 2 points, got 0"),
        (RECTANGLE | {"points": [[1, 2], [1, 5]]}, "shapes[0].points: the rectangle has no area"),
        (RECTANGLE | {"points": [[4, 4], [4, 4]], "shape_type": "circle"}, "shapes[0].points: the circle has no area"),
        (POLYGON | {"points": [[1, 2], [3, 4]]}, "shapes[0].points: a polygon has 3 to 20,000 points, got 2"),
        (POLYGON | {"points": [[1, 2]] * 4}, "shapes[0].points: the polygon has no area"),
        (RECTANGLE | {"points": [[1, float("nan")], [3, 4]]}, "shapes[0].points: expected finite"),
        (RECTANGLE | {"points": [[1, float("-inf")], [3, 4]]}, "shapes[0].points: expected finite"),
        (RECTANGLE | {"points": [[1, 2e9], [3, 4]]}, "shapes[0].points: expected finite"),
        (RECTANGLE | {"shape_type": "ellipse"}, "shapes[0].shape_type: expected one of circle, line, lines"),
        (RECTANGLE | {"shape_type": 3}, "point, points, polygon, rectangle, got 3"),
    ],
)
def test_a_part_without_area_loses_itself_alone_and_is_named(
    tmp_path: Path, part: dict[str, Any], message: str
) -> None:
    path = save(tmp_path, document(part, POLYGON))
    annotation = read_labelme(path)
    assert [shape.shape_type for shape in annotation.shapes] == ["polygon"]
    (finding,) = annotation.findings
    assert finding.code == "annotation-part"
    assert finding.message.startswith(f"'{path}': shapes[0].")
    assert message in finding.message


def test_numbers_may_be_text_where_nothing_else_can_be_meant(tmp_path: Path) -> None:
    spelled = RECTANGLE | {"points": [["2", "1.0"], [" 6.5", "3e0"]], "group_id": "4"}
    read = read_labelme(save(tmp_path, document(spelled, imageHeight="8", imageWidth=10.0)))
    assert read.image_size == (8, 10)
    assert read.shapes[0].group_id == 4
    assert read.shapes[0].points.tolist() == [[2, 1], [6.5, 3]]


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ({"shape_type": "rectangle", "points": [[2, 1], [6, 1], [6, 3], [2, 3]]}, "rectangle"),
        ({"shape_type": "rectangle", "points": [[6, 3], [2, 3], [2, 1], [6, 1]]}, "rectangle"),
        (
            {"shape_type": "rotation", "points": [[3, 1], [6, 2], [5, 5], [2, 4]], "direction": 0.3},
            "oriented_rectangle",
        ),
        ({"shape_type": "rectangle", "points": [[3, 1], [6, 2], [5, 5], [2, 4]]}, "oriented_rectangle"),
    ],
)
def test_rectangles_of_four_corners_are_those_of_x_anylabeling(
    tmp_path: Path, shape: dict[str, Any], kind: str
) -> None:
    (read,) = read_labelme(save(tmp_path, document(POLYGON | shape))).shapes
    assert read.shape_type == kind
    if kind == "rectangle":
        assert read.points.tolist() == [[2, 1], [6, 3]]


def test_a_part_that_lies_in_another_one_of_its_group_is_mentioned(tmp_path: Path) -> None:
    outer, inner, apart = (
        [[low, low], [high, low], [high, high], [low, high]] for low, high in ((0, 7), (2, 4), (8, 9))
    )
    grouped = [POLYGON | {"points": points, "group_id": 1} for points in (outer, inner, apart)]
    (finding,) = read_labelme(save(tmp_path, document(*grouped))).findings
    assert "lies in another one of its group, and changes nothing" in finding.message
    assert not read_labelme(save(tmp_path, document(grouped[0], grouped[2]))).findings


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "gbk"])
def test_files_of_old_windows_versions_are_read_and_their_encoding_is_said(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.json"
    label = "\u80bf\u7624"
    path.write_bytes(json.dumps(document(POLYGON | {"label": label}), ensure_ascii=False).encode(encoding))
    read = read_labelme(path)
    assert [shape.label for shape in read.shapes] == [label]
    said = {"utf-16": "UTF-16", "utf-32": "UTF-32", "gbk": "GB18030"}.get(encoding)
    assert [finding.code for finding in read.findings] == ["annotation-encoding"] * (said is not None)
    assert all(f"read as {said}" in finding.message for finding in read.findings)


@pytest.mark.parametrize(
    ("label", "encoding"),
    [
        ("Kn\u00f6chel", "cp1252"),
        ("Gr\u00f6\u00dfe", "cp1252"),
        ("\uc591\uc131", "cp949"),
        ("\u043d\u043e\u0440\u043c", "cp1251"),
    ],
)
def test_text_in_another_encoding_is_refused_rather_than_guessed(tmp_path: Path, label: str, encoding: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(json.dumps(document(POLYGON | {"label": label}), ensure_ascii=False).encode(encoding))
    with pytest.raises(AnnotationError, match="expected text in UTF-8; convert it"):
        read_labelme(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected JSON"),
        (b"{", "expected JSON"),
        (b"\xff\xfe{\x00}", "expected text in UTF-8"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"shapes": [], "imageHeight": ' + b"9" * 5000 + b"}", "expected JSON"),
    ],
)
def test_what_is_no_json_is_an_error(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(data)
    with pytest.raises(AnnotationError, match=message):
        read_labelme(path)


def test_large_masks_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("btxrd_explain.inputs.annotation.MAX_MASK_PIXELS", 11)
    shape = MASK | {"mask": png(np.zeros((2, 3), np.uint8))}
    assert len(read_labelme(save(tmp_path, document(shape))).shapes) == 1
    with pytest.raises(AnnotationError, match="expected masks of at most 11 pixels in all"):
        read_labelme(save(tmp_path, document(shape, shape)))


def test_large_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("btxrd_explain.inputs.labelme._MAX_BYTES", 2**20)
    path = tmp_path / "a.json"
    path.write_bytes(b" " * 2**20 + b"{}")
    with pytest.raises(AnnotationError, match="expected at most 1 MiB"):
        read_labelme(path)


def test_documents_of_too_many_values_are_refused_before_they_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(f'{{"shapes": [{"[]," * 500_000}[]]}}')
    with pytest.raises(AnnotationError, match="expected at most 1,000,000 values"):
        read_labelme(path)


@pytest.mark.parametrize("place", ["top", "shape"])
def test_a_key_that_is_there_twice_is_no_riddle(tmp_path: Path, place: str) -> None:
    twice = '"shapes": []' if place == "top" else '"label": "a", "label": "b"'
    path = tmp_path / "a.json"
    path.write_text(f'{{{twice}, "shapes": [{{{twice}}}]}}')
    with pytest.raises(AnnotationError, match=r'the key "(shapes|label)" is there twice: open and save'):
        read_labelme(path)


def test_no_depth_falls_between_what_can_be_read_and_what_can_be_shown(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    messages = set()
    for depth in range(800, 1010):
        path.write_text(f'{{"shapes": [{{"label": {"[" * depth}{"]" * depth}}}]}}')
        with pytest.raises(AnnotationError, match=r"nested too deeply|expected text, got") as caught:
            read_labelme(path)
        messages.add("nested" in str(caught.value))
    assert messages == {True, False}


def test_files_that_cannot_be_read_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=r"cannot read the annotation .* \(No such file"):
        read_labelme(tmp_path / "none.json")
    with pytest.raises(AnnotationError, match="cannot read the annotation"):
        read_labelme(tmp_path)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(place=st.sampled_from(["shapes", "imageHeight", "imagePath", "points", "label", "shape_type"]), value=anything)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_other_value_is_parsed_or_refused(tmp_path: Path, place: str, value: object) -> None:
    shape = POLYGON | ({place: value} if place in POLYGON else {})
    content = document(shape, **({} if place in POLYGON else {place: value}))
    path = save(tmp_path, content)
    message = ""
    try:
        annotation = read_labelme(path)
    except AnnotationError as error:
        message = str(error)
    else:
        assert all(np.isfinite(each.points).all() for each in annotation.shapes)
    assert not message or place in message


@pytest.mark.real_data
def test_all_real_files_are_parsed(real_data: Path) -> None:
    files = sorted(real_data.glob("*/**/*.json"))
    annotations = [path for path in files if path.parts[-3] == "btxrd_sample" or "labelme_examples" in path.parts]
    assert len(annotations) >= 22
    for path in annotations:
        assert read_labelme(path).image_size is not None
    crlf = real_data / "btxrd_sample" / "Annotations" / "IMG000046.json"
    assert b"\r\n" in crlf.read_bytes()
    assert [shape.label for shape in read_labelme(crlf).shapes] == ["osteosarcoma"] * 2
