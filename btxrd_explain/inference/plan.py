"""Which rows of a table still hold, and which images must go through the network."""

from __future__ import annotations

import heapq
import os
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from btxrd_explain.errors import InputError, OtherFileError, SettingsError, TableError
from btxrd_explain.inputs.image_files import kind_of, why_no_file
from btxrd_explain.inputs.radiograph import why_unreadable
from btxrd_explain.plain import plain
from btxrd_explain.predictions.part import open_part
from btxrd_explain.predictions.provenance import differences, fingerprint
from btxrd_explain.predictions.record import Prediction, RowStatus
from btxrd_explain.predictions.store import GrowingFolder, Journal
from btxrd_explain.predictions.table import PredictionTable, open_table, table_files, table_folder
from btxrd_explain.system.files import relative_path, sha256_of, with_relative_paths
from btxrd_explain.system.places import in_folder, is_url, reaching

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from btxrd_explain.core.explained_classes import ExplainedClasses
    from btxrd_explain.inputs.record import Collection, ImageRecord
    from btxrd_explain.predictions.provenance import Provenance

_BY_ID = attrgetter("image_id")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to compute, and why; all other rows hold.

    Attributes:
        path: The table, a Parquet file or a folder of them.
        folder: The folder to which the paths in the table are relative.
        request: What decides about the rows.
        table: The table whose rows hold; None where there is none.
        journal: What an interrupted run computed; None where there is nothing.
        records: The images asked for that exist, in the order of the table.
        missing: The ``image_id`` of files that were named but do not exist.
        absent: Rows of those of them that neither table nor journal tells of, in the order of the table.
        pending: Images to compute, in the order of the table.
        stale: The ``image_id`` of rows in table and journal that do not hold as they are: to be computed, missing now,
            or with another label, split or place.
        current: True where the table on disk already says all that is asked.
        reasons: Why something must be computed, one line each; empty where nothing must.
        outdated: A table of another fingerprint that would be replaced; None where there is none.
        moved: The ``image_id`` of rows whose radiographs are somewhere else now, with the same content.
    """

    path: Path
    folder: Path
    request: Mapping[str, Any]
    table: PredictionTable | None
    journal: PredictionTable | None
    records: Sequence[ImageRecord]
    missing: tuple[str, ...]
    absent: tuple[Prediction, ...]
    pending: tuple[ImageRecord, ...]
    stale: frozenset[str]
    current: bool
    reasons: tuple[str, ...]
    outdated: PredictionTable | None
    moved: tuple[str, ...]

    @property
    def provenance(self) -> Provenance | None:
        """How the rows that hold were made; None where there are none."""
        source = self.table or self.journal
        return source.provenance if source else None

    def asked(self) -> Iterator[str]:
        """Yield the ``image_id`` of all images asked for."""
        yield from (record.image_id for record in self.records)
        yield from self.missing

    def up_to_date(
        self, *rows: Iterable[Prediction], first: str | None = None, last: str | None = None
    ) -> Iterator[tuple[Prediction, bool]]:
        """Merge rows by ``image_id``, with the labels, splits and places that are asked for.

        Args:
            rows: Streams in the order of the table; where several hold an image, the last one counts.
            first: A lower bound of the rows' ``image_id``, where it is known.
            last: An upper bound of it, where it is known.

        Yields:
            Each row, and whether its image was asked for.
        """
        missing = set(self.missing)
        records = self.records
        if first is not None and last is not None:
            places = bisect_left(records, first, key=_BY_ID), bisect_right(records, last, key=_BY_ID)
            records = records[slice(*places)]
        for row, record in _joined(records, *rows):
            if row is not None:
                refreshed = row if record is None else _refreshed(row, record, self.folder)
                yield refreshed, record is not None or row.image_id in missing


def make_plan(path: Path, request: Mapping[str, Any], collection: Collection, *, verify: bool = False) -> Plan:
    """Compare what is asked for with the table and the journal on disk, once what a killed run left is put in order.

    A row holds when its table has the request's fingerprint and its file is unchanged: same size and time, or else
    the same content. A file of its name from somewhere else is the same radiograph where its content is the same.

    Args:
        path: The table.
        request: What decides about the rows.
        collection: The images asked for.
        verify: Whether the content counts in any case.

    Returns:
        The plan.

    Raises:
        InputError: A file has the name of another radiograph in the table, or is in it by another name.
        TableError: A table in a folder or a store, or a file that never was a table, cannot be used.
        OutputError: Something else is where the journal or its log should be.
    """
    if not is_url(path) and path.is_dir():
        GrowingFolder(path).recover()
    table, outdated, reasons = _open(path, request)
    journal = Journal(path).reopen(fingerprint(request))
    sources = [source.index() for source in (table, journal) if source is not None]
    folder = table_folder(path)
    missing = {
        image_id: _missing_row(image_id, with_relative_paths(reason, folder))
        for image_id, reason in sorted(collection.missing)
    }
    known = table or journal
    explained = None if known is None else known.provenance.explained
    review = _Review(folder, collection.records, dict(missing), explained, verify)
    for row, record in _joined(collection.records, *sources):
        review.look_at(row, record)
    return Plan(
        path=path,
        folder=folder,
        request=request,
        table=table,
        journal=journal,
        records=collection.records,
        missing=tuple(missing),
        absent=tuple(review.absent.values()),
        pending=tuple(review.pending),
        stale=frozenset(review.stale),
        current=table is not None and not any((journal, review.pending, review.stale, review.absent)),
        reasons=(*reasons, *(review.reasons() if sources else ())),
        outdated=outdated,
        moved=tuple(review.moved),
    )


@dataclass(slots=True)
class _Review:
    """Sorts images and rows into those that hold, those to compute and those to be brought up to date.

    Attributes:
        folder: The folder to which the paths in the table are relative.
        records: All images that are asked for.
        absent: Rows of missing files that no table says yet, by ``image_id``.
        explained: Which classes have grids in the rows; None without rows.
        verify: Whether the content of files counts, whatever their size and time say.
        pending: Images to compute.
        stale: The ``image_id`` of rows that do not hold as they are.
        why: How many images are to be computed for which reason.
        moved: The ``image_id`` of rows whose files are somewhere else now.
        in_folders: Images asked for that are named by their paths, by file name; None before they are needed.
    """

    folder: Path
    records: Sequence[ImageRecord]
    absent: dict[str, Prediction]
    explained: ExplainedClasses | None = None
    verify: bool = False
    pending: list[ImageRecord] = field(default_factory=list)
    stale: set[str] = field(default_factory=set)
    why: Counter[str] = field(default_factory=Counter)
    moved: list[str] = field(default_factory=list)
    in_folders: dict[str, list[ImageRecord]] | None = None

    def look_at(self, row: Prediction | None, record: ImageRecord | None) -> None:
        """Look at what is known of one image, and what is asked for.

        Raises:
            InputError: The row is that of another file.
        """
        if record is None:
            self._look_for(row)
            self._look_for_other_name(row)
        elif row is None:
            self.why["new"] += 1
            self.pending.append(record)
        elif (reason := self._why_not(row, record)) is not None:
            self.why[reason] += 1
            known = _refreshed(row, record, self.folder)
            self.pending.append(replace(record, label=known.label, split=known.split))
            self.stale.add(row.image_id)
        elif _refreshed(row, record, self.folder) is not row:
            self.stale.add(row.image_id)

    def reasons(self) -> Iterator[str]:
        """Yield in words how many images are new and how many changed."""
        return (f"{count} {kind} image{'s' if count > 1 else ''}" for kind, count in self.why.items())

    def _why_not(self, row: Prediction, record: ImageRecord) -> str | None:
        """Return why a row does not hold: another content, or another true class, whose map is not there."""
        if not self._holds(row, record.path):
            return "changed"
        label = row.label if record.label is None else record.label
        explained = self.explained if row.grid_statuses else None
        return "relabelled" if explained is not None and explained.lacks(label, row.computed) else None

    def _holds(self, row: Prediction, path: Path) -> bool:
        """Return whether a row still says what is in a file: its own, or one of the same content somewhere else."""
        if not row.path or self._is_of(row, path):
            return unchanged(row, path, verify=self.verify)
        if row.stamp is None or row.stamp.sha256 is None:  # never read: only its place tells it from others
            if self._is_there(row):
                raise self._other(row, f"'{path}' is another file of that name")
            return unchanged(row, path)
        try:
            same = sha256_of(path) == row.stamp.sha256
        except OSError as error:
            raise self._other(row, f"'{path}' cannot be compared with it ({error.strerror})") from error
        if not same:
            raise self._other(row, f"'{path}' is another radiograph of that name")
        self.moved.append(row.image_id)
        return True

    def _is_of(self, row: Prediction, path: Path) -> bool:
        """Return whether a file is that of a row, perhaps by another way to the same place."""
        if relative_path(path, self.folder) == row.path:
            return True
        place = self._place(row)
        try:
            return not is_url(place) and not is_url(path) and path.samefile(place)
        except OSError:  # nothing is there any more
            return False

    def _place(self, row: Prediction) -> Path:
        place = in_folder(self.folder, row.path)
        return place if is_url(place) else Path(os.path.normpath(place))

    def _is_there(self, row: Prediction) -> bool:
        """Return whether there still is something where a row has its file from."""
        return bool(row.path) and why_no_file(self._place(row)) is None

    def _other(self, row: Prediction, what: str) -> InputError:
        return InputError(
            f"the table has '{row.image_id}' from '{self._place(row)}', and {what}",
            hint="rename one of them, or name another folder of results with -o",
        )

    def _look_for_other_name(self, row: Prediction | None) -> None:
        """Look whether the file of a row that is not asked for is asked for by another name.

        A file is named by its path where others have its name, and by its name where it is alone: with more or less
        inputs its row would stay, and the same radiograph would have two.

        Raises:
            InputError: It is.
        """
        if row is None or not row.path:
            return
        for record in self._of_file_name(row.image_id):
            if self._is_of(row, record.path):
                raise InputError(
                    f"the table has '{self._place(row)}' as '{row.image_id}', and it is named '{record.image_id}' now",
                    hint="name the same inputs as for the table, or another folder of results with -o",
                )

    def _of_file_name(self, image_id: str) -> Iterator[ImageRecord]:
        """Yield the images asked for under another ``image_id`` of the same file name."""
        if self.in_folders is None:
            self.in_folders = defaultdict(list)
            for record in self.records:
                if "/" in record.image_id:
                    self.in_folders[record.image_id.rpartition("/")[2]].append(record)
        name = image_id.rpartition("/")[2]
        yield from self.in_folders.get(name, ())
        place = bisect_left(self.records, name, key=_BY_ID) if name != image_id else len(self.records)
        yield from (record for record in self.records[place : place + 1] if record.image_id == name)

    def _look_for(self, row: Prediction | None) -> None:
        """Look whether a row of a file that is missing says so."""
        if row is None or row.image_id not in self.absent:
            return
        reason = self.absent[row.image_id].error
        if (row.status, row.error) == (RowStatus.MISSING, reason):
            del self.absent[row.image_id]
        elif self._is_there(row):
            raise self._other(row, f"the one that is named now is not there ({reason})")
        else:
            self.stale.add(row.image_id)


def _joined(
    records: Iterable[ImageRecord], *rows: Iterable[Prediction]
) -> Iterator[tuple[Prediction | None, ImageRecord | None]]:
    """Bring rows and images of one ``image_id`` together, holding no more than a few at a time.

    Args:
        records: In the order of the table.
        rows: Streams in the order of the table; where several hold an image, the last one counts.

    Yields:
        A row and its image, in the order of the table; None for what an ``image_id`` lacks.
    """
    items: Iterator[Prediction | ImageRecord] = heapq.merge(records, *rows, key=_BY_ID)
    for _, group in groupby(items, key=_BY_ID):
        row: Prediction | None = None
        record: ImageRecord | None = None
        for item in group:
            if isinstance(item, Prediction):
                row = item
            else:
                record = item
        yield row, record


def _open(path: Path, request: Mapping[str, Any]) -> tuple[PredictionTable | None, PredictionTable | None, list[str]]:
    """Return the table if its rows can hold, else the outdated one and why.

    A damaged file gives way to a new one; of a folder, a store, and a file that never was a table, only its owner can
    say what may go.
    """
    if not table_files(path):
        return None, None, ["no table yet"]
    try:
        table = open_table(path)
    except TableError as error:
        if is_url(path) or path.is_dir() or isinstance(error, OtherFileError):
            raise
        return None, None, [error.message]
    if table.provenance.fingerprint == fingerprint(request):
        return table, None, []
    return None, table, differences(table.provenance.request, request)


def refuse_other_table(path: Path, request: Mapping[str, Any]) -> None:
    """Refuse to fill a table in a store that was made in another way, before those who work on it are stopped.

    Raises:
        SettingsError: It was.
        TableError: It cannot be read.
    """
    for file in table_files(path)[:1]:
        changes = differences(open_part(file).provenance.request, request)
        if changes:
            raise SettingsError(
                f"'{path}' was made in another way ({'; '.join(changes)}), and a store cannot rename it",
                hint="name another place with -o or --predictions, or delete it",
            )


def _refreshed(row: Prediction, record: ImageRecord, folder: Path) -> Prediction:
    """Return the row with the record's label, split and place: the same object where nothing differs."""
    label = row.label if record.label is None else record.label
    split = row.split if record.split is None else record.split
    path = relative_path(record.path, folder)
    if (row.label, row.split, row.path) == (label, split, path):
        return row
    return replace(row, label=label, split=split, path=path)


def _missing_row(image_id: str, reason: str) -> Prediction:
    return Prediction(image_id, "", None, None, RowStatus.MISSING, error=reason)


def unchanged(row: Prediction, path: Path, *, verify: bool = False) -> bool:
    """Return whether a file still is what the row was computed from; it is only read where its time has changed.

    With ``verify`` it is read in any case: a time can be set, and some file systems keep it by the second. What could
    not be read at all has no content to compare: it still is what it was where it still cannot.
    """
    if row.stamp is None or row.stamp.sha256 is None:
        return row.error is not None and _without_place(row.error, row, path) == _without_place(
            why_unreadable(path) or "", row, path
        )
    try:
        with reaching(path):
            status = path.stat()
        if status.st_size != row.stamp.size or kind_of(status.st_mode) is not None:
            return False
        dated = not verify and status.st_mtime_ns != 0  # some object stores tell no time
        return (dated and status.st_mtime_ns == row.stamp.mtime_ns) or sha256_of(path) == row.stamp.sha256
    except OSError:
        return False  # reading it again will say why


def _without_place(reason: str, row: Prediction, path: Path) -> str:
    """Return why a file cannot be read without its path, which a row has as seen from the table."""
    for place in (str(path), row.path):
        reason = reason.replace(f"'{plain(place)}'", "''")
    return reason
