"""How torch's threads wait for each other. Imports no torch: it must be told before it is imported."""

from __future__ import annotations

import os


def share_cores() -> None:
    """Let torch's threads sleep, not spin, while they wait for each other, so that decoding gets the time.

    A thread of OpenMP that waits at the end of a layer keeps its core busy. Where other threads or programs want the
    cores too, a network on two cores took three times as long by it. Only what is asked for before torch is imported
    counts, and a choice of the user's own stays.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
