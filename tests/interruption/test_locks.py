"""Two processes on one table; locks of processes that were killed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from btxrd_explain.system.files import atomic_write
from btxrd_explain.system.locks import PREFIX, SUFFIX, alone, in_use, sweep

if TYPE_CHECKING:
    from pathlib import Path

_HOLDER = """
import sys, time
from pathlib import Path
from btxrd_explain.system.locks import alone
with alone(Path(sys.argv[1]), print):
    print("holding", flush=True)
    time.sleep(60)
"""


def _holder(target: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", _HOLDER, str(target)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "holding\n"
    return process


def test_the_second_waits_for_the_first_and_says_for_whom(tmp_path: Path) -> None:
    target, told = tmp_path / "out" / "predictions.parquet", list[str]()
    with _holder(target) as first:
        threading.Timer(0.3, first.kill).start()  # the lock of a process that was killed holds nobody up
        with alone(target, told.append):
            assert first.wait() == -9
    assert told == [f"waiting for process {first.pid} on '{os.uname().nodename}', which works on '{target}'"]


def test_a_lock_leaves_nothing_behind(tmp_path: Path) -> None:
    with alone(tmp_path / "new" / "folder" / "table", pytest.fail):
        assert (tmp_path / "new" / "folder" / ".table.lock").exists()
    assert list(tmp_path.iterdir()) == []


def test_a_stale_lock_file_blocks_nobody(tmp_path: Path) -> None:
    (tmp_path / ".table.lock").write_text("process 1 on 'elsewhere'")
    with alone(tmp_path / "table", pytest.fail):
        pass
    assert list(tmp_path.iterdir()) == []


def test_many_that_want_the_same_lock_get_it_one_by_one(tmp_path: Path) -> None:
    """The file goes with each that lets go, and those who waited for it must not share the work."""
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with alone(tmp_path / "table", lambda _: None):
                inside += 1
                most = max(most, inside)
                time.sleep(0.0005)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert list(tmp_path.iterdir()) == []


def test_only_what_nobody_uses_is_swept(tmp_path: Path) -> None:
    sweep.cache_clear()
    old, used, young = (tmp_path / f"{PREFIX}{name}{SUFFIX}" for name in ("old", "used", "young"))
    other = tmp_path / ".other.tmp"
    old.mkdir()
    (old / "content").touch()
    for path in (used, young, other):
        path.touch()
    for path in (old, used, other):
        os.utime(path, (0, 0))
    with in_use(used):
        sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([used, young, other])


def test_the_next_write_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    sweep.cache_clear()
    left = tmp_path / f"{PREFIX}left{SUFFIX}"
    left.touch()
    os.utime(left, (0, 0))
    with atomic_write(tmp_path / "report.json") as file:
        file.write(b"{}")
    assert list(tmp_path.iterdir()) == [tmp_path / "report.json"]
