"""The views that synthetic radiographs show, and how often."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from btxrd_explain.synthetic.anatomy import Bone, End, Scene, Tissue
from btxrd_explain.synthetic.arms import forearm, hand, upper_arm
from btxrd_explain.synthetic.legs import hip, knee, lower_leg, thigh
from btxrd_explain.synthetic.parts import CORTEX, SHEET, SPONGY, SQUARE, THIN, vary

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np


def bent(rng: np.random.Generator) -> Scene:
    """A bent knee or elbow from the side: two limbs at an angle."""
    w, bend = vary(rng), rng.uniform(0.9, 1.7)
    arm = bool(rng.random() < 0.4)
    k = 0.72 if arm else 1.0
    far = (-math.sin(bend) * 330 * k, 20 * k - math.cos(bend) * -330 * k)
    upper = Bone(
        "humerus" if arm else "femur", (14, -320 * k), (10, 12 * k),
        tuple((p, v * w * k) for p, v in ((0.0, 14), (0.6, 15), (0.82, 20), (0.95, 31), (1.0, 27))), CORTEX,
        ends=(End(), End(22 * k * w)),
    )  # fmt: skip
    near = (-22 * k, 26 * k)
    shape = tuple((p, v * w * k) for p, v in ((0.0, 25), (0.07, 27), (0.25, 15), (0.9, 12), (1.0, 18)))
    lower = Bone("ulna" if arm else "tibia", near, far, shape, CORTEX, ends=(End(6, -2), SQUARE), bow=3)
    thin = tuple((p, v * w * k) for p, v in ((0.0, 9), (0.08, 10), (0.2, 6), (1.0, 7)))
    second = Bone(
        "radius" if arm else "fibula", (near[0] - 12 * k, near[1] + 22 * k), (far[0], far[1] + 16 * k), thin, THIN
    )
    oval = ((0.0, 8 * k), (0.5, 11 * k), (1.0, 7 * k))
    cap = Bone("patella", (42 * k, -26 * k), (48 * k, 14 * k), oval, SHEET, SPONGY, ends=(End(7), End(7)))
    tissues = (
        Tissue((8, -240 * k), (10, 16 * k), ((0.0, 70 * w * k), (0.7, 58 * w * k), (1.0, 46 * w * k))),
        Tissue((4, 14 * k), (far[0], far[1] + 10), ((0.0, 44 * w * k), (0.35, 50 * w * k), (1.0, 32 * w * k))),
    )
    bones = (upper, lower, second) if arm else (upper, lower, second, cap)
    limb, joint = ("upper limb", "elbow-joint") if arm else ("lower limb", "knee-joint")
    return Scene((210 * k, 200 * k), bones, tissues, 34 * k, (joint,), limb, "lateral")


SCENES: dict[str, tuple[Callable[[np.random.Generator], Scene], float]] = {
    "thigh": (thigh, 0.17),
    "knee": (knee, 0.2),
    "lower leg": (lower_leg, 0.15),
    "upper arm": (upper_arm, 0.14),
    "forearm": (forearm, 0.1),
    "hip": (hip, 0.08),
    "hand": (hand, 0.07),
    "bent joint": (bent, 0.09),
}
"""Function and share of each view."""


def draw_scene(rng: np.random.Generator) -> Scene:
    """Choose a view and vary it; one person in four is a child with open growth plates."""
    views = list(SCENES.values())
    draw, _ = views[rng.choice(len(views), p=[share for _, share in views])]
    scene = draw(rng)
    if rng.random() >= 0.25:
        return scene
    near, far = float(rng.uniform(0.035, 0.06)), float(rng.uniform(0.94, 0.965))
    bones = tuple(replace(bone, plates=(near, far)) if bone.length > 120 else bone for bone in scene.bones)
    return replace(scene, bones=bones)
