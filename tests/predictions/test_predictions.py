from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.errors import OutputError, TableError
from btxrd_explain.predictions.log import RowLog
from btxrd_explain.predictions.provenance import differences, fingerprint
from btxrd_explain.predictions.record import FileStamp, Prediction, RowStatus
from btxrd_explain.predictions.store import GrowingFolder, Journal, write_part, write_table
from btxrd_explain.predictions.table import open_table
from tests.support import small_table
from tests.support.same_rows import assert_same_row

if TYPE_CHECKING:
    from collections.abc import Iterator

PROVENANCE = replace(
    small_table.PROVENANCE,
    request={**small_table.PROVENANCE.request, "preprocess": {"resize": "squash"}},
    notes=("a note",),
)


def _row(number: int) -> Prediction:
    random = np.random.default_rng(number)
    return Prediction(
        image_id=f"IMG{number:06d}.jpeg",
        path=f"../images/IMG{number:06d}.jpeg",
        label="Benign",
        split=None,
        status=RowStatus.OK,
        stamp=FileStamp(100 + number, 1_700_000_000_000_000_000 + number, "cd" * 32),
        size=Size(40 + number, 30),
        probabilities=random.dirichlet([1, 1]).astype(np.float32),
        grids=random.normal(size=(2, 3, 4)).astype(np.float32),
        grid_statuses=(MapStatus.OK, MapStatus.FLAT),
    )


BROKEN = Prediction("IMG000900.jpeg", "x.jpeg", None, "test", RowStatus.UNREADABLE, error="it is empty")


def test_rows_survive_the_round_trip(tmp_path: Path) -> None:
    rows = [*map(_row, range(600)), BROKEN]
    write_table(tmp_path / "p.parquet", PROVENANCE, rows)
    table = open_table(tmp_path / "p.parquet")
    assert table.provenance == PROVENANCE
    for ours, expected in zip(table.rows(), rows, strict=True):
        assert_same_row(ours, expected)
    assert [row.grids for row in table.index()] == [None] * 601
    assert [row.image_id for row in table.rows({"IMG000007.jpeg"})] == ["IMG000007.jpeg"]


def test_other_readers_see_tensors(tmp_path: Path) -> None:
    write_table(tmp_path / "p.parquet", PROVENANCE, [_row(1), BROKEN, _row(2)])
    column = pq.read_table(tmp_path / "p.parquet")["grids"]
    assert column.type.equals(pa.fixed_shape_tensor(pa.float32(), (2, 3, 4)))
    assert column.null_count == 1
    tensors = column.combine_chunks().take(pa.array([0, 2]))
    np.testing.assert_array_equal(tensors.to_numpy_ndarray()[1], _row(2).grids)


def test_other_readers_see_class_and_confidence(tmp_path: Path) -> None:
    row = replace(_row(1), probabilities=np.array([0.25, 0.75], np.float32))
    write_table(tmp_path / "p.parquet", PROVENANCE, [row, BROKEN])
    stored = pq.read_table(tmp_path / "p.parquet")
    assert stored["class"].to_pylist() == ["Benign", None]
    assert stored["confidence"].to_pylist() == [0.75, None]
    pq.write_table(stored.drop_columns(["class", "confidence"]), tmp_path / "earlier.parquet")
    for name in ("p", "earlier"):
        assert_same_row(next(open_table(tmp_path / f"{name}.parquet").rows()), row)


def test_other_readers_see_all_classes_that_do_not_exclude_each_other(tmp_path: Path) -> None:
    values = ([0.5, 0.75], [0.25, 0.125])
    rows = [replace(_row(number), probabilities=np.array(value, np.float32)) for number, value in enumerate(values)]
    write_table(tmp_path / "p.parquet", replace(PROVENANCE, multi_label=True), rows)
    stored = pq.read_table(tmp_path / "p.parquet")
    assert stored["class"].to_pylist() == ["Normal|Benign", ""]
    assert stored["confidence"].to_pylist() == [None, None]


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_table(tmp_path / name, PROVENANCE, map(_row, range(5)))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_failed_write_leaves_the_old_table(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    write_table(path, PROVENANCE, [_row(1)])
    before = path.read_bytes()

    def interrupted() -> Iterator[Prediction]:
        yield _row(2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_table(path, PROVENANCE, interrupted())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_the_journal_gives_back_whole_batches(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "p.parquet")
    journal.append(PROVENANCE, [_row(1), _row(2)])
    Journal(tmp_path / "p.parquet").append(PROVENANCE, [BROKEN])
    table = Journal(tmp_path / "p.parquet").reopen(PROVENANCE.fingerprint)
    assert table is not None
    assert table.provenance == PROVENANCE
    rows = list(table.rows())
    assert [row.image_id for row in rows] == ["IMG000001.jpeg", "IMG000002.jpeg", "IMG000900.jpeg"]
    assert_same_row(rows[1], _row(2))
    journal.discard()
    assert journal.reopen(PROVENANCE.fingerprint) is None


def test_a_foreign_journal_is_discarded(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "p.parquet")
    journal.append(PROVENANCE, [_row(1)])
    assert journal.reopen("another request") is None
    assert not journal.folder.exists()


def test_a_damaged_file_of_the_journal_costs_no_other(tmp_path: Path) -> None:
    Journal(tmp_path / "p.parquet").append(PROVENANCE, [_row(1)])
    journal = Journal(tmp_path / "p.parquet")
    (journal.folder / "part-0123456789abcdef.parquet").write_bytes(b"PAR1 torn")
    table = journal.reopen(PROVENANCE.fingerprint)
    assert table is not None
    assert [row.image_id for row in table.rows()] == ["IMG000001.jpeg"]
    assert not (journal.folder / "part-0123456789abcdef.parquet").exists()


def _ids(log: RowLog) -> list[list[str]]:
    return [[row.image_id for row in rows] for _, rows in log.read()]


_END = 8
"""Bytes of the mark that ends an Arrow stream: a batch is whole before it."""


def test_a_log_that_is_torn_anywhere_gives_its_whole_batches(tmp_path: Path) -> None:
    log = RowLog(tmp_path)
    log.append(PROVENANCE, [_row(1), _row(2)])
    first = log.path.stat().st_size
    log.append(PROVENANCE, [BROKEN])
    data = log.path.read_bytes()
    (_, rows), (provenance, broken) = log.read()
    assert provenance == PROVENANCE
    assert_same_row(rows[1], _row(2))
    assert broken == [BROKEN]
    for cut in [*range(0, len(data), 7), first - _END, first - 1, first, len(data) - _END, len(data) - 1]:
        for rest in (b"", bytes(len(data) - cut)):  # a file system may have noted the size, and not the content
            torn = data[:cut] + rest
            log.path.write_bytes(torn)
            whole = sum(torn[: end - _END] == data[: end - _END] for end in (first, len(data)))
            assert len(_ids(log)) == whole, cut


def test_a_log_with_a_changed_byte_gives_what_was_written_or_nothing(tmp_path: Path) -> None:
    """Arrow keeps no checksums: a bit that flips within a batch would be a plausible wrong number."""
    log = RowLog(tmp_path)
    log.append(PROVENANCE, [_row(1)])
    data, grids = log.path.read_bytes(), np.asarray(_row(1).grids)
    for place in range(len(data) - _END - grids.nbytes - 64, len(data) - _END):
        log.path.write_bytes(data[:place] + bytes([data[place] ^ 64]) + data[place + 1 :])
        rows = [row for _, rows in log.read() for row in rows]
        assert not rows or np.array_equal(np.asarray(rows[0].grids), grids), place


def test_a_log_of_the_first_release_gives_no_rows_and_goes(tmp_path: Path) -> None:
    """Its records had a length and a checksum before each stream."""
    log = RowLog(tmp_path)
    log.append(PROVENANCE, [_row(1)])
    stream = log.path.read_bytes()
    log.path.write_bytes(len(stream).to_bytes(8) + bytes(range(16)) + stream)
    assert _ids(log) == []
    GrowingFolder(tmp_path).recover()
    assert not log.path.exists()


@pytest.mark.parametrize(
    "content", [b"a diary\n", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom, a film", b"\xff\xd8\xff\xe0 a JPEG"]
)
def test_a_file_of_somebody_else_that_is_called_like_a_log_stays(tmp_path: Path, content: bytes) -> None:
    log = RowLog(tmp_path)
    log.path.write_bytes(content)
    with pytest.raises(OutputError, match=r"\.log' is in the way: it is a file that btxrd-explain did not make"):
        GrowingFolder(tmp_path).recover()
    assert log.path.read_bytes() == content


def test_rows_that_are_in_log_and_file_are_there_once(tmp_path: Path) -> None:
    """A run may be killed when its file is written, and before the log is gone."""
    folder = GrowingFolder(tmp_path)
    folder.append(PROVENANCE, [_row(1), _row(2)])
    log = RowLog(tmp_path).path.read_bytes()
    folder.settle(PROVENANCE)
    RowLog(tmp_path).path.write_bytes(log)
    RowLog(tmp_path).append(PROVENANCE, [_row(3)])
    GrowingFolder(tmp_path).recover()
    assert [row.image_id[:9] for row in open_table(tmp_path).rows()] == ["IMG000001", "IMG000002", "IMG000003"]
    assert not RowLog(tmp_path).path.exists()


def test_a_part_of_the_same_images_takes_the_place_of_the_other(tmp_path: Path) -> None:
    """A task that is tried again leaves one file, whatever became of the first try."""
    first = write_part(tmp_path, PROVENANCE, [_row(1), _row(2)])
    assert write_part(tmp_path, PROVENANCE, [_row(1), replace(_row(2), label="Normal")]) == first
    assert write_part(tmp_path, PROVENANCE, [_row(3)]) != first
    assert [row.label for row in open_table(tmp_path).rows()] == ["Benign", "Normal", "Benign"]


@pytest.mark.parametrize("content", [b"", b"PAR1 no table PAR1", None])
def test_what_is_no_table_is_said_to_be_none(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "p.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TableError, match=r"p\.parquet"):
        open_table(path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"image_id,split", r"'.*p\.parquet' is not a predictions table: name a \.parquet file"),
        (b"PAR1 no table", r"p\.parquet' is damaged \(.*\): delete it"),
    ],
)
def test_only_a_damaged_table_is_to_be_deleted(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "p.parquet").write_bytes(content)
    with pytest.raises(TableError, match=told):
        open_table(tmp_path / "p.parquet")


def test_a_folder_without_tables_is_said_to_be_empty(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="holds no Parquet file"):
        open_table(tmp_path)


def test_a_parquet_file_of_somebody_else(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1]}), tmp_path / "p.parquet")
    with pytest.raises(TableError, match=r"p\.parquet.*not a predictions table.*infer"):
        open_table(tmp_path / "p.parquet")


def test_another_table_of_the_tool_is_not_said_to_be_damaged(tmp_path: Path) -> None:
    table = pa.table({"x": [1]}).replace_schema_metadata({"btxrd_explain": '{"method": "gradcam"}'})
    pq.write_table(table, tmp_path / "p.parquet")
    with pytest.raises(TableError, match=r"another table of btxrd-explain.*name the table that"):
        open_table(tmp_path / "p.parquet")


@pytest.mark.parametrize("metadata", ["{", '{"schema_version": 99}', '{"schema_version": "x"}', "[]"])
def test_damaged_metadata(tmp_path: Path, metadata: str) -> None:
    pq.write_table(pa.table({"x": [1]}).replace_schema_metadata({"btxrd_explain": metadata}), tmp_path / "p.parquet")
    with pytest.raises(TableError, match="infer"):
        open_table(tmp_path / "p.parquet")


def test_torn_data_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    write_table(path, PROVENANCE, map(_row, range(300)))
    content = bytearray(path.read_bytes())
    content[4:2000] = b"\xff" * 1996
    path.write_bytes(content)
    with pytest.raises(TableError, match="damaged"):
        list(open_table(path).rows())


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot write"):
        write_table(tmp_path / "file" / "p.parquet", PROVENANCE, [])


def test_the_fingerprint_depends_on_the_request_alone() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
    assert replace(PROVENANCE, notes=()).fingerprint == PROVENANCE.fingerprint


def test_differences_are_named() -> None:
    old = {"checkpoint": "a" * 64, "preprocess": {"resize": "crop", "size": 1}, "layer": None}
    new = {"checkpoint": "b" * 64, "preprocess": {"resize": "squash", "size": 1}, "layer": "x"}
    assert differences(old, new) == [
        "checkpoint changed from aaaaaaaa to bbbbbbbb",
        "layer changed from nothing to x",
        "preprocess.resize changed from crop to squash",
    ]


@pytest.mark.parametrize(
    ("probabilities", "predicted", "confidence"),
    [(None, None, None), ([np.nan, 1.0], None, None), ([0.25, 0.75], 1, 0.75), ([0.5, 0.5], 0, 0.5)],
)
def test_prediction_and_confidence(
    probabilities: list[float] | None, predicted: int | None, confidence: float | None
) -> None:
    values = None if probabilities is None else np.array(probabilities, np.float32)
    row = replace(_row(1), probabilities=values)
    assert (row.predicted, row.confidence) == (predicted, confidence)


def test_provenance_as_plain_json() -> None:
    document = json.loads(json.dumps(PROVENANCE.document()))
    assert document["checkpoint_sha256"] == "ab" * 32
    assert document["versions"] == {"torch": "2.9"}
    assert document["preprocessing"]["size"] == [32, 32]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_folder_may_have_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/Gr\xf6\xdfe")) / "predictions.parquet"
    write_table(path, PROVENANCE, [_row(0), _row(1)])
    table = open_table(path)
    assert [row.image_id for row in table.rows()] == [_row(0).image_id, _row(1).image_id]
    assert len(table.index()) == 2
