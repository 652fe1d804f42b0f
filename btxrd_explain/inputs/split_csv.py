"""The split CSV: which image belongs to which split, with which label."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING

from btxrd_explain.core.labels import Truth, label_from_columns
from btxrd_explain.errors import InputError
from btxrd_explain.system.files import read_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

COLUMNS = ("image_id", "split", "label")
_MAX_COLUMNS = 1_000
"""A line that lacks cells gets them all, so that short lines under a long header would take time without bounds."""
_MAX_BYTES = 2**29
"""A table of ten million radiographs has 300 MiB."""


_TRAINING = frozenset({"train", "training", "trn"})


def is_training(split: str) -> bool:
    """Return whether a split is that of the training, by its name in any case."""
    return split.casefold() in _TRAINING


@dataclass(frozen=True, slots=True)
class SplitRow:
    """One image of a split CSV.

    Attributes:
        image_id: The image's name as the file gives it, perhaps without suffix or with folders.
        split: Name of the split; None where the cell is empty.
        label: The true class, or what is said of several (:mod:`btxrd_explain.core.labels`); None where nothing is.
    """

    image_id: str
    split: str | None
    label: str | None


@dataclass(frozen=True, slots=True)
class SplitTable:
    """The content of a split CSV.

    Attributes:
        rows: The images in the order of the file, each once.
        notes: What was passed over, one line each.
    """

    rows: tuple[SplitRow, ...]
    notes: tuple[str, ...]


def read_split_csv(path: Path, class_names: Sequence[str] | None = None) -> SplitTable:
    """Read a split CSV with the columns ``image_id``, ``split`` and ``label``, or one column of 0 and 1 per class.

    Columns may stand in any order among others, separated by commas, semicolons or tabs; spaces around cells,
    a byte order mark and empty lines do not matter.

    Args:
        path: The CSV file, UTF-8.
        class_names: See :func:`read_split_lines`.

    Returns:
        The rows and notes.

    Raises:
        InputError: The file cannot be read, lacks a column, or names an image twice with different values.
    """
    rows: dict[str, tuple[SplitRow, int]] = {}
    repeated = 0
    notes, lines = read_split_lines(path, class_names)
    for line, cells in lines:
        image_id = cells["image_id"]
        if not image_id:
            raise InputError(f"'{path}', line {line}: image_id is empty", hint="fill it in, or remove the line")
        row = SplitRow(image_id, cells["split"] or None, cells["label"] or None)
        first, first_line = rows.setdefault(image_id, (row, line))
        if first != row:
            raise InputError(
                f"'{path}': '{image_id}' is {_describe(first)} in line {first_line}, {_describe(row)} in line {line}",
                hint="keep one of the lines",
            )
        repeated += first_line != line
    if repeated:
        notes.append(f"'{path}' repeats {repeated} line{'s' if repeated > 1 else ''}")
    return SplitTable(tuple(row for row, _ in rows.values()), tuple(notes))


# A table without a column ``label`` may have a column per class, as those of CheXpert and MIMIC-CXR do.

_TRUTHS: dict[str, Truth] = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}
_UNCERTAIN = frozenset({"-1", "-1.0"})
"""What CheXpert writes of a finding that the report leaves open."""


def read_split_lines(
    path: Path, class_names: Sequence[str] | None = None
) -> tuple[list[str], Iterable[tuple[int, dict[str, str]]]]:
    """Read the lines of a split CSV, whatever they say.

    Without a column ``label`` the label is made of columns of 0 and 1, one per class; empty cells and -1 leave a class
    unknown.

    Args:
        path: The CSV file, UTF-8.
        class_names: The classes, in any case; None takes all columns that hold nothing but 0, 1, -1 and empty cells.

    Returns:
        Notes, and line number and cells of each line, as :func:`read_csv` yields them, ``label`` always among them.

    Raises:
        InputError: The file cannot be read, lacks a column, or a class's column holds something else.
    """
    header, lines = _open_csv(path)
    names = [name.lower() for name in header]
    if "label" in names or not {"image_id", "split"} <= set(names):
        check_header(path, names, COLUMNS)
        return [], ((line, _cells(names, values)) for line, values in lines)
    rows = [(line, _cells(names, values)) for line, values in lines]
    columns = _class_columns(header, rows, class_names)
    check_header(path, names, ("image_id", "split", *columns) if columns else COLUMNS)
    for line, cells in rows:
        cells["label"] = label_from_columns({name: _truth(path, line, cells, name) for name in columns.values()}) or ""
    uncertain = sum(cells[name.lower()] in _UNCERTAIN for _, cells in rows for name in columns.values())
    note = f"'{path}' has no column label: its columns {', '.join(columns.values())} are classes; empty is unknown"
    return [note + (f", and so are {uncertain} cells of -1" if uncertain else "")], rows


def _class_columns(
    header: Sequence[str], rows: Sequence[tuple[int, dict[str, str]]], class_names: Sequence[str] | None
) -> dict[str, str]:
    """Return the columns of classes by their names in small letters."""
    others = {name.lower(): name for name in header if name and name.lower() not in COLUMNS}
    if class_names is not None:
        known = {name.lower() for name in class_names}
        return {key: name for key, name in others.items() if key in known}
    values = {key: {cells[key].lower() for _, cells in rows} for key in others}
    allowed = {*_TRUTHS, *_UNCERTAIN, ""}
    return {key: name for key, name in others.items() if values[key] <= allowed and values[key] & _TRUTHS.keys()}


def _truth(path: Path, line: int, cells: dict[str, str], name: str) -> Truth:
    text = cells[name.lower()].lower()
    if text and text not in _TRUTHS and text not in _UNCERTAIN:
        raise InputError(
            f"'{path}', line {line}: '{name}' is '{text}'", hint="write 1 (true), 0 (false), or nothing (unknown)"
        )
    return _TRUTHS.get(text)


def read_csv(path: Path, required: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """Read a table of text with a header line.

    Args:
        path: The file, UTF-8, separated by commas, semicolons or tabs.
        required: Columns that must be there, in lower case.

    Yields:
        Line number and cells of each line that is not empty; cells are stripped and keyed by the column's name in
        lower case, and those that a short line lacks are empty.

    Raises:
        InputError: The file cannot be read, or a column is not there, or twice.
    """
    names, lines = _open_csv(path)
    header = [name.lower() for name in names]
    check_header(path, header, required)
    for line, values in lines:
        yield line, _cells(header, values)


def _open_csv(path: Path) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Return the names of the columns, and line number and cells of each line that is not empty."""
    lines = _read_lines(path)
    _, names = next(lines, (1, []))
    return [name.strip() for name in names], lines


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


def _read_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells of each line that is not empty."""
    try:
        text = StringIO(_read_text(path), newline="")
        reader = csv.reader(text, delimiter=_delimiter(text), skipinitialspace=True, strict=True)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except OSError as error:
        raise InputError(f"cannot read '{path}' ({error.strerror or error})", hint="check the path") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"'{path}' is not a table of text ({error})", hint="save it as CSV in UTF-8") from error


def _read_text(path: Path) -> str:
    data = read_whole(path, _MAX_BYTES)
    if data is None:
        raise InputError(f"'{path}' has more than {_MAX_BYTES // 2**20} MiB", hint="name a table of images")
    return data.decode("utf-8-sig")


def _delimiter(text: StringIO) -> str:
    """Return what separates the header's cells; the text is at its start again."""
    header = next((line for line in text if line.strip()), "")
    text.seek(0)
    return max(",;\t", key=header.count)


def _cells(header: list[str], values: list[str]) -> dict[str, str]:
    padded = values + [""] * (len(header) - len(values))
    return {name: value.strip() for name, value in zip(header, padded, strict=False)}


def _describe(row: SplitRow) -> str:
    return f"({row.split or 'no split'}, {row.label or 'no label'})"
