"""Benign lesions: a clear edge, with a bright rim around a gap in the bone or a growth beside it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.synthetic.lesions import cut, half_axes, lobed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from btxrd_explain.synthetic.lesions import Painter, Site
    from btxrd_explain.synthetic.texture import Texture


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
