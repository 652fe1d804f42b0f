"""Two processes on one table; locks of processes that were killed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from btxrd_explain.system import locks
from btxrd_explain.system.files import atomic_write
from btxrd_explain.system.locks import PREFIX, SUFFIX, alone, in_use, sweep

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


def test_who_waited_gets_a_lock_where_the_first_took_the_folder_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever wrote nothing leaves no folder, and the others must still work one by one."""
    lock, waiting, folder = locks._lock, iter([True]), tmp_path / "out"

    def held_once(handle: int, *, wait: bool = True) -> bool:
        if not wait and next(waiting, False):
            return False
        if wait:
            (folder / ".table.lock").unlink()
            folder.rmdir()
        return lock(handle, wait=wait)

    monkeypatch.setattr(locks, "_lock", held_once)
    told: list[str] = []
    with alone(folder / "table", told.append):
        assert (folder / ".table.lock").exists()
    assert len(told) == 1


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


def _left(folder: Path, name: str, content: bytes | None) -> Path:
    """Leave a file, or without a content a folder that is not empty, as a killed process does."""
    made = folder / f"{PREFIX}{name}{SUFFIX}"
    made.mkdir() if content is None else made.touch()
    with in_use(made) as left:
        left.write_bytes(content) if content is not None else (left / "000000.js").write_bytes(b"1")
    return left


def test_only_what_nobody_uses_is_swept(tmp_path: Path) -> None:
    sweep.cache_clear()
    _left(tmp_path, "folder", None)
    _left(tmp_path, "file", b"half of a tab")
    young, used = (tmp_path / f"{PREFIX}{name}{SUFFIX}" for name in ("young", "used"))
    other = tmp_path / ".other.tmp"
    for path in (young, used, other):
        path.touch()
    os.utime(other, (0, 0))
    with in_use(used) as held:
        os.utime(held, (0, 0))
        sweep(tmp_path)
        assert sorted(tmp_path.iterdir()) == sorted([held, young, other])


def test_what_has_the_name_of_a_leftover_and_not_its_mark_stays(tmp_path: Path) -> None:
    """A mark is the number of a file: a copy of a leftover has another one."""
    sweep.cache_clear()
    mine = tmp_path / f"{PREFIX}thesis{SUFFIX}"
    mine.write_bytes(b"years of work")
    left = _left(tmp_path, "file", b"half of a table")
    copy = tmp_path / "copy"
    copy.write_bytes(b"years of work")  # next to the leftover, and so of another number
    copy.replace(left)
    folder = tmp_path / f"{PREFIX}album-1f{SUFFIX}"
    folder.mkdir()
    (folder / "photo.jpg").touch()
    for path in (mine, left, folder):
        os.utime(path, (0, 0))
    sweep(tmp_path)
    assert {mine, left, folder} <= set(tmp_path.iterdir())
    assert (folder / "photo.jpg").exists()


def test_what_was_killed_before_it_had_its_mark_is_swept(tmp_path: Path) -> None:
    sweep.cache_clear()
    for name, make in (("file", Path.touch), ("folder", Path.mkdir)):
        path = tmp_path / f"{PREFIX}{name}{SUFFIX}"
        make(path)
        os.utime(path, (0, 0))
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_next_write_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    sweep.cache_clear()
    _left(tmp_path, "file", b"half of a report")
    with atomic_write(tmp_path / "report.json") as file:
        file.write(b"{}")
    assert list(tmp_path.iterdir()) == [tmp_path / "report.json"]
