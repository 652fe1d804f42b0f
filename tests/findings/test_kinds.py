"""The record of findings and the list of their kinds: complete, documented, used, and written and read as it is."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from btxrd_explain.finding import KINDS, SEVERITIES, Finding, Severity, Tally, listed
from btxrd_explain.predictions.provenance import Provenance
from btxrd_explain.predictions.table import open_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from btxrd_explain.predictions.record import Prediction

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "docs" / "reference" / "warnings.md").read_text("utf-8")


def sections() -> dict[str, str]:
    """Return the text of the sections of single codes, in the order of the page."""
    parts = re.split(r"^### `([a-z-]+)`\n", PAGE, flags=re.MULTILINE)[1:]
    return {code: text.partition("\n## ")[0] for code, text in zip(parts[::2], parts[1::2], strict=True)}


def codes_in_sources() -> Iterator[str]:
    """Yield every text of the package's modules, but for the list of kinds, that is a code."""
    for path in (PROJECT / "btxrd_explain").rglob("*.py"):
        if path.name != "finding.py":
            nodes = ast.walk(ast.parse(path.read_text("utf-8")))
            yield from (
                node.value
                for node in nodes
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in KINDS
            )


def test_every_kind_has_its_section_and_every_section_its_kind() -> None:
    assert list(sections()) == list(KINDS)


@pytest.mark.parametrize("code", KINDS)
def test_a_section_begins_with_severity_meaning_and_advice(code: str) -> None:
    kind = KINDS[code]
    line = f"*{kind.severity}*: {kind.meaning}. {kind.advice[0].upper()}{kind.advice[1:]}."
    assert " ".join(sections()[code].split("\n\n")[0].split()) == line


def test_every_kind_is_found_somewhere() -> None:
    assert set(codes_in_sources()) == set(KINDS)


def test_every_kind_is_tested() -> None:
    """The code of each is named by a test outside of this module."""
    tests = [path for path in (PROJECT / "tests").rglob("test_*.py") if path != Path(__file__)]
    text = "\n".join(path.read_text("utf-8") for path in tests)
    assert [code for code in KINDS if f'"{code}"' not in text] == []


def test_meanings_and_advice_are_clauses() -> None:
    """Put into one line with a message, or begun with a capital and ended with a full stop."""
    for kind in KINDS.values():
        for text in (kind.meaning, kind.advice):
            assert not text.endswith(".")
            assert "\n" not in text
        assert kind.advice[0].islower()


def test_pages_link_to_sections_that_exist() -> None:
    for path in (PROJECT / "docs").rglob("*.md"):
        for code in re.findall(r"warnings\.md#([a-z-]+)", path.read_text("utf-8")):
            assert code in KINDS, path


# the record


def test_a_finding_has_severity_and_advice_of_its_kind() -> None:
    finding = Finding.of("leak-file", "two are one", ["a", "b"], details={"splits": {"a": "train"}})
    assert (finding.severity, finding.advice) == (Severity.ERROR, KINDS["leak-file"].advice)
    assert finding.images == ("a", "b")
    assert str(finding) == "two are one: keep all copies in one split, and train again [leak-file]"
    assert Finding.of("leak-file", "two are one", advice="look").advice == "look"
    assert len({finding, replace(finding), Finding.of("leak-file", "two are one")}) == 2  # hashed without them


def test_an_unknown_code_is_an_error() -> None:
    with pytest.raises(KeyError):
        Finding.of("no-such-kind", "nothing")


def test_a_finding_is_the_same_after_a_way_through_json() -> None:
    finding = Finding.of("annotation-size", "other", ["a.png"], details={"image": [3, 4], "annotation": [4, 3]})
    document = json.dumps(asdict(finding))
    assert list(json.loads(document)) == ["code", "message", "advice", "severity", "images", "details"]
    assert TypeAdapter(Finding).validate_json(document) == finding


def test_tables_of_the_first_release_keep_their_warnings(
    tmp_path: Path, make_row: Callable[..., Prediction], make_table: Callable[..., None]
) -> None:
    """They said check where now is advice, and nothing of severity, images and details."""
    make_table(tmp_path / "t.parquet", ("A", "B"), [make_row("a.png", None, [0.4, 0.6])])
    made = open_table(tmp_path / "t.parquet").provenance
    finding = Finding.of("head-untrained", "the biases are 0", details={"layer": "fc"})
    ((key, content),) = replace(made, findings=(finding,)).encode().items()
    assert Provenance.decode({key: content}).findings == (finding,)
    document = json.loads(content)
    document["warnings"] = [{"code": "head-untrained", "message": "the biases are 0", "check": "train it"}]
    (read,) = Provenance.decode({key: json.dumps(document).encode()}).findings
    assert read == Finding("head-untrained", "the biases are 0", "train it", Severity.WARNING)


# several findings of a kind in one line


def test_a_single_finding_is_told_as_it_is() -> None:
    finding = Finding.of("copies-disagree", "a is Benign, b is Normal", ["a", "b"], details={"labels": {}})
    assert Tally([finding]).findings() == (finding,)
    assert Tally().findings() == ()


def test_several_findings_of_a_kind_are_counted() -> None:
    tally = Tally(Finding.of("same-file", f"'a' and '{name}' are the same file", ["a", name]) for name in "bcd")
    (three,) = tally.findings()
    assert three.message == (
        "files are the same (3 times): 'a' and 'b' are the same file; 'a' and 'c' are the same file; 'a' and 'd' are "
        "the same file"
    )
    tally.add([Finding.of("same-file", "'a' and 'e' are the same file", ["a", "e"])])
    (four,) = tally.findings()
    assert four.message == three.message.replace("3 times", "4 times") + "; 1 more"
    assert four.images == ("a", "b", "c", "d", "e")
    assert four.details == {"count": 4}


@given(st.lists(st.tuples(st.sampled_from(list(KINDS)), st.sampled_from("abc")), max_size=20))
def test_a_tally_has_one_finding_of_each_kind_in_the_order_of_the_list(found: list[tuple[str, str]]) -> None:
    findings = Tally(Finding.of(code, f"{image} is odd", [image]) for code, image in found).findings()
    assert [finding.code for finding in findings] == [code for code in KINDS if code in dict(found)]
    for finding in findings:
        assert set(finding.images) == {image for code, image in found if code == finding.code}
        assert finding.severity is KINDS[finding.code].severity
        assert finding.severity in SEVERITIES


@given(st.lists(st.sampled_from("abcdef"), min_size=1, unique=True), st.integers(1, 6))
def test_a_list_names_or_counts_all(names: list[str], most: int) -> None:
    text = listed(names, most=most)
    assert all(name in text for name in names[:most])
    assert (f" and {len(names) - most} more" in text) == (len(names) > most)
