"""The settings of the section `report`."""

from typing import Literal

from pydantic import Field

from btxrd_explain.settings.sections.section import Section


class ReportSettings(Section):
    """The page that shows all radiographs with their heat maps."""

    layout: Literal["auto", "file", "folder"] = Field(
        default="auto",
        description=(
            "Whether the page is one file that holds all pictures, or has a folder beside it from which they are "
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
