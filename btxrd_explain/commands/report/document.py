"""The data of the page, as plain JSON values; what is undefined is None."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from btxrd_explain.commands.report.figures import figures
from btxrd_explain.commands.report.summary import (
    by_class,
    cells_by_image,
    exclusions,
    interventions,
    readers,
    slices,
    tiles,
)
from btxrd_explain.core.choices import Rule
from btxrd_explain.core.classification import Performance, measure_performance
from btxrd_explain.core.labels import UNKNOWN, truth_matrix
from btxrd_explain.core.multi_label import measure_multi_label
from btxrd_explain.core.preprocess import in_words
from btxrd_explain.core.statistics import Resampling
from btxrd_explain.evaluation.conclusion import of_predictions
from btxrd_explain.evaluation.decisions import outcome_of_classes
from btxrd_explain.evaluation.origin import split_csv_in_words
from btxrd_explain.evaluation.parts import Estimate
from btxrd_explain.evaluation.protocol import rule_in_words
from btxrd_explain.outputs.overlay import colour_table
from btxrd_explain.plain import percent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from btxrd_explain.commands.intervene.report import InterventionReport
    from btxrd_explain.commands.report.entries import Entry
    from btxrd_explain.core.geometry import Frame
    from btxrd_explain.core.multi_label import MultiLabelPerformance
    from btxrd_explain.core.preprocess import Preprocessing
    from btxrd_explain.evaluation.decisions import Decisions
    from btxrd_explain.evaluation.evaluate import Evaluation
    from btxrd_explain.evaluation.extent import Extent
    from btxrd_explain.evaluation.protocol import Protocol
    from btxrd_explain.evaluation.schema import Report
    from btxrd_explain.evaluation.score import Score
    from btxrd_explain.inputs.btxrd import Metadata
    from btxrd_explain.predictions.provenance import Provenance
    from btxrd_explain.predictions.record import Prediction
    from btxrd_explain.settings import OutputSettings

# What the data set's table says of the radiographs, sorted into facts and tags.

_FLAGS = frozenset({"0", "1", ""})
_MOST_CHOICES = 12
"""A column of more values than this is offered as a range where it holds numbers, else not as a filter."""


@dataclass(frozen=True, slots=True)
class Described:
    """What is known of the radiographs besides class and prediction.

    Attributes:
        columns: The columns that can be filtered by: name, and whether the page offers a range of numbers.
        facts: Of each radiograph the cells that say something, by column.
        tags: Of each radiograph the names of the yes-or-no columns that say yes.
    """

    columns: tuple[dict[str, Any], ...]
    facts: tuple[Mapping[str, str], ...]
    tags: tuple[tuple[str, ...], ...]


def describe(metadata: Metadata | None, image_ids: Sequence[str]) -> Described:
    """Sort the columns of a table into facts and tags.

    A column of 0 and 1 gives a tag of its name; so BTXRD's 30 columns of bones, joints, tumours and views read as one
    line. Columns that say the same of every radiograph stay facts, but do not become filters.

    Args:
        metadata: The table; None where there is none.
        image_ids: The radiographs.
    """
    if metadata is None:
        return Described((), ({},) * len(image_ids), ((),) * len(image_ids))
    names = [name for name in metadata.columns if name not in {"image_id", ""}]
    cells = {name: [cell or "" for cell in metadata.column(name, image_ids)] for name in names}
    flags = [name for name in names if _FLAGS.issuperset(cells[name])]
    others = [name for name in names if name not in flags]
    return Described(
        columns=tuple(column for name in others if (column := _column(name, cells[name])) is not None),
        facts=tuple({name: cells[name][row] for name in others if cells[name][row]} for row in range(len(image_ids))),
        tags=tuple(tuple(name for name in flags if cells[name][row] == "1") for row in range(len(image_ids))),
    )


def _column(name: str, cells: Sequence[str]) -> dict[str, Any] | None:
    """Return how a column is filtered by; None where it is not."""
    values = {cell for cell in cells if cell}
    if len(values) < 2:
        return None
    if len(values) <= _MOST_CHOICES:
        return {"name": name, "numeric": False}
    return {"name": name, "numeric": True} if all(map(_is_number, values)) else None


def _is_number(text: str) -> bool:
    """Return whether a cell is a plain decimal number, as JavaScript reads it too.

    >>> [_is_number(text) for text in ("48", "-1.5", ".", "1e3", "nan", "٣")]
    [True, True, False, False, False, False]
    """
    return text.isascii() and text.removeprefix("-").replace(".", "", 1).isdigit()


def build_document(
    entries: Sequence[Entry],
    described: Described,
    report: Report,
    evaluation: Evaluation,
    extent: Extent,
    output: OutputSettings,
    intervened: InterventionReport | None = None,
) -> dict[str, Any]:
    """Build what the page needs to know at once; what is heavy follows by radiograph.

    Args:
        entries: The radiographs, in the order of the table; their details and pictures are not used.
        described: What the data set's table says of them.
        report: What the annotations say of all of them.
        evaluation: What was measured, of which table, and how heat maps and annotations were compared.
        extent: How intervals are drawn.
        output: The look of the heat maps.
        intervened: What happens to the predictions where radiographs are changed; None where none was.
    """
    protocol, provenance = evaluation.protocol, evaluation.selected.table.provenance
    cells = cells_by_image(intervened)
    names, scores = provenance.class_names, [entry.score for entry in entries]
    decisions, places = protocol.decisions, [place for place, one in enumerate(entries) for _ in one.scores]
    every = [score for entry in entries for score in entry.scores]
    performance = (
        _performance(scores, extent) if decisions is None else _performance_of_classes(scores, decisions, extent)
    )
    return {
        "title": "Where the classifier looks",
        "lead": f"{len(entries)} radiographs; {_made(provenance)}.",
        "conclusion": [*_conclusion(performance, names), *report.conclusion],
        "synthetic": provenance.synthetic,
        "classes": list(names),
        "grid": list(provenance.grid),
        "alpha": output.alpha,
        "colours": b64encode(np.rint(colour_table(output.colormap)).astype(np.uint8).tobytes()).decode(),
        "protocol": _protocol(protocol),
        "tiles": tiles(scores, performance, report),
        "performance": by_class(performance, names),
        "slices": slices(report),
        "readers": readers(report),
        "interventions": interventions(intervened),
        "figures": figures(every, places, names, performance, report),
        "columns": list(described.columns),
        "rows": [
            _row(entry, names, decisions, cells) | {"facts": dict(facts), "tags": list(tags)}
            for entry, facts, tags in zip(entries, described.facts, described.tags, strict=True)
        ],
        "checklist": [
            {"item": point.item, "status": point.status, "detail": point.evidence} for point in report.checklist
        ],
        "limits": list(report.limits),
        "warnings": [f"{one.message}: {one.advice}" for one in report.warnings],
        "excluded": exclusions(every),
        "multi_label": decisions is not None,
        "definitions": _pairs(report.definitions),
        "provenance": _provenance(provenance, protocol, report),
        "folder": None,
    }


def _performance(scores: Sequence[Score], extent: Extent) -> Performance | None:
    """Score the predictions of the radiographs whose class is known; None where there are none."""
    judged = [row for row, one in enumerate(scores) if None not in (one.true, one.row.predicted)]
    if not judged:
        return None
    probabilities = np.array([scores[row].row.probabilities for row in judged], dtype=np.float32).clip(0, 1)
    labels = np.array([scores[row].true for row in judged], dtype=np.intp)
    return measure_performance(probabilities, labels, _resampling(judged, extent))


def _performance_of_classes(
    scores: Sequence[Score], decisions: Decisions, extent: Extent
) -> MultiLabelPerformance | None:
    """Score the predictions of the radiographs of which something is known of a class; None where there are none."""
    truth = truth_matrix((score.row.label for score in scores), decisions.names, decisions.no_lesion)
    predicted = np.array([score.row.predicted is not None for score in scores], dtype=bool)
    judged = np.flatnonzero(predicted & (truth != UNKNOWN).any(axis=1)).tolist()
    if not judged:
        return None
    probabilities = np.array([scores[row].row.probabilities for row in judged], dtype=np.float32).clip(0, 1)
    return measure_multi_label(probabilities, truth[judged], decisions.thresholds, _resampling(judged, extent))


def _resampling(judged: Sequence[int], extent: Extent) -> Resampling:
    """Return how `performance` draws some of the radiographs with the same settings."""
    groups = [None if extent.groups is None else extent.groups[row] for row in judged]
    return Resampling.of_groups(groups, resamples=extent.resamples, seed=extent.seed)


def _conclusion(performance: Performance | MultiLabelPerformance | None, names: Sequence[str]) -> list[str]:
    """Conclude from how good the predictions are: where a heat map looks matters less where they are guesses."""
    rows = {row["name"]: row for row in by_class(performance, names)}
    if performance is None or not rows:
        return []
    rates = {name: [Estimate.model_validate(row[of]) for of in ("auroc", "sensitivity")] for name, row in rows.items()}
    classes = {name: (row["n"], *rates[name]) for name, row in rows.items()}
    of_all = performance.rates.accuracy if isinstance(performance, Performance) else None
    return of_predictions(None if of_all is None else Estimate.of(of_all), classes, performance.images)


def _protocol(protocol: Protocol) -> dict[str, Any]:
    threshold = protocol.threshold
    return {
        "rule": rule_in_words(threshold),
        "threshold": threshold.value if threshold.rule is Rule.FIXED else None,
        "operator": threshold.operator,
        "space": protocol.space,
    }


def _classes(row: Prediction, decisions: Decisions) -> dict[str, Any]:
    """Return what a row of a multi-label table says of its classes, those of the highest probability first."""
    of_row = np.zeros(len(decisions.names)) if row.probabilities is None else row.probabilities
    true, said = (sorted(of(row), key=lambda index: -of_row[index]) for of in (decisions.true, decisions.said))
    known = not set(decisions.truths(row)) <= {None}
    shown = [", ".join(decisions.names_of(classes)) or "none" for classes in (true, said)]
    return {
        "label": shown[0] if known else None,
        "predicted": None if row.predicted is None else shown[1],
        "confidence": None,
        "true_classes": decisions.names_of(true),
        "predicted_classes": decisions.names_of(said),
    }


def _row(
    entry: Entry,
    names: Sequence[str],
    decisions: Decisions | None,
    cells: Mapping[tuple[str, str], str | None],
) -> dict[str, Any]:
    score, row, model = entry.score, entry.score.row, entry.score.model
    known = None if row.predicted is None or row.probabilities is None else row.probabilities
    return {
        "id": row.image_id,
        "label": row.label,
        "split": row.split,
        "predicted": None if row.predicted is None else names[row.predicted],
        "confidence": row.confidence,
        "std": score.member_std,
        "agreement": score.map_agreement if score.target is not None else row.map_agreement(row.predicted),
        "probabilities": None if known is None else known.tolist(),
        "maps": list(row.grid_statuses),
        "outcome": score.verdict(names) if decisions is None else outcome_of_classes(row, decisions),
        "error": row.error or entry.problem,
        "target": None if score.target is None else names[score.target],
        "threshold": model and model.threshold,
        "iou": score.iou,
        "dice": model and model.dice,
        "hit": model and model.pointing_hit,
        "energy": model and model.energy_in_mask,
        "cell": None if score.target is None else cells.get((row.image_id, names[score.target])),
        "lesions": score.lesions,
        "lesion_share": score.lesion_share,
        "excluded": score.excluded,
        "undefined": score.undefined,
        "frame": entry.frame and _frame(entry.frame),
        "thumbnail": entry.thumbnail_size and list(entry.thumbnail_size),
    } | ({} if decisions is None else _classes(row, decisions))


def _frame(frame: Frame) -> dict[str, list[int]]:
    return {
        "original": list(frame.original),
        "resized": list(frame.resized),
        "network": list(frame.network),
        "offset": [frame.top, frame.left],
    }


def _preparation(preprocessing: Preprocessing) -> dict[str, str]:
    """Return what is done to radiographs, where it is more than resizing and normalising."""
    return {"Preparation": in_words(asdict(preprocessing))} if preprocessing.changes_values else {}


def _made(provenance: Provenance) -> str:
    if provenance.imported is not None:
        return provenance.maps
    return f"{provenance.architecture} ({provenance.checkpoint}); heat maps: {provenance.maps}"


def _scored(report: Report) -> dict[str, str]:
    """Return which radiographs were scored, and how they were selected."""
    found = report.scored
    named = [*([found.root] if found.root else []), *found.inputs]
    counts = (found.selected, found.predicted, found.annotated, found.scored)
    return {
        "Radiographs": ", ".join(named) or "those of the predictions table",
        "Split CSV": split_csv_in_words(found, report.provenance),
        "Split": found.split or "all",
        "Selected, predicted, annotated, scored": ", ".join(map(str, counts)),
        "Command": found.command,
    }


def _table(made: Mapping[str, Any]) -> dict[str, str]:
    """Return the name and the hash of the table; nothing of a report that does not say it."""
    if "table" not in made:
        return {}
    return {"Predictions table (SHA-256)": f"{made['table']} ({made['table_sha256'] or 'not known'})"}


def _classifier(provenance: Provenance) -> dict[str, str]:
    """Return which network it is; of imported heat maps the hash of their files alone."""
    if provenance.imported is not None:
        return {"Files of heat maps (SHA-256)": provenance.checkpoint_sha256}
    return {
        "Classifier": f"{provenance.architecture}, {provenance.checkpoint}",
        "Checkpoint (SHA-256)": provenance.checkpoint_sha256,
    }


def _provenance(provenance: Provenance, protocol: Protocol, report: Report) -> list[dict[str, str]]:
    """Put into words how the numbers came about."""
    size, grid, drawn = provenance.preprocessing.size, provenance.grid, report.statistics
    versions = provenance.document()["versions"]
    return _pairs(
        {
            **_scored(report),
            **_classifier(provenance),
            "Heat maps": f"{provenance.maps}, {grid.height} × {grid.width} cells",
            "Input": f"{size.width} × {size.height} pixels, {provenance.preprocessing.resize}",
            **_preparation(provenance.preprocessing),
            "Region": rule_in_words(protocol.threshold),
            "Compared on": "the radiograph's pixels" if protocol.space == "original" else "the network's input",
            "Class that is measured": f"the {protocol.target_class} class",
            **_thresholds(protocol),
            "Shapes that count": str(protocol.rules.policy),
            "Intervals": f"{percent(drawn.level)}, {drawn.interval} over {drawn.unit}, {drawn.resamples} draws, "
            f"seed {drawn.seed}",
            "Table's fingerprint": provenance.fingerprint,
            **_table(report.provenance),
            "Versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
            **({"Notes": "; ".join(provenance.notes)} if provenance.notes else {}),
        }
    )


def _thresholds(protocol: Protocol) -> dict[str, str]:
    """Put the thresholds of classes that do not exclude each other into words."""
    decisions = protocol.decisions
    if decisions is None:
        return {}
    origin = "" if decisions.tuned is None else f" (tuned on {decisions.tuned.file}, {decisions.tuned.criterion})"
    levels = ", ".join(f"{name} {level:.3g}" for name, level in decisions.by_class().items())
    return {"Predicted from a probability of": f"{levels}{origin}"}


def _pairs(entries: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name.replace("_", " "), "value": value} for name, value in entries.items()]
