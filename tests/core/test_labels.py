"""What the text of a label says of several classes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btxrd_explain.core.class_names import NoLesion
from btxrd_explain.core.labels import (
    NO,
    UNKNOWN,
    YES,
    joined,
    label_from_columns,
    names_several,
    said_in_columns,
    says_several,
    statements,
    strangers,
    true_words,
    truth_matrix,
    truths,
)

NAMES = ("Fracture", "Effusion", "Mass")
WORDS = st.text(st.characters(categories=("Lu", "Ll", "Nd", "Zs"), include_characters="-_"), min_size=1).filter(
    lambda word: word == word.strip() and word.strip()
)
CLASSES = st.lists(WORDS, min_size=1, max_size=5, unique_by=str.casefold)


@settings(max_examples=25)
@given(CLASSES, st.data())
def test_a_label_made_of_columns_says_what_the_columns_said(names: list[str], data: st.DataObject) -> None:
    said = {name: data.draw(st.sampled_from([True, False, None])) for name in names}
    label = label_from_columns(said)
    assert truths(label, names) == tuple(said.values())
    known = {name: truth for name, truth in said.items() if truth is not None}
    assert statements(label, names) == known
    assert (label is None) is (not known)
    if label is not None:
        assert said_in_columns(label) == known
        assert true_words(label) == [name for name, truth in known.items() if truth]
        assert says_several(label)
        assert names_several(label, names)


@settings(max_examples=25)
@given(CLASSES, st.data())
def test_a_list_of_classes_says_no_to_all_others(names: list[str], data: st.DataObject) -> None:
    true = data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    label = joined(true)
    assert truths(label, names) == tuple(name in true for name in names)
    assert not label.isascii() or truths(label.swapcase(), names) == truths(label, names)
    assert not strangers(label, names)
    assert names_several(label, names) is (len(true) > 1)
    assert says_several(label) is (len(true) > 1)


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("MASS | fracture", (True, False, True)),
        ("|Mass||", (True, False, False)),
        ("Mass", (True, False, False)),
        ("Mass|Mass", (True, False, False)),
    ],
)
def test_case_space_and_empty_parts_do_not_matter(label: str, said: tuple[bool, ...]) -> None:
    names = ("Mass", "Effusion", "Fracture")
    assert truths(label, names) == said


@pytest.mark.parametrize("label", ["Normal", "no finding", "NO_FINDING", "Healthy"])
def test_a_name_of_no_lesion_says_no_to_every_class(label: str) -> None:
    assert truths(label, NAMES) == (False, False, False)
    assert not strangers(label, NAMES)


def test_further_words_for_no_lesion_count_with_those_known_by_name() -> None:
    controls = NoLesion(("Control",))
    assert truths("control", NAMES) == (None, None, None)
    assert truths("control", NAMES, controls) == (False, False, False)
    assert truths("Normal", NAMES, controls) == (False, False, False)
    assert strangers("control|Mass", NAMES) == ["control"]
    assert strangers("control|Mass", NAMES, controls) == []


def test_a_word_that_is_not_a_class_leaves_the_unnamed_classes_unknown() -> None:
    assert truths("Mass|Efusion", NAMES) == (None, None, True)
    assert strangers("Mass|Efusion", NAMES) == ["Efusion"]
    assert truths("Efusion", NAMES) == (None, None, None)


def test_columns_may_tell_other_things_as_long_as_they_name_a_class() -> None:
    assert truths("Mass=1|Age=0", NAMES) == (None, None, True)
    assert strangers("Mass=1|Age=0", NAMES) == []
    assert strangers("Age=0|Smoker=1", NAMES) == ["Age", "Smoker"]
    assert not names_several("Age=0|Smoker=1", NAMES)


@pytest.mark.parametrize("label", [None, ""])
def test_an_empty_label_says_nothing(label: str | None) -> None:
    assert truths(label, NAMES) == (None, None, None)
    assert statements(label, NAMES) == {}


def test_the_name_of_a_class_means_that_class_whatever_characters_it_has() -> None:
    names = ("a|b", "a", "b", "x=1")
    assert truths("a|b", names) == (True, False, False, False)
    assert truths("A|B", names) == (True, False, False, False)
    assert truths("b|a", names) == (False, True, True, False)
    assert truths("X=1", names) == (False, False, False, True)
    assert not names_several("a|b", names)
    assert names_several("b|a", names)


def test_a_value_of_a_column_is_zero_or_one_alone() -> None:
    assert truths("Mass=2|Fracture=1", NAMES) == (None, None, None)
    assert strangers("Mass=2|Fracture=1", NAMES) == ["Mass=2", "Fracture=1"]
    assert truths("=1", NAMES) == (None, None, None)
    assert said_in_columns("Mass=1|Fracture") == {}


def test_the_last_equals_sign_parts_a_class_from_its_value() -> None:
    assert truths("grade=2=1", ("grade=2",)) == (True,)
    assert truths("grade=2=0", ("grade=2",)) == (False,)


def test_names_that_differ_in_the_case_of_letters_alone_mean_the_first() -> None:
    assert statements("mass", ("Mass", "MASS")) == {"Mass": True}
    assert truths("mass", ("Mass", "MASS")) == (True, False)


def test_the_matrix_holds_what_each_label_says_in_its_row() -> None:
    labels = ["Mass", None, "Fracture=0|Mass=1", "Normal", "Mass|Efusion"]
    matrix = truth_matrix(labels, NAMES)
    assert matrix.dtype == np.int8
    code = {True: YES, False: NO, None: UNKNOWN}
    assert matrix.tolist() == [[code[truth] for truth in truths(label, NAMES)] for label in labels]


@pytest.mark.parametrize("labels", [[], ["a"], ["a", None]])
def test_the_matrix_has_a_row_of_each_label_and_a_column_of_each_class(labels: list[str | None]) -> None:
    assert truth_matrix(labels, ("a", "b", "c")).shape == (len(labels), 3)
