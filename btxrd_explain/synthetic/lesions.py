"""Where a lesion grows on a bone's canvas, its outline, and the patch of canvas that it changes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from btxrd_explain.synthetic.bones import Canvas
    from btxrd_explain.synthetic.film import Texture

    Painter = Callable[["Site", np.random.Generator, Texture], NDArray[np.float64]]
    """Paints one lesion in place and returns its outline on the canvas, shape ``(n, 2)``."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where on a bone a lesion grows.

    Attributes:
        canvas: The bone; painted on in place.
        row: Row of the lesion's middle.
        side: 1 or -1, the side of the bone that the lesion prefers.
        area: Area that the lesion should have, in pixels.
        contrast: How clearly it shows, about 0.4 to 1.
    """

    canvas: Canvas
    row: float
    side: int
    area: float
    contrast: float

    @property
    def centre(self) -> float:
        """Column of the bone's axis."""
        return float(self.canvas.centre[round(self.row)])

    @property
    def half_width(self) -> float:
        """Half width of the bone here, in pixels."""
        return float(self.canvas.half_width[round(self.row)])

    @property
    def level(self) -> float:
        """Attenuation of the bone here, the unit in which lesions are painted."""
        rows = self.canvas.attenuation[round(self.row) - 3 : round(self.row) + 4]
        return float(rows.max(axis=1).mean())


@dataclass(frozen=True, slots=True)
class Patch:
    """The part of a canvas around a lesion.

    Attributes:
        view: The attenuation, shape ``(rows, columns)``, a view into the canvas.
        bone: How much of each pixel is bone, in [0, 1], before the lesion.
        shape: The lesion, in [0, 1], with a soft edge one pixel wide.
        distance: Signed distance from the lesion's edge in pixels, positive inside.
        across: Distance from the bone's axis in pixels, positive to the right.
        along: Distance from the lesion's row in pixels, positive downward.
        half: Half width of the bone in each row, shape ``(rows, 1)``.
    """

    view: NDArray[np.float32]
    bone: NDArray[np.float32]
    shape: NDArray[np.float32]
    distance: NDArray[np.float32]
    across: NDArray[np.float32]
    along: NDArray[np.float32]
    half: NDArray[np.float32]


def lobed(
    rng: np.random.Generator, middle: tuple[float, float], axes: tuple[float, float], *, tilt: float, unrest: float
) -> NDArray[np.float64]:
    """Return a closed outline: an ellipse with waves.

    Args:
        rng: Source of the waves.
        middle: Column and row of the middle.
        axes: Half axes, along the columns' direction and along the rows' direction.
        tilt: Rotation in radians.
        unrest: Strength of the waves, about 0.05 (smooth) to 0.2 (lobulated).

    Returns:
        Float64 array of shape ``(n, 2)``, ``(column, row)``, n between 20 and 36.
    """
    angles = np.linspace(0, 2 * np.pi, int(rng.integers(20, 37)), endpoint=False)
    radius = np.ones_like(angles)
    for order in (2, 3, 4, 5, 7):
        radius += unrest * rng.normal() / math.sqrt(order) * np.cos(order * angles + rng.uniform(0, 2 * np.pi))
    radius = np.clip(radius, 0.5, 1.6)
    x, y = axes[0] * radius * np.cos(angles), axes[1] * radius * np.sin(angles)
    turned = np.column_stack([x * math.cos(tilt) - y * math.sin(tilt), x * math.sin(tilt) + y * math.cos(tilt)])
    placed: NDArray[np.float64] = turned + np.array(middle)
    return placed


def cut(site: Site, outline: NDArray[np.float64], margin: float) -> Patch:
    """Cut out the canvas around an outline of shape ``(n, 2)``, with ``margin`` pixels on every side."""
    canvas = site.canvas
    limits = np.array(canvas.attenuation.shape[::-1])
    low = np.clip(np.floor(outline.min(axis=0) - margin).astype(int), 0, limits - 2)
    high = np.clip(np.ceil(outline.max(axis=0) + margin).astype(int), low + 2, limits)
    view = canvas.attenuation[low[1] : high[1], low[0] : high[0]]
    filled = np.zeros(view.shape, np.uint8)
    cv2.fillPoly(filled, [np.round((outline - low) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    inside = cv2.distanceTransform((filled > 127).astype(np.uint8), cv2.DIST_L2, 3)
    outside = cv2.distanceTransform((filled <= 127).astype(np.uint8), cv2.DIST_L2, 3)
    rows, columns = np.arange(low[1], high[1]), np.arange(low[0], high[0], dtype=np.float32)
    half = canvas.half_width[rows, None]
    across = (columns + 0.5 - canvas.centre[rows, None]).astype(np.float32)
    bone = np.clip(view * np.float32(8 / max(site.level, 1e-6)), 0, 1).astype(np.float32)
    along = np.broadcast_to((rows - site.row).astype(np.float32)[:, None], view.shape)
    shape = cv2.GaussianBlur(filled, (0, 0), 0.7).astype(np.float32) / np.float32(255)
    distance = (inside - outside).astype(np.float32)
    return Patch(view, bone, shape, distance, across, along, half)


def half_axes(site: Site, ratio: float, widest: float) -> tuple[float, float]:
    """Return half axes across and along the bone for the site's area, the first at most ``widest`` half widths."""
    across = min(math.sqrt(site.area / (math.pi * ratio)), widest * site.half_width)
    return across, min(site.area / (math.pi * across), 3.2 * across)
