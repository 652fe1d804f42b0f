"""LabelMe's shapes, and how they become pixels.

Shapes are rasterised by LabelMe's own rules, which are Pillow's: a polygon's vertices are floats and its outline
belongs to it. A mask is therefore the one that LabelMe itself exports, and about half a pixel wider all round than
the region between the vertices.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from btxrd_explain.core.geometry import Size

MAX_COORDINATE = 100_000
"""No radiograph is that large, and Pillow takes seconds for larger circles."""
MAX_POINTS = 20_000
"""Filling a polygon takes time in proportion to the square of its vertices."""
_LINE_WIDTH = 10
_POINT_RADIUS = 5


class ShapeType(StrEnum):
    """LabelMe's kinds of shapes."""

    POLYGON = "polygon"
    RECTANGLE = "rectangle"
    ORIENTED_RECTANGLE = "oriented_rectangle"
    CIRCLE = "circle"
    LINE = "line"
    LINESTRIP = "linestrip"
    POINT = "point"
    POINTS = "points"
    MASK = "mask"


_EXACTLY = {
    ShapeType.RECTANGLE: 2,
    ShapeType.ORIENTED_RECTANGLE: 4,
    ShapeType.CIRCLE: 2,
    ShapeType.LINE: 2,
    ShapeType.POINT: 1,
    ShapeType.MASK: 2,
}
_AT_LEAST = {ShapeType.POLYGON: 3, ShapeType.LINESTRIP: 2, ShapeType.POINTS: 1}


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """One shape of an annotation.

    Attributes:
        label: What the annotator called it.
        shape_type: Its kind, which decides what the points mean.
        points: Float64 array of shape ``(n, 2)``: x and y in pixels, within 100,000 of the origin. A rectangle
            has two opposite corners, a circle its centre and a point of its border, a mask its corner pixels.
        mask: For :attr:`ShapeType.MASK`, a boolean array of shape ``(height, width)`` whose first pixel lies at
            the first point.
        group_id: Shapes with the same label and group are parts of one object; None is a part of nothing.
        hole: Whether it is cut out of the shapes that are drawn before it, or are in its group.
        score: How sure a detector is of it, in [0, 1]; what people drew has 1. NaN where a file says it otherwise.

    Raises:
        ValueError: The points or the mask do not fit the kind.
    """

    label: str
    shape_type: ShapeType
    points: NDArray[np.float64]
    mask: NDArray[np.bool_] | None = None
    group_id: int | None = None
    hole: bool = False
    score: float = 1.0

    def __post_init__(self) -> None:
        """Check that the shape can be drawn, and in bounded time."""
        if self.points.ndim != 2 or self.points.shape[1] != 2:
            raise ValueError(f"expected an array of shape (n, 2), got {self.points.shape}")
        _check_count(self.shape_type, len(self.points))
        if not (np.abs(self.points) <= MAX_COORDINATE).all():  # False for NaN
            raise ValueError(f"expected finite coordinates within {MAX_COORDINATE:,} pixels")
        if (self.mask is not None) != (self.shape_type is ShapeType.MASK):
            raise ValueError("a mask shape, and no other, has a mask")

    @property
    def bounds(self) -> NDArray[np.float64]:
        """Smallest and largest x and y, as ``[[x0, y0], [x1, y1]]``; of a circle, those of its two points."""
        return np.stack([self.points.min(axis=0), self.points.max(axis=0)])


def shape_of_mask(label: str, mask: NDArray[np.bool_]) -> Shape | None:
    """Return a mask of a whole image as a shape, which holds no more than the pixels around it; None where it is empty.

    Args:
        label: The shape's label.
        mask: Boolean array of shape ``(height, width)``.
    """
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return None
    corners = np.array([[columns[0], rows[0]], [columns[-1], rows[-1]]], dtype=np.float64)
    window = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Shape(label, ShapeType.MASK, corners, window.copy())


def rasterise_union(shapes: Iterable[Shape], size: Size) -> NDArray[np.bool_]:
    """Rasterise shapes into one mask, each as LabelMe does, in the memory of one.

    Args:
        shapes: The shapes; what lies outside the image is cut off.
        size: Size of the image.

    Returns:
        Boolean array of shape ``size``: True where at least one shape is.

    >>> from btxrd_explain.core.geometry import Size
    >>> corners = np.array([[3.0, 1.0], [1.0, 2.0]])
    >>> rasterise_union([Shape("lesion", ShapeType.RECTANGLE, corners)], Size(4, 5)).astype(int)
    array([[0, 0, 0, 0, 0],
           [0, 1, 1, 1, 0],
           [0, 1, 1, 1, 0],
           [0, 0, 0, 0, 0]])
    """
    shapes = list(shapes)
    union = np.zeros(size, np.bool_)
    top, bottom, right = _drawn_within([shape for shape in shapes if shape.mask is None], size)
    if top < bottom and right:
        canvas = Image.new("L", (right, bottom - top))
        draw = ImageDraw.Draw(canvas)
        for shape in shapes:
            draw_shape(draw, shape.shape_type, shape.points - (0, top))
        union[top:bottom, :right] = np.asarray(canvas)
    for shape in shapes:
        if shape.mask is not None:
            _paste(union, shape.mask, shape.points)
    return union


_ROOM = 2
"""Pixels around the points of a polygon, so that nothing of its outline is cut off."""
_WITHIN_POINTS = frozenset({ShapeType.POLYGON, ShapeType.RECTANGLE, ShapeType.ORIENTED_RECTANGLE})


def _drawn_within(shapes: Sequence[Shape], size: Size) -> tuple[int, int, int]:
    """Return the first row, and the ends of the rows and columns, outside of which nothing is drawn.

    A lesion is small, and a canvas of its height is drawn in a fraction of the time. Columns begin with the image's:
    Pillow adds them up in float32, so that moving shapes sideways might move a pixel of a border.
    """
    if not shapes or not _WITHIN_POINTS.issuperset(shape.shape_type for shape in shapes):
        return 0, size.height if shapes else 0, size.width
    points = np.concatenate([shape.points for shape in shapes])
    top = max(int(points[:, 1].min()) - _ROOM, 0)
    right, bottom = (points.max(axis=0).astype(int) + _ROOM + 1).tolist()
    return top, min(bottom, size.height), max(min(right, size.width), 0)


def draw_shape(draw: ImageDraw.ImageDraw, shape_type: ShapeType, points: NDArray[np.float64]) -> None:
    """Draw a shape with value 1, as LabelMe's ``shape_to_mask`` does; a mask has nothing to draw.

    Args:
        draw: Canvas of mode L.
        shape_type: The shape's kind.
        points: Float64 array of shape ``(n, 2)``; see :class:`Shape`.
    """
    flat: list[float] = points.ravel().tolist()
    match shape_type:
        case ShapeType.POLYGON | ShapeType.ORIENTED_RECTANGLE:
            draw.polygon(flat, outline=1, fill=1)
        case ShapeType.RECTANGLE:
            draw.rectangle((*points.min(axis=0).tolist(), *points.max(axis=0).tolist()), outline=1, fill=1)
        case ShapeType.CIRCLE:
            _disc(draw, points[0], float(np.hypot(*(points[1] - points[0]))))
        case ShapeType.LINE:
            draw.line(flat, fill=1, width=_LINE_WIDTH)
        case ShapeType.LINESTRIP:
            draw.line(flat, fill=1, width=_LINE_WIDTH, joint="curve")
        case ShapeType.POINT | ShapeType.POINTS:
            for point in points:
                _disc(draw, point, _POINT_RADIUS)


def _check_count(shape_type: ShapeType, count: int) -> None:
    exact, least = _EXACTLY.get(shape_type), _AT_LEAST.get(shape_type, 0)
    if exact is not None and count != exact:
        raise ValueError(f"a {shape_type} has {exact} points, got {count}")
    if not least <= count <= MAX_POINTS:
        raise ValueError(f"a {shape_type} has {least} to {MAX_POINTS:,} points, got {count}")


def _disc(draw: ImageDraw.ImageDraw, centre: NDArray[np.float64], radius: float) -> None:
    draw.ellipse((*(centre - radius).tolist(), *(centre + radius).tolist()), outline=1, fill=1)


def _paste(union: NDArray[np.bool_], mask: NDArray[np.bool_], points: NDArray[np.float64]) -> None:
    """Add a mask to the union, cut off at the image, and at its second point where the points are whole pixels."""
    left, top, right, bottom = points.round().astype(int).ravel().tolist()
    if (points == np.trunc(points)).all():
        mask = mask[: max(bottom - top + 1, 0), : max(right - left + 1, 0)]
    mask = mask[max(-top, 0) :, max(-left, 0) :]
    target = union[max(top, 0) :, max(left, 0) :][: mask.shape[0], : mask.shape[1]]
    target |= mask[: target.shape[0], : target.shape[1]]
