from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from btxrd_explain.core.panels import balanced_panels
from btxrd_explain.core.selection import Examples, Outcome, choose_examples

if TYPE_CHECKING:
    from random import Random

    from numpy.typing import NDArray

# Columns: Normal, Benign, Malignant. Seen from class 1 the outcomes are in the comments.
PROBABILITIES = np.array(
    [
        [0.10, 0.70, 0.20],  # 0 TP
        [0.05, 0.90, 0.05],  # 1 TP
        [0.20, 0.60, 0.20],  # 2 FP
        [0.05, 0.80, 0.15],  # 3 FP
        [0.60, 0.30, 0.10],  # 4 FN
        [0.10, 0.05, 0.85],  # 5 FN
        [0.90, 0.05, 0.05],  # 6 TN
        [0.05, 0.90, 0.05],  # 7 not labelled
        [np.nan, 0.90, 0.10],  # 8 no finite prediction
        [0.00, np.inf, 0.00],  # 9 no finite prediction
        [0.05, 0.90, 0.05],  # 10 TP, as sure as row 1
    ]
)
LABELS = np.array([1, 1, 0, 2, 1, 1, 0, -1, 1, 0, 1])
KEYS = ["k", "j", "i", "h", "g", "f", "e", "d", "c", "b", "a"]
SHOWN = (Outcome.TP, Outcome.FP, Outcome.FN)


def select(count: int = 5, class_index: int = 1, **changes: Any) -> Examples:  # noqa: ANN401 -- arguments of all kinds
    arguments: dict[str, Any] = {"probabilities": PROBABILITIES, "labels": LABELS, "order_keys": KEYS} | changes
    return choose_examples(class_index=class_index, count=count, **arguments)


def test_examples_of_a_hand_made_table() -> None:
    examples = select()
    assert examples.true_positives == (10, 1, 0)  # "a" stands before "j" at equal confidence
    assert examples.false_positives == (3, 2)
    assert examples.false_negatives == (5, 4)
    assert dict(examples.available) == {Outcome.TP: 3, Outcome.FP: 2, Outcome.FN: 2, Outcome.TN: 1}


def test_count_limits_what_is_shown_and_not_what_is_available() -> None:
    examples = select(count=1)
    assert [examples.of(outcome) for outcome in SHOWN] == [(10,), (3,), (5,)]
    assert [examples.available[outcome] for outcome in SHOWN] == [3, 2, 2]
    assert select(count=0).true_positives == ()


def test_the_first_of_equal_probabilities_is_predicted() -> None:
    table: dict[str, Any] = {"probabilities": np.array([[0.4, 0.4, 0.2]]), "labels": np.array([1]), "order_keys": ["a"]}
    assert select(class_index=0, **table).false_positives == (0,)
    assert select(class_index=1, **table).false_negatives == (0,)


def test_a_misprediction_is_a_false_alarm_of_one_class_and_a_miss_of_another() -> None:
    assert 5 in select(class_index=1).false_negatives
    assert 5 in select(class_index=2).false_positives


def test_an_empty_table_has_no_examples() -> None:
    examples = select(probabilities=np.zeros((0, 3)), labels=np.zeros(0, int), order_keys=[])
    assert [examples.of(outcome) for outcome in SHOWN] == [(), (), ()]
    assert set(examples.available.values()) == {0}


def test_true_negatives_are_counted_and_not_selected() -> None:
    with pytest.raises(ValueError, match="true negatives"):
        select().of(Outcome.TN)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"probabilities": PROBABILITIES[0]}, r"shape \(n, classes\)"),
        ({"labels": LABELS[:-1]}, "y_true: expected 11 values, one per row, got 10"),
        ({"order_keys": KEYS[:-1]}, "order_keys: expected 11 values, one per row, got 10"),
        ({"labels": LABELS.astype(float)}, r"y_true: expected class indices \(whole numbers\), got float64"),
        ({"labels": np.where(LABELS == 2, 3, LABELS)}, "y_true: expected -1 to 2, got -1 to 3"),
        ({"labels": np.where(LABELS == 2, -2, LABELS)}, "y_true: expected -1 to 2, got -2 to 1"),
        ({"class_index": 3}, "class_idx: expected 0 to 2, got 3"),
        ({"class_index": -1}, "class_idx: expected 0 to 2, got -1"),
        ({"count": -1}, "k: expected at least 0, got -1"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        select(**changes)


@st.composite
def tables(draw: st.DrawFn) -> tuple[NDArray[np.float64], NDArray[np.int64], list[str]]:
    """Few distinct values, so that ties are the rule; now and then a NaN."""
    rows = draw(st.integers(0, 12))
    value = st.sampled_from([0.0, 0.25, 0.5, 1.0, float("nan")])
    cells = draw(st.lists(value, min_size=rows * 3, max_size=rows * 3))
    labels = draw(st.lists(st.integers(-1, 2), min_size=rows, max_size=rows))
    keys = draw(st.permutations([f"{row:02}" for row in range(rows)]))
    return np.array(cells, dtype=float).reshape(rows, 3), np.array(labels, dtype=np.int64), keys


@given(tables(), st.integers(0, 2), st.integers(0, 5))
def test_examples_are_disjoint_sorted_and_as_many_as_there_are(
    table: tuple[NDArray[np.float64], NDArray[np.int64], list[str]], class_index: int, count: int
) -> None:
    probabilities, labels, keys = table
    examples = choose_examples(probabilities, labels, class_index, count, order_keys=keys)
    shown = [row for outcome in SHOWN for row in examples.of(outcome)]
    assert len(shown) == len(set(shown))
    for outcome, direction in ((Outcome.TP, -1), (Outcome.FP, -1), (Outcome.FN, 1)):
        rows = examples.of(outcome)
        order = [(direction * probabilities[row, class_index], keys[row]) for row in rows]
        assert order == sorted(order)
        assert len(rows) == min(count, examples.available[outcome])
    usable = np.isfinite(probabilities).all(axis=1) & (labels >= 0)
    assert sum(examples.available.values()) == usable.sum()


@given(tables(), st.integers(0, 2), st.integers(0, 5), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(
    table: tuple[NDArray[np.float64], NDArray[np.int64], list[str]], class_index: int, count: int, random: Random
) -> None:
    probabilities, labels, keys = table
    order = list(range(len(keys)))
    random.shuffle(order)
    here = choose_examples(probabilities, labels, class_index, count, order_keys=keys)
    moved_keys = [keys[row] for row in order]
    there = choose_examples(probabilities[order], labels[order], class_index, count, order_keys=moved_keys)
    for outcome in SHOWN:
        assert [keys[row] for row in here.of(outcome)] == [moved_keys[row] for row in there.of(outcome)]
    assert here.available == there.available


BENIGN = ["Benign"] * 5
MALIGNANT = ["Malignant"] * 5
IOUS = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.6, 0.7, 0.8, 0.9])


@pytest.mark.parametrize(
    ("count", "chosen"),
    [
        (0, ()),
        (1, (4,)),  # best Benign
        (2, (4, 7)),  # and median Malignant
        (3, (4, 0, 7)),  # and worst Benign
        (4, (4, 0, 9, 7)),  # and best Malignant
        (5, (4, 2, 0, 9, 7)),  # and median Benign
        (6, (4, 2, 0, 9, 7, 5)),  # and worst Malignant: every class has shown every kind
    ],
)
def test_panels_alternate_between_classes_and_kinds(count: int, chosen: tuple[int, ...]) -> None:
    assert balanced_panels(BENIGN + MALIGNANT, IOUS, count) == chosen


def test_three_classes_are_not_tied_to_one_kind_each() -> None:
    classes = ["a"] * 3 + ["b"] * 3 + ["c"] * 3
    scores = np.array([0.1, 0.2, 0.3] * 3)
    assert balanced_panels(classes, scores, 3) == (2, 4, 6)  # best a, median b, worst c
    assert balanced_panels(classes, scores, 6) == (2, 1, 4, 3, 8, 6)  # then median a, worst b, best c


def test_a_class_that_runs_out_leaves_its_place_to_the_others() -> None:
    assert balanced_panels(["Benign", *MALIGNANT], np.array([0.3, 0.1, 0.2, 0.3, 0.4, 0.5]), 4) == (0, 5, 3, 1)


def test_scores_that_are_not_finite_are_excluded() -> None:
    scores = np.array([np.nan, 0.2, np.inf, -np.inf])
    assert balanced_panels(["a", "a", "b", "c"], scores, 4) == (1,)


def test_nothing_scored_gives_no_panels() -> None:
    assert balanced_panels([], np.zeros(0), 3) == ()


def test_panels_refuse_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="one score for each of 2 images"):
        balanced_panels(["a", "b"], np.array([0.1]), 1)
    with pytest.raises(ValueError, match="count must be at least 0"):
        balanced_panels(["a"], np.array([0.1]), -1)


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from([0.0, 0.5, 0.5, 1.0, float("nan")])), max_size=20),
    st.integers(0, 25),
)
def test_panels_are_distinct_scored_and_in_balance(images: list[tuple[str, float]], count: int) -> None:
    classes = [name for name, _ in images]
    scores = np.array([score for _, score in images], dtype=float)
    chosen = balanced_panels(classes, scores, count)
    usable = Counter(name for name, score in images if np.isfinite(score))
    assert len(set(chosen)) == len(chosen) == min(count, usable.total())
    assert np.isfinite(scores[list(chosen)]).all()
    assert list(chosen) == sorted(chosen, key=lambda index: (classes[index], -scores[index], index))
    shown = Counter(classes[index] for index in chosen)
    unfinished = [shown[name] for name in usable if shown[name] < usable[name]]
    assert max(shown.values(), default=0) <= min(unfinished, default=count) + 1
