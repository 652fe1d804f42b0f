"""What all fuzz tests share: how many examples they try, and what must hold whatever the input is.

A fuzz test gives its strategy ``@examples(quick=..., long=...)`` and hands what was drawn to :func:`outcome`:
reading hostile input either succeeds or ends with a documented error of one line, within bounds of time and memory,
without touching anything outside the test's own folder and without starting anything.
"""

from __future__ import annotations

import os
import resource
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from hypothesis import HealthCheck, settings

from btxrd_explain.errors import BtxrdExplainError
from tests.hostile.fuzz.watch import watching

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONG = bool(os.environ.get("BTXRD_EXPLAIN_FUZZ"))
"""Whether this is ``nox -s fuzz``, which tries the long number of examples, others each time."""

_MEMORY_IN_PAGES = Path("/proc/self/statm")

_SECONDS = 5.0 if LONG else 60.0
"""Processor time for one reading: a bound under ``nox -s fuzz``, and in the suite a guard against hanging."""

Result = TypeVar("Result")


def examples(*, quick: int, long: int) -> settings:
    """Return Hypothesis' settings for a fuzz test.

    Args:
        quick: Number of examples in the test suite, always the same ones: take a second's worth.
        long: Number of examples under ``nox -s fuzz``; it draws a seed and shows it as ``--hypothesis-seed``.
    """
    return settings(
        max_examples=long if LONG else quick,
        derandomize=not LONG,
        database=None,
        deadline=None,  # time is bounded by outcome, which measures the reading alone
        suppress_health_check=list(HealthCheck),
    )


def outcome(
    call: Callable[[], Result], *, folder: Path, seconds: float = _SECONDS, megabytes: int = 256
) -> Result | BtxrdExplainError:
    """Return what a call returns, or the documented error that it ends with; fail on everything else.

    Args:
        call: Reads what was drawn. Heavy packages that it needs are imported before, so that they do not count.
        folder: The one place where files may be read and written.
        seconds: Processor time that it may take; other work on the machine does not count.
        megabytes: Address space that it may take on top of what the process has.
    """
    started = time.process_time()
    with watching(folder) as violations, _memory_bounded(megabytes):
        result: Result | BtxrdExplainError
        try:
            result = call()
        except BtxrdExplainError as error:
            result = error
    took = time.process_time() - started
    assert not violations, violations
    assert took <= seconds, f"took {took:.1f} s"
    if isinstance(result, BtxrdExplainError):
        _check(result)
    return result


def _check(error: BtxrdExplainError) -> None:
    """Make sure that an error can be shown as one line, and did not hide that memory ran out."""
    assert str(error).isprintable(), repr(str(error))  # no line ends, no escape sequences, no bidi controls
    assert 0 < len(str(error)) <= 1000
    cause: BaseException | None = error
    while cause is not None:
        assert not isinstance(cause, MemoryError), "took too much memory"
        cause = cause.__cause__ or cause.__context__


@contextmanager
def _memory_bounded(megabytes: int) -> Iterator[None]:
    """Let allocations fail that go beyond what the process has by more than so much; where the system can tell."""
    if not _MEMORY_IN_PAGES.exists():
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_AS)
    has = int(_MEMORY_IN_PAGES.read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (has + megabytes * 2**20, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
