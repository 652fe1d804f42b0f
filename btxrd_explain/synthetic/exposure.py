"""From attenuation to the grey values of a developed radiograph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Exposure:
    """How a picture was taken and developed.

    Attributes:
        strength: Factor of the attenuation in the exponent; small for hard rays.
        fog: Grey value of air, in [0, 255].
        white: Grey value of the densest bone.
        gamma: Exponent of the tone curve.
        noise: Standard deviation of the quantum noise in grey values.
        haze: Share of scattered radiation.
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
