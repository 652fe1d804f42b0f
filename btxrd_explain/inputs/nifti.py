"""NIfTI-1 files of one slice, as masks; nothing of their orientation in the patient is known to a radiograph.

The layout is that of the format's header file, ``nifti1.h``: 348 bytes, with the dimensions at byte 40, the kind of
value at 70, where the values begin at 108, and their scale at 112.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from btxrd_explain.untrusted.documents import InvalidDocumentError

if TYPE_CHECKING:
    from numpy.typing import NDArray

GZIP = b"\x1f\x8b"
_HEADER = 348
_KINDS = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4"}
_UNSCALED = (0, 1)
"""Slopes; nibabel writes NaN, which is 0 here."""


def is_nifti(data: bytes) -> bool:
    """Return whether the content of a file, unpacked, is NIfTI-1 with header and values in one file."""
    return len(data) > _HEADER and data[344:348] == b"n+1\0"


def unpacked(data: bytes, max_bytes: int) -> bytes:
    """Return the content of a gzip file, which unfolds to no more than so many bytes.

    Raises:
        InvalidDocumentError: It is damaged, or larger.
    """
    stream = zlib.decompressobj(wbits=31)
    try:
        content = stream.decompress(data, max_bytes)
    except zlib.error as error:
        raise InvalidDocumentError(f"expected a gzip file ({error})") from error
    if not stream.eof:
        raise InvalidDocumentError(f"expected a whole gzip file of at most {max_bytes // 2**20} MiB")
    return content


def read_slice(data: bytes) -> NDArray[Any]:
    """Return the values of a file of one slice, shape ``(height, width)``: NIfTI's first axis runs to the right.

    Args:
        data: Content of the file, for which :func:`is_nifti` holds.

    Raises:
        InvalidDocumentError: It has several slices, scaled values, or fewer values than it claims.
    """
    order = "<" if struct.unpack_from("<i", data)[0] == _HEADER else ">"
    count, width, height, *others = struct.unpack_from(f"{order}8h", data, 40)
    (kind,) = struct.unpack_from(f"{order}h", data, 70)
    offset, slope, intercept = (
        np.nan_to_num(value, posinf=-1) for value in struct.unpack_from(f"{order}3f", data, 108)
    )
    if not 2 <= count <= 7 or min(width, height) < 1 or any(other > 1 for other in others[: count - 2]):
        raise InvalidDocumentError("expected a NIfTI file of one slice")
    if kind not in _KINDS or not _HEADER <= offset <= len(data) or slope not in _UNSCALED or intercept != 0:
        raise InvalidDocumentError("expected a NIfTI file of plain numbers, not scaled")
    values = np.dtype(f"{order}{_KINDS[kind]}")
    if len(data) - int(offset) < width * height * values.itemsize:
        raise InvalidDocumentError("expected a whole NIfTI file")
    return np.frombuffer(data, values, width * height, int(offset)).reshape(height, width)
