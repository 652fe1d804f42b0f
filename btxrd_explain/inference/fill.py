"""Bringing a table up to date: rows that hold, and rows from the network."""

from __future__ import annotations

import filecmp
import gc
import shutil
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

from btxrd_explain.errors import OutputError
from btxrd_explain.inference.request import check_labels, split_csvs_of
from btxrd_explain.inference.target import check_claim, claim, claim_of
from btxrd_explain.predictions.record import RowStatus
from btxrd_explain.predictions.store import GrowingFolder, Journal, Units, write_part, write_table
from btxrd_explain.predictions.table import assemble, is_folder, open_table, table_files
from btxrd_explain.system.files import atomic_write, cannot_write, relative_path, remove
from btxrd_explain.system.places import in_folder, is_url, make_folder
from btxrd_explain.system.threads import share_cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from btxrd_explain.inference.compute import Explainer
    from btxrd_explain.inference.plan import Plan
    from btxrd_explain.predictions.provenance import Provenance, SplitCsv
    from btxrd_explain.predictions.record import Prediction
    from btxrd_explain.predictions.table import PredictionTable
    from btxrd_explain.progress import Listener
    from btxrd_explain.settings import Settings

# Importing what is large without a garbage collector that walks through it again and again.


@contextmanager
def without_collections() -> Iterator[None]:
    """Import torch and timm without garbage collections, which take a fifth of the time (``benchmarks/startup.py``).

    Nothing is frozen: frozen objects are never collected, and extension modules report them as leaked at the exit.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


# Rewriting those files of a folder in which rows do not hold as they are.


def amend(table: PredictionTable, plan: Plan, split_csvs: Iterable[SplitCsv]) -> PredictionTable | None:
    """Bring the rows that hold up to date, and take those out that will be computed or are missing now.

    Each file changes at once; what is taken out would have to be computed again anyway.

    Args:
        table: A table in a folder.
        plan: What holds and what does not.
        split_csvs: Where new labels and splits are from.

    Returns:
        The table as it is now; None where nothing is left.
    """
    if plan.stale:
        gone = {record.image_id for record in plan.pending} | {row.image_id for row in plan.absent}
        stale = sorted(plan.stale)
        for part in (part for part in table.parts if part.may_hold(stale)):
            rows = plan.up_to_date(assemble(table.path, [part]).rows(), first=part.first, last=part.last)
            provenance = part.provenance.with_split_csvs(split_csvs)
            if not write_table(part.path, provenance, (row for row, _ in rows if row.image_id not in gone)):
                remove(part.path)
    return open_table(table.path) if table_files(table.path) else None


def fill_table(settings: Settings, plan: Plan, listener: Listener) -> PredictionTable:
    """Carry out a plan, and tell the listener every row that was asked for, in the order of the table.

    Args:
        settings: The settings that the plan was made from.
        plan: What to keep and what to compute.
        listener: Told of progress and rows.

    Returns:
        The table, now current.
    """
    if plan.moved:
        more = f" and {len(plan.moved) - 1} more" if len(plan.moved) > 1 else ""
        listener.note(f"moved, with the same content: '{plan.moved[0]}'{more}; what the table says of them is kept")
    if plan.current and plan.table is not None:
        return _told_of(plan.table, plan, listener)
    explainer = _explainer(settings, plan, listener)
    provenance = explainer.provenance if explainer else plan.provenance
    if provenance is None:
        raise OutputError("there is nothing to write", hint="name at least one image that exists")
    before = (one for known in (plan.table, plan.journal) if known is not None for one in known.provenance.split_csvs)
    provenance = provenance.with_split_csvs((*before, *split_csvs_of(settings)))
    _keep_outdated(plan, listener)
    listener.start("images", len(plan.pending))
    if is_folder(plan.path):
        _fill_folder(settings, plan, explainer, provenance, listener)
        return _told_of(open_table(plan.path), plan, listener)
    _fill_file(settings, plan, explainer, provenance, listener)
    return open_table(plan.path)


def _told_of(table: PredictionTable, plan: Plan, listener: Listener) -> PredictionTable:
    """Tell the listener the rows that were asked for, straight from a table that is up to date."""
    for row, asked in plan.up_to_date(table.rows()):
        if asked:
            listener.predicted(_from_here(row, plan.folder), table.provenance)
    return table


def _from_here(row: Prediction, folder: Path) -> Prediction:
    """Return a row whose path starts at the working directory, where a shell can use it, and not at the table."""
    if not row.path or is_url(row.path):
        return row
    return replace(row, path=relative_path(in_folder(folder, row.path), Path.cwd()))


def _explainer(settings: Settings, plan: Plan, listener: Listener) -> Explainer | None:
    """Load the classifier where something must be computed, saying why; None where nothing must."""
    if not plan.pending and plan.provenance is not None:
        return None
    if plan.journal is not None:
        done = sum(part.rows for part in plan.journal.parts)
        listener.note(f"resuming: {done} images were done before the last run was interrupted")
    share_cores()
    with without_collections():
        from btxrd_explain.inference.loading import load_explainer  # noqa: PLC0415 -- torch takes seconds
        from btxrd_explain.inference.movement import with_movement  # noqa: PLC0415 -- likewise

    if settings.run.engine == "ray":  # here only to be checked; the devices are the workers'
        settings = settings.model_copy(update={"model": settings.model.model_copy(update={"device": "cpu"})})
    explainer = load_explainer(settings, plan.request, at_most=len(plan.pending))
    if "several_labels" in plan.request:
        check_labels(plan.records, explainer.provenance.class_names)
    explainer = with_movement(explainer, plan.pending, plan.folder)
    count = len(plan.pending)
    listener.note(f"computing {count} image{'' if count == 1 else 's'}: {'; '.join(plan.reasons)}")
    for note in explainer.provenance.notes:
        listener.note(note)
    for finding in explainer.provenance.findings:
        listener.warn(finding)
    return explainer


def _fill_file(
    settings: Settings, plan: Plan, explainer: Explainer | None, provenance: Provenance, listener: Listener
) -> None:
    """Write a table in a single file: it changes only when all rows are there; until then the journal keeps them."""
    journal = Journal(plan.path)
    recovered = amend(plan.journal, plan, provenance.split_csvs) if plan.journal else None
    sources = [source.rows() for source in (plan.table, recovered) if source is not None]
    growing = _growing(journal, plan) if is_url(plan.path) else journal

    def computed() -> Iterator[Prediction]:
        for rows in _computed(settings, explainer, plan, listener, lambda rows: growing.append(provenance, rows)):
            yield from rows

    def told() -> Iterator[Prediction]:
        for row, asked in plan.up_to_date(*sources, computed(), plan.absent):
            if asked:
                listener.predicted(_from_here(row, plan.folder), provenance)
            yield row

    write_table(plan.path, provenance, told())
    journal.discard()


def _fill_folder(
    settings: Settings, plan: Plan, explainer: Explainer | None, provenance: Provenance, listener: Listener
) -> None:
    """Add files to a partitioned table, each of them whole or not at all, so that it is its own journal."""
    if plan.table is not None:
        amend(plan.table, plan, provenance.split_csvs)
    if settings.run.engine == "ray" and plan.pending:
        from btxrd_explain.inference.cluster import compute_on_cluster  # noqa: PLC0415 -- an extra

        for count in compute_on_cluster(settings, plan, provenance):
            listener.advance(count)
    else:
        folder = _growing(GrowingFolder(plan.path), plan, claim_of(plan.path))
        for _ in _computed(settings, explainer, plan, listener, lambda rows: folder.append(provenance, rows)):
            pass
        folder.settle(provenance)
    if plan.absent:
        write_part(plan.path, provenance, plan.absent)


def _growing(folder: GrowingFolder, plan: Plan, claimed: str | None = None) -> GrowingFolder | Units:
    """Return what keeps the rows of a plan while it computes, for a folder on this machine or in a store.

    Args:
        folder: The folder, as one on this machine.
        plan: The plan.
        claimed: The claim of a partitioned table that is this run's; None for a journal, which needs none.
    """
    if not is_url(folder.folder):
        return folder
    asked, pending = ((record.image_id for record in records) for records in (plan.records, plan.pending))
    if claimed is None:
        return Units(folder.folder, asked, pending)
    return Units(folder.folder, asked, pending, partial(check_claim, folder.folder, claimed))


def _computed(
    settings: Settings,
    explainer: Explainer | None,
    plan: Plan,
    listener: Listener,
    keep: Callable[[list[Prediction]], None],
) -> Iterator[list[Prediction]]:
    """Yield the pending rows, a list per batch; each is kept as soon as it is there, whatever its turn.

    No more are yielded than that of the first file that fails where that is wanted.
    """
    for rows in explainer.predict(plan.pending, plan.folder, keep) if explainer else ():
        listener.advance(len(rows))
        yield rows
        if settings.run.strict and any(row.status is not RowStatus.OK for row in rows):
            return
    if explainer and explainer.limit.size < explainer.batch_size:
        listener.note(
            f"memory was short: {explainer.limit.size} radiographs per pass instead of {explainer.batch_size}"
        )


def _keep_outdated(plan: Plan, listener: Listener) -> None:
    """Put a table of another fingerprint aside: it may have cost hours."""
    if plan.outdated is None:
        return
    path = plan.outdated.path
    name = f"{path.stem}.{plan.outdated.provenance.fingerprint[:8]}"
    places = (path.with_name(f"{name}{number}{path.suffix}") for number in chain([""], count(-2, -1)))
    aside = next(place for place in places if not place.exists() or _is_copy(place, path))
    try:
        if path.is_dir():
            path.rename(aside)
            make_folder(path)
            claim(path)
        else:
            with atomic_write(aside) as copy, path.open("rb") as file:
                shutil.copyfileobj(file, copy)
    except OSError as error:
        raise cannot_write(aside, error) from error
    listener.note(f"the former table is kept as '{aside.name}'")


def _is_copy(place: Path, path: Path) -> bool:
    """Return whether both are files of the same content."""
    return place.is_file() and path.is_file() and filecmp.cmp(place, path, shallow=False)
