"""The content of ``annotation_report.json``."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field, WithJsonSchema, create_model

from btxrd_explain.core import choices
from btxrd_explain.core.metrics import ImageMetrics
from btxrd_explain.core.metrics.catalogue import METRICS
from btxrd_explain.evaluation.file_set import FileHashes  # noqa: TC001 -- pydantic reads annotations at run time
from btxrd_explain.evaluation.human import HumanBenchmark  # noqa: TC001 -- likewise
from btxrd_explain.evaluation.origin import Origin
from btxrd_explain.evaluation.parts import Estimate, LeftOut, Part, Statistics
from btxrd_explain.finding import Finding  # noqa: TC001 -- pydantic reads annotations at run time

if TYPE_CHECKING:
    from enum import StrEnum


def _listed(kinds: type[StrEnum]) -> WithJsonSchema:
    """Let the JSON Schema list the words of a choice where they are used, without a name of their own."""
    return WithJsonSchema({"enum": [kind.value for kind in kinds], "type": "string"})


# The parts of the report that hold numbers of many images: means, metrics, slices.


class Baseline(Estimate):
    """What a map scores that does not explain the class, on the images in which the classifier has the score."""

    difference: Estimate = Field(description="Classifier minus baseline, image by image (paired bootstrap).")


class Comparator(Estimate):
    """What the findings of a detector or segmenter score, on the images in which the classifier has the score."""

    n_undefined: int = Field(description="Such images in which it has none, as where nothing was found.")
    difference: Estimate = Field(description="Classifier minus comparator, image by image (paired bootstrap).")


class Metric(Estimate):
    """A metric of the classifier's maps with what bounds it."""

    n_undefined: int = Field(description="Evaluated images in which it is undefined.")
    chance: float | None = Field(description="What chance scores on the same images.")
    chance_from: Literal["formula", "random grid"] | None = Field(
        description="Whether chance follows from a formula or is what a uniform random grid scores."
    )
    ceiling: Estimate | None = Field(description="The same metric of the ideal map that a grid of this size can draw.")
    baselines: dict[str, Baseline] = Field(description="The same metric of the maps of baselines.")
    comparators: dict[str, Comparator] = Field(
        default={}, description="The same metric of what detectors and segmenters found."
    )

    @property
    def best_baseline(self) -> str | None:
        """The name of the baseline with the highest mean; None where none has the score."""
        means = {name: one.mean for name, one in self.baselines.items() if one.mean is not None}
        return max(means, key=lambda name: means[name], default=None)


class SliceSummary(Part):
    """Some of the evaluated images in numbers."""

    n: int = Field(description="Images with an IoU.")
    n_undefined: int = Field(description="Evaluated images without one; they count in no mean.")
    units: int = Field(description="Independent units among the images with an IoU: groups, or the images themselves.")
    mean_iou: float | None
    median_iou: float | None
    mean_dice: float | None
    pointing_hits: float | None = Field(description="Fraction of the images whose hottest pixel lies on a lesion.")
    mean_energy_in_mask: float | None
    mean_lesion_share: float | None = Field(description="Mean annotated fraction of the image.")
    metrics: dict[str, Metric] = Field(description="Every metric, by name; definitions says what they are.")


class Summary(Part):
    """All slices."""

    overall: SliceSummary
    by_class: dict[str, SliceSummary] = Field(description="By true class.")
    by_outcome: dict[str, SliceSummary] = Field(description="TP, FN and FP of the tumour classes together.")
    by_class_and_outcome: dict[str, SliceSummary] = Field(description="Such as 'Benign, FN'.")
    by_lesion_size: dict[str, SliceSummary] = Field(description="Terciles of the annotated fraction of the image.")
    by_metadata: dict[str, dict[str, SliceSummary]] = Field(description="By column of the metadata, then by value.")
    excluded: dict[str, int] = Field(description="Number of images by reason of exclusion.")
    num_attention_patterns: int = Field(
        description="Images of a class without a lesion, with none annotated; they are not excluded."
    )


SCHEMA_VERSION: Final = 3


METRIC_FIELDS = tuple(field.name for field in fields(ImageMetrics))
"""What is known of a heat map and an annotation."""
HITS = frozenset({"pointing_hit", "tolerance_hit"})
"""Those that are true or false; all others are numbers."""
_MEANINGS = {
    "lesion_share": "annotated fraction of the image, on the pixels on which heat map and annotation meet",
    "threshold": "the threshold of this image: the fixed one, or what the rule chose",
    "region_share": "fraction of the image that is highlighted",
    "otsu_threshold": "Otsu's threshold: the region is what lies above it in uint8(255 h) / 255",
    "best_threshold": "the threshold of best_iou",
}


class Tuning(Part):
    """Where a tuned threshold comes from."""

    file: str
    split: str | None
    images: int = Field(description="Images with a defined IoU on which it was chosen; none of them is scored.")
    mean_iou: float = Field(description="Their mean IoU at it.")
    left_out: list[str] = Field(description="Images that were left out because their content is that of a scored one.")
    same_group: list[str] = Field(description="Images that were left out because a scored one is of their group.")


class Rule(Part):
    """How heat maps and annotations were compared."""

    method: str
    target_layer: str
    grid: list[int] = Field(description="Rows and columns of the class-activation grids.")
    target_class: Annotated[choices.TargetClass, _listed(choices.TargetClass)] = Field(
        description="Whose heat map was measured."
    )
    space: Annotated[choices.Space, _listed(choices.Space)]
    threshold_rule: Annotated[choices.Rule, _listed(choices.Rule)]
    threshold: float | None = Field(description="The fixed threshold; null where each image has its own.")
    percentile: float | None = Field(description="Per cent of the pixels that are kept; null for other rules.")
    operator: Annotated[choices.Operator, _listed(choices.Operator)]
    tuned_on: Tuning | None = Field(description="Null for a threshold that was not tuned.")
    annotations: str = Field(description="Kind and place of the annotations.")
    mask_policy: str
    label_map: dict[str, str] = Field(description="What labels mean: lesion, ignore, or a class.")
    mask_inverted: bool = Field(default=False, description="Whether masks are 0 where the lesions are.")
    average_mask: str | None = Field(description="Whose masks the average baseline averages; null without it.")


class Best(Part):
    """The best threshold on the very images that are scored."""

    threshold: float | None
    mean_iou: float | None
    optimistic: Literal[True] = Field(default=True, description="Chosen in hindsight; never a result.")


class ComparatorCurve(Part):
    """Mean IoU of a detector or segmenter at the same thresholds."""

    n: int = Field(description="Images in which both it and the heat map have a curve.")
    mean: list[float]


class Curve(Part):
    """Mean IoU at 101 thresholds; null where undefined."""

    n: int = Field(description="Images with a curve.")
    units: int = Field(description="Independent units among them.")
    thresholds: list[float]
    mean: list[float | None]
    low: list[float | None]
    high: list[float | None]
    ceiling: list[float | None]
    baselines: dict[str, list[float | None]]
    comparators: dict[str, ComparatorCurve] = Field(
        default={}, description="Detectors and segmenters that found something in one of these images."
    )
    best: Best


class Pooled(Estimate):
    """A score of all images together, in which the classifier's map is defined."""

    chance: float | None = Field(description="Its chance level, where a formula tells: of PxAP the annotated fraction.")
    ceiling: float | None = Field(description="The same score of the ideal maps that a grid of this size can draw.")
    baselines: dict[str, float | None] = Field(
        description="The same score of the maps of baselines, where they have one; random-channels has no boxes."
    )


class Boxes(Pooled):
    """MaxBoxAccV2: the mean over 0.3, 0.5 and 0.7 of the accuracy at the best threshold for each."""

    accuracies: dict[str, float] = Field(description="Best accuracy by the IoU that a box must reach.")
    joint_score: float = Field(description="The highest mean accuracy at one threshold for all three.")
    joint_threshold: float
    optimistic: Literal[True] = Field(
        default=True,
        description=(
            "The thresholds are chosen on the images that are scored, as the measure is defined; those of baselines, "
            "ceiling and each draw of the interval likewise."
        ),
    )


class DataSet(Part):
    """Scores of the data set as a whole, which have no value per image."""

    pxap: Pooled | None = Field(description="Average precision of the pixels of all images together.")
    max_box_acc_v2: Boxes | None = Field(description="Null where it was not asked for (--boxes) or is undefined.")


class Correlations(Part):
    """What goes together with IoU: Spearman's rank correlation rho as ``mean``, with its bootstrap interval."""

    iou_with_confidence: Estimate = Field(description="With the probability of the predicted class.")
    iou_with_target_probability: Estimate = Field(description="With that of the class whose map is measured.")
    iou_with_lesion_share: Estimate


class ChecklistItem(Part):
    """One of the points that reviewers ask for."""

    number: int
    item: str
    status: Literal["met", "not met", "not applicable"]
    evidence: str = Field(description="What of this run the status rests on.")
    source: str = Field(description="Who asks for it.")


class Pattern(Part):
    """An image of a class without a lesion: where the network looks with no lesion to be found."""

    image_id: str
    class_: str | None = Field(alias="class", description="True class; of several the measured one.")
    predicted: str | None = Field(description="Predicted class; of a multi-label table all of them, joined by '|'.")
    confidence: float | None = Field(
        description="Probability of the predicted class; null in a multi-label table, which has one for each class."
    )
    outcome: Literal["TP", "FN", "FP", "TN"] | None = Field(description="Seen from the tumour classes.")


class _Image(Pattern):
    """An evaluated image."""

    target_class: str | None = Field(description="Class whose heat map was measured.")
    target_probability: float | None
    undefined: str | None = Field(description="Why it has no IoU; null where it has one.")
    lesions: int
    ceiling_iou: float | None = Field(description="IoU of the ideal map that a grid of this size can draw.")


def _kind(name: str) -> Any:  # noqa: ANN401 -- a type
    if name == "lesion_share":
        return float
    return bool | None if name in HITS else float | None


def _meaning(name: str) -> str:
    return METRICS[name].definition if name in METRICS else _MEANINGS[name]


Image = create_model(
    "Image",
    __base__=_Image,
    __doc__="An evaluated image; all that was measured of it is in annotation_metrics.parquet.",
    **{name: (_kind(name), Field(description=_meaning(name))) for name in METRIC_FIELDS},  # type: ignore[call-overload]
)


class Excluded(LeftOut):
    """An image that has no part in the evaluation."""

    detail: str | None


class Scored(Origin):
    """What was scored."""

    scored: int = Field(description="Radiographs with an IoU.")


class Report(Part):
    """The content of ``annotation_report.json``, but for what it lists of images that are not evaluated."""

    schema_version: Literal[3] = SCHEMA_VERSION
    conclusion: list[str] = Field(description="What the numbers say, in sentences.")
    scored: Scored
    mean_iou: float | None
    num_images: int = Field(description="Images with an IoU.")
    iou_threshold: float | None = Field(description="Null where each image has its own.")
    summary: Summary
    qualitative: dict[str, str] = Field(
        description="By true class: whether heat maps are focal and on the annotated region, in words."
    )
    data_set: DataSet
    not_computed: dict[str, str] = Field(description="Baselines without a score in any image, each with the reason.")
    correlations: Correlations
    curve: Curve
    per_image: list[Image]
    protocol: Rule
    statistics: Statistics
    human: HumanBenchmark | None = Field(description="Human readers; null where none was named.")
    checklist: list[ChecklistItem] = Field(min_length=16, max_length=16)
    limits: list[str] = Field(description="What the numbers cannot say.")
    warnings: list[Finding] = Field(description="What looks right and may be wrong; empty where nothing does.")
    definitions: dict[str, str]
    files: dict[str, str] = Field(description="What else was written, by kind; names in the folder of the report.")
    sha256: FileHashes
    provenance: dict[str, Any] = Field(description="How the predictions table was made.")


class Document(Report):
    """The content of ``annotation_report.json``."""

    excluded_images: list[Excluded]
    attention_patterns: list[Pattern]
    failed_images: list[LeftOut] = Field(
        default=[], description="Images without a prediction, or without their picture in panels and baselines."
    )
