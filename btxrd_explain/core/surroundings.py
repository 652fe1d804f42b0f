"""What is around the body on a radiograph as the network sees it: background, burnt-in markers, the outer border.

No annotation says where they are, so each follows a rule that may be wrong on an image: reports call them a guess.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Window = tuple[slice, slice]

BORDER = 0.06
"""Width of the outer border, as a fraction of the shorter side of what the network sees."""
LARGEST_MARKER = 0.02
"""Area of the largest marker, as a fraction of what the network sees."""
_SMOOTHING = 0.01
_LEAST_BACKGROUND = 0.01
_RING = 0.01
"""From once to twice this distance around a marker it must be dark: skin around a finger's bone is not."""
_SURROUNDED = 0.7
_NOISE = 8
"""Grey levels of noise, which alone would part a background that has one level."""

RULES = {
    "border": f"a frame as wide as {100 * BORDER:g} % of the shorter side of what the network sees",
    "background": "pixels of the darkest of three grey levels (Otsu's threshold, and Otsu's again of the pixels below "
    f"it, with {_NOISE} levels for noise) that are connected with the edge of what the network sees; none where they "
    f"cover less than {100 * _LEAST_BACKGROUND:g} %. A guess",
    "markers": "shapes whose label means 'marker' (--label-map), else a guess: spots above Otsu's threshold of at most "
    f"{100 * LARGEST_MARKER:g} % of what the network sees, with pixels of the background's level close around them",
}
"""The rules in words, for reports."""


@dataclass(frozen=True, slots=True, eq=False)
class Surroundings:
    """What is around the body; boolean arrays of the shape of the network's input.

    Attributes:
        window: What shows the radiograph; the rest is padding.
        border: The outer frame of it.
        background: What is outside the body, as far as it is found.
        markers: Burnt-in letters and signs, as far as they are found.
    """

    window: NDArray[np.bool_]
    border: NDArray[np.bool_]
    background: NDArray[np.bool_]
    markers: NDArray[np.bool_]

    @property
    def tissue(self) -> NDArray[np.bool_]:
        """What shows the body."""
        return self.window & ~self.background & ~self.markers


def find_surroundings(grey: NDArray[np.uint8], window: Window) -> Surroundings:
    """Find what is around the body, by :data:`RULES`.

    Args:
        grey: The radiograph on the network's input, uint8, shape ``(height, width)``.
        window: Rows and columns of it that show the radiograph; the rest is padding.

    Returns:
        The masks.
    """
    seen = grey[window]
    full = np.zeros((4, *grey.shape), dtype=bool)
    if not seen.size:
        return Surroundings(*full)
    width = max(1, round(BORDER * min(seen.shape)))
    border = np.ones(seen.shape, dtype=bool)
    border[width:-width, width:-width] = False
    background, markers = _background_and_markers(seen)
    for mask, part in zip(full, (np.ones(seen.shape, dtype=bool), border, background, markers), strict=True):
        mask[window] = part
    return Surroundings(*full)


def _background_and_markers(seen: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Find the background, and the bright islands in it."""
    smooth: NDArray[Any] = cv2.GaussianBlur(seen, (0, 0), max(_SMOOTHING * min(seen.shape), 0.5))
    bright = _otsu(smooth.ravel())
    dark = min(_otsu(smooth[smooth <= bright]) + _NOISE, bright)
    nothing = np.zeros(seen.shape, dtype=bool)
    if smooth.max() <= dark:  # one level only
        return nothing, nothing
    _, parts = cv2.connectedComponents((smooth <= dark).astype(np.uint8))
    at_edge = np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]]))
    background = np.isin(parts, at_edge[at_edge > 0])
    if background.mean() < _LEAST_BACKGROUND:
        return nothing, nothing
    near = (float(np.median(seen[background])) + dark) / 2  # skin is darker than the rest of the body
    return background, _islands(seen, near, bright)


def _islands(seen: NDArray[np.uint8], dark: float, bright: float) -> NDArray[np.bool_]:
    """Find small bright spots with dark pixels close around them."""
    _, parts, facts, _ = cv2.connectedComponentsWithStats((seen > bright).astype(np.uint8))
    inner = max(2, round(_RING * min(seen.shape)))
    outer = 2 * inner
    islands = np.zeros(seen.shape, dtype=bool)
    for number in np.flatnonzero(facts[:, cv2.CC_STAT_AREA] <= LARGEST_MARKER * seen.size).tolist():
        left, top, width, height, _ = facts[number]
        place = slice(max(top - outer, 0), top + height + outer), slice(max(left - outer, 0), left + width + outer)
        own = parts[place] == number
        near, far = (cv2.dilate(own.astype(np.uint8), np.ones((2 * r + 1,) * 2, np.uint8)) for r in (inner, outer))
        ring = far > near
        if number and ring.any() and (seen[place][ring] <= dark).mean() > _SURROUNDED:
            islands[place] |= own
    return islands


def _otsu(values: NDArray[Any]) -> float:
    """Return the grey level by which Otsu's rule parts values: the largest of the darker part."""
    level, _ = cv2.threshold(values.reshape(-1, 1), 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return float(level)
