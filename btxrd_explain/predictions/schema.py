"""The columns of the table, and rows to and from Arrow record batches."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.predictions.record import FileStamp, Prediction, RowStatus
from btxrd_explain.system.importing import settle_pyarrow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from btxrd_explain.predictions.provenance import Provenance

# Columns from and to NumPy by their buffers.
#
# ``pyarrow.array``, ``pyarrow.scalar`` and ``to_numpy`` import pandas wherever it is installed, only to see whether
# they are given something of it: 48 MiB of the peaks in ``benchmarks/memory.py``, and more time than reading a table.
# A process of the command line lets PyArrow find none.

settle_pyarrow()


def as_numpy(column: pa.Array | pa.ChunkedArray) -> NDArray[Any]:
    """Return a column of numbers or truth values as a read-only array of shape ``(rows,)``; NaN where it holds nothing.

    >>> as_numpy(pa.chunked_array([[True], [False, True]]))
    array([ True, False,  True])
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if array.null_count:
        return np.asarray(array.to_numpy(zero_copy_only=False))
    if pa.types.is_boolean(array.type):  # a bit each, which NumPy does not have
        return np.from_dlpack(array.cast(pa.uint8())).view(np.bool_)
    return np.from_dlpack(array)


def mask_column(mask: NDArray[np.bool_]) -> pa.BooleanArray:
    """Return a boolean array of shape ``(rows,)`` as a column.

    >>> mask_column(np.array([False, True, True])).to_pylist()
    [False, True, True]
    """
    bits = np.packbits(mask, bitorder="little")
    return pa.Array.from_buffers(pa.bool_(), len(mask), [None, pa.py_buffer(bits)])


def text_column(texts: Iterable[str]) -> pa.StringArray:
    """Return texts as a column.

    >>> text_column(["Größe", ""]).to_pylist()
    ['Größe', '']
    """
    encoded = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    return pa.StringArray.from_buffers(len(encoded), pa.py_buffer(ends), pa.py_buffer(b"".join(encoded)))


HEAVY_COLUMN = "grids"
RANDOM_COLUMN = "random_channels"
"""Grids of random channel weights, which a table need not have: scores are compared with theirs."""
HEAVY_COLUMNS = (HEAVY_COLUMN, RANDOM_COLUMN)
SPREAD_COLUMNS = ("member_stds", "map_agreements")
"""Of an ensemble how far apart its members are, a value for each class."""
LATER_COLUMNS = ("frames",)
"""Columns that tables of earlier releases lack: nothing is known there."""
SCALES_COLUMN = "grid_scales"
"""Of maps of pixels what each was divided by before it was stored in half precision."""


def table_schema(provenance: Provenance) -> pa.Schema:
    """Return the schema of a table: one row per image.

    ``grids`` uses Arrow's canonical extension type ``arrow.fixed_shape_tensor`` of shape
    ``(classes, rows, columns)``, so that any Arrow reader sees the tensors as such. Where only some classes are
    explained, it has as many places as there are at most: they hold the grids of the classes whose status is not
    ``not_computed``, in the network's order, and then NaN. Imported heat maps may differ in shape from image to image:
    the tensor then has the largest height and width, and an image's grids are in its upper left corner, with NaN
    around. Tables of an ensemble have two more columns.

    Maps of pixels are stored in half precision: each is divided by its largest magnitude, which ``grid_scales`` holds,
    so that none is too large or too small for it and the error is at most 1/2048 of that magnitude. So are grids of
    random channel weights, of which only the form counts: their scales are not kept.
    """
    slots, kind, scales = provenance.explained.slots, pa.float32(), []
    if provenance.of_pixels:
        kind, scales = pa.float16(), [pa.field(SCALES_COLUMN, pa.list_(pa.float32(), slots))]
    spread = SPREAD_COLUMNS if provenance.members else ()
    classes, random = len(provenance.class_names), []
    if provenance.random_channels:
        shape = (provenance.random_channels, *provenance.grid)
        random = [pa.field(RANDOM_COLUMN, pa.fixed_shape_tensor(pa.float16(), shape))]
    return pa.schema(
        [
            pa.field("image_id", pa.string(), nullable=False),
            pa.field("path", pa.string(), nullable=False),
            pa.field("label", pa.string()),
            pa.field("split", pa.string()),
            pa.field("status", pa.string(), nullable=False),
            pa.field("error", pa.string()),
            pa.field("file_size", pa.int64()),
            pa.field("file_mtime_ns", pa.int64()),
            pa.field("sha256", pa.string()),
            pa.field("height", pa.int32()),
            pa.field("width", pa.int32()),
            pa.field("frames", pa.int32()),
            pa.field("probabilities", pa.list_(pa.float32(), classes)),
            pa.field("grid_statuses", pa.list_(pa.string())),
            *(pa.field(name, pa.list_(pa.float32(), classes)) for name in spread),
            *scales,
            pa.field(HEAVY_COLUMN, pa.fixed_shape_tensor(kind, (slots, *provenance.grid))),
            *random,
        ],
        metadata=provenance.encode(),
    )


def file_schema(provenance: Provenance) -> pa.Schema:
    """Return the schema of a table's file: that of the table, and what follows from its probabilities.

    ``class`` and ``confidence`` are for people who open the file with other programs. They are not read back: the
    probabilities alone decide, and tables of earlier releases lack these columns.
    """
    schema = table_schema(provenance)
    place = schema.get_field_index("probabilities")
    return schema.insert(place, pa.field("confidence", pa.float32())).insert(place, pa.field("class", pa.string()))


def to_file_batch(rows: Sequence[Prediction], provenance: Provenance) -> pa.RecordBatch:
    """Turn rows into a record batch of :func:`file_schema`; a multi-label row has no confidence."""
    several, names = provenance.multi_label, provenance.class_names
    columns = {
        "class": [row.predicted_text(names, multi_label=several) for row in rows],
        "confidence": [None if several else row.confidence for row in rows],
    }
    schema = file_schema(provenance)
    arrays = [
        pa.array(columns[field.name], field.type) if field.name in columns else _column(rows, field) for field in schema
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def to_batch(rows: Sequence[Prediction], schema: pa.Schema) -> pa.RecordBatch:
    """Turn rows into a record batch of the given schema."""
    columns = [_column(rows, field) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def from_batch(batch: pa.RecordBatch) -> Iterator[Prediction]:
    """Yield the rows of a record batch; without the column ``grids`` their grids are None."""
    grids, random = (tensors(batch, name) for name in HEAVY_COLUMNS)
    drawn = None if random is None else as_numpy(batch.column(RANDOM_COLUMN).is_valid())
    light = batch.select([name for name in batch.schema.names if name not in HEAVY_COLUMNS])
    for index, row in enumerate(light.to_pylist()):
        made = _prediction(row, None if grids is None or row["probabilities"] is None else grids[index])
        if random is not None and drawn is not None and drawn[index]:
            made = replace(made, random_channels=random[index].astype(np.float32))
        yield made


def _column(rows: Sequence[Prediction], field: pa.Field) -> pa.Array:
    if field.name in HEAVY_COLUMNS:
        return _tensor_column([getattr(row, field.name) for row in rows], field.type)
    if field.name == SCALES_COLUMN:
        known = [None if row.grids is None else _scales(row.grids).tolist() for row in rows]
        slots = field.type.list_size
        return pa.array([None if one is None else one + [1.0] * (slots - len(one)) for one in known], field.type)
    values = [_plain(row, field.name) for row in rows]
    return pa.array(values, type=field.type)


def _plain(row: Prediction, name: str) -> Any:  # noqa: ANN401 -- whatever the column holds
    """Return what a row holds for a column, as pyarrow takes it."""
    stamp, size = row.stamp, row.size
    nested = {
        "file_size": stamp and stamp.size,
        "file_mtime_ns": stamp and stamp.mtime_ns,
        "sha256": stamp and stamp.sha256,
        "height": size and size.height,
        "width": size and size.width,
    }
    if name in SPREAD_COLUMNS:
        values = getattr(row, name)
        return None if values is None else [None if np.isnan(value) else value for value in values.tolist()]
    return nested[name] if name in nested else getattr(row, name)


def _tensor_column(grids: Sequence[np.ndarray[Any, Any] | None], kind: pa.FixedShapeTensorType) -> pa.Array:
    """Pack grids, with nulls for rows that have none, into a fixed-shape tensor array."""
    cells = int(np.prod(kind.shape))
    half = kind.value_type == pa.float16()
    values = np.zeros((len(grids), *kind.shape), np.float16 if half else np.float32)
    for index, grid in enumerate(grids):
        if grid is not None:
            computed, height, width = grid.shape
            values[index] = np.nan
            values[index, :computed, :height, :width] = grid / _scales(grid)[:, None, None] if half else grid
    missing = pa.array([grid is None for grid in grids], pa.bool_())
    storage = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), cells, mask=missing)
    return pa.ExtensionArray.from_storage(kind, storage.cast(kind.storage_type))


def _scales(grids: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the largest finite magnitude of each grid, shape ``(computed,)``; 1 where that is 0."""
    magnitudes = np.where(np.isfinite(grids), np.abs(grids), 0).max(axis=(1, 2), initial=0)
    scales: NDArray[np.float32] = np.where(magnitudes > 0, magnitudes, 1).astype(np.float32)
    return scales


def tensors(batch: pa.RecordBatch, name: str = HEAVY_COLUMN) -> np.ndarray[Any, np.dtype[np.floating[Any]]] | None:
    """Return the grids of a batch as stored, shape ``(rows, places, height, width)``; None without them."""
    if name not in batch.schema.names:
        return None
    column = batch.column(name)
    cells = int(np.prod(column.type.shape))
    start = column.storage.offset * cells
    flat = as_numpy(column.storage.values)[start : start + len(column) * cells]
    tensors: np.ndarray[Any, np.dtype[np.floating[Any]]] = flat.reshape(len(column), *column.type.shape)
    return tensors


def without_padding(grids: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return an image's grids without the NaN below them and to their right; grids of nothing but NaN stay whole.

    >>> grids = np.full((1, 3, 3), np.nan, np.float32)
    >>> grids[0, :2, :1] = 1
    >>> without_padding(grids).shape
    (1, 2, 1)
    """
    if not grids.size or not (np.isnan(grids[:, -1]).all() or np.isnan(grids[:, :, -1]).all()):
        return grids
    filled: NDArray[np.bool_] = ~np.all(np.isnan(grids), axis=0)
    rows, columns = (np.flatnonzero(filled.any(axis=axis)) for axis in (1, 0))
    return grids[:, : rows[-1] + 1, : columns[-1] + 1] if rows.size else grids


def _prediction(row: dict[str, Any], grids: np.ndarray[Any, np.dtype[Any]] | None) -> Prediction:
    stamp = None
    if row["file_size"] is not None:
        stamp = FileStamp(row["file_size"], row["file_mtime_ns"], row["sha256"])
    statuses = tuple(MapStatus(status) for status in row["grid_statuses"] or ())
    if grids is not None:
        grids = without_padding(grids[: sum(status is not MapStatus.NOT_COMPUTED for status in statuses)])
        if row.get(SCALES_COLUMN) is not None:
            grids = grids * np.array(row[SCALES_COLUMN][: len(grids)], np.float32)[:, None, None]
    return Prediction(
        image_id=row["image_id"],
        path=row["path"],
        label=_shared(row["label"]),
        split=_shared(row["split"]),
        status=RowStatus(row["status"]),
        error=row["error"],
        stamp=stamp,
        size=None if row["height"] is None else Size(row["height"], row["width"]),
        frames=row.get("frames"),
        probabilities=_floats(row["probabilities"]),
        grids=grids,
        grid_statuses=statuses,
        member_stds=_floats(row.get("member_stds")),
        map_agreements=_floats(row.get("map_agreements")),
    )


def _floats(values: list[float | None] | None) -> NDArray[np.float32] | None:
    """Return a list as an array, NaN where it holds nothing."""
    return None if values is None else np.asarray(values, np.float32)


def _shared(text: str | None) -> str | None:
    """Return the one object of a text that many rows hold."""
    return None if text is None else sys.intern(text)
