"""One Parquet file of a table: row groups, bounds, columns of folders, and files that are not what they were."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from btxrd_explain.core.geometry import Size
from btxrd_explain.errors import OtherFileError, TableError
from btxrd_explain.predictions.part import open_part, rows_per_group
from btxrd_explain.predictions.schema import table_schema
from btxrd_explain.predictions.store import write_table
from tests.support.small_table import PROVENANCE, ROWS, make_row

if TYPE_CHECKING:
    from pathlib import Path

    from btxrd_explain.predictions.part import Part

MANY = 2100
"""Rows of three row groups."""


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Part:
    path = tmp_path_factory.mktemp("part") / "p.parquet"
    write_table(path, PROVENANCE, (make_row(number) for number in range(MANY)))
    return open_part(path)


def _ids(part: Part, wanted: list[str] | None = None) -> list[str]:
    return [name for batch in part.batches(wanted) for name in batch.column("image_id").to_pylist()]


def test_row_groups_stay_small_however_large_grids_are() -> None:
    assert rows_per_group(PROVENANCE) == 1024
    assert rows_per_group(replace(PROVENANCE, grid=Size(1024, 1024))) == 2**26 // (4 * 2 * 1024 * 1024)
    assert rows_per_group(replace(PROVENANCE, grid=Size(8192, 8192))) == 1


def test_rows_are_those_that_pyarrow_reads(many: Part) -> None:
    known = pq.read_table(many.path)
    assert (many.rows, many.first, many.last) == (MANY, "IMG000000.jpeg", f"IMG{MANY - 1:06d}.jpeg")
    assert _ids(many) == known.column("image_id").to_pylist()
    light = many.light()
    assert light.column_names == [name for name in table_schema(PROVENANCE).names if name != "grids"]
    assert light.to_pylist() == known.select(light.column_names).to_pylist()


def test_row_groups_without_a_wanted_image_are_passed_over(many: Part) -> None:
    one = _ids(many, ["IMG001500.jpeg"])
    assert (one[0], one[-1]) == ("IMG001024.jpeg", "IMG002047.jpeg")
    assert _ids(many, ["IMG000001.jpeg", "IMG002099.jpeg"])[0] == "IMG000000.jpeg"
    assert _ids(many, ["IMG9"]) == []
    assert [many.may_hold([name]) for name in ("A", "IMG000500", "Z")] == [False, True, False]
    assert not many.may_hold([])


def test_a_folder_tells_a_column_that_the_file_lacks(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    write_table(path, PROVENANCE, ROWS)
    told = open_part(path, {"split": "val"})
    assert (told.keys, told.light().column("split").to_pylist()) == ({}, ["test", "test", None])
    pq.write_table(pq.read_table(path).drop_columns(["split"]), path)
    for value in ("val", None):
        part = open_part(path, {"split": value})
        assert part.light().column("split").to_pylist() == [value] * 3
        assert [batch.column("split").to_pylist() for batch in part.batches()] == [[value] * 3]
    with pytest.raises(TableError, match="it has 0 columns 'split'"):
        open_part(path)


def test_a_file_that_another_run_replaced_is_not_read_on(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    write_table(path, PROVENANCE, ROWS)
    part = open_part(path)
    write_table(path, PROVENANCE, [*ROWS[:1], make_row(7)])
    assert part.light().num_rows == 2  # of the same run
    assert part.sha256() == hashlib.sha256(path.read_bytes()).hexdigest()
    other = replace(PROVENANCE, request={**PROVENANCE.request, "method": "layercam"})
    write_table(path, other, ROWS)
    for read in (part.light, part.sha256, lambda: list(part.batches())):
        with pytest.raises(TableError, match="was replaced by the table of another run while it was read"):
            read()


def test_bounds_that_rows_do_not_keep_to_are_an_error(tmp_path: Path) -> None:
    """Two row groups, of which the second begins before the first ends."""
    path = tmp_path / "p.parquet"
    write_table(path, PROVENANCE, [make_row(number) for number in range(4)])
    table = pq.read_table(path)
    with pq.ParquetWriter(path, table.schema) as writer:
        for start in (2, 0):
            writer.write_table(table.slice(start, 2))
    part = open_part(path)
    assert (part.first, part.last) == ("IMG000000.jpeg", "IMG000003.jpeg")
    for read in (part.light, lambda: list(part.batches())):
        with pytest.raises(TableError, match="not in the order of 'image_id'"):
            read()


def test_what_is_no_table_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"image_id,split")
    with pytest.raises(OtherFileError, match=r"a\.parquet' is not a predictions table"):
        open_part(tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_bytes(b"PAR1 torn")
    with pytest.raises(TableError, match=r"b\.parquet' is damaged \(.*\): delete it"):
        open_part(tmp_path / "b.parquet")
    with pytest.raises(OtherFileError, match="is not a file"):
        open_part(tmp_path)
    with pytest.raises(TableError, match=r"c\.parquet' is damaged"):
        open_part(tmp_path / "c.parquet")


def test_a_table_for_which_there_is_no_memory_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever believed it would delete a sound table, and a run would write another one in its place."""
    write_table(tmp_path / "p.parquet", PROVENANCE, ROWS)

    def fail(*_: object, **__: object) -> None:
        raise pa.lib.ArrowMemoryError("malloc of size 103680 failed")

    monkeypatch.setattr(pq, "read_metadata", fail)
    with pytest.raises(MemoryError):
        open_part(tmp_path / "p.parquet")
