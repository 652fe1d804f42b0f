"""The archive of a checkpoint is looked through before torch opens it: written by zipfile, and by torch itself."""

from __future__ import annotations

import io
import pickle
import zipfile
from typing import TYPE_CHECKING

import pytest
import torch

from btxrd_explain.errors import CheckpointError
from btxrd_explain.untrusted.archives import BadArchiveError, pickles_of

if TYPE_CHECKING:
    from pathlib import Path

ENTRIES = {"archive/data.pkl": b"weights", "archive/data/0": b"\0" * 64, "archive/version": b"3\n"}


def _archive(entries: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return file.getvalue()


def _refused(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(BadArchiveError) as caught:
        pickles_of(path)
    return str(caught.value)


def test_the_pickles_of_an_archive_are_returned(tmp_path: Path) -> None:
    path = tmp_path / "best.pt"
    path.write_bytes(_archive({**ENTRIES, "archive/MORE.PKL": b"more"}))
    assert pickles_of(path) == [b"weights", b"more"]


def test_what_torch_writes_is_taken(tmp_path: Path) -> None:
    torch.save({"weight": torch.arange(3.0)}, tmp_path / "best.pt")
    (found,) = pickles_of(tmp_path / "best.pt")
    with zipfile.ZipFile(tmp_path / "best.pt") as archive:
        assert found == archive.read("best/data.pkl")
    assert found[:1] == pickle.PROTO


def test_archives_that_torch_does_not_write_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "best.pt"
    assert _refused(path, _archive(ENTRIES, zipfile.ZIP_DEFLATED)) == "the archive is compressed"
    assert _refused(path, _archive({**ENTRIES, "ARCHIVE/data.pkl": b""})) == "the archive has two entries of one name"
    assert _refused(path, b"no archive") == "File is not a zip file"
    assert _refused(path, b"") == "File is not a zip file"


def test_an_archive_with_a_second_list_of_entries_is_refused(tmp_path: Path) -> None:
    """zipfile looks for the list before the end, and other programs where the end says that it is."""
    content = bytearray(_archive(ENTRIES))
    content[-6:-2] = (7).to_bytes(4, "little")
    said = _refused(tmp_path / "best.pt", bytes(content))
    assert said in {"the archive has two lists of entries", "Bad magic number for central directory"}
    before = _refused(tmp_path / "best.pt", b"other entries" + _archive(ENTRIES))
    assert before == "the archive has two lists of entries"


def test_entries_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    """Ten entries that all begin at the same byte claim ten times what the file holds."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("data/0", b"\0" * 2**16)
        first = archive.infolist()[0]
        for number in range(1, 10):
            other = zipfile.ZipInfo(f"data/{number}")
            other.CRC, other.file_size, other.compress_size = first.CRC, first.file_size, first.compress_size
            other.header_offset = first.header_offset
            archive.filelist.append(other)
    assert _refused(tmp_path / "best.pt", file.getvalue()) == "the archive's entries are larger than the file"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("archive/constants.pkl", "a TorchScript program"),
        ("models/exported_program.json", "a torch.export program"),
        ("archive/archive_format", "a torch.export program"),
    ],
)
def test_programs_are_called_what_they_are(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / "best.pt").write_bytes(_archive({**ENTRIES, name: b""}, zipfile.ZIP_DEFLATED))
    with pytest.raises(CheckpointError, match=f"best.pt' is {kind}: its layers are fixed"):
        pickles_of(tmp_path / "best.pt")
