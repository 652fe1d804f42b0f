"""Cortex, marrow and ends that the bones of all views share, and how people differ."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from btxrd_explain.core.geometry import Size

# What a synthetic radiograph shows, in millimetres: bones, soft tissue and how they lie in the picture.
#
# Lengths are millimetres, the origin is the middle of the picture and y points down. The numbers are plausible,
# not measured: the pictures only have to look like radiographs.

Point = tuple[float, float]
Profile = tuple[tuple[float, float], ...]
"""Pairs of a position along the axis (0 start, 1 end) and a value there."""


@dataclass(frozen=True, slots=True)
class End:
    """The shape of one end of a bone.

    Attributes:
        roundness: How far the corners lie behind the middle, in mm; the half width there makes a half ball.
        notch: Depth of the groove in the middle, in mm; negative for a ridge.
    """

    roundness: float = 6.0
    notch: float = 0.0


@dataclass(frozen=True, slots=True)
class Bone:
    """One bone, or one part of it.

    Attributes:
        name: Column of the data set's table (``femur``, ``hand``, ...), or a name of no column where no lesion
            may grow.
        start: One end of the axis, in mm.
        end: The other end.
        widths: Half width along the axis, in mm.
        cortex: Thickness of the cortex along the axis, in mm.
        marrow: Density of the marrow along the axis; the cortex has 1.
        ends: Shape of both ends.
        bow: Distance of the axis' middle from the straight line, in mm.
        plates: Positions of open growth plates along the axis.
        density: Factor of the bone's attenuation; small for flat bones.
        merged: True where this part continues the bone drawn before it, instead of lying over it.
    """

    name: str
    start: Point
    end: Point
    widths: Profile
    cortex: Profile
    marrow: Profile = ((0.0, 0.32), (0.1, 0.29), (0.32, 0.1), (0.68, 0.1), (0.9, 0.29), (1.0, 0.32))
    ends: tuple[End, End] = (End(), End())
    bow: float = 0.0
    plates: tuple[float, ...] = ()
    density: float = 1.0
    merged: bool = False

    @property
    def length(self) -> float:
        """Distance of the ends, in mm."""
        return math.dist(self.start, self.end)


@dataclass(frozen=True, slots=True)
class Tissue:
    """A limb's soft tissue around one axis; the half width is given along the axis, in mm."""

    start: Point
    end: Point
    widths: Profile
    fat: float = 7.0
    density: float = 1.0


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything in front of the detector, before the lesion.

    Attributes:
        field: Height and width of the picture, in mm.
        bones: In the order of drawing.
        tissues: Soft tissue.
        thickness: Length of bone that absorbs as much as the limb's soft tissue, in mm.
        joints: Joint columns of the table that the picture shows.
        limb: Limb column of the table.
        view: Projection column of the table.
    """

    field: Point
    bones: tuple[Bone, ...]
    tissues: tuple[Tissue, ...]
    thickness: float
    joints: tuple[str, ...]
    limb: str
    view: str


@dataclass(frozen=True, slots=True)
class Pose:
    """How a scene lies in the picture: millimetres to pixels.

    Attributes:
        size: Size of the picture.
        scale: Pixels per mm.
        angle: Rotation in radians, clockwise.
        mirrored: True for the other side of the body.
        shift: Where the scene's origin lies, in pixels from the picture's middle.
    """

    size: Size
    scale: float
    angle: float = 0.0
    mirrored: bool = False
    shift: Point = (0.0, 0.0)

    def point(self, position: Point) -> NDArray[np.float64]:
        """Return the pixel coordinates ``(x, y)`` of a position in mm.

        >>> from btxrd_explain.core.geometry import Size
        >>> Pose(Size(100, 60), scale=2.0, mirrored=True).point((5.0, -10.0)).tolist()
        [20.0, 30.0]
        """
        x, y = (-position[0] if self.mirrored else position[0]), position[1]
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        turned = np.array([x * cosine - y * sine, x * sine + y * cosine])
        middle = np.array([self.size.width / 2, self.size.height / 2])
        placed: NDArray[np.float64] = middle + np.array(self.shift) + self.scale * turned
        return placed


def profile(positions: NDArray[np.float32], knots: Profile) -> NDArray[np.float32]:
    """Return a smooth curve through the knots.

    Args:
        positions: Shape ``(n,)``, positions along the axis.
        knots: Ascending positions and the values there; constant beyond them.

    Returns:
        Float32 array of shape ``(n,)``. Between two knots the curve follows a cosine, so that it is flat at each.
    """
    places, values = (np.array(column, dtype=np.float32) for column in zip(*knots, strict=True))
    index = np.clip(np.searchsorted(places, positions, side="right") - 1, 0, len(places) - 2)
    share = np.clip((positions - places[index]) / (places[index + 1] - places[index]), 0, 1)
    eased = (1 - np.cos(np.pi * share)) / 2
    curve: NDArray[np.float32] = (values[index] + eased * (values[index + 1] - values[index])).astype(np.float32)
    return curve


CORTEX: Profile = ((0.0, 1.0), (0.12, 1.5), (0.38, 5.5), (0.65, 5.5), (0.9, 1.5), (1.0, 1.0))
THIN: Profile = ((0.0, 0.9), (0.2, 1.6), (0.5, 2.8), (0.8, 1.6), (1.0, 0.9))
SMALL: Profile = ((0.0, 0.5), (0.3, 1.3), (0.7, 1.3), (1.0, 0.5))
SPONGY: Profile = ((0.0, 0.3), (1.0, 0.3))
SHEET: Profile = ((0.0, 1.2), (1.0, 1.2))
FEMUR_END = End(roundness=14, notch=9)
PLATEAU = End(roundness=3, notch=-4)
SQUARE = End(roundness=2, notch=1.5)


def vary(rng: np.random.Generator, share: float = 0.12) -> float:
    """Return a factor around 1, so that no two people have the same bones."""
    return float(rng.uniform(1 - share, 1 + share))


def view(rng: np.random.Generator, oblique: float = 0.1) -> str:
    """Choose the projection."""
    return str(rng.choice(["frontal", "lateral", "oblique"], p=[0.9 - oblique - 0.15, 0.25, oblique]))
