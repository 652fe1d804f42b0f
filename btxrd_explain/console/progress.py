"""The phases of a run: a bar with rate and time left while a person watches, and timings for those who ask."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from btxrd_explain.console.markup import escape

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Task


class Phases:
    """Shows one phase after the other.

    Args:
        console: Where to.
        bar: A bar is shown; it vanishes when its phase is done.
        timed: A line tells how long each phase took.
    """

    def __init__(self, console: Console, *, bar: bool, timed: bool) -> None:
        """Begin without a phase."""
        self._console = console
        self._bar = bar
        self._timed = timed
        self._progress: Progress | None = None
        self._what: str | None = None
        self._done = 0
        self._started = 0.0

    def start(self, what: str, total: int) -> None:
        """End the phase before, and begin one of ``total`` steps."""
        self.stop()
        self._what, self._done, self._started = what, 0, time.perf_counter()
        if self._bar and total:
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=None),
                MofNCompleteColumn(),
                _Rate(),
                TimeRemainingColumn(elapsed_when_finished=True),
                console=self._console,
                transient=True,
                expand=True,
            )
            self._progress.start()
            self._progress.add_task(escape(what), total=total)

    def advance(self, count: int) -> None:
        """Take note of steps that are done."""
        self._done += count
        if self._progress is not None:
            self._progress.advance(self._progress.task_ids[0], count)

    def stop(self) -> None:
        """End the phase, if there is one."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
        if self._timed and self._what is not None:
            seconds = time.perf_counter() - self._started
            rate = f", {rate_of(self._done / seconds)}" if self._done and seconds else ""
            self._console.print(f"[dim]{escape(self._what)}: {self._done} in {seconds:.2f} s{rate}[/dim]")
        self._what = None


class _Rate(ProgressColumn):
    """Steps per second, or seconds per step where one takes longer."""

    def render(self, task: Task) -> Text:
        """Show the rate once it is known."""
        speed = task.finished_speed or task.speed
        return Text(rate_of(speed) if speed else "", style="progress.data.speed")


def rate_of(speed: float) -> str:
    """Write a rate so that it can be grasped.

    >>> rate_of(28.51), rate_of(0.25)
    ('28.5/s', '4.0 s each')
    """
    return f"{speed:.1f}/s" if speed >= 1 else f"{1 / speed:.1f} s each"
