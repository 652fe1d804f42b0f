"""The views that synthetic radiographs show, and how often."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from btxrd_explain.synthetic.anatomy import (
    CORTEX,
    FEMUR_END,
    PLATEAU,
    SHEET,
    SMALL,
    SPONGY,
    SQUARE,
    THIN,
    Bone,
    End,
    Scene,
    Tissue,
    profile,
    vary,
    view,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from btxrd_explain.synthetic.anatomy import Point, Pose


def thigh(rng: np.random.Generator) -> Scene:
    """Distal two thirds of the femur."""
    w, bottom = vary(rng), 95 + rng.uniform(-8, 20)
    widths = ((0.0, 14 * w), (0.5, 13.5 * w), (0.72, 17 * w), (0.93, 38 * w), (1.0, 36 * w))
    femur = Bone(
        "femur", (-6, bottom - 330), (0, bottom), widths, CORTEX, ends=(End(), FEMUR_END), bow=rng.uniform(-6, 6)
    )
    limb = Tissue((0, -240), (0, 200), ((0.0, 66 * w), (0.6, 54 * w), (0.8, 52 * w), (1.0, 44 * w)))
    bones = (femur, *_tibia_below(bottom + 4, w))
    return Scene((250, 130), bones, (limb,), 34, ("knee-joint",), "lower limb", view(rng))


def _tibia_below(top: float, w: float) -> tuple[Bone, Bone]:
    """Tibia and fibula below the knee."""
    shape = ((0.0, 36 * w), (0.06, 36 * w), (0.25, 15 * w), (0.9, 12 * w), (1.0, 20 * w))
    tibia = Bone("tibia", (0, top), (6, top + 340), shape, CORTEX, ends=(PLATEAU, SQUARE), bow=-4)
    thin = ((0.0, 8 * w), (0.04, 9 * w), (0.14, 5.5 * w), (0.85, 5.5 * w), (1.0, 9 * w))
    fibula = Bone("fibula", (36 * w, top + 16), (26 * w, top + 352), thin, THIN, ends=(End(5), End(7)), bow=2)
    return tibia, fibula


def knee(rng: np.random.Generator) -> Scene:
    """Both sides of the knee, with the kneecap over the femur."""
    w, gap = vary(rng), rng.uniform(-12, 12)
    widths = ((0.0, 14 * w), (0.5, 14 * w), (0.7, 17 * w), (0.92, 38 * w), (1.0, 36 * w))
    femur = Bone("femur", (-10, gap - 300), (0, gap), widths, CORTEX, ends=(End(), FEMUR_END))
    cap = Bone(
        "patella", (2, gap - 52), (2, gap - 10), ((0.0, 16 * w), (0.4, 20 * w), (1.0, 9 * w)), SHEET, SPONGY,
        ends=(End(12), End(9)), density=0.4,
    )  # fmt: skip
    limb = Tissue((-4, -220), (2, 220), ((0.0, 66 * w), (0.42, 53 * w), (0.55, 50 * w), (1.0, 46 * w)))
    bones = (femur, cap, *_tibia_below(gap + 5, w))
    return Scene((220, 150), bones, (limb,), 36, ("knee-joint",), "lower limb", view(rng))


def lower_leg(rng: np.random.Generator) -> Scene:
    """Tibia and fibula, with the ankle."""
    w, top = vary(rng), -165 + rng.uniform(-35, 25)
    tibia, fibula = _tibia_below(top, w)
    talus = Bone(
        "talus", (6, top + 345), (4, top + 385), ((0.0, 19 * w), (1.0, 24 * w)), SHEET, SPONGY, ends=(SQUARE, End(12))
    )
    femur = Bone("femur", (0, top - 200), (0, top - 5), ((0.0, 14 * w), (0.5, 15 * w), (0.9, 37 * w), (1.0, 36 * w)),
                 CORTEX, ends=(End(), FEMUR_END))  # fmt: skip
    limb = Tissue((6, top - 80), (8, top + 420), ((0.0, 60 * w), (0.3, 58 * w), (0.75, 33 * w), (1.0, 36 * w)))
    bones = (femur, tibia, fibula, talus)
    return Scene((330, 135), bones, (limb,), 30, ("ankle-joint",), "lower limb", view(rng))


def hip(rng: np.random.Generator) -> Scene:
    """Proximal femur with its head in the socket, and half of the pelvis."""
    w, top = vary(rng), -75 + rng.uniform(-12, 12)
    head = (-46 * w, top - 6)
    shaft = Bone(
        "femur", (8, top), (0, top + 330), ((0.0, 13 * w), (0.1, 23 * w), (0.25, 16 * w), (0.5, 14 * w), (1.0, 14 * w)),
        CORTEX, ends=(End(10), End()),
    )  # fmt: skip
    neck = Bone("femur", (4, top + 46), head, ((0.0, 22 * w), (0.5, 17 * w), (0.8, 23 * w), (1.0, 21 * w)), THIN,
                SPONGY, ends=(End(12), End(21 * w)), merged=True)  # fmt: skip
    wing = Bone("pelvis", (-44, top + 8), (-75, top - 150), ((0.0, 30), (0.3, 36), (0.7, 62), (1.0, 50)), SHEET, SPONGY,
                ends=(End(24), End(20)), density=0.45)  # fmt: skip
    arch = Bone("pelvis", (-56, top + 12), (-120, top + 44), ((0.0, 17), (0.5, 9), (1.0, 13)), SHEET, SPONGY,
                ends=(End(8), End(6)), density=0.6, bow=-10)  # fmt: skip
    seat = Bone("pelvis", (-60, top + 18), (-84, top + 92), ((0.0, 13), (0.6, 10), (1.0, 14)), SHEET, SPONGY,
                ends=(End(8), End(10)), density=0.6, bow=8)  # fmt: skip
    thigh = Tissue((0, top - 120), (0, top + 340), ((0.0, 60), (0.3, 72 * w), (1.0, 58 * w)))
    trunk = Tissue((-110, top - 160), (-115, top + 80), ((0.0, 90), (0.7, 100), (1.0, 66)), density=1.2)
    return Scene(
        (250, 170), (shaft, neck, wing, arch, seat), (thigh, trunk), 38, ("hip-joint",), "lower limb", view(rng)
    )


def upper_arm(rng: np.random.Generator) -> Scene:
    """Humerus with the shoulder's bones next to its head."""
    w, top = vary(rng), -118 + rng.uniform(-15, 15)
    widths = (
        (0.0, 23 * w),
        (0.1, 25 * w),
        (0.24, 13 * w),
        (0.6, 10.5 * w),
        (0.84, 15 * w),
        (0.95, 29 * w),
        (1.0, 24 * w),
    )
    humerus = Bone("humerus", (0, top), (4, top + 300), widths, CORTEX, ends=(End(21 * w), End(9, 4)), bow=-3)
    blade = Bone("scapula", (-52, top - 6), (-84, top + 110), ((0.0, 20), (0.35, 34), (1.0, 10)), SHEET, SPONGY,
                 ends=(End(10), End(8)), density=0.4)  # fmt: skip
    roof = Bone("clavicle", (22, top - 10), (-130, top - 24), ((0.0, 9), (0.3, 6), (1.0, 7)), SHEET, SPONGY,
                ends=(End(7), End(5)), density=0.8, bow=6)  # fmt: skip
    arm = Tissue((6, top - 50), (6, top + 400), ((0.0, 34 * w), (0.16, 52 * w), (0.5, 46 * w), (1.0, 38 * w)))
    trunk = Tissue((-110, top - 90), (-120, top + 300), ((0.0, 55), (0.3, 78), (1.0, 84)), density=1.1)
    return Scene((280, 135), (blade, roof, humerus), (arm, trunk), 28, ("shoulder-joint",), "upper limb", view(rng))


def forearm(rng: np.random.Generator) -> Scene:
    """Radius and ulna with the wrist."""
    w, top = vary(rng), -125 + rng.uniform(-15, 25)
    radius = Bone(
        "radius", (12 * w, top), (14 * w, top + 232), ((0.0, 10 * w), (0.06, 9.5 * w), (0.16, 6.5 * w),
        (0.45, 7.5 * w), (0.8, 9 * w), (0.97, 17 * w), (1.0, 16 * w)), THIN, ends=(SQUARE, End(5)), bow=5,
    )  # fmt: skip
    ulna = Bone(
        "ulna", (-8 * w, top - 26), (-11 * w, top + 226), ((0.0, 12 * w), (0.1, 13 * w), (0.25, 8 * w),
        (0.8, 5.5 * w), (0.97, 8 * w), (1.0, 7 * w)), THIN, ends=(End(9), End(5)), bow=-3,
    )  # fmt: skip
    elbow = ((0.0, 11 * w), (0.6, 12 * w), (0.92, 30 * w), (1.0, 26 * w))
    humerus = Bone("humerus", (0, top - 160), (2, top - 8), elbow, CORTEX, ends=(End(), End(9, 4)))
    limb = Tissue((0, top - 90), (2, top + 330), ((0.0, 44 * w), (0.35, 42 * w), (0.78, 27 * w), (1.0, 40 * w)), fat=5)
    bones = (humerus, radius, ulna, *_carpals(top + 240, w))
    return Scene((260, 105), bones, (limb,), 20, ("wrist-joint",), "upper limb", view(rng))


def _carpals(top: float, w: float) -> tuple[Bone, ...]:
    """Two rows of small bones below ``top``."""
    places = [(-14, 0), (-2, 2), (10, 2), (21, 4), (-15, 14), (-4, 15), (8, 15), (20, 17)]
    return tuple(
        Bone(
            "carpal",
            (x * w, top + y),
            (x * w, top + y + 12),
            ((0.0, 6.5 * w), (1.0, 6 * w)),
            SMALL,
            SPONGY,
            ends=(End(5), End(5)),
        )
        for x, y in places
    )


def hand(rng: np.random.Generator) -> Scene:
    """Five rays on two rows of carpal bones."""
    w, spread = vary(rng, 0.08), rng.uniform(0.75, 1.15)
    bones: list[Bone] = []
    tissues = [Tissue((0, 100), (2, 2), ((0.0, 27), (0.55, 31), (0.8, 41), (1.0, 38)), fat=4)]
    rays = zip((-0.62, -0.17, 0.0, 0.15, 0.32), (-24, -13, -3, 7, 17), (44, 66, 64, 58, 53), strict=True)
    for slope, x, length in rays:
        ray = _ray((x * w, 62 if length > 50 else 66), slope * spread, length * w)
        bones += ray
        tip = ray[-1].end
        tissues.append(
            Tissue(
                (ray[0].end[0], ray[0].end[1] + 20),
                (tip[0], tip[1]),
                ((0.0, 11), (0.4, 9.5), (1.0, 6)),
                fat=2,
                density=2.6,
            )
        )
    arm = [
        Bone("radius", (9, 270), (8, 92), ((0.0, 8), (0.8, 9), (0.97, 16), (1.0, 15)), THIN, ends=(End(), End(5))),
        Bone("ulna", (-12, 270), (-13, 96), ((0.0, 6), (0.9, 6), (0.98, 8), (1.0, 7)), THIN, ends=(End(), End(4))),
    ]
    tissues.append(Tissue((0, 250), (0, 80), ((0.0, 36), (1.0, 29)), fat=5))
    return Scene(
        (205, 130),
        (*arm, *_carpals(63, w), *bones),
        tuple(tissues),
        13,
        ("wrist-joint",),
        "upper limb",
        view(rng, 0.3),
    )


def _ray(base: Point, slope: float, length: float) -> list[Bone]:
    """Return metacarpal and phalanges that point up from ``base``, with the angle ``slope`` to the vertical."""
    bones: list[Bone] = []
    direction = math.sin(slope), -math.cos(slope)
    lengths = (1.0, 0.66, 0.4, 0.28) if length > 50 else (1.0, 0.72, 0.52)
    x, y = base
    for share in lengths:
        start = (x, y)
        reach = share * length
        x, y = x + direction[0] * reach, y + direction[1] * reach
        width = 2.2 + 2.6 * share
        shape = ((0.0, 1.6 * width), (0.15, 1.4 * width), (0.5, width), (0.85, 1.3 * width), (1.0, 1.45 * width))
        bones.append(Bone("hand", start, (x, y), shape, SMALL, ends=(SQUARE, End(1.2 * width))))
        x, y = x + direction[0] * 2.5, y + direction[1] * 2.5
    return bones


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
"""Function and fraction of each view."""


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
