"""Columns from and to NumPy by their buffers.

``pyarrow.array``, ``pyarrow.scalar`` and ``to_numpy`` import pandas wherever it is installed, only to see whether they
are given something of it; that takes longer than reading a table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


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
