"""Bones as attenuation: the X-ray's path through shells of cortex and marrow.

A bone is drawn upright on a canvas of its own, where its axis runs down the rows; lesions are painted there, and a
rotation carries the canvas into the picture. A tube of half width ``w`` has the path ``2 sqrt(w² - v²)`` at distance
``v`` from its axis; the difference of an outer and an inner tube gives the bright lines of the cortex.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from btxrd_explain.synthetic.anatomy import profile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from btxrd_explain.synthetic.anatomy import Bone, End, Point, Pose
    from btxrd_explain.synthetic.film import Texture

MARGIN = 1.5
"""Room on each side of a bone, in half widths, for what grows out of it."""


@dataclass(frozen=True, slots=True)
class Canvas:
    """One bone, upright.

    Attributes:
        bone: What is drawn.
        attenuation: Float32 array of shape ``(rows, columns)``, at least 0; painted on in place.
        centre: Column of the axis for each row, shape ``(rows,)``.
        half_width: Half width of the bone for each row in pixels, shape ``(rows,)``.
        first: Row where the bone starts.
        last: Row where it ends.
        matrix: Affine matrix of shape ``(2, 3)``, from ``(column, row)`` to the picture's ``(x, y)``.
        scale: Pixels per mm.
    """

    bone: Bone
    attenuation: NDArray[np.float32]
    centre: NDArray[np.float32]
    half_width: NDArray[np.float32]
    first: int
    last: int
    matrix: NDArray[np.float64]
    scale: float

    def to_picture(self, points: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Carry points ``(column, row)`` of shape ``(n, 2)`` into the picture's ``(x, y)``."""
        carried: NDArray[np.float64] = points @ self.matrix[:, :2].T + self.matrix[:, 2]
        return carried

    def add_to(self, picture: NDArray[np.float32]) -> None:
        """Lay the bone over what the picture, of shape ``(height, width)``, shows already; changes it in place."""
        rows, columns = self.attenuation.shape
        corners = self.to_picture(np.array([[0, 0], [columns, 0], [0, rows], [columns, rows]], dtype=np.float64))
        limits = np.array(picture.shape[::-1])
        low = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, limits)
        high = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 1, 0, limits)
        if (high <= low).any():
            return
        matrix = self.matrix.copy()
        matrix[:, 2] -= low
        window = picture[low[1] : high[1], low[0] : high[0]]
        size = int(high[0] - low[0]), int(high[1] - low[1])
        placed = cv2.warpAffine(self.attenuation, matrix, size, flags=cv2.INTER_LINEAR)
        (np.maximum if self.bone.merged else np.add)(window, placed, out=window)


def draw_bone(bone: Bone, pose: Pose, thickness: float, texture: Texture) -> Canvas:
    """Draw one bone.

    Args:
        bone: What to draw.
        pose: How the scene lies in the picture.
        thickness: See :class:`~btxrd_explain.synthetic.anatomy.Scene`.
        texture: Source of the spongy bone's grain.

    Returns:
        The bone on its canvas.
    """
    length = max(8, round(bone.length * pose.scale))
    widest = max(value for _, value in bone.widths) * pose.scale
    margin = math.ceil(MARGIN * widest) + 4
    rows = length + 2 * margin
    columns = 2 * math.ceil(widest + abs(bone.bow) * pose.scale) + 2 * margin
    along = (np.arange(rows, dtype=np.float32) + 0.5 - margin) / length
    inside = np.clip(along, 0, 1).astype(np.float32)
    side = -1 if pose.mirrored else 1
    centre = (columns / 2 + side * bone.bow * pose.scale * 4 * inside * (1 - inside)).astype(np.float32)
    half = profile(inside, bone.widths) * np.float32(pose.scale)
    canvas = Canvas(
        bone, np.zeros((rows, columns), np.float32), centre, half, margin, margin + length,
        _matrix(bone, pose, margin, columns, length), pose.scale,
    )  # fmt: skip
    seen = _seen(canvas, pose)
    if len(seen):
        _fill(canvas, seen, texture, 1 / (thickness * pose.scale))
    for place in bone.plates:
        _open_plate(canvas, place, texture)
    return canvas


def _matrix(bone: Bone, pose: Pose, margin: int, columns: int, length: int) -> NDArray[np.float64]:
    """Return the rotation that lays the canvas' axis on the bone's axis in the picture."""
    start, end = pose.point(bone.start), pose.point(bone.end)
    down = (end - start) / length
    matrix = np.array([[down[1], down[0], 0.0], [-down[0], down[1], 0.0]])
    matrix[:, 2] = start - matrix[:, :2] @ np.array([columns / 2, margin])
    return matrix


def _seen(canvas: Canvas, pose: Pose) -> range:
    """Return the rows of the canvas that hold bone and reach into the picture."""
    size, turn = pose.size, canvas.matrix[:, 1]
    corners = np.array([[0, 0], [size.width, 0], [0, size.height], [size.width, size.height]])
    reached = (corners - canvas.matrix[:, 2]) @ turn
    ridge = math.ceil(max(0.0, *(-end.notch for end in canvas.bone.ends)) * canvas.scale)
    low, high = max(canvas.first - ridge, math.floor(reached.min())), min(canvas.last + ridge, math.ceil(reached.max()))
    return range(max(low, 0), min(high, len(canvas.centre)))


def _fill(canvas: Canvas, seen: range, texture: Texture, unit: float) -> None:
    """Fill rows with bone; ``unit`` is the attenuation of one pixel of cortex."""
    bone = canvas.bone
    rows = slice(seen.start, seen.stop)
    half, middle = canvas.half_width[rows], canvas.centre[rows]
    columns = slice(int((middle - half).min()), math.ceil((middle + half).max()) + 1)
    across = np.arange(columns.start, columns.stop, dtype=np.float32) + np.float32(0.5) - middle[:, None]
    depth = np.arange(seen.start, seen.stop, dtype=np.float32) + np.float32(0.5)
    along = np.clip((depth - canvas.first) / np.float32(canvas.last - canvas.first), 0, 1).astype(np.float32)
    wall = profile(along, bone.cortex) * np.float32(canvas.scale)
    flat = np.clip(1 - 6 * np.minimum(along, 1 - along), 0, 1) * np.float32(0.7)
    outer = _path(canvas, across, half, depth, flat, 0.0)
    inner = _path(canvas, across, np.maximum(half - wall, np.float32(0.5)), depth, flat, 0.8 * canvas.scale)
    np.minimum(inner, outer, out=inner)
    density = texture.grain(outer.shape, canvas.scale)
    density += 1
    density *= profile(along, bone.marrow)[:, None]
    density -= 1
    density *= inner
    density += outer
    density *= np.float32(unit * bone.density)
    canvas.attenuation[rows, columns] = density


def _path(
    canvas: Canvas,
    across: NDArray[np.float32],
    half: NDArray[np.float32],
    depth: NDArray[np.float32],
    flat: NDArray[np.float32],
    shell: float,
) -> NDArray[np.float32]:
    """Return the length of the ray inside a tube with rounded ends, in pixels.

    Args:
        canvas: The bone, for its ends.
        across: Distance from the axis, shape ``(rows, columns)``.
        half: Half width, shape ``(rows,)``.
        depth: Row of the canvas, shape ``(rows,)``.
        flat: 0 where the tube is round, 1 where it is a box, shape ``(rows,)``.
        shell: How far both ends lie further in, in pixels.
    """
    square: NDArray[np.float32] = np.clip(1 - (across / half[:, None]) ** 2, 0, 1)
    chord: NDArray[np.float32] = np.sqrt(square)
    box = flat > 0
    chord[box] += flat[box, None] * (np.sqrt(chord[box]) - chord[box])
    chord *= 2 * half[:, None]
    for which, sign, limit in ((0, 1.0, canvas.first), (1, -1.0, canvas.last)):
        distance = sign * (depth - limit) - shell
        near = distance < 2.2 * half.max()
        end = canvas.bone.ends[which]
        chord[near] *= _dome(square[near], distance[near, None], half[near, None], end, canvas.scale)
    return chord


def _dome(
    square: NDArray[np.float32],
    distance: NDArray[np.float32],
    half: NDArray[np.float32],
    end: End,
    scale: float,
) -> NDArray[np.float32]:
    """Return the factor that closes a tube at one end, between 0 outside and 1 well inside."""
    x2 = 1 - square
    edge = end.roundness * scale * (1 - np.sqrt(square))
    if end.notch:
        edge += end.notch * scale * np.exp(-x2 / 0.07)
    share = np.clip((distance - edge) / (0.45 * half), 0, 1)
    closed: NDArray[np.float32] = np.sqrt(share * (2 - share))
    return closed


def _open_plate(canvas: Canvas, place: float, texture: Texture) -> None:
    """Draw an open growth plate: a dark wavy band with a bright edge on either side."""
    row = canvas.first + place * (canvas.last - canvas.first)
    reach = round(8 * canvas.scale)
    rows = slice(max(0, round(row) - reach), round(row) + reach)
    part = canvas.attenuation[rows]
    wave = texture.wave(part.shape[1], 14 * canvas.scale) * 1.6 * canvas.scale
    distance = (np.arange(rows.start, rows.stop, dtype=np.float32)[: len(part), None] + 0.5 - row - wave) / canvas.scale
    part *= 1 - 0.42 * np.exp(-((distance / 1.1) ** 2)) + 0.22 * np.exp(-(((np.abs(distance) - 2.3) / 0.9) ** 2))


def centre_of(canvas: Canvas, row: float) -> Point:
    """Return the position ``(column, row)`` of the axis in a row of the canvas."""
    index = min(max(round(row), 0), len(canvas.centre) - 1)
    return float(canvas.centre[index]), row
