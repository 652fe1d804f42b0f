"""Benign and malignant lesions as they are drawn."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from btxrd_explain.synthetic.lesions import cut, half_axes, lobed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from btxrd_explain.synthetic.film import Texture
    from btxrd_explain.synthetic.lesions import Painter, Patch, Site

# Benign lesions: a clear edge, with a bright rim around a gap in the bone or a growth beside it.


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
    """Paint a stalk with a knobbly cap beside the bone; returns its outline."""
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
"""Subtype of the tumour: how it is painted, and its share among the benign ones."""


# Malignant lesions: no clear edge, destroyed bone, a reacting periosteum and a cloud of new bone.


def osteosarcoma(site: Site, rng: np.random.Generator, texture: Texture) -> NDArray[np.float64]:
    """Paint destroyed bone, a reacting periosteum and a cloud of new bone beside it; returns the outline."""
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
    """Add the swelling beside the bone, with fluffy new bone in it."""
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
"""Subtype of the tumour: how it is painted, and its share among the malignant ones."""
