"""Lines of a table, whichever program wrote it: CSV in its dialects, or the first sheet of an Excel workbook."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from io import StringIO
from itertools import chain, islice
from typing import TYPE_CHECKING

from btxrd_explain.errors import InputError
from btxrd_explain.system.files import read_whole
from btxrd_explain.untrusted.documents import is_chinese
from btxrd_explain.untrusted.tables import workbook_lines

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

TRUTHS = {
    **dict.fromkeys(("1", "1.0", "true", "t", "yes", "y"), True),
    **dict.fromkeys(("0", "0.0", "false", "f", "no", "n"), False),
}
"""What cells say in columns of classes, in small letters."""
TABLE_SUFFIXES = (".csv", ".tsv", ".xlsx")
_MAX_BYTES = 2**29
"""A table of ten million radiographs has 300 MiB."""
_MAX_COLUMNS = 1_000
"""A line that lacks cells gets them all, so that short lines under a long header would take time without bounds."""
SEPARATORS = ",;\t|"
STATED_SEPARATOR = re.compile(r'"?sep=(.)"?,*\r?\n?', re.IGNORECASE)
"""The first line of a CSV from Excel may tell how its cells are separated."""
_WORKBOOK, _OLD_WORKBOOK = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_BYTE_ORDER_MARKS = {
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_UNSEEN = "\ufeff\u200b\u200e\u200f"
"""Characters that nobody sees, and that copying brings into cells."""
_MOST_ABOVE = 20
"""Lines among which the header is looked for: above it exports have a title, a date, an author."""

Line = tuple[int, list[str]]
"""Number and cells of a line."""


@dataclass(frozen=True, slots=True)
class OpenTable:
    """A table, of which the header is read.

    Attributes:
        names: Names of the columns, as the table has them.
        lines: The lines below the header that are not empty; cells have no blanks around them.
        notes: Which part of the file it is, one line each.
        guesses: In what it is not a plain table, and what that was taken for, one line each.
    """

    names: list[str]
    lines: Iterator[Line]
    notes: list[str]
    guesses: list[str]


def read_csv(path: Path, required: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """Read a table with a header line.

    Args:
        path: The file; see :func:`open_table`.
        required: Columns that must be there, in lower case; a header in another spelling counts.

    Yields:
        Line number and cells of each line that is not empty; cells are stripped and keyed by the column's name in
        lower case, and those that a short line lacks are empty.

    Raises:
        InputError: The file cannot be read, is not a plain table, or a column is not there, or twice.
    """
    table = open_table(path, required, required[:1])
    if table.guesses:
        raise InputError(table.guesses[0], hint="save it in UTF-8, with the names of the columns in the first line")
    names = [spelled_alike(name) if spelled_alike(name) in required else name.lower() for name in table.names]
    check_header(path, names, required)
    for line, values in table.lines:
        yield line, cells_by_name(path, line, names, values)


def open_table(path: Path, known: Collection[str], keys: Collection[str]) -> OpenTable:
    """Open a table.

    Args:
        path: A CSV file in UTF-8, UTF-16, UTF-32 or GB 18030, its cells separated by commas, semicolons, tabs or bars;
            or an Excel workbook, whatever its name.
        known: Names of columns, see :func:`spelled_alike`; the separator is that with which the header has most of
            them, else most cells.
        keys: Those of which the header has one. If the first line has none, the header is the first line that has one,
            and more cells than the lines above it.

    Returns:
        The table; reading its lines may raise the same error.

    Raises:
        InputError: It cannot be read, is not such a table, or is too large; the message names the line.
    """
    data = _content(path)
    notes: list[str] = []
    guesses: list[str] = []
    lines: Iterable[Line]
    if data.startswith(_WORKBOOK) or path.suffix.lower() == ".xlsx":
        lines, sheets = workbook_lines(path)
        if len(sheets) > 1:
            notes.append(f"'{path}' has {len(sheets)} sheets, of which the first one is read: '{sheets[0]}'")
    else:
        text, encoding = _decoded(path, data)
        lines = _csv_lines(path, text, known, keys)
        if encoding == "gb18030":
            guesses.append(f"'{path}' is not in Unicode, and looks like GB 18030 (Chinese)")
    filled = _filled(lines)
    first = list(islice(filled, _MOST_ABOVE)) or [(1, [])]
    place = _place_of_header([cells for _, cells in first], keys)
    if place:
        title = next(filter(None, first[0][1]))[:40]
        guesses.append(f"'{path}' has its header in line {first[place][0]}, and above it lines such as '{title}'")
    return OpenTable(first[place][1], chain(first[place + 1 :], filled), notes, guesses)


def _place_of_header(lines: Sequence[Sequence[str]], keys: Collection[str]) -> int:
    """Return which line names the columns; see :func:`open_table`."""
    counts = [sum(map(bool, cells)) for cells in lines]
    for place, cells in enumerate(lines):
        if any(spelled_alike(cell) in keys for cell in cells):
            return place if all(count < max(counts[place], 2) for count in counts[:place]) else 0
    return 0


def check_header(path: Path, header: Sequence[str], required: Sequence[str]) -> None:
    """Make sure that a table has its columns, each of them once, and no more columns than can be worked with.

    Raises:
        InputError: It does not.
    """
    absent = [name for name in required if name not in header]
    if absent:
        raise InputError(
            f"'{path}' has no column {' and '.join(absent)}; it has {', '.join(header) or 'none'}",
            hint=f"name the columns {', '.join(required)} in the first line",
        )
    twice = [name for name in required if header.count(name) > 1]
    if twice:
        raise InputError(f"'{path}' has two columns {twice[0]}", hint="keep one of them")
    if len(header) > _MAX_COLUMNS:
        raise InputError(f"'{path}' has more than {_MAX_COLUMNS:,} columns", hint="keep those that are needed")


def cells_by_name(path: Path, line: int, header: Sequence[str], values: Sequence[str]) -> dict[str, str]:
    """Return the cells of a line by the columns' names; those that a short line lacks are empty.

    Raises:
        InputError: The line has more cells than the header, and so perhaps a cell that was cut in two.
    """
    if any(values[len(header) :]):
        raise InputError(
            f"'{path}', line {line} has {len(values)} cells, and the header {len(header)}",
            hint="put cells that hold the separator, such as a decimal comma, in quotes",
        )
    return dict(zip(header, [*values, *[""] * (len(header) - len(values))], strict=False))


def _content(path: Path) -> bytes:
    """Return the bytes of a table."""
    try:
        data = read_whole(path, _MAX_BYTES)
    except OSError as error:
        raise InputError(f"cannot read '{path}' ({error.strerror or error})", hint="check the path") from error
    if data is None:
        raise InputError(f"'{path}' has more than {_MAX_BYTES // 2**20} MiB", hint="name a table of images")
    if data.startswith(_OLD_WORKBOOK):
        raise InputError(f"'{path}' is an Excel workbook of the old kind (.xls)", hint="save it as .xlsx or CSV")
    return data


def _filled(lines: Iterable[Line]) -> Iterator[Line]:
    """Yield the lines that are not empty, without blanks around their cells."""
    for number, cells in lines:
        stripped = [cell.strip().strip(_UNSEEN).strip() for cell in cells]
        if any(stripped):
            yield number, stripped


def spelled_alike(name: str) -> str:
    """Return a column's name in the spelling of this tool: in lower case, words joined by ``_``.

    >>> spelled_alike("Image ID"), spelled_alike("image-id"), spelled_alike("Image.Id")
    ('image_id', 'image_id', 'image_id')
    """
    return re.sub(r"[\s_.-]+", "_", name.strip().casefold()).strip("_")


def _decoded(path: Path, data: bytes) -> tuple[str, str]:
    """Return the text of a file, and its encoding."""
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS.items() if data.startswith(mark)), "utf-8-sig")
    if encoding == "utf-8-sig" and data[1:4:2] == b"\0\0":
        encoding = "utf-16-le"
    elif encoding == "utf-8-sig" and data[:1] == b"\0" == data[2:3]:
        encoding = "utf-16-be"
    try:
        return data.decode(encoding), encoding
    except UnicodeDecodeError as error:
        if encoding == "utf-8-sig" and is_chinese(data):
            return data.decode("gb18030", "replace"), "gb18030"
        line = data[: error.start].count(b"\n") + 1
        where = f"line {line} has the byte 0x{data[error.start]:02x}"
        raise InputError(
            f"'{path}' is not a table of text in {encoding[:6].removesuffix('-').upper()} ({where})",
            hint="save it as CSV in UTF-8",
        ) from error


def _csv_lines(path: Path, text: str, known: Collection[str], keys: Collection[str]) -> Iterator[Line]:
    """Yield number and cells of the lines of CSV."""
    file = StringIO(text, newline="")
    stated, before = STATED_SEPARATOR.fullmatch(file.readline()), 1
    if stated is None:
        file.seek(before := 0)
    separator = _separator(text, known, keys) if stated is None else stated[1]
    # A cell in quotes ends with an odd number of them; blanks behind it are not an error.
    blanks = re.compile(rf'(?<!")("(?:"")*)[ \u00a0]+(?={re.escape(separator)}|[\r\n]|$)')
    tidy = StringIO(blanks.sub(r"\1", file.read()), newline="")
    reader = csv.reader(tidy, delimiter=separator, skipinitialspace=True, strict=True)
    try:
        for cells in reader:
            yield reader.line_num + before, cells
    except csv.Error as error:
        raise InputError(
            f"'{path}' is not a table of text (line {reader.line_num + before}: {error})",
            hint="save it as CSV in UTF-8",
        ) from error


def _separator(text: str, known: Collection[str], keys: Collection[str]) -> str:
    """Return what separates the cells of the header."""
    first = list(islice((line for line in StringIO(text, newline=None) if line.strip()), _MOST_ABOVE))

    def worth(separator: str) -> tuple[int, int]:
        lines = [[cell.strip().strip(_UNSEEN) for cell in _cells(line, separator)] for line in first] or [[]]
        header = lines[_place_of_header(lines, keys)]
        return sum(spelled_alike(cell) in known for cell in header), len(header)

    return max(SEPARATORS, key=worth)


def _cells(line: str, separator: str) -> list[str]:
    """Return the cells of a line by itself."""
    try:
        return next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    except csv.Error:
        return []
