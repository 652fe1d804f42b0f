"""Tables of scores on the disk: Parquet that holds every value to the letter, and CSV for spreadsheets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from btxrd_explain.plain import as_cell
from btxrd_explain.system.files import atomic_write
from btxrd_explain.system.memory import make_room_for_arrow

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


def write_tables(
    stem: Path, parts: Iterable[pa.Table], schema: pa.Schema, *, only_parquet: Sequence[str] = ()
) -> tuple[Path, Path]:
    """Write one table as Parquet and as CSV, each whole or not at all.

    Args:
        stem: Where to, without a suffix.
        parts: The table in pieces.
        schema: Its schema.
        only_parquet: Columns that the CSV lacks, such as lists.

    Returns:
        The Parquet and the CSV file.

    Raises:
        OutputError: A file cannot be written.
    """
    parquet, text = stem.with_name(f"{stem.name}.parquet"), stem.with_name(f"{stem.name}.csv")
    make_room_for_arrow()
    light = pa.schema([field for field in schema if field.name not in only_parquet])
    with (
        atomic_write(parquet) as binary,
        atomic_write(text) as plain,
        pq.ParquetWriter(binary, schema, compression="zstd") as tables,
        pyarrow.csv.CSVWriter(plain, light) as lines,
    ):
        for part in parts:
            tables.write_table(part)
            lines.write_table(_as_cells(part.select(light.names).replace_schema_metadata()))
    return parquet, text


def _as_cells(table: pa.Table) -> pa.Table:
    """Return a table whose texts no spreadsheet runs as formulas; see :func:`as_cell`."""
    for index, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            texts = table.column(index).to_pylist()
            cells = [None if text is None else as_cell(text) for text in texts]
            table = table.set_column(index, field, pa.array(cells, pa.string()))
    return table
