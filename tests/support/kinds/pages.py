"""Pages whose tables say what becomes of each kind of input: the last columns of each row are what the program does.

A table begins with the columns of the input, such as ``file | what it holds``, which people write. The other columns
are the outcome. ``scripts/kinds.py`` writes the outcomes anew, and tests execute each row.
"""

from __future__ import annotations

import re
import tempfile
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Run = Callable[[Path, tuple[str, ...]], Sequence[str]]
    """From an empty folder and the cells of the input to the cells of the outcome."""

_ROWS = re.compile(r"(?m)^\| (?P<header>.*) \|\n\| -.*\n(?P<rows>(?:\| .*\|\n)+)")


class Row(NamedTuple):
    """A row of a table.

    Attributes:
        header: The header of its table, cells joined by `` | ``.
        given: The cells of the input.
        outcome: The cells that say what becomes of it.
    """

    header: str
    given: tuple[str, ...]
    outcome: tuple[str, ...]


def rows_of(page: str, runs: Mapping[str, Run]) -> Iterator[Row]:
    """Yield the rows of all tables whose header is known, one for each of the names in a first cell.

    Args:
        page: The page, in Markdown.
        runs: What executes the rows of a table, by its header.
    """
    for table in _ROWS.finditer(page):
        if table["header"] in runs:
            yield from _rows_in(table)


def _rows_in(table: re.Match[str]) -> Iterator[Row]:
    header = table["header"]
    given = 1 if header.startswith(("table |", "radiographs | names")) else 2
    for line in table["rows"].splitlines():
        first, *rest = (cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1])
        for name in first.split(", ") if _is_per_name(header) else [first]:
            yield Row(header, (name, *rest[: given - 1]), tuple(rest[given - 1 :]))


def _is_per_name(header: str) -> bool:
    """Return whether the names in a first cell are of so many rows, and not of one input of several files."""
    return header.startswith("file | what it holds") and not header.endswith("| error")


def executed(row: Row, runs: Mapping[str, Run]) -> tuple[str, ...]:
    """Return what becomes of the input of a row, as the cells of its outcome."""
    with tempfile.TemporaryDirectory() as folder:
        found = runs[row.header](Path(folder), row.given)
        return tuple(" ".join(text.replace(folder, "").split()).replace("|", "\\|") for text in found)


def written(page: str, runs: Mapping[str, Run]) -> str:
    """Return the page with the outcome of each row as it is today."""

    def table(found: re.Match[str]) -> str:
        header = found["header"]
        if header not in runs:
            return found[0]
        rows = [row._replace(outcome=executed(row, runs)) for row in _rows_in(found)]
        alike = groupby(rows, lambda row: ("" if _is_per_name(header) else row.given[0], *row.given[1:], *row.outcome))
        lines = [(", ".join(row.given[0] for row in same), *rest) for (_, *rest), same in alike]
        texts = [f"| {' | '.join(cells)} |".replace("|  |", "| |") for cells in lines]
        return "\n".join([*found[0].splitlines()[:2], *texts, ""])

    return _ROWS.sub(table, page)
