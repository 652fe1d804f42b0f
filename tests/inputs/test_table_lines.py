"""Lines of tables: encodings, separators, headers below a title, and cells that do not fit."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btxrd_explain.errors import InputError
from btxrd_explain.inputs.table_lines import cells_by_name, check_header, open_table, read_csv, spelled_alike

if TYPE_CHECKING:
    from pathlib import Path

KNOWN = ("image_id", "split", "label")
ROWS = [["a.png", "test", "Benign, left"], ["b.png", "", 'the "other"']]


def _written(separator: str, *, title: str = "") -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator)
    writer.writerows([["Image ID", "Split", "label"], *ROWS])
    return title + text.getvalue()


def _lines(path: Path) -> list[list[str]]:
    return [cells for _, cells in open_table(path, KNOWN, KNOWN[:1]).lines]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_separator_and_encoding_are_found(tmp_path: Path, separator: str, encoding: str) -> None:
    path = tmp_path / "split.csv"
    path.write_bytes(_written(separator).encode(encoding))
    table = open_table(path, KNOWN, KNOWN[:1])
    assert table.names == ["Image ID", "Split", "label"]
    assert [cells for _, cells in table.lines] == ROWS
    assert table.notes == table.guesses == []


@pytest.mark.parametrize("stated", ["sep=;\r\n", '"sep=;"\n', "SEP=;,,\n"])
def test_a_separator_that_excel_states_counts(tmp_path: Path, stated: str) -> None:
    path = tmp_path / "split.csv"
    path.write_text(_written(";", title=stated), "utf-8", newline="")
    table = open_table(path, KNOWN, KNOWN[:1])
    assert [number for number, _ in table.lines] == [3, 4]


SEEN = st.characters(codec="utf-8", exclude_categories=("Cc", "Cf", "Zs", "Zl", "Zp"))
CELLS = st.lists(st.text(SEEN, min_size=1, max_size=6), min_size=3, max_size=3)


@settings(max_examples=25, deadline=None)
@given(rows=st.lists(CELLS, min_size=1, max_size=4))
def test_cells_that_pythons_csv_writes_come_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
) -> None:
    path = tmp_path_factory.mktemp("table") / "split.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([list(KNOWN), *rows])
    assert _lines(path) == rows


def test_an_excel_workbook_is_read_whatever_its_name(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in [["Image ID", "Split", "label"], *ROWS]:
        book.active.append(row)
    book.create_sheet("second")
    path = tmp_path / "split.csv"
    book.save(path)
    table = open_table(path, KNOWN, KNOWN[:1])
    assert [cells for _, cells in table.lines] == ROWS
    assert table.notes == [f"'{path}' has 2 sheets, of which the first one is read: 'Sheet'"]


def test_a_header_below_a_title_is_found_and_said(tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    path.write_text(f"Export of the study,,\n2024-01-02,,\n\n{_written(',')}", "utf-8")
    table = open_table(path, KNOWN, KNOWN[:1])
    assert table.names[0] == "Image ID"
    (guess,) = table.guesses
    assert guess.startswith(f"'{path}' has its header in line 4, and above it lines such as 'Export of the study'")
    with pytest.raises(InputError, match="has its header in line 4"):
        list(read_csv(path, KNOWN))


def test_a_line_of_values_above_is_not_taken_for_a_title(tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    path.write_text("x.png,test,Benign\nimage_id,split,label\n", "utf-8")
    table = open_table(path, KNOWN, KNOWN[:1])
    assert table.names == ["x.png", "test", "Benign"]
    assert table.guesses == []


def test_chinese_text_of_windows_is_read_and_said(tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    path.write_bytes("image_id,split,label\na.png,test,骨肉瘤左侧股骨\n".encode("gb18030"))
    table = open_table(path, KNOWN, KNOWN[:1])
    assert [cells for _, cells in table.lines] == [["a.png", "test", "骨肉瘤左侧股骨"]]
    assert "GB 18030" in table.guesses[0]


def test_blanks_and_unseen_characters_around_cells_go(tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    path.write_text('\u200eimage_id , split,label\n "a.png" ,\ufefftest\u00a0, x y \n,,\n  ,\u200b,\n', "utf-8")
    assert _lines(path) == [["a.png", "test", "x y"]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"image_id,label\na,\xff\xfe\xfa\n", r"not a table of text in UTF-8 \(line 2 has the byte 0xff\)"),
        (b"\xff\xfea\0b", r"not a table of text in UTF-16"),
        (b'image_id,label\n"a,b\n', r"is not a table of text \(line"),
        (b"\xd0\xcf\x11\xe0rest", "Excel workbook of the old kind"),
        (b"PK\x03\x04rest", "split.csv"),
    ],
)
def test_what_is_not_a_table_is_refused_with_its_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "split.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        _lines(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read '.*absent.csv' \(No such file or directory\)"):
        _lines(tmp_path / "absent.csv")


def test_an_empty_file_has_no_columns(tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    path.touch()
    assert open_table(path, KNOWN, KNOWN[:1]).names == []
    with pytest.raises(InputError, match="has no column image_id and split; it has none"):
        list(read_csv(path, ("image_id", "split")))


def test_rows_are_keyed_by_lower_case_and_short_lines_filled(tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    path.write_text("Image ID,Centre,LABEL\na.png,x\n\nb.png,,Benign,\n", "utf-8")
    assert list(read_csv(path, ("image_id", "label"))) == [
        (2, {"image_id": "a.png", "centre": "x", "label": ""}),
        (4, {"image_id": "b.png", "centre": "", "label": "Benign"}),
    ]


def test_a_line_of_more_cells_than_the_header_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"line 7 has 3 cells, and the header 2") as caught:
        cells_by_name(tmp_path, 7, ["a", "b"], ["1", "2", "3"])
    assert "quotes" in str(caught.value.hint)
    assert cells_by_name(tmp_path, 7, ["a", "b"], ["1", "2", ""]) == {"a": "1", "b": "2"}


def test_a_header_has_its_columns_once(tmp_path: Path) -> None:
    check_header(tmp_path, ["a", "b", "c", "c"], ["a", "b"])
    with pytest.raises(InputError, match="has two columns a"):
        check_header(tmp_path, ["a", "b", "a"], ["a", "b"])
    with pytest.raises(InputError, match="has no column a and c; it has b"):
        check_header(tmp_path, ["b"], ["a", "b", "c"])
    with pytest.raises(InputError, match="more than 1,000 columns"):
        check_header(tmp_path, ["a", *map(str, range(1000))], ["a"])


@pytest.mark.parametrize("name", ["Image ID", " image-id ", "IMAGE.ID", "image__id", "_Image - Id_", "image\u00a0id"])
def test_spellings_of_a_column_are_one(name: str) -> None:
    assert spelled_alike(name) == "image_id"
