"""Tables of scores as Parquet and CSV: every value, and no formula for a spreadsheet."""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from btxrd_explain.commands.tables import write_tables
from btxrd_explain.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA = pa.schema(
    [("name", pa.string()), ("value", pa.float64()), ("hit", pa.bool_()), ("curve", pa.list_(pa.float32()))],
    metadata={b"made": b"by a test"},
)
ROWS: list[dict[str, Any]] = [
    {"name": '=HYPERLINK("x")', "value": 0.1 + 0.2, "hit": True, "curve": [0.5, 0.25]},
    {"name": "-2.5", "value": None, "hit": None, "curve": None},
    {"name": None, "value": -1e-300, "hit": False, "curve": []},
    {"name": 'a,"b"\nc', "value": math.pi, "hit": False, "curve": [1.0]},
]


def _parts(rows: list[dict[str, Any]]) -> list[pa.Table]:
    return [pa.Table.from_pylist([row], SCHEMA) for row in rows]


def test_the_parquet_file_holds_everything_and_its_metadata(tmp_path: Path) -> None:
    parquet, _ = write_tables(tmp_path / "scores.v1", _parts(ROWS), SCHEMA, only_parquet=["curve"])
    assert parquet.name == "scores.v1.parquet"
    table = pq.ParquetFile(parquet).read()
    assert table.to_pylist() == ROWS
    assert table.schema.metadata[b"made"] == b"by a test"


def test_the_csv_holds_every_digit_and_no_formula(tmp_path: Path) -> None:
    _, text = write_tables(tmp_path / "scores.v1", _parts(ROWS), SCHEMA, only_parquet=["curve"])
    assert text.name == "scores.v1.csv"
    with text.open(newline="", encoding="utf-8") as file:
        header, *lines = csv.reader(file)
    assert header == ["name", "value", "hit"]
    assert [line[0] for line in lines] == ['\'=HYPERLINK("x")', "-2.5", "", 'a,"b"\nc']
    assert [float(line[1]) if line[1] else None for line in lines] == [row["value"] for row in ROWS]
    assert [line[2] for line in lines] == ["true", "", "false", "false"]


def test_no_part_at_all_leaves_the_columns(tmp_path: Path) -> None:
    parquet, text = write_tables(tmp_path / "empty", [], SCHEMA, only_parquet=["curve"])
    assert pq.ParquetFile(parquet).read().schema.names == SCHEMA.names
    assert text.read_text("utf-8").strip() == '"name","value","hit"'


def test_parts_that_fail_leave_the_former_tables(tmp_path: Path) -> None:
    def torn() -> Iterator[pa.Table]:
        yield from _parts(ROWS[:1])
        raise RuntimeError("torn")

    written = write_tables(tmp_path / "scores", _parts(ROWS), SCHEMA, only_parquet=["curve"])
    before = [path.read_bytes() for path in written]
    with pytest.raises(RuntimeError, match="torn"):
        write_tables(tmp_path / "scores", torn(), SCHEMA, only_parquet=["curve"])
    assert [path.read_bytes() for path in written] == before
    assert sorted(tmp_path.iterdir()) == sorted(written)


def test_a_folder_in_the_way_is_an_error_of_the_output(tmp_path: Path) -> None:
    (tmp_path / "scores.csv").mkdir()
    with pytest.raises(OutputError, match=r"scores\.csv"):
        write_tables(tmp_path / "scores", _parts(ROWS), SCHEMA, only_parquet=["curve"])
