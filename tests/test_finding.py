"""Findings: one record for all reports, counted by kind, and names and numbers in their messages."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from btxrd_explain.finding import KINDS, SEVERITIES, Finding, Tally, listed, quoted, radiographs

NAMES = st.lists(st.text(st.sampled_from("abcXYZ"), min_size=1, max_size=5), max_size=9)


@pytest.mark.parametrize("code", KINDS)
def test_every_kind_says_what_it_means_and_what_to_do_in_one_line(code: str) -> None:
    kind = KINDS[code]
    for text in (kind.meaning, kind.advice):
        assert text == text.strip()
        assert "\n" not in text
        assert not text.endswith(".")
    finding = Finding.of(code, "something was found")
    assert (finding.severity, finding.advice) == (kind.severity, kind.advice)
    assert kind.severity in SEVERITIES
    assert str(finding) == f"something was found: {kind.advice} [{code}]"


def test_a_better_advice_takes_the_place_of_the_usual_one() -> None:
    assert Finding.of("same-file", "x", advice="keep one").advice == "keep one"
    assert Finding.of("same-file", "x", advice="").advice == KINDS["same-file"].advice


def test_an_unknown_kind_is_an_error_of_the_program() -> None:
    with pytest.raises(KeyError):
        Finding.of("no-such-kind", "x")


def test_a_finding_goes_to_json_and_back() -> None:
    adapter = TypeAdapter(Finding)
    finding = Finding.of("same-file", "'a' and 'b'", ["a", "b"], details={"count": 2})
    assert adapter.validate_json(adapter.dump_json(finding)) == finding


def test_a_finding_of_the_first_release_is_read() -> None:
    stored = {"code": "one-class", "message": "x", "check": "look", "severity": "warning", "images": [], "details": {}}
    assert TypeAdapter(Finding).validate_python(stored).advice == "look"


def test_findings_are_hashed_without_their_details() -> None:
    first, second = (Finding.of("same-file", "x", details={"count": count}) for count in (1, 2))
    assert hash(first) == hash(second)
    assert first != second
    assert len({first, second, Finding.of("same-file", "x", details={"count": 1})}) == 2


def _same(number: int) -> Finding:
    return Finding.of("same-file", f"message {number}", [f"{number}.png", "shared.png"])


def test_one_finding_of_a_kind_stays_as_it_is() -> None:
    assert Tally([_same(1)]).findings() == (_same(1),)
    assert Tally().findings() == ()


@pytest.mark.parametrize("count", [2, 3, 4, 50])
def test_several_of_a_kind_are_told_as_one_with_the_first(count: int) -> None:
    tally = Tally()
    for number in range(count):
        tally.add([_same(number)])
    (finding,) = tally.findings()
    meaning, _, rest = finding.message.partition(f" ({count} times): ")
    assert meaning == KINDS["same-file"].meaning
    shown = rest.split("; ")
    assert shown[: min(count, 3)] == [f"message {number}" for number in range(min(count, 3))]
    assert shown[3:] == ([f"{count - 3} more"] if count > 3 else [])
    assert finding.details == {"count": count}
    assert finding.images == ("0.png", "shared.png", *(f"{number}.png" for number in range(1, count)))


def test_kinds_come_in_their_order_whatever_was_found_first() -> None:
    codes = list(KINDS)[::7]
    tally = Tally(Finding.of(code, "x") for code in reversed(codes))
    assert [finding.code for finding in tally.findings()] == codes


@settings(max_examples=40)
@given(NAMES, st.integers(1, 6))
def test_a_list_names_the_first_and_counts_the_rest(names: list[str], most: int) -> None:
    text = listed(names, most=most)
    if not names:
        assert text == ""
        return
    shown = text.replace(" and ", ", ").split(", ")
    assert shown[:most] == names[:most]
    assert shown[most:] == ([f"{len(names) - most} more"] if len(names) > most else [])


def test_radiographs_are_counted_and_names_quoted() -> None:
    assert [radiographs(count) for count in (0, 1, 2)] == ["0 radiographs", "1 radiograph", "2 radiographs"]
    assert quoted(["a b", ""]) == ["'a b'", "''"]
