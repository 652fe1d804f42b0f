"""One synthetic radiograph with its lesions' outlines, fully determined by a seeded generator."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.geometry import Size
from btxrd_explain.synthetic import clutter
from btxrd_explain.synthetic.anatomy import Pose, Scene
from btxrd_explain.synthetic.bones import Canvas, centre_of, draw_bone
from btxrd_explain.synthetic.film import Exposure, Texture
from btxrd_explain.synthetic.lesions import BENIGN, MALIGNANT, Site
from btxrd_explain.synthetic.scenes import draw_scene, draw_tissue

if TYPE_CHECKING:
    from numpy.typing import NDArray

SITES = frozenset({"femur", "tibia", "fibula", "humerus", "radius", "ulna", "hand"})
"""Bones on which lesions grow; each is a column of the data set's table."""
SINGLE, MULTIPLE = "osteochondroma", "multiple osteochondromas"
TRIES = 80


class Diagnosis(StrEnum):
    """The three classes."""

    NORMAL = "Normal"
    BENIGN = "Benign"
    MALIGNANT = "Malignant"


@dataclass(frozen=True, slots=True)
class SyntheticRadiograph:
    """A synthetic radiograph and what is known about it.

    Attributes:
        pixels: Uint8 array of shape ``(height, width)``.
        diagnosis: Its class.
        subtype: Kind of tumour, a column of the data set's table; None for Normal.
        outlines: One closed polygon per lesion: float64 array of shape ``(n, 2)``, ``(x, y)`` inside the picture.
        bones: Bones with lesions, or for Normal the bones shown.
        joints: Joints shown.
        limb: ``upper limb`` or ``lower limb``.
        view: ``frontal``, ``lateral`` or ``oblique``.
    """

    pixels: NDArray[np.uint8]
    diagnosis: Diagnosis
    subtype: str | None
    outlines: tuple[NDArray[np.float64], ...]
    bones: tuple[str, ...]
    joints: tuple[str, ...]
    limb: str
    view: str


def draw_radiograph(rng: np.random.Generator, diagnosis: Diagnosis) -> SyntheticRadiograph:
    """Draw one radiograph.

    Args:
        rng: Source of everything that varies; the same state gives the same picture.
        diagnosis: Class of the picture; nothing but the lesion depends on it.

    Returns:
        The radiograph.

    >>> radiograph = draw_radiograph(np.random.default_rng(3), Diagnosis.BENIGN)
    >>> radiograph.pixels.dtype, len(radiograph.outlines)
    (dtype('uint8'), 1)
    """
    scene = draw_scene(rng)
    pose = _pose(scene, rng)
    texture = Texture(rng)
    canvases = [draw_bone(bone, pose, scene.thickness, texture) for bone in scene.bones]
    for canvas in canvases:
        clutter.vary_bone(canvas, rng, texture)
    subtype, lesions = _grow(diagnosis, canvases, pose.size, rng, texture)
    attenuation = draw_tissue(scene.tissues, pose)
    attenuation *= 1 + np.float32(0.035) * texture.field(attenuation.shape, 8 * pose.scale)
    bones = np.zeros_like(attenuation)
    for canvas in canvases:
        canvas.add_to(bones)
    attenuation += bones
    if rng.random() < 0.1:
        clutter.add_metal(attenuation, canvases[rng.integers(len(canvases))], rng)
    pixels = Exposure.draw(rng).develop(attenuation, rng.standard_normal(attenuation.shape, dtype=np.float32))
    clutter.add_marks(pixels, rng)
    clutter.close_shutters(pixels, rng)
    shown = {name for name, _ in lesions} or {bone.name for bone in scene.bones if bone.name in SITES}
    outlines = tuple(outline for _, outline in lesions)
    return SyntheticRadiograph(
        pixels, diagnosis, subtype, outlines, tuple(sorted(shown)), scene.joints, scene.limb, scene.view
    )


def _pose(scene: Scene, rng: np.random.Generator) -> Pose:
    """Choose the picture's size and how the scene lies in it."""
    height, width = scene.field[0] * rng.uniform(0.82, 1.1), scene.field[1] * rng.uniform(0.85, 1.15)
    turned = rng.random() < 0.12
    diagonal = 0.0 if turned or rng.random() < 0.9 else rng.uniform(-0.6, 0.6)
    if turned:
        height, width = width, height
    if diagonal:
        height, width = 0.85 * height, max(width, 0.6 * height)
    longest = min(rng.uniform(420, 760), math.sqrt(230_000 * max(height, width) / min(height, width)))
    scale = float(longest / max(height, width))
    size = Size(*(int(min(max(round(side * scale), 240), 760)) for side in (height, width)))
    angle = diagonal + rng.normal(0, 0.06) + (rng.choice([-1, 1]) * math.pi / 2 if turned else 0)
    shift = rng.normal(0, 0.035, 2) * (size.width, size.height)
    return Pose(size, scale, float(angle), bool(rng.random() < 0.5), (float(shift[0]), float(shift[1])))


def _grow(
    diagnosis: Diagnosis, canvases: list[Canvas], size: Size, rng: np.random.Generator, texture: Texture
) -> tuple[str | None, list[tuple[str, NDArray[np.float64]]]]:
    """Paint the lesions; returns the subtype, and for each lesion the bone and the outline in the picture."""
    if diagnosis is Diagnosis.NORMAL:
        return None, []
    table = BENIGN if diagnosis is Diagnosis.BENIGN else MALIGNANT
    subtype = str(rng.choice(list(table), p=[share for _, share in table.values()]))
    paint, _ = table[subtype]
    many = rng.random() < (0.3 if subtype == SINGLE else 0.08)
    contrast = float(rng.uniform(0.4, 1.0))
    lesions: list[tuple[str, NDArray[np.float64]]] = []
    for site in _sites(canvases, size, rng, contrast)[: 2 if many else 1]:
        outline = site.canvas.to_picture(paint(site, rng, texture))
        lesions.append((site.canvas.bone.name, np.clip(outline, 1, np.array([size.width, size.height]) - 2.0)))
    return (MULTIPLE if subtype == SINGLE and len(lesions) > 1 else subtype), lesions


def _sites(canvases: list[Canvas], size: Size, rng: np.random.Generator, contrast: float) -> list[Site]:
    """Choose where lesions may grow: one place in view, and perhaps a second one far from it."""
    eligible = [canvas for canvas in canvases if canvas.bone.name in SITES]
    weights = np.array([canvas.half_width.mean() * (canvas.last - canvas.first) for canvas in eligible])
    area = float(np.clip(rng.lognormal(math.log(0.036), 0.55), 0.008, 0.1)) * size.height * size.width
    picks = rng.choice(len(eligible), size=TRIES, p=weights / weights.sum())
    near_end = np.where(rng.random(TRIES) < 0.65, rng.uniform(0.06, 0.3, TRIES), rng.uniform(0.3, 0.5, TRIES))
    shares = np.where(rng.random(TRIES) < 0.5, near_end, 1 - near_end)
    sides = rng.choice([-1, 1], size=TRIES)
    rows = [
        eligible[k].first + share * (eligible[k].last - eligible[k].first)
        for k, share in zip(picks, shares, strict=True)
    ]
    places = np.array(
        [eligible[k].to_picture(np.array([centre_of(eligible[k], row)]))[0] for k, row in zip(picks, rows, strict=True)]
    )
    off = np.abs(places / (size.width, size.height) - 0.5) / (0.36, 0.4)
    inside = off.max(axis=1) <= 1
    first = int(np.argmax(inside)) if inside.any() else int(np.argmin(off.max(axis=1)))
    apart = inside & (np.hypot(*(places - places[first]).T) > 0.22 * max(size))
    chosen = [first, int(np.argmax(apart))] if apart.any() else [first]
    return [
        Site(eligible[picks[k]], float(rows[k]), int(sides[k]), area * factor, contrast)
        for k, factor in zip(chosen, (1.0, 0.7), strict=False)
    ]
