"""The errors that users meet, each class with the exit code of the command that it ends.

| code | meaning |
|-----:|---------|
| 0 | all went well |
| 1 | the run finished, but some files failed (each is named in table and summary), or `check` found something |
| 2 | usage or settings: a flag, a key or a value is wrong, or takes more memory than there is |
| 3 | checkpoint: it cannot be read safely, does not fit the architecture, or has one output |
| 4 | input: nothing to work on, a needed file that cannot be read, or one that is named like another in the table |
| 5 | predictions table: missing, damaged, or not what the command needs |
| 6 | output: a result cannot be written, or something else lies under a name of the tool's own |
| 7 | cluster: Ray is not there, or its workers cannot do the work |
| 70 | something that should not happen: --verbose shows where |
| 129, 143 | ended by SIGHUP (the terminal was closed) or SIGTERM (`kill`, a cluster); the same command goes on |
| 130 | interrupted (Ctrl-C); the same command goes on where it stopped |
| 141 | the reader of a pipe closed it; the command did its work all the same |
"""

from __future__ import annotations

from enum import IntEnum

from btxrd_explain.plain import plain


class ExitCode(IntEnum):
    """Exit codes of the command line tool."""

    OK = 0
    SOME_FILES_FAILED = 1
    USAGE = 2
    CHECKPOINT = 3
    INPUT = 4
    TABLE = 5
    OUTPUT = 6
    ENGINE = 7
    UNEXPECTED = 70
    HUNG_UP = 129
    INTERRUPTED = 130
    BROKEN_PIPE = 141
    TERMINATED = 143


_SHORT_OF_MEMORY = (
    *("not enough memory", "out of memory", "can't allocate memory", "cannot allocate memory"),
    *("failed to map segment from shared object", "can't start new thread", "failed to launch worker thread"),
)
"""How devices without an exception of their own for it (CPU, MPS), the system, its loader of libraries, and Arrow say
that memory is short; a thread needs some for its stack."""


def memory_is_short(error: Exception) -> bool:
    """Return whether an error says that there is too little memory.

    >>> memory_is_short(MemoryError()), memory_is_short(RuntimeError("DefaultCPUAllocator: not enough memory"))
    (True, True)
    """
    return isinstance(error, MemoryError) or any(text in str(error).lower() for text in _SHORT_OF_MEMORY)


_LONGEST = 1000
"""Characters of a message: names and reasons that come from a damaged or hostile file can be megabytes."""


class BtxrdExplainError(Exception):
    """Base of all errors that this package raises on purpose.

    The message is one line: what is wrong, where, and what to do about it. What it quotes from a file can neither
    break the line nor reach a terminal as an escape sequence, nor make it endless.

    Args:
        message: What is wrong and where.
        hint: What to do, as an imperative sentence without a full stop.

    >>> print(InputError("no radiographs in 'scans/'", hint="name a folder that holds .jpeg or .png files"))
    no radiographs in 'scans/': name a folder that holds .jpeg or .png files
    """

    exit_code: ExitCode = ExitCode.SOME_FILES_FAILED

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        """Join message and hint into the one line that users see."""
        ending = "" if hint is None else f": {_line(hint, _LONGEST // 2)}"
        self.message = _line(message, _LONGEST - len(ending))
        self.hint = hint
        super().__init__(self.message + ending)


def _line(text: str, longest: int) -> str:
    r"""Return a text as one line of so many characters at most; the middle of a longer one gives way.

    >>> print(_line("IMG\x1b[31m 1\n.png", 100), _line("0123456789", 9))
    IMG\x1b[31m 1\n.png 01 ... 89
    """
    if len(text) > 2 * longest:  # no sign becomes shorter
        text = text[:longest] + text[-longest:]
    line = plain(text)
    half = (longest - len(" ... ")) // 2
    return line if len(line) <= longest else f"{line[:half]} ... {line[-half:]}"


class SettingsError(BtxrdExplainError, ValueError):
    """A setting has an unknown name, a wrong type or a value out of range; for callers from Python a ValueError."""

    exit_code = ExitCode.USAGE


class CheckpointError(BtxrdExplainError):
    """A checkpoint cannot be loaded safely or does not fit the network."""

    exit_code = ExitCode.CHECKPOINT


class InputError(BtxrdExplainError):
    """The input of a run is missing or unusable as a whole."""

    exit_code = ExitCode.INPUT


class RadiographError(InputError):
    """One image file cannot be read as a radiograph.

    Args:
        message: What is wrong and where.
        hint: What to do.
        sha256: Hash of the content that is not a radiograph; None where the content could not be read.
    """

    def __init__(self, message: str, *, hint: str | None = None, sha256: str | None = None) -> None:
        """Keep what tells the file from another one of its name."""
        super().__init__(message, hint=hint)
        self.sha256 = sha256


class FailedFileError(BtxrdExplainError):
    """A file failed, and --strict stops the run."""


class AnnotationError(InputError):
    """One annotation file cannot be read as an annotation of its radiograph."""


class AnnotationSizeError(AnnotationError):
    """An annotation is of an image of another size than the radiograph.

    Args:
        message: What is wrong and where.
        hint: What to do.
        image: Height and width of the radiograph in pixels.
        annotation: Height and width of the image that was annotated.
    """

    def __init__(self, message: str, *, hint: str, image: tuple[int, int], annotation: tuple[int, int]) -> None:
        """Keep both sizes."""
        super().__init__(message, hint=hint)
        self.image, self.annotation = image, annotation


class TableError(BtxrdExplainError):
    """A predictions table is missing, damaged or does not hold what is asked of it."""

    exit_code = ExitCode.TABLE


class OtherFileError(TableError):
    """A file that is named as a predictions table was never one, and is not to be overwritten as a damaged one."""


class UnreachableTableError(TableError):
    """What may be a predictions table cannot be reached, as in a store that does not answer; it may well be whole."""


class OutputError(BtxrdExplainError):
    """A result cannot be written."""

    exit_code = ExitCode.OUTPUT


class EngineError(BtxrdExplainError):
    """The cluster that a run asks for is not there, or cannot do the work."""

    exit_code = ExitCode.ENGINE
