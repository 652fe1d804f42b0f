"""Tables that say more than they have bytes for: Excel workbooks, which are archives, and Parquet files."""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

from btxrd_explain.errors import InputError
from btxrd_explain.system.files import read_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import pyarrow.parquet as pq

_MAX_UNPACKED = 2**27
"""Bytes of a workbook's parts; BTXRD's have 4 MiB."""
_MAX_LINES = 2**20
"""As many as Excel knows."""
_MAX_CELLS = 10_000_000
_MOST_ROWS_PER_GROUP = 65_536
_MOST_BYTES_PER_GROUP = 2**30


def workbook_lines(path: Path) -> tuple[list[tuple[int, list[str]]], list[str]]:
    """Read the first sheet of an Excel workbook.

    Returns:
        Number and cells of its lines that are not empty, as text (whole numbers without decimals, empty cells as
        ``""``), and the names of the workbook's sheets.

    Raises:
        InputError: It cannot be read, is not a workbook, or holds more than a table of images.
    """
    from openpyxl import load_workbook

    try:
        with BytesIO(_read_bounded(path)) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl warns of styles and extensions, which hold no data
            sheets = load_workbook(file, read_only=True, data_only=True, keep_links=False).worksheets
            sheets[0].reset_dimensions()  # some programs write wrong ones, which would hide rows
            return list(_filled(path, sheets[0].iter_rows(values_only=True))), [sheet.title for sheet in sheets]
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"cannot read '{path}' ({error.strerror or error})", hint="check the path") from error
    except Exception as error:  # openpyxl raises whatever a damaged file provokes
        raise InputError(
            f"'{path}' is not an Excel workbook ({error})", hint="save the table as .xlsx or CSV"
        ) from error


def _read_bounded(path: Path) -> bytes:
    """Read a workbook, unless it would fill the memory; no part is unpacked further than to the size that it states."""
    data = read_whole(path, _MAX_UNPACKED)
    if data is None:
        raise _too_large(path)
    with ZipFile(BytesIO(data)) as parts:
        if sum(part.file_size for part in parts.infolist()) > _MAX_UNPACKED:
            raise _too_large(path)
    return data


def _filled(path: Path, lines: Iterable[tuple[Any, ...]]) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines that are not empty as text; a file may claim any number of empty lines and cells."""
    cells = 0
    for number, line in enumerate(lines, 1):
        cells += len(line)
        if number > _MAX_LINES or cells > _MAX_CELLS:
            raise _too_large(path)
        texts = [_text(value) for value in line]
        if any(texts):
            yield number, texts


def _too_large(path: Path) -> InputError:
    return InputError(f"'{path}' holds more than a table of images", hint="save the table alone as dataset.csv")


def _text(value: Any) -> str:  # noqa: ANN401 -- a cell holds whatever Excel knows
    """Return a cell's value as text; Excel keeps whole numbers as floats."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def check_extent(metadata: pq.FileMetaData, row_bytes: int, size: int) -> None:
    """Make sure that a Parquet file unfolds to no more than can be read: repeated values take almost no space.

    Args:
        metadata: The footer of the file.
        row_bytes: Bytes that a row takes at least once it is unfolded.
        size: Bytes of the file.

    Raises:
        ValueError: It would unfold to more.
    """
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    if metadata.num_rows != sum(group.num_rows for group in groups) or not 0 <= metadata.num_rows <= size:
        raise ValueError(f"it claims {metadata.num_rows} rows in {size} bytes")
    for group in groups:
        largest = max(group.total_byte_size, row_bytes * group.num_rows)
        if not 0 <= group.num_rows <= _MOST_ROWS_PER_GROUP or not 0 <= largest <= _MOST_BYTES_PER_GROUP:
            raise ValueError(f"{group.num_rows} of its rows are stored together and unfold to {largest} bytes")
