"""Importing what is large without a garbage collector that walks through it again and again."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def without_collections() -> Iterator[None]:
    """Import torch and timm without garbage collections, which take a sixth of the time and find nothing.

    What was imported is there to stay, so that later collections need not look at it either (``gc.freeze``).
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()
