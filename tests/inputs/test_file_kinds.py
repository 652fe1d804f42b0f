"""What a file is by its first bytes: files as libraries write them, and files that only have the name."""

from __future__ import annotations

import io
import os
import sys
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, dcmwrite
from pydicom.uid import UID, ComprehensiveSRStorage, ExplicitVRLittleEndian, KeyObjectSelectionDocumentStorage

from btxrd_explain.inputs.file_kinds import foreign_kind, is_dicom, what_is_passed_over, without_picture
from tests.support.dicom_files import dicom, dicom_dataset, written
from tests.support.pictures import JPEGS, OTHERS

if TYPE_CHECKING:
    from pathlib import Path

PIXELS = np.arange(64, dtype=np.uint8).reshape(8, 8)


def _kind(folder: Path, name: str, content: bytes) -> str | None:
    path = folder / name
    path.write_bytes(content)
    return what_is_passed_over(path)


@pytest.mark.parametrize("content", [*JPEGS.values(), *OTHERS.values()], ids=[*JPEGS, *OTHERS])
def test_a_picture_is_one_whatever_it_is_called(tmp_path: Path, content: bytes) -> None:
    assert _kind(tmp_path, "IMG000046", content) is None
    assert _kind(tmp_path, "scan.0001", content) is None
    assert not is_dicom(content)


def test_a_tiff_of_any_size_is_a_picture(tmp_path: Path) -> None:
    """BigTIFF counts in 64 bits."""
    for start in (b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0", b"MM\0+\0\x08\0\0"):
        assert _kind(tmp_path, "IM000046", start + bytes(8)) is None


def test_a_name_of_a_picture_is_enough(tmp_path: Path) -> None:
    """Reading it says what it is, which is better than passing over a radiograph."""
    assert _kind(tmp_path, "a.png", b"torn") is None
    assert _kind(tmp_path, "a.jpeg", b"") is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.nii.gz", "volume"),
        ("a.zip", "archive"),
        ("a.tar.gz", "archive"),
        ("a.npy", "file of arrays"),
        ("a.PDF", "document"),
        ("a.mp4", "video"),
        ("split.csv", ""),
        ("a.json", ""),
        ("best.pt", ""),
        ("DICOMDIR", ""),
    ],
)
def test_names_tell_what_is_never_a_radiograph(tmp_path: Path, name: str, expected: str) -> None:
    assert _kind(tmp_path, name, JPEGS["grey"]) == expected


def test_text_is_passed_over_in_silence_and_other_bytes_are_named(tmp_path: Path) -> None:
    assert _kind(tmp_path, "README", "Größe: 3\n".encode()) == ""
    assert _kind(tmp_path, "notes", b"\x1b[1mbold") == ""
    assert _kind(tmp_path, "core", b"\x7fELF\x02\x01\0\0") == "file of no known kind"


def test_dicom_is_known_with_and_without_its_preamble(tmp_path: Path) -> None:
    data = dicom(PIXELS)
    assert is_dicom(data[:132])
    assert is_dicom(data[132:])  # begins with the first element
    assert not is_dicom(b"DICM")
    assert _kind(tmp_path, "1.2.840.10008", data) is None


@pytest.mark.parametrize(
    ("storage", "kind"),
    [
        (ComprehensiveSRStorage, "a structured report"),
        (KeyObjectSelectionDocumentStorage, "a key object selection"),
    ],
)
def test_dicom_without_a_picture_is_called_what_it_is(tmp_path: Path, storage: str, kind: str) -> None:
    header = dicom_dataset(PIXELS, SOPClassUID=storage)
    header.file_meta.MediaStorageSOPClassUID = UID(storage)
    data = written(header)
    assert without_picture(data) == kind
    for name in ("a.dcm", "1.2.3"):
        assert _kind(tmp_path, name, data) == f"DICOM file without a picture ({kind})"
    bare = Dataset()
    bare.SOPClassUID = storage
    file = io.BytesIO()
    dcmwrite(file, bare, implicit_vr=False, little_endian=True)
    assert without_picture(file.getvalue()) == kind
    assert without_picture(dicom(PIXELS, syntax=ExplicitVRLittleEndian)) is None
    assert without_picture(JPEGS["grey"]) is None


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "pipe.png")
    assert what_is_passed_over(tmp_path / "pipe") == ""
    assert what_is_passed_over(tmp_path / "pipe.png") is None
    assert what_is_passed_over(tmp_path / "gone") == ""


def _zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.png", JPEGS["grey"])
    return file.getvalue()


def _array() -> bytes:
    file = io.BytesIO()
    np.save(file, PIXELS)
    return file.getvalue()


def _jpeg_2000() -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "JPEG2000")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (_zipped(), "an archive"),
        (_array(), "a NumPy array"),
        (_jpeg_2000(), "JPEG 2000"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "a Git LFS pointer to a file"),
        (b"\n<!DOCTYPE html><html>", "a web page"),
        (b"<?xml version='1.0'?>\n<!-- made -->\n<svg>", "SVG"),
        (b"\0\0\0\x18ftypheic", "HEIC"),
        (b"\0\0\0\x18ftypavif", "AVIF"),
        (JPEGS["grey"], None),
        (b"", None),
    ],
)
def test_what_no_decoder_takes_is_named(content: bytes, expected: str | None) -> None:
    assert foreign_kind(content) == expected
