"""A folder of Parquet files read as one table, and the index of a table's rows."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.errors import TableError
from btxrd_explain.predictions.record import FileStamp, Prediction, RowStatus
from btxrd_explain.predictions.store import write_table
from btxrd_explain.predictions.table import PredictionTable, open_table
from btxrd_explain.system.files import write_bytes
from btxrd_explain.system.places import in_folder, place_of
from tests.support import small_table

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from btxrd_explain.predictions.provenance import Provenance

PROVENANCE = replace(small_table.PROVENANCE, class_names=("Normal", "Benign", "Malignant"))
UNREADABLE = Prediction("IMG000900.jpeg", "x.jpeg", None, None, RowStatus.UNREADABLE, error="it is empty")


def _row(number: int) -> Prediction:
    random = np.random.default_rng(number)
    return Prediction(
        image_id=f"IMG{number:06d}.jpeg",
        path=f"../images/IMG{number:06d}.jpeg",
        label=PROVENANCE.class_names[number % 3],
        split=("train", "test", None)[number % 3],
        status=RowStatus.OK,
        stamp=FileStamp(100 + number, 1_700_000_000_000_000_000 + number, f"{number:064x}"),
        size=Size(40 + number, 30),
        probabilities=random.dirichlet([1, 1, 1]).astype(np.float32),
        grids=random.normal(size=(3, 3, 4)).astype(np.float32),
        grid_statuses=(MapStatus.OK, MapStatus.FLAT, MapStatus.OK),
    )


def _write(path: Path, rows: Iterable[Prediction], provenance: Provenance = PROVENANCE) -> Path:
    write_table(path, provenance, rows)
    return path


def _plain(rows: Iterable[Prediction]) -> list[Any]:
    """Rows as values that compare by content, bit by bit."""
    return [
        (
            replace(row, probabilities=None, grids=None),
            None if row.probabilities is None else row.probabilities.tobytes(),
            None if row.grids is None else row.grids.tobytes(),
        )
        for row in rows
    ]


ROWS = [*map(_row, range(600)), UNREADABLE]


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> PredictionTable:
    return open_table(_write(tmp_path_factory.mktemp("single") / "predictions.parquet", ROWS))


def test_a_folder_in_a_store_reads_like_one_on_this_machine(single: PredictionTable) -> None:
    folder = place_of("memory://partitioned/table")
    for split in ("train", "test", None):
        rows = [replace(row, split=None) for row in ROWS if row.split == split]
        name = "__HIVE_DEFAULT_PARTITION__" if split is None else split
        write_table(folder / f"split={name}" / "part-0.parquet", PROVENANCE, rows)
    write_bytes(folder / "_metadata.parquet", b"of another program")
    table = open_table(folder)
    assert len(table.parts) == 3
    index = table.index()
    assert index.column("image_id").to_pylist() == single.index().column("image_id").to_pylist()
    assert [row.grids is None for row in table.rows()] == [row.grids is None for row in ROWS]
    relative, absolute = (in_folder(folder, text) for text in ("../images/a.png", "/data/a.png"))
    assert (str(relative), str(absolute)) == ("memory://partitioned/images/a.png", "/data/a.png")


def test_interleaved_files_read_like_one(tmp_path: Path, single: PredictionTable) -> None:
    for number in range(3):
        _write(tmp_path / f"predictions.shard-{number + 1}-of-3.parquet", ROWS[number::3])
    table = open_table(tmp_path)
    assert table.provenance == single.provenance
    assert _plain(table.rows()) == _plain(single.rows()) == _plain(ROWS)
    assert _plain(table.index()) == _plain(single.index()) == _plain(row.without_grids() for row in ROWS)
    assert [row.image_id for row in table.rows({"IMG000007.jpeg", "IMG000599.jpeg"})] == [
        "IMG000007.jpeg",
        "IMG000599.jpeg",
    ]


def test_successive_files_read_like_one_whatever_their_names(tmp_path: Path, single: PredictionTable) -> None:
    _write(tmp_path / "b.parquet", ROWS[:200])
    _write(tmp_path / "deep" / "er" / "c.parquet", ROWS[200:450])
    _write(tmp_path / "a.parquet", ROWS[450:])
    _write(tmp_path / "empty.parquet", [])
    table = open_table(tmp_path)
    assert [part.path.name for part in table.parts] == ["b.parquet", "c.parquet", "a.parquet"]
    assert _plain(table.rows()) == _plain(single.rows())
    assert _plain(table.index()) == _plain(single.index())


def test_folders_that_name_columns(tmp_path: Path, single: PredictionTable) -> None:
    partitioning = ds.partitioning(pa.schema([("split", pa.string()), ("label", pa.string())]), flavor="hive")
    ds.write_dataset(pq.read_table(single.path), tmp_path, format="parquet", partitioning=partitioning)
    assert (tmp_path / "split=test" / "label=Benign").is_dir()
    table = open_table(tmp_path)
    assert _plain(table.rows()) == _plain(single.rows())
    assert _plain(table.index()) == _plain(single.index())


def test_paths_in_a_folder_start_at_the_folder(tmp_path: Path) -> None:
    _write(tmp_path / "table" / "a" / "b.parquet", [_row(1)])
    table = open_table(tmp_path / "table")
    assert table.image_path(_row(1)) == tmp_path / "table" / ".." / "images" / "IMG000001.jpeg"


def test_hidden_files_are_passed_over(tmp_path: Path) -> None:
    _write(tmp_path / "a.parquet", [_row(1)])
    for name in (".b.parquet", "_temporary/c.parquet", ".a.parquet.journal/d.parquet"):
        _write(tmp_path / name, [_row(1)])
    assert [row.image_id for row in open_table(tmp_path).rows()] == ["IMG000001.jpeg"]


def test_an_image_in_two_files_is_refused_by_name(tmp_path: Path) -> None:
    _write(tmp_path / "a.parquet", [_row(1), _row(3)])
    _write(tmp_path / "b.parquet", [_row(2), _row(3)])
    _write(tmp_path / "c.parquet", [_row(4)])
    table = open_table(tmp_path)
    for read in (table.index, lambda: list(table.rows())):
        with pytest.raises(TableError, match=r"'IMG000003\.jpeg'.* in a\.parquet and b\.parquet"):
            read()


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (replace(PROVENANCE, request={"checkpoint": "cd" * 32}), "checkpoint changed from abababab to cdcdcdcd"),
        (replace(PROVENANCE, grid=Size(5, 5)), "their columns differ"),
    ],
)
def test_files_of_different_runs_are_refused(tmp_path: Path, other: Provenance, reason: str) -> None:
    _write(tmp_path / "a.parquet", [_row(1)])
    _write(tmp_path / "b.parquet", [], other)
    with pytest.raises(TableError, match=rf"a\.parquet' and .*b\.parquet' .*{reason}"):
        open_table(tmp_path)


def test_a_file_of_somebody_else_is_named(tmp_path: Path) -> None:
    _write(tmp_path / "a.parquet", [_row(1)])
    pq.write_table(pa.table({"x": [1]}), tmp_path / "b.parquet")
    with pytest.raises(TableError, match=r"b\.parquet.*not a predictions table"):
        open_table(tmp_path)


def test_a_folder_without_a_table(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="holds no Parquet file"):
        open_table(tmp_path)


def test_an_empty_table(tmp_path: Path) -> None:
    table = open_table(_write(tmp_path / "p.parquet", []))
    assert list(table.rows()) == list(table.index()) == []
    assert table.index().predicted.shape == (0,)


def test_a_file_without_statistics_is_read_all_the_same(tmp_path: Path, single: PredictionTable) -> None:
    pq.write_table(pq.read_table(single.path), tmp_path / "p.parquet", write_statistics=False, row_group_size=100)
    table = open_table(tmp_path / "p.parquet")
    assert _plain(table.rows()) == _plain(single.rows())
    assert [row.image_id for row in table.rows({"IMG000007.jpeg"})] == ["IMG000007.jpeg"]


def test_row_groups_without_a_wanted_row_are_not_read(tmp_path: Path, single: PredictionTable) -> None:
    pq.write_table(pq.read_table(single.path), tmp_path / "p.parquet", row_group_size=256)
    content = bytearray((tmp_path / "p.parquet").read_bytes())
    content[4:2000] = b"\xff" * 1996  # tears the first of three row groups
    (tmp_path / "p.parquet").write_bytes(content)
    table = open_table(tmp_path / "p.parquet")
    assert [row.image_id for row in table.rows(["IMG000400.jpeg"])] == ["IMG000400.jpeg"]
    with pytest.raises(TableError, match="damaged"):
        list(table.rows(["IMG000000.jpeg"]))


def test_the_index_gives_columns(single: PredictionTable) -> None:
    index = single.index()
    expected = [-1 if row.predicted is None else row.predicted for row in ROWS]
    np.testing.assert_array_equal(index.predicted, expected)
    np.testing.assert_array_equal(index.probabilities[:600], [row.probabilities for row in ROWS[:600]])
    assert np.isnan(index.probabilities[600]).all()
    np.testing.assert_array_equal(index.is_in("label", ["Benign"]), [row.label == "Benign" for row in ROWS])
    np.testing.assert_array_equal(index.is_in("image_id", {UNREADABLE.image_id}), [row is UNREADABLE for row in ROWS])


def test_the_index_is_a_sequence_of_rows(single: PredictionTable) -> None:
    index = single.index()
    light = [row.without_grids() for row in ROWS]
    assert len(index) == 601
    assert _plain([index[0], index[-1], index[300]]) == _plain([light[0], light[-1], light[300]])
    assert _plain(index[5:20:3]) == _plain(light[5:20:3])
    assert _plain(index.where(index.is_in("status", [RowStatus.UNREADABLE]))) == _plain([UNREADABLE])
    with pytest.raises(IndexError):
        index[601]


def test_the_index_of_a_nan_has_no_prediction(tmp_path: Path) -> None:
    broken = replace(_row(1), probabilities=np.array([np.nan, 0.5, 0.5], np.float32))
    index = open_table(_write(tmp_path / "p.parquet", [_row(0), broken])).index()
    assert index.predicted.tolist() == [_row(0).predicted, -1]


def _peak(rows: Iterable[Prediction]) -> int:
    """Read rows without keeping them; return the largest memory of Python's objects, in bytes."""
    tracemalloc.start()
    try:
        assert all(row.image_id for row in rows)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_python_objects_do_not_grow_with_the_table(tmp_path: Path) -> None:
    """Three times the rows: stream and index take the same memory while they are read."""
    peaks = []
    for count in (2048, 6144):
        rows = (replace(_row(1), image_id=f"IMG{number:06d}.jpeg") for number in range(count))
        table = open_table(_write(tmp_path / f"{count}.parquet", rows))
        peaks.append((_peak(table.rows()), _peak(table.index())))
    for small, large in zip(*peaks, strict=True):
        assert large < 1.1 * small + 50_000


@pytest.mark.parametrize("parts", [1, 3])
def test_arrow_does_not_grow_with_the_table(tmp_path: Path, parts: int) -> None:
    """Of 60 MB of grids one row group per file is in memory, twice; of the index 300 bytes per row."""
    provenance, random = replace(PROVENANCE, grid=Size(24, 24)), np.random.default_rng(0)
    rows = [
        replace(_row(1), image_id=f"IMG{number:06d}.jpeg", grids=random.random((3, 24, 24), np.float32))
        for number in range(9000)
    ]
    for part in range(parts):
        _write(tmp_path / f"{part}.parquet", rows[part::parts], provenance)
    del rows
    table = open_table(tmp_path)
    before = pa.total_allocated_bytes()
    group = 1024 * 3 * 24 * 24 * 4
    assert max(pa.total_allocated_bytes() for _ in table.rows()) - before < parts * 2.2 * group
    index = table.index()
    assert pa.total_allocated_bytes() - before < 300 * len(index)
