"""Changes of a radiograph that say nothing new to a reader, and what heat maps that follow them are worth."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from btxrd_explain.core.statistics import Estimate


class Change(StrEnum):
    """What is done to the radiograph on the network's input."""

    SHIFT = "shift"
    """It is moved by some pixels down or up and as many to a side; what comes in repeats the border."""
    NOISE = "noise"
    """Gaussian noise is added, the same to all channels."""
    FLIP = "flip"
    """It is mirrored."""
    JPEG = "jpeg"
    """It is compressed as JPEG, and decoded."""
    BRIGHTNESS = "brightness"
    """It becomes brighter."""


STRENGTHS: Mapping[Change, tuple[float, ...]] = MappingProxyType(
    {
        Change.SHIFT: (1, 2, 4, 8),
        Change.NOISE: (0.5, 1, 2, 4),
        Change.FLIP: (1,),
        Change.JPEG: (95, 90, 75, 50),
        Change.BRIGHTNESS: (5, 10, 20),
    }
)
"""Strengths of each change, from the weakest: pixels, per cent of the range of grey values, quality."""
DECISIVE: Mapping[Change, float] = MappingProxyType(
    {Change.SHIFT: 4, Change.NOISE: 1, Change.FLIP: 1, Change.JPEG: 90, Change.BRIGHTNESS: 10}
)
"""The strength of each change that the verdict rests on."""

LIMIT = 0.8
"""Rank correlation from which maps count as the same: they share two thirds of the variance of their ranks."""


def in_words(change: Change, strength: float) -> str:
    """Name a change and its strength.

    >>> in_words(Change.JPEG, 90), in_words(Change.SHIFT, 4)
    ('JPEG of quality 90', 'shift by 4 pixels')
    """
    return {
        Change.SHIFT: f"shift by {strength:g} pixel{'' if strength == 1 else 's'}",
        Change.NOISE: f"{strength:g} % noise",
        Change.FLIP: "flip",
        Change.JPEG: f"JPEG of quality {strength:g}",
        Change.BRIGHTNESS: f"brighter by {strength:g} %",
    }[change]


RULE = (
    f"The decisive changes are: {', '.join(in_words(change, strength) for change, strength in DECISIVE.items())}. Each "
    "decides by the 95 % interval of the mean Spearman correlation between the maps before and after, moved back: "
    f"wholly at or above {LIMIT}, the maps stay; wholly below {LIMIT}, they change; otherwise it is undecided. Maps "
    "are stable if they stay under all of these changes, unstable if they change under one of them, and otherwise it "
    "is undecided. A map that vanishes has no correlation; where more than half of them vanish, the maps change. Maps "
    "whose attributions do not add up are not compared; where more than half of them are such, it is undecided."
)


def changed(
    image: NDArray[np.float32], change: Change, strength: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Change a radiograph.

    Args:
        image: Values in [0, 1], float32, shape ``(channels, height, width)``.
        change: What to do.
        strength: How much; see :data:`STRENGTHS`.
        rng: Source of noise and directions; the same state gives the same result.

    Returns:
        Float32 array of the same shape, in [0, 1].
    """
    match change:
        case Change.SHIFT:
            return _moved(image, *_steps(strength, rng))
        case Change.NOISE:
            noise = rng.standard_normal(image.shape[1:], np.float32)
            return (image + np.float32(strength / 100) * noise).clip(0, 1)
        case Change.FLIP:
            return image[..., ::-1].copy()
        case Change.JPEG:
            return np.stack([_compressed(channel, int(strength)) for channel in image])
        case Change.BRIGHTNESS:
            return (image + np.float32(strength / 100)).clip(0, 1)


def undone(
    values: NDArray[np.float32], change: Change, strength: float, rng: np.random.Generator
) -> tuple[NDArray[np.float32], tuple[slice, slice]]:
    """Move the map of a changed radiograph back to where its pixels were.

    Args:
        values: The map, shape ``(height, width)``.
        change: What was done to the radiograph.
        strength: How much.
        rng: In the same state as for :func:`changed`.

    Returns:
        The map, and the rows and columns of it that show anything of the radiograph as it was.
    """
    if change is Change.FLIP:
        return values[:, ::-1], (slice(None), slice(None))
    if change is not Change.SHIFT:
        return values, (slice(None), slice(None))
    steps = _steps(strength, rng)
    seen = (
        slice(max(-step, 0), max(length - max(step, 0), 0)) for step, length in zip(steps, values.shape, strict=True)
    )
    rows, columns = seen
    return _moved(values, *(-step for step in steps)), (rows, columns)


def _steps(strength: float, rng: np.random.Generator) -> tuple[int, int]:
    """Draw by how many pixels a radiograph moves down and to the right."""
    down, right = (int(strength) * rng.choice((-1, 1), 2)).tolist()
    return down, right


def _moved(values: NDArray[np.float32], down: int, right: int) -> NDArray[np.float32]:
    """Move values, shape ``(..., height, width)``; what comes in repeats the border."""
    rows, columns = (
        (np.arange(length) - step).clip(0, length - 1)
        for length, step in zip(values.shape[-2:], (down, right), strict=True)
    )
    return values[..., rows[:, None], columns]


def _compressed(channel: NDArray[np.float32], quality: int) -> NDArray[np.float32]:
    done, encoded = cv2.imencode(".jpg", np.rint(255 * channel).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError(f"a picture of {channel.shape} cannot be compressed")
    decoded: NDArray[Any] = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE))
    return decoded.astype(np.float32) / np.float32(255)


# What the similarities say, in plain words.


class Stability(StrEnum):
    """How heat maps stand changes that say nothing new."""

    STABLE = "stable"
    """They stay much the same under all of them."""
    UNSTABLE = "unstable"
    """They become others under one of them."""
    UNDECIDED = "undecided"
    """The images are too few, or the maps neither clearly the same nor clearly others."""


@dataclass(frozen=True, slots=True)
class Followed:
    """What became of the maps under one change.

    Attributes:
        spearman: Mean rank correlation of the maps before and after.
        vanished: Number of images whose map then holds no evidence.
        incomplete: Number of images whose attributions then do not add up.
    """

    spearman: Estimate
    vanished: int = 0
    incomplete: int = 0


def judge_stability(found: Mapping[Change, Followed]) -> tuple[Stability, str]:
    """Say what the decisive changes show; the rule is :data:`RULE`.

    Args:
        found: What became of the maps under each change, at its decisive strength.

    Returns:
        The outcome, and a sentence or two in plain words.

    >>> from btxrd_explain.core.statistics import Estimate
    >>> judge_stability({Change.FLIP: Followed(Estimate(0.98, 0.97, 0.99, 32, 32))})
    (<Stability.STABLE: 'stable'>, 'The maps are stable: they correlate at 0.98 [0.97, 0.99] or more (flip).')
    """
    outcomes = {change: _outcome(one) for change, one in found.items()}
    others = [change for change, outcome in outcomes.items() if outcome is Stability.UNSTABLE]
    open_ = [change for change, outcome in outcomes.items() if outcome is Stability.UNDECIDED]
    if others:
        reasons = "; ".join(f"{in_words(change, DECISIVE[change])}: {_said(found[change])}" for change in others)
        return Stability.UNSTABLE, f"The maps are unstable: {reasons}. The changes say nothing new of the radiograph."
    if open_:
        reasons = "; ".join(f"{in_words(change, DECISIVE[change])}: {_said(found[change])}" for change in open_)
        return Stability.UNDECIDED, f"Undecided: {reasons}. Take more images."
    least = min(found, key=lambda change: found[change].spearman.value or 0)
    reason = f"they correlate at {_interval(found[least].spearman)} or more ({in_words(least, DECISIVE[least])})"
    return Stability.STABLE, f"The maps are stable: {reason}."


def _outcome(found: Followed) -> Stability:
    compared = found.spearman
    if found.incomplete > compared.n + found.vanished:
        return Stability.UNDECIDED
    if found.vanished > compared.n:
        return Stability.UNSTABLE
    if compared.low is None or compared.high is None:
        return Stability.UNDECIDED
    if compared.high < LIMIT:
        return Stability.UNSTABLE
    return Stability.STABLE if compared.low >= LIMIT else Stability.UNDECIDED


def _said(found: Followed) -> str:
    count = found.spearman.n + found.vanished + found.incomplete
    if found.incomplete > found.spearman.n + found.vanished:
        return f"the attributions of {found.incomplete} of {count} maps do not add up"
    if found.vanished > found.spearman.n:
        return f"{found.vanished} of {found.vanished + found.spearman.n} maps vanish"
    if found.spearman.low is None:
        return f"only {found.spearman.n} maps can be compared"
    return f"they correlate at {_interval(found.spearman)}"


def _interval(found: Estimate) -> str:
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"
