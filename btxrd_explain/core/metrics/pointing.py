"""Whether a heat map's hottest pixel lies on the annotation."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def near_annotation(pixel: tuple[int, int], mask: NDArray[np.bool_], radius: float) -> bool | None:
    """Say whether an annotated pixel lies within a distance of a pixel, from centre to centre.

    With the hottest pixel of a heat map this is the pointing game (Zhang et al., IJCV 126:1084, 2018).

    Args:
        pixel: Row and column.
        mask: Boolean array of shape ``(height, width)``.
        radius: Largest distance in pixels, at least 0; 0 asks for the pixel itself.

    Returns:
        True where one does; None where nothing is annotated.

    Raises:
        ValueError: The radius is negative.

    >>> mask = np.array([[True, False, False, False]])
    >>> near_annotation((0, 2), mask, 1.9), near_annotation((0, 2), mask, 2.0)
    (False, True)
    """
    if not radius >= 0:
        raise ValueError(f"radius must be at least 0, got {radius}")
    if not mask.any():
        return None
    row, column = pixel
    reach = ceil(radius)
    top, left = max(row - reach, 0), max(column - reach, 0)
    rows, columns = np.nonzero(mask[top : row + reach + 1, left : column + reach + 1])
    squares = (rows + (top - row)) ** 2 + (columns + (left - column)) ** 2
    return bool((squares <= radius**2).any())
