"""How a command tells what it is doing, without printing."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

from btxrd_explain.errors import BtxrdExplainError, FailedFileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from btxrd_explain.finding import Finding
    from btxrd_explain.predictions.provenance import Provenance
    from btxrd_explain.predictions.record import Prediction


class Listener:
    """Told of a command's progress, and ignores it; an exception that a subclass raises ends the command cleanly."""

    def note(self, message: str) -> None:
        """Take one line that the user should know."""

    def warn(self, finding: Finding) -> None:
        """Take what looks right and may be wrong, and stops nothing; the same finding may come more than once."""

    def start(self, what: str, total: int) -> None:
        """Learn that ``total`` steps of ``what`` begin."""

    def advance(self, count: int = 1) -> None:
        """Learn that ``count`` steps are done."""

    def failed(self, image_id: str, what: str, reason: str) -> None:
        """Learn that the file of an image cannot be used; the others go on, and the command ends with exit code 1.

        Args:
            image_id: The image.
            what: What became of it, such as ``unreadable``.
            reason: Why.
        """

    def predicted(self, row: Prediction, provenance: Provenance, overlay: Path | None = None) -> None:
        """Take the row of a requested image as soon as it is known; rows come in the order of the table.

        Args:
            row: The row; its path starts at the working directory.
            provenance: How it was made.
            overlay: The picture of its heat map, where one was drawn.
        """


class AsWarnings(Listener):
    """Turns findings into Python's warnings: for calls from Python that name no other listener."""

    def warn(self, finding: Finding) -> None:
        """Warn."""
        from btxrd_explain.finding import FindingWarning  # noqa: PLC0415 -- pydantic
        from btxrd_explain.settings.flags import as_keywords  # noqa: PLC0415 -- likewise

        warnings.warn(as_keywords(str(finding)), FindingWarning, stacklevel=2)


@contextmanager
def called_from_python() -> Iterator[None]:
    """Let errors name keywords, where those of a command line name flags; a function may be decorated with it."""
    try:
        yield
    except BtxrdExplainError as error:
        from btxrd_explain.settings.flags import as_keywords  # noqa: PLC0415 -- pydantic

        error.message, error.hint = as_keywords(error.message), error.hint and as_keywords(error.hint)
        error.args = (as_keywords(str(error)),)
        raise


class WithoutRows(Listener):
    """Passes progress on to another listener, but no rows: for a command that uses inference on the way."""

    def __init__(self, listener: Listener) -> None:
        """Wrap a listener."""
        self._listener = listener

    def note(self, message: str) -> None:
        """Pass on."""
        self._listener.note(message)

    def warn(self, finding: Finding) -> None:
        """Pass on."""
        self._listener.warn(finding)

    def start(self, what: str, total: int) -> None:
        """Pass on."""
        self._listener.start(what, total)

    def advance(self, count: int = 1) -> None:
        """Pass on."""
        self._listener.advance(count)

    def failed(self, image_id: str, what: str, reason: str) -> None:
        """Pass on."""
        self._listener.failed(image_id, what, reason)


class Failures(WithoutRows):
    """Passes progress on to another listener, and keeps what failed.

    Args:
        listener: The other listener.
        strict: The first file that fails ends the command.
    """

    def __init__(self, listener: Listener | None, *, strict: bool) -> None:
        """Start without failures; no listener is a silent one."""
        super().__init__(listener or Listener())
        self._strict = strict
        self.reasons: dict[str, str] = {}
        """Why the file of an image failed, the first time, by ``image_id``."""

    def failed(self, image_id: str, what: str, reason: str) -> None:
        """Keep, and pass on.

        Raises:
            FailedFileError: That is wanted.
        """
        if self._strict:
            raise FailedFileError(
                f"stopped at '{image_id}', which is {what} ({reason})",
                hint="correct it or leave it out, or do without --strict",
            )
        self.reasons.setdefault(image_id, reason)
        super().failed(image_id, what, reason)
