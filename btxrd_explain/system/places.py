"""Where files are: a path on this machine, or the URL of one in an object store.

A URL becomes a ``UPath``, which has the methods of ``Path`` that reading needs, over whatever file systems fsspec
knows. Type annotations say ``Path`` for both; what makes no sense of a URL asks :func:`is_url` first.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

from btxrd_explain.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

# Folders that are there to stay, also after a power failure.


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing, so that they outlast a crash.

    Raises:
        OSError: It cannot be made.
    """
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system can do that."""
    with suppress(OSError):  # Windows and some network file systems cannot; they write names through
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def is_url(place: str | Path) -> bool:
    r"""Return whether a place is a URL.

    >>> is_url("s3://bucket/images"), is_url(r"C:\images")
    (True, False)
    """
    return "://" in str(place)


def place_of(text: str) -> Path:
    """Return the path that a text names, or the ``UPath`` of a URL.

    Raises:
        InputError: The kind of URL is unknown, or the package that reads it is not installed.
    """
    if not is_url(text):
        return Path(text)
    from upath import UPath  # noqa: PLC0415 -- few runs need it

    try:
        with reaching(text):
            path = UPath(text)
            path.fs  # noqa: B018 -- imports what reads it
    except OSError as error:
        raise InputError(f"cannot open '{text}' ({error.strerror})", hint="check the URL and what reads it") from error
    return cast("Path", path)


def absolute(place: Path) -> str:
    """Return a path from the root of the file system, without ``..``; a URL is returned as it is."""
    return str(place) if is_url(place) else os.path.abspath(place)  # noqa: PTH100 -- resolves '..'


def as_text(path: str) -> str:
    r"""Return a path as text that every format can hold: bytes that are not UTF-8 are written as such.

    >>> print(as_text("Größe.png"), as_text("Gr\udcf6\udcdfe.png"))
    Größe.png Gr\xf6\xdfe.png
    """
    return os.fsencode(path).decode("utf-8", "backslashreplace")


@contextmanager
def reaching(place: str | Path) -> Iterator[None]:
    """Turn whatever goes wrong with a URL into an ``OSError`` of one line that names it.

    Clients of object stores raise what they like where credentials or the network fail, or nothing but a key where
    a file is missing. Errors of paths on this machine stay as they are.

    Raises:
        OSError: The file cannot be reached.
    """
    try:
        yield
    except Exception as error:
        if not is_url(place) or (isinstance(error, OSError) and error.filename == str(place)):
            raise
        for kind, code in ((FileNotFoundError, errno.ENOENT), (PermissionError, errno.EACCES)):
            if isinstance(error, kind):
                raise OSError(code, os.strerror(code), str(place)) from error
        reason = " ".join(str(error).split()) or type(error).__name__
        raise OSError(errno.EIO, reason, str(place)) from error
