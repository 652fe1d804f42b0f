"""Looking through the zip archive of a checkpoint before torch opens it."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

from btxrd_explain.errors import CheckpointError

if TYPE_CHECKING:
    from pathlib import Path

_END = 22
"""Bytes of the record that ends an archive without a comment; torch writes none."""
_PLACE = slice(16, 20)
"""Where that record says at which byte the list of entries begins."""
_ELSEWHERE = 0xFFFFFFFF
"""What it says where the list begins beyond 4 GB."""


class BadArchiveError(ValueError):
    """An archive is damaged, or made to be larger than it is."""


def pickles_of(path: Path) -> list[bytes]:
    """Return the pickles in the archive of a checkpoint.

    torch writes entries one after another and does not compress them, so that an archive whose entries are
    compressed, overlap or are larger than the file was made to exhaust memory. It also has one list of entries; with
    a second one torch could be shown other entries than are looked at here.

    Args:
        path: The file.

    Raises:
        BadArchiveError: It is not an archive as torch writes it.
        CheckpointError: It holds a compiled program instead of weights.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _refuse_programs(path, [entry.filename for entry in entries])
            _check(path, archive)
            return [archive.read(entry) for entry in entries if entry.filename.casefold().endswith(".pkl")]
    except (zipfile.BadZipFile, NotImplementedError, OSError, RuntimeError, EOFError) as error:
        raise BadArchiveError(str(error) or "the archive is damaged") from error


def _check(path: Path, archive: zipfile.ZipFile) -> None:
    entries, size = archive.infolist(), path.stat().st_size
    if len({entry.filename.casefold() for entry in entries}) < len(entries):
        raise BadArchiveError("the archive has two entries of one name")
    if any(entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size for entry in entries):
        raise BadArchiveError("the archive is compressed")
    if sum(entry.file_size for entry in entries) > size:
        raise BadArchiveError("the archive's entries are larger than the file")
    with path.open("rb") as file:
        file.seek(-_END, 2)
        place = int.from_bytes(file.read(_END)[_PLACE], "little")
    if place != min(archive.start_dir, _ELSEWHERE):
        raise BadArchiveError("the archive has two lists of entries")


def _refuse_programs(path: Path, names: list[str]) -> None:
    """Refuse archives that hold a compiled program instead of weights."""
    if any(name.endswith("constants.pkl") for name in names):
        kind = "a TorchScript program"
    elif any("exported_program" in name or name.endswith("archive_format") for name in names):
        kind = "a torch.export program"
    else:
        return
    raise CheckpointError(
        f"'{path}' is {kind}: its layers are fixed and cannot be explained",
        hint="save the weights of the original network with torch.save(model.state_dict(), ...)",
    )
