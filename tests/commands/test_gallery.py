"""What the gallery tells besides its pictures."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from btxrd_explain.commands.gallery import _Chosen, _note_few
from btxrd_explain.commands.gallery.painter import ExamplePainter
from btxrd_explain.core.selection import Outcome
from btxrd_explain.outputs.gallery_figure import build_gallery
from btxrd_explain.progress import Listener
from btxrd_explain.settings import Settings


class _Notes(Listener):
    def __init__(self) -> None:
        self.taken: list[str] = []

    def note(self, message: str) -> None:
        self.taken.append(message)


def _chosen(index: int, *counts: int) -> _Chosen:
    return _Chosen(index, {}, dict(zip((Outcome.TP, Outcome.FP, Outcome.FN), counts, strict=True)))


def test_one_note_says_of_all_classes_where_examples_are_few() -> None:
    listener = _Notes()
    _note_few([_chosen(0, 3, 3, 3)], ["Normal"], 3, listener)
    assert listener.taken == []
    _note_few([_chosen(0, 3, 1, 0), _chosen(1, 9, 9, 9), _chosen(2, 3, 2, 5)], ["A", "B", "C"], 3, listener)
    (note,) = listener.taken
    assert note.endswith("of each class; there are fewer of A (1 FP, 0 FN), C (2 FP)")
    _note_few([_chosen(index, 0, 0, 0) for index in range(7)], list("ABCDEFG"), 3, listener)
    assert listener.taken[1].endswith("E (0 TP, 0 FP, 0 FN) and 2 more classes")


@pytest.mark.parametrize(
    ("decisions", "meanings"),
    [
        (None, ["Normal, rightly predicted", "another class, taken for Normal", "Normal, taken for another class"]),
        (object(), ["Normal is true and predicted", "Normal is predicted and not true", "Normal is true and not pred"]),
    ],
)
def test_each_row_says_what_the_outcome_is_of_this_class(decisions: Any, meanings: list[str]) -> None:  # noqa: ANN401
    table: Any = SimpleNamespace(table=SimpleNamespace(provenance=SimpleNamespace(class_names=("Benign", "Normal"))))
    painter = ExamplePainter({}, table, Settings(), Listener(), decisions)
    rows = [painter.line(outcome, [], 1, 0) for outcome in (Outcome.TP, Outcome.FP, Outcome.FN)]
    assert [row.meaning[: len(meaning)] for row, meaning in zip(rows, meanings, strict=True)] == meanings
    figure = build_gallery(rows, title="a", columns=1)
    assert {row.meaning for row in rows} <= {text.get_text() for text in figure.texts}


@pytest.mark.parametrize(
    ("label", "predicted", "verdict"),
    [("Benign", 0, "correct"), ("Benign", 1, "missed"), ("Normal", 0, "false alarm"), (None, 0, None)],
)
def test_an_example_says_in_a_word_what_it_is_worth(label: str | None, predicted: int, verdict: str | None) -> None:
    table: Any = SimpleNamespace(table=SimpleNamespace(provenance=SimpleNamespace(class_names=("Benign", "Normal"))))
    row: Any = SimpleNamespace(label=label, predicted=predicted)
    assert ExamplePainter({}, table, Settings(), Listener())._verdict(row) == verdict
