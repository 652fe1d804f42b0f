"""Freed memory stays with the process, so that a network on the CPU does not wait for new pages at each layer.

glibc maps each large block afresh and gives it back to the system when it is freed. A network allocates and frees
its feature maps layer by layer: every pass then touches hundreds of megabytes for the first time again, and waits
for the kernel to clear them. Blocks from the heap that is never trimmed are touched for the first time once.
"""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Names of options in ``malloc.h``; see mallopt(3), which gives both values below as the way to switch off."""
_KEEP = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, -1))


def keep_freed_memory() -> bool:
    """Let the C library keep freed memory for the next allocation, for the rest of the process.

    The process keeps its peak, which does not become higher by it. Elsewhere than with glibc nothing happens:
    allocators of other systems keep freed blocks by themselves.

    Returns:
        Whether the C library took the options.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    return mallopt is not None and all(mallopt(option, value) == 1 for option, value in _KEEP)
