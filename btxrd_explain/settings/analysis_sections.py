"""The settings of what is done with predictions, section by section."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from btxrd_explain.core.choices import (
    ALL_READERS,
    Baseline,
    Consensus,
    Looks,
    MaskPolicy,
    Operator,
    Rule,
    Space,
    TargetClass,
)
from btxrd_explain.settings.sections import Section
from btxrd_explain.settings.types import (
    Checkpoints,
    ClassLevels,
    FilePath,
    Fraction,
    LabelMap,
    Margins,
    MethodNames,
    NamedPlaces,
    Names,
    Percentage,
    PositiveFraction,
    Text,
)

# The settings of the section `annotation`.


class AnnotationSettings(Section):
    """How heat maps are compared with annotations."""

    threshold: Fraction = Field(
        default=0.5,
        description="Level of the min-max scaled heat map from which a pixel counts as highlighted.",
    )
    threshold_rule: Rule = Field(
        default=Rule.FIXED,
        description=(
            "How a heat map becomes a region: fixed cuts at threshold, otsu where Otsu's rule cuts each map, "
            "otsu-chexlocalize likewise with all holes filled, percentile keeps the hottest pixels."
        ),
    )
    percentile: Percentage = Field(
        default=5.0, description="With threshold_rule: percentile, the hottest pixels that are kept, in per cent."
    )
    tune_on: FilePath | None = Field(
        default=None,
        description=(
            "Split CSV of other radiographs on which the threshold is chosen: that of the highest mean IoU there. None "
            "of them may be among those that are scored."
        ),
    )
    tune_split: Text | None = Field(
        default=None, description="Only the radiographs of this split of tune_on, such as val; null takes all."
    )
    operator: Operator = Field(
        default=Operator.AT_LEAST,
        description=("Whether a pixel that equals the threshold counts (>=) or not (>, as in cheXlocalize)."),
    )
    space: Space = Field(
        default=Space.ORIGINAL,
        description=(
            "Where heat map and annotation meet: on the pixels of the original radiograph, or on the network's input."
        ),
    )
    mask_policy: MaskPolicy = Field(
        default=MaskPolicy.POLYGONS_THEN_RECTANGLES,
        description=(
            "Which shapes make the lesion's mask. BTXRD draws each lesion twice, as rectangle and as polygon: "
            "polygons-then-rectangles takes the polygons, and each rectangle that no polygon overlaps; all "
            "takes every shape, which yields bounding boxes."
        ),
    )
    label_map: LabelMap = Field(
        default=(),
        description=(
            "Which labels are lesions, as label=meaning: lesion, ignore, marker (a burnt-in letter or sign), or a "
            "class, whose heat map alone is compared with it. The label * speaks for all others, which are lesions "
            "without it, but for LabelMe's reserved __ignore__ and _background_. Labels are LabelMe's, COCO's "
            "categories, or the values of a mask, such as 1."
        ),
    )
    mask_inverted: bool = Field(
        default=False,
        description="Whether masks are 0 where the lesions are, and only there, instead of 0 elsewhere.",
    )
    panels: int = Field(
        default=6,
        ge=1,
        le=60,
        description=(
            "Radiographs in the comparison picture, balanced over classes and over best, median and worst IoU."
        ),
    )
    target_class: TargetClass = Field(
        default=TargetClass.TRUE,
        description=(
            "Class whose heat map is measured. For correct predictions both are the same. For misses, true "
            "asks whether the network saw the lesion at all and valued it too low, predicted asks what it "
            "looked at instead; the map of a wrong class has no reason to lie on the lesion, so true is the "
            "default."
        ),
    )

    reader: NamedPlaces = Field(
        default=(),
        description=(
            "Human readers of the same radiographs, as NAME=PATH, in any format of annotations. With annotations, each "
            "reader and the heat map are compared with these; without, with what the other readers agree on "
            "(consensus)."
        ),
    )
    consensus: Consensus = Field(
        default=Consensus.MAJORITY,
        description=(
            "What readers count as lesion together, where reader is given and annotations are not: pixels of more than "
            "half of them (majority), of any (union), or of all (intersection)."
        ),
    )

    comparator: NamedPlaces = Field(
        default=(),
        description=(
            "Detectors or segmenters whose findings are scored like heat maps, as NAME=PATH: COCO results (boxes or "
            "run lengths, with scores), or annotations in any format, such as a folder of masks."
        ),
    )

    @field_validator("reader")
    @classmethod
    def _own_names(cls, readers: tuple[str, ...]) -> tuple[str, ...]:
        if ALL_READERS in _by_name(readers):
            raise ValueError(
                f"'{ALL_READERS}' is what the mean over the readers is called: give each a name of its own"
            )
        return readers

    @property
    def comparators(self) -> dict[str, str]:
        """The paths of the comparators' findings by the comparators' names."""
        return _by_name(self.comparator)

    @property
    def readers(self) -> dict[str, str]:
        """The paths of the readers' annotations by the readers' names.

        >>> AnnotationSettings(reader=("A=readers/A", "B=b.json")).readers
        {'A': 'readers/A', 'B': 'b.json'}
        """
        return _by_name(self.reader)

    @property
    def meanings(self) -> dict[str, str]:
        """The label map as labels and what they mean.

        >>> AnnotationSettings(label_map=("osteosarcoma=Malignant", "*=ignore")).meanings
        {'osteosarcoma': 'Malignant', '*': 'ignore'}
        """
        pairs = (item.rpartition("=") for item in self.label_map)
        return {label: meaning for label, _, meaning in pairs}


def _by_name(items: tuple[str, ...]) -> dict[str, str]:
    pairs = (item.partition("=") for item in items)
    return {name: place for name, _, place in pairs}


# The settings of the section `evaluation`.


class EvaluationSettings(Section):
    """What is reported of the scores, and how sure it is."""

    by: Names = Field(
        default=(),
        description=(
            "Columns of the metadata table to report by, such as center or frontal; numbers of many values, such as "
            "age, are reported by terciles."
        ),
    )
    group_column: Text | None = Field(
        default=None,
        description=(
            "Column of the metadata table that names what belongs together, such as a patient; intervals then draw "
            "whole groups. null draws single images."
        ),
    )
    decision_threshold: ClassLevels = Field(
        default=(),
        description=(
            "For networks whose classes do not exclude each other (sigmoid): the probability from which a class counts "
            "as predicted, one number for all classes or class=number for some, such as Effusion=0.3; 0.5 where "
            "nothing is said. It has no meaning for softmax, where the most probable class is predicted."
        ),
    )
    decision_tune_on: FilePath | None = Field(
        default=None,
        description=(
            "Likewise: split CSV of other radiographs on which the decision thresholds are chosen, for each class that "
            "of the highest Youden index (sensitivity + specificity - 1) there. None of them may be among those that "
            "are scored."
        ),
    )
    decision_tune_split: Text | None = Field(
        default=None, description="Only the radiographs of this split of decision_tune_on, such as val; null takes all."
    )
    metadata: FilePath | None = Field(
        default=None,
        description=(
            "Table with a column image_id (CSV or Excel) that by and group_column refer to; null takes dataset.xlsx "
            "or dataset.csv of the BTXRD root."
        ),
    )
    methods: MethodNames = Field(
        default=(),
        description=(
            "Several methods in one go, such as gradcam,layercam: a table and a report for each, then their "
            "comparison; empty takes the one method."
        ),
    )
    baselines: bool = Field(
        default=True,
        description=(
            "Whether maps are scored too that know nothing of the classifier (centre, random, edges, average mask), or "
            "explain something else than the class (random-channels, other-class)."
        ),
    )
    boxes: bool = Field(
        default=False,
        description="Whether MaxBoxAccV2 is computed, which needs contours at every threshold and costs time.",
    )
    agreement: bool = Field(
        default=False,
        description=(
            "Whether compare also says how far the heat maps agree with each other: IoU of their regions, rank "
            "correlation and structural similarity, and those of different images."
        ),
    )
    margin: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description=(
            "Largest difference that does not matter, such as 0.02: says of each difference whether the 90 % interval "
            "lies within it (equivalence by two one-sided tests at 5 %); null does not ask."
        ),
    )
    resamples: int = Field(default=1000, ge=100, le=100_000, description="Draws of the bootstrap.")
    seed: int = Field(default=0, ge=0, description="Seed of the bootstrap and of the random baseline.")

    @property
    def levels(self) -> dict[str, float]:
        """The decision thresholds by class; that of all others has the name ``""``.

        >>> EvaluationSettings(decision_threshold="0.4, Mass=0.6").levels
        {'': 0.4, 'Mass': 0.6}
        """
        pairs = (item.rpartition("=") for item in self.decision_threshold)
        return {name.strip(): float(level) for name, _, level in pairs}


# The settings of the section `check`.


class CheckSettings(Section):
    """The audit of a data set before work starts."""

    fail_on: Literal["error", "warning", "note", "never"] = Field(
        default="warning",
        description=(
            "The least severe finding with which check ends with exit code 1; never ends with 0 whatever is found."
        ),
    )
    similarity: PositiveFraction = Field(
        default=0.9,
        description=(
            "Least correlation of the fine structure of two radiographs that are reported as near duplicates. Lower "
            "values also find copies that were cropped, and more pairs that merely look alike."
        ),
    )
    groups: FilePath | None = Field(
        default=None,
        description=(
            "CSV file to write which radiographs belong together: copies, a patient's images, and neighbouring numbers "
            "that show one lesion; --metadata takes it, with --group-column group. null writes none."
        ),
    )


# The settings of the section `export`.


class ExportSettings(Section):
    """What is handed to other programs."""

    to: Literal["labelme", "coco", "masks", "npz", "tiff", "fiftyone", "csv"] | None = Field(
        default=None,
        description=(
            "Format: labelme and coco hold the regions of heat maps at the threshold, masks holds them and the "
            "annotations as PNG, npz and tiff hold the heat maps as float32, fiftyone is a folder that FiftyOne "
            "imports, and csv is a table of the predictions, a row per radiograph, which Excel opens."
        ),
    )
    classes: Literal["predicted", "true", "all"] = Field(
        default="predicted", description="Whose heat maps are exported: of the predicted class, the true one, or all."
    )
    map_size: Literal["original", "input", "grid"] = Field(
        default="original",
        description=(
            "Pixels of npz and tiff: those of the radiograph (original), those of the network's input, or the cells of "
            "the raw grid, signed and not scaled."
        ),
    )
    tolerance: Annotated[float, Field(ge=0, le=100)] = Field(
        default=1.0,
        description=(
            "By how many pixels the outlines of labelme and fiftyone may leave a region's border, so that they have "
            "few vertices; 0 keeps every pixel."
        ),
    )
    beside_images: bool = Field(
        default=False,
        description=(
            "Whether labelme files go next to the radiographs, as <image>.attention.json, and not into the folder of "
            "results; annotations are never overwritten."
        ),
    )

    @field_validator("to", mode="before")
    @classmethod
    def _spreadsheet(cls, value: object) -> object:
        if str(value).lower().lstrip(".") in {"excel", "xls", "xlsx", "ods"}:
            raise ValueError("give csv, which Excel and other spreadsheets open")
        return value


# The settings of the section `maps`.


class MapsSettings(Section):
    """Heat maps that another program computed, for import-maps."""

    sign: Literal["positive", "absolute", "negative"] = Field(
        default="positive",
        description="Which values of the maps are evidence: those above 0, all by their size, or those below 0.",
    )
    scores: FilePath | None = Field(
        default=None,
        description=(
            "CSV with the columns image_id, class and probability, a line per class of each image, and perhaps label, "
            "split, height and width. Without it the maps are scored, and what needs a prediction is null."
        ),
    )
    ids: FilePath | None = Field(
        default=None,
        description="Text file with the names of the images of one array of maps, one a line, in the array's order.",
    )


# The settings of the section `report`.


class ReportSettings(Section):
    """The page that shows all radiographs with their heat maps."""

    layout: Literal["auto", "file", "folder"] = Field(
        default="auto",
        description=(
            "Whether the page is one file that holds all pictures, or has a folder next to it from which they are "
            "loaded as they are looked at; auto takes one file up to file_limit."
        ),
    )
    file_limit: float = Field(
        default=18.0,
        ge=0,
        description=(
            "With layout: auto, the largest page of one file, in megabytes; the default still travels by mail where "
            "attachments may have 25."
        ),
    )
    picture_side: int = Field(
        default=1024, ge=256, le=4096, description="Longest side of the radiographs in the page, in pixels."
    )


# The settings of the section `sanity`.


class SanitySettings(Section):
    """How it is checked that heat maps depend on what the network learned."""

    sample: int = Field(
        default=32,
        ge=2,
        le=512,
        description="Radiographs that are checked, drawn at random from those named, the annotated ones first.",
    )
    stages: int = Field(
        default=8,
        ge=2,
        le=100,
        description="Stages in which the weights become random, at least; blocks of the network stay whole.",
    )
    random_seed: int = Field(
        default=0, ge=0, lt=2**32, description="Seed of the sample, the random weights and the order of equal pixels."
    )
    insertion_deletion: bool = Field(
        default=False,
        description="Also follow the class probability while the pixels are inserted and deleted in the order of the "
        "heat map.",
    )
    stability: bool = Field(
        default=False,
        description="Also compare the heat maps with those of the radiographs shifted, mirrored, compressed, brighter "
        "and with noise.",
    )
    steps: int = Field(default=50, ge=2, le=1000, description="Steps of the insertion and deletion curves.")
    baseline: Baseline = Field(
        default=Baseline.BLUR,
        description="What a deleted pixel becomes, and what insertion starts from: the radiograph blurred (by 5 % of "
        "its shorter side), or its mean.",
    )


# The settings of the section `intervention`.


class InterventionSettings(Section):
    """How it is found out whether the prediction depends on the lesion."""

    controls: int = Field(
        default=9,
        ge=1,
        le=99,
        description=(
            "Control regions of a radiograph: the lesion's own shape, away from lesions. With fewer than 5 it "
            "is not said whether the class depends on the lesion."
        ),
    )
    margins: Margins = Field(
        default=(0.0,),
        description=(
            "Margins around lesions that are taken away with them, in per cent of the lesions' extent, such as "
            "0,10,25; the first one decides, the others are reported. Each takes as many passes again."
        ),
    )
    looks: Looks = Field(
        default=Looks.POINTING,
        description=(
            "When a heat map is said to be on the lesion: pointing, where its hottest pixel is, or iou, where its IoU "
            "reaches looks_fraction of what an ideal map of its grid reaches."
        ),
    )
    looks_fraction: PositiveFraction = Field(
        default=0.5,
        description="With looks: iou, the fraction of an ideal map's IoU that a heat map on the lesion reaches.",
    )
    control_seed: int = Field(default=0, ge=0, lt=2**32, description="Seed of the places of the control regions.")
    pictures: int = Field(
        default=2, ge=0, le=20, description="Radiographs that are shown of each cell of the table; 0 draws none."
    )


# The settings of the section `study`.


class StudySettings(Section):
    """Which maps can be trusted: several criteria for several methods."""

    second_checkpoint: Checkpoints | None = Field(
        default=None,
        description=(
            "Another network of the same classes, whose heat maps are compared with those of checkpoint: of the same "
            "architecture for repeatability, of another one for reproducibility. Several make up an ensemble."
        ),
    )
