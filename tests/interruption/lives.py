"""Commands in processes that end before their time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SERVER = Path(__file__).with_name("fork_server.py")


class Lives:
    """Starts commands, kills them, and knows which images went through the network in which life.

    Args:
        server: The process of ``fork_server.py``.
        folder: Where notes are kept.
    """

    def __init__(self, server: subprocess.Popen[str], folder: Path) -> None:
        """Start without any life."""
        self._server = server
        self._computed = folder / "computed.jsonl"
        self.output = folder / "output.txt"

    def run(
        self,
        *arguments: str,
        kill: tuple[float, int] | None = None,
        dies_at: int | None = None,
        within: Path = Path("/"),
    ) -> int:
        """Run a command; return its exit code, negative for a signal.

        Args:
            arguments: Those of ``btxrd-explain``.
            kill: After how many seconds which signal is sent.
            dies_at: Before which change on disk, counted from 1, the process kills itself.
            within: The folder whose changes count.
        """
        self._computed.write_text("")
        order = {
            "arguments": arguments,
            "computed": str(self._computed),
            "output": str(self.output),
            "dies_at": dies_at,
            "within": str(within),
        }
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(order) + "\n")
        self._server.stdin.flush()
        child = self._answer()
        if kill is not None:
            time.sleep(kill[0])
            with suppress(ProcessLookupError):  # it has ended by itself
                os.kill(child, kill[1])
        return self._answer()

    @property
    def batches(self) -> list[list[str]]:
        """The batches that went through the network in the last life; of a line that was cut off nothing."""
        lines = self._computed.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def _answer(self) -> int:
        assert self._server.stdout is not None
        return int(self._server.stdout.readline())


@contextmanager
def serving(folder: Path, environment: dict[str, str] | None = None) -> Iterator[Lives]:
    """Start a server, which ends with the block."""
    command: Sequence[str] = [sys.executable, str(_SERVER)]
    variables = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"} | (environment or {})
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=variables) as server:
        yield Lives(server, folder)
        server.communicate()
