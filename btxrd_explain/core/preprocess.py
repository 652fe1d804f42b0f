"""From a radiograph's pixels to the network's input, exactly as in training."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from PIL import Image

from btxrd_explain.core.choices import Decode, Interpolation, ResizeMode
from btxrd_explain.core.geometry import Frame, Size

if TYPE_CHECKING:
    from numpy.typing import NDArray


IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of the channels of ImageNet, of values in [0, 1]."""

LARGEST_SIDE = 4096
"""Pixels: the largest side of an input that is taken for one; damaged and hostile files say a billion."""

MOST_CHANNELS = 64
"""Likewise of its channels."""

_OPENCV = {
    Interpolation.NEAREST: cv2.INTER_NEAREST_EXACT,
    Interpolation.BILINEAR: cv2.INTER_LINEAR,
    Interpolation.BICUBIC: cv2.INTER_CUBIC,
    Interpolation.AREA: cv2.INTER_AREA,
}
_PILLOW = {
    Interpolation.NEAREST: Image.Resampling.NEAREST,
    Interpolation.BILINEAR: Image.Resampling.BILINEAR,
    Interpolation.BICUBIC: Image.Resampling.BICUBIC,
    Interpolation.AREA: Image.Resampling.BOX,
}


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How the network wants its input; part of the fingerprint of every prediction.

    Attributes:
        size: Input size of the network.
        mean: Mean of each channel, of values in [0, 1]; three channels, or one for a network that takes grey.
        std: Standard deviation of each channel, of values in [0, 1].
        resize: How a radiograph of any shape becomes the input.
        interpolation: Kernel of the resize.
        antialias: True widens the kernel when shrinking, as Pillow and torchvision do; False samples, as
            OpenCV does.
        crop_fraction: See :meth:`Frame.fit`.
        decode: How files are decoded; fast decoding changes predictions a little.
    """

    size: Size
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize: ResizeMode = ResizeMode.SQUASH
    interpolation: Interpolation = Interpolation.BILINEAR
    antialias: bool = False
    crop_fraction: float = 1.0
    decode: Decode = Decode.EXACT

    def __post_init__(self) -> None:
        """Refuse what is not a preprocessing.

        Raises:
            ValueError: A number is out of range, or mean and std differ in their number of channels.
        """
        if not all(1 <= side <= LARGEST_SIDE for side in self.size):
            raise ValueError(f"an input of {self.size[0]} x {self.size[1]} pixels must be 1 to {LARGEST_SIDE} a side")
        if len(self.mean) != len(self.std) or not 1 <= len(self.mean) <= MOST_CHANNELS:
            raise ValueError(f"{len(self.mean)} means and {len(self.std)} standard deviations are not one per channel")
        if not all(map(math.isfinite, (*self.mean, *self.std))) or min(self.std) <= 0:
            raise ValueError(f"mean {self.mean} and std {self.std} are not finite, or std is not above 0")
        if not 0 < self.crop_fraction <= 1:
            raise ValueError(f"crop_fraction {self.crop_fraction} is not in (0, 1]")

    def frame(self, original: Size) -> Frame:
        """Return the mapping between a radiograph of that size and the network's input."""
        return Frame.fit(original, self.size, self.resize, crop_fraction=self.crop_fraction)

    def needed(self, original: Size) -> Size:
        """Return the size below which a radiograph of that size must not be decoded."""
        return original if self.decode is Decode.EXACT else self.frame(original).resized

    def picture(self, pixels: NDArray[np.uint8], original: Size | None = None) -> NDArray[np.uint8]:
        """Resize, and crop or pad, a radiograph to what the network sees.

        Grey radiographs stay one channel: resizing acts on each channel alone, so replicating afterwards
        gives the same bytes for a third of the work, but for OpenCV's bicubic kernel.

        Args:
            pixels: Shape ``(height, width)`` or ``(height, width, 3)``, uint8.
            original: Size of the radiograph, where the pixels are a reduced version of it.

        Returns:
            The same number of channels, shape ``(*self.size, ...)``, uint8.
        """
        frame = self.frame(original or Size(*pixels.shape[:2]))
        return frame.place(self._resized(pixels, frame.resized))

    def apply(self, pixels: NDArray[np.uint8], original: Size | None = None) -> NDArray[np.float32]:
        """Prepare one radiograph for the network.

        Args:
            pixels: Shape ``(height, width)`` or ``(height, width, 3)``, uint8 in [0, 255], RGB.
            original: Size of the radiograph, where the pixels are a reduced version of it.

        Returns:
            Float32 array of shape ``(channels, *self.size)``: ``(pixel / 255 - mean) / std`` per channel.
        """
        picture = self.picture(pixels, original)
        channels = len(self.mean)
        if channels == 1 and picture.ndim == 3:
            picture = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
        planes = [picture] * channels if picture.ndim == 2 else np.moveaxis(picture, -1, 0)
        levels = self._levels()
        return np.stack([level[plane] for level, plane in zip(levels, planes, strict=True)])

    def _levels(self) -> NDArray[np.float32]:
        """Return the network's value for each channel and grey level, shape ``(channels, 256)``."""
        levels = np.arange(256, dtype=np.float32) / np.float32(255)
        mean, std = (np.asarray(values, dtype=np.float32)[:, None] for values in (self.mean, self.std))
        table: NDArray[np.float32] = (levels - mean) / std
        return table

    def _resized(self, pixels: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
        if pixels.shape[:2] == size:
            return pixels
        resized: NDArray[Any]
        if self.antialias:
            image = Image.fromarray(pixels).resize((size.width, size.height), _PILLOW[self.interpolation])
            resized = np.asarray(image)
        else:
            # OpenCV 5 rounds bicubic sums otherwise for one channel than for the three that training resized.
            tripled = pixels.ndim == 2 and len(self.mean) > 1 and self.interpolation is Interpolation.BICUBIC
            source = cv2.merge([pixels] * 3) if tripled else pixels
            resized = cv2.resize(source, (size.width, size.height), interpolation=_OPENCV[self.interpolation])
            resized = np.ascontiguousarray(resized[..., 0]) if tripled else resized
        return resized.astype(np.uint8, copy=False)
