"""What the film adds: texture, noise and exposure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Grain, waves and clouds for one synthetic radiograph, all cut from one field of noise.

ROWS, COLUMNS = 384, 256


class Texture:
    """Noise fields of zero mean and unit variance; drawing noise for each use would take most of the time.

    Args:
        rng: Source of the noise and of where each field is cut.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        """Draw the field."""
        self._rng = rng
        self._white = rng.standard_normal((ROWS, COLUMNS), dtype=np.float32)
        self._fields: dict[tuple[float, float], NDArray[np.float32]] = {}

    def field(self, shape: tuple[int, ...], across: float, along: float | None = None) -> NDArray[np.float32]:
        """Return smooth noise.

        Args:
            shape: Rows and columns.
            across: Size of its features along a row, in pixels.
            along: Size of its features along a column, in pixels; the same where not given.

        Returns:
            Float32 array of that shape, about standard normal.
        """
        key = (max(0.5, round(2 * across) / 2), max(0.5, round(2 * (along or across)) / 2))
        if key not in self._fields:
            self._fields[key] = _smooth(self._white, *key)
        top, left = int(self._rng.integers(ROWS // 2)), int(self._rng.integers(COLUMNS // 2))
        part = self._fields[key][top : top + shape[0], left : left + shape[1]]
        bottom, right = shape[0] - part.shape[0], shape[1] - part.shape[1]
        if bottom or right:  # mirrored: no seam
            return cv2.copyMakeBorder(part, 0, bottom, 0, right, cv2.BORDER_REFLECT)  # type: ignore[return-value]
        return part

    def grain(self, shape: tuple[int, ...], scale: float) -> NDArray[np.float32]:
        """Return the grain of spongy bone, stretched along the columns, about 0.15 strong."""
        fine = self.field(shape, 0.3 * scale, 0.75 * scale)
        coarse = self.field(shape, 2.2 * scale, 3.5 * scale)
        return (0.08 * fine + 0.07 * coarse).astype(np.float32, copy=False)

    def wave(self, length: int, size: float) -> NDArray[np.float32]:
        """Return a wavy line of that many values, about standard normal."""
        line: NDArray[np.float32] = self.field((1, length), size)[0]
        return line


def _smooth(white: NDArray[np.float32], across: float, along: float) -> NDArray[np.float32]:
    """Blur white noise and bring it back to zero mean and unit variance; wide blurs run on fewer pixels."""
    step = int(max(1, min(across, along) // 3))
    small = white[: ROWS // step, : COLUMNS // step]
    blurred = cv2.GaussianBlur(small, (0, 0), sigmaX=across / step, sigmaY=along / step)
    mean, deviation = cv2.meanStdDev(blurred)
    normal = (blurred - np.float32(mean[0, 0])) / np.float32(deviation[0, 0])
    if step == 1:
        return normal.astype(np.float32)
    return cv2.resize(normal, (COLUMNS, ROWS), interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]


# From attenuation to the grey values of a developed radiograph.


@dataclass(frozen=True, slots=True)
class Exposure:
    """How a picture was taken and developed.

    Attributes:
        strength: Factor of the attenuation in the exponent; small for hard rays.
        fog: Grey value of air, in [0, 255].
        white: Grey value of the densest bone.
        gamma: Exponent of the tone curve.
        noise: Standard deviation of the quantum noise in grey values.
        haze: Fraction of scattered radiation.
        sharpening: Strength of the unsharp mask.
    """

    strength: float
    fog: float
    white: float
    gamma: float
    noise: float
    haze: float
    sharpening: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Exposure:
        """Choose an exposure."""
        return cls(
            strength=float(rng.uniform(0.5, 1.0)),
            fog=float(rng.choice([rng.uniform(0, 8), rng.uniform(18, 52)], p=[0.45, 0.55])),
            white=float(rng.uniform(195, 250)),
            gamma=float(rng.uniform(0.9, 1.35)),
            noise=float(rng.gamma(4.0, 0.7)),
            haze=float(rng.uniform(0.03, 0.2)),
            sharpening=float(rng.uniform(0.2, 1.0)),
        )

    def develop(self, attenuation: NDArray[np.float32], noise: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Turn attenuation into grey values.

        Args:
            attenuation: Shape ``(height, width)``, at least 0.
            noise: Standard normal noise of that shape.

        Returns:
            Uint8 array of that shape; bone is bright.
        """
        absorbed = 1 - np.exp(np.float32(-self.strength) * attenuation)
        absorbed += np.float32(self.haze) * (_wide(absorbed) - absorbed)
        absorbed += np.float32(self.sharpening) * (absorbed - cv2.GaussianBlur(absorbed, (0, 0), 2.2))
        top = max(float(np.percentile(absorbed[::5, ::5], 99.3)), 0.05)
        share = np.clip(absorbed * np.float32(1 / top), 0, 1.08)
        grey = self.fog + np.float32(self.white - self.fog) * cv2.pow(share, self.gamma)
        grain = cv2.GaussianBlur(noise, (0, 0), 0.6) * np.float32(1.8 * self.noise)
        grey += grain * (np.float32(0.45) + share * np.float32(0.6))
        developed: NDArray[np.uint8] = np.clip(grey + np.float32(0.5), 0, 255).astype(np.uint8)
        return developed


def _wide(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the picture blurred over a fifteenth of its size: what scattered rays show."""
    height, width = picture.shape
    small = cv2.resize(picture, (max(1, width // 8), max(1, height // 8)), interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(small, (0, 0), max(height, width) / 120)
    return cv2.resize(blurred, (width, height), interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]
