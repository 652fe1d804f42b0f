"""Insertion and deletion: does the class score follow the pixels that a heat map calls important?

Petsiuk et al., RISE: Randomized input sampling for explanation of black-box models, BMVC 2018, section 4.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from btxrd_explain.core.choices import Baseline

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLUR = 0.05


def baseline_image(image: NDArray[np.float32], baseline: Baseline) -> NDArray[np.float32]:
    """Return an image without what is to be explained.

    Args:
        image: Shape ``(channels, height, width)``, any range.
        baseline: What its pixels become.

    Returns:
        Float32 array of the same shape.
    """
    if baseline is Baseline.MEAN:
        means: NDArray[np.float32] = image.mean(axis=(1, 2), keepdims=True, dtype=np.float64).astype(np.float32)
        return np.broadcast_to(means, image.shape)
    return np.stack([blurred(channel) for channel in image])


def blurred(channel: NDArray[Any]) -> NDArray[Any]:
    """Blur one channel, shape ``(height, width)``, with a Gaussian that makes lesions vanish; see :class:`Baseline`."""
    result: NDArray[Any] = cv2.GaussianBlur(channel, (0, 0), _BLUR * min(channel.shape))
    return result


def importance_ranks(values: NDArray[np.floating[Any]], seed: int) -> NDArray[np.intp]:
    """Rank pixels from the most important one on.

    Args:
        values: Heat map of shape ``(height, width)``.
        seed: Equal values are ranked in random order: a fixed one would prefer a corner.

    Returns:
        Intp array of the same shape: 0 for the most important pixel.

    >>> importance_ranks(np.array([[0.2, 0.9], [0.5, 0.1]]), seed=0).tolist()
    [[2, 0], [1, 3]]
    """
    tie_break = np.random.default_rng(seed).random(values.size)
    order = np.lexsort((tie_break, -values.ravel()))
    ranks = np.empty(values.size, np.intp)
    ranks[order] = np.arange(values.size)
    return ranks.reshape(values.shape)


def pixel_counts(pixels: int, steps: int) -> NDArray[np.intp]:
    """Return how many pixels have changed after each step, from none to all in even steps.

    >>> pixel_counts(10, 4).tolist()
    [0, 2, 5, 8, 10]
    """
    counts: NDArray[np.intp] = np.rint(np.linspace(0, pixels, steps + 1)).astype(np.intp)
    return counts


def area_under_curve(curve: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the area under curves of scores over the fraction of changed pixels, by the trapezoidal rule.

    Args:
        curve: Scores after each of the even steps along the last axis, at least two.

    Returns:
        Float64 array without that axis; in the range of the scores.

    >>> float(area_under_curve(np.array([1.0, 0.5, 0.0])))
    0.5
    """
    inner = curve[..., 1:-1].sum(axis=-1, dtype=np.float64)
    area: NDArray[np.float64] = (inner + (curve[..., 0] + curve[..., -1]) / 2) / (curve.shape[-1] - 1)
    return area
