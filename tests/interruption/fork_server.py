"""A server of :mod:`tests.support.fork_server` whose children may die before their time, and note what they compute."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import torch

from btxrd_explain import cli
from btxrd_explain.inference.compute import Explainer
from btxrd_explain.predictions import store
from tests.support.fork_server import prepare, serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from btxrd_explain.inference.reading import Prepared
    from btxrd_explain.predictions.record import Prediction

_CHANGES = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate"}
"""Events by which the interpreter tells that something on disk changes."""


def main() -> None:
    """Serve until the standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    prepare()
    store._ROWS_PER_PART = 24  # so that a few hundred rows fill several files
    serve(_live)


def _live(
    arguments: list[str],
    computed: str,
    output: str,
    dies_at: int | None,
    within: str,
    streams: list[str],
    dies_of: int,
) -> NoReturn:
    """Run a command as the whole life of this process."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    with open(output, "wb") as file:  # noqa: PTH123 -- its number matters
        for number, (name, kind) in enumerate(zip(("stdout", "stderr"), streams, strict=True), 1):
            os.dup2(_STREAMS[kind]() if kind else file.fileno(), number)
            if kind == "closed":
                os.close(number)
                setattr(sys, name, None)  # as in an interpreter that is started so
    torch.set_num_threads(1)
    _note_batches(Path(computed))
    if dies_at is not None:
        _die_at(dies_at, within, dies_of)
    sys.argv = ["btxrd-explain", *arguments]
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        cli.main()
    except SystemExit as stop:
        code = int(stop.code or 0)
    except KeyboardInterrupt:
        code = -signal.SIGINT
    if sys.stdout is not None:
        sys.stdout.flush()
    os._exit(code & 255)


def _pipe() -> int:
    """Return the end of a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def _terminal() -> int:
    """Return a terminal that is gone."""
    window, terminal = os.openpty()
    os.close(window)
    return terminal


_STREAMS: dict[str, Callable[[], int]] = {
    "closed": lambda: os.open(os.devnull, os.O_WRONLY),
    "full": lambda: os.open("/dev/full", os.O_WRONLY),
    "pipe": _pipe,
    "terminal": _terminal,
}


def _note_batches(path: Path) -> None:
    """Note the images of each batch before the network sees them."""
    explained = Explainer._explained

    def noted(self: Explainer, batch: list[Prepared]) -> list[Prediction]:
        with path.open("a") as file:
            file.write(json.dumps([item.row.image_id for item in batch]) + "\n")
        return explained(self, batch)

    Explainer._explained = noted  # type: ignore[method-assign]


def _die_at(number: int, within: str, signal_number: int) -> None:
    """Send this process a signal just before the change of that number within a folder; count fsync as one."""
    left = number

    def count() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal_number)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        changes = event in _CHANGES and (event != "open" or arguments[2] & os.O_CREAT)
        if changes and str(arguments[0]).startswith(within):
            count()

    fsync = os.fsync

    def counted(handle: int) -> None:
        count()
        fsync(handle)

    os.fsync = counted  # type: ignore[assignment]
    sys.addaudithook(hook)


if __name__ == "__main__":
    main()
