"""Where files are: a path on this machine, or the URL of one in an object store.

A URL becomes a ``UPath``, which has the methods of ``Path`` that reading needs, over whatever file systems fsspec
knows. Type annotations say ``Path`` for both; what makes no sense of a URL asks :func:`is_url` first.

URLs are stored in tables, and shown. So none may hold a secret: credentials come from the environment.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

from btxrd_explain.errors import InputError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader

# What the tool keeps in a folder: names that outlast a power failure, and files that are its own.
#
# Folders of results may be shared, or come from somebody else. What lies there under a name of the tool's own is
# locked, written, read or removed only where the tool can have made it: a real file or folder, never a link, a pipe or
# a device.

_OPEN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""Follow no link that takes a file's place meanwhile, wait for no pipe, and write bytes as they are."""
_KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFREG: "a file",
}


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


def check_own(path: Path, *, folder: bool = False) -> None:
    """Make sure that what has the name of a file or folder of the tool's own, if anything, can be one.

    Args:
        path: The name.
        folder: Whether it is that of a folder.

    Raises:
        OutputError: It is a link, whatever it leads to, or of another kind.
    """
    try:
        status = path.lstat()
    except OSError:  # there is nothing, or nothing that can be reached: the work itself will say so
        return
    kind = stat.S_IFMT(status.st_mode)
    if kind != (stat.S_IFDIR if folder else stat.S_IFREG):
        raise foreign(path, _KINDS.get(kind, "something else"))


def check_own_folders(target: Path, own: Path) -> None:
    """Make sure that a folder that the tool makes itself, and those in it that lead to a file, are real ones.

    The folder of results that a user names may well be a link; one in it would lead what is written out of it.

    Args:
        target: The file.
        own: The folder, in which the file lies.

    Raises:
        OutputError: One of them is a link, or no folder.
    """
    check_own(own, folder=True)
    for part in target.relative_to(own).parts[:-1]:
        own /= part
        check_own(own, folder=True)


def check_replaceable(target: Path) -> None:
    """Make sure that a file may take its place: that of nothing, a file, or a link, which is never followed.

    Raises:
        OutputError: A folder, a pipe or a device is there.
    """
    if not target.is_symlink():
        check_own(target)


def open_own(path: Path, flags: int) -> int:
    """Open a file of the tool's own in place, and never what a link leads to, a pipe, or a file that has another name.

    Args:
        path: The file.
        flags: Those of ``os.open``.

    Returns:
        The open file.

    Raises:
        OutputError: It is not a file that the tool can have made.
        OSError: It cannot be opened.
    """
    check_own(path)
    handle = os.open(path, flags | _OPEN, 0o666)
    if os.fstat(handle).st_nlink > 1:
        os.close(handle)
        raise foreign(path, "a file with a second name (a hard link)")
    return handle


def open_to_read(path: Path) -> BufferedReader:
    """Open a file, and never wait for a pipe that has taken its place since its kind was looked at.

    Args:
        path: A path on this machine, whose links are followed, or a URL.

    Raises:
        OSError: It cannot be opened, or is a pipe or a folder now.
    """
    if is_url(path):
        return path.open("rb")
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0)))  # noqa: SIM115 -- pathlib takes no opener
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is not a file", str(path))
    return file


def foreign(path: Path, what: str) -> OutputError:
    """Return the error for a name of the tool's own that belongs to something else, which stays as it is."""
    return OutputError(f"'{path}' is in the way: it is {what} that btxrd-explain did not make", hint="move it away")


def is_url(place: str | Path) -> bool:
    r"""Return whether a place is a URL.

    >>> is_url("s3://bucket/images"), is_url(r"C:\images")
    (True, False)
    """
    return "://" in str(place)


_SECRET = re.compile(
    r"(?<=://)[^/@]*:[^/@]*(?=@)"  # user:password@
    r"|(?<=\?).*(?:sig|token|secret|passw|credential|key|x-amz-|x-goog-).*",  # a presigned URL
    re.IGNORECASE | re.DOTALL,
)


def without_secrets(text: str) -> str:
    """Return a text in which what a URL holds of credentials is not readable.

    >>> without_secrets("s3://me:mine@bucket/run"), without_secrets("https://host/a.png?X-Amz-Signature=12")
    ('s3://***@bucket/run', 'https://host/a.png?***')
    >>> without_secrets("abfs://images@account.dfs.core.windows.net/a.png")
    'abfs://images@account.dfs.core.windows.net/a.png'
    """
    return _SECRET.sub("***", text) if is_url(text) else text


def place_of(text: str) -> Path:
    """Return the path that a text names, or the ``UPath`` of a URL.

    Raises:
        InputError: The kind of URL is unknown, the package that reads it is not installed, or the URL holds
            credentials.
    """
    if not is_url(text):
        return Path(on_this_system(text))
    if without_secrets(text) != text:
        raise InputError(
            f"'{without_secrets(text)}' holds credentials, which tables and reports would repeat",
            hint="leave them out of the URL, and give them in environment variables, as fsspec documents them",
        )
    from upath import UPath  # noqa: PLC0415 -- few runs need it

    try:
        with reaching(text):
            path = UPath(text)
            path.fs  # noqa: B018 -- imports what reads it
    except OSError as error:
        raise InputError(f"cannot open '{text}' ({error.strerror})", hint="check the URL and what reads it") from error
    return cast("Path", path)


def on_this_machine(place: Path) -> Path:
    """Return the path of a URL that names a file of this machine (``file:///data``); any other place as it is.

    >>> on_this_machine(place_of("file:///data/run")).as_posix()
    '/data/run'
    """
    return Path(place.path) if is_url(place) and place.protocol in {"file", "local"} else place  # type: ignore[attr-defined]


def result_place(text: str) -> Path:
    """Return the place of results that a text names: a path on this machine, or the URL of a store.

    Raises:
        InputError: See :func:`place_of`.
    """
    return on_this_machine(place_of(text))


def in_folder(folder: Path, text: str) -> Path:
    """Return the place that a table names: by a URL, from the root on, or as seen from the folder of the table.

    Args:
        folder: The folder of the table, on this machine or in a store.
        text: What the table says.
    """
    if is_url(text):
        return place_of(text)
    path = Path(on_this_system(text))
    if not is_url(folder) or path.is_absolute():
        return path if is_url(folder) else folder / path
    return (folder / text).resolve()  # the whole was copied into a store: there, '..' has no meaning of its own


def absolute(place: Path) -> str:
    """Return a path from the root of the file system, without ``..``; a URL is returned as it is."""
    return str(place) if is_url(place) else os.path.abspath(place)  # noqa: PTH100 -- resolves '..'


def as_text(path: str) -> str:
    r"""Return a path as text that every format can hold: bytes that are not UTF-8 are written as such.

    >>> print(as_text("Größe.png"), as_text("Gr\udcf6\udcdfe.png"))
    Größe.png Gr\xf6\xdfe.png
    """
    return os.fsencode(on_this_system(path)).decode("utf-8", "backslashreplace")


def on_this_system(text: str) -> str:
    r"""Return a name from a table as Python takes it here, where the locale's encoding need not be UTF-8.

    Bytes that the encoding does not know are surrogates in Python's names of files, and not in texts.

    >>> on_this_system("Größe.png") == os.fsdecode("Größe.png".encode())
    True
    """
    if sys.getfilesystemencoding() == "utf-8":
        return text
    return os.fsdecode(text.encode("utf-8", "surrogateescape"))


def is_utf8(name: str) -> bool:
    r"""Return whether a name is UTF-8 on the disk.

    >>> is_utf8("Größe.png"), is_utf8("Gr\udcf6\udcdfe.png")
    (True, False)
    """
    try:
        os.fsencode(on_this_system(name)).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


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


def straight(path: Path | str) -> str:
    """Return ``a/../b`` as ``b``, unless a link makes another folder of it."""
    if not isinstance(path, Path) or is_url(path):
        return str(path)
    direct = os.path.normpath(path)
    return direct if os.path.realpath(direct) == os.path.realpath(path) else str(path)
