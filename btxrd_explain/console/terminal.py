"""The terminal: results on stdout, everything else on stderr, and the one error boundary."""

from __future__ import annotations

import errno
import json as jsonlib
import os
import sys
import traceback
import warnings
from collections import Counter
from contextlib import contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from btxrd_explain.console.markup import escape
from btxrd_explain.console.process import note_short_memory, write_utf8
from btxrd_explain.console.progress import Phases
from btxrd_explain.console.stopping import Stopped, exit_code_of, swallowed
from btxrd_explain.errors import BtxrdExplainError, ExitCode, OutputError, RadiographError, memory_is_short
from btxrd_explain.plain import plain
from btxrd_explain.progress import Listener
from btxrd_explain.system.memory import make_do_with_few_addresses
from btxrd_explain.system.places import straight

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TextIO

    from btxrd_explain.finding import Finding
    from btxrd_explain.predictions.provenance import Provenance
    from btxrd_explain.predictions.record import Prediction

_FIGURES = frozenset({".png", ".svg", ".pdf"})
_OF_PATHS = frozenset({errno.ENAMETOOLONG, errno.EACCES, errno.ELOOP})
"""Why the system cannot even tell whether there is a file."""


_WIDEST = 1_000
"""Columns of a table whose rows are lines of their own."""
_MOST_ALIKE = 20
_ALIKE = frozenset({"not shown", "missing"})
"""Of radiographs that fail so, no more are named: where a folder was moved, they are all of a table's."""


class _Console(Console):
    """Rich's console, but for its own way to end the process where the reader of a pipe is gone."""

    def on_broken_pipe(self) -> None:
        """Leave the error that is being handled to the one boundary."""
        raise  # noqa: PLE0704 -- rich calls this where it handles the error


class Terminal(Listener):
    """Listens to commands, and writes what the modules next to this one show.

    Args:
        json: Results are JSON on stdout, in UTF-8; what networks and libraries print goes to stderr.
        quiet: No notes, no progress and no next steps.
        verbose: Also a line per image, the time that each phase took, and where an unexpected error came from.
    """

    def __init__(self, *, json: bool = False, quiet: bool = False, verbose: bool = False) -> None:
        """Open both streams; progress appears only where a person watches."""
        self.json = json
        self._quiet = quiet
        self._verbose = verbose and not quiet
        self._stdout = sys.stdout
        if json:
            write_utf8(self._stdout)
        self._out = _Console(highlight=False, emoji=False)
        self._err = _Console(stderr=True, highlight=False, emoji=False, soft_wrap=not sys.stderr.isatty())
        self._warnings: set[Finding] = set()
        self._failed: set[str] = set()
        self._alike = Counter[str]()
        self._heard: set[str] = set()
        self._unwritten: OSError | None = None
        self._phases = Phases(self._err, bar=self._err.is_terminal and not quiet, timed=self._verbose)

    # the listener

    def note(self, message: str) -> None:
        """Show one line that the user should know, once: the parts of a command may learn it one after the other."""
        if not self._quiet and message not in self._heard:
            self._heard.add(message)
            self._err.print(f"[dim]note:[/dim] {escape(message)}")

    def warn(self, finding: Finding) -> None:
        """Warn once of what may be wrong, also where notes are not wanted: results may mean something else."""
        if finding not in self._warnings:
            self._warnings.add(finding)
            self._err.print(f"[bold yellow]warning:[/bold yellow] {escape(str(finding))}")

    def start(self, what: str, total: int) -> None:
        """Begin a phase; its bar is none where nobody watches."""
        self._phases.start(what, total)

    def advance(self, count: int = 1) -> None:
        """Move on within the phase."""
        self._phases.advance(count)

    def failed(self, image_id: str, what: str, reason: str) -> None:
        """Name a file that failed, once, on stderr; the command will end with exit code 1."""
        if image_id in self._failed:
            return
        self._failed.add(image_id)
        self._alike[what] += 1
        if self._verbose or what not in _ALIKE or self._alike[what] <= _MOST_ALIKE:
            self._err.print(f"[yellow]{escape(what)}:[/yellow] {escape(f'{image_id}: {reason}')}")

    def predicted(self, row: Prediction, provenance: Provenance, overlay: Path | None = None) -> None:
        """Print a row as a JSON line at once, where JSON is asked for."""
        if self.json:
            several = {"multi_label": provenance.multi_label, "ensemble": bool(provenance.members)}
            picture = {"overlay": overlay and straight(overlay)}
            self.print_json(row.document(provenance.class_names, **several) | picture)
        elif self._verbose:
            found = row.error or "no prediction"
            if row.predicted is not None:
                found = in_words(row, provenance)
            self._err.print(f"[dim]{escape(row.image_id)}: {escape(found)}[/dim]")

    # results

    def print(self, line: str) -> None:
        """Print a line of results, in rich's markup: what is not ours must be escaped. Long ones are wrapped."""
        with self._writing():
            self._out.print(line)

    def print_path(self, what: str, path: Path | str) -> None:
        """Name a file or folder; never broken into lines, so that it can be copied."""
        with self._writing():
            self._out.print(f"{escape(what)}: {escape(straight(path))}", soft_wrap=True)

    def print_file(self, path: Path) -> None:
        """Name a file of results, and say whether it is a figure to look at."""
        self.print_path("figure" if path.suffix in _FIGURES else "file", path)

    def print_report(self, document: Path, files: Iterable[Path]) -> None:
        """Name a report and the files of its set: first the one to read, where there is one besides the JSON."""
        others = list(files)
        text = next((path for path in others if path.suffix == ".md"), None)
        self.print_path("report", text or document)
        for path in [*([] if text is None else [document]), *(path for path in others if path != text)]:
            self.print_file(path)

    def print_next(self, command: str | None) -> None:
        """Tell on stderr what a user may want to run next; None is nothing."""
        if command is not None and not (self._quiet or self.json):
            self._err.print(f"[dim]next:[/dim] {escape(command)}", soft_wrap=True)

    def print_table(self, columns: Iterable[str], rows: Iterable[Iterable[str]], *, whole: bool = False) -> None:
        """Print a table of results; its headers and cells are plain text.

        Args:
            columns: The headers.
            rows: The cells.
            whole: Whether a pipe or a file gets each row in one line, in which names can be searched for, unless the
                variable COLUMNS says how wide it is.
        """
        table = Table(box=None, pad_edge=False)
        for column in columns:
            table.add_column(Text(plain(column)), overflow="fold")  # what is cut off cannot be copied
        for row in rows:
            table.add_row(*(Text(plain(cell)) for cell in row))
        with self._writing():
            if whole and not self._out.is_terminal and "COLUMNS" not in os.environ:
                self._out.width = _WIDEST
            self._out.print(table)

    def print_json(self, document: object) -> None:
        """Print a document as one line of strict JSON, with JSON's own escapes for what is not to be seen."""
        text = jsonlib.dumps(document, ensure_ascii=False, allow_nan=False)
        if not text.isprintable():
            text = "".join(sign if sign.isprintable() else jsonlib.dumps(sign)[1:-1] for sign in text)
        with self._writing():
            self._stdout.write(f"{text}\n")

    # the error boundary

    def guarded(self, run: Callable[[], ExitCode]) -> ExitCode:
        """Run a command; errors of the package become one line on stderr and their exit code, failed files another."""
        try:
            with self._listening():
                make_do_with_few_addresses()
                code = run() or (ExitCode.SOME_FILES_FAILED if self._failed else ExitCode.OK)
            self._count_unnamed()
            with self._writing():
                self._stdout.flush()
            self._check_written()
        except BtxrdExplainError as error:
            return self._expected(error)
        except (KeyboardInterrupt, Stopped) as stop:
            return self._interrupted(stop)
        except BrokenPipeError:
            self._drop_output()
            return ExitCode.BROKEN_PIPE
        except UnicodeEncodeError as error:
            return self._unnameable(error)
        except Exception as error:  # noqa: BLE001 -- the last boundary: a user gets a line, whatever went wrong
            return self._unforeseen(error)
        finally:
            self._phases.stop()
        return code

    def _count_unnamed(self) -> None:
        """Tell how many radiographs that failed alike were not named."""
        for what in sorted(_ALIKE & self._alike.keys()):
            further = self._alike[what] - _MOST_ALIKE
            if further > 0 and not self._verbose:
                self._err.print(f"{what}: {further} more, which --verbose names")

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """Show warnings of libraries as notes, and keep what else is printed away from JSON."""
        with warnings.catch_warnings(), redirect_stdout(sys.stderr) if self.json else nullcontext():
            warnings.showwarning = self._note_warning
            yield

    def _note_warning(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,  # noqa: ARG002 -- the standard library passes it
        line: str | None = None,  # noqa: ARG002 -- the standard library passes it
    ) -> None:
        self.note(f"{category.__name__} of {Path(filename).name}:{lineno}: {' '.join(str(message).split())}")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Let the work go on where the standard output cannot be written: what is printed is dropped from then on."""
        try:
            yield
        except OSError as error:
            self._drop_output()
            self._unwritten = error

    def _check_written(self) -> None:
        """Tell a standard output that could not be written, such as a file on a full disk, from any other file.

        Raises:
            BrokenPipeError: The reader of a pipe closed it.
            OutputError: It is something else.
        """
        error = self._unwritten
        if isinstance(error, BrokenPipeError):
            raise error
        if error is not None:
            reason = error.strerror or str(error)
            raise OutputError(f"cannot write to the standard output ({reason})", hint="check where it leads") from error

    def _drop_output(self) -> None:
        """Lead standard output nowhere: what is buffered reaches nobody, and would be tried again at the end."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), self._stdout.fileno())

    def _expected(self, error: BtxrdExplainError) -> ExitCode:
        """Show an error of the package; what could not be read for want of memory need not be damaged."""
        self._phases.stop()
        cause = error.__cause__
        if isinstance(cause, Exception) and memory_is_short(cause) and not isinstance(error, RadiographError):
            return self._unforeseen(cause)
        self._print_error(str(error))
        return error.exit_code

    def _interrupted(self, stop: BaseException) -> ExitCode:
        self._phases.stop()
        self._err.print("interrupted: run the same command again to go on where it stopped")
        return exit_code_of(stop)

    def _unforeseen(self, error: Exception) -> ExitCode:
        """Tell a signal, too little memory, matplotlib's settings and impossible paths from what should not happen."""
        signal, backend, reason = swallowed(), os.environ.get("MPLBACKEND"), " ".join(str(error).split())
        if signal:
            return self._interrupted(signal)
        if memory_is_short(error):
            note_short_memory()
            what = f"there is too little memory ({plain(reason)[:200] or type(error).__name__})"
            smaller = "" if _is_of_import(error) else ", or use a smaller --batch-size or --image-size"
            self._print_error(f"{what}: give it more{smaller}")
        elif backend and isinstance(error, ValueError) and reason.startswith("Key backend:"):  # on matplotlib's import
            self._print_error(f"MPLBACKEND: matplotlib has no backend '{plain(backend)}': unset it")
        elif isinstance(error, OSError) and error.errno in _OF_PATHS and error.filename is not None:
            name = plain(os.fsdecode(error.filename))
            self._print_error(f"'{name[:200]}' cannot be looked up ({error.strerror}): check the path")
        else:
            return self._unexpected(error)
        return ExitCode.USAGE

    def _unnameable(self, error: UnicodeEncodeError) -> ExitCode:
        """Say that files cannot be named in the locale's encoding, which is UTF-8 almost everywhere."""
        if sys.getfilesystemencoding() == "utf-8":
            return self._unexpected(error)
        name, encoding = plain(error.object), sys.getfilesystemencoding()
        self._print_error(f"'{name}' cannot be the name of a file in this locale ({encoding}): set PYTHONUTF8=1")
        return ExitCode.OUTPUT

    def _unexpected(self, error: Exception) -> ExitCode:
        self._phases.stop()
        if self._verbose:
            lines = map(plain, traceback.format_exc().splitlines())
            self._err.print("\n".join(lines), markup=False, soft_wrap=True)
        what = " ".join(f"{type(error).__name__}: {error}".split())
        self._print_error(f"unexpected {what}: run it with --verbose to see where, and report that")
        return ExitCode.UNEXPECTED

    def _print_error(self, message: str) -> None:
        self._err.print(f"[bold red]error:[/bold red] {escape(message)}")


def _is_of_import(error: Exception) -> bool:
    """Return whether memory was short when a library was loaded, which takes as much whatever the work."""
    return isinstance(error, ImportError) or "failed to map segment from shared object" in str(error)


def number(value: float | None) -> str:
    """Write a number for a table; None is undefined, which is not 0."""
    return "undefined" if value is None else f"{value:z.3f}"


def in_words(row: Prediction, provenance: Provenance) -> str:
    """Return the predicted class with its probability; of a multi-label table all classes of at least 0.5."""
    names = provenance.class_names
    if row.predicted is None or row.probabilities is None:
        return "no prediction"
    if not provenance.multi_label:
        return f"{names[row.predicted]} ({row.confidence:.3f})"
    said = row.document(names, multi_label=True)["class"]
    return ", ".join(f"{name} ({row.probabilities[names.index(name)]:.3f})" for name in said) or "none of the classes"
