"""Tables that claim more than they have bytes for are refused before they are unfolded."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from btxrd_explain.errors import InputError
from btxrd_explain.untrusted.tables import check_extent, workbook_lines

if TYPE_CHECKING:
    from pathlib import Path


def test_the_first_sheet_is_read_as_text_without_its_empty_lines(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for line in (["image_id", "age"], [None, None], ["a.png", 12.0], ["b.png", 0.5], ["=1+1", None]):
        book.worksheets[0].append(line)
    book.create_sheet().append(["not read"])
    book.save(tmp_path / "t.xlsx")
    lines = [(1, ["image_id", "age"]), (3, ["a.png", "12"]), (4, ["b.png", "0.5"])]
    assert workbook_lines(tmp_path / "t.xlsx") == (lines, ["Sheet", "Sheet1"])


def test_a_workbook_whose_parts_unpack_to_too_much_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("xl/a.xml", "w") as part:
        for _ in range(129):
            part.write(bytes(2**20))
    assert path.stat().st_size < 2**20
    with pytest.raises(InputError, match="holds more than a table of images: save the table alone"):
        workbook_lines(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"image_id,age"])
def test_what_is_not_a_workbook_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.xlsx").write_bytes(content)
    with pytest.raises(InputError, match="is not an Excel workbook"):
        workbook_lines(tmp_path / "t.xlsx")


def test_the_extent_of_a_parquet_file_is_judged_by_its_footer(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"x": pa.array([0] * 70_000, pa.int8())}), path, row_group_size=60_000)
    metadata, size = pq.read_metadata(path), path.stat().st_size
    check_extent(metadata, 8, 10 * size + 70_000)
    with pytest.raises(ValueError, match=r"claims 70000 rows in 1000 bytes"):
        check_extent(metadata, 8, 1000)
    with pytest.raises(ValueError, match=r"60000 of its rows are stored together and unfold to \d+ bytes"):
        check_extent(metadata, 2**15, 10 * size + 70_000)
    pq.write_table(pa.table({"x": pa.array([0] * 70_000, pa.int8())}), path, row_group_size=70_000)
    with pytest.raises(ValueError, match="70000 of its rows are stored together"):
        check_extent(pq.read_metadata(path), 1, 10 * size + 70_000)
