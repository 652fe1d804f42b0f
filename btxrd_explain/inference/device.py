"""Where the network runs, and how many radiographs and passes at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from btxrd_explain.core.methods import METHODS
from btxrd_explain.errors import SettingsError
from btxrd_explain.model.streams import cpu_streams

if TYPE_CHECKING:
    from btxrd_explain.settings import Settings

CPU_BATCH = 4
"""Batch size of a core: enough to share a layer's overhead, and small enough for feature maps to stay in its caches."""
GPU_BATCH = 128
"""Batch size elsewhere: a GPU wants to be filled; with 32 it waits for the next launch most of the time."""


def device_of(settings: Settings) -> torch.device:
    """Return the device that the settings name; ``auto`` takes CUDA, then Apple's GPU, then the CPU.

    Raises:
        SettingsError: The device does not exist.
    """
    name = settings.model.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    device = torch.device(name)
    available = {
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not available.get(device.type, True):
        raise SettingsError(f"no device '{name}' on this machine", hint="use --device auto or --device cpu")
    return device


def batch_size_of(settings: Settings, device: torch.device) -> int:
    """Return the batch size; a GPU wants to be filled."""
    wished = settings.model.batch_size
    if isinstance(wished, int):
        return wished
    return CPU_BATCH if device.type == "cpu" else GPU_BATCH


def streams_of(settings: Settings, device: torch.device) -> int:
    """Return how many passes to run at once; one of a network that may not bear more."""
    own = settings.model.factory is not None  # may keep anything between two passes
    if device.type != "cpu" or own or settings.model.compile or not METHODS[settings.gradcam.method].native:
        return 1
    return cpu_streams()
