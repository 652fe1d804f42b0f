"""The parts of the report that hold numbers of many images: means, metrics, slices."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Part(BaseModel):
    """A part of the report; no other keys, and what is undefined is null."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Mean(Part):
    """A mean with its bootstrap interval."""

    mean: float | None = Field(description="Mean over the images in which it is defined; null where there are none.")
    low: float | None = Field(description="Lower end of the interval; null for fewer than two independent units.")
    high: float | None = Field(description="Upper end of the interval; null likewise.")
    n: int = Field(description="Images in which it is defined.")


class Baseline(Mean):
    """What a map scores that knows nothing of the classifier."""

    difference: float | None = Field(description="Mean of classifier minus baseline, image by image.")
    difference_low: float | None = Field(description="Lower end of its interval (paired bootstrap).")
    difference_high: float | None = Field(description="Upper end of its interval (paired bootstrap).")


class Metric(Mean):
    """A metric of the classifier's maps beside what bounds it."""

    n_undefined: int = Field(description="Evaluated images in which it is undefined.")
    chance: float | None = Field(description="What chance scores on the same images.")
    chance_from: Literal["formula", "random grid"] | None = Field(
        description="Whether chance follows from a formula or is what a uniform random grid scores."
    )
    ceiling: Mean | None = Field(description="The same metric of the ideal map that a grid of this size can draw.")
    baselines: dict[str, Baseline] = Field(description="The same metric of random, centre, edges and average.")


class SliceSummary(Part):
    """Some of the evaluated images in numbers."""

    n: int = Field(description="Images with an IoU.")
    n_undefined: int = Field(description="Evaluated images without one; they count in no mean.")
    units: int = Field(description="Independent units among the images with an IoU: groups, or the images themselves.")
    mean_iou: float | None
    median_iou: float | None
    mean_dice: float | None
    pointing_hits: float | None = Field(description="Share of the images whose hottest pixel lies on a lesion.")
    mean_energy_in_mask: float | None
    mean_lesion_share: float | None = Field(description="Mean annotated share of the image.")
    metrics: dict[str, Metric] = Field(description="Every metric, by name; definitions says what they are.")


class Summary(Part):
    """All slices."""

    overall: SliceSummary
    by_class: dict[str, SliceSummary] = Field(description="By true class.")
    by_outcome: dict[str, SliceSummary] = Field(description="TP, FN and FP of the tumour classes together.")
    by_class_and_outcome: dict[str, SliceSummary] = Field(description="Such as 'Benign, FN'.")
    by_lesion_size: dict[str, SliceSummary] = Field(description="Terciles of the annotated share of the image.")
    by_metadata: dict[str, dict[str, SliceSummary]] = Field(description="By column of the metadata, then by value.")
    excluded: dict[str, int] = Field(description="Number of images by reason of exclusion.")
    num_attention_patterns: int = Field(description="Normal images without annotation, which are not excluded.")
