"""The numbers at the top of the page, each with its interval."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from btxrd_explain.commands.intervene.report import InterventionReport
from btxrd_explain.core.multi_label import UNDEFINED, MultiLabelPerformance
from btxrd_explain.evaluation.conclusion import OUTCOMES, TOO_FEW
from btxrd_explain.evaluation.file_set import read_report
from btxrd_explain.evaluation.parts import Estimate
from btxrd_explain.evaluation.protocol import BASELINES
from btxrd_explain.predictions.record import RowStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from btxrd_explain.core import statistics
    from btxrd_explain.core.classification import Performance
    from btxrd_explain.core.multi_label import ClassScores
    from btxrd_explain.evaluation.schema import Metric, Report, SliceSummary
    from btxrd_explain.evaluation.score import Score
    from btxrd_explain.predictions.provenance import Provenance
    from btxrd_explain.progress import Listener

_UNDEFINED = Estimate(mean=None, low=None, high=None, n=0, units=0)

_TILES = (
    ("iou", "Mean IoU", "score"),
    ("pointing_hit", "Hottest point on the annotation", "share"),
    ("energy_in_mask", "Heat on the annotation", "share"),
    ("average_precision", "Average precision", "score"),
)


def by_class(performance: Performance | MultiLabelPerformance | None, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows of the table of classes, each against all others; none where no true class is known."""
    if performance is None:
        return []
    if isinstance(performance, MultiLabelPerformance):
        return [
            {"name": name, "n": part.counts.tp + part.counts.fn, "auroc": _plain(_auroc(part))}
            | {key: _plain(part.rates[key]) for key in ("sensitivity", "specificity", "precision")}
            for name, part in zip(names, performance.classes, strict=True)
        ]
    rates = performance.rates.per_class
    return [
        {"name": name, "n": part.positives, "auroc": _plain(part.roc.area)}
        | {key: _plain(rates[key][index]) for key in ("sensitivity", "specificity", "precision")}
        for index, (name, part) in enumerate(zip(names, performance.per_class, strict=True))
    ]


def _auroc(part: ClassScores) -> statistics.Estimate:
    return UNDEFINED if part.performance is None else part.performance.roc.area


def tiles(
    scores: Sequence[Score], performance: Performance | MultiLabelPerformance | None, report: Report
) -> list[dict[str, Any]]:
    """Return the tiles of the summary; those about which nothing is known are left out."""
    failed = sum(score.row.status is not RowStatus.OK for score in scores)
    count = len(scores)
    everything = Estimate(mean=count, low=None, high=None, n=count, units=count)
    found = [_tile("Radiographs", "count", everything, f"{failed} could not be read" if failed else "all were read")]
    if isinstance(performance, MultiLabelPerformance):
        auroc, subset = performance.macro["auroc"], performance.subset_accuracy
        found.append(_tile("Mean AUROC", "score", Estimate.of(auroc.estimate), f"over {auroc.classes} classes"))
        found.append(_tile("Right in all classes", "share", Estimate.of(subset), "of those of which all are known"))
    elif performance is not None:
        accuracy, balanced = performance.rates.accuracy, performance.rates.balanced_accuracy
        guess = max(part.positives for part in performance.per_class) / performance.images
        by_guess = f"predicted class = true class; by a guess {100 * guess:.1f} %, always the most frequent class"
        found.append(_tile("Accuracy", "share", Estimate.of(accuracy), by_guess))
        found.append(_tile("Balanced accuracy", "share", Estimate.of(balanced), "mean sensitivity of the classes"))
    metrics = report.summary.overall.metrics
    found += [_tile(label, kind, metrics[name], _context(metrics[name], kind)) for name, label, kind in _TILES]
    return [tile for tile in found if tile["estimate"]["mean"] is not None]


def slices(report: Report) -> list[dict[str, Any]]:
    """Return the rows of the table of agreement: all evaluated radiographs, and every slice of them."""
    summary = report.summary
    groups = {
        "": {"all": summary.overall},
        "class": summary.by_class,
        "outcome": {OUTCOMES[name]: part for name, part in summary.by_outcome.items()},
        "lesion size": summary.by_lesion_size,
        **summary.by_metadata,
    }
    found = [_slice(group, name, part) for group, parts in groups.items() for name, part in parts.items() if part.n]
    return [*found, *_baselines(report), *_comparators(summary.overall)]


def _baselines(report: Report) -> Iterator[dict[str, Any]]:
    """Yield the rows of baselines, and of the heat maps minus them; nothing where none was asked for."""
    metrics = report.summary.overall.metrics
    for kind in BASELINES if report.protocol.average_mask else ():
        found = {metric: of.baselines[kind] for metric, of in metrics.items() if kind in of.baselines}
        if kind in report.not_computed:
            yield _row("baseline", f"{kind}: not computed ({report.not_computed[kind]})", {})
        else:
            yield _row("baseline", kind, found)
            yield _row("baseline", f"heat map minus {kind}", {name: of.difference for name, of in found.items()})


def readers(report: Report) -> dict[str, Any]:
    """Return the table of human readers; without rows where there are none."""
    human = report.human
    if human is None:
        return {"note": "", "rows": []}
    fates = ", ".join(f"{count} {fate}" for fate, count in human.all_readers.images.items() if count)
    agreement = "; ".join(f"{' and '.join(two.readers)} {_decimal(two.iou.mean)}" for two in human.agreement)
    note = (
        f"Each reader and the heat map are compared with {human.compared_with}, on the same radiographs. The fraction "
        f"is the mean of the heat map divided by that of the reader. Readings: {fates}."
    )
    return {
        "note": f"{note} Agreement (IoU): {agreement}." if agreement else note,
        "rows": [
            {"name": name, "score": title, "n": found.reader.n}
            | {part: _plain(getattr(found, part)) for part in ("reader", "heat_map", "difference", "fraction")}
            for name, result in human.results
            for score, title in _OF_READERS.items()
            for found in [result.scores[score]]
        ],
    }


_OF_READERS = {"iou": "IoU", "dice": "Dice", "recall": "recall", "centre_hit": "hit by one point"}


def _decimal(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def read_interventions(folder: Path, provenance: Provenance, listener: Listener) -> InterventionReport | None:
    """Return the report of `intervene` on the same predictions table; None where there is none.

    Args:
        folder: The folder of results.
        provenance: That of the table: whether a map looks at the lesion depends on method and layer.
        listener: Told of a report that does not fit.
    """
    path = folder / "intervention_report.json"
    try:
        found = InterventionReport.model_validate(read_report(path))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        listener.note(f"'{path}' is damaged or of another release, and is not in the page")
        return None
    if found.provenance.get("fingerprint") == provenance.fingerprint:
        return found
    listener.note(f"'{path}' is of another table, and is not in the page; run 'btxrd-explain intervene' again")
    return None


def interventions(found: InterventionReport | None) -> dict[str, Any] | None:
    """Return whether maps look at lesions and classes depend on them; None where no radiograph was changed."""
    if found is None:
        return None
    table = found.table
    cells = [
        {"name": cell.name, "meaning": cell.meaning, "count": cell.count, "fraction": _plain(cell.fraction)}
        for cell in table.cells
    ]
    undefined = f", {table.n_undefined} more have no map or no rank" if table.n_undefined else ""
    note = (
        f"Of {table.n + table.n_undefined} {found.counted} whose lesion was taken away, {table.n} are in one of the "
        f"four{undefined}."
    )
    return {"verdict": found.verdict, "note": note, "several": found.counted != "images", "cells": cells}


def cells_by_image(found: InterventionReport | None) -> dict[tuple[str, str], str | None]:
    """Return the cell of each radiograph that was changed, by its name and the class that was followed."""
    return {} if found is None else {(one.image_id, one.target_class): one.cell for one in found.per_image}


def exclusions(scores: Sequence[Score]) -> list[dict[str, Any]]:
    """Count what was not measured, by reason."""
    return [{"reason": reason, "count": count} for reason, count in Counter(_reasons(scores)).most_common()]


def _reasons(scores: Sequence[Score]) -> Iterator[str]:
    for score in scores:
        if score.is_attention_pattern:
            yield "no tumour and no annotation: there is nothing to measure"
        elif score.excluded is not None:
            yield str(score.excluded)
        elif score.undefined is not None:
            yield f"the heat map is undefined: {score.undefined.replace('_', ' ')}"


def _tile(label: str, kind: str, found: Estimate, note: str) -> dict[str, Any]:
    return {"label": label, "kind": kind, "estimate": _plain(found), "note": note}


def _slice(group: str, name: str, part: SliceSummary) -> dict[str, Any]:
    iou = part.metrics["iou"]
    return {
        "group": group,
        "name": name,
        "n": part.n,
        "iou": _told(iou),
        "ceiling": None if iou.ceiling is None else iou.ceiling.mean,
        "chance": iou.chance,
        "hit": _told(part.metrics["pointing_hit"]),
        "energy": _told(part.metrics["energy_in_mask"]),
    }


def _told(found: Estimate) -> dict[str, Any]:
    """Return an estimate of a slice; of very few images without an interval, which would look like knowledge."""
    return _plain(found) | ({"low": None, "high": None} if found.n < TOO_FEW else {})


def _comparators(overall: SliceSummary) -> Iterator[dict[str, Any]]:
    for name in overall.metrics["iou"].comparators:
        yield _row("compared with", name, {metric: of.comparators[name] for metric, of in overall.metrics.items()})


def _row(group: str, name: str, found: Mapping[str, Estimate]) -> dict[str, Any]:
    """Return a row of what has neither ceiling nor chance; undefined where nothing was found."""
    names = {"iou": "iou", "hit": "pointing_hit", "energy": "energy_in_mask"}
    plain = {key: _plain(found.get(metric, _UNDEFINED)) for key, metric in names.items()}
    return {"group": group, "name": name, "n": plain["iou"]["n"], "ceiling": None, "chance": None} | plain


def _context(metric: Metric, kind: str) -> str:
    """Return in words what bounds a metric: chance and the best baseline below, the grid's ceiling above."""
    ceiling = None if metric.ceiling is None else metric.ceiling.mean
    best = metric.best_baseline
    baseline = {} if best is None else {f"the best baseline ({best})": metric.baselines[best].mean}
    levels = {"by chance": metric.chance, **baseline, "the grid's ceiling": ceiling}
    shown = {
        name: f"{100 * level:.1f} %" if kind == "share" else f"{level:.3f}"
        for name, level in levels.items()
        if level is not None
    }
    return ", ".join(f"{name} {level}" for name, level in shown.items())


def _plain(found: Estimate | statistics.Estimate) -> dict[str, Any]:
    """Return an estimate as plain JSON values, without what a report has to say of it beyond that."""
    own = found if isinstance(found, Estimate) else Estimate.of(found)
    return own.model_dump(include=set(Estimate.model_fields))
