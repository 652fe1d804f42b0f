"""Maps without an explanation of the class: what a score is worth is what it beats these by.

Each is a class-activation grid as the classifier's own is, of the same size and for the same frame, and is then
upsampled, scaled and scored alike (Saporta et al., Nat Mach Intell 4:867, 2022; Arun et al., Radiol Artif Intell
3:e200267, 2021; Adebayo et al., NeurIPS 2018 for edges). Those that are made of the network itself, its activations
with random channel weights and its map of another class, are computed by ``infer``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import chain
from math import isqrt
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from btxrd_explain.core.ceiling import average_onto_grid
from btxrd_explain.core.choices import Smooth
from btxrd_explain.core.metrics.image import Measurement, measure
from btxrd_explain.core.metrics.pixel_precision import PixelCounts
from btxrd_explain.core.smoothing import PASSES, averaged, averaged_along, cells_of_views

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from btxrd_explain.core.geometry import Frame, Size
    from btxrd_explain.core.heatmap import HeatMap
    from btxrd_explain.core.threshold import Threshold

_SPREAD = 0.25
"""Standard deviation of the centre's Gaussian as a fraction of each side."""


def centre_grid(grid_size: Size, smooth: Smooth = Smooth.NONE) -> NDArray[np.float32]:
    """Return a Gaussian in the centre of the network's input: where radiographers put what matters.

    Its standard deviation is a quarter of each side.

    Args:
        grid_size: Rows and columns of the grid.
        smooth: Over which views the classifier's maps are averaged: it is averaged alike.

    Returns:
        Float32 array of that shape, in (0, 1].

    >>> from btxrd_explain.core.geometry import Size
    >>> centre_grid(Size(1, 3)).round(3)
    array([[0.411, 1.   , 0.411]], dtype=float32)
    """
    rows, columns = (_gaussian(cells, smooth) for cells in cells_of_views(grid_size, smooth))
    grid: NDArray[np.float32] = np.outer(rows, columns).astype(np.float32)
    return grid


def _gaussian(cells: int, smooth: Smooth) -> NDArray[np.floating[Any]]:
    """Return the Gaussian at the cells of a side, averaged over views that lie half a cell apart where there are."""
    plain, moved = (np.exp(-((((np.arange(cells) + at) / cells - 0.5) / _SPREAD) ** 2) / 2) for at in (0.5, 1))
    return averaged_along((plain, moved), 0) if smooth is Smooth.SHIFT2 else plain


def random_grid(grid_size: Size, key: str, seed: int = 0, smooth: Smooth = Smooth.NONE) -> NDArray[np.float32]:
    """Return cells drawn evenly from [0, 1): what a map scores by chance, with its smoothness.

    Args:
        grid_size: Rows and columns of the grid.
        key: Identifies the image, so that each has cells of its own, in whatever order it comes.
        seed: Another seed, other cells.
        smooth: Over which views the classifier's maps are averaged: so are as many random ones.

    Returns:
        Float32 array of that shape.
    """
    generator, cells = _generator(key, seed), cells_of_views(grid_size, smooth)
    views = [generator.random(cells, np.float32) for _ in range(PASSES[smooth])]
    grid: NDArray[np.float32] = averaged(views, smooth).astype(np.float32)
    return grid


CHANNEL_DRAWS = 3
"""Maps with random channel weights of a radiograph: their scores are averaged."""


def channel_weights(key: str, channels: int) -> NDArray[np.float32]:
    """Return random weights of the channels of a layer, drawn evenly from [-1, 1).

    With them instead of the mean gradients of a class, Grad-CAM becomes Random-CAM (as in pytorch-grad-cam): what the
    network's activations score by themselves, whatever class is asked for.

    Args:
        key: Identifies the image, so that each has weights of its own, in whatever order or batch it comes.
        channels: Number of channels.

    Returns:
        Float32 array of shape ``(CHANNEL_DRAWS, channels)``.
    """
    drawn = _generator(f"channels of {key}").random((CHANNEL_DRAWS, channels), np.float32)
    return 2 * drawn - 1


def _generator(key: str, seed: int = 0) -> np.random.Generator:
    """Return the random numbers of an image, which do not depend on other images."""
    digest = np.frombuffer(sha256(key.encode("utf-8", "surrogatepass")).digest(), np.uint32)
    return np.random.default_rng([seed, *digest.tolist()])


def edge_grid(pixels: NDArray[Any], frame: Frame, grid_size: Size, smooth: Smooth = Smooth.NONE) -> NDArray[np.float32]:
    """Return how much of an edge detector's response falls on each cell.

    The magnitude of Sobel's gradient of the radiograph, at the size at which the network sees it, averaged onto the
    grid. A map that scores like this one may outline the picture rather than say anything of the classifier.

    Args:
        pixels: Grey radiograph, uint8 or float32, of shape ``frame.original``, or a reduced version of it.
        frame: How it maps to the network's input.
        grid_size: Rows and columns of the grid.
        smooth: Over which views the classifier's maps are averaged: it is averaged alike.

    Returns:
        Float32 array of shape ``grid_size``, non-negative.

    Raises:
        ValueError: The radiograph is not grey, or larger than it should be.
    """
    if pixels.ndim != 2 or pixels.shape[0] > frame.original.height or pixels.shape[1] > frame.original.width:
        raise ValueError(f"expected a grey radiograph of {tuple(frame.original)}, got {pixels.shape}")
    size = (frame.resized.width, frame.resized.height)
    seen = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.float32)
    across, down = (cv2.Sobel(seen, cv2.CV_32F, x, y, borderType=cv2.BORDER_REPLICATE) for x, y in ((1, 0), (0, 1)))
    magnitude = np.sqrt(np.square(across) + np.square(down))  # last digits of cv2.magnitude depend on where arrays lie
    return average_onto_grid(magnitude, replace(frame, original=frame.resized), grid_size, smooth)


_LATTICE = 512
"""A lattice has at least so many points along the longer side, where there are as many pixels."""
_ACROSS = 64
"""And along the shorter side, likewise."""
_ON_LESION = 256
"""And on each lesion about so many, where it has as many pixels."""
_AREA_WITHIN = 0.2
"""A lesion may be larger or smaller on the lattice by this fraction: one of a few rows may lie between its rows."""


@dataclass(frozen=True, slots=True, eq=False)
class Lattice:
    """The pixels on which baselines are scored: every n-th along each axis, as these maps change slowly.

    Attributes:
        step: Their distance.
        share: The annotation's fraction of all pixels.
        mask: The annotation on the lattice, boolean.
        lesions: Each lesion, likewise.
    """

    step: int
    share: float
    mask: NDArray[np.bool_]
    lesions: tuple[NDArray[np.bool_], ...]

    @classmethod
    def of(cls, mask: NDArray[np.bool_], lesions: Callable[[], Iterable[NDArray[np.bool_]]]) -> Lattice:
        """Choose as few pixels as tell the lesions apart.

        Args:
            mask: The annotation, boolean, shape ``(height, width)``.
            lesions: Draws the lesions that make it up, likewise; is called at least twice.
        """
        annotated, areas = np.count_nonzero(mask), [np.count_nonzero(one) for one in lesions()]
        smallest = min(filter(None, areas), default=annotated)
        step = max(min(max(mask.shape) // _LATTICE, min(mask.shape) // _ACROSS, isqrt(smallest // _ON_LESION)), 1)
        while True:
            points = (slice(step // 2, None, step),) * 2
            whole, *each = (one[points].copy() for one in chain((mask,), lesions()))
            found = [step**2 * np.count_nonzero(one) for one in (whole, *each)]
            if step == 1 or np.allclose(found, (annotated, *areas), rtol=_AREA_WITHIN, atol=0):
                return cls(step, annotated / mask.size, whole, tuple(each))
            step //= 2

    def measure(self, heat: HeatMap, threshold: Threshold, tolerance: float | None = None) -> Measurement:
        """Measure how a heat map on the lattice and the annotation agree.

        Args:
            heat: The heat map, made with this ``step``.
            threshold: See :func:`btxrd_explain.core.metrics.image.measure`.
            tolerance: Likewise, in pixels of the image.

        Returns:
            The measurement; counts of pixels stand for those of the whole image.
        """
        if self.step > 1:
            heat = replace(heat, source=heat.values)  # so few pixels are quicker made at once than where needed
        found = measure(
            heat,
            self.mask,
            self.lesions,
            threshold,
            tolerance=None if tolerance is None else tolerance / self.step,
            exact=self.step == 1,
        )
        counts = found.pixels
        if counts is not None:
            counts = PixelCounts(counts.inside * self.step**2, counts.whole * self.step**2)
        return Measurement(replace(found.metrics, lesion_share=self.share), found.curve, counts)


@dataclass(slots=True, eq=False)
class AverageMask:
    """The average annotation of a data set: where lesions lie, whatever the radiograph shows.

    Attributes:
        sums: By content, the float64 sum of the grids of all images that have it, and how many they are.
    """

    sums: dict[str, tuple[NDArray[np.float64], int]] = field(default_factory=dict)
    _total: NDArray[np.float64] | None = None
    _count: int = 0

    def add(self, ideal: NDArray[np.float32], content: str) -> None:
        """Add an image's annotation.

        Args:
            ideal: From :func:`~btxrd_explain.core.ceiling.ideal_grid`; all of one shape.
            content: Tells the image from others; exact copies of it share it.
        """
        own, count = self.sums.get(content, (np.zeros(ideal.shape), 0))
        self.sums[content] = own + ideal, count + 1
        self._total = ideal.astype(np.float64) if self._total is None else self._total + ideal
        self._count += 1

    def grid(self, *, without: str | None = None) -> NDArray[np.float32] | None:
        """Return the average.

        Args:
            without: The content of the image that is now scored: it and its copies are left out.

        Returns:
            Float32 array in [0, 1]; None where nothing is left to average.
        """
        own, count = (0.0, 0) if without is None else self.sums.get(without, (0.0, 0))
        if self._total is None or self._count == count:
            return None
        average: NDArray[np.float32] = (np.maximum(self._total - own, 0) / (self._count - count)).astype(np.float32)
        return average
