"""The same inputs give the same bytes: in a second run, in another folder, and with other numbers of threads."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.conftest import SMALL_FIGURES
from tests.hostile.fuzz.harness import LONG

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COUNT = 24
_ROOT = "../data/BTXRD"
_DATA = f"{_ROOT} --checkpoint demo --device cpu --split-csv ../data/split.csv"
_SMALL = f"{_DATA} --image-size 128"
_TABLE = "--predictions out/predictions.parquet"
COMMANDS = (
    f"infer {_DATA} --json -o out",
    f"infer {_ROOT}/images/IMG000001.jpeg {_ROOT}/images/IMG000002.jpeg -c demo --device cpu -o named",
    f"infer {_SMALL} --shard 1/2 -o shards",
    f"infer {_SMALL} --shard 2/2 -o shards",
    "merge shards/predictions.shard-1-of-2.parquet shards/predictions.shard-2-of-2.parquet -o shards/whole.parquet",
    f"infer {_DATA} --method layercam -o layercam --no-overlay",
    f"gallery {_TABLE} -o out --examples-per-class 2 --json",
    f"gallery {_TABLE} -o svg --examples-per-class 1 --format svg",
    f"gallery {_TABLE} -o pdf --examples-per-class 1 --format pdf",
    f"annotate-iou {_TABLE} --root {_ROOT} -o out --panels 2 --json",
    f"compare out/predictions.parquet layercam/predictions.parquet -o compared --annotations {_ROOT}/Annotations",
    f"performance {_TABLE} -o out --json",
    *(f"export {_TABLE} --to {kind} -o out --root {_ROOT}" for kind in ("labelme", "coco", "npz", "tiff", "fiftyone")),
    f"report {_TABLE} --root {_ROOT} -o out",
    f"report {_TABLE} --root {_ROOT} -o apart --layout folder",
    f"sanity {_SMALL} -o out --sample 2 --stages 2 --insertion-deletion --steps 4",
    "config init out/settings.yaml",
)
_PROGRAM = """
import os, shlex, sys
from btxrd_explain.cli import app
cores, commands = int(sys.argv[1]), sys.argv[2:]
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
for command in commands:
    print(command, flush=True)
    try:
        app(shlex.split(command))
    except SystemExit as stop:
        print("exit code", stop.code, flush=True)
"""


def _start(folder: Path, threads: int, cores: int) -> subprocess.Popen[bytes]:
    """Run all commands in a process of their own."""
    folder.mkdir()
    program = [sys.executable, "-c", _PROGRAM, str(cores), *COMMANDS]
    environment = os.environ | SMALL_FIGURES | {"OMP_NUM_THREADS": str(threads), "COLUMNS": "100"}
    with (folder / "output.txt").open("wb") as output:
        return subprocess.Popen(program, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)


def _files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the number of cores cannot be chosen here")
def test_the_same_inputs_give_the_same_bytes(tmp_path: Path, write_root: Callable[[Path, int], None]) -> None:
    """Every file of every command, and what it says: with one thread on one core, and in another folder with two."""
    write_root(tmp_path / "data", COUNT)
    runs = {"one": (1, 1), "two": (2, 2)} | ({"two_again": (2, 2), "mixed": (1, 2)} if LONG else {})
    for process in [_start(tmp_path / name, *numbers) for name, numbers in runs.items()]:
        process.wait()
    first = _files(tmp_path / "one")
    said = first["output.txt"].decode()
    assert len(first) > 100, said
    assert said.count("exit code 0") == len(COMMANDS), said
    for name in runs:
        other = _files(tmp_path / name)
        assert other.keys() == first.keys()
        assert [path for path in first if first[path] != other[path]] == [], name
