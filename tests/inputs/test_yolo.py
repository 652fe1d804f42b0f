"""YOLO's files: fractions of the image's sides, names of classes, and lines that cannot be used."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.masks import lesion_masks
from btxrd_explain.core.shapes import ShapeType
from btxrd_explain.errors import AnnotationError
from btxrd_explain.inputs.yolo import is_yolo, read_yolo

if TYPE_CHECKING:
    from pathlib import Path

    from btxrd_explain.inputs.annotation import Annotation

SIZE = Size(50, 80)


def _read(folder: Path, text: str) -> Annotation:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "a.txt"
    path.write_text(text, "utf-8")
    return read_yolo(path, SIZE)


def test_a_box_is_centre_and_sides(tmp_path: Path) -> None:
    found = _read(tmp_path, "0 0.5 0.4 0.25 0.2\n")
    (mask,) = lesion_masks(found.shapes, SIZE)
    rows, columns = np.nonzero(mask)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (15, 24, 30, 49)
    assert mask.sum() == 10 * 20


def test_more_than_two_pairs_are_a_polygon(tmp_path: Path) -> None:
    found = _read(tmp_path, "3 0.1 0.2 0.5 0.2 0.5 0.8 0.1 0.8")
    (shape,) = found.shapes
    assert (shape.shape_type, shape.label) == (ShapeType.POLYGON, "3")
    np.testing.assert_allclose(shape.points, [[8, 10], [40, 10], [40, 40], [8, 40]])


def test_an_empty_file_is_an_image_without_lesions(tmp_path: Path) -> None:
    assert _read(tmp_path, "\n \n").shapes == ()


@pytest.mark.parametrize("line", ["-1 0.5 0.5 0.1 0.1", "0.5 0.5 0.5 0.1 0.1", "٣ 0.5 0.5 0.1 0.1", "1234567 0 0 1 1"])
def test_a_class_that_is_not_a_number_is_an_error_with_its_line(tmp_path: Path, line: str) -> None:
    with pytest.raises(AnnotationError, match="line 2: expected the number of a class first"):
        _read(tmp_path, f"0 0.5 0.5 0.1 0.1\n{line}")


@pytest.mark.parametrize("cell", ["x", "nan", "inf", "0,5"])
def test_a_cell_that_is_not_a_number_is_an_error(tmp_path: Path, cell: str) -> None:
    with pytest.raises(AnnotationError, match="line 1: expected fractions from 0 to 1"):
        _read(tmp_path, f"0 {cell} 0.5 0.1 0.1")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.5 0.5 0.1", "expected four fractions, or six or more in pairs, got 3"),
        ("0 0.5 0.5 0.1 0.1 0.2", "got 5"),
        ("0", "got 0"),
        ("0 0.5 1.02 0.1 0.1", "expected fractions from 0 to 1"),
        ("0 0.5 0.5 0 0.1", "line 1"),
    ],
)
def test_a_line_that_cannot_be_used_is_left_out_and_named(tmp_path: Path, line: str, message: str) -> None:
    found = _read(tmp_path, f"{line}\n0 0.5 0.5 0.1 0.1\n")
    assert len(found.shapes) == 1
    (finding,) = found.findings
    assert finding.code == "annotation-part"
    assert message in finding.message


def test_a_fraction_may_leave_the_border_by_what_programs_round(tmp_path: Path) -> None:
    assert len(_read(tmp_path, "0 0.5 1.01 0.1 0.1\n0 -0.01 0 0.1 0.1").shapes) == 2


def test_classes_are_named_by_the_nearest_file(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("far\n")
    assert _read(tmp_path / "labels" / "train", "0 0.5 0.5 0.1 0.1").shapes[0].label == "far"
    (tmp_path / "labels" / "data.yaml").write_text("names: [near, other]")
    assert [one.label for one in _read(tmp_path / "labels" / "train", "0 0 0 1 1\n7 0 0 1 1").shapes] == ["near", "7"]


def test_a_file_of_names_four_folders_above_is_not_looked_for(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("far\n")
    assert _read(tmp_path / "a" / "b" / "c" / "d", "0 0.5 0.5 0.1 0.1").shapes[0].label == "0"


@pytest.mark.parametrize(
    ("content", "label"),
    [
        ("names: {0: a, 1: b}", "b"),
        ('names: {"0": a, "1": b}', "b"),
        ("names: [a, 2]", "2"),
        ("names: {1: [b]}", "1"),
        ("names: a", "1"),
        ("- a\n- b", "1"),
        ("", "1"),
    ],
)
def test_names_are_a_list_or_a_mapping(tmp_path: Path, content: str, label: str) -> None:
    (tmp_path / "data.yaml").write_text(content)
    assert _read(tmp_path, "1 0.5 0.5 0.1 0.1").shapes[0].label == label


@pytest.mark.parametrize("content", ["names: [a", "&a [*a", "names: !!python/object:x {}", "kpt_shape: [17, 3]"])
def test_names_that_cannot_be_read_are_an_error_that_names_the_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "data.yaml").write_text(content)
    with pytest.raises(AnnotationError, match=r"data\.yaml"):
        _read(tmp_path, "1 0.5 0.5 0.1 0.1")


def test_names_are_read_again_when_they_change(tmp_path: Path) -> None:
    names = tmp_path / "classes.txt"
    names.write_text("first")
    assert _read(tmp_path, "0 0.5 0.5 0.1 0.1").shapes[0].label == "first"
    names.write_text("second")
    os.utime(names, ns=(0, 10**9))
    assert _read(tmp_path, "0 0.5 0.5 0.1 0.1").shapes[0].label == "second"


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("0 0.5 0.5 0.25 0.25", True),
        ("\n 12 0 0 1 1 \n\n3 .1 .1 .2 .2 .3 .3\n", True),
        ("0\t0.5\t0.5\t1e-1\t0.1", True),
        ("0 0.5 0.5 0.25", False),
        ("normal", False),
        ("0 0.5 0.5 0.25 0.25\nnormal", False),
        ("", False),
    ],
)
def test_a_text_is_recognised_by_its_lines(text: str, known: bool) -> None:
    assert is_yolo(text) is known


def test_a_text_of_endless_digits_is_told_apart_at_once() -> None:
    assert not is_yolo("0 " + "1" * 10**6 + " 1 1 1")


def test_too_many_lines_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="at most 1,000 lines"):
        _read(tmp_path, "0 0.5 0.5 0.1 0.1\n" * 1_001)
