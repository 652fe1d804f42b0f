"""The fuzz tests fail where they should."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import pytest

from btxrd_explain.errors import InputError
from tests.hostile.fuzz.harness import outcome


def _write(path: Path) -> int:
    return path.write_text("x")


def _refuse(message: str, cause: Exception | None = None) -> None:
    raise InputError(message) from cause


def _compute(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_values_and_documented_errors_are_returned(tmp_path: Path) -> None:
    assert outcome(lambda: _write(tmp_path / "a.txt"), folder=tmp_path) == 1
    assert isinstance(outcome(lambda: _refuse("no file"), folder=tmp_path), InputError)


def test_errors_that_say_nothing_fail(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        outcome(lambda: _refuse(""), folder=tmp_path)


def test_other_errors_fail(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        outcome(lambda: 1 // 0, folder=tmp_path)


def test_files_outside_fail(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out.txt"
    inside.mkdir()
    outside.write_text("x")
    for call in (
        lambda: _write(outside),
        lambda: _write(inside / ".." / "out.txt"),
        lambda: len(outside.read_text()),
        lambda: os.open(outside, os.O_RDWR),
        lambda: outside.replace(inside / "a"),
    ):
        with pytest.raises(AssertionError, match=r"out\.txt"):
            outcome(call, folder=inside)


def test_programs_and_pickles_fail(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"subprocess\.Popen"):
        outcome(lambda: subprocess.run([sys.executable, "-c", ""], check=True), folder=tmp_path)
    with pytest.raises(AssertionError, match=r"pickle\.find_class"):
        outcome(lambda: pickle.loads(pickle.dumps(Path)), folder=tmp_path)  # noqa: S301 -- its own


def test_time_is_bounded(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"took \d+\.\d s"):
        outcome(lambda: _compute(0.2), folder=tmp_path, seconds=0.1)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux says how much memory a process has")
def test_memory_is_bounded_even_where_the_error_is_caught(tmp_path: Path) -> None:
    assert outcome(lambda: len(bytearray(50 * 2**20)), folder=tmp_path, megabytes=100) == 50 * 2**20
    with pytest.raises(MemoryError):  # more than other tests can have left unused in this process
        outcome(lambda: bytearray(8 * 2**30), folder=tmp_path, megabytes=100)
    with pytest.raises(AssertionError, match="too much memory"):
        outcome(lambda: _refuse("no memory", MemoryError()), folder=tmp_path)
