"""What a call does beyond computing, as Python's audit events tell it: files it opens, programs it starts."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NEVER = {
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
    "pickle.find_class",
    "socket.connect",
    "socket.getaddrinfo",
    "subprocess.Popen",
    "urllib.Request",
    "webbrowser.open",
}
_CHANGING = {"os.chmod", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.truncate"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_OWN = tuple(os.path.realpath(path) for path in {*sys.path, sys.prefix, sys.base_prefix, "/proc", "/sys"} if path)
"""What Python and its packages read for themselves, such as modules."""


class _Watch:
    """Notes what is done outside a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = os.path.realpath(folder)
        self.violations: list[str] = []

    def see(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Judge one audit event."""
        if event in _NEVER:
            self.violations.append(f"{event}{arguments}")
        elif event in _CHANGING:
            self._judge(event, [path for path in arguments if isinstance(path, str | bytes | os.PathLike)], ())
        elif event == "open" and not isinstance(arguments[0], int):
            self._judge(event, arguments[:1], () if (arguments[2] or 0) & _WRITING else _OWN)

    def _judge(self, event: str, paths: Any, also: tuple[str, ...]) -> None:  # noqa: ANN401 -- text, bytes or paths
        for path in paths:
            place = os.path.realpath(os.fsdecode(path))
            if not any(place == own or place.startswith(f"{own}{os.sep}") for own in (self._folder, *also)):
                self.violations.append(f"{event}: {place}")


_watches: list[_Watch] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    for watch in _watches:
        watch.see(event, arguments)


sys.addaudithook(_hook)  # for the rest of the process: Python knows no way to remove one


@contextmanager
def watching(folder: Path) -> Iterator[list[str]]:
    """Watch a block.

    Args:
        folder: Where it may read, write and delete.

    Yields:
        What the block did that it should not: a file outside the folder changed, one opened that is not part of Python
        and its packages, a program started, a connection made, an object unpickled.
    """
    watch = _Watch(folder)
    _watches.append(watch)
    try:
        yield watch.violations
    finally:
        _watches.remove(watch)
