"""One process at a time: locks that the kernel takes back from a process that ends, however it ends.

The library filelock, which torch brings along, is not used: it leaves its file behind, takes a pipe for one, polls
where ``flock`` waits, and does not say who holds a lock. All but one call of ``flock`` would stay here. Where there is
no ``fcntl`` (Windows), and on file systems without locks, nothing is locked.
"""

from __future__ import annotations

import errno
import os
import platform
import shutil
import stat
import sys
import time
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING

from btxrd_explain.plain import plain
from btxrd_explain.system.places import foreign, is_url, make_folder, open_own

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PREFIX, SUFFIX = ".btxrd-explain-", ".tmp"
"""How the names of temporary files and folders begin and end."""
_SECONDS_TO_MARK = 2.0
"""After this a new file that is in use surely has its mark."""
_HOLDER = b"process "
"""How the content of a lock's file begins."""


@contextmanager
def alone(target: Path, tell: Callable[[str], None]) -> Iterator[None]:
    """Let no other process that asks for the same work on a file or folder; wait where one does.

    The lock is a hidden file next to the target, which goes when the block ends. One that stays behind because its
    process was killed blocks nobody.

    What processes that were killed left behind in its folder is removed.

    Args:
        target: What is worked on; it need not exist.
        tell: Called with one line where there is another process to wait for.

    Raises:
        OutputError: What has the lock's name is not a lock of this tool; it stays as it is.
    """
    if is_url(target):
        yield
        return
    made = [folder for folder in target.parents if not folder.exists()]
    path = target.with_name(f".{target.name}.lock")
    lock = None
    with suppress(OSError):  # no folder to write to, or no locks in this file system: the work itself will say why
        lock = _acquired(path, lambda holder: tell(f"waiting for {holder}, which works on '{target}'"))
    for folder in (target.parent, target):
        sweep(folder)
    try:
        yield
    finally:
        if lock is not None:
            with suppress(OSError):
                path.unlink()  # before the lock goes: who waited for this file then makes another one
            os.close(lock)
        for folder in made:
            with suppress(OSError):  # there is something in it
                folder.rmdir()


@contextmanager
def in_use(made: Path) -> Iterator[Path]:
    """Mark a new, still empty temporary file or folder as one of this tool's, and as that of a living process.

    The mark is its number in the file system, as a part of its name: no other file has both. As it is locked before,
    :func:`sweep` removes what has the mark and is not locked.

    Args:
        made: It, under the name that it was made with.

    Yields:
        It, under its new name.

    Raises:
        OSError: It cannot be renamed.
    """
    handle = None
    if sys.platform != "win32":  # there, what is open keeps its name
        with suppress(OSError):
            handle = os.open(made, os.O_RDONLY)
            _lock(handle)
    try:
        yield made.rename(made.with_name(f"{made.name.removesuffix(SUFFIX)}-{made.stat().st_ino:x}{SUFFIX}"))
    finally:
        if handle is not None:
            os.close(handle)


def _is_marked(path: Path) -> bool:
    """Return whether this tool made a temporary file or folder: a real one, whose name has its own number."""
    status = path.lstat()
    kind_fits = stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)
    return kind_fits and path.name.endswith(f"-{status.st_ino:x}{SUFFIX}")


@cache
def sweep(folder: Path) -> None:
    """Remove what killed processes left behind in a folder; once per process, as a later look would find nothing new.

    What has the name of a temporary file and not the mark of one was not left by this tool, and stays. An empty file or
    folder goes too: its process was killed before it had the mark. One of this very moment may get it yet.
    """
    remove_leftovers(folder, _SECONDS_TO_MARK)


def remove_leftovers(folder: Path, seconds: float = 0.0) -> None:
    """Remove what killed processes left behind in a folder; see :func:`sweep`.

    Args:
        folder: The folder.
        seconds: The age of empty files that go; 0 where no other process writes into the folder.
    """
    for path in folder.glob(f"{PREFIX}*{SUFFIX}"):
        with suppress(OSError):
            if _is_marked(path):
                _remove_unlocked(path, shutil.rmtree, os.unlink)
            elif not path.is_symlink() and time.time() - path.stat().st_mtime >= seconds:
                _remove_unlocked(path, os.rmdir, _unlink_empty)


def _remove_unlocked(
    path: Path, remove_folder: Callable[[Path], object], remove_file: Callable[[Path], object]
) -> None:
    """Remove a file or a folder, unless a process works on it; a pipe or a device is left alone."""
    mode = path.lstat().st_mode
    remove = remove_folder if stat.S_ISDIR(mode) else remove_file if stat.S_ISREG(mode) else None
    if remove is None:
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        if _lock(handle, wait=False):
            remove(path)
    finally:
        os.close(handle)


def _unlink_empty(path: Path) -> None:
    if not path.stat().st_size:
        path.unlink()


def _acquired(path: Path, wait_for: Callable[[str], None]) -> int:
    """Return the open and locked file of a lock.

    Raises:
        OutputError: Its name belongs to something else.
        OSError: It cannot be made or locked.
    """
    if sys.platform == "win32":
        raise _no_locks()
    while True:
        make_folder(path.parent)  # again: who let go of the lock may have taken its folder away
        handle = open_own(path, os.O_RDWR | os.O_CREAT)
        try:
            holder = _holder(path, handle)
            if not _lock(handle, wait=False):
                wait_for(holder or "another process")
                _lock(handle)
            if _is_at(path, handle):
                with suppress(OSError):  # a full disk: only others will not know whom they wait for
                    os.ftruncate(handle, 0)
                    os.pwrite(handle, _HOLDER + f"{os.getpid()} on '{platform.node()}'".encode(), 0)
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _holder(path: Path, handle: int) -> str:
    """Return who holds a lock, or held it last; empty where its file does not say.

    Raises:
        OutputError: The file is not that of a lock.
    """
    os.lseek(handle, 0, os.SEEK_SET)
    content = os.read(handle, 200)
    if content and not content.startswith(_HOLDER):
        raise foreign(path, "a file")
    return plain(content.decode("utf-8", "replace"))


def _is_at(path: Path, handle: int) -> bool:
    """Return whether an open file still has its name."""
    try:
        return os.path.samestat(os.fstat(handle), path.lstat())
    except FileNotFoundError:
        return False


def _lock(handle: int, *, wait: bool = True) -> bool:
    """Lock an open file; return whether it is locked now.

    Raises:
        OSError: This system has no locks.
    """
    if sys.platform == "win32":
        raise _no_locks()
    else:  # noqa: RET506 -- type checkers of the other platform see no fcntl
        try:
            fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _no_locks() -> OSError:
    return OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
