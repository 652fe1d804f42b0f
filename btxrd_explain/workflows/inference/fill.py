"""Bringing a table up to date: rows that hold and rows from the network, merged in one pass."""

from __future__ import annotations

import heapq
import shutil
from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING

from btxrd_explain.errors import OutputError
from btxrd_explain.predictions.store import Journal, write_table
from btxrd_explain.predictions.table import PredictionTable, open_table

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

    from btxrd_explain.predictions.provenance import Provenance
    from btxrd_explain.predictions.record import Prediction
    from btxrd_explain.settings import Settings
    from btxrd_explain.workflows.inference.compute import Explainer
    from btxrd_explain.workflows.inference.plan import Plan
    from btxrd_explain.workflows.progress import Listener


def fill_table(settings: Settings, plan: Plan, asked: Collection[str], listener: Listener) -> PredictionTable:
    """Carry out a plan, and tell the listener every row that was asked for, in the order of the table.

    The table on disk changes only when all rows are there; until then each batch is safe in the journal.

    Args:
        settings: The settings that the plan was made from.
        plan: What to keep and what to compute.
        asked: The ``image_id`` of the images asked for.
        listener: Told of progress and rows.

    Returns:
        The table, now current.
    """
    if plan.current and plan.table is not None:
        for row in plan.table.rows(asked):
            listener.predicted(row, plan.table.provenance)
        return plan.table
    path = settings.output.predictions_path
    explainer = _explainer(settings, plan, listener)
    provenance = explainer.provenance if explainer else plan.provenance
    if provenance is None:
        raise OutputError("there is nothing to write", hint="name at least one image that exists")
    journal = Journal(path)
    computed = _computed(explainer, plan, journal, path.parent, listener) if explainer else iter(())
    _keep_outdated(plan, listener)
    write_table(path, provenance, _told(_merged(plan, computed), provenance, asked, listener))
    journal.discard()
    return open_table(path)


def _explainer(settings: Settings, plan: Plan, listener: Listener) -> Explainer | None:
    """Load the classifier where something must be computed, saying why; None where nothing must."""
    if not plan.pending and plan.provenance is not None:
        return None
    if plan.recovered:
        listener.note(f"resuming: {len(plan.recovered)} images were done before the last run was interrupted")
    listener.note(f"computing {len(plan.pending)} images: {'; '.join(plan.reasons)}")
    from btxrd_explain.workflows.inference.compute import load_explainer  # noqa: PLC0415 -- torch takes seconds to import

    explainer = load_explainer(settings, plan.request)
    for note in explainer.provenance.notes:
        listener.note(note)
    return explainer


def _computed(
    explainer: Explainer, plan: Plan, journal: Journal, folder: Path, listener: Listener
) -> Iterator[Prediction]:
    """Yield the pending rows; each batch is in the journal before the next is computed."""
    listener.start("images", len(plan.pending))
    for rows in explainer.predict(plan.pending, folder):
        journal.append(explainer.provenance, rows)
        listener.advance(len(rows))
        yield from rows


def _merged(plan: Plan, computed: Iterator[Prediction]) -> Iterator[Prediction]:
    """Merge all rows by ``image_id``; each of the four sources is sorted, and no image is in two of them."""
    recovered = sorted((_refreshed(row, plan) for row in plan.recovered), key=attrgetter("image_id"))
    known = {row.image_id for row in recovered}
    held = plan.table.rows(plan.kept.keys() - known) if plan.table else iter(())
    missing = sorted(plan.missing, key=attrgetter("image_id"))
    return heapq.merge(
        (_refreshed(row, plan) for row in held), recovered, computed, missing, key=attrgetter("image_id")
    )


def _refreshed(row: Prediction, plan: Plan) -> Prediction:
    """Return a row with the plan's labels and its own grids."""
    return replace(plan.kept[row.image_id], grids=row.grids)


def _told(
    rows: Iterable[Prediction], provenance: Provenance, asked: Collection[str], listener: Listener
) -> Iterator[Prediction]:
    """Pass rows through, telling the listener those that were asked for."""
    for row in rows:
        if row.image_id in asked:
            listener.predicted(row, provenance)
        yield row


def _keep_outdated(plan: Plan, listener: Listener) -> None:
    """Put a table of another fingerprint aside: it may have cost hours."""
    if plan.outdated is None:
        return
    path = plan.outdated.path
    aside = path.with_name(f"{path.stem}.{plan.outdated.provenance.fingerprint[:8]}{path.suffix}")
    try:
        shutil.copy2(path, aside)
    except OSError as error:
        raise OutputError(f"cannot write '{aside}' ({error.strerror or error})", hint="check the free space") from error
    listener.note(f"the former table is kept as '{aside.name}'")
