"""A made-up population of lesions as small as BTXRD's, to say what a class-activation grid can reach on it.

BTXRD's annotations may not be shipped, and what a grid can draw hardly depends on more than how large, how slender
and how many the lesions are. So the reference is a model of four numbers: their fraction of the image (log-normal,
median 1.8 %), their slenderness (log-normal), how many there are, and the radiograph's aspect ratio (log-normal).
The median is BTXRD's own; the spread, the slenderness and how many images have several lesions were chosen so that
the mean ceilings of the IoU at 0.5 come out as on BTXRD's annotations: 0.42 on a grid of 7 x 7, 0.55 on 10 x 10,
0.60 on 12 x 12, 0.72 on 19 x 19 (here within 0.03).
"""

from __future__ import annotations

from math import cos, exp, hypot, pi, sin, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from btxrd_explain.core.choices import Operator, Smooth
from btxrd_explain.core.heatmap import MapStatus, heat_map, judge
from btxrd_explain.core.overlap import count_overlap
from btxrd_explain.core.smoothing import averaged_along, cells_of, half_cell
from btxrd_explain.core.threshold import binarize

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from btxrd_explain.core.geometry import Frame, Size

# The ideal heat map that a class-activation grid can draw, which bounds what any real one can be expected to score.
#
# A grid of a few cells cannot outline a small lesion, however right the classifier is. The ceiling of a metric is its
# value for the lesion's mask averaged onto the grid and then treated as a heat map: upsampled, scaled, thresholded by
# the same rule. It is the natural reference and nearly the best that the grid can do, not a proven maximum: a grid
# chosen for one threshold alone can score a little more.


def ideal_grid(
    mask: NDArray[np.bool_], frame: Frame, grid_size: Size, smooth: Smooth = Smooth.NONE
) -> NDArray[np.float32]:
    """Average a lesion's mask onto a class-activation grid.

    A cell holds the lesion's fraction of that part of the radiograph which the cell covers:
    ``g_ij = |m ∩ cell_ij| / |radiograph ∩ cell_ij|``. Pixels that two cells share count for each by area. What the
    network does not see (cropped away) has no part in it, and a cell of nothing but padding is 0.

    Args:
        mask: Boolean array of shape ``frame.original``.
        frame: How the radiograph maps to the network's input, which the grid covers.
        grid_size: Rows and columns of the grid, both at least 1.
        smooth: Over which views the maps are averaged whose ideal it is: it is averaged alike.

    Returns:
        Float32 array of shape ``grid_size``, in [0, 1]; to be treated as a raw grid.

    Raises:
        ValueError: The mask has another shape or kind, or the grid has no cells.

    >>> from btxrd_explain.core.geometry import Frame, Size
    >>> frame = Frame(original=Size(4, 4), resized=Size(4, 4), network=Size(4, 4))
    >>> mask = np.zeros((4, 4), dtype=bool)
    >>> mask[0, :3] = True
    >>> ideal_grid(mask, frame, Size(2, 2)).tolist()
    [[0.5, 0.25], [0.0, 0.0]]
    """
    if mask.shape != frame.original or mask.dtype != np.bool_:
        raise ValueError(f"expected a boolean mask of {tuple(frame.original)}, got {mask.dtype} of {mask.shape}")
    if min(grid_size) < 1:
        raise ValueError(f"a grid must have at least 1 x 1 cells, got {tuple(grid_size)}")
    rows, columns = (_shares_of_views(frame, axis, grid_size[axis], smooth) for axis in (0, 1))
    lesion_rows = np.flatnonzero(mask.any(axis=1))
    band = mask[lesion_rows[0] : lesion_rows[-1] + 1] if lesion_rows.size else mask[:0]
    lesion_columns = np.flatnonzero(band.any(axis=0))
    lesion: NDArray[Any] = mask[np.ix_(lesion_rows, lesion_columns)].astype(np.float32)
    return _averaged(rows[:, lesion_rows], lesion, columns[:, lesion_columns])


def average_onto_grid(
    values: NDArray[np.floating[Any]], frame: Frame, grid_size: Size, smooth: Smooth = Smooth.NONE
) -> NDArray[np.float32]:
    """Average any map of the radiograph onto a class-activation grid, as :func:`ideal_grid` does a mask.

    Args:
        values: Floating-point array of shape ``frame.original``.
        frame: How the radiograph maps to the network's input, which the grid covers.
        grid_size: Rows and columns of the grid, both at least 1.
        smooth: See :func:`ideal_grid`.

    Returns:
        Float32 array of shape ``grid_size``; a cell that shows nothing of the radiograph is 0.
    """
    rows, columns = (_shares_of_views(frame, axis, grid_size[axis], smooth) for axis in (0, 1))
    return _averaged(rows, values, columns)


def _averaged(
    rows: NDArray[np.float32], values: NDArray[np.floating[Any]], columns: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return ``rows @ values @ columns.T`` as float32, by sums in float64 in NumPy's own order.

    A library of linear algebra lets the number of its threads decide on the last digits.
    """
    down = np.stack([np.einsum("i,ij->j", *_where(weights, values), dtype=np.float64) for weights in rows])
    across = [np.einsum("ij,j->i", down[:, own != 0], own[own != 0], dtype=np.float64) for own in columns]
    return np.stack(across, axis=1).astype(np.float32)


def _where(weights: NDArray[np.float32], values: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Return the weights that are not 0, with their rows."""
    used = weights != 0
    return weights[used], values[used]


def ceiling_iou(
    mask: NDArray[np.bool_],
    frame: Frame,
    grid_size: Size,
    *,
    threshold: float = 0.5,
    operator: Operator = Operator.AT_LEAST,
    smooth: Smooth = Smooth.NONE,
) -> float | None:
    """Return the IoU of a lesion and the ideal heat map of a grid, on the pixels of the radiograph.

    Args:
        mask: Boolean array of shape ``frame.original``.
        frame: How the radiograph maps to the network's input, which the grid covers.
        grid_size: Rows and columns of the grid, both at least 1.
        threshold: Level of the scaled map from which a pixel counts, in [0, 1].
        operator: Whether the threshold itself counts.
        smooth: Over which views of that grid the map is averaged.

    Returns:
        IoU in [0, 1]; None where the network sees nothing of the lesion, or the grid cannot tell where it is.
    """
    grid = ideal_grid(mask, frame, cells_of(grid_size, smooth), smooth)
    ideal = heat_map(grid, frame, status=judge(grid))
    if ideal.status is not MapStatus.OK:
        return None
    return count_overlap(binarize(ideal.values, threshold, operator=operator), mask).iou


def _shares_of_views(frame: Frame, axis: int, cells: int, smooth: Smooth) -> NDArray[np.float32]:
    """Return the same as :func:`_shares` for cells of the averaged map; a mirror image has the same fractions."""
    if smooth is not Smooth.SHIFT2:
        return _shares(frame, axis, cells)
    step = half_cell(frame.network[axis], cells // 2)
    plain, moved = (_shares(frame, axis, cells // 2, moved=pixels) for pixels in (0, step))
    averaged: NDArray[np.float32] = averaged_along((plain, moved), 0).astype(np.float32)
    return averaged


def _shares(frame: Frame, axis: int, cells: int, *, moved: int = 0) -> NDArray[np.float32]:
    """Return the fraction of each row (column) of the radiograph in each cell, shape ``(cells, pixels)``.

    The fractions of a cell add up to 1; all are 0 where it shows no part of the radiograph. What the network sees may
    be moved by some pixels first, up or to the left.
    """
    scale = frame.resized[axis] / frame.original[axis]
    pixel_edges = np.arange(frame.original[axis] + 1) * scale + (frame.top, frame.left)[axis]
    pixel_edges = pixel_edges.clip(0, frame.network[axis]) - moved
    cell_edges = np.linspace(0, frame.network[axis], cells + 1)
    low = np.maximum(pixel_edges[:-1], cell_edges[:-1, None])
    high = np.minimum(pixel_edges[1:], cell_edges[1:, None])
    overlaps = np.clip(high - low, 0, None)
    totals = overlaps.sum(axis=1, keepdims=True)
    shares: NDArray[np.float32] = np.divide(overlaps, totals, out=np.zeros_like(overlaps), where=totals > 0).astype(
        np.float32
    )
    return shares


_MEDIAN_SHARE = 0.018
_SPREAD = 1.1
"""Standard deviation of the logarithm of the share: two thirds of the images lie within a factor of three."""
_SLENDERNESS = 3.2
"""Median of a lesion's length over its width; bone lesions grow along the shaft."""
_SEVERAL = 0.2
"""Fraction of the images with two or three lesions instead of one."""
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
