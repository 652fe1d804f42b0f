from __future__ import annotations

import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btxrd_explain.outputs.fonts import elided, fitted, printable, text_width, without_glyph, wrapped
from btxrd_explain.outputs.style import new_figure, styled

LONG = "Multiple osteochondromas with a secondary peripheral chondrosarcoma"
NOWHERE = "\U00012000"
"""A cuneiform sign, which none of the fonts that figures use draws."""


@given(text=st.text(max_size=20))
def test_whatever_is_printable_is_drawn_without_a_warning(text: str) -> None:
    """matplotlib warns of each glyph that a font lacks, and draws a box in its place."""
    with styled(), warnings.catch_warnings(action="error"):
        figure = new_figure(2, 1)
        figure.text(0, 0.5, printable(text))
        figure.canvas.draw()


@given(text=st.text(max_size=20))
def test_what_is_printable_stays_as_it_is(text: str) -> None:
    assert printable(printable(text)) == printable(text)


def test_names_that_no_font_draws_can_still_be_told_apart() -> None:
    names = [f"{NOWHERE} femur", "\U00012001 femur"]
    assert [printable(name) for name in names] == ["\\U00012000 femur", "\\U00012001 femur"]
    assert without_glyph([*names, "Größe", "骨", NOWHERE]).replace("骨", "") == "\U00012000\U00012001"


@given(text=st.text(), length=st.integers(1, 30))
def test_elided_texts_are_short_and_printable(text: str, length: int) -> None:
    short = elided(text, length)
    assert len(short) <= length
    assert short.isprintable()


@given(text=st.text(st.characters(max_codepoint=126)), width=st.floats(0.2, 3), limit=st.integers(1, 4))
def test_wrapped_texts_fit(text: str, width: float, limit: int) -> None:
    lines = wrapped(text, width, 7, limit=limit)
    assert len(lines) <= limit
    assert all(text_width(line, 7) <= width for line in lines)
    assert text_width(fitted(text, width, 7, bold=True), 7, bold=True) <= width
    if not any("…" in line for line in lines):
        assert " ".join(lines) == elided(text, len(text) + 1)


@pytest.mark.parametrize("bold", [False, True])
@pytest.mark.parametrize("dpi", [50, 100, 300])
def test_measured_widths_hold_when_drawn(*, bold: bool, dpi: int) -> None:
    with styled():
        figure = new_figure(6, 1)
        figure.set_dpi(dpi)
        for text in (LONG, "IMG000046.jpeg", "TP: Malignant -> Benign (0.93)"):
            drawn = figure.text(0, 0, text, fontsize=7, weight="bold" if bold else "normal")
            assert drawn.get_window_extent().width / dpi <= text_width(text, 7, bold=bold) + 0.02
