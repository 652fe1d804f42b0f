"""The command line in the process of a test."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

from typer.testing import CliRunner

from btxrd_explain.cli import app

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result


def run(*arguments: object, code: int | None = 0, stdin: bytes | str | None = None, cwd: Path | str = ".") -> Result:
    """Run a command line.

    Args:
        arguments: The command and what follows it; paths and numbers become text.
        code: The exit code that it must end with; None for any.
        stdin: What it finds on its standard input.
        cwd: The working directory.
    """
    words = [*map(str, arguments)]
    with contextlib.chdir(cwd):
        result = CliRunner().invoke(app, words, input=stdin)
    assert code in {None, result.exit_code}, f"{words}\n{result.output}{result.exception!r}"
    return result


def said(*arguments: object, code: int | None = 0) -> str:
    """Run a command line, and return all that it says as one line."""
    return " ".join(run(*arguments, code=code).output.split())


def told(*arguments: object, code: int | None = 0) -> Any:  # noqa: ANN401 -- JSON
    """Run a command with ``--json``, and return the document that it prints."""
    return json.loads(run(*arguments, "--json", code=code).stdout)
