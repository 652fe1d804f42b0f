"""Writing tables: a file whole or not at all, or a folder that grows by whole files.

While a run computes, its rows go to a log, batch by batch, and from there to small files of a folder, each of them
whole or not at all. For a partitioned table that folder is the table. For a table in a single file it is a journal
next to it: when all is done the table is written next to its old version and takes its place at once; then the journal
goes. A run that is killed leaves whole files and a log behind, and the next run with the same fingerprint takes their
rows over.

In an object store nothing can be appended, renamed or locked. There a run has no log, and writes its files by units of
images: which images are a unit follows from all that are asked for, and the name of a file from its images. So two
processes that work on the same images, or one that tries again, write the same files, and no row is there twice.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from contextlib import suppress
from operator import attrgetter
from threading import Lock
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from btxrd_explain.errors import TableError, UnreachableTableError
from btxrd_explain.predictions.log import RowLog
from btxrd_explain.predictions.part import open_part, rows_per_group
from btxrd_explain.predictions.schema import file_schema, to_file_batch
from btxrd_explain.predictions.table import open_table, table_files
from btxrd_explain.system.files import atomic_write, remove
from btxrd_explain.system.locks import remove_leftovers
from btxrd_explain.system.memory import make_room_for_arrow
from btxrd_explain.system.places import check_own, foreign, is_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from btxrd_explain.predictions.provenance import Provenance
    from btxrd_explain.predictions.record import Prediction
    from btxrd_explain.predictions.table import PredictionTable

_ROWS_PER_PART = 256
"""So many rows move from the log to a file together, or are a unit where there is no log."""
_OF_JOURNAL = re.compile(r"part-[0-9a-f]{16}\.parquet|\.log")
"""The files of a journal; but for temporary ones, nothing else in its folder was made by this tool."""


def write_table(path: Path, provenance: Provenance, rows: Iterable[Prediction]) -> int:
    """Write a table whole or not at all, streaming its rows.

    Args:
        path: The parquet file; replaced when all rows are written.
        provenance: How the rows were made.
        rows: In the order of the table, which is that of ``image_id``.

    Returns:
        How many rows were written.

    Raises:
        OutputError: The file cannot be written.
    """
    schema = file_schema(provenance)
    count = 0
    make_room_for_arrow()
    with atomic_write(path) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for group in _groups(rows, rows_per_group(provenance)):
            writer.write_batch(to_file_batch(group, provenance), row_group_size=len(group))
            count += len(group)
    return count


def write_part(folder: Path, provenance: Provenance, rows: Sequence[Prediction]) -> Path:
    """Write some rows to a file of their own; when this returns they survive a crash.

    The file's name depends on the images alone: whoever computes the same images again replaces it.

    Args:
        folder: The folder of the table; made if missing.
        provenance: How the rows were made.
        rows: In the order of ``image_id``.

    Returns:
        The file.

    Raises:
        OutputError: The file cannot be written.
    """
    digest = hashlib.sha256("\0".join(row.image_id for row in rows).encode("utf-8", "surrogatepass"))
    path = folder / f"part-{digest.hexdigest()[:16]}.parquet"
    write_table(path, provenance, rows)
    return path


class GrowingFolder:
    """A folder of files that grows while a run computes, by a batch at a time.

    Args:
        folder: The folder of a partitioned table, or a journal.
    """

    def __init__(self, folder: Path) -> None:
        """Name the folder; nothing is written yet."""
        self.folder = folder
        self._log = RowLog(folder)
        self._open: list[Prediction] = []
        self._turn = Lock()

    def append(self, provenance: Provenance, rows: Sequence[Prediction]) -> None:
        """Append some rows, in any order and from any thread; when this returns they survive a crash.

        Raises:
            OutputError: They cannot be written.
        """
        with self._turn:
            self._log.append(provenance, rows)
            self._open += rows
            if len(self._open) >= _ROWS_PER_PART:
                self.settle(provenance)

    def settle(self, provenance: Provenance) -> None:
        """Move the rows of the log to a file, where every reader of the table finds them.

        Raises:
            OutputError: It cannot be written.
        """
        if self._open:
            write_part(self.folder, provenance, sorted(self._open, key=attrgetter("image_id")))
            self._open = []
        self._log.clear()

    def recover(self) -> None:
        """Move what a killed run left in the log to a file.

        Raises:
            TableError: A file of the folder is damaged.
            OutputError: The file cannot be written.
        """
        for provenance, rows in self._log.read():
            self._open += self._not_in_files(provenance, rows)
        if self._open:
            self.settle(provenance)
        self._log.clear()

    def _not_in_files(self, provenance: Provenance, rows: list[Prediction]) -> list[Prediction]:
        """Return rows that no file holds: a run may have ended when the file was there, and before the log was gone."""
        if not table_files(self.folder):
            return rows
        table = open_table(self.folder)
        if table.provenance.fingerprint != provenance.fingerprint:
            return []
        index = table.index()
        return [row for row in rows if index.find(row.image_id) is None]


class Units:
    """A folder in a store that grows while a run computes, by a unit of images at a time.

    Args:
        folder: The URL of the folder of a partitioned table, or of a journal.
        asked: The ``image_id`` of all images that are asked for, in the order of the table.
        pending: Those of them that are computed.
        check: Called before anything is written; may raise.
    """

    def __init__(
        self, folder: Path, asked: Iterable[str], pending: Iterable[str], check: Callable[[], None] = lambda: None
    ) -> None:
        """Cut what is asked for into units; nothing is written yet."""
        self._folder, self._check = folder, check
        computed = set(pending)
        self._unit = {name: place // _ROWS_PER_PART for place, name in enumerate(asked) if name in computed}
        self._due = Counter(self._unit.values())
        self._open: defaultdict[int, list[Prediction]] = defaultdict(list)
        self._turn = Lock()

    def append(self, provenance: Provenance, rows: Sequence[Prediction]) -> None:
        """Append some rows, in any order and from any thread; those of units that are complete survive a crash.

        Raises:
            OutputError: They cannot be written.
        """
        with self._turn:
            for row in rows:
                unit = self._unit[row.image_id]
                self._open[unit].append(row)
                if len(self._open[unit]) == self._due[unit]:
                    self._write(provenance, unit)

    def settle(self, provenance: Provenance) -> None:
        """Write the rows of units that will not be complete, as where a run stops early.

        Raises:
            OutputError: They cannot be written.
        """
        for unit in list(self._open):
            self._write(provenance, unit)

    def _write(self, provenance: Provenance, unit: int) -> None:
        self._check()
        write_part(self._folder, provenance, sorted(self._open.pop(unit), key=attrgetter("image_id")))


class Journal(GrowingFolder):
    """The rows that a run has computed so far for a table in a single file."""

    def __init__(self, table: Path) -> None:
        """Name the journal of a table; nothing is written yet."""
        super().__init__(table.with_name(f".{table.name}.journal"))

    def reopen(self, fingerprint: str) -> PredictionTable | None:
        """Open what an interrupted run left behind; None where that is nothing.

        Damaged files are removed, and so is a journal of another fingerprint: their rows must be recomputed anyway.
        What is not of this tool is never followed, read or removed.

        Args:
            fingerprint: Fingerprint of the present request.

        Raises:
            OutputError: What is in the log cannot be moved to a file, or something else has the journal's name or is in
                its folder.
        """
        files = self._files()
        for path in files:
            if not _OF_JOURNAL.fullmatch(path.name):
                raise foreign(path, "something")
            if not is_url(path):
                check_own(path)
        if not files:
            self.discard()
            return None
        try:
            if not is_url(self.folder):  # where files are whole, and there is no log
                self._remove_damaged()
                self.recover()
            table = open_table(self.folder)
            if table.provenance.fingerprint == fingerprint:
                table.index()
                return table
        except UnreachableTableError:
            raise
        except TableError:
            pass  # as good as none
        self.discard()
        return None

    def discard(self) -> None:
        """Remove the journal's own files; its rows are in the table, or are of no use."""
        own = [path for path in self._files() if _OF_JOURNAL.fullmatch(path.name)]
        if is_url(self.folder):
            for path in own:
                remove(path)
            return
        for path in own:
            with suppress(OSError):
                path.unlink()
        remove_leftovers(self.folder)
        with suppress(OSError):  # there is something else in it, or it never was
            self.folder.rmdir()

    def _files(self) -> list[Path]:
        """Return what is in the folder, sorted; other hidden files, such as file managers leave, are passed over.

        Raises:
            OutputError: The folder is a link, or not a folder.
        """
        if is_url(self.folder):
            return table_files(self.folder)
        check_own(self.folder, folder=True)
        found = sorted(self.folder.iterdir()) if self.folder.exists() else []
        return [path for path in found if _OF_JOURNAL.fullmatch(path.name) or not path.name.startswith(".")]

    def _remove_damaged(self) -> None:
        for path in table_files(self.folder):
            try:
                open_part(path).light()
            except TableError:
                with suppress(OSError):
                    path.unlink()


def _groups(rows: Iterable[Prediction], most: int) -> Iterator[list[Prediction]]:
    """Yield lists of at most so many rows."""
    group: list[Prediction] = []
    for row in rows:
        group.append(row)
        if len(group) == most:
            yield group
            group = []
    if group:
        yield group
