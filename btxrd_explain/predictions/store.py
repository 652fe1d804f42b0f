"""Writing the table whole or not at all, and resuming an interrupted run.

While a run computes, each batch of new rows becomes a small table of its own in a journal folder beside the table.
When all is done the table is written beside its old version and takes its place at once; then the journal goes. A
run that is killed leaves the old table as it was and a journal of whole batches: the next run with the same
fingerprint takes their rows over.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from btxrd_explain.errors import TableError
from btxrd_explain.files import atomic_write
from btxrd_explain.predictions.part import ROWS_PER_GROUP
from btxrd_explain.predictions.schema import table_schema, to_batch
from btxrd_explain.predictions.table import open_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from btxrd_explain.predictions.provenance import Provenance
    from btxrd_explain.predictions.record import Prediction


def write_table(path: Path, provenance: Provenance, rows: Iterable[Prediction]) -> None:
    """Write a table whole or not at all, streaming its rows.

    Args:
        path: The parquet file; replaced when all rows are written.
        provenance: How the rows were made.
        rows: In the order of the table, which is that of ``image_id``.

    Raises:
        OutputError: The file cannot be written.
    """
    schema = table_schema(provenance)
    with atomic_write(path) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for group in _groups(rows):
            writer.write_batch(to_batch(group, schema), row_group_size=ROWS_PER_GROUP)


class Journal:
    """The rows that a run has computed so far, safe on disk after each batch."""

    def __init__(self, table: Path) -> None:
        """Name the journal of a table; nothing is written yet."""
        self.folder = table.with_name(f".{table.name}.journal")

    def append(self, provenance: Provenance, rows: Sequence[Prediction]) -> None:
        """Append a batch of rows; when this returns they survive a crash.

        Raises:
            OutputError: The batch cannot be written.
        """
        number = max((int(part.stem) for part in self._parts()), default=-1) + 1
        write_table(self.folder / f"{number:08d}.parquet", provenance, rows)

    def recover(self, fingerprint: str) -> tuple[list[Prediction], Provenance | None]:
        """Read the rows that an interrupted run left behind.

        A journal of another fingerprint or with a damaged part is discarded: its rows must be recomputed anyway.

        Args:
            fingerprint: Fingerprint of the present request.

        Returns:
            The rows, and how they were made (None where there are none).
        """
        try:
            tables = [open_table(part) for part in self._parts()]
            if tables and {table.provenance.fingerprint for table in tables} == {fingerprint}:
                return [row for table in tables for row in table.rows()], tables[0].provenance
        except TableError:
            pass  # as good as none
        self.discard()
        return [], None

    def discard(self) -> None:
        """Remove the journal; its rows stand in the table, or are of no use."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _parts(self) -> list[Path]:
        return sorted(self.folder.glob("[0-9]*.parquet"))


def _groups(rows: Iterable[Prediction]) -> Iterator[list[Prediction]]:
    """Yield lists of at most :data:`ROWS_PER_GROUP` rows."""
    group: list[Prediction] = []
    for row in rows:
        group.append(row)
        if len(group) == ROWS_PER_GROUP:
            yield group
            group = []
    if group:
        yield group
