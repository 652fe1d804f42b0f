from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from btxrd_explain.errors import InputError
from btxrd_explain.inputs.split_csv import SplitRow, read_split_csv

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = "image_id,split,label\nIMG000046.jpeg,test,Malignant\nIMG002225.jpeg,train,Normal\n"
ROWS = (SplitRow("IMG000046.jpeg", "test", "Malignant"), SplitRow("IMG002225.jpeg", "train", "Normal"))


def save(folder: Path, text: str | bytes) -> Path:
    path = folder / "split.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        "\ufeff" + PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", " , ").replace("\n", " \n\n"),
        PLAIN.rstrip("\n"),
        "\n\n" + PLAIN + ",,\n",
        PLAIN.replace("image_id,split,label", "Image_ID, Split ,LABEL"),
        '"image_id","split","label"\n"IMG000046.jpeg", "test","Malignant"\n"IMG002225.jpeg","train","Normal"\n',
    ],
    ids=["plain", "bom", "crlf", "cr", "semicolons", "tabs", "spaces", "no end", "empty lines", "case", "quotes"],
)
def test_variants_of_the_format_say_the_same(tmp_path: Path, text: str) -> None:
    table = read_split_csv(save(tmp_path, text))
    assert table.rows == ROWS
    assert table.notes == ()


def test_columns_may_stand_in_any_order_among_others(tmp_path: Path) -> None:
    text = "label,fold,image_id,split\nMalignant,3,IMG000046.jpeg,test\nNormal,1,IMG002225.jpeg,train\n"
    assert read_split_csv(save(tmp_path, text)).rows == ROWS


def test_quoted_names_may_hold_separators(tmp_path: Path) -> None:
    text = 'image_id,split,label\n"left, frontal ""a"".png",test,Benign\n'
    assert read_split_csv(save(tmp_path, text)).rows[0].image_id == 'left, frontal "a".png'


def test_empty_and_absent_cells_are_none(tmp_path: Path) -> None:
    rows = read_split_csv(save(tmp_path, "image_id,split,label\na.png,,\nb.png\nc.png,test,Benign,more\n")).rows
    assert rows == (SplitRow("a.png", None, None), SplitRow("b.png", None, None), SplitRow("c.png", "test", "Benign"))


def test_a_repeated_line_is_noted(tmp_path: Path) -> None:
    table = read_split_csv(save(tmp_path, PLAIN + PLAIN.split("\n", 1)[1]))
    assert table.rows == ROWS
    assert table.notes == (f"'{tmp_path / 'split.csv'}' repeats 2 lines",)


@pytest.mark.parametrize("line", ["IMG000046.jpeg,test,Benign", "IMG000046.jpeg,train,Malignant"])
def test_an_image_with_two_labels_or_splits_is_an_error(tmp_path: Path, line: str) -> None:
    with pytest.raises(InputError, match=r"'IMG000046.jpeg' is \(test, Malignant\) in line 2, \(.*\) in line 4: keep"):
        read_split_csv(save(tmp_path, PLAIN + line))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,split,label\na,b,c\n", "has no column image_id; it has image, split, label: name the columns"),
        ("image_id\na\n", "has no column split and label; it has image_id"),
        ("", "has no column image_id and split and label; it has none"),
        ("image_id,split,label\n,test,Benign\n", "line 2: image_id is empty"),
        ("image_id,label,split,label\na.png,Benign,test,Normal\n", "has two columns label: keep one of them"),
        ("image_id,split,label" + ",x" * 1000, "has more than 1,000 columns"),
        (PLAIN.encode("utf-16"), "is not a table of text .*: save it as CSV in UTF-8"),
        ('image_id,split,label\n"a.png,test,Benign\n', "is not a table of text"),
        (b"image_id,split,label\n\xe4.png,test,Benign\n", "is not a table of text .*: save it as CSV in UTF-8"),
        (b"PK\x03\x04\x14\x00\x08\x08\x08\x00\xff", "is not a table of text"),
    ],
)
def test_unusable_files_are_an_error(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_split_csv(save(tmp_path, text))
    assert "split.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_large_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("btxrd_explain.inputs.split_csv._MAX_BYTES", 2**20)
    with pytest.raises(InputError, match="has more than 1 MiB"):
        read_split_csv(save(tmp_path, PLAIN + "\n" * 2**20))


def test_formulas_and_control_characters_are_text(tmp_path: Path) -> None:
    rows = read_split_csv(save(tmp_path, 'image_id,split,label\n=cmd|x!A1,+1,@SUM(A1)\n"a\0b\nc",test,\x1b[31m\n')).rows
    assert rows == (SplitRow("=cmd|x!A1", "+1", "@SUM(A1)"), SplitRow("a\0b\nc", "test", "\x1b[31m"))


def test_files_that_cannot_be_read_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        read_split_csv(tmp_path / "none.csv")
    with pytest.raises(InputError, match="cannot read"):
        read_split_csv(tmp_path)


cells = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8)


@given(rows=st.dictionaries(cells, st.tuples(cells, cells), max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_survives_quoting(tmp_path: Path, rows: dict[str, tuple[str, str]]) -> None:
    lines = [("image_id", "split", "label"), *((name, *values) for name, values in rows.items())]
    quoted = "\n".join(",".join('"' + cell.replace('"', '""') + '"' for cell in line) for line in lines)
    table = read_split_csv(save(tmp_path, quoted))
    assert {row.image_id: (row.split, row.label) for row in table.rows} == rows
