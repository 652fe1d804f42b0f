"""Every command, killed (SIGKILL) at a random moment: each file is the old or the new one, and nothing is left over.

``nox -s kills`` kills each command twenty times as a fresh command line.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import pytest

from btxrd_explain.system.locks import PREFIX
from tests.conftest import SMALL_FIGURES
from tests.interruption.results import COMMANDS, JOURNAL, SLOW, visible_files, words

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interruption.lives import Lives

KILLS = int(os.environ.get("BTXRD_EXPLAIN_KILLS", "0"))
"""Of fresh command lines; 0 kills each command once, in a process that has all imports behind it."""


def _killed(lives: Lives, command: list[str], moment: float) -> None:
    """Run a command, and kill it if it lasts so many seconds."""
    if not KILLS:
        lives.run(*command, kill=(0, moment, signal.SIGKILL))
        return
    variables = os.environ | SMALL_FIGURES | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        [sys.executable, "-m", "btxrd_explain", *command], env=variables, stdout=quiet, stderr=quiet
    ) as run:
        with suppress(subprocess.TimeoutExpired):
            run.wait(moment)
        run.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="nobody forks there")
@pytest.mark.parametrize("command", COMMANDS if KILLS else sorted(COMMANDS.keys() - SLOW))
def test_a_killed_command_leaves_old_or_new_files(lives: Lives, data: Path, tmp_path: Path, command: str) -> None:
    out, start = tmp_path / "out", tmp_path / "start"
    now, before = (words(command, arguments, data, out) for arguments in COMMANDS[command])
    assert lives.run(*before) in {0, 1}, lives.output.read_text()
    old = visible_files(out)
    shutil.copytree(out, start, copy_function=shutil.copy2)
    began = time.monotonic()
    code = lives.run(*now)
    longest = time.monotonic() - began + (4.0 if KILLS else 0.0)  # a fresh one imports torch first
    assert code in {0, 1}, lives.output.read_text()
    new = visible_files(out)
    assert old
    assert new != old
    random = np.random.default_rng(sum(command.encode()))
    for number in range(KILLS or 1):
        shutil.rmtree(out)
        shutil.copytree(start, out, copy_function=shutil.copy2)
        moment = random.uniform(0, longest)
        _killed(lives, now, moment)
        left = visible_files(out)
        told = f"kill {number} of '{command}' after {moment:.3f} s"
        for name in {*old, *new, *left}:
            either = (old.get(name), new.get(name))
            assert left.get(name) in either or name == JOURNAL, (told, name)
        for path in out.rglob(f"{PREFIX}*"):
            os.utime(path, (0, 0))  # an empty one that is young may belong to somebody
        assert lives.run(*now) == code, (told, lives.output.read_text())
        assert visible_files(out) == new, told
        assert [path for path in out.rglob("*") if path.name.startswith(".")] == [], told
