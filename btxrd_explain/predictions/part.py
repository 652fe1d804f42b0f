"""One Parquet file of a table: what it holds, and its rows in row groups."""

from __future__ import annotations

import hashlib
import os
from bisect import bisect_left
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from btxrd_explain.errors import OtherFileError, TableError, UnreachableTableError, memory_is_short
from btxrd_explain.predictions.checks import check_columns, check_rows
from btxrd_explain.predictions.provenance import Provenance
from btxrd_explain.predictions.schema import HEAVY_COLUMNS, LATER_COLUMNS, table_schema
from btxrd_explain.system.places import is_url, reaching
from btxrd_explain.untrusted.tables import check_extent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_ROWS_PER_GROUP = 1024
"""Rows are written and read in groups of this size at most: at 12 x 12 cells and 3 classes two megabytes."""
_BYTES_PER_GROUP = 2**26
"""What the grids of a group may take, however many classes there are."""
_ROWS_PER_BATCH = 256
_GROUPS_AT_ONCE = 16
"""Row groups that are read together where their rows are kept."""
_REPETITIVE = ("label", "split", "status", "error")
"""Columns of few different values, which are kept as dictionaries where all rows are in memory."""
_MAGIC = b"PAR1"
_LOWEST, _HIGHEST = "", "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Part:
    """One Parquet file, sorted by ``image_id``.

    Attributes:
        path: The file.
        provenance: How its rows were made.
        columns: The types of its columns, including those of ``keys``.
        keys: Columns that its folders name (``split=test/``) instead of the file, with their values.
        rows: How many rows it has.
        first: Its lowest ``image_id``, or a lower bound.
        last: Its highest ``image_id``, or an upper bound.
    """

    path: Path
    provenance: Provenance
    columns: Mapping[str, pa.DataType]
    keys: Mapping[str, str | None]
    rows: int
    first: str
    last: str

    def may_hold(self, image_ids: Sequence[str]) -> bool:
        """Return whether the file can hold one of some images, given sorted."""
        return _any_between(image_ids, self.first, self.last)

    def batches(self, image_ids: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Stream the rows with their grids, at most a row group at a time.

        Args:
            image_ids: Sorted; row groups that can hold none of these are passed over. None reads all.

        Raises:
            TableError: The file is damaged.
        """
        with _reading(self.path) as source, pq.ParquetFile(source) as file:
            self._check_of_one_run(file)
            ranges = _ranges(file.metadata)  # of the file as it is now: the same run may have added rows to it
            groups = [
                number for number, bounds in enumerate(ranges) if image_ids is None or _any_between(image_ids, *bounds)
            ]
            last = ""
            for group in groups:  # one by one: Arrow keeps all groups of an iteration in memory until its end
                for batch in file.iter_batches(_ROWS_PER_BATCH, row_groups=[group], columns=list(self._stored)):
                    last = self._checked(batch, after=last, within=ranges[group])
                    yield self._with_keys(batch)

    def light(self) -> pa.Table:
        """Return all rows without their grids.

        Raises:
            TableError: The file is damaged.
        """
        repetitive = [name for name in _REPETITIVE if name not in self.keys]
        with _reading(self.path) as source, pq.ParquetFile(source, read_dictionary=repetitive) as file:
            self._check_of_one_run(file)
            names = [name for name in self._stored if name not in HEAVY_COLUMNS]
            schema = pa.schema([file.schema_arrow.field(name) for name in names])
            ranges, numbers = _ranges(file.metadata), range(file.num_row_groups)
            runs = [numbers[start : start + _GROUPS_AT_ONCE] for start in numbers[::_GROUPS_AT_ONCE]]
            tables, last = [], ""
            for run in runs:
                tables.append(file.read_row_groups(list(run), columns=names).replace_schema_metadata())
                last = self._checked(tables[-1], after=last, within=(ranges[run[0]][0], ranges[run[-1]][1]))
        table = pa.concat_tables(tables or [schema.empty_table()])
        return self._with_keys(table).select([name for name in self.columns if name not in HEAVY_COLUMNS])

    def sha256(self) -> str:
        """Return the SHA-256 of the file, in hexadecimal digits.

        Raises:
            TableError: The file is damaged, or is not that of the run which it was opened as.
        """
        with _reading(self.path) as source, pq.ParquetFile(source) as file:
            self._check_of_one_run(file)
            source.seek(0)
            return hashlib.file_digest(source, "sha256").hexdigest()

    def _check_of_one_run(self, file: pq.ParquetFile) -> None:
        """Make sure that the file still is that of the run which it was opened as.

        Raises:
            TableError: Another process has put the table of another run in its place.
        """
        if Provenance.decode(file.schema_arrow.metadata).fingerprint != self.provenance.fingerprint:
            raise TableError(
                f"'{self.path}' was replaced by the table of another run while it was read",
                hint="run the command again",
            )

    @property
    def _stored(self) -> list[str]:
        """The columns to read from the file; whatever else it holds stays there."""
        return [name for name in self.columns if name not in self.keys]

    def _checked(self, rows: Any, *, after: str, within: tuple[str, str]) -> str:  # noqa: ANN401 -- a batch or a table
        """Make sure that rows mean something and come in order; return their last ``image_id``."""
        if not rows.num_rows:
            return after
        first, last = check_rows(rows, self.provenance)
        if not after < first or not within[0] <= first <= last <= within[1]:
            raise ValueError("its rows are not in the order of 'image_id', or not within the bounds that it gives")
        return last

    def _with_keys(self, rows: Any) -> Any:  # noqa: ANN401 -- a record batch or a table
        for name, value in self.keys.items():
            if name in LATER_COLUMNS:
                rows = rows.append_column(name, pa.nulls(rows.num_rows, self.columns[name]))
                continue
            values = pa.array([] if value is None else [value], pa.string())
            places = pa.repeat(pa.scalar(None if value is None else 0, pa.int32()), rows.num_rows)
            rows = rows.append_column(name, pa.DictionaryArray.from_arrays(places, values))
        return rows


def rows_per_group(provenance: Provenance) -> int:
    """Return how many rows are written and read together."""
    return max(1, min(_ROWS_PER_GROUP, _BYTES_PER_GROUP // _row_bytes(provenance)))


def _row_bytes(provenance: Provenance) -> int:
    """Return how many bytes the grids of a row take."""
    cells = provenance.grid.height * provenance.grid.width
    return (4 * provenance.explained.slots + 2 * provenance.random_channels) * cells


def open_part(path: Path, keys: Mapping[str, str | None] | None = None) -> Part:
    """Open one Parquet file; only its footer is read.

    Args:
        path: The file.
        keys: What the names of its folders say of columns that it may lack.

    Raises:
        TableError: The file is damaged, or holds no predictions.
    """
    if not is_url(path) and path.exists() and not path.is_file():
        raise OtherFileError(f"'{path}' is not a file", hint="name a .parquet file of 'infer', or a folder of them")
    with _reading(path) as source:
        metadata = pq.read_metadata(source)
        schema = metadata.schema.to_arrow_schema()
    try:
        provenance = Provenance.decode(schema.metadata)
    except TableError as error:
        raise TableError(f"'{path}': {error.message}", hint=error.hint) from error
    keys = {name: value for name, value in (keys or {}).items() if name not in schema.names}
    with _reading(path):
        check_columns(schema, provenance, keys)
        check_extent(metadata, _row_bytes(provenance), path.stat().st_size)
        fields = {field.name: field.type for field in table_schema(provenance)}
        keys = {**keys, **dict.fromkeys(name for name in LATER_COLUMNS if name not in schema.names)}
        columns = fields | {name: pa.string() for name in keys if name not in LATER_COLUMNS}
        ranges = _ranges(metadata)
    return Part(
        path=path,
        provenance=provenance,
        columns=columns,
        keys=keys,
        rows=metadata.num_rows,
        first=min((first for first, _ in ranges), default=_LOWEST),
        last=max((last for _, last in ranges), default=_HIGHEST),
    )


def _ranges(metadata: pq.FileMetaData) -> list[tuple[str, str]]:
    """Return bounds of the ``image_id`` in each row group; a file without statistics may hold any."""
    column = metadata.schema.names.index("image_id")
    groups = (metadata.row_group(number).column(column).statistics for number in range(metadata.num_row_groups))
    return [(group.min, group.max) if group and group.has_min_max else (_LOWEST, _HIGHEST) for group in groups]


def _any_between(image_ids: Sequence[str], first: str, last: str) -> bool:
    place = bisect_left(image_ids, first)
    return place < len(image_ids) and image_ids[place] <= last


class _Remote:
    """A file in a store, whose failures to answer are told from damage of the file.

    Args:
        path: Its ``UPath``.
    """

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            UnreachableTableError: The store does not answer, or has no such file.
        """
        self._path = path
        with answering(path):
            self._file = path.open("rb")
        self.close, self.seek, self.tell = self._file.close, self._file.seek, self._file.tell

    @property
    def closed(self) -> bool:
        """Whether the file is closed."""
        return self._file.closed

    def read(self, size: int = -1) -> bytes:
        """Return so many bytes, or the rest.

        Raises:
            UnreachableTableError: The store does not answer.
        """
        with answering(self._path):
            return self._file.read(size)


@contextmanager
def answering(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong on the way to a file into an error that says nothing of what is in it.

    Raises:
        UnreachableTableError: The file cannot be read.
    """
    try:
        with reaching(path):
            yield
    except OSError as error:
        raise UnreachableTableError(
            f"cannot read '{path}' ({error.strerror})", hint="check the URL, and credentials and rights"
        ) from error


def _opened(path: Path) -> pa.NativeFile:
    if is_url(path):
        return pa.PythonFile(_Remote(path), mode="r")
    return pa.OSFile(os.fsencode(path))  # Arrow would refuse a name as text that is not UTF-8


def _is_other(path: Path) -> bool:
    """Return whether a file was never a Parquet file: it does not begin as one. An empty one may have been."""
    try:
        with reaching(path), path.open("rb") as file:
            return file.read(len(_MAGIC)) not in {_MAGIC, b""}
    except OSError:
        return False


def refuse_other(path: Path) -> None:
    """Make sure that a table that is written takes the place of no file of another kind.

    Raises:
        OtherFileError: It would.
    """
    with answering(path):
        is_other = path.is_file() and _is_other(path)
    if is_other:
        raise OtherFileError(f"'{path}' is not a predictions table, and is not overwritten", hint="name another file")


@contextmanager
def _reading(path: Path) -> Iterator[pa.NativeFile]:
    """Open a file, and turn whatever a damaged one provokes into an error that names it."""
    try:
        with _opened(path) as source:
            yield source
    except (OSError, pa.ArrowException, ValueError, KeyError) as error:
        if memory_is_short(error):  # nothing is wrong with the file, which nobody must delete
            raise
        if _is_other(path):
            raise OtherFileError(
                f"'{path}' is not a predictions table", hint="name a .parquet file of 'infer'"
            ) from error
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TableError(
            f"the predictions table '{path}' is damaged ({reason})", hint="delete it and run 'btxrd-explain infer'"
        ) from error
