"""Which radiographs belong together: copies, patients, and neighbours that show one lesion."""

from __future__ import annotations

import csv
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from btxrd_explain.commands.check.groups import write_groups
from btxrd_explain.finding import Finding

if TYPE_CHECKING:
    from pathlib import Path


def _image(
    name: str, *, label: str | None = "Benign", patient: str | None = None, seed: int | None = None, **row: str
) -> Any:  # noqa: ANN401
    picture = None if seed is None else np.random.default_rng(seed).random((9, 9))
    known = SimpleNamespace(label=label, patient=patient, row=row)
    return SimpleNamespace(entry=SimpleNamespace(image_id=name, known=known), picture=picture)


def _written(folder: Path, *images: Any, findings: tuple[Finding, ...] = ()) -> tuple[int, dict[str, tuple[str, str]]]:  # noqa: ANN401
    path = folder / "groups.csv"
    count = write_groups(path, images, findings)
    with path.open(newline="", encoding="utf-8") as file:
        return count, {line["image_id"]: (line["group"], line["reason"]) for line in csv.DictReader(file)}


def test_an_image_alone_is_a_group_of_its_own_without_a_reason(tmp_path: Path) -> None:
    assert _written(tmp_path, _image("a.png"), _image("c.png")) == (0, {"a.png": ("a.png", ""), "c.png": ("c.png", "")})
    assert _written(tmp_path) == (0, {})


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("same-file", "same file"),
        ("leak-file", "same file"),
        ("same-pixels", "same pixels"),
        ("leak-near", "near duplicate"),
        ("other-tumour", ""),
    ],
)
def test_copies_are_one_group_by_their_first_image(tmp_path: Path, code: str, reason: str) -> None:
    finding = Finding.of(code, "found", ["c.png", "a.png"])
    count, groups = _written(tmp_path, _image("a.png"), _image("b.png"), _image("c.png"), findings=(finding,))
    assert count == bool(reason)
    assert groups["a.png"][1] == groups["c.png"][1] == reason
    assert (groups["a.png"][0] == groups["c.png"][0]) is bool(reason)
    assert groups["b.png"] == ("b.png", "")


def test_groups_that_touch_are_one_with_each_images_own_reasons(tmp_path: Path) -> None:
    images = [_image("a.png", patient="p"), _image("b.png", patient="p"), _image("c.png")]
    count, groups = _written(tmp_path, *images, findings=(Finding.of("same-pixels", "x", ["b.png", "c.png"]),))
    assert count == 1
    assert len({group for group, _ in groups.values()}) == 1
    assert groups["a.png"][1] == "same patient"
    assert set(groups["b.png"][1].split("; ")) == {"same pixels", "same patient"}
    assert groups["c.png"][1] == "same pixels"


def test_images_of_no_known_patient_are_not_of_one(tmp_path: Path) -> None:
    assert _written(tmp_path, _image("a.png"), _image("b.png"))[0] == 0


PERSON: dict[str, Any] = {"age": "31", "gender": "F", "hip": "1"}


@pytest.mark.parametrize(
    ("first", "second", "joined"),
    [
        ({"frontal": "1"}, {"frontal": "0"}, True),
        ({"lateral": "1"}, {"oblique": "1"}, True),
        ({"hip": "0"}, {}, False),
        ({"age": "32"}, {}, False),
    ],
)
def test_neighbours_whose_rows_differ_in_the_view_alone_show_one_lesion(
    tmp_path: Path, first: dict[str, str], second: dict[str, str], joined: bool
) -> None:
    images = [_image("IMG000009.jpeg", **PERSON | first), _image("IMG000010.jpeg", **PERSON | second)]
    count, groups = _written(tmp_path, *images)
    assert count == joined
    if joined:
        assert {reason for _, reason in groups.values()} == {"neighbouring numbers, same row but for the view"}


def test_neighbours_of_different_labels_show_no_lesion_in_common(tmp_path: Path) -> None:
    images = [_image("IMG1.png", **PERSON), _image("IMG2.png", label="Malignant", **PERSON)]
    assert _written(tmp_path, *images)[0] == 0


def test_without_a_persons_columns_pictures_must_be_alike(tmp_path: Path) -> None:
    same = [_image("IMG1.png", seed=1), _image("IMG2.png", seed=1)]
    count, groups = _written(tmp_path, *same)
    assert (count, groups["IMG1.png"][1]) == (1, "neighbouring numbers, correlation 1.00")
    assert _written(tmp_path, _image("IMG1.png", seed=1), _image("IMG2.png", seed=2))[0] == 0
    assert _written(tmp_path, _image("IMG1.png", seed=1), _image("IMG2.png"))[0] == 0
    flat = _image("IMG2.png", seed=1)
    flat.picture = np.full((9, 9), 0.5)
    assert _written(tmp_path, _image("IMG1.png", seed=1), flat)[0] == 0


@pytest.mark.parametrize(
    ("one", "other", "neighbours"),
    [
        ("IMG09.png", "IMG10.jpg", True),
        ("IMG1_left.png", "IMG2_left.png", True),
        ("IMG1_left.png", "IMG2_right.png", False),
        ("IMG1.png", "IMG3.png", False),
        ("A1.png", "B2.png", False),
        ("1/a.png", "2/a.png", True),
        ("left.png", "right.png", False),
        (f"IMG{'9' * 18}.png", f"IMG1{'0' * 18}.png", False),
    ],
)
def test_neighbours_differ_in_their_last_number_by_one(tmp_path: Path, one: str, other: str, neighbours: bool) -> None:
    assert _written(tmp_path, _image(one, seed=1), _image(other, seed=1))[0] == neighbours


def test_names_are_no_formulas_for_a_spreadsheet(tmp_path: Path) -> None:
    _, groups = _written(tmp_path, _image("=1+1.png"))
    assert groups == {"'=1+1.png": ("'=1+1.png", "")}
