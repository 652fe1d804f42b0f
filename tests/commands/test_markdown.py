"""Reports in Markdown, read back by a CommonMark parser: foreign text shows to the letter."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from btxrd_explain.commands.markdown import caveats, code, interval, number, plain_markdown, provenance_table, table
from btxrd_explain.evaluation.parts import Estimate
from btxrd_explain.finding import Finding
from btxrd_explain.plain import plain

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
SIGNS = st.one_of(st.sampled_from("\\`*_[]~$<>&|#!-+(){}:/\"' \n\t"), st.characters(codec="utf-8"))
FOREIGN = st.text(SIGNS, max_size=20)


def _cells(text: str) -> list[list[str]]:
    """Return the cells of the only table of a text, as a browser shows them."""
    html = PARSER.render(text)
    rows = re.findall(r"<tr>(.*?)</tr>", html, flags=re.DOTALL)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, flags=re.DOTALL) for row in rows]


def _shown(html: str) -> str:
    return unescape(html)


@settings(max_examples=40)
@given(st.lists(FOREIGN, min_size=1, max_size=3))
def test_foreign_text_shows_to_the_letter_in_a_table(texts: list[str]) -> None:
    header, row = _cells(table(["" for _ in texts], [[plain_markdown(text) for text in texts]]))
    assert header == [""] * len(texts)
    assert [_shown(cell) for cell in row] == [" ".join(plain(text).split()) for text in texts]


@settings(max_examples=40)
@given(FOREIGN.filter(lambda text: text.strip()))
def test_foreign_text_shows_to_the_letter_in_a_list(text: str) -> None:
    (section,) = caveats([], [f"limit {text}"])
    html = PARSER.render(section)
    assert html.startswith("<h2>Limits</h2>\n<ul>\n<li>")
    (item,) = re.findall(r"<li>(.*?)</li>", html, flags=re.DOTALL)
    assert "<" not in item
    assert _shown(item).split() == plain(f"limit {text}").split()


@settings(max_examples=40)
@given(FOREIGN.filter(lambda text: plain(text).strip(" ")))
def test_code_holds_no_markup(text: str) -> None:
    html = PARSER.render("x " + code(text))
    (inner,) = re.findall(r"<p>x <code>(.*)</code></p>", html)
    assert _shown(inner).strip(" ") == plain(text).replace("`", "'").strip(" ")


@pytest.mark.parametrize(
    ("mean", "low", "high", "said"),
    [
        (0.05149, 0.0121, 0.1049, "0.051 [0.012, 0.105]"),
        (-0.0001, -0.2, 0.0004, "0.000 [-0.200, 0.000]"),
        (0.5, None, None, "0.500"),
        (None, None, None, "–"),
    ],
)
def test_a_number_has_its_interval_where_there_is_one(
    mean: float | None, low: float | None, high: float | None, said: str
) -> None:
    assert interval(Estimate(mean=mean, low=low, high=high, n=3, units=3)) == said
    assert interval(None) == number(None) == "–"


def test_a_number_of_zero_is_not_a_dash() -> None:
    assert number(0.0) == number(-0.0) == "0.000"


def test_warnings_come_before_limits_and_are_left_out_where_there_are_none() -> None:
    finding = Finding.of("same-file", "'a_b.png' and 'c.png' are the same file", advice="keep one")
    warnings, limits = caveats([finding], ["one limit"])
    assert warnings == "## Warnings\n\n- 'a\\_b.png' and 'c.png' are the same file: keep one (same-file)"
    assert limits == "## Limits\n\n- one limit"
    assert len(list(caveats([], ["one limit"]))) == 1


def _made(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 -- JSON
    preprocessing = {
        "size": [64, 96],
        "mean": [0.5],
        "std": [0.25],
        "resize": "squash",
        "interpolation": "bilinear",
        "antialias": False,
        "crop_fraction": 1.0,
        "transform": None,
        "depth": "8-bit",
        "clip_percentiles": None,
        "clahe": None,
        "standardize": False,
        "decode": "exact",
    }
    made = {
        "fingerprint": "0123",
        "checkpoint": "my_best.pt",
        "checkpoint_sha256": "ab" * 32,
        "notes": [],
        "architecture": "resnet18",
        "preprocessing": preprocessing,
        "versions": {"torch": "2.10", "timm": "1.0"},
    }
    return made | changes


def test_provenance_is_a_table_of_two_columns() -> None:
    rows = _cells(provenance_table(_made()))
    shown = {_shown(name): _shown(value) for name, value in rows[1:]}
    assert shown["fingerprint"] == "0123"
    assert shown["checkpoint"] == f"my_best.pt ({'ab' * 32})"
    assert shown["versions"] == "torch 2.10, timm 1.0"
    assert "64" in shown["preprocessing"]
    assert "96" in shown["preprocessing"]
    assert "notes" not in shown


def test_notes_of_provenance_are_shown_where_there_are_some() -> None:
    rows = _cells(provenance_table(_made(notes=["a | b", "<c>"])))
    assert [_shown(cell) for cell in rows[-1]] == ["notes", "a | b; <c>"]
