"""Mutated predictions tables: as bytes, and as columns and metadata of valid Parquet files."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from btxrd_explain.commands.drawing import file_name_of_image
from btxrd_explain.core.geometry import Size
from btxrd_explain.errors import TableError
from btxrd_explain.inference.explained import ExplainedImage
from btxrd_explain.predictions.schema import table_schema, to_batch
from btxrd_explain.predictions.table import open_table
from tests.hostile.fuzz.harness import examples, outcome
from tests.hostile.fuzz.mutations import mutated
from tests.support import small_table

if TYPE_CHECKING:
    from pathlib import Path

PROVENANCE = replace(small_table.PROVENANCE, grid=Size(2, 2))
GRIDS = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
ROWS = [*(small_table.make_row(number, grids=GRIDS) for number in (1, 2)), small_table.ROWS[2]]
SCHEMA = table_schema(PROVENANCE)
TABLE = pa.Table.from_batches([to_batch(ROWS, SCHEMA)])


def _parquet(table: pa.Table, **options: Any) -> bytes:  # noqa: ANN401 -- pyarrow's options
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


SEEDS = (
    _parquet(TABLE, compression="zstd"),
    _parquet(TABLE, compression="none", row_group_size=1),
    _parquet(TABLE, compression="none", use_dictionary=False, write_statistics=False),
    _parquet(TABLE, compression="snappy", data_page_version="2.0", write_page_index=True),
)
METADATA = PROVENANCE.encode()[b"btxrd_explain"]
TOKENS = (
    b"PAR1",
    b"PARE",
    b"\x15\x00",
    b"\x15\xfe\xff\xff\xff\x0f",
    b"\x19\xfc\xff\xff\xff\xff\x0f",
    b"\x00",
    b"ARROW:schema",
)
JSON_TOKENS = (
    b"{",
    b"[",
    b"]",
    b"}",
    b"null",
    b"true",
    b'"\\ud800"',
    b"[" * 2000,
    b'"\\u001b[31m"',
    b"[1e999]",
    b'"grid": [9, 9]',
)


def _used(path: Path) -> int:
    """Read all of a table, and make of its rows what galleries and reports do."""
    table = open_table(path)
    index = table.index()
    count = len(index.probabilities) + len(index.predicted)
    for row in index:
        json.dumps(row.document(table.provenance.class_names), allow_nan=False).encode()
        file_name_of_image(row.image_id, ".png").name.encode("utf-8", "surrogatepass")
    for row in table.rows():
        count += 1
        if row.predicted is not None and row.size is not None and max(row.size) < 1000:
            ExplainedImage.of(row, table).heat_map(row.predicted)
    json.dumps(table.provenance.document(), allow_nan=False).encode()
    return count


@given(data=mutated(SEEDS, TOKENS))
@examples(quick=50, long=7_000)
def test_a_mutated_file_is_read_or_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "p.parquet").write_bytes(data)
    assert isinstance(outcome(lambda: _used(tmp_path / "p.parquet"), folder=tmp_path), TableError | int)


@given(metadata=mutated((METADATA,), JSON_TOKENS))
@examples(quick=25, long=1_500)
def test_mutated_metadata_are_read_or_refused(tmp_path: Path, metadata: bytes) -> None:
    (tmp_path / "p.parquet").write_bytes(_parquet(TABLE.replace_schema_metadata({"btxrd_explain": metadata})))
    assert isinstance(outcome(lambda: _used(tmp_path / "p.parquet"), folder=tmp_path), TableError | int)


_TEXTS = st.none() | st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(
    ["", "/", "..", "../../etc/passwd", "file:///etc/passwd", "zip://a::http://b", "\0", "a" * 5000, "ok", "flat"]
)  # fmt: skip
_NUMBERS = st.none() | st.integers(-(2**31), 2**31 - 1) | st.sampled_from([0, 1, -1, 40, 2**31 - 1])
_FLOATS = st.floats(width=32) | st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])


@st.composite
def _cells(draw: st.DrawFn, field: pa.Field) -> pa.Array:
    """Draw a column of the type that it should have, with any values."""
    if field.name == "grids":
        values = [draw(st.none() | st.lists(_FLOATS, min_size=8, max_size=8)) for _ in ROWS]
        return pa.ExtensionArray.from_storage(field.type, pa.array(values, field.type.storage_type))
    texts, floats = st.lists(_TEXTS, max_size=3), st.lists(_FLOATS, min_size=2, max_size=2)
    cells: Any = _TEXTS if field.type == pa.string() else _NUMBERS
    cells = {"probabilities": st.none() | floats, "grid_statuses": st.none() | texts}.get(field.name, cells)
    return pa.array([draw(cells) for _ in ROWS], field.type)


@st.composite
def _tables(draw: st.DrawFn) -> pa.Table:
    """Draw a table of which some columns hold other values, or are others."""
    table = TABLE
    for name in draw(st.lists(st.sampled_from(SCHEMA.names), min_size=1, max_size=4, unique=True)):
        place = table.schema.get_field_index(name)
        kind = draw(st.sampled_from(["values", "values", "values", "order", "type", "gone"]))
        if kind == "values":
            column = draw(_cells(SCHEMA.field(name)))
            table = table.set_column(place, pa.field(name, column.type), column)
        elif kind == "order":
            order = pa.array(draw(st.permutations(range(len(ROWS)))))
            table = table.set_column(place, pa.field(name, SCHEMA.field(name).type), table.column(place).take(order))
        elif kind == "type":
            other = draw(
                st.sampled_from([pa.int8(), pa.float64(), pa.large_string(), pa.list_(pa.float32()), pa.null()])
            )
            table = table.set_column(place, name, pa.nulls(len(ROWS), other))
        else:
            table = table.remove_column(place)
    return table.replace_schema_metadata(PROVENANCE.encode())


@given(table=_tables(), group=st.integers(1, 3))
@examples(quick=40, long=1_500)
def test_other_columns_are_read_or_refused(tmp_path: Path, table: pa.Table, group: int) -> None:
    (tmp_path / "p.parquet").write_bytes(_parquet(table, row_group_size=group))
    assert isinstance(outcome(lambda: _used(tmp_path / "p.parquet"), folder=tmp_path), TableError | int)


def test_the_seeds_are_read(tmp_path: Path) -> None:
    for data in SEEDS:
        (tmp_path / "p.parquet").write_bytes(data)
        assert _used(tmp_path / "p.parquet") == 9
    assert open_table(tmp_path / "p.parquet").provenance == PROVENANCE
