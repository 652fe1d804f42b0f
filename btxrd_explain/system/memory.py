"""Addresses that are limited (``ulimit -v``, some clusters): take few of them, and run out where Python sees it.

Libraries end the process in their own way where they get no memory: OpenBLAS with exit code 1 and a line of its own,
C++ with an abort. So what they take by themselves is asked for beforehand, and their threads, each of which reserves
addresses for a stack and an arena, are few. Where there is no limit, nothing changes.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from contextlib import suppress

_PLENTY = 4 * 2**30
"""Bytes of addresses from which on libraries may take what they usually take."""
_OF_OPENBLAS = 128 * 2**20
"""Bytes of the buffer that OpenBLAS takes with its first product: 32 MiB for x86-64, up to that for others."""
_OF_ARROW = 64 * 2**20
"""Bytes that are free before Arrow writes a file: its first thread alone reserves so many for an arena."""
_FRUGAL = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "ARROW_IO_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "OMP_NUM_THREADS": "1",
}
"""Arrow's allocators reserve much, and say so where they cannot; it reads files in eight threads."""
_ARENAS = -8
"""glibc's ``M_ARENA_MAX``: an arena of 64 MiB is reserved for each thread."""


def make_do_with_few_addresses() -> None:
    """Where the limit is low, let libraries that are imported from now on take little, and NumPy what it needs.

    What the user has set stays as it is.

    Raises:
        MemoryError: There is no room for NumPy's first product.
    """
    if not _is_limited():
        return
    for name, value in _FRUGAL.items():
        os.environ.setdefault(name, value)
    if sys.platform == "linux":
        with suppress(AttributeError):  # musl has no arenas
            ctypes.CDLL(None).mallopt(_ARENAS, 1)
    _ask_for(_OF_OPENBLAS)
    import numpy as np  # noqa: PLC0415 -- heavy

    np.dot(np.ones((128, 128)), np.eye(128))


def make_room_for_arrow() -> None:
    """Where the limit is low, make sure that Arrow can write a file: it aborts where it finds no memory to end one.

    Raises:
        MemoryError: There is no room.
    """
    if _is_limited():
        _ask_for(_OF_ARROW)


def _ask_for(size: int) -> None:
    try:
        mmap.mmap(-1, size).close()
    except OSError as error:
        raise MemoryError(error.strerror) from error


def _is_limited() -> bool:
    """Return whether this process may have few addresses only; never on Windows."""
    if sys.platform == "win32":
        return False
    import resource  # noqa: PLC0415 -- Windows has none

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return limit != resource.RLIM_INFINITY and limit < _PLENTY
