"""A made-up population of lesions as small as BTXRD's, to say what a class-activation grid can reach on it.

BTXRD's annotations may not be shipped, and what a grid can draw hardly depends on more than how large, how slender
and how many the lesions are. So the reference is a model of four numbers: the lesions' share of the image (log-normal,
median 1.8 %), their slenderness (log-normal), how many there are, and the radiograph's aspect ratio (log-normal).
The median is BTXRD's own; the spread, the slenderness and the share of images with several lesions were chosen so that
the mean ceilings of the IoU at 0.5 come out as on BTXRD's annotations: 0.42 on a grid of 7 x 7, 0.55 on 10 x 10,
0.60 on 12 x 12, 0.72 on 19 x 19 (here within 0.03).
"""

from __future__ import annotations

from math import cos, exp, hypot, pi, sin, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_MEDIAN_SHARE = 0.018
_SPREAD = 1.1
"""Standard deviation of the logarithm of the share: two thirds of the images lie within a factor of three."""
_SLENDERNESS = 3.2
"""Median of a lesion's length over its width; bone lesions grow along the shaft."""
_SEVERAL = 0.2
"""Share of the images with two or three lesions instead of one."""
_ASPECT = 1.45
"""Median of a radiograph's height over its width."""
_PIXELS = 65_536
"""Pixels of a radiograph: enough for a lesion of half the smallest share to cover a few."""


def reference_lesions(count: int = 100, seed: int = 0) -> Iterator[NDArray[np.bool_]]:
    """Draw the masks of a population of images with lesions.

    Args:
        count: Number of images; their shares are spread evenly over the distribution, so that few suffice.
        seed: Seed of everything else.

    Yields:
        Boolean arrays of shape ``(height, width)``, never empty.
    """
    random = np.random.default_rng(seed)
    quantiles = random.permuted((np.arange(count) + 0.5) / count)
    for quantile in quantiles:
        share = min(_MEDIAN_SHARE * exp(_SPREAD * NormalDist().inv_cdf(quantile)), 0.5)
        aspect = _ASPECT * exp(0.35 * random.standard_normal())
        mask = np.zeros((round(sqrt(_PIXELS * aspect)), round(sqrt(_PIXELS / aspect))), dtype=bool)
        lesions = int(random.integers(2, 4)) if random.random() < _SEVERAL else 1
        for _ in range(lesions):
            mask |= _lesion(mask.shape, share * mask.size / lesions, random)
        yield mask


def _lesion(shape: tuple[int, ...], area: float, random: np.random.Generator) -> NDArray[np.bool_]:
    """Draw an ellipse of that area, more or less along the long side, wherever it fits."""
    height, width = shape
    slenderness = max(1.0, _SLENDERNESS * exp(0.4 * random.standard_normal()))
    angle = 0.5 * random.standard_normal()
    short = sqrt(area / pi / slenderness)
    long = short * slenderness
    reach = np.array([hypot(long * cos(angle), short * sin(angle)), hypot(long * sin(angle), short * cos(angle))])
    fit = min(1.0, *(0.5 * np.array(shape) / reach))
    centre = random.uniform(fit * reach, shape - fit * reach)
    rows, columns = np.ogrid[:height, :width]
    down, right = rows + 0.5 - centre[0], columns + 0.5 - centre[1]
    along, across = down * cos(angle) + right * sin(angle), right * cos(angle) - down * sin(angle)
    inside: NDArray[np.bool_] = (along / (fit * long)) ** 2 + (across / (fit * short)) ** 2 <= 1
    inside[int(centre[0]), int(centre[1])] = True  # the thinnest ones pass between the centres of pixels
    return inside
