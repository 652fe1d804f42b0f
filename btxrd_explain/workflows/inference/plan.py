"""Which rows of a table still hold, and which images must go through the network."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from btxrd_explain.errors import TableError
from btxrd_explain.files import sha256_of
from btxrd_explain.predictions.provenance import differences, fingerprint
from btxrd_explain.predictions.record import Prediction, RowStatus
from btxrd_explain.predictions.store import Journal
from btxrd_explain.predictions.table import PredictionTable, open_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from btxrd_explain.inputs.dataset import Collection, ImageRecord
    from btxrd_explain.predictions.provenance import Provenance


@dataclass(frozen=True, slots=True)
class Plan:
    """What to keep, what to compute, and why.

    Attributes:
        request: What decides about the rows.
        table: The table whose rows hold; None where there is none.
        recovered: Rows of an interrupted run, with their grids.
        kept: Rows that hold (without grids, labels brought up to date), by ``image_id``; also of images that were
            not asked for this time.
        pending: Images to compute, in the order of the table.
        missing: Rows of files that were named but do not exist.
        reasons: Why something must be computed, one line each; empty where nothing must.
        outdated: A table of another fingerprint that would be replaced; None where there is none.
        changed: True where the table on disk does not say what the kept rows say.
        provenance: How the kept rows were made; None where there are none.
    """

    request: Mapping[str, Any]
    table: PredictionTable | None
    recovered: tuple[Prediction, ...]
    kept: Mapping[str, Prediction]
    pending: tuple[ImageRecord, ...]
    missing: tuple[Prediction, ...]
    reasons: tuple[str, ...]
    outdated: PredictionTable | None
    changed: bool
    provenance: Provenance | None

    @property
    def current(self) -> bool:
        """True where the table on disk already says all that is asked."""
        return self.table is not None and not (self.pending or self.missing or self.changed)


def make_plan(path: Path, request: Mapping[str, Any], collection: Collection) -> Plan:
    """Compare what is asked for with the table and the journal on disk.

    A row holds when its table has the request's fingerprint and its file is unchanged: same size and time, or else
    the same content.

    Args:
        path: The table.
        request: What decides about the rows.
        collection: The images asked for.

    Returns:
        The plan.
    """
    table, outdated, reasons = _open(path, request)
    recovered, provenance = Journal(path).recover(fingerprint(request))
    on_disk = {row.image_id: row for row in table.index()} if table else {}
    known = on_disk | {row.image_id: replace(row, grids=None) for row in recovered}
    kept, pending, why = _sort_out(known, collection.records, path.parent)
    missing = tuple(_missing_row(image_id, reason) for image_id, reason in collection.missing)
    changed = any(on_disk.get(row.image_id) is not row for row in kept.values())
    for row in missing:
        kept.pop(row.image_id, None)
    return Plan(
        request=request,
        table=table,
        recovered=tuple(row for row in recovered if row.image_id in kept),
        kept=kept,
        pending=tuple(pending),
        missing=missing,
        reasons=tuple(reasons + why),
        outdated=outdated,
        changed=changed,
        provenance=table.provenance if table else provenance,
    )


def _open(path: Path, request: Mapping[str, Any]) -> tuple[PredictionTable | None, PredictionTable | None, list[str]]:
    """Return the table if its rows can hold, else the outdated one and why."""
    if not path.exists():
        return None, None, ["there is no table yet"]
    try:
        table = open_table(path)
    except TableError as error:
        return None, None, [error.message]
    if table.provenance.fingerprint == fingerprint(request):
        return table, None, []
    return None, table, differences(table.provenance.request, request)


def _sort_out(
    known: Mapping[str, Prediction], records: Sequence[ImageRecord], folder: Path
) -> tuple[dict[str, Prediction], list[ImageRecord], list[str]]:
    """Return the rows that hold, the images to compute, and how many of those are new or changed."""
    kept, pending, why = dict(known), [], Counter[str]()
    for record in records:
        row = known.get(record.image_id)
        if row is None:
            why["new"] += 1
        elif not _unchanged(row, record.path):
            why["changed"] += 1
        else:
            kept[record.image_id] = _up_to_date(row, record, folder)
            continue
        kept.pop(record.image_id, None)
        pending.append(record)
    return (
        kept,
        pending,
        [f"{count} {kind} image{'s' if count > 1 else ''}" for kind, count in why.items() if known],
    )


def _up_to_date(row: Prediction, record: ImageRecord, folder: Path) -> Prediction:
    """Return the row with the record's label, split and place: the same object where nothing differs."""
    label = row.label if record.label is None else record.label
    split = row.split if record.split is None else record.split
    path = relative_path(record.path, folder)
    if (row.label, row.split, row.path) == (label, split, path):
        return row
    return replace(row, label=label, split=split, path=path)


def _missing_row(image_id: str, reason: str) -> Prediction:
    return Prediction(image_id, "", None, None, RowStatus.MISSING, error=reason)


def _unchanged(row: Prediction, path: Path) -> bool:
    """Say whether a file still is what the row was computed from; it is only read where its time has changed."""
    if row.stamp is None:
        return False
    try:
        status = path.stat()
        if status.st_size != row.stamp.size:
            return False
        return status.st_mtime_ns == row.stamp.mtime_ns or sha256_of(path) == row.stamp.sha256
    except OSError:
        return False  # reading it again will say why


def relative_path(path: Path, folder: Path) -> str:
    """Return a path as the table keeps it: relative to the table's folder, so that both can move together."""
    try:
        return Path(os.path.relpath(path.absolute(), folder.absolute())).as_posix()
    except ValueError:  # another drive on Windows
        return path.absolute().as_posix()
