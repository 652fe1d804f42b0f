"""Commands in processes that end before their time."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        dies_of: int = signal.SIGKILL,
    ) -> int:
        """Run a command; return its exit code, negative for a signal.

        Args:
            arguments: Those of ``btxrd-explain``.
            kill: After how many batches, and how many seconds more, which signal is sent.
            dies_at: Before which change on disk, counted from 1, the process sends itself a signal.
            within: The folder whose changes count.
            dies_of: Which signal that is.
        """
        child = self.start(*arguments, dies_at=dies_at, within=within, dies_of=dies_of)
        if kill is not None:
            batches, seconds, number = kill
            with suppress(ProcessLookupError):  # it has ended by itself
                while len(self.batches) < batches:
                    os.kill(child, 0)
                    time.sleep(0.001)
                time.sleep(seconds)
                os.kill(child, number)
        return self.wait()

    def start(
        self,
        *arguments: str,
        dies_at: int | None = None,
        within: Path = Path("/"),
        dies_of: int = signal.SIGKILL,
    ) -> int:
        """Start a command, see :meth:`run`; return its process id."""
        self._computed.write_text("")
        return self._server.start(**self._order(arguments, self.output, dies_at, within, dies_of))

    def wait(self) -> int:
        """Return the exit code of the command when it has ended, negative for a signal."""
        return self._server.wait()

    def run_together(
        self, commands: Sequence[Sequence[str]], streams: Sequence[tuple[str, str]] = ()
    ) -> list[tuple[int, str]]:
        """Run commands at the same time; return the exit code and the output of each.

        Args:
            commands: The arguments of each.
            streams: What is wrong with the standard output and error of each: ``closed``, ``full``, ``pipe`` or
                ``terminal`` (whose other end is gone), or nothing (``""``).
        """
        outputs = [self.output.with_name(f"output_{number}.txt") for number in range(len(commands))]
        orders = [self._order(*each) for each in zip(commands, outputs, strict=True)]
        for order, wrong in zip(orders, streams, strict=False):
            order["streams"] = wrong
        self._server.start_together(orders)
        codes = [self.wait() for _ in commands]
        return [(code, output.read_text()) for code, output in zip(codes, outputs, strict=True)]

    def _order(
        self,
        arguments: Sequence[str],
        output: Path,
        dies_at: int | None = None,
        within: Path = Path("/"),
        dies_of: int = signal.SIGKILL,
    ) -> dict[str, object]:
        """Return what the server needs to know of a life."""
        return {
            "arguments": arguments,
            "computed": str(self._computed),
            "output": str(output),
            "dies_at": dies_at,
            "within": str(within),
            "streams": ("", ""),
            "dies_of": int(dies_of),
        }

    @property
    def batches(self) -> list[list[str]]:
        """The batches that went through the network in the last life; of a line that was cut off nothing."""
        lines = self._computed.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]
