"""The settings in their sections: names, kinds, defaults and what they mean.

This module is the one place that describes a setting. Help texts, the commented YAML template and the error
messages are made from it.
"""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from btxrd_explain.settings.types import (
    BatchSize,
    ClassNames,
    Deviations,
    Device,
    FilePath,
    Fraction,
    Inputs,
    InputSide,
    Means,
    MethodName,
    PositiveFraction,
    Text,
)


class Section(BaseModel):
    """Settings that belong together; immutable, and no place for names that are not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DataSettings(Section):
    """Which radiographs, with which annotations and labels."""

    root: FilePath | None = Field(
        default=None,
        description=(
            "Root folder of a BTXRD download: its images/, Annotations/ and dataset.xlsx or dataset.csv are "
            "found by themselves."
        ),
    )
    inputs: Inputs = Field(
        default=(),
        description=(
            "Radiographs to work on: image files, folders, a split CSV, a BTXRD root, or - for paths on the "
            "standard input."
        ),
    )
    images: FilePath | None = Field(
        default=None,
        description=("Folder of the radiographs that a split CSV names; null takes images/ of the root."),
    )
    annotations: FilePath | None = Field(
        default=None,
        description=(
            "Folder of the LabelMe annotations (<stem of the image>.json); null takes Annotations/ of the root."
        ),
    )
    split_csv: FilePath | None = Field(
        default=None,
        description=("Table with the columns image_id, split and label that selects and labels the radiographs."),
    )
    split: Text | None = Field(
        default=None,
        description=("Only the radiographs of this split, as the split column names it, such as test; null takes all."),
    )


class ModelSettings(Section):
    """The classifier and where it runs."""

    checkpoint: FilePath | None = Field(
        default=None,
        description=("Trained weights: a PyTorch checkpoint or a .safetensors file. Pickled code is never run."),
    )
    architecture: Text | None = Field(
        default=None,
        description=("Name of the network in timm, such as efficientnet_b0; needed where the checkpoint does not say."),
    )
    class_names: ClassNames | None = Field(
        default=None,
        description=(
            "Classes in the order of the network's outputs, such as [Normal, Benign, Malignant]; needed where "
            "the checkpoint does not say."
        ),
    )
    device: Device = Field(
        default="auto",
        description="Where the network runs; auto takes CUDA, then Apple's GPU (mps), then the CPU.",
    )
    precision: Literal["fp32", "bf16", "fp16"] = Field(
        default="fp32",
        description="Precision of the network; bf16 and fp16 are faster on GPUs, slower on most CPUs. Heat maps are "
        "summed in float32 always.",
    )
    batch_size: BatchSize = Field(
        default="auto",
        description=("Radiographs in one forward pass; auto fits it to the device. Results do not depend on it."),
    )


class PreprocessSettings(Section):
    """From a radiograph's pixels to the network's input, as in training.

    The checkpoint wins over image_size, mean and std where it holds them, and a disagreement is reported.
    """

    image_size: InputSide | None = Field(
        default=None,
        description=(
            "Side of the square input in pixels. What the checkpoint says wins over it, and a disagreement is "
            "reported; null takes what timm says of the architecture."
        ),
    )
    resize: Literal["squash", "crop", "letterbox"] = Field(
        default="squash",
        description=(
            "How a radiograph of any shape becomes a square: squash resizes both sides and loses the aspect "
            "ratio, crop resizes the shortest side and cuts out the centre, letterbox resizes the longest "
            "side and pads with black."
        ),
    )
    interpolation: Literal["bilinear", "nearest", "bicubic", "area"] = Field(
        default="bilinear", description="Kernel of the resize."
    )
    antialias: bool = Field(
        default=False,
        description=("True widens the kernel when shrinking, as Pillow and torchvision do; false samples, as OpenCV."),
    )
    crop_fraction: PositiveFraction = Field(
        default=1.0,
        description=("With resize: crop, the share of the shortest side that the crop keeps (timm's crop_pct)."),
    )
    mean: Means | None = Field(
        default=None,
        description=(
            "Mean of each colour channel, of values in [0, 1]. What the checkpoint says wins over it, and a "
            "disagreement is reported; null takes what timm says of the architecture."
        ),
    )
    std: Deviations | None = Field(
        default=None,
        description=(
            "Standard deviation of each colour channel, of values in [0, 1]. What the checkpoint says wins "
            "over it, and a disagreement is reported; null takes what timm says of the architecture."
        ),
    )


class GradcamSettings(Section):
    """How heat maps are made, and how many of them the gallery shows."""

    method: MethodName = Field(
        default="gradcam",
        description="Method of class-activation mapping; 'btxrd-explain methods' tells what each does and costs.",
    )
    target_layer: Text = Field(
        default="auto",
        description=(
            "Layer that is explained, by its dotted name in the network (several, separated by commas, are averaged); "
            "auto takes what the classification head receives. 'btxrd-explain layers' lists them."
        ),
    )
    examples_per_class: int = Field(
        default=3,
        ge=1,
        le=20,
        description="Columns of each gallery: at most so many TP, FP and FN of a class.",
    )


class AnnotationSettings(Section):
    """How heat maps are held against annotations."""

    threshold: Fraction = Field(
        default=0.5,
        description="Level of the min-max scaled heat map from which a pixel counts as highlighted.",
    )
    operator: Literal[">=", ">"] = Field(
        default=">=",
        description=("Whether a pixel that equals the threshold counts (>=) or not (>, as in cheXlocalize)."),
    )
    space: Literal["original", "input"] = Field(
        default="original",
        description=(
            "Where heat map and annotation meet: on the pixels of the original radiograph, or on the network's input."
        ),
    )
    mask_policy: Literal["polygons-then-rectangles", "polygons", "rectangles", "all"] = Field(
        default="polygons-then-rectangles",
        description=(
            "Which shapes make the lesion's mask. BTXRD draws each lesion twice, as rectangle and as polygon: "
            "polygons-then-rectangles takes the polygons, and each rectangle that no polygon overlaps; all "
            "takes every shape, which yields bounding boxes."
        ),
    )
    panels: int = Field(
        default=6,
        ge=1,
        le=60,
        description=(
            "Radiographs in the comparison picture, balanced over classes and over best, median and worst IoU."
        ),
    )
    target_class: Literal["true", "predicted"] = Field(
        default="true",
        description=(
            "Class whose heat map is measured. For correct predictions both are the same. For misses, true "
            "asks whether the network saw the lesion at all and valued it too low, predicted asks what it "
            "looked at instead; the map of a wrong class has no reason to lie on the lesion, so true is the "
            "default."
        ),
    )


class OutputSettings(Section):
    """Where results go and what they look like."""

    directory: FilePath = Field(
        default=Path("btxrd-explain-out"), description="Folder of all results; made if missing."
    )
    predictions: FilePath | None = Field(
        default=None,
        description="The predictions table; null takes predictions.parquet in the folder of results.",
    )
    overlay: bool | None = Field(
        default=None,
        description=(
            "Whether infer writes an overlay of the predicted class for each radiograph; null: only for those "
            "named one by one."
        ),
    )
    colormap: Literal["inferno", "viridis", "magma", "cividis", "turbo", "jet"] = Field(
        default="inferno",
        description=(
            "Colours of heat maps. The first four are perceptually uniform; turbo and jet are not, and show "
            "edges where there are none."
        ),
    )
    alpha: Fraction = Field(
        default=0.45,
        description="Opacity of the heat map over the radiograph: 0 hides it, 1 hides the radiograph.",
    )
    dpi: int = Field(default=150, ge=50, le=1200, description="Resolution of figures in dots per inch.")
    format: Literal["png", "svg", "pdf"] = Field(default="png", description="File format of figures.")

    @property
    def predictions_path(self) -> Path:
        """The predictions table: as named, else ``predictions.parquet`` in the folder of results."""
        return self.predictions or self.directory / "predictions.parquet"
