"""Batches side by side: memory, threads and streams of a run of the network."""

from __future__ import annotations

import copy
import ctypes
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import torch

from btxrd_explain.errors import SettingsError, memory_is_short

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor, nn

# Batches that fit: where a device runs out of memory, the batch is halved, and the rest of the run keeps to that.

_Result = TypeVar("_Result")


@dataclass(slots=True)
class BatchLimit:
    """The largest batch that is tried.

    Attributes:
        size: Radiographs in one pass; halved whenever that many do not fit.
    """

    size: int

    def run(self, work: Callable[[Tensor], _Result], batch: Tensor) -> list[_Result]:
        """Work on a batch in parts that fit.

        Args:
            work: What to do with a part; it may be called again with a smaller one after it ran out of memory.
            batch: Any tensor, batch first.

        Returns:
            The results of the parts, in order.

        Raises:
            SettingsError: A single radiograph does not fit.
        """
        results: list[_Result] = []
        done = 0
        while done < len(batch):
            part = batch[done : done + self.size]
            try:
                results.append(work(part))
            except RuntimeError as error:
                if not (isinstance(error, torch.OutOfMemoryError) or memory_is_short(error)):
                    raise
                if len(part) == 1:
                    raise SettingsError(
                        f"device '{batch.device}' has too little memory for one radiograph",
                        hint="use a smaller --image-size, or another --device",
                    ) from error
            else:
                done += len(part)
                continue
            self._halve(len(part))  # behind the except clause, whose traceback holds on to the tensors
        return results

    def _halve(self, tried: int) -> None:
        self.size = tried // 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


# Freed memory stays with the process, so that a network on the CPU does not wait for new pages at each layer.
#
# glibc maps each large block afresh and gives it back to the system when it is freed. A network allocates and frees
# its feature maps layer by layer: every pass then touches hundreds of megabytes for the first time again, and waits
# for the kernel to clear them. Blocks from the heap that is never trimmed are touched for the first time once.

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


# A network on several batches at once, one processor core for each.
#
# Where all cores share one batch, they wait for each other at the end of every layer, and longest where other threads
# decode images meanwhile. Cores with a batch each never wait. And since no sum is split among cores, the results
# are the
# same bits whatever their number.

MOST_STREAMS = 16
"""Each stream holds the feature maps of a batch; more cores than that share batches."""


def cpu_streams() -> int:
    """Return how many batches to work on at once on the CPU: one per core that torch may use (``OMP_NUM_THREADS``)."""
    return min(torch.get_num_threads(), MOST_STREAMS)


def replica(network: nn.Module) -> nn.Module:
    """Return a copy of a network that shares its weights, so that hooks on one do not meet those on the other."""
    shared = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    return copy.deepcopy(network, shared)


@contextmanager
def sharing_cores(streams: int) -> Iterator[None]:
    """Give threads that are started in the block an equal part of the cores that torch may use."""
    cores = torch.get_num_threads()
    torch.set_num_threads(max(cores // streams, 1))
    try:
        yield
    finally:
        torch.set_num_threads(cores)
