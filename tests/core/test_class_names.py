"""What can be the name of a class, and which classes have no lesion."""

from __future__ import annotations

import pytest

from btxrd_explain.core.class_names import LONGEST_NAME, MOST_CLASSES, NO_LESION, NoLesion, checked_class_names
from tests.support.refusals import assert_refused


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], f"there are 0 class names, which must be 1 to {MOST_CLASSES}"),
        (["a"] * (MOST_CLASSES + 1), f"there are {MOST_CLASSES + 1} class names"),
        (["a", "b", "a"], "a class name is there twice"),
        (["a", ""], f"class name '' is not of 1 to {LONGEST_NAME} characters"),
        (["a", " \t"], "class name ' \\t' is not of"),
        (["a", 1], "class name '1' is not of"),
        (["a", None], "class name 'None' is not of"),
        (["x" * (LONGEST_NAME + 1)], "class name 'xxx"),
    ],
)
def test_what_cannot_be_class_names_is_refused(names: list[object], message: str) -> None:
    assert_refused(lambda: checked_class_names(names), ValueError, message)


def test_the_refusal_of_a_long_name_is_short() -> None:
    with pytest.raises(ValueError, match="is not of") as caught:
        checked_class_names(["x" * 10**6])
    assert len(str(caught.value)) < 200


def test_names_stay_as_they_are() -> None:
    names = ["Normal", " padded ", "normal", "x" * LONGEST_NAME, "Ünïcode\n"]
    assert checked_class_names(names) == tuple(names)
    many = [str(number) for number in range(MOST_CLASSES)]
    assert len(checked_class_names(many)) == MOST_CLASSES


@pytest.mark.parametrize("name", sorted(NO_LESION))
def test_a_class_without_a_lesion_is_recognised_in_any_spelling(name: str) -> None:
    for spelling in (name.upper(), name.title(), name.replace(" ", "_"), name.replace(" ", " - "), f"  {name} "):
        assert spelling in NoLesion()


@pytest.mark.parametrize("name", ["Abnormal", "normality", "No Fracture", "tumor", "", None])
def test_other_names_are_not_recognised(name: str | None) -> None:
    assert name not in NoLesion()


def test_names_that_are_set_are_the_only_ones() -> None:
    chosen = NoLesion((" Control", "HEALTHY_BONE"))
    assert "control " in chosen
    assert "healthy_bone" in chosen
    assert "healthy bone" not in chosen
    assert "Normal" not in chosen
    assert "Normal" not in NoLesion(())
    assert None not in chosen


@pytest.mark.parametrize(
    ("rule", "names", "said"),
    [
        (NoLesion(), ["Benign", "Normal", "Healthy", "Normal"], "Normal, Healthy, recognised by the name"),
        (NoLesion(), ["Benign"], "none, as no name is recognised as one"),
        (NoLesion(("Benign",)), ["Benign", "Normal"], "Benign, --no-lesion-classes says so"),
        (NoLesion(()), ["Benign", "Normal"], "none, --no-lesion-classes says so"),
        (
            NoLesion(("benign", "Control", "Other")),
            ["Benign"],
            "Benign, --no-lesion-classes says Control, Other, which no class or label is called",
        ),
    ],
)
def test_which_classes_were_taken_is_said_with_the_reason(rule: NoLesion, names: list[str], said: str) -> None:
    assert rule.said(names).startswith(f"classes without a lesion: {said}")
