"""Predictions tables that were damaged or made to mislead: what they say is checked before anything is made of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from btxrd_explain.commands.drawing import file_name_of_image
from btxrd_explain.core.geometry import Size
from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.errors import TableError
from btxrd_explain.predictions.schema import table_schema, to_batch
from btxrd_explain.predictions.store import write_table
from btxrd_explain.predictions.table import open_table
from tests.support.small_table import PROVENANCE, ROWS, make_row

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from btxrd_explain.predictions.record import Prediction


def _read(path: Path) -> list[Prediction]:
    """Read all that any command reads of a table."""
    table = open_table(path)
    index = table.index()
    index.probabilities  # noqa: B018 -- reads them
    return [*table.rows(), *index]


def _refused(path: Path, message: str) -> None:
    with pytest.raises(TableError, match=message) as caught:
        _read(path)
    assert str(caught.value).isprintable()
    assert caught.value.hint


def test_the_rows_that_are_changed_here_are_accepted(tmp_path: Path) -> None:
    write_table(tmp_path / "p.parquet", PROVENANCE, ROWS)
    assert len(_read(tmp_path / "p.parquet")) == 6


NAN = float("nan")


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"image_id": ""}, "'image_id' is empty"),
        ({"image_id": "IMG000002.jpeg"}, "not in the order of 'image_id', or one is there twice"),
        ({"image_id": "Z"}, "not in the order of 'image_id'"),
        ({"image_id": "A" * 5000}, "'image_id' has more than 4096 bytes"),
        ({"image_id": "A\0"}, "'image_id' has a character that no name has"),
        ({"path": "a\0b"}, "'path' has a character that no name has"),
        ({"path": "x" * 5000}, "'path' has more than 4096 bytes"),
        ({"path": "simplecache::http://somewhere/a.png"}, "'path' chains URLs"),
        ({"label": "x" * 2**21}, "'label' has more than 1048576 bytes"),
        ({"error": "x" * 10**6}, "'error' has more than 4096 bytes"),
        ({"status": "fine"}, "unknown 'status'"),
        ({"grid_statuses": (MapStatus.OK, "fine")}, "unknown 'grid_statuses'"),
        ({"grid_statuses": (MapStatus.OK,)}, "not 2 'grid_statuses'"),
        ({"grid_statuses": ()}, "not 2 'grid_statuses'"),
        ({"size": Size(2**31 - 1, 2**31 - 1)}, "not of 1 to 100000000 pixels"),
        ({"size": Size(0, 5)}, "not of 1 to 100000000 pixels"),
        ({"size": Size(-4, -5)}, "not of 1 to 100000000 pixels"),
        ({"size": None}, "a prediction but no size"),
        ({"grids": None}, "no grids, or grids have no prediction"),
        ({"probabilities": None}, "no grids, or grids have no prediction"),
        ({"probabilities": np.array([0.5, 0.75], np.float32)}, "do not add up to 1"),
        ({"probabilities": np.array([-0.5, 1.5], np.float32)}, "are negative"),
        ({"probabilities": np.zeros(2, np.float32)}, "do not add up to 1"),
        ({"grids": np.full((2, 3, 4), NAN, np.float32)}, "grids are not finite"),
        ({"grids": np.full((2, 3, 4), np.inf, np.float32)}, "grids are not finite"),
    ],
)
def test_rows_that_cannot_be(tmp_path: Path, facts: dict[str, Any], message: str) -> None:
    write_table(tmp_path / "p.parquet", PROVENANCE, [make_row(1, **facts), *ROWS[1:]])
    _refused(tmp_path / "p.parquet", message)


@pytest.mark.parametrize("values", [(NAN, NAN), (NAN, 1.0), (np.inf, -np.inf)])
def test_scores_that_are_not_finite_are_no_prediction(tmp_path: Path, values: tuple[float, float]) -> None:
    odd = make_row(1, probabilities=np.array(values, np.float32))
    write_table(tmp_path / "p.parquet", PROVENANCE, [odd, *ROWS[1:]])
    row = _read(tmp_path / "p.parquet")[0]
    assert (row.predicted, row.confidence) == (None, None)


def test_grids_that_say_that_they_are_not_finite_are_read(tmp_path: Path) -> None:
    grids = np.stack([np.full((3, 4), NAN), np.ones((3, 4))]).astype(np.float32)
    odd = make_row(1, grids=grids, grid_statuses=(MapStatus.NON_FINITE, MapStatus.OK))
    write_table(tmp_path / "p.parquet", PROVENANCE, [odd, *ROWS[1:]])
    assert _read(tmp_path / "p.parquet")[0].grid_statuses[0] is MapStatus.NON_FINITE


def _table() -> pa.Table:
    return pa.Table.from_batches([to_batch(ROWS, table_schema(PROVENANCE))])


def _retyped(name: str, kind: pa.DataType) -> Callable[[], pa.Table]:
    def make() -> pa.Table:
        table = _table()
        place = table.schema.get_field_index(name)
        return table.set_column(place, name, pa.nulls(len(table), kind))

    return make


SCHEMAS: dict[str, tuple[Callable[[], pa.Table], str]] = {
    "no grids": (lambda: _table().drop_columns("grids"), "0 columns 'grids'"),
    "no path": (lambda: _table().drop_columns("path"), "0 columns 'path'"),
    "no label": (lambda: _table().drop_columns("label"), "0 columns 'label'"),
    "a column twice": (lambda: _table().append_column("path", pa.array(["a"] * 3)), "2 columns 'path'"),
    "numbers as texts": (_retyped("height", pa.string()), "'height' is of type string, not int32"),
    "texts as numbers": (_retyped("image_id", pa.int64()), "'image_id' is of type int64, not string"),
    "other classes": (_retyped("probabilities", pa.list_(pa.float32(), 3)), "'probabilities' is of type"),
    "lists": (_retyped("probabilities", pa.list_(pa.float32())), "'probabilities' is of type"),
    "grids of another shape": (_retyped("grids", pa.fixed_shape_tensor(pa.float32(), (2, 4, 3))), "'grids' is of type"),
    "missing names": (_retyped("image_id", pa.string()), "'image_id' is missing in a row"),
    "missing paths": (_retyped("path", pa.string()), "'path' is missing in a row"),
    "missing statuses": (_retyped("status", pa.string()), "'status' is missing in a row"),
    "a height alone": (_retyped("width", pa.int32()), "only one of 'height' and 'width'"),
    "a file without time": (_retyped("file_mtime_ns", pa.int64()), "only one of 'file_size' and 'file_mtime_ns'"),
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_columns_that_are_others(tmp_path: Path, name: str) -> None:
    make, message = SCHEMAS[name]
    table = make().replace_schema_metadata(PROVENANCE.encode())
    pq.write_table(table, tmp_path / "p.parquet")
    _refused(tmp_path / "p.parquet", message)


def test_columns_of_others_are_not_read(tmp_path: Path) -> None:
    table = _table().append_column("mine", pa.array([1, 2, 3])).replace_schema_metadata(PROVENANCE.encode())
    pq.write_table(table, tmp_path / "p.parquet")
    assert len(_read(tmp_path / "p.parquet")) == 6


def _document(**changes: Any) -> bytes:  # noqa: ANN401 -- any JSON
    return json.dumps(json.loads(PROVENANCE.encode()[b"btxrd_explain"]) | changes).encode()


METADATA = {
    "deep": b'{"schema_version": 1, "request":' + b"[" * 10**5 + b"]" * 10**5 + b"}",
    "megabytes": b'{"schema_version": 1, "notes": ["' + b"x" * 2**24 + b'"]}',
    "no object": b"[]",
    "no UTF-8": b'{"schema_version": "\xff"}',
    "long number": b'{"schema_version": ' + b"9" * 5000 + b"}",
    "names of megabytes": _document(class_names=["x" * 10**6, "Benign"]),
    "names twice": _document(class_names=["Benign", "Benign"]),
    "no names": _document(class_names=[]),
    "names as text": _document(class_names="ab"),
    "names as numbers": _document(class_names=[1, 2]),
    "many names": _document(class_names=[str(number) for number in range(20_000)]),
    "grid of terabytes": _document(grid=[10**6, 10**6]),
    "grid too large for its classes": _document(grid=[4096, 4096]),
    "grid of nothing": _document(grid=[0, 3]),
    "negative grid": _document(grid=[-3, -4]),
    "grid of one side": _document(grid=[3]),
    "request of another type": _document(request=[]),
    "checkpoint of another type": _document(request={"checkpoint": 7}),
    "versions of another type": _document(request={"checkpoint": "a", "versions": {"torch": 1e999}}),
    "layer of megabytes": _document(target_layer="x" * 10**6),
    "layer of two lines": _document(target_layer="a\nb"),
    "notes of another type": _document(notes="abc"),
    "synthetic as text": _document(synthetic="false"),
}


@pytest.mark.parametrize("name", METADATA)
def test_metadata_that_cannot_be(tmp_path: Path, name: str) -> None:
    table = _table().replace_schema_metadata({"btxrd_explain": METADATA[name]})
    pq.write_table(table, tmp_path / "p.parquet")
    _refused(tmp_path / "p.parquet", "metadata are damaged")


@pytest.mark.parametrize(
    "changes",
    [
        {"size": [10**9, 10**9]},
        {"size": [5000, 5000]},
        {"size": [0, 0]},
        {"size": [1.5, 2]},
        {"mean": [NAN]},
        {"std": [0.0]},
        {"std": [0.5, 0.5]},
        {"mean": [0.5] * 100},
        {"resize": "stretch"},
        {"crop_fraction": 0},
        {"crop_fraction": -1.0},
        {"antialias": "yes"},
    ],
)
def test_preprocessing_that_cannot_be(tmp_path: Path, changes: dict[str, Any]) -> None:
    preprocessing = json.loads(_document())["preprocessing"] | changes
    table = _table().replace_schema_metadata({"btxrd_explain": _document(preprocessing=preprocessing)})
    pq.write_table(table, tmp_path / "p.parquet")
    _refused(tmp_path / "p.parquet", "metadata are damaged")


NEVER_SAID_BEFORE = ("decode", "warnings", "transform", "depth", "clip_percentiles", "clahe", "standardize")


@pytest.mark.parametrize("name", sorted(json.loads(PROVENANCE.encode()[b"btxrd_explain"])["preprocessing"]))
def test_preprocessing_that_says_less_than_a_table_always_did(tmp_path: Path, name: str) -> None:
    """A default in its place would be a guess; but for what tables of earlier releases do not say."""
    preprocessing = json.loads(_document())["preprocessing"]
    del preprocessing[name]
    table = _table().replace_schema_metadata({"btxrd_explain": _document(preprocessing=preprocessing)})
    pq.write_table(table, tmp_path / "p.parquet")
    if name in NEVER_SAID_BEFORE:
        assert open_table(tmp_path / "p.parquet").provenance == PROVENANCE
    else:
        _refused(tmp_path / "p.parquet", "metadata are damaged")


@pytest.mark.parametrize(
    "name",
    [
        *("request", "class_names", "preprocessing", "checkpoint", "architecture", "method", "target_layer", "grid"),
        *("notes", "synthetic", "warnings"),
    ],
)
def test_metadata_that_say_less_than_they_always_did(tmp_path: Path, name: str) -> None:
    document = json.loads(_document())
    del document[name]
    table = _table().replace_schema_metadata({"btxrd_explain": json.dumps(document).encode()})
    pq.write_table(table, tmp_path / "p.parquet")
    if name in NEVER_SAID_BEFORE:
        assert open_table(tmp_path / "p.parquet").provenance == PROVENANCE
    else:
        _refused(tmp_path / "p.parquet", "metadata are damaged")


def test_texts_that_are_no_utf8(tmp_path: Path) -> None:
    table = _table()
    ends = pa.py_buffer(np.array([0, 1, 2, 3], np.int32))
    broken = pa.Array.from_buffers(pa.string(), 3, [None, ends, pa.py_buffer(b"a\xfez")])
    table = table.set_column(table.schema.get_field_index("label"), "label", broken)
    pq.write_table(table.replace_schema_metadata(PROVENANCE.encode()), tmp_path / "p.parquet")
    _refused(tmp_path / "p.parquet", "damaged")


def test_rows_out_of_order_between_their_groups(tmp_path: Path) -> None:
    table = _table().take(pa.array([2, 0, 1])).replace_schema_metadata(PROVENANCE.encode())
    pq.write_table(table, tmp_path / "p.parquet", row_group_size=1)
    _refused(tmp_path / "p.parquet", "not in the order of 'image_id'")


def test_a_folder_that_names_an_unknown_status(tmp_path: Path) -> None:
    (tmp_path / "status=fine").mkdir()
    table = _table().drop_columns("status").replace_schema_metadata(PROVENANCE.encode())
    pq.write_table(table, tmp_path / "status=fine" / "p.parquet")
    _refused(tmp_path, "its folder has an unknown 'status'")


def test_a_folder_is_no_file_and_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p.parquet")
    _refused(tmp_path / "p.parquet", "is not a file")


_PEAK = """
import resource, sys
from pathlib import Path
from btxrd_explain.errors import TableError
from btxrd_explain.predictions.table import open_table

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    open_table(Path(sys.argv[1])).index()
except TableError:
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives the peak of memory in kilobytes")
def test_rows_without_end_in_a_small_file(tmp_path: Path) -> None:
    """Two million rows that are all alike take almost no space."""
    path, count = tmp_path / "p.parquet", 2_000_000
    schema = table_schema(PROVENANCE)
    same = pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array(["a"]))
    columns = [
        same.cast(pa.string()) if field.name in {"image_id", "path", "status"} else pa.nulls(count, field.type)
        for field in schema
    ]
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        writer.write_table(pa.table(columns, schema=schema), row_group_size=count)
    assert path.stat().st_size < count / 10
    done = subprocess.run([sys.executable, "-c", _PEAK, str(path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 100
    _refused(path, "claims 2000000 rows in")


@pytest.mark.parametrize(
    ("image_id", "name"),
    [
        ("a.png", "a.png.x"),
        ("left/a.png", "left/a.png.x"),
        ("../a.png", "a.png-*.x"),
        ("/etc/passwd", "etc/passwd-*.x"),
        ("a/../../b", "a/b-*.x"),
        ("..", "_-*.x"),
        ("", "_-*.x"),
        ("/", "_-*.x"),
        ("a\0b", "a_b-*.x"),
        ("x" * 4000, f"{'x' * 200}-*.x"),
        ("\u9aa8" * 80 + ".png", "\u9aa8" * 66 + "-*.x"),
    ],
)
def test_no_image_id_leads_out_of_the_folder(tmp_path: Path, image_id: str, name: str) -> None:
    relative = file_name_of_image(image_id, ".x")
    assert relative.match(name)
    assert (tmp_path / relative).resolve().is_relative_to(tmp_path.resolve())
    (tmp_path / relative).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / relative).write_bytes(b"")


def test_different_image_ids_have_different_files() -> None:
    ids = ["a", "../a", "../../a", "/a", "./a", "a/", "a//", "b/../a", "", ".", "..", "/", "x" * 300, "x" * 301]
    ids += ["\u9aa8" * 80, "\u9aa8" * 81]
    assert len({file_name_of_image(image_id, ".x") for image_id in ids}) == len(ids)
