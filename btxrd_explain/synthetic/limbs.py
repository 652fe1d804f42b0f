"""Legs and arms: where their bones and joints lie."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

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
    vary,
    view,
)

if TYPE_CHECKING:
    import numpy as np

    from btxrd_explain.synthetic.anatomy import Point

# Views of the leg: thigh, knee, lower leg and hip.


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


# Views of the arm: upper arm, forearm and hand.


def upper_arm(rng: np.random.Generator) -> Scene:
    """Humerus with the shoulder's bones beside its head."""
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
