"""A network on several batches at once, one processor core for each.

Where all cores share one batch, they wait for each other at the end of every layer, and longest where other threads
decode images meanwhile. Cores with a batch each never wait. And since no sum is split among cores, the results are the
same bits whatever their number.
"""

from __future__ import annotations

import copy
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

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
    """Give threads that are started in the block an equal share of the cores that torch may use."""
    cores = torch.get_num_threads()
    torch.set_num_threads(max(cores // streams, 1))
    try:
        yield
    finally:
        torch.set_num_threads(cores)
