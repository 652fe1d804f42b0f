"""The settings of the section `gradcam`."""

from pydantic import Field

from btxrd_explain.settings.sections.section import Section
from btxrd_explain.settings.types import MethodName, Text


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
