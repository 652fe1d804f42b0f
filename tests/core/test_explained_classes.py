"""Which classes of a radiograph are explained."""

from __future__ import annotations

from itertools import combinations

import pytest

from btxrd_explain.core.explained_classes import ALL, MOST_BY_DEFAULT, PREDICTED, TRUE, ExplainedClasses, resolve
from tests.support.refusals import assert_refused

NAMES = ("Normal", "Benign", "Malignant")
WISHES = [part for count in (1, 2, 3) for part in combinations((*NAMES, PREDICTED, TRUE), count)]


def test_a_network_of_few_classes_explains_all_and_one_of_many_two() -> None:
    few, many = ([str(number) for number in range(count)] for count in (MOST_BY_DEFAULT, MOST_BY_DEFAULT + 1))
    assert resolve(None, few) == (ALL,)
    assert resolve(None, many) == (PREDICTED, TRUE)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (["BENIGN", "benign", "Predicted"], ("Benign", PREDICTED)),
        (["Normal", "all"], (ALL,)),
        (["true", "Malignant"], (TRUE, "Malignant")),
        ([], ()),
    ],
)
def test_wishes_are_read_in_any_case_and_once(wanted: list[str], found: tuple[str, ...]) -> None:
    assert resolve(wanted, NAMES) == found


def test_a_keyword_wins_over_a_class_of_its_name_and_the_first_of_alike_names_counts() -> None:
    assert resolve(["ALL"], ("All", "Some")) == (ALL,)
    assert resolve(["mass"], ("Mass", "MASS")) == ("Mass",)


def test_an_unknown_name_is_refused() -> None:
    assert_refused(
        lambda: resolve(["Benign", "Bening"], NAMES), ValueError, "'Bening' is none of all, predicted, true and the"
    )


@pytest.mark.parametrize("wanted", WISHES)
def test_no_radiograph_has_more_grids_than_slots(wanted: tuple[str, ...]) -> None:
    classes = ExplainedClasses(wanted, NAMES)
    for predicted in range(3):
        for label in (*NAMES, "Other", None):
            found = classes.of([predicted], classes.true_of(label))
            assert len(found) <= classes.slots
            assert found == sorted(set(found))
            assert set(wanted) & set(NAMES) <= {NAMES[index] for index in found}
            assert PREDICTED not in wanted or predicted in found
            assert TRUE not in wanted or label not in NAMES or NAMES.index(label) in found


def test_several_labels_may_need_a_slot_for_each_class() -> None:
    assert ExplainedClasses((PREDICTED,), NAMES, multi_label=True).slots == 3
    assert ExplainedClasses((PREDICTED,), NAMES).slots == 1
    assert ExplainedClasses(("Benign",), NAMES, multi_label=True).slots == 1
    assert ExplainedClasses((ALL,), NAMES).slots == 3
    assert ExplainedClasses(("Benign", PREDICTED, TRUE), NAMES[:2]).slots == 2


def test_the_true_classes_are_read_from_the_label() -> None:
    one, several = ExplainedClasses((TRUE,), NAMES), ExplainedClasses((TRUE,), NAMES, multi_label=True)
    assert one.true_of("Benign") == [1]
    assert one.true_of("Benign|Malignant") == []
    assert several.true_of("Benign|Malignant") == [1, 2]
    assert several.true_of("Malignant=1|Benign=0") == [2]
    assert one.true_of(None) == several.true_of(None) == []


def test_a_true_class_without_a_grid_is_lacking_only_where_true_classes_are_asked_for() -> None:
    computed = [True, False, True]
    asked = ExplainedClasses((TRUE,), NAMES)
    assert asked.lacks("Benign", computed)
    assert not asked.lacks("Normal", computed)
    assert not asked.lacks(None, computed)
    assert not ExplainedClasses((PREDICTED,), NAMES).lacks("Benign", computed)
    assert ExplainedClasses((TRUE,), NAMES, multi_label=True).lacks("Normal|Benign", computed)


def test_what_is_left_out_is_said_with_what_to_do() -> None:
    assert ExplainedClasses((ALL,), NAMES).said() is None
    said = ExplainedClasses(("Benign", PREDICTED), NAMES).said()
    assert said == "heat maps of Benign and the predicted class alone, of 3 classes: --explain-classes all computes all"
    several = ExplainedClasses((PREDICTED, TRUE), NAMES, multi_label=True).said()
    assert several is not None
    assert several.startswith("heat maps of the most probable class and those of at least 0.5 and the true classes")
