"""A limb's soft tissue as attenuation: muscle inside a sleeve of fat."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from btxrd_explain.synthetic.anatomy import profile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from btxrd_explain.synthetic.anatomy import Pose, Tissue


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
