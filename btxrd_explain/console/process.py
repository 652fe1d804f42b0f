"""What a process is given by whoever starts it, and how it ends.

Streams may be closed or not UTF-8, and filters of warnings may be anything. Without memory, the end may be a crash.
"""

from __future__ import annotations

import os
import sys
import warnings
from contextlib import suppress
from io import BufferedWriter, FileIO, TextIOWrapper
from threading import Event
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import NoReturn, TextIO

_FOR_DEVELOPERS = (DeprecationWarning, PendingDeprecationWarning, FutureWarning, ImportWarning, ResourceWarning)
_short_of_memory = Event()
_OTHERS = r"(?!btxrd_explain(\.|$)|__main__$)"


def open_streams() -> None:
    """Make the standard streams such that reading finds an end, and writing never fails for a sign.

    One that is closed (``>&-``, ``pythonw``) leads nowhere; otherwise the next file that is opened would take its
    number, and whatever C code prints would end up in that file. What an encoding lacks is written as an escape. What
    cannot be written to the standard error, such as on a full disk or to a terminal that is gone, is dropped: it may
    neither end a run nor change its exit code.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8", closefd=False))  # noqa: SIM115 -- for as long as the process lives
    if isinstance(sys.stderr, TextIOWrapper):
        sys.stderr.flush()
        raw = _Dropping(sys.stderr.fileno(), "wb", closefd=False)
        sys.stderr = TextIOWrapper(BufferedWriter(raw), encoding=sys.stderr.encoding, line_buffering=True)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class _Dropping(FileIO):
    """A file that takes whatever it is given, and drops what cannot be written."""

    def write(self, data: Any) -> int:  # noqa: ANN401 -- any buffer
        try:
            return super().write(data) or 0
        except OSError:
            return len(data)


def write_utf8(stream: TextIO) -> None:
    """Let a stream that carries JSON be UTF-8, as RFC 8259 has it, whatever the locale or the code page is."""
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(encoding="utf-8")


def leave_warnings_of_dependencies() -> None:
    """Let no warning of a dependency end a run, whatever ``PYTHONWARNINGS`` says; this package's own are left to it.

    What developers of a dependency are told in advance is ignored: the tests hear it. Anything else may matter to
    users, such as a driver that is too old, and is shown once.
    """
    warnings.filterwarnings("default", module=_OTHERS)
    for category in _FOR_DEVELOPERS:
        warnings.filterwarnings("ignore", category=category, module=_OTHERS)


def note_short_memory() -> None:
    """Keep in mind that memory ran out: libraries that were half imported may crash when they are cleared."""
    _short_of_memory.set()


def leave(code: object) -> NoReturn:
    """End the process: as usual, or at once and without clearing up where memory ran out.

    Args:
        code: The exit code, as of ``SystemExit``.
    """
    if not _short_of_memory.is_set() or not isinstance(code, int):
        raise SystemExit(code)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
