"""The journal of interventions: what is added is found again, whatever a crash left of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from btxrd_explain.commands.intervene.journal import Journal, key_of
from btxrd_explain.core.intervention import Condition, Fill, Kind, Readings
from btxrd_explain.errors import OutputError

if TYPE_CHECKING:
    from pathlib import Path

READINGS = Readings(
    {
        Condition(Kind.ORIGINAL): np.array([0.1, -1 / 3, 1e-17]),
        Condition(Kind.LESION, next(iter(Fill)), 25.0): np.array([np.inf, -np.inf, np.nan]),
        Condition(Kind.CONTROL, list(Fill)[-1], 0.0, 7): np.array([1e300, 0, -0.0]),
    },
    {"marker": "there is none: 'Größe'"},
)


def _assert_same(found: Readings | None) -> None:
    assert found is not None
    assert found.reasons == READINGS.reasons
    assert list(found.log_odds) == list(READINGS.log_odds)
    for condition, values in READINGS.log_odds.items():
        np.testing.assert_array_equal(found.log_odds[condition], values)


def test_numbers_come_back_to_the_last_bit(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "out")
    assert journal.find("a", 3) is None
    journal.add("a", READINGS)
    for one in (journal, Journal(tmp_path / "out")):
        _assert_same(one.find("a", 3))
        assert one.find("b", 3) is None
        assert one.find("a", 2) is None  # of a network of other classes


def test_a_line_cut_anywhere_costs_no_other(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.add("a", READINGS)
    whole = journal.path.read_bytes()
    journal.add("b", READINGS)
    two = journal.path.read_bytes()
    for cut in range(len(whole), len(two), 13):
        journal.path.write_bytes(two[:cut])
        again = Journal(tmp_path)
        _assert_same(again.find("a", 3))
        again.add("c", READINGS)
        _assert_same(Journal(tmp_path).find("c", 3))


def test_the_first_line_may_be_cut_too(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.add("a", READINGS)
    whole = journal.path.read_bytes()
    for cut in (0, 1, 10, 30, len(whole) - 2):
        journal.path.write_bytes(whole[:cut])
        Journal(tmp_path).add("b", READINGS)
        _assert_same(Journal(tmp_path).find("b", 3))


@pytest.mark.parametrize(
    "change",
    [
        {"log_odds": []},
        {"log_odds": [["lesion", "blur", 0, 0, [1, 2, 3]]]},
        {"log_odds": [["original", None, 0, 0, ["x"]]]},
        {"log_odds": [["nothing", None, 0, 0, [1]]]},
        {"log_odds": [["original", None, 0, float("inf"), [1]]]},
        {"log_odds": 3},
        {"reasons": [1]},
        {"key": ["a"]},
    ],
)
def test_a_line_that_says_something_else_holds_for_nothing(tmp_path: Path, change: dict[str, object]) -> None:
    journal = Journal(tmp_path)
    journal.add("a", READINGS)
    document = json.loads(journal.path.read_text()) | change
    journal.path.write_text(json.dumps(document) + "\n")
    assert Journal(tmp_path).find("a", 3) is None


def test_a_line_that_is_nested_too_deeply_costs_no_other(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.add("a", READINGS)
    with journal.path.open("a") as file:
        file.write("[" * 200_000 + "\n")
    _assert_same(Journal(tmp_path).find("a", 3))


def test_a_file_of_that_name_that_is_no_journal_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "intervention_journal.jsonl").write_text('{"mine": 1}\n')
    with pytest.raises(OutputError, match="in the way"):
        Journal(tmp_path)
    assert (tmp_path / "intervention_journal.jsonl").read_text() == '{"mine": 1}\n'


MASKS = st.lists(st.booleans(), min_size=12, max_size=12).map(lambda cells: np.array(cells).reshape(3, 4))


@given(MASKS, MASKS)
def test_a_key_tells_masks_apart(one: np.ndarray, two: np.ndarray) -> None:
    facts = {"sha256": "ab", "controls": 9}
    assert (key_of(facts, one) == key_of(facts, two)) == bool((one == two).all())
    assert len({key_of(facts, one), key_of(facts, one.T), key_of(facts, None), key_of(facts, one, two)}) == 4


def test_a_key_depends_on_facts_and_not_on_their_order() -> None:
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1}) != key_of({"a": 1, "b": 3})
