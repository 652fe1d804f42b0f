"""How far fast decoding moves predictions and heat maps, measured on a sample of the radiographs at hand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from btxrd_explain.core.choices import Decode, Space
from btxrd_explain.core.heatmap import heat_map

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from btxrd_explain.inference.compute import Explainer
    from btxrd_explain.inputs.record import ImageRecord
    from btxrd_explain.predictions.record import Prediction

Value = TypeVar("Value")

_SAMPLE = 16


def with_movement(explainer: Explainer, records: Sequence[ImageRecord], folder: Path) -> Explainer:
    """Return the explainer with a note of what fast decoding changes; the same where it decodes every pixel.

    Args:
        explainer: The explainer.
        records: The images that it is for; up to 16 of them, evenly spread, are decoded both ways.
        folder: The table's folder.
    """
    if explainer.classifier.preprocessing.decode is Decode.EXACT or not records:
        return explainer
    sample = records[:: -(-len(records) // _SAMPLE)]
    fast, exact = (_rows(explainer, sample, folder, decode) for decode in (Decode.FAST, Decode.EXACT))
    pairs = [
        (one, other)
        for one, other in zip(fast, exact, strict=True)
        if one.grids is not None and other.grids is not None
    ]
    provenance = explainer.provenance
    note = _note(explainer, pairs) if pairs else "decode: fast could not be compared with exact: no image was readable"
    return replace(explainer, provenance=replace(provenance, notes=(*provenance.notes, note)))


def _rows(explainer: Explainer, records: Sequence[ImageRecord], folder: Path, decode: Decode) -> list[Prediction]:
    preprocessing = replace(explainer.classifier.preprocessing, decode=decode)
    other = replace(explainer, classifier=replace(explainer.classifier, preprocessing=preprocessing))
    return [row for rows in other.predict(records, folder) for row in rows]


def _note(explainer: Explainer, pairs: Sequence[tuple[Prediction, Prediction]]) -> str:
    """Return how far things moved; heat maps are those of the class that exact decoding predicts, in [0, 1]."""
    changed = sum(one.predicted != other.predicted for one, other in pairs)
    shifts = [float(np.abs(_of(one.probabilities) - _of(other.probabilities)).max()) for one, other in pairs]
    shared = [(one, other) for one, other in pairs if _same_class(one, other)]
    moved = [_heat_moved(explainer, one, other) for one, other in shared] or [0.0]
    return (
        f"decode: fast, compared with exact on {len(pairs)} radiographs: {changed} predicted classes changed, "
        f"probabilities moved by up to {max(shifts):.4f}, heat maps by {np.mean(moved):.4f} on average over pixels "
        f"and by up to {max(moved):.4f} in one radiograph"
    )


def _same_class(one: Prediction, other: Prediction) -> bool:
    """Return whether both have the grid of the class that exact decoding predicts."""
    return all(row.grid(other.predicted or 0) is not None for row in (one, other))


def _heat_moved(explainer: Explainer, one: Prediction, other: Prediction) -> float:
    """Return the mean absolute difference of two heat maps on the network's input."""
    index = other.predicted or 0
    frame = explainer.classifier.preprocessing.frame(_of(other.size))
    first, second = (
        heat_map(_of(row.grid(index)), frame, status=row.grid_statuses[index], space=Space.INPUT).values
        for row in (one, other)
    )
    return float(np.abs(first - second).mean())


def _of(value: Value | None) -> Value:
    """Return a value that a readable image has."""
    if value is None:
        raise ValueError("the image has no prediction")
    return value
