"""The scores of classes that do not exclude each other: the ``performance.json`` of a multi-label table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import Field

from btxrd_explain.commands.performance.calibration import Calibration, calibration_of
from btxrd_explain.core.labels import UNKNOWN, truth_matrix
from btxrd_explain.core.multi_label import UNDEFINED, measure_multi_label
from btxrd_explain.core.statistics import Resampling
from btxrd_explain.errors import InputError
from btxrd_explain.evaluation.conclusion import of_predictions
from btxrd_explain.evaluation.decisions import DecisionTuning  # noqa: TC001 -- pydantic reads the annotations
from btxrd_explain.evaluation.file_set import FileHashes  # noqa: TC001 -- pydantic reads annotations at run time
from btxrd_explain.evaluation.parts import Estimate, LeftOut, Part, Statistics
from btxrd_explain.finding import Finding  # noqa: TC001 -- likewise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from btxrd_explain.core.multi_label import ClassScores, MultiLabelPerformance
    from btxrd_explain.evaluation.decisions import Decisions
    from btxrd_explain.inference.selection import Selected
    from btxrd_explain.settings import Settings

SCHEMA_VERSION: Final = 2

NOT_DEFINED = {
    "accuracy": "a radiograph may have several classes or none, so that no one class is right; see subset_accuracy and "
    "hamming_loss",
    "confusion": "a radiograph may have several classes, which have no one place in a table of true and predicted "
    "class; see TP, FP, FN and TN of each class",
}

DEFINITIONS = {
    "predicted": "the probability of the class is at least its threshold; compared as float32",
    "unknown": "the labels do not say whether the class is true; such an image has no part in the scores of the class",
    "auroc": "area under the ROC curve of the class's probability, the class against its absence; ties count half",
    "average_precision": "sum of precision times gain in recall, the class against its absence; its chance level is "
    "prevalence",
    "sensitivity": "TP / (TP + FN)",
    "specificity": "TN / (TN + FP)",
    "precision": "TP / (TP + FP), the positive predictive value",
    "npv": "TN / (TN + FN), the negative predictive value",
    "f1": "2 TP / (2 TP + FP + FN)",
    "brier": "mean squared difference of probability and outcome",
    "calibration_error": "expected calibration error: sum over ten bins of equal width of the fraction of images times "
    "|fraction that came true - mean probability|; too large on small samples",
    "macro": "plain mean over the classes of which the score is defined",
    "subset_accuracy": "fraction of the images, of which all classes are known, that are right in all of them",
    "hamming_loss": "fraction of the known truths, over all images and classes, that are predicted wrongly",
    "interval": "percentile bootstrap over images, or over groups of them; of fractions in calibration bins Wilson's",
    "undefined": "null: a class without images that have it, or without images that do not, has no such score",
}


class MacroMean(Estimate):
    """A mean over classes."""

    classes: int = Field(description="Number of classes of which the score is defined.")


class MultiLabelClass(Part):
    """One class against its absence."""

    n: int = Field(description="Images that have the class.")
    known: int = Field(description="Images of which it is known whether they have it.")
    unknown: int = Field(description="Images of which it is not known; they are left out here.")
    prevalence: float | None = Field(description="n / known: the chance level of average_precision.")
    threshold: float = Field(description="The probability from which the class counts as predicted.")
    TP: int
    FP: int
    FN: int
    TN: int
    auroc: Estimate
    average_precision: Estimate
    sensitivity: Estimate
    specificity: Estimate
    precision: Estimate = Field(description="The positive predictive value.")
    npv: Estimate = Field(description="The negative predictive value.")
    f1: Estimate
    calibration: Calibration | None = Field(description="Of the probability of the class; null where none is known.")


class MultiLabelReport(Part):
    """The content of ``performance.json`` where the table says that classes do not exclude each other."""

    schema_version: Literal[2] = SCHEMA_VERSION
    multi_label: Literal[True] = True
    conclusion: list[str] = Field(description="What the numbers say, in sentences.")
    num_images: int = Field(description="Images with a prediction, of which something is known of a class.")
    excluded: dict[str, int] = Field(description="Number of other images by reason.")
    accuracy: None = Field(default=None, description="Not defined; not_defined says why.")
    confusion: None = Field(default=None, description="Not defined; not_defined says why.")
    not_defined: dict[str, str] = Field(default=NOT_DEFINED, description="What is not defined, and why.")
    subset_accuracy: Estimate
    hamming_loss: Estimate
    macro: dict[str, MacroMean] = Field(description="Means over classes, by score.")
    per_class: dict[str, MultiLabelClass]
    tuned_on: DecisionTuning | None = Field(description="Null for thresholds that were not tuned.")
    statistics: Statistics
    warnings: list[Finding]
    definitions: dict[str, str]
    sha256: FileHashes
    provenance: dict[str, Any] = Field(description="How the predictions table was made.")
    failed_images: list[LeftOut] = Field(description="Images whose file failed.")


def measured_report(
    selected: Selected, decisions: Decisions, groups: Sequence[str | None], settings: Settings
) -> tuple[MultiLabelReport, MultiLabelPerformance]:
    """Score the predictions of a multi-label table, and write them down; failed images are not told yet.

    Args:
        selected: The rows.
        decisions: The threshold of each class.
        groups: The group of each row, which intervals draw; None draws images.
        settings: The settings.

    Raises:
        InputError: No image has both a prediction and a class of which the truth is known.
    """
    rows, wanted = selected.rows, settings.evaluation
    truth = truth_matrix(rows.column("label").to_pylist(), decisions.names, decisions.no_lesion)
    predicted, known = rows.predicted >= 0, (truth != UNKNOWN).any(axis=1)
    used = predicted & known
    if not used.any():
        raise InputError(
            "no radiograph has both a prediction and a class that is known to be true or not",
            hint="name a split CSV whose label is A|B, or with a column of 0 and 1 per class, when running infer",
        )
    left_out = {"no prediction": ~predicted, "no known true class": predicted & ~known}
    own = [group for group, use in zip(groups, used.tolist(), strict=True) if use]
    resampling = Resampling.of_groups(own, resamples=wanted.resamples, seed=wanted.seed)
    performance = measure_multi_label(
        rows.probabilities[used].clip(0, 1), truth[used], decisions.thresholds, resampling
    )
    per_class = {name: _of_class(one) for name, one in zip(decisions.names, performance.classes, strict=True)}
    of_classes = {name: (one.n, one.auroc, one.sensitivity) for name, one in per_class.items()}
    report = MultiLabelReport(
        conclusion=of_predictions(None, of_classes, performance.images),
        num_images=performance.images,
        excluded={reason: int(mask.sum()) for reason, mask in left_out.items() if mask.any()},
        subset_accuracy=Estimate.of(performance.subset_accuracy),
        hamming_loss=Estimate.of(performance.hamming_loss),
        macro={name: MacroMean.of(one.estimate, classes=one.classes) for name, one in performance.macro.items()},
        per_class=per_class,
        tuned_on=decisions.tuned,
        statistics=Statistics.of(resampling, wanted.group_column or "image"),
        warnings=list(selected.findings),
        definitions=DEFINITIONS,
        sha256={},
        provenance=selected.table.document(),
        failed_images=[],
    )
    return report, performance


def _of_class(scores: ClassScores) -> MultiLabelClass:
    counts, part = scores.counts, scores.performance
    undefined = Estimate.of(UNDEFINED)
    return MultiLabelClass(
        n=counts.tp + counts.fn,
        known=counts.known,
        unknown=counts.unknown,
        prevalence=(counts.tp + counts.fn) / counts.known if counts.known else None,
        threshold=scores.threshold,
        TP=counts.tp,
        FP=counts.fp,
        FN=counts.fn,
        TN=counts.tn,
        auroc=undefined if part is None else Estimate.of(part.roc.area),
        average_precision=undefined if part is None else Estimate.of(part.precision_recall.area),
        **{name: Estimate.of(found) for name, found in scores.rates.items()},
        calibration=None if part is None else calibration_of(part.reliability),
    )
