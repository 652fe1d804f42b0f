"""What users can choose between, each list once; without numpy, so that ``--help`` can tell."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class ResizeMode(StrEnum):
    """How a radiograph of any shape becomes the network's input."""

    SQUASH = "squash"
    """Resize both sides to the input size; the aspect ratio is lost."""
    CROP = "crop"
    """Resize the shortest side, then cut out the centre; the ends are not seen."""
    LETTERBOX = "letterbox"
    """Resize the longest side, then pad the other side evenly with black."""
    SQUASH_CROP = "squash-crop"
    """Resize both sides to more than the input size, then cut out the centre."""


class Interpolation(StrEnum):
    """How pixels are interpolated when a radiograph is resized."""

    BILINEAR = "bilinear"
    NEAREST = "nearest"
    BICUBIC = "bicubic"
    AREA = "area"


class Decode(StrEnum):
    """How JPEG files are decoded for the network."""

    EXACT = "exact"
    """Every pixel."""
    FAST = "fast"
    """At a half, a quarter or an eighth of the size, as long as the network's input is not larger."""


class Smooth(StrEnum):
    """Over which views of a radiograph a heat map is averaged."""

    NONE = "none"
    """The radiograph alone: one pass."""
    FLIP = "flip"
    """The radiograph and its mirror image: two passes."""
    SHIFT2 = "shift2"
    """The radiograph where it is, and moved by half a cell up, to the left, and both: four passes, twice the cells."""


class Depth(StrEnum):
    """How many bits of a radiograph's values reach the normalisation."""

    EIGHT_BIT = "8-bit"
    """Deeper values are scaled to 0-255, the image's smallest to 0 and its largest to 255."""
    SIXTEEN_BIT = "16-bit"
    """All: 0-65535 becomes 0-1, and nothing is rounded on the way."""


_MOST_TILES = 256


@dataclass(frozen=True, slots=True)
class Clahe:
    """Contrast-limited adaptive histogram equalisation (Zuiderveld 1994), that of OpenCV's ``createCLAHE``.

    Grey values are equalised as they are. A radiograph in colours is equalised in its lightness, CIELAB's L*.

    Attributes:
        clip: Contrast limit, OpenCV's ``clipLimit``; above 0.
        tiles: Tiles across and down, both numbers of OpenCV's ``tileGridSize``.
        after_resize: True equalises what the network sees, after resizing and cropping or padding; False the
            radiograph's own pixels.
        lightness: True treats grey values as colours, too, as albumentations does with three equal channels.
    """

    clip: float
    tiles: int = 8
    after_resize: bool = False
    lightness: bool = False

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        """Refuse numbers that OpenCV cannot use.

        Raises:
            ValueError: One is out of range.
        """
        if not 0 < self.clip < float("inf"):
            raise ValueError(f"give CLAHE a clip above 0, such as 2.0, not {self.clip}")
        if not 1 <= self.tiles <= _MOST_TILES:
            raise ValueError(f"give CLAHE tiles from 1 to {_MOST_TILES}, such as 8, not {self.tiles}")


ALL_READERS = "all readers"
"""What the mean over human readers is called; none of them has this name."""


class Consensus(StrEnum):
    """What several readers of a radiograph count as lesion together."""

    MAJORITY = "majority"
    """Pixels that more than half of them drew."""
    UNION = "union"
    """Pixels that at least one of them drew."""
    INTERSECTION = "intersection"
    """Pixels that all of them drew."""


class Space(StrEnum):
    """Where a heat map and an annotation meet."""

    ORIGINAL = "original"
    """On the radiograph's own pixels."""
    INPUT = "input"
    """On the network's input."""


class Operator(StrEnum):
    """Whether a pixel that equals the threshold belongs to the region."""

    AT_LEAST = ">="
    ABOVE = ">"
    """The operator of cheXlocalize (Saporta et al. 2022)."""

    def reached(self, values: NDArray[np.floating[Any]], threshold: float) -> NDArray[np.bool_]:
        """Return which values belong to the region; any shape."""
        reached: NDArray[np.bool_] = values >= threshold if self is Operator.AT_LEAST else values > threshold
        return reached


class Rule(StrEnum):
    """How the threshold is chosen."""

    FIXED = "fixed"
    """The same value for every image; one tuned on another split is a fixed one too."""
    OTSU = "otsu"
    """Per image, so that the variance between the two parts is largest (Otsu 1979)."""
    OTSU_CHEXLOCALIZE = "otsu-chexlocalize"
    """Otsu, then every contour is filled: holes belong to the region (Saporta et al. 2022, as published)."""
    PERCENTILE = "percentile"
    """Per image, so that the region is the hottest q per cent of the pixels."""


class MaskPolicy(StrEnum):
    """Which of a file's shapes are lesions."""

    POLYGONS_THEN_RECTANGLES = "polygons-then-rectangles"
    """All outlines (polygons, circles, oriented rectangles, masks), and every rectangle without an outline."""
    POLYGONS = "polygons"
    """Outlines only."""
    RECTANGLES = "rectangles"
    """Rectangles only: bounding boxes."""
    ALL = "all"
    """Every shape, lines (10 pixels wide) and points (5 pixels of radius) included."""


class Baseline(StrEnum):
    """What a pixel becomes that is taken away."""

    BLUR = "blur"
    """The image blurred with a Gaussian whose standard deviation is 5 % of the shorter side, so that lesions vanish."""
    MEAN = "mean"
    """The image's own mean, channel by channel."""


class TargetClass(StrEnum):
    """Whose heat map of a radiograph is measured."""

    TRUE = "true"
    """That of its true class."""
    PREDICTED = "predicted"
    """That of the class that the network predicts."""


class Looks(StrEnum):
    """When the heat map of a radiograph is said to be on the lesion."""

    POINTING = "pointing"
    """Where its hottest pixel is on a lesion."""
    IOU = "iou"
    """Where its IoU reaches a fraction of what an ideal map of its grid reaches."""


class Precision(StrEnum):
    """How exactly the network computes."""

    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"


class Activation(StrEnum):
    """What turns a network's outputs into probabilities."""

    SOFTMAX = "softmax"
    """One of the classes is true: the probabilities of all classes sum to 1."""
    SIGMOID = "sigmoid"
    """Each output is a yes or no of its own."""
    NONE = "none"
    """The outputs are probabilities already."""
