"""Names that mean the same radiograph, whatever programs put around them."""

from __future__ import annotations

import re
from itertools import product

import pytest

from btxrd_explain.inputs.annotation_names import ACCEPTED, SimilarNames, key_of

DECORATED = (
    *("{}.json", "{}.JSON", "{}.jpeg.json", "{}.nii.gz", "{}_mask.png", "{}-masks.png", "{} mask.png", "{}_seg.nii.gz"),
    *("{}_0000.png", "train_{}.jpg", "val-{}.png", "mask_{}.png", "{}_jpg.rf.0a1b2c3d4e.jpg", "{}_label.tif"),
)


@pytest.mark.parametrize(("form", "name"), list(product(DECORATED, ["IMG000046", "left knee 2", "a-b"])))
def test_what_programs_add_is_taken_away(form: str, name: str) -> None:
    assert key_of(form.format(name)) == key_of(f"{name}.jpeg") == name.casefold()


@pytest.mark.parametrize("name", ["IMG000046", "mask", "0000", "train_", "test.png.png.png", ".json", "x_1"])
def test_something_is_left_of_every_name_and_stays(name: str) -> None:
    key = key_of(name)
    assert key
    assert key_of(f"{key}.png") == key or key.endswith("_")


def test_numbers_are_not_taken_away() -> None:
    assert len({key_of(name) for name in ("x_1.png", "x_2.png", "x_10000.png", "x.png")}) == 4


def test_names_that_are_as_good_as_one_are_found_together() -> None:
    names = SimilarNames(["a_mask.png", "A.json", "b.json", "a_mask.png"])
    assert names.like("a.jpeg") == ["a_mask.png", "A.json"]
    assert names.like("b.png") == ["b.json"]
    assert names.like("c.png") == []


def test_the_nearest_names_come_first_and_are_three_at_most() -> None:
    names = SimilarNames(["IMG000047.json", "IMG000146.json", "scan.json", "IMG000046b.json", "other.json"])
    nearest = names.nearest("IMG000046.jpeg")
    assert nearest[0] == "IMG000046b.json"
    assert len(nearest) == 3
    assert "scan.json" not in nearest[:2]
    assert SimilarNames([]).nearest("a") == []
    named = SimilarNames(["Patient_050.png", "Patient_040.png", "Patient_000_left_drawn.png", "Patient_001.png"])
    assert named.nearest("Patient_000.png")[0] == "Patient_000_left_drawn.png"


@pytest.mark.parametrize("name", ["x_Maske.png", "X_masken.TIF", *re.findall(r"x[-_.]\S+\w", ACCEPTED)])
def test_marks_of_masks_are_taken_away(name: str) -> None:
    assert key_of(name) == "x"
