from __future__ import annotations

from typing import TYPE_CHECKING

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from btxrd_explain.errors import InputError
from btxrd_explain.inputs.split_csv import SplitRow, Vocabulary, read_split_csv

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
        PLAIN.encode("utf-16"),
        PLAIN.replace(",", "\t").encode("utf-16-le"),
        PLAIN.encode("utf-16-be"),
        PLAIN.encode("utf-32"),
        "sep=;\n" + PLAIN.replace(",", ";"),
        "\ufeffSEP=,\r\n" + PLAIN.replace("\n", "\r\n"),
        PLAIN.replace(",", "|"),
        PLAIN.replace("\n", ",\u00a0\n"),
        PLAIN.replace("image_id,split,label", "Image ID,split.,-Label"),
        PLAIN.replace(",", ";").replace(";label", ";label;what (a,b,c,d,e)").replace("ant\n", "ant;x,y\n"),
        PLAIN.replace("IMG000046", "\u200bIMG000046"),
        PLAIN.replace(",label", ', "label" ').replace("Malignant\n", '"Malignant"  \n'),
    ],
    ids=[
        *("plain", "bom", "crlf", "cr", "semicolons", "tabs", "spaces", "no end", "empty lines", "case", "quotes"),
        *("utf-16", "utf-16 without mark", "utf-16 big-endian", "utf-32", "sep", "sep in capitals", "bars"),
        *("empty column", "spelling", "commas in a name", "unseen character", "blanks after quotes"),
    ],
)
def test_variants_of_the_format_say_the_same(tmp_path: Path, text: str | bytes) -> None:
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
    rows = read_split_csv(save(tmp_path, "image_id,split,label\na.png,,\nb.png\nc.png,test,Benign,,\n")).rows
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
        ("what,split,label\na,b,c\n", "has no column image_id; it has what, split, label: name it in the first line"),
        ("image_id,split,what\na,b,c\n", "has no column label; its other columns are what: name it with --columns"),
        ("", "has no column image_id; it has none"),
        ("image_id,split,label\na,b,c,d\n", "line 2 has 4 cells, and the header 3: put cells that hold the separator"),
        ("path,file,label\na,b,c\n", "'path' and 'file' may be image_id: say which with --columns image_id=NAME"),
        ("image_id,split,label\n,test,Benign\n", "line 2: image_id is empty"),
        ("image_id,label,split,label\na.png,Benign,test,Normal\n", "has two columns label: keep one of them"),
        ("image_id,split,label" + ",x" * 1000, "has more than 1,000 columns"),
        (PLAIN.encode("utf-16")[:-1], r"is not a table of text in UTF-16 \(line 3 has the byte 0x0a\): save it"),
        (b"\xd0\xcf\x11\xe0" + bytes(99), "is an Excel workbook of the old kind .*: save it as .xlsx or CSV"),
        ('image_id,split,label\n"a.png,test,Benign\n', "is not a table of text"),
        (
            b"image_id,split,label\n\xe4.png,test,Benign\n",
            r"in UTF-8 \(line 2 has the byte 0xe4\): save it as CSV in UTF-8",
        ),
        (b"PK\x03\x04\x14\x00\x08\x08\x08\x00\xff", "is not an Excel workbook"),
    ],
)
def test_unusable_files_are_an_error(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_split_csv(save(tmp_path, text))
    assert "split.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_large_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("btxrd_explain.inputs.table_lines._MAX_BYTES", 2**20)
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


def read(folder: Path, text: str, vocabulary: Vocabulary | None = None) -> tuple[dict[str, str | None], list[str]]:
    """Return the labels, and the notes without the path."""
    path = save(folder, text)
    table = read_split_csv(path, None, vocabulary)
    return {row.image_id: row.label for row in table.rows}, [note.replace(f"'{path}'", "it") for note in table.notes]


def test_usual_names_of_columns_are_taken_and_said(tmp_path: Path) -> None:
    labels, notes = read(tmp_path, "Filename;Subset;Diagnosis;age\na.png;test;Benign;5\n")
    assert labels == {"a.png": "Benign"}
    assert notes == [
        "it has no column image_id: its column 'Filename' is taken for it",
        "it has no column split: its column 'Subset' is taken for it",
        "it has no column label: its column 'Diagnosis' is taken for it",
    ]


def test_columns_may_be_named(tmp_path: Path) -> None:
    words = Vocabulary(columns={"image_id": "Bild", "split": "fold", "label": "class"})
    labels, notes = read(tmp_path, "Bild,file,FOLD,label,Class\na.png,x,test,no,Benign\n", words)
    assert (labels, notes) == ({"a.png": "Benign"}, [])
    with pytest.raises(InputError, match="has no column 'Bild'; it has image_id, split, label: check --columns image"):
        read(tmp_path, PLAIN, words)


def test_without_a_column_split_all_is_one(tmp_path: Path) -> None:
    labels, notes = read(tmp_path, "image_id,label\na.png,Benign\n")
    assert (labels, notes) == ({"a.png": "Benign"}, ["it has no column split: all of it is one split"])


def test_a_list_of_names_gives_no_labels(tmp_path: Path) -> None:
    labels, notes = read(tmp_path, "image_id\na.png\nb.png\n")
    assert labels == {"a.png": None, "b.png": None}
    assert notes[1:] == ["it has no column label: it gives its radiographs none"]


def test_one_column_of_1_each_is_the_label(tmp_path: Path) -> None:
    labels, notes = read(tmp_path, "image_id,split,Normal,Benign,Mal\na,test,1,0,0\nb,test,0.0,0,1.0\n")
    assert labels == {"a": "Normal", "b": "Mal"}
    assert notes == [
        "it has no column label: of its columns Normal, Benign, Mal each line has one that is 1, its class"
    ]
    renamed, _ = read(tmp_path, "Filename,Set,Normal,Benign\na,test,1,0\nb,test,0,1\n")
    assert renamed == {"a": "Normal", "b": "Benign"}
    several, _ = read(tmp_path, "image_id,split,Normal,Benign,Mal\na,test,1,0,0\nb,test,0,1,1\n")
    assert several == {"a": "Normal=1|Benign=0|Mal=0", "b": "Normal=0|Benign=1|Mal=1"}


TITLES = "Splits of the study\n\nby me, 2024\n"


@pytest.mark.parametrize(
    ("text", "line", "title"),
    [
        (TITLES + PLAIN, 4, "Splits of the study"),
        ("Splits of the study;;\nDate;2024-01-01;\n" + PLAIN.replace(",", ";"), 3, "Splits of the study"),
        ("sep=;\n" + "A, title, with, more, commas\n" + PLAIN.replace(",", ";"), 3, "A, title, with, more, commas"),
        (TITLES.encode("utf-16") + PLAIN.encode("utf-16")[2:], 4, "Splits of the study"),
    ],
)
def test_the_header_may_stand_below_titles(tmp_path: Path, text: str | bytes, line: int, title: str) -> None:
    path = save(tmp_path, text)
    table = read_split_csv(path)
    assert table.rows == ROWS
    assert table.notes == (f"'{path}' has its header in line {line}, and above it lines such as '{title}'",)


def test_a_list_of_names_may_have_a_title(tmp_path: Path) -> None:
    labels, notes = read(tmp_path, "My patients\nimage_id\na.png\nb.png\n")
    assert labels == {"a.png": None, "b.png": None}
    assert notes[0] == "it has its header in line 2, and above it lines such as 'My patients'"


def test_lines_below_a_title_keep_their_numbers(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 6: image_id is empty"):
        read_split_csv(save(tmp_path, TITLES + "image_id,split,label\na.png,test,Benign\n,test,Benign\n"))


@pytest.mark.parametrize(
    "text",
    [
        "a.png,test,Benign\nimage_id,train,Normal\n",  # as many cells above: a row
        "\n".join(f"title {number}" for number in range(20)) + "\n" + PLAIN,
    ],
)
def test_a_header_that_is_not_clear_is_asked_for(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="has no column image_id"):
        read_split_csv(save(tmp_path, text))


def test_titles_in_named_columns_and_workbooks(tmp_path: Path) -> None:
    words = Vocabulary(columns={"image_id": "Bild", "split": "Gruppe"})
    labels, notes = read(tmp_path, "Studie\nBild|Gruppe|label\na.png|test|Benign\n", words)
    assert labels == {"a.png": "Benign"}
    assert notes == ["it has its header in line 2, and above it lines such as 'Studie'"]
    book = openpyxl.Workbook()
    for line in (["Study"], [], ["image_id", "split", "label"], ["a.png", "test", "Benign"]):
        book.worksheets[0].append(line)
    book.create_sheet("old")
    book.save(tmp_path / "split.xlsx")
    table = read_split_csv(tmp_path / "split.xlsx")
    assert table.rows == (SplitRow("a.png", "test", "Benign"),)
    assert [note.partition("' ")[2] for note in table.notes] == [
        "has 2 sheets, of which the first one is read: 'Sheet'",
        "has its header in line 3, and above it lines such as 'Study'",
    ]


CHINESE = "image_id,split,label\n\u80a9_1.png,\u6d4b\u8bd5,\u826f\u6027\n"


def test_chinese_of_windows_is_read_and_said(tmp_path: Path) -> None:
    path = save(tmp_path, CHINESE.encode("gbk"))
    table = read_split_csv(path)
    assert table.rows == (SplitRow("\u80a9_1.png", "\u6d4b\u8bd5", "\u826f\u6027"),)
    assert table.notes == (f"'{path}' is not in Unicode, and looks like GB 18030 (Chinese)",)
    utf8 = read_split_csv(save(tmp_path, CHINESE))
    assert (utf8.rows, utf8.notes) == (table.rows, ())


@pytest.mark.parametrize(
    ("label", "encoding"),
    [
        *[("Gr\u00f6\u00dfe", "cp1252"), ("B\u00e9nin", "cp1252"), ("\u017b\u00f3\u0142ty", "cp1250")],
        *[("\u043d\u043e\u0440\u043c", "cp1251"), ("\uc591\uc131", "cp949"), ("x\uc591\uc131", "cp949")],
        *[("\u826f\u6027", "shift_jis"), ("\u826f\u6027", "big5"), ("\u826f\u6027\u3067\u3059", "euc_jp")],
    ],
)
def test_other_encodings_are_asked_for_with_the_line(tmp_path: Path, label: str, encoding: str) -> None:
    with pytest.raises(InputError, match=r"in UTF-8 \(line 2 has the byte 0x..\): save it as CSV in UTF-8"):
        read_split_csv(save(tmp_path, f"image_id,split,label\na.png,test,{label}\n".encode(encoding)))


@pytest.mark.parametrize(("no", "yes"), [("no", "yes"), ("FALSE", "TRUE"), ("n", "Y"), ("F", "t"), ("No", "1")])
def test_words_may_stand_for_0_and_1(tmp_path: Path, no: str, yes: str) -> None:
    labels, _ = read(tmp_path, f"image_id,split,Normal,Benign\na,test,{yes},{no}\nb,test,{no},{yes}\n")
    assert labels == {"a": "Normal", "b": "Benign"}
    labels, _ = read(tmp_path, f"image_id,split,benign,malignant\na,test,{yes},{no}\nb,test,{no},{no}\n")
    assert labels == {"a": "Benign", "b": "Normal"}


def test_a_column_of_classes_with_a_slip_is_asked_for(tmp_path: Path) -> None:
    """Without it the other columns would be all classes."""
    text = "image_id,split,Normal,Mal\na,test,1,0\nb,test,O,1\nc,test,0,1\n"
    with pytest.raises(
        InputError, match=r"line 3: 'Normal' is 'o': write 1 .*, or name the columns of classes with --c"
    ):
        read(tmp_path, text)
    counts = text.replace("Normal", "fractures").replace("O", "2")
    assert read(tmp_path, counts)[0] == {"a": "Mal=0", "b": "Mal=1", "c": "Mal=1"}


def test_the_columns_of_btxrd_tell_the_label(tmp_path: Path) -> None:
    labels, notes = read(tmp_path, "image_id,hand,Tumor,Benign,Malignant\na,1,1,0,1\nb,0,0,0,0\nc,0,1,1,0\n")
    assert labels == {"a": "Malignant", "b": "Normal", "c": "Benign"}
    assert "it has no column label: its columns benign and malignant tell the class" in notes


def test_labels_may_mean_something_else(tmp_path: Path) -> None:
    text = "image_id,split,label\na,test,0\nb,test,1.0\nc,test,Benign\n"
    assert read(tmp_path, text, Vocabulary(labels={"0": "Normal", "1": "Malignant"})) == (
        {"a": "Normal", "b": "Malignant", "c": "Benign"},
        [],
    )


def test_numbers_whose_meaning_nobody_told_are_said(tmp_path: Path) -> None:
    text = "image_id,split,label\na,test,2\nb,test,0\n"
    assert read(tmp_path, text)[1] == ["the labels of it are numbers (0, 2); --label-names 0=NAME says what each means"]
    assert read_split_csv(save(tmp_path, text), ["0", "1", "2"]).notes == ()


def test_workbooks_are_read_whatever_their_name(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for line in (["Image_ID", "split", "label"], ["a.png", "test", "Benign"], [None] * 3, [46, "test", 1]):
        book.worksheets[0].append(line)
    book.save(tmp_path / "split.csv")
    assert read_split_csv(tmp_path / "split.csv").rows == (
        SplitRow("a.png", "test", "Benign"),
        SplitRow("46", "test", "1"),
    )
