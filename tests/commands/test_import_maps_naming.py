"""Whose heat map a file holds, by its name."""

from __future__ import annotations

import pytest

from btxrd_explain.commands.import_maps.naming import Names, alike, names_of
from btxrd_explain.errors import InputError

IMAGES = names_of(["IMG_1.png", "IMG_1_2.png", "a/x.png", "b/x.png", "c/y.jpeg"])


def test_a_radiograph_goes_by_every_name_that_only_it_has() -> None:
    assert IMAGES["IMG_1"] == IMAGES["IMG_1.png"] == "IMG_1.png"
    assert IMAGES["y"] == IMAGES["y.jpeg"] == IMAGES["c/y"] == "c/y.jpeg"
    assert (IMAGES["a/x"], IMAGES["b/x"]) == ("a/x.png", "b/x.png")
    assert "x" not in IMAGES
    assert "x.png" not in IMAGES


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("IMG_1", ("IMG_1.png", None)),
        ("IMG_1_2", ("IMG_1_2.png", None)),
        ("IMG_1_Benign", ("IMG_1.png", "Benign")),
        ("IMG_1_2_Benign", ("IMG_1_2.png", "Benign")),
        ("IMG_1__Pleural_effusion", ("IMG_1.png", "Pleural_effusion")),
        ("a/x_Benign", ("a/x.png", "Benign")),
    ],
)
def test_the_longest_known_name_is_the_radiograph(name: str, expected: tuple[str, str | None]) -> None:
    assert Names(IMAGES, ()).parts_of(name) == expected


@pytest.mark.parametrize("name", ["IMG_3", "x_Benign", "IMG_10_Benign", "Benign"])
def test_a_name_that_no_radiograph_has_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"no radiograph has the name of the heat map '{name}'"):
        Names(IMAGES, ()).parts_of(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a_b", ("a_b", None)), ("a_b__c", ("a_b", "c")), ("__c", ("__c", None)), ("a__", ("a__", None))],
)
def test_where_none_is_known_two_underscores_part(name: str, expected: tuple[str, str | None]) -> None:
    assert Names({}, ()).parts_of(name) == expected


def test_a_class_is_found_however_it_is_spelled() -> None:
    names = Names({}, ["Airspace Opacity", "Lung-Lesion"])
    assert [names.class_of(said) for said in ("airspace_opacity", "LUNG LESION", " Lung  lesion ")] == [
        "Airspace Opacity",
        "Lung-Lesion",
        "Lung-Lesion",
    ]
    with pytest.raises(InputError, match="'Lesion' is none of the classes"):
        names.class_of("Lesion")
    assert Names({}, ()).class_of("anything") == "anything"


def test_of_classes_that_are_alike_the_one_that_is_named_counts() -> None:
    names = Names({}, ["left knee", "left_knee"])
    assert [names.class_of(said) for said in names.classes] == ["left knee", "left_knee"]
    assert alike("Left__KNEE ") == "left knee"
