"""Notes each attempt to reach another machine, from the start of an interpreter on.

Python imports a module of this name by itself. ``tests/conftest.py`` puts its folder on ``PYTHONPATH`` and names the
file of notes, so that every process that a test starts is watched.
"""

from __future__ import annotations

import os
import sys
from typing import Any

VARIABLE = "TESTS_NETWORK"
"""Names the file of notes; without it nothing is noted."""
_LOOKING_UP = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"}
_SENDING = {"socket.connect", "socket.sendto", "socket.sendmsg"}
_HERE = ("127.", "::1", "localhost", "0.0.0.0", "::ffff:127.")  # noqa: S104 -- compared, not listened to
_NUMBERS = frozenset("0123456789abcdefABCDEF:.")


def _host(event: str, arguments: tuple[Any, ...]) -> str:
    """Return whom an event of Python's ``socket`` is about; empty for nobody, and for files that are sockets."""
    if event in _LOOKING_UP:
        address = arguments[0]
    elif event in _SENDING:
        address = arguments[1]
    else:
        return ""
    if isinstance(address, tuple):
        address = address[0] if len(address) > 1 else ""
    elif event in _SENDING:
        return ""
    return os.fsdecode(address) if isinstance(address, str | bytes) else ""


def _is_here(host: str) -> bool:
    """Return whether a host is this machine: none other lets us listen at its address."""
    import socket  # noqa: PLC0415 -- whoever asks has imported it

    if host.startswith(_HERE) or host == socket.gethostname():
        return True
    if not _NUMBERS.issuperset(host):
        return False
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as own:
            own.bind((host, 0))
    except OSError:
        return False
    return True


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not event.startswith("socket."):
        return
    host = _host(event, arguments)
    if host and not _is_here(host):
        handle = os.open(_NOTES, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(handle, f"{event} {host} in {' '.join(sys.orig_argv)[:200]}\n".encode(errors="replace"))
        os.close(handle)


_NOTES = os.environ.get(VARIABLE, "")
if _NOTES:
    sys.addaudithook(_hook)  # for the rest of the process: Python knows no way to remove one
