"""The predictions as a table for spreadsheets: a row per radiograph, also where it has no prediction."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.labels import joined
from btxrd_explain.evaluation.decisions import outcome_of_row
from btxrd_explain.plain import as_cell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from btxrd_explain.evaluation.protocol import Protocol
    from btxrd_explain.inference.selection import Selected
    from btxrd_explain.predictions.record import Prediction

COLUMNS = ("image_id", "file", "split", "label", "predicted", "outcome", "confidence", "status", "error")
"""After them comes the probability of each class."""


def predictions_csv(selected: Selected, protocol: Protocol) -> bytes:
    """Return the rows that were selected as CSV, UTF-8; what is not known is empty.

    Args:
        selected: The rows.
        protocol: Which classes are without a lesion, and by which thresholds classes of a multi-label table count.
    """
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    names = selected.table.provenance.class_names
    lines.writerow([as_cell(column) for column in (*COLUMNS, *(f"probability of {name}" for name in names))])
    for row in selected.rows:
        lines.writerow(map(as_cell, _cells(row, selected, protocol)))
    return text.getvalue().encode()


def _cells(row: Prediction, selected: Selected, protocol: Protocol) -> Iterator[str]:
    names, decisions = selected.table.provenance.class_names, protocol.decisions
    label, predicted = row.label, None if row.predicted is None else names[row.predicted]
    confidence = row.confidence
    if decisions is not None:
        known = None not in decisions.truths(row)
        label = joined(decisions.names_of(decisions.true(row))) if known else None
        predicted = None if predicted is None else joined(decisions.names_of(decisions.said(row)))
        confidence = None
    outcome = outcome_of_row(row, names, protocol.no_lesion, decisions)
    texts = (row.image_id, selected.table.image_path(row).name, row.split, label, predicted, outcome)
    yield from (text or "" for text in texts)
    yield "" if confidence is None or predicted is None else _shortest(confidence)
    yield str(row.status)
    yield row.error or ""
    shown = None if row.predicted is None else row.probabilities
    yield from ("" if shown is None else _shortest(shown[index]) for index in range(len(names)))


def _shortest(value: float) -> str:
    """Return the shortest text of a float32 that reads as the same."""
    return str(np.float32(value))
