"""Cortex, marrow and ends that the bones of all views share, and how people differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btxrd_explain.synthetic.anatomy import End

if TYPE_CHECKING:
    import numpy as np

    from btxrd_explain.synthetic.anatomy import Profile

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
