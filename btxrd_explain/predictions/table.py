"""Reading the table: a light index of all rows, and the rows with their grids as a stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from btxrd_explain.errors import TableError
from btxrd_explain.predictions.provenance import Provenance
from btxrd_explain.predictions.schema import HEAVY_COLUMN, from_batch

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from btxrd_explain.predictions.record import Prediction

ROWS_PER_GROUP = 256
"""Rows are written and streamed in groups of this size: at 12 x 12 cells and 3 classes half a megabyte."""


@dataclass(frozen=True, slots=True)
class PredictionTable:
    """A predictions table on disk, sorted by ``image_id``.

    Attributes:
        path: The parquet file.
        provenance: How its rows were made.
    """

    path: Path
    provenance: Provenance

    def index(self) -> list[Prediction]:
        """Return all rows without their grids.

        Raises:
            TableError: The file is damaged.
        """
        return list(self._read(with_grids=False))

    def rows(self, image_ids: Collection[str] | None = None) -> Iterator[Prediction]:
        """Stream rows with their grids, in the order of the table; memory does not grow with the table.

        Args:
            image_ids: Only these rows; None for all.

        Raises:
            TableError: The file is damaged.
        """
        for row in self._read(with_grids=True):
            if image_ids is None or row.image_id in image_ids:
                yield row

    def image_path(self, row: Prediction) -> Path:
        """Return where a row's image file is."""
        return self.path.parent / row.path

    def _read(self, *, with_grids: bool) -> Iterator[Prediction]:
        try:
            with pq.ParquetFile(self.path) as file:
                columns = [name for name in file.schema_arrow.names if with_grids or name != HEAVY_COLUMN]
                for batch in file.iter_batches(ROWS_PER_GROUP, columns=columns):
                    yield from from_batch(batch)
        except (OSError, pa.ArrowException, ValueError, KeyError) as error:
            raise _damaged(self.path, error) from error


def open_table(path: Path) -> PredictionTable:
    """Open a predictions table; only its schema is read.

    Raises:
        TableError: The file is missing, damaged, or no predictions table.
    """
    try:
        schema = pq.read_schema(path)
    except FileNotFoundError as error:
        raise TableError(
            f"there is no predictions table '{path}'",
            hint="run 'btxrd-explain infer' first, or name one with --predictions",
        ) from error
    except (OSError, pa.ArrowException, ValueError) as error:
        raise _damaged(path, error) from error
    try:
        return PredictionTable(path, Provenance.decode(schema.metadata))
    except TableError as error:
        raise TableError(f"'{path}': {error.message}", hint=error.hint) from error


def _damaged(path: Path, error: Exception) -> TableError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return TableError(
        f"the predictions table '{path}' is damaged ({reason})", hint="delete it and run 'btxrd-explain infer'"
    )
