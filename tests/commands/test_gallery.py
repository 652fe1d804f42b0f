"""What the gallery tells besides its pictures."""

from __future__ import annotations

from btxrd_explain.commands.gallery import _Chosen, _note_few
from btxrd_explain.core.selection import Outcome
from btxrd_explain.progress import Listener


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
