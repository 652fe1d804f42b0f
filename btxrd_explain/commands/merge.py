"""Make one table of several: the shards of a job array, or the files of a partitioned table."""

from __future__ import annotations

import heapq
import re
from collections import Counter
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from operator import attrgetter
from typing import TYPE_CHECKING

from btxrd_explain.core.labels import statements
from btxrd_explain.errors import OutputError, SettingsError, TableError
from btxrd_explain.predictions.part import answering, refuse_other
from btxrd_explain.predictions.record import RowStatus
from btxrd_explain.predictions.store import write_table
from btxrd_explain.predictions.table import assemble, is_folder, open_table, table_files
from btxrd_explain.progress import Listener
from btxrd_explain.system.files import relative_path
from btxrd_explain.system.locks import alone
from btxrd_explain.system.places import is_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from btxrd_explain.predictions.record import Prediction
    from btxrd_explain.predictions.table import PredictionTable

_SHARD = re.compile(r"(?P<table>.+)\.shard-(?P<number>\d+)-of-(?P<count>\d+)\.parquet")


@dataclass(frozen=True, slots=True)
class MergeResult:
    """What ``merge`` wrote.

    Attributes:
        table: The one table.
        rows: How many rows it has.
        failed: Those of them that have no prediction.
        labelled: Whether the label of a predicted one says something of the classes.
    """

    table: PredictionTable
    rows: int
    failed: tuple[Prediction, ...]
    labelled: bool


def run(parts: Sequence[Path], target: Path, listener: Listener | None = None) -> MergeResult:
    """Merge tables into one, which is written whole or not at all; its rows are those of a run that was never split.

    Args:
        parts: Parquet files, or folders of them; the URL of files may have ``*``, which no shell looks up.
        target: The Parquet file to write; it may be none of the parts.
        listener: Told of progress; None is silent.

    Returns:
        What was written.

    Raises:
        SettingsError: No part is named.
        TableError: A part is not a table, belongs to another run or has an image of another one, or a shard is missing.
        OutputError: The table cannot be written.
    """
    if not parts:
        raise SettingsError("no tables are named", hint="name Parquet files, or folders of them")
    if is_folder(target):
        raise OutputError(f"'{target}' is a folder", hint="name the file to write")
    refuse_other(target)
    parts = [file for part in parts for file in _found(part)]
    twice = [part for part, count in Counter(parts).items() if count > 1]
    if twice:
        raise TableError(f"'{twice[0]}' is named twice", hint="name each table once")
    _check_shards([file for path in parts for file in table_files(path)])
    tables = [open_table(path) for path in parts]
    whole = assemble(target, [part for table in tables for part in table.parts])
    listener = listener or Listener()
    listener.start("rows", sum(part.rows for part in whole.parts))
    failed: list[Prediction] = []
    labelled = False
    names = whole.provenance.class_names

    def rows() -> Iterator[Prediction]:
        nonlocal labelled
        for row in _merged(tables, target):
            if row.status is not RowStatus.OK:
                failed.append(row)
            labelled |= row.predicted is not None and bool(statements(row.label, names))
            listener.advance()
            yield row

    with alone(target, listener.note):
        count = write_table(target, whole.provenance, rows())
        return MergeResult(open_table(target), count, tuple(failed), labelled)


def _found(part: Path) -> list[Path]:
    """Return the objects that a pattern of a URL stands for; anything else as it is."""
    if not is_url(part) or "*" not in part.name:
        return [part]
    with answering(part):
        found = sorted(path for path in part.parent.iterdir() if fnmatchcase(path.name, part.name))
    if not found:
        raise TableError(f"there is nothing like '{part}'", hint="check the URL")
    return found


def _check_shards(files: Sequence[Path]) -> None:
    """Refuse to merge a job array of which a task has not finished."""
    found: dict[tuple[str, int], set[int]] = {}
    for match in filter(None, (_SHARD.fullmatch(file.name) for file in files)):
        found.setdefault((match["table"], int(match["count"])), set()).add(int(match["number"]))
    for table in {table for table, _ in found}:
        counts = sorted(count for name, count in found if name == table)
        if len(counts) > 1:
            of = " and ".join(map(str, counts))
            raise TableError(
                f"shards of {len(counts)} divisions of '{table}' are named, of {of}",
                hint=f"name those of one, such as {table}.shard-*-of-{counts[0]}.parquet",
            )
    for (_, count), numbers in found.items():
        missing = sorted(set(range(1, count + 1)) - numbers)
        if missing:
            named = ", ".join(f"{number}/{count}" for number in missing[:10])
            more = f" and {len(missing) - 10} more" if len(missing) > 10 else ""
            raise TableError(f"shards are missing: {named}{more}", hint="run 'btxrd-explain infer --shard' for them")


def _merged(tables: Sequence[PredictionTable], target: Path) -> Iterator[Prediction]:
    """Yield the rows of all tables in order, with paths as the target keeps them."""
    last = None
    for row in heapq.merge(*(_moved(table, target.parent) for table in tables), key=attrgetter("image_id")):
        if row.image_id == last:
            holders = [f"'{table.path}'" for table in tables if any(table.rows([row.image_id]))]
            raise TableError(
                f"'{row.image_id}' is in {' and '.join(holders[:2])}", hint="merge tables that share no image"
            )
        last = row.image_id
        yield row


def _moved(table: PredictionTable, folder: Path) -> Iterator[Prediction]:
    """Yield the rows of a table with paths that start at another folder."""
    if table.folder.absolute() == folder.absolute():
        yield from table.rows()
        return
    for row in table.rows():
        yield replace(row, path=row.path and relative_path(table.image_path(row), folder))
