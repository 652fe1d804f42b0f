"""``intervention_metrics.parquet`` and ``.csv``: one row per changed radiograph, with all that was measured of it.

Undefined is null (an empty cell in the CSV), never 0. ``docs/reference/report.md`` lists the columns.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from btxrd_explain.core.intervention import Fill
from btxrd_explain.core.statistics import number
from btxrd_explain.evaluation.intervention import MEASURES, effect_name, effect_names, energies

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from btxrd_explain.commands.intervene.report import Measured
    from btxrd_explain.core.intervention import Design

_FACTS: tuple[tuple[str, pa.DataType], ...] = (
    ("image_id", pa.string()),
    ("class", pa.string()),
    ("predicted", pa.string()),
    ("confidence", pa.float64()),
    ("outcome", pa.string()),
    ("target_class", pa.string()),
    ("log_odds", pa.float64()),
    ("lesions", pa.int32()),
    ("lesion_share", pa.float64()),
    ("iou", pa.float64()),
    ("pointing_hit", pa.bool_()),
    ("energy_in_mask", pa.float64()),
    ("looks", pa.bool_()),
    ("cell", pa.string()),
    ("reasons", pa.string()),
)


def list_columns(design: Design) -> list[str]:
    """Return the columns of lists: the effect of each control on the log-odds."""
    return [f"{name}_each_log_odds" for name in _named("control", design)]


def _named(part: str, design: Design) -> list[str]:
    return [effect_name(part, fill, margin, first=design.margins[0]) for margin in design.margins for fill in Fill]


def intervention_schema(
    design: Design, columns: Sequence[str] = (), metadata: Mapping[str, Any] | None = None
) -> pa.Schema:
    """Return the schema of the table.

    Args:
        design: Which conditions were made.
        columns: Columns of the metadata that are taken over, as ``meta_<name>``.
        metadata: How the effects were measured; becomes the schema's metadata ``btxrd_explain`` in JSON.
    """
    ranks = [(name, pa.int32()) for name in _named("rank", design)]
    depends = [(name, pa.bool_()) for name in _named("depends", design)]
    counts = [(name, pa.int32()) for name in _named("n_controls", design)]
    effects = [(f"{name}_{measure}", pa.float64()) for name in effect_names(design) for measure in MEASURES]
    lists = [(name, pa.list_(pa.float64())) for name in list_columns(design)]
    meta = [(f"meta_{name}", pa.string()) for name in columns]
    fields = [
        pa.field(name, kind, nullable=name != "image_id")
        for name, kind in (*_FACTS, *meta, *counts, *ranks, *depends, *effects, *lists)
    ]
    made = None if metadata is None else {b"btxrd_explain": json.dumps(metadata, sort_keys=True).encode()}
    return pa.schema(fields, metadata=made)


def intervention_table(measured: Measured, columns: Mapping[str, Sequence[str | None]], schema: pa.Schema) -> pa.Table:
    """Return what was measured as a table in memory."""
    energy = energies(measured.effects)
    rows = [
        _facts(measured, row)
        | {"energy_in_mask": number(energy[row])}
        | {f"meta_{name}": cells[row] for name, cells in columns.items()}
        | _effects(measured, row)
        for row in range(len(measured.effects.images))
    ]
    return pa.Table.from_pylist(rows, schema)


def _facts(measured: Measured, row: int) -> dict[str, Any]:
    image, names = measured.effects.images[row], measured.sample.class_names
    score, cell = image.score, measured.cells[row]
    reasons = "; ".join(f"{kind}: {reason}" for kind, reason in image.readings.reasons.items())
    return {
        "image_id": score.row.image_id,
        "class": score.label,
        "predicted": score.predicted(names),
        "confidence": score.confidence,
        "outcome": score.outcome(names),
        "target_class": names[image.target] if names else None,
        "log_odds": image.log_odds,
        "lesions": score.lesions,
        "lesion_share": score.lesion_share,
        "iou": score.iou,
        "pointing_hit": None if score.model is None else score.model.pointing_hit,
        "looks": measured.looks[row],
        "cell": None if cell is None else cell.name,
        "reasons": reasons or None,
    }


def _effects(measured: Measured, row: int) -> dict[str, Any]:
    effects = measured.effects
    cells: dict[str, Any] = {
        f"{name}_{measure}": number(value)
        for name, values in effects.values.items()
        for measure, value in zip(MEASURES, values[row], strict=True)
    }
    for (fill, margin), controls in effects.controls.items():
        each = controls[row][~np.isnan(controls[row])]
        rank = effects.ranks[fill, margin][row]
        has_lesion = not np.isnan(effects.values[effect_name("lesion", fill, margin, first=effects.first)][row, 0])
        found = {
            "n_controls": len(each) if has_lesion else None,
            "rank": None if np.isnan(rank) else int(rank),
            "depends": None if np.isnan(rank) else bool(rank == 1),
        }
        cells |= {effect_name(part, fill, margin, first=effects.first): value for part, value in found.items()}
        cells[f"{effect_name('control', fill, margin, first=effects.first)}_each_log_odds"] = each.tolist()
    return cells
