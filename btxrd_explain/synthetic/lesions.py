"""Where a lesion grows on a bone, its outline, and how benign and malignant ones are drawn."""

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


# Benign and malignant lesions as they are drawn.


def bone_cyst(site: Site, rng: np.random.Generator, texture: Texture) -> NDArray[np.float64]:
    """Paint a central lucency with a thin bright edge, sometimes with septa; returns its outline."""
    axes = half_axes(site, rng.uniform(1.1, 1.8), rng.uniform(0.75, 1.1))
    outline = lobed(rng, (site.centre, site.row), axes, tilt=rng.normal(0, 0.08), unrest=0.07)
    return _lucency(site, outline, texture, septa=rng.random() < 0.5, rim=rng.uniform(0.25, 0.45))


def giant_cell(site: Site, rng: np.random.Generator, texture: Texture) -> NDArray[np.float64]:
    """Paint an eccentric, bulging lucency with a soap-bubble pattern; returns its outline."""
    axes = half_axes(site, rng.uniform(0.9, 1.4), rng.uniform(0.65, 0.95))
    middle = site.centre + site.side * rng.uniform(0.35, 0.6) * site.half_width
    outline = lobed(rng, (middle, site.row), axes, tilt=rng.normal(0, 0.2), unrest=0.1)
    return _lucency(site, outline, texture, septa=rng.random() < 0.7, rim=rng.uniform(0.2, 0.35))


def fibroma(site: Site, rng: np.random.Generator, texture: Texture) -> NDArray[np.float64]:
    """Paint a lobulated lucency in the cortex with a thick bright edge; returns its outline."""
    axes = half_axes(site, rng.uniform(1.5, 2.4), rng.uniform(0.5, 0.75))
    middle = site.centre + site.side * rng.uniform(0.4, 0.6) * site.half_width
    outline = lobed(rng, (middle, site.row), axes, tilt=-site.side * rng.uniform(0, 0.25), unrest=0.13)
    return _lucency(site, outline, texture, septa=rng.random() < 0.6, rim=rng.uniform(0.4, 0.6))


def chondroma(site: Site, rng: np.random.Generator, texture: Texture) -> NDArray[np.float64]:
    """Paint a lucency with flecks of chalk inside; returns its outline."""
    axes = half_axes(site, rng.uniform(1.2, 2.0), rng.uniform(0.7, 0.95))
    outline = lobed(rng, (site.centre, site.row), axes, tilt=rng.normal(0, 0.1), unrest=0.14)
    outline = _lucency(site, outline, texture, septa=False, rim=rng.uniform(0.15, 0.35))
    patch = cut(site, outline, 2)
    size = 1.1 * site.canvas.scale
    flecks = np.clip(texture.field(patch.view.shape, size) - 1.0, 0, 1)
    inner = np.clip(patch.distance / (2 * size), 0, 1)
    patch.view[:] += (0.55 * site.contrast * site.level) * flecks * inner
    return outline


def _lucency(
    site: Site, outline: NDArray[np.float64], texture: Texture, *, septa: bool, rim: float
) -> NDArray[np.float64]:
    """Take bone away inside the outline and add a bright edge."""
    patch = cut(site, outline, 6 * site.canvas.scale)
    scale, unit = site.canvas.scale, np.float32(site.level * site.contrast)
    dome = np.clip(patch.distance / (0.5 * site.half_width), 0, 1)
    depth = (0.5 + 0.35 * dome) * np.float32(site.contrast)
    patch.view[:] *= 1 - depth * patch.shape
    bulge = patch.shape * (1 - patch.bone)
    patch.view[:] += 0.22 * unit * bulge
    width = np.float32(max(0.7 * scale, 1.1))
    edge = np.exp(-(((patch.distance - 0.3 * width) / width) ** 2))
    patch.view[:] += rim * unit * edge * (0.45 + 0.55 * patch.bone)
    if septa:
        ridge = np.exp(-((texture.field(patch.view.shape, 4.5 * scale) / 0.16) ** 2))
        patch.view[:] += 0.2 * unit * ridge * patch.shape
    return outline


def osteochondroma(site: Site, rng: np.random.Generator, texture: Texture) -> NDArray[np.float64]:
    """Paint a stalk with a knobbly cap next to the bone; returns its outline."""
    across = min(math.sqrt(1.25 * site.area / math.pi), 0.75 * site.half_width + 6 * site.canvas.scale)
    along = min(site.area / (math.pi * across), 1.3 * across)
    lean = float(rng.choice([-1, 1]) * rng.uniform(0.1, 0.6))
    middle = site.centre + site.side * (site.half_width + 0.5 * across), site.row + 0.4 * lean * across
    outline = lobed(rng, middle, (across, along), tilt=site.side * lean, unrest=0.11)
    patch = cut(site, outline, 3)
    unit, scale = np.float32(site.level * (0.35 + 0.65 * site.contrast)), site.canvas.scale
    dome = np.sqrt(np.clip(patch.distance / (0.7 * along), 0, 1))
    wall = np.exp(-(((patch.distance - 0.7 * scale) / (0.8 * scale)) ** 2))
    knobs = np.clip(0.85 + 0.28 * texture.field(patch.view.shape, 1.5 * scale), 0.2, 1.6)
    beyond = np.clip((site.side * patch.across - 0.72 * patch.half) / (0.3 * patch.half), 0, 1)
    patch.view[:] += unit * patch.shape * (0.42 * dome * knobs + 0.34 * wall) * (0.25 + 0.75 * beyond)
    return outline


BENIGN: dict[str, tuple[Painter, float]] = {
    "osteochondroma": (osteochondroma, 0.34),
    "simple bone cyst": (bone_cyst, 0.22),
    "giant cell tumor": (giant_cell, 0.18),
    "osteofibroma": (fibroma, 0.14),
    "other bt": (chondroma, 0.12),
}
"""Subtype of the tumour: how it is painted, and its fraction among the benign ones."""


def osteosarcoma(site: Site, rng: np.random.Generator, texture: Texture) -> NDArray[np.float64]:
    """Paint destroyed bone, a reacting periosteum and a cloud of new bone next to it; returns the outline."""
    return _aggressive(site, rng, texture, cloud=rng.uniform(0.5, 1.0), sclerosis=rng.uniform(0.0, 0.7))


def small_cell(site: Site, rng: np.random.Generator, texture: Texture) -> NDArray[np.float64]:
    """Paint permeative destruction with layers of periosteum and little new bone; returns the outline."""
    return _aggressive(site, rng, texture, cloud=rng.uniform(0.0, 0.4), sclerosis=0.0)


def _aggressive(
    site: Site, rng: np.random.Generator, texture: Texture, *, cloud: float, sclerosis: float
) -> NDArray[np.float64]:
    """Paint a malignant lesion that runs over one side of the cortex."""
    across, along = half_axes(site, rng.uniform(1.1, 1.8), rng.uniform(0.9, 1.35))
    middle = site.centre + site.side * rng.uniform(0.15, 0.8) * site.half_width, site.row
    outline = lobed(rng, middle, (across, along), tilt=rng.normal(0, 0.15), unrest=0.1)
    patch = cut(site, outline, 0.25 * min(across, along) + 5 * site.canvas.scale)
    fade = _fade(patch, 0.5 * min(across, along), texture, site.canvas.scale)
    _destroy(site, patch, fade, texture, sclerosis)
    _cloud(site, patch, fade, texture, cloud)
    if rng.random() < 0.45:
        _spicules(site, rng, (across, along))
    else:
        _layers(site, patch, rng, along)
    return outline


def _fade(patch: Patch, width: float, texture: Texture, scale: float) -> NDArray[np.float32]:
    """Return the lesion without an edge: 1 deep inside, falling off over ``width`` pixels along a ragged line."""
    ragged = patch.distance + texture.field(patch.view.shape, 4 * scale) * np.float32(0.35 * width)
    share = np.clip(ragged / np.float32(width) + 0.35, 0, 1)
    smooth: NDArray[np.float32] = (share * share * (3 - 2 * share)).astype(np.float32)
    return smooth


def _destroy(site: Site, patch: Patch, fade: NDArray[np.float32], texture: Texture, sclerosis: float) -> None:
    """Eat holes of two sizes into the bone and thin the rest; sclerosis fills some of it in again."""
    scale, contrast = site.canvas.scale, np.float32(site.contrast)
    coarse = np.clip(1.6 * texture.field(patch.view.shape, 1.3 * scale, 1.8 * scale) - 0.1, 0, 1)
    fine = np.clip(1.4 * texture.field(patch.view.shape, 0.55 * scale, 1.1 * scale) - 0.2, 0, 1)
    patch.view[:] *= 1 - contrast * fade * np.clip(0.22 + 0.5 * coarse + 0.25 * fine, 0, 0.85)
    dense = np.clip(texture.field(patch.view.shape, 2.4 * scale) + 0.2, 0, 1.5)
    patch.view[:] += np.float32(0.5 * sclerosis * site.level) * contrast * fade * dense * patch.bone


def _cloud(site: Site, patch: Patch, fade: NDArray[np.float32], texture: Texture, strength: float) -> None:
    """Add the swelling next to the bone, with fluffy new bone in it."""
    scale, unit = site.canvas.scale, np.float32(site.level * site.contrast)
    outside = fade * (1 - patch.bone)
    fluff = np.clip(texture.field(patch.view.shape, 1.8 * scale) * 0.8 + 0.25, 0, 1.4)
    patch.view[:] += unit * outside * (0.12 + np.float32(0.45 * strength) * fluff)


def _layers(site: Site, patch: Patch, rng: np.random.Generator, along: float) -> None:
    """Lay broken lines of new bone along the cortex, like an onion's skin."""
    scale, unit = site.canvas.scale, np.float32(site.level * site.contrast)
    reach = 1.15 * along
    window = np.clip(1 - np.abs(patch.along) / np.float32(reach), 0, 1)
    lift = 1 - (patch.along / np.float32(1.3 * reach)) ** 2
    for side in (site.side, -site.side) if rng.random() < 0.5 else (site.side,):
        beyond = side * patch.across - patch.half
        for layer in range(int(rng.integers(1, 4))):
            place = (1.0 + 1.7 * layer) * scale * lift
            line = np.exp(-(((beyond - place) / (0.5 * scale)) ** 2))
            gaps = 0.6 + 0.4 * np.sin(patch.along / (rng.uniform(2.5, 6) * scale) + rng.uniform(0, 6))
            patch.view[:] += unit * 0.32 * line * gaps * np.minimum(1, 3 * window)


def _spicules(site: Site, rng: np.random.Generator, axes: tuple[float, float]) -> None:
    """Draw thin rays of new bone that stand on the cortex, like a sunburst."""
    canvas, scale = site.canvas, site.canvas.scale
    rays = np.zeros(canvas.attenuation.shape, np.uint8)
    count = max(5, round(1.1 * axes[1] / scale / 1.6))
    for offset in np.linspace(-0.75, 0.75, count) + rng.normal(0, 0.04, count):
        row = min(max(site.row + offset * axes[1], 0), len(canvas.centre) - 1)
        start = canvas.centre[int(row)] + site.side * canvas.half_width[int(row)] * 0.95, row
        length = rng.uniform(0.2, 0.5) * axes[0] * (1.2 - offset**2)
        end = start[0] + site.side * length, row + 0.7 * offset * length
        ends = [tuple(round(float(value) * 16) for value in point) for point in (start, end)]
        cv2.line(rays, ends[0], ends[1], int(rng.integers(90, 220)), 1, cv2.LINE_AA, 4)
    thick = cv2.GaussianBlur(rays, (0, 0), max(0.45, 0.22 * scale)).astype(np.float32) / 255
    canvas.attenuation[:] += np.float32(0.75 * site.level * site.contrast) * thick


MALIGNANT: dict[str, tuple[Painter, float]] = {
    "osteosarcoma": (osteosarcoma, 0.7),
    "other mt": (small_cell, 0.3),
}
"""Subtype of the tumour: how it is painted, and its fraction among the malignant ones."""
