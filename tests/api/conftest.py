"""What tests of the library share."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

_PROGRAM = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "pandas":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import btxrd_explain as bx
try:
    CALL
except ImportError as error:
    print(error)
"""


@pytest.fixture(scope="session")
def without_pandas() -> Callable[[str], str]:
    """Make a call in a process in which pandas is not installed; return the ImportError that it raises."""

    def run(call: str) -> str:
        command = [sys.executable, "-c", _PROGRAM.replace("CALL", call)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    return run
