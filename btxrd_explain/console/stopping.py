"""Signals that ask a process to end, made as clean an end as Ctrl-C."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, NoReturn

from btxrd_explain.errors import ExitCode

if TYPE_CHECKING:
    from types import FrameType

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
"""Ctrl-C; sent by ``kill``, a cluster whose time is up, a machine that shuts down; and where a terminal is closed."""
_received: list[Stopped] = []


class Stopped(BaseException):
    """A signal asked this process to end; no KeyboardInterrupt, of which Typer makes an exit code of its own.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        """Keep the exit code that shells give to a process that the signal ended."""
        super().__init__()
        self.exit_code = ExitCode(128 + number)


def stop_on_signals() -> None:
    """Let the signals raise :class:`Stopped`; one that is ignored (``nohup``) stays so."""
    for name in _SIGNALS:
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def swallowed() -> Stopped | None:
    """Return the signal behind an error, where one came.

    A signal that arrives while C code imports a module may be swallowed there, and leaves half a module behind.
    """
    return _received[-1] if _received else None


def exit_code_of(stop: BaseException) -> ExitCode:
    """Return the exit code for what ended a command: a signal, or Ctrl-C where signals are not ours."""
    return stop.exit_code if isinstance(stop, Stopped) else ExitCode.INTERRUPTED


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    _received.append(Stopped(number))
    raise _received[-1]
