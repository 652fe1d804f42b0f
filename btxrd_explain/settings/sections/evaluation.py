"""The settings of the section `evaluation`."""

from pydantic import Field

from btxrd_explain.settings.sections.section import Section
from btxrd_explain.settings.types import FilePath, MethodNames, Names, Text


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
            "Whether maps that know nothing of the classifier (centre, random, edges, average mask) are scored too."
        ),
    )
    boxes: bool = Field(
        default=False,
        description="Whether MaxBoxAccV2 is computed, which needs contours at every threshold and costs time.",
    )
    resamples: int = Field(default=1000, ge=100, le=100_000, description="Draws of the bootstrap.")
    seed: int = Field(default=0, ge=0, description="Seed of the bootstrap and of the random baseline.")
