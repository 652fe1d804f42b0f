from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import openpyxl
import pytest
from openpyxl.worksheet._read_only import ReadOnlyWorksheet

from btxrd_explain.errors import InputError
from btxrd_explain.inputs.btxrd import btxrd_label, find_btxrd_table, read_btxrd_table, tables_not_read

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

HEADER = ("image_id", "center", "age", "gender", "hip bone", "tumor", "benign", "malignant")
FIRST = ("IMG000001.jpeg", 1, 48.0, "F", 0, 1, 0, 1)
SECOND = ("IMG001868.jpeg", 2, None, "M", 1, 0, 0, 0)
EXPECTED = {
    "IMG000001.jpeg": ["IMG000001.jpeg", "1", "48", "F", "0", "1", "0", "1"],
    "IMG001868.jpeg": ["IMG001868.jpeg", "2", "", "M", "1", "0", "0", "0"],
}


def workbook(path: Path, *lines: Sequence[object]) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    for line in lines:
        sheet.append(list(line))
    book.create_sheet("notes").append(["image_id", "nothing"])
    book.save(path)
    return path


def test_excel_and_csv_give_the_same_cells(tmp_path: Path) -> None:
    excel = workbook(tmp_path / "dataset.xlsx", HEADER, FIRST, SECOND)
    text = tmp_path / "dataset.csv"
    lines = [HEADER, *EXPECTED.values()]
    text.write_text("\n".join(",".join(map(str, line)) for line in lines))
    expected = {name: dict(zip(HEADER, cells, strict=True)) for name, cells in EXPECTED.items()}
    assert read_btxrd_table(excel) == expected
    assert read_btxrd_table(text) == expected


def test_empty_lines_short_lines_and_wrong_dimensions_do_not_matter(tmp_path: Path) -> None:
    path = workbook(tmp_path / "whole.xlsx", [None], ["Image_ID ", "center", "age"], ["a.png", 1], [], ["b.png", 2, 3])
    lying = tmp_path / "dataset.xlsx"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(lying, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name.endswith("sheet1.xml"):
                start = data.index(b'<dimension ref="')
                stop = data.index(b"/>", start)
                data = data[:start] + b'<dimension ref="A1" ' + data[stop:]
            target.writestr(name, data)
    expected = {
        "a.png": {"image_id": "a.png", "center": "1", "age": ""},
        "b.png": {"image_id": "b.png", "center": "2", "age": "3"},
    }
    assert read_btxrd_table(lying) == expected


@pytest.mark.parametrize(
    ("benign", "malignant", "label"),
    [("0", "1", "Malignant"), ("1", "1", "Malignant"), ("1", "0", "Benign"), ("0", "0", "Normal"), ("", "", None)],
)
def test_the_class_follows_from_two_columns(benign: str, malignant: str, label: str | None) -> None:
    assert btxrd_label({"benign": benign, "malignant": malignant}) == label


def test_without_the_columns_there_is_no_class() -> None:
    assert btxrd_label({"image_id": "a.png"}) is None


def test_excel_comes_before_csv_and_lock_files_do_not_count(tmp_path: Path) -> None:
    assert find_btxrd_table(tmp_path) is None
    for name in ("~$dataset.xlsx", "~$dataset(total).xlsx"):
        (tmp_path / name).touch()
    assert find_btxrd_table(tmp_path) is None
    (tmp_path / "Dataset.CSV").touch()
    assert find_btxrd_table(tmp_path) == tmp_path / "Dataset.CSV"
    (tmp_path / "dataset.xlsx").touch()
    assert find_btxrd_table(tmp_path) == tmp_path / "dataset.xlsx"


def test_what_is_no_plain_table_is_asked_for(tmp_path: Path) -> None:
    path = workbook(tmp_path / "dataset.xlsx", ["BTXRD, release 2"], [None], HEADER, FIRST)
    with pytest.raises(InputError, match="header in line 3, and above it lines such as 'BTXRD, release 2': save it in"):
        read_btxrd_table(path)
    (tmp_path / "dataset.csv").write_bytes("image_id,sex\na.png,\u60a3\u8005\n".encode("gbk"))
    with pytest.raises(InputError, match=r"is not in Unicode, and looks like GB 18030 \(Chinese\): save it in UTF-8"):
        read_btxrd_table(tmp_path / "dataset.csv")


def test_unusable_tables_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no column image_id"):
        read_btxrd_table(workbook(tmp_path / "a.xlsx", ["image", "center"], ["a.png", 1]))
    with pytest.raises(InputError, match="has no column image_id"):
        read_btxrd_table(workbook(tmp_path / "empty.xlsx"))
    with pytest.raises(InputError, match=r"names 'a\.png' twice"):
        read_btxrd_table(workbook(tmp_path / "b.xlsx", ["image_id", "center"], ["a.png", 1], ["a.png", 2]))
    broken = tmp_path / "c.xlsx"
    broken.write_bytes(b"no zip")
    with pytest.raises(InputError, match=r"is not an Excel workbook .*: save the table as \.xlsx or CSV"):
        read_btxrd_table(broken)
    with pytest.raises(InputError, match="cannot read"):
        read_btxrd_table(tmp_path / "none.xlsx")


def rewritten(folder: Path, sheet: str, **parts: str) -> Path:
    """A workbook whose first sheet is replaced by other XML, with further parts."""
    source, path = workbook(folder / "source.xlsx", ["image_id"]), folder / "dataset.xlsx"
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, sheet if name.endswith("sheet1.xml") else old.read(name))
        for name, text in parts.items():
            new.writestr(name, text)
    return path


def sheet_of(rows: str, before: str = "") -> str:
    namespace = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return f'<?xml version="1.0"?>{before}<worksheet xmlns="{namespace}"><sheetData>{rows}</sheetData></worksheet>'


def text_cell(place: str, text: str) -> str:
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


HEAD = f'<row r="1">{text_cell("A1", "image_id")}{text_cell("B1", "center")}</row>'


def test_formulas_count_by_the_value_that_was_saved_and_nothing_is_fetched(tmp_path: Path) -> None:
    formula = '<c r="B2" t="str"><f>WEBSERVICE("http://127.0.0.1:9/")</f><v>kept</v></c>'
    path = rewritten(tmp_path, sheet_of(HEAD + f'<row r="2">{text_cell("A2", "=1+1")}{formula}</row>'))
    assert read_btxrd_table(path) == {"=1+1": {"image_id": "=1+1", "center": "kept"}}


@pytest.mark.parametrize(
    "rows",
    [
        HEAD + f'<row r="1000000000">{text_cell("A1000000000", "a.png")}</row>',
        HEAD + "".join(f'<row r="{n}">{text_cell(f"XFD{n}", "x")}</row>' for n in range(2, 1000)),
        HEAD + f'<row r="2">{text_cell("A2", " " * 2**27)}</row>',
    ],
    ids=["a billion lines", "wide lines", "a zip bomb"],
)
def test_workbooks_that_unfold_are_refused_before_they_do(
    tmp_path: Path, rows: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the billion lines and of the 16 million cells no more are taken than a table may have."""
    lines = cells = 0
    iter_rows = ReadOnlyWorksheet.iter_rows

    def counted(*arguments: Any, **options: Any) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 -- openpyxl's
        nonlocal lines, cells
        for line in iter_rows(*arguments, **options):
            lines, cells = lines + 1, cells + len(line)
            yield line

    monkeypatch.setattr(ReadOnlyWorksheet, "iter_rows", counted)
    with pytest.raises(InputError, match="holds more than a table of images"):
        read_btxrd_table(rewritten(tmp_path, sheet_of(rows)))
    assert lines <= 2**20 + 1
    assert cells <= 10_000_000 + 2**14


def test_entities_of_entities_do_not_unfold(tmp_path: Path) -> None:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    before = f'<!DOCTYPE worksheet [<!ENTITY e0 "{"x" * 100}">{entities}]>'
    path = rewritten(tmp_path, sheet_of(f'<row r="1">{text_cell("A1", "&e11;")}</row>', before))
    with pytest.raises(InputError, match="is not an Excel workbook"):
        read_btxrd_table(path)


def test_entities_that_name_files_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    before = f'<!DOCTYPE worksheet [<!ENTITY e SYSTEM "file://{tmp_path}/secret">]>'
    path = rewritten(tmp_path, sheet_of(HEAD + f'<row r="2">{text_cell("A2", "&e;")}</row>', before))
    with pytest.raises(InputError, match="is not an Excel workbook"):
        read_btxrd_table(path)


@pytest.mark.real_data
def test_the_real_table_has_37_columns(real_data: Path) -> None:
    table = read_btxrd_table(real_data / "btxrd_sample" / "dataset_head.csv")
    assert len(table) == 7
    assert {len(row) for row in table.values()} == {37}
    assert table["IMG000002.jpeg"]["ankle-joint"] == "0"
    assert {btxrd_label(row) for row in table.values()} == {"Malignant"}


def test_tables_of_labels_under_another_name_are_found_and_others_are_not(tmp_path: Path) -> None:
    head = workbook(tmp_path / "dataset_head.xlsx", HEADER, FIRST)
    (tmp_path / "split.csv").write_text("image_id,split,label\na.png,test,Benign\n")
    (tmp_path / "areas.csv").write_text("image,height\na,3\n")
    (tmp_path / "ages.csv").write_text("image_id,age\na.png,3\n")
    (tmp_path / "broken.xlsx").write_text("no workbook")
    workbook(tmp_path / "dataset.xlsx", HEADER, FIRST)
    assert tables_not_read(tmp_path) == [head, tmp_path / "split.csv"]
