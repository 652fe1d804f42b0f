"""With ``run.strict`` a run stops at the first file that fails; what is done stays in the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btxrd_explain.errors import FailedFileError
from btxrd_explain.predictions.record import RowStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from btxrd_explain.predictions.index import Index
    from btxrd_explain.predictions.record import Prediction
    from btxrd_explain.workflows.inference.plan import Plan


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
                hint="mend it or leave it out, or do without --strict",
            )
