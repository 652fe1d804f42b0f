"""All rows of a table without their grids: columns in memory, rows as objects only while they are looked at."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from btxrd_explain.predictions.schema import as_numpy, from_batch, mask_column, text_column

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from btxrd_explain.core.heatmap import MapStatus
    from btxrd_explain.predictions.record import Prediction

_ROWS_AT_ONCE = 256


class Index(Sequence["Prediction"]):
    """Rows without grids, sorted by ``image_id``.

    Arrow's columns take some 200 bytes for a row of three classes, a row as an object five times as much
    (``benchmarks/memory.py``). Whatever runs over all rows asks for columns or iterates; it keeps no rows.

    Args:
        table: The columns of the table but the grids.
    """

    def __init__(self, table: pa.Table) -> None:
        """Keep the columns."""
        self._table = table

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self._table.num_rows)

    def __iter__(self) -> Iterator[Prediction]:
        """Yield the rows; none of them is kept."""
        for batch in self._table.to_batches(_ROWS_AT_ONCE):
            yield from from_batch(batch)

    @overload
    def __getitem__(self, place: int) -> Prediction: ...
    @overload
    def __getitem__(self, place: slice) -> Index: ...
    def __getitem__(self, place: int | slice) -> Prediction | Index:
        """Return one row, or the rows of a slice."""
        numbers = range(len(self))[place]
        if isinstance(numbers, int):
            return next(iter(Index(self._table.slice(numbers, 1))))
        if numbers.step == 1:
            return Index(self._table.slice(numbers.start, len(numbers)))
        return Index(self._table.take(pa.array(numbers, pa.int64())))

    def find(self, image_id: str) -> Prediction | None:
        """Return the row of an image; None where there is none."""
        ids = self.column("image_id")
        place = bisect_left(range(len(self)), image_id, key=lambda number: ids[number].as_py())
        return self[place] if place < len(self) and ids[place].as_py() == image_id else None

    def where(self, mask: NDArray[np.bool_]) -> Index:
        """Return the rows at which a mask is true.

        Args:
            mask: Boolean array of shape ``(rows,)``.
        """
        return self if mask.all() else Index(self._table.filter(mask_column(mask)))

    def column(self, name: str) -> pa.ChunkedArray:
        """Return a column by its name in :func:`btxrd_explain.predictions.schema.table_schema`."""
        return self._table.column(name)

    def is_in(self, name: str, values: Iterable[str] | pa.ChunkedArray) -> NDArray[np.bool_]:
        """Return for each row whether a column of texts holds one of some values.

        Returns:
            Boolean array of shape ``(rows,)``; false where the column holds nothing.
        """
        column = self.column(name)
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        wanted = values.cast(kind) if isinstance(values, pa.ChunkedArray) else text_column(values)
        return as_numpy(pc.is_in(column, wanted))

    def distinct(self, name: str) -> int:
        """Return how many different values a column holds."""
        return int(pc.count_distinct(self.column(name)).as_py())

    def repeated(self, name: str) -> Index:
        """Return the rows whose value in a column of texts is that of another row, too."""
        column = self.column(name).drop_null()
        if len(column) == pc.count_distinct(column).as_py():
            return self[:0]
        counted = pc.value_counts(column)
        values = counted.field("values").filter(mask_column(as_numpy(counted.field("counts")) > 1))
        return self.where(self.is_in(name, pa.chunked_array([values])))

    def grids_are(self, status: MapStatus) -> NDArray[np.bool_] | None:
        """Return for the grid of each class whether it has a status.

        Returns:
            Boolean array of shape ``(rows, classes)``; None where the table does not say it of every row.
        """
        classes = self.column("probabilities").type.list_size
        flat = pc.list_flatten(self.column("grid_statuses"))
        if len(flat) != len(self) * classes:
            return None
        held: NDArray[np.bool_] = as_numpy(pc.is_in(flat, text_column([status]))).reshape(len(self), classes)
        return held

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """Probability per class, float32, shape ``(rows, classes)``; NaN in rows without a prediction."""
        column = self.column("probabilities")
        values = np.full((len(self), column.type.list_size), np.nan, np.float32)
        values[as_numpy(column.is_valid())] = as_numpy(pc.list_flatten(column)).reshape(-1, column.type.list_size)
        return values

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Index of the most probable class (the first of equals), int64, shape ``(rows,)``; -1 where there is none."""
        values = self.probabilities
        return np.where(np.isfinite(values).all(axis=1), values.argmax(axis=1), -1)
