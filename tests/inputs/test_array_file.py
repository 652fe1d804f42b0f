"""NumPy files of one array: what NumPy writes is read, and what claims more than it holds is refused."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np
import pytest

from btxrd_explain.inputs.array_file import is_array, read_array, read_arrays, whole_numbers
from btxrd_explain.untrusted.documents import InvalidDocumentError

MOST = 2**20
MASK = np.array([[0, 1, 2], [3, 0, 255]])


def _npy(array: Any, version: tuple[int, int] | None = None) -> bytes:  # noqa: ANN401 -- whatever NumPy takes
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(array), version=version)
    return file.getvalue()


def _npz(**arrays: Any) -> bytes:  # noqa: ANN401 -- likewise
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


@pytest.mark.parametrize("dtype", ["u1", "i2", "<i8", ">u4", "f4", ">f8", "f2"])
def test_whole_numbers_of_any_kind_are_read(dtype: str) -> None:
    for data in (_npy(MASK.astype(dtype)), _npy(MASK.astype(dtype), (2, 0)), _npz(mask=MASK.astype(dtype))):
        assert is_array(data)
        np.testing.assert_array_equal(read_array(data, MOST), MASK)


@pytest.mark.parametrize("shape", [(2, 3), (1, 2, 3), (2, 3, 1)])
def test_a_channel_of_one_is_left_out(shape: tuple[int, ...]) -> None:
    np.testing.assert_array_equal(read_array(_npy(MASK.reshape(shape)), MOST), MASK)
    np.testing.assert_array_equal(read_array(_npy(np.asfortranarray(MASK)), MOST), MASK)


def test_truth_values_become_zero_and_one() -> None:
    read = read_array(_npy(MASK > 0), MOST)
    assert read.dtype == np.uint8
    assert read.tolist() == [[0, 1, 1], [1, 0, 1]]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (_npy([[0.5]]), "expected whole numbers: no mask"),
        (_npy([[np.nan]]), "expected whole numbers: no mask"),
        (_npy([[-1]]), "expected numbers from 0 up"),
        (_npy(np.array([[np.inf]], np.float16)), "expected numbers from 0 up"),
        (_npy([[2**31]]), "expected numbers from 0 up"),
        (_npy([1, 2]), r"expected numbers of shape \(height, width\), got int64 of 2"),
        (_npy(np.zeros((2, 2, 3))), r"got float64 of 2 x 2 x 3"),
        (_npy(np.zeros((0, 4))), r"got float64 of 0 x 4"),
        (_npy([["a"]]), r"expected numbers of shape \(height, width\), got <U1"),
        (_npy([[1j]]), r"expected numbers of shape \(height, width\), got complex128"),
        (_npz(a=MASK, b=MASK), "expected one array in the archive, got 2"),
        (_npz(a=np.zeros((1024, 1025), np.uint8)), "expected one array in the archive, got 1 or a larger one"),
        (_npy(MASK)[:-1], "expected a NumPy array"),
        (_npy(MASK)[:20], "expected a NumPy array"),
        (_npz(a=MASK)[:-30], "expected a NumPy array"),
        (b"\x93NUMPY\x07\x00", "expected a NumPy array"),
    ],
)
def test_what_is_not_a_mask_is_refused_in_one_line(data: bytes, said: str) -> None:
    with pytest.raises(InvalidDocumentError, match=said) as caught:
        read_array(data, MOST)
    assert "\n" not in str(caught.value)


def test_an_array_that_claims_more_than_it_holds_is_not_made() -> None:
    head = np.lib.format.header_data_from_array_1_0(MASK) | {"shape": (2**20, 2**20)}
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, head)
    with pytest.raises(InvalidDocumentError, match="it claims more than it holds"):
        read_array(file.getvalue() + bytes(64), MOST)


def test_python_objects_are_never_read() -> None:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.array([[print]], dtype=object), allow_pickle=True)
    for read in (read_array, read_arrays):
        with pytest.raises(InvalidDocumentError):
            read(file.getvalue(), MOST)


def test_all_arrays_of_an_archive_have_their_names() -> None:
    found = read_arrays(_npz(cam=MASK / 4, ids=np.array(["a"])), MOST)
    assert found.keys() == {"cam", "ids"}
    np.testing.assert_array_equal(found["cam"], MASK / 4)
    assert list(read_arrays(_npy(MASK), MOST)) == [""]
    with pytest.raises(InvalidDocumentError, match="expected at most 1 MiB of arrays in the archive"):
        read_arrays(_npz(a=np.zeros(2**17), b=np.zeros(2)), MOST)


def test_other_archives_are_not_arrays() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("readme.txt", "no array")
    with pytest.raises(InvalidDocumentError, match="expected a NumPy array"):
        read_array(file.getvalue(), MOST)
    assert not is_array(b"image_id,split")


def test_masks_that_are_whole_stay_as_they_are() -> None:
    assert whole_numbers(MASK.astype(np.float32)).dtype == np.int64
