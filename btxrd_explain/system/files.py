"""Write whole or not at all, and tell one file's content from another's."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import re
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from btxrd_explain.errors import OutputError
from btxrd_explain.system.locks import PREFIX, SUFFIX, in_use, sweep
from btxrd_explain.system.places import (
    absolute,
    as_text,
    check_own_folders,
    check_replaceable,
    is_url,
    make_folder,
    open_to_read,
    reaching,
    sync_folder,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping


@contextmanager
def atomic_write(target: Path, *, own: Path | None = None) -> Iterator[IO[bytes]]:
    """Open a temporary file next to ``target`` that takes its place when the block succeeds.

    An object in a store is written on this machine first, and sent at once when the block succeeds: under its own name,
    as a store cannot rename, and whole or not at all, as stores promise of an upload.

    The data reach the disk (fsync) before the name changes hands (``os.replace``), and the name does before this
    returns (fsync of the folder), so that a crash, a full disk or an exception leaves the old file as it was. Missing
    folders are made. What a killed process leaves behind, the next one to write into the folder removes.

    Args:
        target: The file to write.
        own: The folder above it that the tool makes by itself, if any: from there on, no link is followed.

    Yields:
        A binary file, open for writing.

    Raises:
        OutputError: The folder or the file cannot be written, or something else is in the way.
    """
    if is_url(target):
        with _uploaded(target) as file:
            yield file
        return
    if own is not None:
        check_own_folders(target, own)
    check_replaceable(target)
    try:
        make_folder(target.parent)
        with _temporary(target.parent, _new_file) as temporary:
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(target)
        sync_folder(target.parent)
    except BrokenPipeError:  # from the block: not this file, but a reader of the standard output is gone
        raise
    except OSError as error:
        raise cannot_write(target, error) from error


@contextmanager
def _uploaded(target: Any) -> Iterator[IO[bytes]]:  # noqa: ANN401 -- a UPath
    """Open a temporary file that is sent to a URL when the block succeeds; see :func:`atomic_write`.

    fsspec's own files are not used: they keep what was written up to an exception.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
            local = Path(folder) / "object"
            with local.open("w+b") as file:
                yield file
            with reaching(target):
                target.fs.put_file(str(local), target.path)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise cannot_write(target, error) from error


@contextmanager
def temporary_folder(target: Path) -> Iterator[Path]:
    """Make a folder next to ``target``, which must be renamed by the end of the block, or is gone then.

    Raises:
        OutputError: It cannot be made, or something cannot be written.
    """
    try:
        make_folder(target.parent)
        with _temporary(target.parent, tempfile.mkdtemp) as folder:
            yield folder
    except OSError as error:
        raise cannot_write(target, error) from error


def write_bytes(target: Path, data: bytes, *, own: Path | None = None) -> None:
    """Write ``data`` to ``target``, whole or not at all; see :func:`atomic_write`.

    Raises:
        OutputError: The file cannot be written.
    """
    with atomic_write(target, own=own) as file:
        file.write(data)


def remove(target: Path) -> None:
    """Remove a file, if it is there.

    Raises:
        OutputError: It cannot be removed.
    """
    try:
        with reaching(target):
            target.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(target, error) from error


def write_json(
    target: Path,
    document: Any,  # noqa: ANN401 -- whatever JSON can hold
    *,
    lists: Mapping[str, Iterable[Any]] | None = None,
    own: Path | None = None,
) -> None:
    """Write a JSON document (UTF-8, indented, strict: NaN is an error) whole or not at all.

    Args:
        target: The file to write.
        document: Its content.
        lists: What to append to a document that is an object and not empty: lists, by key, whose items are written one
            after another and never held together.
        own: See :func:`atomic_write`.

    Raises:
        OutputError: The file cannot be written.
        ValueError: The document holds NaN or an infinity, which JSON cannot.
    """
    encoder = json.JSONEncoder(indent=2, ensure_ascii=False, allow_nan=False)
    with atomic_write(target, own=own) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="\n")
        text.writelines(encoder.iterencode(document))  # piece by piece: it may be long
        if lists:
            text.flush()
            file.seek(-len("\n}"), os.SEEK_END)  # the object goes on
            text.writelines(_members(lists, encoder))
            text.write("\n}")
        text.write("\n")
        text.detach()


def _members(lists: Mapping[str, Iterable[Any]], encoder: json.JSONEncoder) -> Iterator[str]:
    """Yield lists as further members of a JSON object that is indented by two."""
    for key, items in lists.items():
        yield f",\n  {encoder.encode(key)}: ["
        count = 0
        for count, item in enumerate(items, 1):
            yield "," if count > 1 else ""
            yield f"\n{encoder.encode(item)}".replace("\n", "\n    ")  # in a string, JSON escapes it
        yield "\n  ]" if count else "]"


def read_whole(path: Path, max_bytes: int) -> bytes | None:
    """Read a file of bounded size: never a pipe or a device, whose bytes may come late or without end.

    Returns:
        Its content; None where it is larger.

    Raises:
        OSError: The file cannot be read, or is none.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is not a file", str(path))
    if path.stat().st_size > max_bytes:
        return None
    with open_to_read(path) as file:
        return file.read()


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content as 64 hexadecimal digits.

    Raises:
        OSError: The file cannot be read, or is a pipe, a device or a folder.
    """
    if not is_url(path) and path.exists() and not path.is_file():  # a pipe would be waited for
        raise OSError(errno.EINVAL, "it is not a file", str(path))
    with reaching(path), open_to_read(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def relative_path(path: Path, folder: Path) -> str:
    """Return a path as seen from a folder, with forward slashes, so that both can move together; a URL as it is.

    From a folder in a store a path on this machine is seen from the root on.

    A name that is not UTF-8, which no table can hold, is only told, see :func:`btxrd_explain.system.places.as_text`.
    """
    if is_url(path):
        return str(path)
    if is_url(folder):
        return as_text(Path(absolute(path)).as_posix())
    try:
        return as_text(Path(os.path.relpath(path.absolute(), folder.absolute())).as_posix())
    except ValueError:  # another drive on Windows
        return as_text(path.absolute().as_posix())


def named_in(folder: Path, path: Path) -> str:
    """Return a path as it was named, or if it was named from the root on, as seen from a folder."""
    return relative_path(path, folder) if path.is_absolute() else str(path)


_ABSOLUTE = re.compile(r"'((?:/|[A-Za-z]:[\\/])[^'\n]+)'")


def with_relative_paths(text: str, folder: Path) -> str:
    """Return a text in which quoted absolute paths are as seen from a folder, like all paths in results.

    What is said to a user names files as the user did; what is kept in a file says nothing of the machine.

    >>> with_relative_paths("cannot read '/data/images/a.png' (Permission denied)", Path("/data/out"))
    "cannot read '../images/a.png' (Permission denied)"
    >>> with_relative_paths("labels 'a'/'b'", Path("/data/out"))  # no path
    "labels 'a'/'b'"
    """
    return _ABSOLUTE.sub(lambda found: f"'{relative_path(Path(found[1]), folder)}'", text)


@contextmanager
def _temporary(folder: Path, make: Callable[..., str]) -> Iterator[Path]:
    """Make a temporary file or folder which goes by the end of the block, or when the next process writes there."""
    sweep(folder)
    path = Path(make(dir=folder, prefix=PREFIX, suffix=SUFFIX))
    try:
        with in_use(path) as path:
            yield path
    finally:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()


def _new_file(*, dir: Path, prefix: str, suffix: str) -> str:  # noqa: A002 -- like tempfile's other functions
    """Make an empty temporary file; return its name."""
    handle, name = tempfile.mkstemp(suffix, prefix, dir)
    os.close(handle)
    return name


def _umask() -> int:
    """Return the process's umask; the only portable way to read it is to set it twice."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def cannot_write(target: Path, error: OSError) -> OutputError:
    """Return the error of the package for a file or folder that the system does not let us write."""
    reason = error.strerror or str(error)
    if is_url(target):
        return OutputError(f"cannot write '{target}' ({reason})", hint="check the URL, and credentials and rights")
    in_the_way = next((folder for folder in target.parents if folder.is_file()), None)
    if in_the_way is not None:
        return OutputError(f"cannot write '{target}': '{in_the_way}' is a file", hint="name a folder with -o")
    return OutputError(f"cannot write '{target}' ({reason})", hint="check the folder and the free space")
