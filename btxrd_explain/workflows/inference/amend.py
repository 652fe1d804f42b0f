"""Rewriting those files of a folder in which rows do not hold as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btxrd_explain.files import remove
from btxrd_explain.predictions.store import write_table
from btxrd_explain.predictions.table import assemble, open_table, table_files

if TYPE_CHECKING:
    from btxrd_explain.predictions.table import PredictionTable
    from btxrd_explain.workflows.inference.plan import Plan


def amend(table: PredictionTable, plan: Plan) -> PredictionTable | None:
    """Bring the rows that hold up to date, and take those out that will be computed or are missing now.

    Each file changes at once; what is taken out would have to be computed again anyway.

    Args:
        table: A table in a folder.
        plan: What holds and what does not.

    Returns:
        The table as it is now; None where nothing is left.
    """
    if plan.stale:
        gone = {record.image_id for record in plan.pending} | {row.image_id for row in plan.absent}
        stale = sorted(plan.stale)
        for part in (part for part in table.parts if part.may_hold(stale)):
            rows = plan.up_to_date(assemble(table.path, [part]).rows(), first=part.first, last=part.last)
            if not write_table(part.path, part.provenance, (row for row, _ in rows if row.image_id not in gone)):
                remove(part.path)
    return open_table(table.path) if table_files(table.path) else None
