"""Writing tables: a file whole or not at all, or a folder that grows by whole files.

While a run computes, its rows become small files of a folder, each of them whole or not at all. For a partitioned
table that folder is the table. For a table in a single file it is a journal beside it: when all is done the table is
written beside its old version and takes its place at once; then the journal goes. A run that is killed leaves whole
files behind, and the next run with the same fingerprint takes their rows over.
"""

from __future__ import annotations

import hashlib
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
    from btxrd_explain.predictions.table import PredictionTable


def write_table(path: Path, provenance: Provenance, rows: Iterable[Prediction]) -> int:
    """Write a table whole or not at all, streaming its rows.

    Args:
        path: The parquet file; replaced when all rows are written.
        provenance: How the rows were made.
        rows: In the order of the table, which is that of ``image_id``.

    Returns:
        How many rows were written.

    Raises:
        OutputError: The file cannot be written.
    """
    schema = table_schema(provenance)
    count = 0
    with atomic_write(path) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for group in _groups(rows):
            writer.write_batch(to_batch(group, schema), row_group_size=ROWS_PER_GROUP)
            count += len(group)
    return count


def write_part(folder: Path, provenance: Provenance, rows: Sequence[Prediction]) -> Path:
    """Write some rows to a file of their own; when this returns they survive a crash.

    The file's name depends on the images alone: whoever computes the same images again replaces it.

    Args:
        folder: The folder of the table; made if missing.
        provenance: How the rows were made.
        rows: At least one, in the order of ``image_id``.

    Returns:
        The file.

    Raises:
        OutputError: The file cannot be written.
    """
    digest = hashlib.sha256("\0".join(row.image_id for row in rows).encode("utf-8", "surrogatepass"))
    path = folder / f"part-{digest.hexdigest()[:16]}.parquet"
    write_table(path, provenance, rows)
    return path


class Journal:
    """The rows that a run has computed so far for a table in a single file."""

    def __init__(self, table: Path) -> None:
        """Name the journal of a table; nothing is written yet."""
        self.folder = table.with_name(f".{table.name}.journal")

    def append(self, provenance: Provenance, rows: Sequence[Prediction]) -> None:
        """Append some rows; when this returns they survive a crash.

        Raises:
            OutputError: They cannot be written.
        """
        write_part(self.folder, provenance, rows)

    def recover(self, fingerprint: str) -> PredictionTable | None:
        """Open what an interrupted run left behind; None where that is nothing.

        A journal of another fingerprint or with a damaged file is discarded: its rows must be recomputed anyway.

        Args:
            fingerprint: Fingerprint of the present request.
        """
        if not self.folder.exists():
            return None
        try:
            table = open_table(self.folder)
            if table.provenance.fingerprint == fingerprint:
                table.index()
                return table
        except TableError:
            pass  # as good as none
        self.discard()
        return None

    def discard(self) -> None:
        """Remove the journal; its rows stand in the table, or are of no use."""
        shutil.rmtree(self.folder, ignore_errors=True)


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
