"""What the project's documents tell readers to run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")


def blocks(text: str, language: str) -> list[str]:
    """Return the blocks of code in a language."""
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def commands(text: str) -> Iterator[str]:
    """Yield the lines of all blocks for the shell."""
    for block in blocks(text, "bash"):
        yield from block.strip().splitlines()


INSTALLING = [command for command in commands(README) if command.startswith("python3 -m venv")]
