"""NumPy files of one array, read within bounds."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING
from zipfile import ZipFile

import numpy as np

from btxrd_explain.inputs.decode import MAX_PIXELS
from btxrd_explain.untrusted.documents import InvalidDocumentError

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

_NPY, _ZIP = b"\x93NUMPY", b"PK\x03\x04"


def is_array(data: bytes) -> bool:
    """Return whether the content of a file is NumPy's: an array, or an archive."""
    return data.startswith((_NPY, _ZIP))


def read_array(data: bytes, max_bytes: int) -> NDArray[Any]:
    """Return the values of a NumPy file, of which nothing is executed.

    Args:
        data: Its content: an array, or an archive of one, shape ``(height, width)``, also with one channel.
        max_bytes: Largest size of an array in an archive.

    Returns:
        Whole numbers from 0 up.

    Raises:
        InvalidDocumentError: It is none of these, or claims more than it holds.
    """
    try:
        if data.startswith(_ZIP):
            data = _only_member(data, max_bytes)
        values = np.lib.format.read_array(_bounded(data), allow_pickle=False)
    except InvalidDocumentError:
        raise
    except Exception as error:  # NumPy and zipfile raise whatever a damaged file provokes
        raise InvalidDocumentError(f"expected a NumPy array ({' '.join(str(error).split())[:100]})") from error
    if values.ndim == 3 and 1 in (values.shape[0], values.shape[-1]):
        values = values[0] if values.shape[0] == 1 else values[..., 0]
    if values.ndim != 2 or values.dtype.kind not in "biuf" or not 0 < values.size <= MAX_PIXELS:
        shape = " x ".join(map(str, values.shape))
        raise InvalidDocumentError(f"expected numbers of shape (height, width), got {values.dtype} of {shape}")
    return whole_numbers(values)


def whole_numbers(values: NDArray[Any]) -> NDArray[Any]:
    """Return the values of a mask as whole numbers.

    Raises:
        InvalidDocumentError: They are not whole, negative, or too large.
    """
    if values.dtype.kind == "f" and not (values == np.round(values)).all():  # False for NaN
        raise InvalidDocumentError("expected whole numbers: no mask")
    if values.min() < 0 or values.max().item() >= 2**31:  # half precision does not know that number
        raise InvalidDocumentError("expected numbers from 0 up")
    return values.astype(np.uint8 if values.dtype.kind == "b" else np.int64)


def _only_member(data: bytes, max_bytes: int) -> bytes:
    with ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        if len(members) != 1 or members[0].file_size > max_bytes:
            raise InvalidDocumentError(f"expected one array in the archive, got {len(members)} or a larger one")
        return archive.read(members[0])


def _bounded(data: bytes) -> io.BytesIO:
    """Return the file of an array that does not claim more than it holds."""
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, kind = read_header(file)
    if kind.hasobject or kind.itemsize * int(np.prod([int(side) for side in shape], dtype=object)) > len(data):
        raise ValueError("it claims more than it holds")
    file.seek(0)
    return file


def read_arrays(data: bytes, max_bytes: int) -> dict[str, NDArray[Any]]:
    """Return all arrays of a NumPy file by their names; that of a file of one array is empty.

    Args:
        data: Content of the file, of which nothing is executed.
        max_bytes: Largest size of an archive's arrays together.

    Raises:
        InvalidDocumentError: It is damaged, holds Python objects (pickle), or claims more than it holds.
    """
    try:
        members = {"": data} if data.startswith(_NPY) else _members(data, max_bytes)
        return {
            name: np.lib.format.read_array(_bounded(content), allow_pickle=False) for name, content in members.items()
        }
    except InvalidDocumentError:
        raise
    except Exception as error:  # NumPy and zipfile raise whatever a damaged file provokes
        raise InvalidDocumentError(
            f"expected NumPy arrays without Python objects ({' '.join(str(error).split())[:100]})"
        ) from error


def _members(data: bytes, max_bytes: int) -> dict[str, bytes]:
    with ZipFile(io.BytesIO(data)) as archive:
        size = sum(member.file_size for member in archive.infolist())
        if size > max_bytes:
            raise InvalidDocumentError(f"expected at most {max_bytes // 2**20} MiB of arrays in the archive")
        return {member.filename.removesuffix(".npy"): archive.read(member) for member in archive.infolist()}
