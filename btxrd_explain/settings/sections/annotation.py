"""The settings of the section `annotation`."""

from typing import Literal

from pydantic import Field

from btxrd_explain.settings.sections.section import Section
from btxrd_explain.settings.types import FilePath, Fraction, LabelMap, Percentage, Text


class AnnotationSettings(Section):
    """How heat maps are held against annotations."""

    threshold: Fraction = Field(
        default=0.5,
        description="Level of the min-max scaled heat map from which a pixel counts as highlighted.",
    )
    threshold_rule: Literal["fixed", "otsu", "otsu-chexlocalize", "percentile"] = Field(
        default="fixed",
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
    label_map: LabelMap = Field(
        default=(),
        description=(
            "Which labels are lesions, as label=meaning: lesion, ignore, or a class, whose heat map alone is held "
            "against it. The label * speaks for all others, which are lesions without it. Labels are LabelMe's, "
            "COCO's categories, or the values of a mask, such as 1."
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

    @property
    def meanings(self) -> dict[str, str]:
        """The label map as labels and what they mean.

        >>> AnnotationSettings(label_map=("osteosarcoma=Malignant", "*=ignore")).meanings
        {'osteosarcoma': 'Malignant', '*': 'ignore'}
        """
        pairs = (item.rpartition("=") for item in self.label_map)
        return {label: meaning for label, _, meaning in pairs}
