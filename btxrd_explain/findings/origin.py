"""A table that is taken as it is, compared with what is asked for: other settings, other files, other labels."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from btxrd_explain.finding import Finding, listed, quoted, radiographs
from btxrd_explain.system.places import is_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from btxrd_explain.inputs.record import ImageRecord
    from btxrd_explain.predictions.index import Index
    from btxrd_explain.predictions.provenance import Provenance
    from btxrd_explain.predictions.record import Prediction
    from btxrd_explain.settings import Settings


def setting_findings(settings: Settings, provenance: Provenance) -> Iterator[Finding]:
    """Look for settings of the network that the table was not made with, and that have no effect on it.

    Args:
        settings: The settings; those that have their default are not asked for.
        provenance: How the table was made.
    """
    asked, usual, used = _asked(settings), _asked(type(settings)()), _used(provenance)
    known = _flat(provenance.request)
    ignored = [name for name, value in asked.items() if value not in (usual[name], used[name], known.get(name))]
    if ignored:
        found = "; ".join(f"{name} is {_text(asked[name])}, the table has {_text(used[name])}" for name in ignored)
        yield Finding.of("table-of-other-settings", f"the table was made with other settings, which hold: {found}")


def image_findings(records: Sequence[ImageRecord], rows: Index, table: str) -> Iterator[Finding]:
    """Look for images that are not the ones that were predicted under their names, and for other labels.

    Args:
        records: The images that are asked for.
        rows: Their rows.
        table: What the table is called.
    """
    known = {record.image_id: record for record in records}
    changed, relabelled = [], []
    for row in rows:
        record = known[row.image_id]
        if _is_other(record, row):
            changed.append(row.image_id)
        if None not in (record.label, row.label) and record.label != row.label:
            relabelled.append(row.image_id)
    if changed:
        yield Finding.of(
            "table-of-other-images",
            f"{radiographs(len(changed))} of {len(rows)} are not the files that were predicted under these names in "
            f"'{table}': {listed(quoted(changed), most=3)}",
            changed,
        )
    if relabelled:
        yield Finding.of(
            "table-of-other-labels",
            f"{radiographs(len(relabelled))} of {len(rows)} have another label in '{table}', which holds: "
            f"{listed(quoted(relabelled), most=3)}",
            relabelled,
        )


def _asked(settings: Settings) -> dict[str, Any]:
    """Return what decides about the rows of a table, as plain values by the names that requests give it."""
    model, gradcam = settings.model, settings.gradcam
    return {
        "architecture": model.architecture,
        "factory": model.factory,
        "activation": None if model.activation == "auto" else str(model.activation),
        "class_names": model.class_names and list(model.class_names),
        "precision": model.precision,
        "method": gradcam.method,
        "target_layer": gradcam.target_layer,
        "smooth": str(gradcam.smooth),
        "map_cells": gradcam.map_cells,
        "explain_classes": gradcam.explain_classes and sorted(map(str.casefold, gradcam.explain_classes)),
        **_flat({"preprocess": settings.preprocess.model_dump(mode="json")}),
    }


def _used(provenance: Provenance) -> dict[str, Any]:
    """Return what a table was made with, whatever was asked for, by the same names."""
    made = asdict(provenance.preprocessing)
    height, width = made.pop("size")
    made["image_size"] = height if height == width else f"{height}x{width}"
    made["from"] = provenance.request.get("preprocess", {}).get("from")
    return {
        "architecture": provenance.architecture,
        "factory": provenance.architecture,
        "activation": str(provenance.activation),
        "class_names": list(provenance.class_names),
        "precision": provenance.request.get("precision", "fp32"),
        "method": provenance.method,
        "target_layer": provenance.target_layer,
        "smooth": str(provenance.smooth),
        "map_cells": f"{provenance.grid.height} x {provenance.grid.width} cells",
        "explain_classes": sorted(map(str.casefold, provenance.explain_classes)),
        **_flat({"preprocess": {name: list(one) if isinstance(one, tuple) else one for name, one in made.items()}}),
    }


def _flat(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request with dotted names for what lies deeper."""
    flat: dict[str, Any] = {}
    for name, value in request.items():
        flat |= {f"{name}.{key}": one for key, one in value.items()} if isinstance(value, dict) else {name: value}
    return flat


def _is_other(record: ImageRecord, row: Prediction) -> bool:
    """Return whether a file has another size than the predicted one; one that cannot be reached says nothing."""
    if row.stamp is None or is_url(record.path):
        return False
    try:
        return record.path.stat().st_size != row.stamp.size
    except OSError:
        return False


def _text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
