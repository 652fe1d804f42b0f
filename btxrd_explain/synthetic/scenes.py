"""The views that synthetic radiographs show, and how often."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from btxrd_explain.synthetic.anatomy import CORTEX, SHEET, SPONGY, SQUARE, THIN, Bone, End, Scene, Tissue, profile, vary
from btxrd_explain.synthetic.limbs import forearm, hand, hip, knee, lower_leg, thigh, upper_arm

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from btxrd_explain.synthetic.anatomy import Pose

# A limb's soft tissue as attenuation: muscle inside a sleeve of fat.


def draw_tissue(tissues: tuple[Tissue, ...], pose: Pose) -> NDArray[np.float32]:
    """Draw the soft tissue of a scene: muscle inside a sleeve of fat; where limbs meet the thicker one counts.

    Args:
        tissues: The scene's soft tissue.
        pose: How the scene lies in the picture.

    Returns:
        Float32 array of the picture's shape; about 1 where the limb is thickest, 0 in air.
    """
    shrink = 3
    size = pose.size
    rows, columns = -(-size.height // shrink), -(-size.width // shrink)
    y, x = ((np.arange(count, dtype=np.float32) + 0.5) * shrink for count in (rows, columns))
    total = np.zeros((rows, columns), np.float32)
    widest = max(value for tissue in tissues for _, value in tissue.widths)
    for tissue in tissues:
        np.maximum(total, _sleeve(tissue, pose, (x, y), widest), out=total)
    smooth = cv2.pow(cv2.GaussianBlur(total, (0, 0), 0.8), 0.75)
    large: NDArray[np.float32] = cv2.resize(smooth, (columns * shrink, rows * shrink), interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
    return np.ascontiguousarray(large[: size.height, : size.width])


def _sleeve(
    tissue: Tissue, pose: Pose, grid: tuple[NDArray[np.float32], NDArray[np.float32]], widest: float
) -> NDArray[np.float32]:
    """Return the attenuation of one limb's soft tissue, relative to the widest one's."""
    start, end = pose.point(tissue.start), pose.point(tissue.end)
    axis = (end - start) / np.hypot(*(end - start))
    x, y = grid[0] - np.float32(start[0]), grid[1][:, None] - np.float32(start[1])
    along = x * np.float32(axis[0]) + y * np.float32(axis[1])
    across = x * np.float32(-axis[1]) + y * np.float32(axis[0])
    span = np.hypot(*(end - start))
    share = (along / np.float32(span)).ravel().astype(np.float32)
    half = profile(share, tissue.widths).reshape(along.shape) * np.float32(pose.scale)
    beyond = np.maximum(np.maximum(-along, along - np.float32(span)), 0)
    square = across**2 + beyond**2
    fat = np.float32(tissue.fat * pose.scale)
    outer = np.sqrt(np.maximum(half**2 - square, 0))
    muscle = np.sqrt(np.maximum(np.maximum(half - fat, 0) ** 2 - square, 0))
    path: NDArray[np.float32] = (0.55 * outer + 0.45 * muscle) * np.float32(tissue.density / (widest * pose.scale))
    return path


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
