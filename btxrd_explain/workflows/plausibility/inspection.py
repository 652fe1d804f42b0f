"""All rules that need nothing but a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btxrd_explain.workflows.plausibility.data import doubts_of_copies, doubts_of_labels
from btxrd_explain.workflows.plausibility.outputs import doubts_of_maps, doubts_of_scores

if TYPE_CHECKING:
    from btxrd_explain.errors import Caution
    from btxrd_explain.predictions.index import Index
    from btxrd_explain.predictions.table import PredictionTable


def inspect_table(table: PredictionTable, everything: Index, rows: Index) -> tuple[Caution, ...]:
    """Look for what may be wrong with a table.

    Args:
        table: The table.
        everything: All of its rows: copies in other splits count, too.
        rows: The rows that are asked for.

    Returns:
        What was found, what was known when the network was loaded before the rest.
    """
    names = table.provenance.class_names
    return (
        *table.provenance.cautions,
        *doubts_of_scores(rows, names),
        *doubts_of_maps(table, rows),
        *doubts_of_labels(rows, names),
        *doubts_of_copies(everything),
    )
