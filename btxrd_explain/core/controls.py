"""Control regions: the lesion's own shape away from lesions, on tissue of like brightness."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

BRIGHTNESS = 32
"""Grey levels, of 256, by which the mean under a control may differ from that under the lesion."""
_OFF_TISSUE = 0.1
_MOST_SHARED = 0.5
_TRIES = 30
"""Draws of a place that is not too close to another control, before another orientation is tried."""

RULE = (
    "each part of the lesion is shifted, turned by quarters and mirrored at random to where it is wholly in view, "
    f"touches no lesion, lies on tissue (but for {100 * _OFF_TISSUE:g} % of it more than the lesion itself) and has a "
    f"mean grey level within {BRIGHTNESS} of 256 of the lesion's; two controls of an image share at most "
    f"{100 * _MOST_SHARED:g} % of a part"
)
"""The rule in words, for reports."""


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """Where controls may be placed.

    Attributes:
        grey: The radiograph on the network's input, uint8, shape ``(height, width)``.
        free: What is in view and touches no lesion, boolean, likewise.
        tissue: What shows the body, boolean, likewise.
    """

    grey: NDArray[np.uint8]
    free: NDArray[np.bool_]
    tissue: NDArray[np.bool_]


def generator_of(image_id: str, seed: int) -> np.random.Generator:
    """Return the random numbers of an image, which do not depend on other images."""
    digest = np.frombuffer(sha256(image_id.encode("utf-8", "surrogatepass")).digest(), np.uint32)
    return np.random.default_rng([seed, *digest.tolist()])


def place_controls(
    lesion: NDArray[np.bool_], ground: Ground, count: int, rng: np.random.Generator
) -> list[NDArray[np.bool_]]:
    """Place the shape of a lesion elsewhere; the rule is :data:`RULE`.

    Args:
        lesion: The lesions of an image with their margin, boolean, shape ``(height, width)``; at least one pixel.
        ground: Where they may go.
        count: How many controls are wanted.
        rng: Source of the draws; the same state gives the same places.

    Returns:
        Boolean arrays of the shape of ``lesion``; fewer than ``count``, or none, where the room is too small.
    """
    parts = [_Part.of(mask, ground) for mask in _connected(lesion)]
    controls: list[NDArray[np.bool_]] = []
    for _ in range(count):
        control = np.zeros_like(lesion)
        if not all(part.draw_onto(control, rng) for part in parts):
            break
        controls.append(control)
    return controls


def _connected(mask: NDArray[np.bool_]) -> Iterator[NDArray[np.bool_]]:
    """Yield the connected parts of a mask, the largest first: the others find room around it."""
    count, parts, facts, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    for number in sorted(range(1, count), key=lambda part: -int(facts[part, cv2.CC_STAT_AREA])):
        yield parts == number


class _Part:
    """A connected part of a lesion, with the places where its shape may go.

    Attributes:
        patches: Its shape in up to eight orientations, boolean, each cut to its bounds.
    """

    def __init__(self, patches: Sequence[NDArray[np.bool_]], ground: Ground, brightness: float, least: float) -> None:
        self.patches = patches
        self._ground, self._brightness, self._least = ground, brightness, least
        self._places: dict[int, NDArray[np.intp]] = {}
        self._drawn: list[NDArray[np.bool_]] = []

    @classmethod
    def of(cls, mask: NDArray[np.bool_], ground: Ground) -> _Part:
        """Take the shape, brightness and fraction of tissue from where the lesion is."""
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        patch = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        turned = [np.rot90(flipped, turns) for flipped in (patch, patch[:, ::-1]) for turns in range(4)]
        return cls(turned, ground, float(ground.grey[mask].mean()), float(ground.tissue[mask].mean()) - _OFF_TISSUE)

    def draw_onto(self, control: NDArray[np.bool_], rng: np.random.Generator) -> bool:
        """Draw a place, at random among all of an orientation, and mark it; return whether there was one."""
        for orientation in rng.permutation(len(self.patches)).tolist():
            patch = self.patches[orientation]
            places = self._places_of(orientation)
            for place in places[rng.permutation(len(places))[:_TRIES]].tolist():
                window = slice(place[0], place[0] + patch.shape[0]), slice(place[1], place[1] + patch.shape[1])
                if self._is_new(window, patch) and not control[window][patch].any():
                    control[window] |= patch
                    own = np.zeros_like(control)
                    own[window] = patch
                    self._drawn.append(own)
                    return True
        return False

    def _is_new(self, window: tuple[slice, slice], patch: NDArray[np.bool_]) -> bool:
        """Return whether a place touches no lesion, and is not that of a control that there is already."""
        limit = _MOST_SHARED * patch.sum()
        return bool(
            self._ground.free[window][patch].all() and all(own[window][patch].sum() <= limit for own in self._drawn)
        )

    def _places_of(self, orientation: int) -> NDArray[np.intp]:
        """Return the upper left corners where an orientation may go, shape ``(places, 2)``."""
        if orientation not in self._places:
            self._places[orientation] = self._find(self.patches[orientation])
        return self._places[orientation]

    def _find(self, patch: NDArray[np.bool_]) -> NDArray[np.intp]:
        if any(own > other for own, other in zip(patch.shape, self._ground.grey.shape, strict=True)):
            return np.empty((0, 2), np.intp)
        pixels = float(patch.sum())
        fits = _sums((~self._ground.free).astype(np.float32), patch) < 0.5
        if fits.any():
            fits &= _sums(self._ground.tissue.astype(np.float32), patch) >= self._least * pixels
        if fits.any():
            fits &= np.abs(_sums(self._ground.grey.astype(np.float32), patch) / pixels - self._brightness) <= BRIGHTNESS
        return np.argwhere(fits)


def _sums(values: NDArray[np.float32], patch: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the sum of values under a shape, for each place of its upper left corner."""
    sums: NDArray[Any] = cv2.matchTemplate(values, patch.astype(np.float32), cv2.TM_CCORR)
    return sums
