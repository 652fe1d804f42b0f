"""The settings of the section `export`."""

from typing import Annotated, Literal

from pydantic import Field

from btxrd_explain.settings.sections.section import Section


class ExportSettings(Section):
    """What is handed to other programs."""

    to: Literal["labelme", "coco", "npz", "tiff", "fiftyone"] | None = Field(
        default=None,
        description=(
            "Format: labelme and coco hold the regions of heat maps at the threshold, npz and tiff the heat maps as "
            "float32, fiftyone a folder that FiftyOne imports."
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
            "Whether labelme files go beside the radiographs, as <image>.attention.json, instead of into the folder of "
            "results; annotations are never overwritten."
        ),
    )
