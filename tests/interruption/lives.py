"""Commands in processes that end before their time."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.processes import Server


class Lives:
    """Starts commands, kills them, and knows which images went through the network in which life.

    Args:
        server: That of ``fork_server.py``.
        folder: Where notes are kept.
    """

    def __init__(self, server: Server, folder: Path) -> None:
        """Start without any life."""
        self._server = server
        self._computed = folder / "computed.jsonl"
        self.output = folder / "output.txt"

    def run(
        self,
        *arguments: str,
        kill: tuple[int, float, int] | None = None,
        dies_at: int | None = None,
        within: Path = Path("/"),
    ) -> int:
        """Run a command; return its exit code, negative for a signal.

        Args:
            arguments: Those of ``btxrd-explain``.
            kill: After how many batches, and how many seconds more, which signal is sent.
            dies_at: Before which change on disk, counted from 1, the process kills itself.
            within: The folder whose changes count.
        """
        child = self.start(*arguments, dies_at=dies_at, within=within)
        if kill is not None:
            batches, seconds, number = kill
            with suppress(ProcessLookupError):  # it has ended by itself
                while len(self.batches) < batches:
                    os.kill(child, 0)
                    time.sleep(0.001)
                time.sleep(seconds)
                os.kill(child, number)
        return self.wait()

    def start(self, *arguments: str, dies_at: int | None = None, within: Path = Path("/")) -> int:
        """Start a command, see :meth:`run`; return its process id."""
        self._computed.write_text("")
        order = {
            "arguments": arguments,
            "computed": str(self._computed),
            "output": str(self.output),
            "dies_at": dies_at,
            "within": str(within),
        }
        return self._server.start(**order)

    def wait(self) -> int:
        """Return the exit code of the command when it has ended, negative for a signal."""
        return self._server.wait()

    @property
    def batches(self) -> list[list[str]]:
        """The batches that went through the network in the last life; of a line that was cut off nothing."""
        lines = self._computed.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]
