"""Views of the leg: thigh, knee, lower leg and hip."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btxrd_explain.synthetic.anatomy import Bone, End, Scene, Tissue
from btxrd_explain.synthetic.parts import CORTEX, FEMUR_END, PLATEAU, SHEET, SPONGY, SQUARE, THIN, vary, view

if TYPE_CHECKING:
    import numpy as np


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
