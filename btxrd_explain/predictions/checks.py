"""Whether a file is the predictions table that it says it is; it may be damaged, or made to do harm.

All of it raises ``ValueError``, which the reader turns into an error that names the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.predictions.record import RowStatus
from btxrd_explain.predictions.schema import (
    HEAVY_COLUMN,
    LATER_COLUMNS,
    RANDOM_COLUMN,
    SCALES_COLUMN,
    SPREAD_COLUMNS,
    as_numpy,
    mask_column,
    table_schema,
    tensors,
    text_column,
    without_padding,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from btxrd_explain.predictions.provenance import Provenance

_MOST_PIXELS = 100_000_000
"""Pixels of the largest radiograph that is decoded."""
_LONGEST_TEXT = 4096
_LONGEST_LABEL = 2**20
"""Bytes of a label, which may say something of each of many classes."""
_ROUNDING = 1e-3
"""By how much probabilities may miss a sum of 1."""
_TEXTS = ("image_id", "path", "label", "split", "error", "sha256")
_NEEDED = ("image_id", "path", "status")


def check_columns(schema: pa.Schema, provenance: Provenance, elsewhere: Mapping[str, str | None]) -> None:
    """Make sure that all columns are there, once, and hold what they should; some may be lacking.

    Args:
        schema: The schema of the file.
        provenance: What its metadata say of the number of classes and of the grid.
        elsewhere: Columns that the names of its folders tell, with their values.
    """
    if elsewhere.get("status", RowStatus.OK) not in set(RowStatus):
        raise ValueError("its folder has an unknown 'status'")
    for field in table_schema(provenance):
        found = schema.get_all_field_indices(field.name)
        if not found and (field.name in elsewhere or field.name in LATER_COLUMNS):
            continue
        if len(found) != 1:
            raise ValueError(f"it has {len(found)} columns '{field.name}'")
        if schema.field(found[0]).type != field.type:
            raise ValueError(f"its column '{field.name}' is of type {schema.field(found[0]).type}, not {field.type}")


def check_rows(rows: pa.RecordBatch | pa.Table, provenance: Provenance) -> tuple[str, str]:
    """Make sure that rows mean something, and come in their order.

    Scores and grids that are not finite mean something, too: that the prediction is missing.

    Args:
        rows: At least one, all columns, or all but the grids; some may be dictionaries.
        provenance: How they were made.

    Returns:
        The first and the last ``image_id``.
    """
    rows.validate(full=True)  # also that texts are UTF-8
    for name in _NEEDED:
        if name in rows.schema.names and rows.column(name).null_count:
            raise ValueError(f"'{name}' is missing in a row")
    for name in _TEXTS:
        for texts in _texts(rows, name):
            most = _LONGEST_LABEL if name == "label" else _LONGEST_TEXT
            _all(as_numpy(pc.binary_length(texts)) <= most, f"'{name}' has more than {most} bytes")
            _none(pc.match_substring(texts, "\0"), f"'{name}' has a character that no name has")
    for statuses in _texts(rows, "status"):
        _all(_is_one_of(statuses, RowStatus), "it has an unknown 'status'")
    for paths in _texts(rows, "path"):
        _none(pc.match_substring(paths, "::"), "'path' chains URLs")
    _check_files(rows)
    _check_predictions(rows, provenance)
    return _check_order(_whole(rows, "image_id"))


def _check_order(ids: pa.StringArray) -> tuple[str, str]:
    _all(as_numpy(pc.binary_length(ids)) > 0, "'image_id' is empty in a row")
    _all(as_numpy(pc.less(ids[:-1], ids[1:])), "its rows are not in the order of 'image_id', or one is there twice")
    return ids[0].as_py(), ids[len(ids) - 1].as_py()


def _check_files(rows: pa.RecordBatch | pa.Table) -> None:
    """Check sizes of files and of radiographs."""
    for first, second in (("file_size", "file_mtime_ns"), ("height", "width")):
        together = _there(rows, first) == _there(rows, second)
        _all(together, f"a row has only one of '{first}' and '{second}'")
    height, width = (as_numpy(_whole(rows, name).drop_null()).astype(np.int64) for name in ("height", "width"))
    fits = (height > 0) & (width > 0) & (height * width <= _MOST_PIXELS)
    _all(fits, f"a radiograph is not of 1 to {_MOST_PIXELS} pixels")
    if "frames" in rows.schema.names:
        _all(as_numpy(_whole(rows, "frames").drop_null()) > 0, "a file holds less than one image")


def _check_predictions(rows: pa.RecordBatch | pa.Table, provenance: Provenance) -> None:
    """Check probabilities, and what goes with them."""
    classes = len(provenance.class_names)
    there = _there(rows, "probabilities")
    _all(~there | _there(rows, "height"), "a radiograph has a prediction but no size")
    statuses = _whole(rows, "grid_statuses").filter(mask_column(there))
    _all(as_numpy(statuses.is_valid()), "a prediction has no 'grid_statuses'")
    _all(as_numpy(pc.list_value_length(statuses)) == classes, f"a prediction has not {classes} 'grid_statuses'")
    statuses = statuses.flatten()
    _all(_is_one_of(statuses, MapStatus), "it has an unknown 'grid_statuses'")
    values = as_numpy(pc.list_flatten(_whole(rows, "probabilities"))).reshape(-1, classes)
    values = values[np.isfinite(values).all(axis=1)]
    if provenance.multi_label:
        _all((values >= 0) & (values <= 1), "a probability lies outside of 0 to 1")
    else:
        proper = (values >= 0).all(axis=1) & (abs(values.sum(axis=1, dtype=np.float64) - 1) <= _ROUNDING)
        _all(proper, "probabilities are negative, or do not add up to 1")
    for name, low in zip(SPREAD_COLUMNS, (0, -1), strict=True) if provenance.members else ():
        spread = as_numpy(pc.list_flatten(_whole(rows, name)).drop_null())
        _all((spread >= low) & (spread <= 1), f"'{name}' has a value outside of {low} to 1")
    if provenance.of_pixels:
        _all(_there(rows, SCALES_COLUMN) == there, f"a prediction has no '{SCALES_COLUMN}', or they have no prediction")
        scales = as_numpy(pc.list_flatten(_whole(rows, SCALES_COLUMN)))
        _all(np.isfinite(scales) & (scales > 0), f"'{SCALES_COLUMN}' has a value that is not above 0")
    if RANDOM_COLUMN in rows.schema.names:
        _all(there | ~_there(rows, RANDOM_COLUMN), f"a row has '{RANDOM_COLUMN}' and no prediction")
    if isinstance(rows, pa.RecordBatch) and (grids := tensors(rows)) is not None:
        _all(_there(rows, HEAVY_COLUMN) == there, "a prediction has no grids, or grids have no prediction")
        _check_grids(grids[there], statuses, classes, padded=provenance.imported is not None)


def _check_grids(grids: NDArray[np.floating[Any]], statuses: pa.StringArray, classes: int, *, padded: bool) -> None:
    """Check that each computed grid has a place, and that it is finite unless its status says otherwise.

    Where images may have grids of different shapes, what is around them is not part of them.
    """
    computed, finite = (
        np.logical_not(_is_one_of(statuses, [status])).reshape(-1, classes)
        for status in (MapStatus.NOT_COMPUTED, MapStatus.NON_FINITE)
    )
    _all(computed.sum(axis=1) <= grids.shape[1], f"a prediction has more than {grids.shape[1]} grids")
    rows, columns = np.nonzero(computed)
    places = computed.cumsum(axis=1)[rows, columns] - 1
    whole = np.all(np.isfinite(grids), axis=(2, 3))
    if padded:
        for index, count in enumerate(computed.sum(axis=1)):
            whole[index, :count] = np.isfinite(without_padding(grids[index, :count])).all(axis=(1, 2))
    right = whole[rows, places] | ~finite[rows, columns]
    _all(right, "grids are not finite, and their status says nothing of it")


def _texts(rows: pa.RecordBatch | pa.Table, name: str) -> Iterator[pa.StringArray]:
    """Yield all different texts of a column, perhaps some of them several times; none of one that the file lacks."""
    if name not in rows.schema.names:
        return
    column = rows.column(name)
    for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
        yield (chunk.dictionary if pa.types.is_dictionary(chunk.type) else chunk).drop_null()


def _whole(rows: pa.RecordBatch | pa.Table, name: str) -> pa.Array:
    column = rows.column(name)
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _there(rows: pa.RecordBatch | pa.Table, name: str) -> NDArray[np.bool_]:
    """Return where a column holds something, shape ``(rows,)``."""
    return as_numpy(rows.column(name).is_valid())


def _is_one_of(texts: pa.StringArray, known: Iterable[str]) -> NDArray[np.bool_]:
    return as_numpy(pc.is_in(texts, text_column(known)))


def _all(good: NDArray[np.bool_], otherwise: str) -> None:
    if not good.all():
        raise ValueError(otherwise)


def _none(bad: pa.BooleanArray, otherwise: str) -> None:
    _all(~as_numpy(bad), otherwise)
