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

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.interruption.lives import Lives

KILLS = int(os.environ.get("BTXRD_EXPLAIN_KILLS", "0"))
"""Of fresh command lines; 0 kills each command once, in a process that has all imports behind it."""
_JOURNAL = "intervention_journal.jsonl"

COMMANDS = {
    "infer": ("{images} -c demo --device cpu --overlay --no-strict", "-c demo --device cpu --overlay {one}"),
    "annotate-iou": ("{table}", "{other}"),
    "gallery": ("{table}", "{other}"),
    "report": ("{table} --layout folder", "{other} --layout folder"),
    "performance": ("{table}", "{other} --dpi 80"),
    "export --to labelme": ("{table}", "{other}"),
    "export --to coco": ("{table}", "{other}"),
    "export --to masks": ("{table} --classes all", "{other} --classes all"),
    "export --to npz": ("{table}", "{other}"),
    "export --to tiff": ("{table}", "{other}"),
    "export --to fiftyone": ("{table}", "{other}"),
    "compare": ("{first} {second}", "{second} {first}"),
    "intervene": ("{images} -c demo --device cpu --controls 1", "{one} -c demo --device cpu --controls 1"),
    "import-maps": (
        "{data}/maps --root {data}/BTXRD --class-names Normal,Benign,Malignant",
        "{data}/maps --root {data}/BTXRD --class-names Normal,Benign",
    ),
    "merge": ("{first}", "{second}"),
    "check": ("{images}", "{data}/BTXRD/images"),
}  # fmt: skip
"""What each command gets, and what it got in the run before, whose results are there."""
_SLOW = {"annotate-iou", "gallery", "performance", "intervene"}
"""They draw figures or change radiographs, and write as the others do: the suite leaves them to the session."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, write_root: Callable[[Path, int], None], lives: Lives) -> Path:
    """Six annotated radiographs, their tables by two methods, and heat maps of another program."""
    folder = tmp_path_factory.mktemp("data")
    write_root(folder, 6)
    images = (str(folder / "BTXRD"), "--split-csv", str(folder / "split.csv"), "-c", "demo", "--device", "cpu")
    for name, method in (("table", "gradcam"), ("other", "layercam")):
        assert lives.run("infer", *images, "--method", method, "-o", str(folder / name)) == 0, lives.output.read_text()
    (folder / "maps").mkdir()
    random = np.random.default_rng(0)
    for number in range(6):
        np.save(folder / "maps" / f"IMG{number:06d}_Benign.npy", random.random((8, 6), np.float32))
    return folder


def _words(command: str, arguments: str, data: Path, out: Path) -> list[str]:
    """Return a command line."""
    places = {
        "data": data,
        "images": f"{data}/BTXRD --split-csv {data}/split.csv",
        "one": f"{data}/BTXRD/images/IMG000001.jpeg --target-class predicted"
        if command == "intervene"
        else f"{data}/BTXRD/images/IMG000001.jpeg",
        "table": f"--predictions {data}/table/predictions.parquet",
        "first": data / "table" / "predictions.parquet",
        "second": data / "other" / "predictions.parquet",
        "other": f"--predictions {data}/other/predictions.parquet",
    }
    target = out / "predictions.parquet" if command == "merge" else out
    return [*command.split(), *arguments.format(**places).split(), "-o", str(target), "--quiet"]


def _files(out: Path) -> dict[str, bytes | set[bytes]]:
    """Return what is visible in the folder of results; of a journal its whole lines, in whichever order."""
    found: dict[str, bytes | set[bytes]] = {}
    for path in out.rglob("*"):
        name = path.relative_to(out).as_posix()
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(out).parts):
            content = path.read_bytes()
            whole = {line for line in content.splitlines(keepends=True) if line.endswith(b"}\n")}
            found[name] = whole if name == _JOURNAL else content
    return found


def _killed(lives: Lives, words: list[str], moment: float) -> None:
    """Run a command, and kill it if it lasts so many seconds."""
    if not KILLS:
        lives.run(*words, kill=(0, moment, signal.SIGKILL))
        return
    variables = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        [sys.executable, "-m", "btxrd_explain", *words], env=variables, stdout=quiet, stderr=quiet
    ) as run:
        with suppress(subprocess.TimeoutExpired):
            run.wait(moment)
        run.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="nobody forks there")
@pytest.mark.parametrize("command", COMMANDS if KILLS else sorted(COMMANDS.keys() - _SLOW))
def test_a_killed_command_leaves_old_or_new_files(lives: Lives, data: Path, tmp_path: Path, command: str) -> None:
    out, start = tmp_path / "out", tmp_path / "start"
    now, before = (_words(command, arguments, data, out) for arguments in COMMANDS[command])
    assert lives.run(*before) in {0, 1}, lives.output.read_text()
    old = _files(out)
    shutil.copytree(out, start, copy_function=shutil.copy2)
    began = time.monotonic()
    code = lives.run(*now)
    longest = time.monotonic() - began + (4.0 if KILLS else 0.0)  # a fresh one imports torch first
    assert code in {0, 1}, lives.output.read_text()
    new = _files(out)
    assert old
    assert new != old
    random = np.random.default_rng(sum(command.encode()))
    for number in range(KILLS or 1):
        shutil.rmtree(out)
        shutil.copytree(start, out, copy_function=shutil.copy2)
        moment = random.uniform(0, longest)
        _killed(lives, now, moment)
        left = _files(out)
        told = f"kill {number} of '{command}' after {moment:.3f} s"
        for name in {*old, *new, *left}:
            either = (old.get(name), new.get(name))
            assert left.get(name) in either or name == _JOURNAL, (told, name)
        for path in out.rglob(f"{PREFIX}*"):
            os.utime(path, (0, 0))  # an empty one that is young may belong to somebody
        assert lives.run(*now) == code, (told, lives.output.read_text())
        assert _files(out) == new, told
        assert [path for path in out.rglob("*") if path.name.startswith(".")] == [], told
