"""The allocator's options as the kernel sees them: pages that a process touches for the first time."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from btxrd_explain.model.streams import keep_freed_memory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only glibc has these options")

_PROGRAM = """
import resource
import numpy as np
from btxrd_explain.model.streams import keep_freed_memory

{prepare}
def pages_of_one_round():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(2**26, np.uint8)  # 64 MiB, and freed at once
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print([pages_of_one_round() for _ in range(4)])
"""


def _pages(prepare: str) -> list[int]:
    program = _PROGRAM.format(prepare=prepare)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    pages: list[int] = [int(count) for count in done.stdout.strip("[]\n").split(",")]
    return pages


def test_a_large_block_costs_new_pages_once() -> None:
    usual, kept = _pages(""), _pages("taken = keep_freed_memory()")
    if min(usual[1:]) < 32:
        pytest.skip("this system's C library keeps large blocks by itself, or has huge pages")
    assert max(kept[1:]) < min(usual[1:]) / 10


def test_what_is_not_glibc_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert not keep_freed_memory()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory()
