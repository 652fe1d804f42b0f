"""CSV files of annotations, read within bounds: separators, encodings and headers as programs write them."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from btxrd_explain.inputs.table_lines import SEPARATORS, STATED_SEPARATOR
from btxrd_explain.untrusted.documents import InvalidDocumentError, read_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_MAX_ROWS = 1_000_000


@dataclass(frozen=True, slots=True)
class TableFile:
    """A table.

    Attributes:
        columns: Names of the columns, in lower case.
        rows: Line number and cells by column of each row that is not empty.
        encoding: How the text is encoded.
        separator: What separates the cells.
    """

    columns: tuple[str, ...]
    rows: Sequence[tuple[int, Mapping[str, str]]]
    encoding: str
    separator: str


def read_table(path: Path, *, max_bytes: int, header_only: bool = False) -> TableFile:
    """Read a CSV file with a header.

    Args:
        path: The file.
        max_bytes: Largest size that is read.
        header_only: Whether rows are left out.

    Raises:
        InvalidDocumentError: It is not a table, or too large, or two columns have one name.
        OSError: It cannot be read.
    """
    text, encoding = read_text(path, max_bytes=max_bytes)
    stated = STATED_SEPARATOR.match(text)
    if stated:
        text = text[stated.end() :]
    separator = stated[1] if stated else max(SEPARATORS, key=text.partition("\n")[0].count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        columns = tuple(name.strip().lstrip("#").casefold() for name in next(lines, []))
        named = [name for name in columns if name]
        if len(set(named)) < len(named):
            raise InvalidDocumentError("expected columns of different names")
        filled = () if header_only else filter(any, lines)
        rows = [(lines.line_num, _row(columns, cells, lines.line_num)) for cells in filled]
    except csv.Error as error:
        raise InvalidDocumentError(f"expected a table ({error})") from error
    if len(rows) > _MAX_ROWS:
        raise InvalidDocumentError(f"expected at most {_MAX_ROWS:,} rows")
    return TableFile(columns, rows, encoding, separator)


def _row(columns: tuple[str, ...], cells: list[str], line: int) -> dict[str, str]:
    """Return the cells of a row by column; those that are missing at its end are empty."""
    if any(cells[len(columns) :]):  # such as a number with a decimal comma, cut in two
        raise InvalidDocumentError(f"line {line}: expected {len(columns)} cells, as in the header, got {len(cells)}")
    filled = [cell.strip() for cell in cells[: len(columns)]] + [""] * (len(columns) - len(cells))
    return dict(zip(columns, filled, strict=True))
