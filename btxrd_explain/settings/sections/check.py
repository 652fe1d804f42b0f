"""The settings of the section `check`."""

from typing import Literal

from pydantic import Field

from btxrd_explain.settings.sections.section import Section
from btxrd_explain.settings.types import PositiveFraction


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
