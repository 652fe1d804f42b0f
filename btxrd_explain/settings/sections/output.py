"""The settings of the section `output`."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from btxrd_explain.settings.sections.section import Section
from btxrd_explain.settings.types import FilePath, Fraction


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
