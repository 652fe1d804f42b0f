"""The terminal: results on stdout, everything else on stderr, and the one error boundary."""

from __future__ import annotations

import json as jsonlib
import os
import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from btxrd_explain.errors import BtxrdExplainError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from btxrd_explain.predictions.provenance import Provenance
    from btxrd_explain.predictions.record import Prediction


class Terminal:
    """Listens to workflows, and writes what the modules beside this one show.

    Args:
        json: Results are JSON on stdout.
        quiet: No notes and no progress.
    """

    def __init__(self, *, json: bool = False, quiet: bool = False) -> None:
        """Open both streams; progress appears only where a person watches."""
        self.json = json
        self._quiet = quiet
        self._out = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
        self._err = Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())
        self._progress: Progress | None = None

    # the listener

    def note(self, message: str) -> None:
        """Show one line that the user should know."""
        if not self._quiet:
            self._err.print(f"[dim]note:[/dim] {escape(message)}")

    def start(self, what: str, total: int) -> None:
        """Begin a progress bar; it vanishes when done, and is none where nobody watches."""
        self._stop_progress()
        if self._quiet or not self._err.is_terminal or total == 0:
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=self._err, transient=True)
        self._progress.start()
        self._progress.add_task(what, total=total)

    def advance(self, count: int = 1) -> None:
        """Move the progress bar."""
        if self._progress is not None:
            self._progress.advance(self._progress.task_ids[0], count)

    def predicted(self, row: Prediction, provenance: Provenance) -> None:
        """Print a row as a JSON line at once, where JSON is asked for."""
        if self.json:
            self.print_json(row.document(provenance.class_names))

    # results

    def print(self, line: str) -> None:
        """Print a line of results, in rich's markup: what is not ours must be escaped."""
        self._out.print(line)

    def print_table(self, columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
        """Print a table of results; its cells are plain text."""
        table = Table(*columns, box=None, pad_edge=False)
        for row in rows:
            table.add_row(*map(escape, row))
        self._out.print(table)

    def print_json(self, document: object) -> None:
        """Print a document as one line of strict JSON."""
        sys.stdout.write(f"{jsonlib.dumps(document, ensure_ascii=False, allow_nan=False)}\n")

    def print_failure(self, kind: str, text: str) -> None:
        """Name a file that failed, on stderr; both are plain text."""
        self._err.print(f"[yellow]{escape(kind)}:[/yellow] {escape(text)}")

    # the error boundary

    def guarded(self, run: Callable[[], ExitCode]) -> ExitCode:
        """Run a command; errors of the package become one line on stderr and their exit code."""
        try:
            code = run()
            sys.stdout.flush()
        except BtxrdExplainError as error:
            self._stop_progress()
            self._err.print(f"[bold red]error:[/bold red] {escape(str(error))}")
            return error.exit_code
        except KeyboardInterrupt:
            self._stop_progress()
            self._err.print("interrupted: run the same command again to go on where it stopped")
            return ExitCode.INTERRUPTED
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is buffered has no reader
            return ExitCode.BROKEN_PIPE
        finally:
            self._stop_progress()
        return code

    def _stop_progress(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def number(value: float | None) -> str:
    """Write a number for a table; None is undefined, which is not 0."""
    return "undefined" if value is None else f"{value:.3f}"
