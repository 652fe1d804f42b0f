"""CSV files of annotations as programs write them: separators, encodings, headers, and rows that are too short."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from btxrd_explain.inputs.table_file import read_table
from btxrd_explain.untrusted.documents import InvalidDocumentError

if TYPE_CHECKING:
    from pathlib import Path

    from btxrd_explain.inputs.table_file import TableFile

CELLS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=5)


def _read(folder: Path, content: str | bytes, *, header_only: bool = False) -> TableFile:
    path = folder / "boxes.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_table(path, max_bytes=2**20, header_only=header_only)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_separator_is_that_of_the_header(tmp_path: Path, separator: str) -> None:
    table = _read(tmp_path, f"Image{separator} X \na.png{separator}1\n")
    assert (table.columns, table.separator) == (("image", "x"), separator)
    assert table.rows == [(2, {"image": "a.png", "x": "1"})]


def test_a_stated_separator_is_taken_at_its_word(tmp_path: Path) -> None:
    table = _read(tmp_path, "sep=;\nimage;note, if any\na.png;b,c\n")
    assert table.columns == ("image", "note, if any")
    assert [cells for _, cells in table.rows] == [{"image": "a.png", "note, if any": "b,c"}]


def test_lines_are_counted_and_empty_ones_left_out(tmp_path: Path) -> None:
    table = _read(tmp_path, '#image,x\r\n\r\n,\r\na.png,"two\nlines"\r\nb.png\r\nc.png,1,,\r\n')
    assert table.columns == ("image", "x")
    assert table.rows == [
        (5, {"image": "a.png", "x": "two\nlines"}),
        (6, {"image": "b.png", "x": ""}),
        (7, {"image": "c.png", "x": "1"}),
    ]


def test_a_line_of_more_cells_than_the_header_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidDocumentError, match="line 3: expected 2 cells, as in the header, got 3"):
        _read(tmp_path, "image,x\na.png,1\nb.png,2,5\n")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_texts_of_other_encodings_are_read(tmp_path: Path, encoding: str) -> None:
    table = _read(tmp_path, "image,label\nGröße.png,Knöchel\n".encode(encoding))
    assert table.rows == [(2, {"image": "Größe.png", "label": "Knöchel"})]


def test_the_header_alone_is_enough_to_know_a_table(tmp_path: Path) -> None:
    assert _read(tmp_path, "a,b\n1,2\n", header_only=True).rows == []
    assert _read(tmp_path, "").columns == ()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("x,y,X\n1,2,3\n", "expected columns of different names"),
        ("x,y\n" + "1" * 200_000 + ",2\n", r"expected a table \(field larger than field limit"),
        ("x\n" * 600_000, "expected at most 1 MiB"),
    ],
)
def test_what_is_not_a_table_is_refused(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(InvalidDocumentError, match=said):
        _read(tmp_path, content)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=5))
def test_what_pythons_writer_writes_comes_back(tmp_path: Path, rows: list[tuple[str, str, str]]) -> None:
    file = io.StringIO()
    csv.writer(file).writerows([("image", "x", "label"), *rows])
    table = _read(tmp_path, file.getvalue())
    assert [tuple(cells.values()) for _, cells in table.rows] == rows
