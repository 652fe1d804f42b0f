"""What is changed on a radiograph to see whether its prediction depends on it.

All conditions are made on the network's input, so that they mean the same whatever the radiograph's size, and what is
taken away is exactly what is compared with heat maps.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from btxrd_explain.core.controls import Ground, place_controls
from btxrd_explain.core.perturbation import blurred
from btxrd_explain.core.surroundings import find_surroundings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from btxrd_explain.core.surroundings import Surroundings, Window

_RADIUS = 3
"""Pixels around a missing one from which it is painted."""
_EDGE = 2
"""Pixels by which markers are widened, for their smooth edges."""


class Fill(StrEnum):
    """What pixels become that are taken away."""

    INPAINT = "inpaint"
    """Painted from their surroundings (Telea, J Graphics Tools 9:23, 2004)."""
    BLUR = "blur"
    """Those of the radiograph blurred with a Gaussian whose standard deviation is 5 % of its shorter side."""


class Kind(StrEnum):
    """What is changed."""

    ORIGINAL = "original"
    """Nothing."""
    LESION = "lesion"
    """The lesions are taken away."""
    CONTROL = "control"
    """The same shape is taken away elsewhere than at a lesion."""
    LESION_ALONE = "lesion_alone"
    """All but the lesions is blurred."""
    BORDER = "border"
    """The outer frame becomes its median grey level."""
    BACKGROUND = "background"
    """What is outside the body becomes its median grey level."""
    MARKERS = "markers"
    """Burnt-in letters and signs are painted over."""


SURROUNDINGS = (Kind.BORDER, Kind.BACKGROUND, Kind.MARKERS)
"""What is changed with a lesion or without."""
OTHERS = (Kind.LESION_ALONE, *SURROUNDINGS)
"""What is changed once, with one kind of fill."""


class Condition(NamedTuple):
    """One change of a radiograph.

    Attributes:
        kind: What is changed.
        fill: How lesions and controls are filled; None for the others.
        margin: Width of the margin around lesions and controls, in per cent of the lesions' extent.
        number: Which control, from 0.
    """

    kind: Kind
    fill: Fill | None = None
    margin: float = 0.0
    number: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Interventions:
    """The conditions of one radiograph.

    Attributes:
        pictures: What the network sees under each condition, the radiograph's own picture first.
        reasons: Why a kind of condition, by name, is missing or has fewer controls than wanted.
    """

    pictures: dict[Condition, NDArray[Any]]
    reasons: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """What the network says of a radiograph under each condition.

    Attributes:
        log_odds: Log-odds of each class, float64, shape ``(classes,)``.
        reasons: Those of :class:`Interventions`.
    """

    log_odds: Mapping[Condition, NDArray[np.float64]]
    reasons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Design:
    """Which conditions are made.

    Attributes:
        controls: Control regions of an image.
        margins: Widths of the margin around lesions, in per cent of their extent; the first decides.
        seed: Seed of the places of the controls.
    """

    controls: int = 9
    margins: tuple[float, ...] = (0.0,)
    seed: int = 0

    @property
    def most(self) -> int:
        """How many pictures a radiograph with a lesion has at most, its own included."""
        return 1 + len(self.margins) * len(Fill) * (1 + self.controls) + len(OTHERS)

    @property
    def least(self) -> int:
        """How many one without a lesion has at most."""
        return 1 + len(SURROUNDINGS)


def intervene(
    picture: NDArray[Any],
    window: Window,
    lesion: NDArray[np.bool_] | None,
    markers: NDArray[np.bool_] | None,
    *,
    design: Design,
    rng: np.random.Generator,
) -> Interventions:
    """Make all conditions of a radiograph.

    Args:
        picture: The radiograph on the network's input, uint8 in [0, 255] or float32 of any range, shape
            ``(height, width)`` or ``(height, width, channels)``.
        window: Rows and columns of it that show the radiograph; the rest is padding.
        lesion: Its lesions on the network's input, boolean, shape ``(height, width)``; None, or no pixel, without one.
        markers: Annotated markers, likewise; None looks for them.
        design: Which conditions are made.
        rng: Source of the places of the controls.

    Returns:
        The conditions.
    """
    made = Interventions({Condition(Kind.ORIGINAL): picture})
    grey = grey_of(picture)
    around = find_surroundings(grey, window)
    soft = _blurred_within(picture, window)
    protected = np.zeros(grey.shape, dtype=bool) if lesion is None else lesion
    if lesion is not None and lesion.any():
        made.pictures[Condition(Kind.LESION_ALONE)] = _where(lesion | ~around.window, picture, soft)
        for margin in design.margins:
            _take_away(made, picture, soft, (lesion, margin), Ground(grey, around.window, around.tissue), design, rng)
    elif lesion is not None:
        made.reasons[Kind.LESION] = "it falls between the pixels of the network's input"
    _clear_surroundings(made, picture, around, protected, markers)
    return made


def _take_away(
    made: Interventions,
    picture: NDArray[Any],
    soft: NDArray[Any],
    what: tuple[NDArray[np.bool_], float],
    ground: Ground,
    design: Design,
    rng: np.random.Generator,
) -> None:
    """Take the lesions and their controls away, by both fills."""
    lesion, margin = what
    wide = widened(lesion, margin) & ground.free
    free = Ground(ground.grey, ground.free & ~_dilated(wide, 1), ground.tissue)
    controls = place_controls(wide, free, design.controls, rng)
    if len(controls) < design.controls:
        made.reasons[f"{Kind.CONTROL}:{margin:g}"] = (
            f"its shape finds room for {len(controls)} of {design.controls} controls on tissue of like brightness"
        )
    for fill in Fill:
        made.pictures[Condition(Kind.LESION, fill, margin)] = filled(picture, soft, wide, fill)
        for number, control in enumerate(controls):
            made.pictures[Condition(Kind.CONTROL, fill, margin, number)] = filled(picture, soft, control, fill)


def _clear_surroundings(
    made: Interventions,
    picture: NDArray[Any],
    around: Surroundings,
    lesion: NDArray[np.bool_],
    markers: NDArray[np.bool_] | None,
) -> None:
    """Clear border, background and markers; pixels of lesions stay as they are."""
    signs = _dilated(around.markers if markers is None else markers, _EDGE) & around.window
    masks = {Kind.BORDER: around.border, Kind.BACKGROUND: around.background, Kind.MARKERS: signs}
    for kind, whole in masks.items():
        mask = whole & ~lesion
        if not mask.any():
            made.reasons[kind] = "none was found" if not whole.any() else "the lesions cover all of it"
        elif kind is Kind.MARKERS:
            made.pictures[Condition(kind)] = _painted(picture, mask)
        else:
            median = np.median(picture[mask], axis=0).astype(picture.dtype)
            made.pictures[Condition(kind)] = _where(mask, np.broadcast_to(median, picture.shape), picture)


def grey_of(picture: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a picture as 8-bit grey levels: bytes as they are, other values scaled from their smallest to largest.

    Args:
        picture: Shape ``(height, width)`` or ``(height, width, channels)``.
    """
    grey = picture.mean(axis=2) if picture.ndim == 3 else picture
    low, high = float(grey.min()), float(grey.max())
    if picture.dtype != np.uint8:
        grey = (grey - low) * (255 / (high - low) if high > low else 0)
    levels: NDArray[np.uint8] = np.rint(grey).astype(np.uint8)
    return levels


def widened(lesion: NDArray[np.bool_], margin: float) -> NDArray[np.bool_]:
    """Return lesions with a margin around them.

    Args:
        lesion: Boolean array of shape ``(height, width)``.
        margin: Its width in per cent of the lesions' extent, the diameter of a disc of their area.
    """
    return _dilated(lesion, round(margin / 100 * 2 * np.sqrt(lesion.sum() / np.pi)))


def filled(picture: NDArray[Any], soft: NDArray[Any], mask: NDArray[np.bool_], fill: Fill) -> NDArray[Any]:
    """Return a picture in which some pixels are taken away.

    Args:
        picture: See :func:`intervene`.
        soft: The same, blurred.
        mask: The pixels, boolean, shape ``(height, width)``.
        fill: What they become.
    """
    return _painted(picture, mask) if fill is Fill.INPAINT else _where(mask, soft, picture)


def _painted(picture: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[Any]:
    """Paint pixels from their surroundings; only what is near them is worked on."""
    place = _around(mask, 2 * _RADIUS + 1)
    missing = mask[place].astype(np.uint8)
    result = picture.copy()
    result[place] = _per_channel(lambda channel: _inpainted(channel, missing), picture[place])
    return result


def _inpainted(channel: NDArray[Any], missing: NDArray[np.uint8]) -> NDArray[Any]:
    """Paint one channel; OpenCV adds gradients and rounding that suppose grey levels from 0 to 255."""
    if channel.dtype == np.uint8:
        return cv2.inpaint(channel, missing, _RADIUS, cv2.INPAINT_TELEA)
    low, high = float(channel.min()), float(channel.max())
    scale = (high - low) / 255 or 1.0
    levels = cv2.inpaint(((channel - low) / scale).astype(np.float32), missing, _RADIUS, cv2.INPAINT_TELEA)
    painted = (levels - 0.5) * scale + low
    result: NDArray[Any] = np.where(missing > 0, painted, channel).astype(channel.dtype)
    return result


def _around(mask: NDArray[np.bool_], reach: int) -> Window:
    """Return the rows and columns of a mask and of what is near it."""
    spans = []
    for axis in (1, 0):
        there = np.flatnonzero(mask.any(axis=axis))
        spans.append(slice(max(int(there[0]) - reach, 0), int(there[-1]) + reach + 1))
    return spans[0], spans[1]


def _blurred_within(picture: NDArray[Any], window: Window) -> NDArray[Any]:
    """Blur what shows the radiograph; padding does not shine into it."""
    result = picture.copy()
    if picture[window].size:
        result[window] = _per_channel(blurred, picture[window])
    return result


def _per_channel(work: Callable[[NDArray[Any]], NDArray[Any]], picture: NDArray[Any]) -> NDArray[Any]:
    """Work on channels one by one."""
    if picture.ndim == 2:
        return work(np.ascontiguousarray(picture))
    channels = np.moveaxis(picture, -1, 0)
    return np.stack([work(np.ascontiguousarray(channel)) for channel in channels], axis=-1)


def _where(mask: NDArray[np.bool_], inside: NDArray[Any], outside: NDArray[Any]) -> NDArray[Any]:
    """Put two pictures together."""
    result: NDArray[Any] = np.where(mask if outside.ndim == 2 else mask[..., None], inside, outside)
    return result


def _dilated(mask: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """Widen a mask by a disc."""
    if not radius or not mask.any():
        return mask
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return cv2.dilate(mask.astype(np.uint8), disc).astype(bool)
