"""A process that has imported what the commands need, and forks a child for each command line that it reads.

Reads a JSON list of orders per line from the standard input, and starts a child for each of them at once; answers with
the children's process ids, and when they have ended with their exit codes, negative for a signal. A child has its own
streams, environment and exit code, as any process. What it does not show is how an interpreter starts, and how it takes
itself apart at the end: both cost seconds where so much is imported.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import runpy
import sys
import traceback
import warnings
from typing import TYPE_CHECKING, Any, NoReturn

from PIL import Image

import btxrd_explain
from btxrd_explain.console.process import leave_warnings_of_dependencies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LIBRARIES = (
    "torch",
    "timm",
    "cv2",
    "pandas",
    "pyarrow.parquet",
    "matplotlib.backends.backend_agg",
    "matplotlib.patheffects",
)
"""What commands import; pandas is not asked for, but pyarrow takes it along where it is installed."""


def main() -> None:
    """Import, and serve."""
    prepare()
    serve(live)


def prepare() -> None:
    """Import what children need, so that none has to."""
    with warnings.catch_warnings():
        leave_warnings_of_dependencies()  # as the tool does before it imports them
        for name in (*_LIBRARIES, *_modules()):
            importlib.import_module(name)
    Image.preinit()  # Pillow imports its formats with the first file
    gc.freeze()  # a collection in a child would copy every page


def _modules() -> Iterator[str]:
    """Yield all modules of the package."""
    for module in pkgutil.walk_packages(btxrd_explain.__path__, "btxrd_explain."):
        if not module.name.endswith("__main__"):
            yield module.name


def serve(life: Callable[..., NoReturn]) -> NoReturn:
    """Fork a child for each order, which lives its life with what the order says; until the standard input ends."""
    for line in sys.stdin:
        children = [_child(life, order) for order in json.loads(line)]
        for child in children:
            _say(child)
        for child in children:
            _say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    os._exit(0)  # to take so many modules apart takes seconds


def _child(life: Callable[..., NoReturn], order: dict[str, Any]) -> int:
    child = os.fork()
    if child == 0:
        life(**order)
    return child


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def live(arguments: list[str], folder: str, files: list[str], environment: dict[str, str], encoding: str) -> NoReturn:
    """Run ``python -m btxrd_explain`` in a folder, as the whole life of this process.

    Args:
        arguments: Those of the command line.
        folder: Where it is run.
        files: Where the standard input, output and error lead.
        environment: All of its variables.
        encoding: That of the three streams.
    """
    os.chdir(folder)
    sys.path[0] = folder
    os.environ.clear()
    os.environ.update(environment)
    for number, path in enumerate(files):
        handle = os.open(path, os.O_RDWR | os.O_CREAT)
        os.dup2(handle, number)
        os.close(handle)
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        errors = "backslashreplace" if name == "stderr" else "strict"
        stream = open(number, mode, encoding=encoding, errors=errors, closefd=False)  # noqa: SIM115 -- it lives as long as the process
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    sys.argv = ["btxrd-explain", *arguments]
    code: object = 0
    try:
        runpy.run_module("btxrd_explain", run_name="__main__", alter_sys=True)
    except SystemExit as stop:
        code = stop.code
    except BaseException:  # noqa: BLE001 -- whatever a command lets through is shown, as an interpreter does
        code = 1
        traceback.print_exc()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    main()
