"""Text of others: shown in one line, told apart, and kept from being a formula."""

from __future__ import annotations

import ast
import csv
import io

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from btxrd_explain.core.choices import ResizeMode
from btxrd_explain.core.geometry import Frame, Size
from btxrd_explain.core.heatmap import HeatMap, MapStatus, heat_map
from btxrd_explain.inference.classifier import Explanations
from btxrd_explain.inputs.radiograph import Radiograph
from btxrd_explain.plain import as_cell, distinct, plain
from btxrd_explain.predictions.record import Prediction, RowStatus

TEXTS = st.text(st.characters(), max_size=30)


@given(TEXTS)
@example("\x1b[2J\u202e\u200b\udcff\r\n")
def test_what_is_shown_is_one_line_of_visible_signs(text: str) -> None:
    shown = plain(text)
    assert shown.isprintable()
    assert plain(shown) == shown


@given(st.text(st.characters(exclude_characters="\\'\""), max_size=30))
def test_nothing_of_a_text_is_lost(text: str) -> None:
    """What is shown is Python's spelling, which Python reads back."""
    assert ast.literal_eval(f"'{plain(text)}'") == text


@given(st.lists(st.sampled_from(["cyst", "Cyst", "cyst_2", "cyst_2_2", "a", ""]), max_size=12))
def test_distinct_names_differ_whatever_their_case(names: list[str]) -> None:
    found = distinct(names)
    assert len({name.casefold() for name in found}) == len(names)
    assert all(new.startswith(old) for new, old in zip(found, names, strict=True))
    assert found[:1] == names[:1]
    assert distinct(found) == found


@given(TEXTS)
@example("=HYPERLINK(1)")
@example("\t=1")
@example("-1e5")
def test_no_cell_is_a_formula(text: str) -> None:
    cell = as_cell(text)
    assert cell in {text, f"'{text}"}
    if cell and cell[0] in "=+-@\t\r":
        float(cell)  # a number with its sign


def test_a_cell_survives_the_csv_file() -> None:
    texts = ["=1,2", 'a"b', "x\ny", "-2.5"]
    file = io.StringIO()
    csv.writer(file).writerow(map(as_cell, texts))
    assert next(csv.reader(io.StringIO(file.getvalue()))) == ["'=1,2", 'a"b', "x\ny", "-2.5"]


def test_what_the_library_returns_is_short_in_a_notebook() -> None:
    """Whatever the number of pixels, radiographs or classes."""
    size, many = Size(300, 200), 500
    frame = Frame.fit(size, Size(64, 64), ResizeMode.SQUASH)
    pixels = np.zeros((300, 200), np.float32)
    explained = Explanations(
        np.zeros((many, 3), np.float32),
        np.zeros((many, 3, 7, 7), np.float32),
        ((MapStatus.OK,) * 3,) * many,
        (frame,) * many,
        ("Normal", "Benign", "Malignant"),
    )
    grids = np.zeros((3, 7, 7), np.float32)
    of_grid = heat_map(np.eye(7, dtype=np.float32), frame, status=MapStatus.OK)
    row = Prediction("a.png", "a.png", None, None, RowStatus.OK, probabilities=np.ones(3, np.float32), grids=grids)
    for result in (Radiograph(pixels, "0" * 64, size), HeatMap(pixels, None, MapStatus.OK), of_grid, row, explained):
        assert "\n" not in repr(result)
        assert len(repr(result)) < 500
    assert "grids=<float32 of shape (500, 3, 7, 7)>" in repr(explained)
    assert "frames=<tuple of length 500>" in repr(explained)
    assert "source=<Surface of shape (300, 200)>" in repr(of_grid)
    assert "probabilities=array([1., 1., 1.], dtype=float32), grids=<float32 of shape (3, 7, 7)>" in repr(row)
