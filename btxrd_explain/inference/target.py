"""Which table a run fills, with which of the images, and where a strict run stops."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

from btxrd_explain.errors import EngineError, FailedFileError, OutputError, SettingsError
from btxrd_explain.predictions.part import answering
from btxrd_explain.predictions.record import RowStatus
from btxrd_explain.predictions.table import is_folder, table_files
from btxrd_explain.system.files import write_bytes
from btxrd_explain.system.places import check_own, foreign, is_url, make_folder, open_to_read

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from btxrd_explain.inference.plan import Plan
    from btxrd_explain.inputs.record import Collection
    from btxrd_explain.predictions.index import Index
    from btxrd_explain.predictions.record import Prediction
    from btxrd_explain.settings import Settings

# With ``run.strict`` a run stops at the first file that fails; what is done stays in the table.


def stop_at_known_failures(plan: Plan) -> None:
    """Stop before anything is computed where it is known that a file fails: it is missing, or failed and is unchanged.

    Raises:
        FailedFileError: There is such a file.
    """
    sources = (source.index() for source in (plan.table, plan.journal) if source is not None)
    rows = (row for row, asked in plan.up_to_date(*sources, plan.absent) if asked and row.image_id not in plan.stale)
    _stop_at_first(rows)


def stop_at_failures(rows: Index, wanted: int) -> None:
    """Stop after a run that was cut short.

    Args:
        rows: The rows of the images asked for, as far as there are any.
        wanted: How many images were asked for.

    Raises:
        FailedFileError: A row has no prediction since its file failed.
    """
    done = int(rows.is_in("status", [RowStatus.OK]).sum())
    _stop_at_first(rows, f"; {done} of {wanted} radiographs are in the table")


def _stop_at_first(rows: Iterable[Prediction], done: str = "") -> None:
    for row in rows:
        if row.status is not RowStatus.OK:
            raise FailedFileError(
                f"stopped at '{row.image_id}', which is {row.status} ({row.error}){done}",
                hint="correct it or leave it out, or do without --strict",
            )


# Which table a run fills, and with which of the images: all of them, or a shard for one task of a job array.

_CLAIM = ".run"
_IS_CLAIM = re.compile(rb"[0-9a-f]{32}")


def target_of(settings: Settings, collection: Collection) -> tuple[Path, Collection]:
    """Return the table to fill, and the images that belong into it.

    Raises:
        SettingsError: A shard of the images is wanted, and a cluster that divides them by itself.
        OutputError: There is a file where a folder must be.
    """
    path = settings.output.predictions_path
    if settings.run.engine == "ray":
        if settings.run.shard is not None:
            raise SettingsError("a Ray cluster shares the images out by itself", hint="leave out --shard")
        _make_folder(path)
        return path, collection
    if settings.run.shard is None:
        return path, collection
    number, count = map(int, settings.run.shard.split("/"))
    _check_array(number, count, os.environ)
    return shard_path(path, number, count), share_of(collection, number, count)


def _check_array(number: int, count: int, environ: Mapping[str, str]) -> None:
    """Refuse shares that are counted by the tasks of a job array of which only some were submitted.

    Raises:
        SettingsError: The array does not number its tasks from 1 to the count of shares, which is that of its tasks.
    """
    names = ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_MAX")
    task, tasks, first, last = (environ.get(name, "") for name in names)
    if (task, tasks) == (str(number), str(count)) and first and last and (first, last) != ("1", tasks):
        raise SettingsError(
            f"--shard {number}/{count} counts the {tasks} tasks of this job array, whose numbers are {first} to {last}",
            hint="give the number of shards of the first submission, not SLURM_ARRAY_TASK_COUNT",
        )


def shard_path(table: Path, number: int, count: int) -> Path:
    """Return the table of a shard: next to the whole table, or in it where that is a folder.

    >>> from pathlib import Path
    >>> shard_path(Path("out/predictions.parquet"), 2, 8).as_posix()
    'out/predictions.shard-2-of-8.parquet'
    """
    folder, stem = (table, "predictions") if is_folder(table) else (table.parent, table.stem)
    return folder / f"{stem}.shard-{number}-of-{count}.parquet"


def share_of(collection: Collection, number: int, count: int) -> Collection:
    """Return one shard of a collection; the shards of all numbers are disjoint and together the whole.

    An image's shard follows from its ``image_id`` alone, so that images added later move no other; shards of ``n``
    images differ by about ``2 * sqrt(n)``.

    Args:
        collection: The whole.
        number: Which shard, counted from 1.
        count: How many shards there are.
    """
    return replace(
        collection,
        records=tuple(record for record in collection.records if share_number(record.image_id, count) == number),
        missing=tuple(pair for pair in collection.missing if share_number(pair[0], count) == number),
    )


def share_number(image_id: str, count: int) -> int:
    """Return the shard of an image, from 1 to ``count``: its hash, taken modulo the count."""
    digest = hashlib.blake2b(image_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) % count + 1


def claim(folder: Path) -> None:
    """Claim the folder of a table for this run, before a look at what is in it; workers of other runs then stop.

    Those of a run whose first process was killed may live on for a moment. What they would still write, this run
    computes, too.

    Raises:
        OutputError: The folder cannot be written, or something else has the name of the claim.
    """
    path = folder / _CLAIM
    if not is_url(path):
        check_own(path)
    said = _said(path)
    if said is not None and not _IS_CLAIM.fullmatch(said):
        raise foreign(path, "a file")
    write_bytes(path, uuid4().hex.encode())


def claim_of(folder: Path) -> str:
    """Return what tells the run that works on a folder from all others; empty where none does.

    Raises:
        UnreachableTableError: It cannot be read.
    """
    return (_said(folder / _CLAIM) or b"").decode("ascii", "replace")


def check_claim(folder: Path, claimed: str) -> None:
    """Make sure that no other run has claimed a folder since.

    Args:
        folder: The folder of a table.
        claimed: What :func:`claim_of` said when the run began.

    Raises:
        EngineError: One has.
    """
    if claim_of(folder) != claimed:
        raise EngineError(f"another run has taken over '{folder}'", hint="let one run work on a folder at a time")


def _said(path: Path) -> bytes | None:
    """Return the content of a claim, as it is now and not as it was listed; None where there is none."""
    with answering(path):
        try:
            if is_url(path):
                return bytes(path.fs.cat_file(path.path))  # type: ignore[attr-defined]
            with open_to_read(path) as file:
                return file.read()
        except FileNotFoundError:
            return None


def _make_folder(path: Path) -> None:
    """Make the folder of a partitioned table; in a store, it is there with what is in it."""
    if not is_folder(path) and table_files(path):
        raise OutputError(
            f"'{path}' is a file, and --engine ray writes a folder of them",
            hint="name another place with --predictions",
        )
    if is_url(path):
        return
    try:
        make_folder(path)
    except OSError as error:
        raise OutputError(f"cannot make '{path}' ({error.strerror or error})", hint="check the folder") from error
