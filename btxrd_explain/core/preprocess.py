"""From a radiograph's pixels to the network's input, exactly as in training."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from PIL import Image

from btxrd_explain.core.choices import Clahe, Decode, Depth, Interpolation, ResizeMode
from btxrd_explain.core.geometry import Frame, Size
from btxrd_explain.core.intensity import equalised, fractions, standardised, transformed, windowed

if TYPE_CHECKING:
    from collections.abc import Mapping

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

    The order is: transform, clip_percentiles, clahe, resize with crop or padding, then standardize, or else mean and
    std; with ``clahe.after_resize`` CLAHE comes after the resize.

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
        transform: ``module:callable`` of the user's own that changes a radiograph's values; None for none.
        depth: How many bits reach the normalisation.
        clip_percentiles: Percentiles of each image that become 0 and 1, see
            :func:`btxrd_explain.core.intensity.windowed`; those of 16-bit files are found in all their bits, whatever
            the depth.
        clahe: Adaptive histogram equalisation; None for none.
        standardize: True gives each image zero mean and unit variance, see
            :func:`btxrd_explain.core.intensity.standardised`; mean and std are then 0 and 1.
    """

    size: Size
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize: ResizeMode = ResizeMode.SQUASH
    interpolation: Interpolation = Interpolation.BILINEAR
    antialias: bool = False
    crop_fraction: float = 1.0
    decode: Decode = Decode.EXACT
    transform: str | None = None
    depth: Depth = Depth.EIGHT_BIT
    clip_percentiles: tuple[float, float] | None = None
    clahe: Clahe | None = None
    standardize: bool = False

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
        if self.clip_percentiles is not None and not 0 <= self.clip_percentiles[0] < self.clip_percentiles[1] <= 100:
            raise ValueError(f"clip_percentiles {self.clip_percentiles} do not rise from 0 to 100")

    @property
    def deep(self) -> bool:
        """Whether radiographs of more than 8 bits are needed with all of them, as uint16."""
        return self.depth is Depth.SIXTEEN_BIT or self.clip_percentiles is not None

    @property
    def changes_values(self) -> bool:
        """Whether values change otherwise than by resizing, mean and std, so that the input is not for looking at."""
        return self.deep or self.standardize or (self.transform, self.clahe) != (None, None)

    def frame(self, original: Size) -> Frame:
        """Return the mapping between a radiograph of that size and the network's input."""
        return Frame.fit(original, self.size, self.resize, crop_fraction=self.crop_fraction)

    def needed(self, original: Size) -> Size:
        """Return the size below which a radiograph of that size must not be decoded."""
        return original if self.decode is Decode.EXACT else self.frame(original).resized

    def picture(self, pixels: NDArray[Any], original: Size | None = None) -> NDArray[Any]:
        """Resize, and crop or pad, a radiograph to what the network sees; its values are not changed otherwise.

        Grey radiographs stay one channel: resizing acts on each channel alone, so replicating afterwards
        gives the same bytes for a third of the work, but for OpenCV's bicubic kernel.

        Args:
            pixels: Shape ``(height, width)`` or ``(height, width, 3)``, uint8, or float32 in [0, 1].
            original: Size of the radiograph, where the pixels are a reduced version of it.

        Returns:
            The same number of channels, shape ``(*self.size, ...)``, of the same dtype.
        """
        frame = self.frame(original or Size(*pixels.shape[:2]))
        return frame.place(self._resized(pixels, frame.resized))

    def apply(self, pixels: NDArray[Any], original: Size | None = None) -> NDArray[np.float32]:
        """Prepare one radiograph for the network.

        Args:
            pixels: Shape ``(height, width)`` or ``(height, width, 3)``, RGB; uint8, or uint16 where :attr:`deep`.
            original: Size of the radiograph, where the pixels are a reduced version of it.

        Returns:
            Float32 array of shape ``(channels, *self.size)``: ``(value - mean) / std`` per channel, of values in
            [0, 1]. See :class:`Preprocessing` for what comes before.

        Raises:
            PreparationError: The transform fails, or CLAHE cannot be applied.
        """
        return self.normalised(self.seen(pixels, original))

    def seen(self, pixels: NDArray[Any], original: Size | None = None) -> NDArray[Any]:
        """Return what the network sees of a radiograph, before the normalisation; see :meth:`apply`.

        Args:
            pixels: As of :meth:`apply`.
            original: As of :meth:`apply`.

        Returns:
            Shape ``self.size`` or ``(*self.size, 3)``, uint8 in [0, 255] or float32 in [0, 1].
        """
        picture = self.picture(self._values(pixels), original)
        if self.clahe is not None and self.clahe.after_resize:
            return equalised(picture, self.clahe)
        return picture

    def normalised(self, picture: NDArray[Any]) -> NDArray[np.float32]:
        """Turn what the network sees into its values.

        Args:
            picture: As of :meth:`seen`.

        Returns:
            Float32 array of shape ``(channels, *self.size)``.
        """
        channels = len(self.mean)
        if channels == 1 and picture.ndim == 3:
            picture = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(picture.dtype, copy=False)
        planes = [picture] * channels if picture.ndim == 2 else list(np.moveaxis(picture, -1, 0))
        if self.standardize:
            return standardised(np.stack(planes).astype(np.float32))
        if picture.dtype == np.uint8:
            levels = self._levels()
            return np.stack([level[plane] for level, plane in zip(levels, planes, strict=True)])
        return self._normalised(np.stack(planes))

    def _values(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Return a radiograph's values as they are resized: uint8, or float32 in [0, 1]."""
        if pixels.dtype != np.uint8 and not self.deep:
            raise ValueError(f"expected uint8 for a preprocessing of depth {self.depth}, got {pixels.dtype}")
        if self.transform is not None:
            pixels = transformed(pixels, self.transform)
        if self.clip_percentiles is not None:
            pixels = windowed(pixels, self.clip_percentiles)
            if self.depth is Depth.EIGHT_BIT:
                pixels = np.rint(pixels * 255).astype(np.uint8)
        elif pixels.dtype == np.uint16:
            pixels = fractions(pixels)
        return pixels if self.clahe is None or self.clahe.after_resize else equalised(pixels, self.clahe)

    def _normalised(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Normalise values in [0, 1] of shape ``(channels, ...)``."""
        axes = (len(self.mean), *(1,) * (values.ndim - 1))
        mean, std = (np.asarray(numbers, dtype=np.float32).reshape(axes) for numbers in (self.mean, self.std))
        normalised: NDArray[np.float32] = (values - mean) / std
        return normalised

    def _levels(self) -> NDArray[np.float32]:
        """Return the network's value for each channel and grey level, shape ``(channels, 256)``."""
        levels = np.arange(256, dtype=np.float32) / np.float32(255)
        return self._normalised(np.broadcast_to(levels, (len(self.mean), 256)))

    def _resized(self, pixels: NDArray[Any], size: Size) -> NDArray[Any]:
        if pixels.shape[:2] == size:
            return pixels
        if self.antialias:
            resized = _by_pillow(pixels, size, _PILLOW[self.interpolation])
        else:
            # OpenCV 5 rounds bicubic sums otherwise for one channel than for the three that training resized.
            tripled = pixels.ndim == 2 and len(self.mean) > 1 and self.interpolation is Interpolation.BICUBIC
            source = cv2.merge([pixels] * 3) if tripled else pixels
            resized = cv2.resize(source, (size.width, size.height), interpolation=_OPENCV[self.interpolation])
            resized = np.ascontiguousarray(resized[..., 0]) if tripled else resized
        if pixels.dtype == np.uint8:
            return resized.astype(np.uint8, copy=False)
        return resized.clip(0, 1)  # bicubic kernels swing over


def in_words(made: Mapping[str, Any]) -> str:
    """Return what is done to radiographs, for the methods section of a paper.

    Args:
        made: A :class:`Preprocessing` as plain values.

    >>> from dataclasses import asdict
    >>> in_words(asdict(Preprocessing(Size(224, 192), (0.5,), (0.25,), clip_percentiles=(1, 99))))
    'clipped to their percentiles 1 and 99, resized to 224 x 192 pixels (squash, bilinear), and normalised with mean 0.5 and standard deviation 0.25'
    """  # noqa: E501 -- the text is one line
    steps = []
    if made["transform"] is not None:
        steps.append(f"changed by the function {made['transform']}")
    if made["clip_percentiles"] is not None:
        steps.append("clipped to their percentiles {:g} and {:g}".format(*made["clip_percentiles"]))
    if made["depth"] != Depth.EIGHT_BIT:
        steps.append("kept at 16 bits where their files have them")
    height, width = made["size"]
    kernel = f"{made['interpolation']}{', antialiased' if made['antialias'] else ''}"
    cropped = made["resize"] in {ResizeMode.CROP, ResizeMode.SQUASH_CROP}
    mode = f"{made['resize']} of {made['crop_fraction']:g}" if cropped else made["resize"]
    steps.append(f"resized to {height} x {width} pixels ({mode}, {kernel})")
    if (clahe := made["clahe"]) is not None:
        colours = " of their lightness" if clahe["lightness"] else ""
        text = f"equalised (CLAHE{colours}, clip {clahe['clip']:g}, {clahe['tiles']} x {clahe['tiles']} tiles)"
        steps.insert(len(steps) if clahe["after_resize"] else -1, text)
    mean, std = (", ".join(f"{value:g}" for value in made[name]) for name in ("mean", "std"))
    each = "standardised to zero mean and unit variance each"
    steps.append(each if made["standardize"] else f"normalised with mean {mean} and standard deviation {std}")
    return f"{', '.join(steps[:-1])}, and {steps[-1]}"


def _by_pillow(pixels: NDArray[Any], size: Size, kernel: Image.Resampling) -> NDArray[Any]:
    """Resize with Pillow, which takes colours of 8 bits only."""
    if pixels.ndim == 3 and pixels.dtype != np.uint8:
        planes = [_by_pillow(np.ascontiguousarray(plane), size, kernel) for plane in np.moveaxis(pixels, -1, 0)]
        return np.stack(planes, axis=-1)
    return np.asarray(Image.fromarray(pixels).resize((size.width, size.height), kernel))
