"""The settings of the section `sanity`."""

from typing import Literal

from pydantic import Field

from btxrd_explain.settings.sections.section import Section


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
    steps: int = Field(default=50, ge=2, le=1000, description="Steps of the insertion and deletion curves.")
    baseline: Literal["blur", "mean"] = Field(
        default="blur",
        description="What a deleted pixel becomes, and what insertion starts from: the radiograph blurred (by 5 % of "
        "its shorter side), or its mean.",
    )
