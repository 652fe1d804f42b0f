"""Where addresses are limited, libraries take few, and what they need is there before they need it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from btxrd_explain.commands import tables
from btxrd_explain.predictions import store
from tests.support.small_table import PROVENANCE, ROWS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the use of memory is told otherwise there")

_START = """
import os, resource, sys
from btxrd_explain.system.memory import make_do_with_few_addresses

def limit(megabytes):
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + megabytes * 2**20, -1))
"""


def _said(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", _START + program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_the_first_product_needs_no_memory_any_more() -> None:
    """OpenBLAS ends a process without memory for its buffer in its own way, with exit code 1."""
    program = (
        "os.environ['OPENBLAS_NUM_THREADS'] = '1'; limit(1000); make_do_with_few_addresses(); limit(1)\n"
        "import numpy as np\n"
        "big = np.full((100, 100), 2.0); print(np.dot(big, big)[0, 0])"
    )
    assert _said(program) == "400.0\n"


def test_too_little_for_it_is_an_error_that_python_sees() -> None:
    program = (
        "limit(100)\ntry: make_do_with_few_addresses()\n"
        "except MemoryError as error: print(error, 'numpy' in sys.modules)"
    )
    assert _said(program) == "Cannot allocate memory False\n"


@pytest.mark.parametrize(("megabytes", "threads"), [(1000, "1"), (5000, "None"), (None, "None")])
def test_threads_are_few_only_where_the_limit_is_low(megabytes: int | None, threads: str) -> None:
    program = (
        "os.environ.pop('ARROW_IO_THREADS', None); os.environ['OMP_NUM_THREADS'] = '3'\n"
        + (f"limit({megabytes})\n" if megabytes else "")
        + "make_do_with_few_addresses(); print(os.environ.get('ARROW_IO_THREADS'), os.environ['OMP_NUM_THREADS'])"
    )
    assert _said(program) == f"{threads} 3\n"


def test_arrow_has_room_or_python_sees_that_there_is_none() -> None:
    program = (
        "from btxrd_explain.system.memory import make_room_for_arrow\n"
        "limit(32)\ntry: make_room_for_arrow()\nexcept MemoryError as error: print(error)\n"
        "limit(200); make_room_for_arrow()\nlimit(5000); make_room_for_arrow()"
    )
    assert _said(program) == "Cannot allocate memory\n"


@pytest.mark.parametrize(
    ("module", "write"),
    [
        (store, lambda folder: store.write_table(folder / "a.parquet", PROVENANCE, ROWS)),
        (tables, lambda folder: tables.write_tables(folder / "a", [], pa.schema([("x", pa.int64())]))),
    ],
    ids=["predictions", "scores"],
)
def test_no_parquet_file_is_begun_without_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType, write: Callable[[Path], object]
) -> None:
    """Arrow would abort the process at the file's end."""

    def refuse() -> None:
        raise MemoryError

    write(tmp_path)
    before = sorted(tmp_path.iterdir())
    monkeypatch.setattr(module, "make_room_for_arrow", refuse)
    for path in before:
        path.unlink()
    with pytest.raises(MemoryError):
        write(tmp_path)
    assert before
    assert list(tmp_path.iterdir()) == []
