"""How alike two heat maps are, as when one of them comes from a network with random weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from btxrd_explain.core.statistics import levels_of, rank_correlations

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WINDOW = 7
_K1, _K2 = 0.01, 0.03


def spearman(first: NDArray[np.floating[Any]], second: NDArray[np.floating[Any]]) -> float | None:
    """Return Spearman's rank correlation of two maps, cell by cell.

    Pearson's correlation of the ranks, equal values sharing their mean rank (Spearman, Am J Psychol 15:72, 1904).

    Args:
        first: Finite values, any shape.
        second: The same shape.

    Returns:
        Correlation in [-1, 1]; None where a map is constant.

    Raises:
        ValueError: The shapes differ, or a map is empty or not finite.

    >>> spearman(np.array([1.0, 2.0, 3.0]), np.array([10.0, 30.0, 20.0]))
    0.5
    """
    _check(first, second)
    levels = [levels_of(values.ravel()) for values in (first, second)]
    (value,) = rank_correlations(np.ones((1, first.size)), *levels)
    return None if np.isnan(value) else float(value)


def ssim(
    first: NDArray[np.floating[Any]], second: NDArray[np.floating[Any]], *, data_range: float = 1.0
) -> float | None:
    """Return the mean structural similarity of two maps.

    ``(2 μx μy + C1)(2 σxy + C2) / ((μx² + μy² + C1)(σx² + σy² + C2))`` in windows of 7 x 7 pixels, averaged over those
    that lie wholly in the map, with ``C1 = (0.01 L)²`` and ``C2 = (0.03 L)²`` (Wang et al., IEEE Trans Image Process
    13:600, 2004); uniform windows and unbiased variances, as scikit-image computes it by default.

    Args:
        first: Finite values of shape ``(height, width)``.
        second: The same shape.
        data_range: The range L of the values.

    Returns:
        Similarity in [-1, 1], 1 for equal maps; None where a side is shorter than the window.

    Raises:
        ValueError: The shapes differ, or a map is empty or not finite.
    """
    _check(first, second)
    if first.ndim != 2 or min(first.shape) < _WINDOW:
        return None
    x, y = first.astype(np.float64), second.astype(np.float64)
    mean_x, mean_y = _windows(x), _windows(y)
    unbiased = _WINDOW**2 / (_WINDOW**2 - 1)
    variances = unbiased * (_windows(x * x) + _windows(y * y) - mean_x**2 - mean_y**2)
    covariance = unbiased * (_windows(x * y) - mean_x * mean_y)
    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    similarity = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    similarity /= (mean_x**2 + mean_y**2 + c1) * (variances + c2)
    return float(similarity.mean())


def _windows(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of each window that lies wholly in the map."""
    margin = _WINDOW // 2
    means: NDArray[np.float64] = np.asarray(cv2.blur(values, (_WINDOW, _WINDOW)))
    return means[margin:-margin, margin:-margin]


def _check(first: NDArray[np.floating[Any]], second: NDArray[np.floating[Any]]) -> None:
    if first.shape != second.shape or first.size == 0:
        raise ValueError(f"expected two maps of one shape, got {first.shape} and {second.shape}")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("a map holds NaN or infinities")
