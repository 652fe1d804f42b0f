"""How good the classifier is: accuracy, calibration, ROC and precision-recall, with intervals and figures."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from pydantic import Field

from btxrd_explain.commands.drawing import footer, note_missing_glyphs
from btxrd_explain.commands.performance.calibration import Calibration, calibration_of
from btxrd_explain.commands.performance.multi_label import MultiLabelReport, measured_report
from btxrd_explain.core.classification import measure_performance
from btxrd_explain.core.statistics import Resampling
from btxrd_explain.errors import InputError
from btxrd_explain.evaluation.conclusion import of_predictions
from btxrd_explain.evaluation.decisions import decisions_of
from btxrd_explain.evaluation.extent import read_columns
from btxrd_explain.evaluation.file_set import FileHashes, write_set
from btxrd_explain.evaluation.parts import Estimate, LeftOut, Part, Statistics
from btxrd_explain.finding import Finding  # noqa: TC001 -- pydantic reads annotations at run time
from btxrd_explain.inference.selection import Selected, are_gone, select_to_evaluate
from btxrd_explain.inputs.btxrd import LABELS_FROM
from btxrd_explain.outputs.performance_figure import build_precision_recall, build_reliability, build_roc
from btxrd_explain.outputs.style import save_figure
from btxrd_explain.progress import Failures, Listener
from btxrd_explain.system.locks import alone

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from btxrd_explain.core.classification import Performance
    from btxrd_explain.core.multi_label import MultiLabelPerformance
    from btxrd_explain.settings import Settings

SCHEMA_VERSION: Final = 2

_FIGURES = {"calibration": build_reliability, "roc": build_roc, "precision_recall": build_precision_recall}

DEFINITIONS = {
    "accuracy": "fraction of images whose predicted class, the most probable one, is the true class",
    "balanced_accuracy": "mean sensitivity over the classes that occur",
    "macro_f1": "mean F1 over the classes that occur",
    "auroc": "area under the ROC curve of the class's probability, the class against the rest; ties count half",
    "average_precision": "sum of precision times gain in recall, the class against the rest; its chance level is "
    "prevalence",
    "sensitivity": "TP / (TP + FN), the class against the rest",
    "specificity": "TN / (TN + FP), the class against the rest",
    "precision": "TP / (TP + FP), the class against the rest",
    "f1": "2 TP / (2 TP + FP + FN), the class against the rest",
    "calibration_error": "expected calibration error: sum over ten bins of equal width of the fraction of images times "
    "|fraction that came true - mean probability|; too large on small samples",
    "brier": "mean squared difference of probability and outcome",
    "interval": "percentile bootstrap over images, or over groups of them; of fractions in calibration bins Wilson's",
    "undefined": "null: a class without images, or without images of the rest, has no such score",
}

_MOST_WHOLE = 20
"""Classes of which a report has the whole confusion matrix; that of 1,000 classes takes 40 MB."""


class ClassReport(Part):
    """One class against the rest."""

    n: int = Field(description="Images of the class.")
    prevalence: float = Field(description="Their fraction of all images: the chance level of average_precision.")
    auroc: Estimate
    average_precision: Estimate
    sensitivity: Estimate
    specificity: Estimate
    precision: Estimate
    f1: Estimate
    calibration: Calibration = Field(description="Of the probability of the class.")


class PerformanceReport(Part):
    """The content of ``performance.json``."""

    schema_version: Literal[2] = SCHEMA_VERSION
    conclusion: list[str] = Field(description="What the numbers say, in sentences.")
    num_images: int = Field(description="Images with a prediction and a known true class.")
    excluded: dict[str, int] = Field(description="Number of other images by reason.")
    accuracy: Estimate
    balanced_accuracy: Estimate
    macro_f1: Estimate
    calibration: Calibration = Field(description="Of the probability of the predicted class.")
    per_class: dict[str, ClassReport]
    confusion: dict[str, dict[str, int]] = Field(
        description="Images by true class, then by predicted class; of more than 20 classes without what is 0."
    )
    statistics: Statistics
    warnings: list[Finding]
    definitions: dict[str, str]
    sha256: FileHashes
    provenance: dict[str, Any] = Field(description="How the predictions table was made.")
    failed_images: list[LeftOut] = Field(description="Images whose file failed.")


@dataclass(frozen=True, slots=True)
class PerformanceResult:
    """What ``performance`` measured and wrote.

    Attributes:
        report: The content of ``performance.json``: of a multi-label table another one.
        document: Path of the report.
        figures: Paths of the figures by what they show.
        gone: Whether none of the radiographs is where the table has it.
    """

    report: PerformanceReport | MultiLabelReport
    document: Path
    figures: dict[str, Path]
    gone: bool = False


def run(settings: Settings, listener: Listener | None = None) -> PerformanceResult:
    """Score the predictions against the known true classes.

    Args:
        settings: The settings.
        listener: Told of progress; None is silent.

    Returns:
        What was measured.

    Raises:
        InputError: No image has both a prediction and a known true class.
        BtxrdExplainError: Table, images or output cannot be used.
    """
    listener = Failures(listener, strict=settings.run.strict)
    selected = select_to_evaluate(settings, listener)
    decisions = decisions_of(settings, selected, listener)
    groups = groups_of(settings, selected, listener)
    report: PerformanceReport | MultiLabelReport
    performance: Performance | MultiLabelPerformance
    if decisions is None:
        report, performance = _report(selected, groups, settings)
    else:
        report, performance = measured_report(selected, decisions, groups, settings)
    document = settings.output.directory / "performance.json"
    with alone(document, listener.note):
        figures = _draw(performance, selected, settings, listener)
        report = report.model_copy(update={"failed_images": LeftOut.of(listener.reasons)})
        report = write_set(document, report, figures.values())
    return PerformanceResult(report, document, figures, are_gone(selected))


def groups_of(settings: Settings, selected: Selected, listener: Listener) -> list[str | None]:
    """Return the group of each selected row; None where intervals draw images."""
    columns = read_columns(settings, selected, listener)
    return columns.get(settings.evaluation.group_column or "", [None] * len(selected.rows))


def _report(
    selected: Selected, groups: Sequence[str | None], settings: Settings
) -> tuple[PerformanceReport, Performance]:
    """Score the predictions of classes that exclude each other."""
    probabilities, labels, of_groups, excluded = _samples(selected, groups)
    wanted, provenance = settings.evaluation, selected.table.provenance
    resampling = Resampling.of_groups(of_groups, resamples=wanted.resamples, seed=wanted.seed)
    performance = measure_performance(probabilities, labels, resampling)
    scores = _scores(performance, provenance.class_names)
    classes = {name: (one.n, one.auroc, one.sensitivity) for name, one in scores["per_class"].items()}
    report = PerformanceReport(
        **scores,
        conclusion=of_predictions(scores["accuracy"], classes, performance.images),
        excluded=excluded,
        statistics=Statistics.of(resampling, wanted.group_column or "image"),
        warnings=list(selected.findings),
        definitions=DEFINITIONS,
        sha256={},
        provenance=selected.table.document(),
        failed_images=[],
    )
    return report, performance


def _samples(
    selected: Selected, group_of: Sequence[str | None]
) -> tuple[NDArray[np.float32], NDArray[np.intp], list[str | None], dict[str, int]]:
    """Return probabilities, true classes and groups of the rows that have both, and how many have not, by reason.

    Groups are None where intervals draw images.
    """
    names = selected.table.provenance.class_names
    probabilities, labels, groups, excluded = [], [], [], Counter[str]()
    for row, group in zip(selected.rows, group_of, strict=True):
        if row.predicted is None or row.probabilities is None:
            excluded["no prediction"] += 1
        elif row.label not in names:
            excluded["no known true class"] += 1
        else:
            probabilities.append(row.probabilities)
            labels.append(names.index(row.label))
            groups.append(group)
    if not labels:
        raise InputError(
            "no radiograph has both a prediction and a known true class",
            hint=f"{LABELS_FROM}, when running infer",
        )
    return np.stack(probabilities).clip(0, 1), np.array(labels), groups, dict(sorted(excluded.items()))


def _draw(
    performance: Performance | MultiLabelPerformance, selected: Selected, settings: Settings, listener: Listener
) -> dict[str, Path]:
    """Draw the figures; return their paths by what they show."""
    provenance = selected.table.provenance
    note_missing_glyphs(provenance.class_names, listener)
    drawn = {}
    listener.start("figures", len(_FIGURES))
    for name, build in _FIGURES.items():
        figure = build(performance, provenance.class_names, footer=footer(provenance))
        drawn[name] = settings.output.directory / f"performance_{name}.{settings.output.format}"
        save_figure(figure, drawn[name], dpi=settings.output.dpi)
        listener.advance()
    return drawn


def _scores(performance: Performance, names: Sequence[str]) -> dict[str, Any]:
    """Return the fields of the report that say how good the predictions are."""
    rates = performance.rates
    few = len(names) <= _MOST_WHOLE
    confusion = (
        {name: count for name, count in zip(names, row, strict=True) if count or few}
        for row in performance.confusion.tolist()
    )
    return {
        "num_images": performance.images,
        "accuracy": Estimate.of(rates.accuracy),
        "balanced_accuracy": Estimate.of(rates.balanced_accuracy),
        "macro_f1": Estimate.of(rates.macro_f1),
        "calibration": calibration_of(performance.reliability),
        "per_class": {name: _class_report(performance, index) for index, name in enumerate(names)},
        "confusion": dict(zip(names, confusion, strict=True)),
    }


def _class_report(performance: Performance, index: int) -> ClassReport:
    part = performance.per_class[index]
    return ClassReport(
        n=part.positives,
        prevalence=part.positives / performance.images,
        auroc=Estimate.of(part.roc.area),
        average_precision=Estimate.of(part.precision_recall.area),
        **{name: Estimate.of(estimates[index]) for name, estimates in performance.rates.per_class.items()},
        calibration=calibration_of(part.reliability),
    )
