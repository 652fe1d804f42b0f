"""The settings of the section `data`."""

from pydantic import Field

from btxrd_explain.settings.sections.section import Section
from btxrd_explain.settings.types import FilePath, ImageFolder, Inputs, Text


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
        description=("Folder of the radiographs that a split CSV names, or its URL; null takes images/ of the root."),
    )
    annotations: FilePath | None = Field(
        default=None,
        description=(
            "Annotations: a folder of LabelMe files (<stem of the image>.json) or of PNG masks (<stem>.png), or a COCO "
            "JSON file; null takes Annotations/ of the root, else looks for LabelMe files near the images."
        ),
    )
    split_csv: FilePath | None = Field(
        default=None,
        description=("Table with the columns image_id, split and label that selects and labels the radiographs."),
    )
    split: Text | None = Field(
        default=None,
        description=("Only the radiographs of this split, as the split column names it, such as test; null takes all."),
    )
