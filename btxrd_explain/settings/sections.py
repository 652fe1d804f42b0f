"""The settings of data, network and output, section by section."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from btxrd_explain.core.choices import Decode, Depth, Interpolation, Precision, ResizeMode, Smooth
from btxrd_explain.core.methods import LEAST_CELLS, MAP_SIZE, MOST_CELLS
from btxrd_explain.settings.types import (
    BatchSize,
    Checkpoints,
    ClassNames,
    ColumnNames,
    CountOrAuto,
    Deviations,
    Device,
    EqualisationSettings,
    ExplainClasses,
    FilePath,
    Fraction,
    ImageFolder,
    Inputs,
    InputSize,
    LabelMap,
    Means,
    MethodName,
    Names,
    Percentiles,
    PositiveFraction,
    ResultsPlace,
    Shard,
    Text,
)

if TYPE_CHECKING:
    from btxrd_explain.inputs.split_csv import Vocabulary

# What all sections of the settings share.


class Section(BaseModel):
    """Settings that belong together; immutable, and no place for names that are not known or numbers that are none."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


# The settings of the section `data`.


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
            "Radiographs to work on: image files, folders, URLs of either (s3://, gs://), a split CSV, a BTXRD root, "
            "or - for paths on the standard input."
        ),
    )
    images: ImageFolder | None = Field(
        default=None,
        description=(
            "Folder of the radiographs, or its URL, among which a split CSV selects; null takes images/ of the root. "
            "Not looked into where INPUT names radiographs."
        ),
    )
    annotations: FilePath | None = Field(
        default=None,
        description=(
            "Annotations, recognised by content: a folder with a file per image (LabelMe, masks, Pascal VOC, YOLO), or "
            "one file (COCO, VGG VIA, CheXlocalize, boxes as CSV); null takes Annotations/ of the root, else looks for "
            "LabelMe files near the images."
        ),
    )
    split_csv: FilePath | None = Field(
        default=None,
        description=(
            "Table (CSV or Excel) with the columns image_id, split and label that selects and labels the radiographs, "
            "whichever way they are named; what it leaves out is counted in a note."
        ),
    )
    columns: ColumnNames = Field(
        default=(),
        description=(
            "What the split CSV calls its columns, as image_id=name, split=name, label=name; needed where other "
            "spellings and usual names leave a doubt."
        ),
    )
    label_names: LabelMap = Field(
        default=(),
        description=(
            "Which class each label of the split CSV, or each folder, means, as label=class, such as 0=Normal; other "
            "labels are classes as they are."
        ),
    )
    labels_from_folders: bool = Field(
        default=False,
        description=(
            "Whether the folder that a radiograph is in names its class, where the split CSV gives it no label."
        ),
    )
    split: Text | None = Field(
        default=None,
        description=("Only the radiographs of this split, as the split column names it, such as test; null takes all."),
    )
    no_lesion_classes: Names | None = Field(
        default=None,
        description=(
            "Classes without a lesion, such as [Normal, Control]: a heat map has nothing to find there, and a lesion "
            "class that is predicted there is a false alarm. null takes the classes whose names say so, such as "
            "Normal, No finding, Healthy, Negative or No tumor; a note tells which. [] takes none."
        ),
    )

    @property
    def vocabulary(self) -> "Vocabulary":
        """What split CSVs call columns and classes, and whether folders are classes.

        >>> DataSettings(label_names=("0=Normal",)).vocabulary.label("0")
        'Normal'
        """
        from btxrd_explain.inputs.split_csv import Vocabulary  # noqa: PLC0415 -- --help needs none

        columns, labels = (
            {name: meaning for name, _, meaning in (item.rpartition("=") for item in items)}
            for items in (self.columns, self.label_names)
        )
        return Vocabulary(columns, labels, self.labels_from_folders)


# The settings of the section `model`.


class ModelSettings(Section):
    """The classifier and where it runs."""

    checkpoint: Checkpoints | None = Field(
        default=None,
        description=(
            "Trained weights: a PyTorch checkpoint or a .safetensors file; a folder as timm or transformers saves it; "
            "hf-hub:OWNER/NAME, from the cache or else the Hugging Face Hub; or demo for the classifier that ships "
            "with the package. Pickled code is never run. Several, such as those of k folds (a list here, --checkpoint "
            "several times), are an ensemble: probabilities and heat maps are averaged, and how far apart its members "
            "are is kept."
        ),
    )
    architecture: Text | None = Field(
        default=None,
        description=("Name of the network in timm, such as efficientnet_b0; needed where the checkpoint does not say."),
    )
    factory: Text | None = Field(
        default=None,
        description=(
            "For a network that is not in timm: package.module:callable, which is called with num_classes and "
            "returns the network; modules in the current directory are found. Your code is run."
        ),
    )
    class_names: ClassNames | None = Field(
        default=None,
        description=(
            "Classes in the order of the network's outputs, such as [Normal, Benign, Malignant]; needed where "
            "the checkpoint does not say. Of a network with one output: the negative class, then the positive one."
        ),
    )
    activation: Literal["auto", "softmax", "sigmoid", "none"] = Field(
        default="auto",
        description=(
            "What turns the network's outputs into probabilities: softmax, where one of the classes is true; sigmoid, "
            "where each output is a yes or no of its own; none, where the outputs are probabilities already. auto "
            "takes what the outputs show, then what the checkpoint says, else softmax, and tells which."
        ),
    )
    device: Device = Field(
        default="auto",
        description="Where the network runs; auto takes CUDA, then Apple's GPU (mps), then the CPU.",
    )
    precision: Precision = Field(
        default=Precision.FP32,
        description="Precision of the network; bf16 and fp16 are faster on GPUs, slower on most CPUs. Heat maps are "
        "summed in float32 always.",
    )
    batch_size: BatchSize = Field(
        default="auto",
        description=(
            "Radiographs in one forward pass; auto fits it to the device. Where memory is short it is halved. Results "
            "do not depend on it."
        ),
    )
    compile: bool = Field(
        default=False,
        description=(
            "Whether torch.compile translates the network up to the explained layer: a minute or more at the start, "
            "for passes that are faster on GPUs and on some CPUs. Results stay the same within rounding."
        ),
    )


# The settings of the section `preprocess`.


class PreprocessSettings(Section):
    """From a radiograph's pixels to the network's input, as in training.

    The order is: transform, clip_percentiles, clahe, resize, then standardize or mean and std. Pictures are drawn of
    radiographs as they are in their files. The checkpoint wins over image_size, mean, std, interpolation and crop where
    it holds them, and a disagreement is reported.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    source: Literal["timm", "settings"] | None = Field(
        default=None,
        alias="from",
        description=(
            "timm takes timm's evaluation transform for the network as it is: image_size, resize, crop_fraction, "
            "interpolation, antialias, mean and std. A note tells what it is, and another value given for one of these "
            "is an error. settings keeps to resize, interpolation, antialias and crop_fraction as they are set here, "
            "whatever the checkpoint says of them."
        ),
    )
    image_size: InputSize | None = Field(
        default=None,
        description=(
            "Side of the square input in pixels, or height x width, such as 384x320. What the checkpoint says wins "
            "over it, and a disagreement is reported; null takes what timm says of the architecture."
        ),
    )
    resize: ResizeMode = Field(
        default=ResizeMode.SQUASH,
        description=(
            "How a radiograph of any shape becomes the input: squash resizes both sides and loses the aspect "
            "ratio, crop resizes the shortest side and cuts out the centre, letterbox resizes the longest "
            "side and pads with black, squash-crop resizes both sides and cuts out the centre."
        ),
    )
    interpolation: Interpolation = Field(default=Interpolation.BILINEAR, description="Kernel of the resize.")
    antialias: bool = Field(
        default=False,
        description=("True widens the kernel when shrinking, as Pillow and torchvision do; false samples, as OpenCV."),
    )
    crop_fraction: PositiveFraction = Field(
        default=1.0,
        description=(
            "With resize: crop, the fraction of the shortest side that the crop keeps (timm's crop_pct); with "
            "squash-crop, that of both sides."
        ),
    )
    transform: Text | None = Field(
        default=None,
        description=(
            "A Python function of your own, as module:callable, that changes the values of a radiograph before all "
            "other steps: a NumPy array (height, width) or (height, width, 3) of uint8, or of uint16 for a 16-bit file "
            "with depth: 16-bit or clip_percentiles, to an array of the same shape and type."
        ),
    )
    depth: Depth = Field(
        default=Depth.EIGHT_BIT,
        description=(
            "How many bits of the values of 16-bit radiographs reach the network: 8-bit scales them to 0-255, each "
            "image's smallest value to 0 and its largest to 255; 16-bit keeps them, 65535 is 1. 8-bit files are the "
            "same with both."
        ),
    )
    clip_percentiles: Percentiles | None = Field(
        default=None,
        description=(
            "Two percentiles of each image, such as [1, 99]: the lower becomes black, the upper white, and values "
            "beyond are clipped, so that a burnt-in marker of full white does not darken the rest. [0, 100] is each "
            "image's whole range."
        ),
    )
    clahe: EqualisationSettings | None = Field(
        default=None,
        description=(
            "Contrast-limited adaptive histogram equalisation, that of OpenCV, of the radiograph's own pixels: clip "
            "(clipLimit) and tiles (of both sides of tileGridSize, 8 unless given). after_resize: true equalises after "
            "the resize; lightness: true equalises the lightness of three equal channels, as albumentations does."
        ),
    )
    standardize: bool = Field(
        default=False,
        description=(
            "True gives each image zero mean and unit variance, (x - mean) / std over all values of the network's "
            "input, as nnU-Net and MONAI do; mean and std then have no part."
        ),
    )
    decode: Decode = Field(
        default=Decode.EXACT,
        description=(
            "How JPEG files are decoded for the network: exact decodes every pixel, fast decodes large files at a "
            "half, a quarter or an eighth of their size. The table's notes, and reports, then tell how far that moves "
            "predictions and heat maps on a sample."
        ),
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

    @field_validator("mean", "std")
    @classmethod
    def _one_normalisation(cls, values: object, info: ValidationInfo) -> object:
        if values is not None and info.data.get("standardize"):
            raise ValueError("leave it out, since standardize takes each image's own mean and standard deviation")
        return values

    @property
    def partial(self) -> dict[str, Any]:
        """The fields of :class:`btxrd_explain.core.preprocess.Preprocessing` that are decided here.

        >>> PreprocessSettings(image_size=224).partial["size"]
        Size(height=224, width=224)
        """
        from btxrd_explain.core.geometry import Size  # noqa: PLC0415 -- numpy, and --help needs none

        decided = {name: value for name, value in self if value is not None and name != "source"}
        size = decided.pop("image_size", None)
        if size is None:
            return decided
        height, _, width = str(size).partition("x")
        return decided | {"size": Size(int(height), int(width or height))}


# The settings of the section `gradcam`.


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
    explain_classes: ExplainClasses | None = Field(
        default=None,
        description=(
            "Classes whose heat maps are computed and kept: all, or any of predicted, true and names of classes. null "
            "takes all of up to 20 classes, else the predicted and the true class, and a note says so. The maps of the "
            "others have the status not_computed."
        ),
    )
    smooth: Smooth = Field(
        default=Smooth.NONE,
        description=(
            "Views over which each heat map is averaged: none; flip, the radiograph and its mirror image, which takes "
            "two passes; shift2, four passes moved by half a cell, whose mean has twice the rows and columns. The "
            "prediction stays that of the plain radiograph."
        ),
    )
    map_cells: int = Field(
        default=MAP_SIZE,
        ge=LEAST_CELLS,
        le=MOST_CELLS,
        description=(
            "Rows and columns that the maps of methods which explain pixels are averaged to, stored and scored at; at "
            "most as many as the network's input has. Other methods have the grid of their layer."
        ),
    )
    examples_per_class: int = Field(
        default=3,
        ge=1,
        le=20,
        description="Columns of each gallery: at most so many TP, FP and FN of a class.",
    )


# The settings of the section `run`.


class RunSettings(Section):
    """On how many machines the network runs, and what a file that fails means."""

    strict: bool = Field(
        default=False,
        description=(
            "Stop at the first file that fails, with exit code 1; what is done stays in the table. Else the others are "
            "worked on, and each that fails has a row that says why."
        ),
    )
    verify: bool = Field(
        default=False,
        description=(
            "Read every radiograph of the table to see whether its content is that of its row. Else a file with the "
            "same size and the same time of its last change counts as the same."
        ),
    )
    engine: Literal["local", "ray"] = Field(
        default="local",
        description=(
            "Where images go through the network: local is this process; ray is the worker processes of a Ray cluster "
            "(the extra [ray]), whose table is a folder of Parquet files."
        ),
    )
    shard: Shard | None = Field(
        default=None,
        description=(
            "Work on one of several parts of the images, such as 1/8, 2/8 and so on for the tasks of a job array. "
            "Each writes a table of its own, predictions.shard-1-of-8.parquet; 'btxrd-explain merge' makes them one."
        ),
    )
    workers: CountOrAuto = Field(
        default="auto",
        description=(
            "With engine: ray, the number of worker processes; auto takes one per GPU of the cluster, without GPUs as "
            "many as its CPUs allow."
        ),
    )
    cpus_per_worker: CountOrAuto = Field(
        default="auto",
        description=(
            "With engine: ray, the CPUs that each worker reserves and uses; auto shares them out among the GPUs, and "
            "takes one where there is none."
        ),
    )


# The settings of the section `output`.


class OutputSettings(Section):
    """Where results go and what they look like."""

    directory: ResultsPlace = Field(
        default=Path("btxrd-explain-out"),
        description="Folder of all results; made if missing. For infer it may be a URL, such as s3://bucket/run.",
    )
    predictions: ResultsPlace | None = Field(
        default=None,
        description=(
            "The predictions table, a path or a URL; null takes predictions.parquet in the folder of results."
        ),
    )
    overlay: bool | None = Field(
        default=None,
        description=(
            "Whether infer writes an overlay of the predicted class for each radiograph; null: only for those "
            "named one by one."
        ),
    )
    colormap: Literal["viridis", "plasma", "inferno", "magma", "cividis", "turbo", "jet"] = Field(
        default="viridis",
        description=(
            "Colours of heat maps. With viridis and plasma a hotter place always differs more from the bare "
            "radiograph; with the others it may differ less. Turbo and jet also show edges where there are none."
        ),
    )
    alpha: Fraction = Field(
        default=0.6,
        description=(
            "Opacity of the heat map over the radiograph where it is hottest; it falls with the square of the heat. "
            "0 hides the heat map, 1 the hottest part of the radiograph."
        ),
    )
    dpi: int = Field(default=150, ge=50, le=1200, description="Resolution of figures in dots per inch.")
    format: Literal["png", "svg", "pdf"] = Field(default="png", description="File format of figures.")

    @property
    def predictions_path(self) -> Path:
        """The predictions table: as named, else ``predictions.parquet`` in the folder of results."""
        return self.predictions or self.directory / "predictions.parquet"
