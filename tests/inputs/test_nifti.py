"""NIfTI-1 files of one slice, written here byte by byte after the format's header file."""

from __future__ import annotations

import gzip
import struct
from typing import Any

import numpy as np
import pytest

from btxrd_explain.inputs.nifti import is_nifti, read_slice, unpacked
from btxrd_explain.untrusted.documents import InvalidDocumentError

CODES = {"u1": 2, "i2": 4, "i4": 8, "f4": 16, "f8": 64, "i1": 256, "u2": 512, "u4": 768}
VALUES = np.arange(6).reshape(2, 3)


def _file(
    values: Any = VALUES,  # noqa: ANN401 -- an array
    kind: str = "u1",
    order: str = "<",
    *,
    dims: tuple[int, ...] | None = None,
    scale: tuple[float, float, float] = (352, 0, 0),
    code: int | None = None,
) -> bytes:
    header = bytearray(352)
    struct.pack_into(f"{order}i", header, 0, 348)
    sides = dims or (2, values.shape[1], values.shape[0], 1, 1, 1, 1, 1)
    struct.pack_into(f"{order}8h", header, 40, *sides)
    struct.pack_into(f"{order}h", header, 70, CODES[kind] if code is None else code)
    struct.pack_into(f"{order}3f", header, 108, *scale)
    header[344:348] = b"n+1\0"
    pixels: bytes = values.astype(f"{order}{kind}").tobytes()
    return bytes(header) + pixels


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", sorted(CODES))
def test_every_kind_of_number_in_both_byte_orders_is_read(kind: str, order: str) -> None:
    data = _file(kind=kind, order=order)
    assert is_nifti(data)
    np.testing.assert_array_equal(read_slice(data), VALUES)


def test_values_may_begin_later_and_have_a_slope_that_changes_nothing() -> None:
    data = _file()
    later = data[:352] + b"\0" * 16 + data[352:]
    struct_scale = struct.pack("<3f", 368, float("nan"), 0)
    np.testing.assert_array_equal(read_slice(later[:108] + struct_scale + later[120:]), VALUES)
    np.testing.assert_array_equal(read_slice(_file(scale=(352, 1, 0))), VALUES)
    np.testing.assert_array_equal(read_slice(_file(dims=(4, 3, 2, 1, 1, 1, 1, 1))), VALUES)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (_file(dims=(3, 3, 2, 2, 1, 1, 1, 1)), "of one slice"),
        (_file(dims=(1, 3, 2, 1, 1, 1, 1, 1)), "of one slice"),
        (_file(dims=(8, 3, 2, 1, 1, 1, 1, 1)), "of one slice"),
        (_file(dims=(2, 0, 2, 1, 1, 1, 1, 1)), "of one slice"),
        (_file(dims=(2, -3, -2, 1, 1, 1, 1, 1)), "of one slice"),
        (_file(code=32), "of plain numbers, not scaled"),
        (_file(scale=(352, 2, 0)), "of plain numbers, not scaled"),
        (_file(scale=(352, 1, 5)), "of plain numbers, not scaled"),
        (_file(scale=(10, 0, 0)), "of plain numbers, not scaled"),
        (_file(scale=(float("inf"), 0, 0)), "of plain numbers, not scaled"),
        (_file()[:-1], "a whole NIfTI file"),
        (_file(dims=(2, 32767, 32767, 1, 1, 1, 1, 1)), "a whole NIfTI file"),
    ],
)
def test_what_is_not_one_slice_of_plain_numbers_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(InvalidDocumentError, match=said):
        read_slice(data)


def test_other_files_are_not_taken_for_it() -> None:
    data = _file()
    assert not is_nifti(data[:344] + b"ni1\0" + data[348:])
    assert not is_nifti(data[:348])
    assert not is_nifti(b"")


def test_a_packed_file_unfolds_to_no_more_than_is_allowed() -> None:
    data = _file()
    assert unpacked(gzip.compress(data), len(data)) == data
    with pytest.raises(InvalidDocumentError, match="a whole gzip file of at most 1 MiB"):
        unpacked(gzip.compress(bytes(2**21)), 2**20)
    with pytest.raises(InvalidDocumentError, match="a whole gzip file"):
        unpacked(gzip.compress(data)[:-4], len(data))
    with pytest.raises(InvalidDocumentError, match="a gzip file"):
        unpacked(b"not packed", 100)
