"""The settings of the section `preprocess`."""

from typing import Literal

from pydantic import Field

from btxrd_explain.settings.sections.section import Section
from btxrd_explain.settings.types import Deviations, InputSide, Means, PositiveFraction


class PreprocessSettings(Section):
    """From a radiograph's pixels to the network's input, as in training.

    The checkpoint wins over image_size, mean and std where it holds them, and a disagreement is reported.
    """

    image_size: InputSide | None = Field(
        default=None,
        description=(
            "Side of the square input in pixels. What the checkpoint says wins over it, and a disagreement is "
            "reported; null takes what timm says of the architecture."
        ),
    )
    resize: Literal["squash", "crop", "letterbox"] = Field(
        default="squash",
        description=(
            "How a radiograph of any shape becomes a square: squash resizes both sides and loses the aspect "
            "ratio, crop resizes the shortest side and cuts out the centre, letterbox resizes the longest "
            "side and pads with black."
        ),
    )
    interpolation: Literal["bilinear", "nearest", "bicubic", "area"] = Field(
        default="bilinear", description="Kernel of the resize."
    )
    antialias: bool = Field(
        default=False,
        description=("True widens the kernel when shrinking, as Pillow and torchvision do; false samples, as OpenCV."),
    )
    crop_fraction: PositiveFraction = Field(
        default=1.0,
        description=("With resize: crop, the share of the shortest side that the crop keeps (timm's crop_pct)."),
    )
    decode: Literal["exact", "fast"] = Field(
        default="exact",
        description=(
            "How JPEG files are decoded for the network: exact decodes every pixel, fast decodes large files at a "
            "half, a quarter or an eighth of their size. The table's notes, and reports, then tell how far that moves "
            "predictions and heat maps on a sample."
        ),
    )
    mean: Means | None = Field(
        default=None,
        description=(
            "Mean of each colour channel, of values in [0, 1]. What the checkpoint says wins over it, and a "
            "disagreement is reported; null takes what timm says of the architecture."
        ),
    )
    std: Deviations | None = Field(
        default=None,
        description=(
            "Standard deviation of each colour channel, of values in [0, 1]. What the checkpoint says wins "
            "over it, and a disagreement is reported; null takes what timm says of the architecture."
        ),
    )
