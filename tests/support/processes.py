"""Commands in processes of their own, forked from one that has imported what they need."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).parents[2]


class Server:
    """A process of ``fork_server.py``, or of a module that serves as it does.

    Args:
        process: The process.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """Send orders to a process."""
        self._process = process

    def start(self, **order: object) -> int:
        """Let a child live with an order; return its process id."""
        return self.start_together([order])[0]

    def start_together(self, orders: Sequence[Mapping[str, object]]) -> list[int]:
        """Let children live at the same time, each with an order; return their process ids."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(orders) + "\n")
        self._process.stdin.flush()
        return [self._answer() for _ in orders]

    def wait(self) -> int:
        """Return the exit code of the next child, in their order, negative for a signal, when it has ended."""
        return self._answer()

    def _answer(self) -> int:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the server has ended"
        return int(line)


@contextmanager
def serving(module: str, *options: str, environment: Mapping[str, str]) -> Iterator[Server]:
    """Start a server, which ends with the block.

    Args:
        module: The module that serves.
        options: Those of the interpreter, which its children have too.
        environment: All of its variables.
    """
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # a process with threads is not forked
    command = [sys.executable, *options, "-m", module]
    with subprocess.Popen(
        command, cwd=ROOT, env=dict(environment) | threads, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Server(process)
        process.communicate()


@dataclass(frozen=True)
class Finished:
    """What a process came to.

    Attributes:
        code: Its exit code, negative for a signal.
        out: What it wrote on its standard output.
        err: What it wrote on its standard error.
    """

    code: int
    out: bytes
    err: bytes


def run_forked(
    server: Server, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], encoding: str = "utf-8"
) -> Finished:
    """Run ``python -m btxrd_explain`` in a folder, in a child of the server; its output goes to files there."""
    files = [folder / ".stdout", folder / ".stderr"]
    for file in files:
        file.unlink(missing_ok=True)
    places = [os.devnull, *map(str, files)]
    server.start(
        arguments=list(arguments), folder=str(folder), files=places, environment=dict(environment), encoding=encoding
    )
    return Finished(server.wait(), *(file.read_bytes() for file in files))
