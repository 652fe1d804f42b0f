"""The shapes of one annotation: within the image, of a size that means something, and each lesion drawn twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.pairing import pair_boxes
from btxrd_explain.core.shapes import ShapeType
from btxrd_explain.workflows.auditing.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from btxrd_explain.core.geometry import Size
    from btxrd_explain.core.shapes import Shape

_BEYOND = 1.0
"""Pixels that a point may lie outside of the image: programs differ in where they count from."""
_TINY = 2.0
"""Pixels; a mask of that size is a point."""
_SLACK_PIXELS = 10.0
_SLACK_SHARE = 0.1
"""A rectangle bounds its polygon when each side is that close: in pixels, or in shares of the rectangle's own side."""
_BY_POINTS = frozenset({ShapeType.POLYGON, ShapeType.RECTANGLE, ShapeType.ORIENTED_RECTANGLE, ShapeType.LINESTRIP})
_AREAS = frozenset({ShapeType.POLYGON, ShapeType.RECTANGLE, ShapeType.ORIENTED_RECTANGLE})


@dataclass(frozen=True, slots=True)
class Drawn:
    """What an annotation holds.

    Attributes:
        counts: Number of shapes of each kind.
        twice: Where rectangles and polygons do not match; findings only where the data set draws each lesion twice.
    """

    counts: Counter[str]
    twice: tuple[Finding, ...]

    @property
    def in_both_ways(self) -> bool:
        """Whether it holds rectangles and polygons."""
        return bool(self.counts[ShapeType.RECTANGLE] and self.counts[ShapeType.POLYGON])


def check_shapes(image_id: str, shapes: Sequence[Shape], size: Size | None) -> tuple[Drawn, list[Finding]]:
    """Look at the shapes of one annotation.

    Args:
        image_id: The image.
        shapes: Its shapes.
        size: Height and width of the image that was annotated; None where it is not known.

    Returns:
        What there is, and what is wrong with single shapes.
    """
    findings = [finding for k, shape in enumerate(shapes) for finding in _check_shape(image_id, k, shape, size)]
    return Drawn(Counter(shape.shape_type.value for shape in shapes), tuple(_check_twice(image_id, shapes))), findings


def _check_shape(image_id: str, number: int, shape: Shape, size: Size | None) -> Iterable[Finding]:
    """Yield what is wrong with one shape: outside of the image, or too small."""
    name = f"{shape.shape_type} {number + 1} of '{image_id}'"
    details = {"shape": number, "shape_type": shape.shape_type.value}
    if shape.shape_type in _BY_POINTS and size is not None:
        corner = np.array([size.width, size.height])
        low, high = shape.bounds
        beyond = float(np.concatenate([-low, high - corner]).max())
        if (high < 0).any() or (low > corner).any():
            yield Finding("shape-outside", (image_id,), f"{name} lies outside of the image", details)
        elif beyond > _BEYOND:
            text = f"{name} reaches {beyond:.0f} pixels out of the image"
            yield Finding("points-outside", (image_id,), text, {**details, "pixels": beyond})
    if shape.shape_type in _AREAS and (np.ptp(shape.points, axis=0) < _TINY).any():
        yield Finding("tiny-shape", (image_id,), f"{name} is less than {_TINY:.0f} pixels wide or high", details)


def _check_twice(image_id: str, shapes: Sequence[Shape]) -> Iterable[Finding]:
    """Yield where rectangles and polygons are not the same lesions, each drawn twice."""
    rectangles, polygons = (_boxes(shapes, kind) for kind in (ShapeType.RECTANGLE, ShapeType.POLYGON))
    pairing = pair_boxes(rectangles, polygons)
    if pairing.first_alone:
        text = f"'{image_id}': {_number(len(pairing.first_alone), len(rectangles), 'rectangle')} without polygon"
        yield Finding("rectangle-alone", (image_id,), text, {"count": len(pairing.first_alone)})
    if pairing.second_alone:
        text = f"'{image_id}': {_number(len(pairing.second_alone), len(polygons), 'polygon')} without rectangle"
        yield Finding("polygon-alone", (image_id,), text, {"count": len(pairing.second_alone)})
    for i, j in pairing.pairs:
        sides = np.tile(rectangles[i, 2:] - rectangles[i, :2], 2)
        apart = np.abs(rectangles[i] - polygons[j])
        if (apart > np.maximum(_SLACK_PIXELS, _SLACK_SHARE * sides)).any():
            text = f"'{image_id}': rectangle {i + 1} and its polygon are {apart.max():.0f} pixels apart"
            yield Finding("rectangle-differs", (image_id,), text, {"pixels": float(apart.max())})


def _boxes(shapes: Iterable[Shape], kind: ShapeType) -> NDArray[np.float64]:
    """Return the bounds of the shapes of one kind: left, top, right, bottom."""
    return np.array([shape.bounds.ravel() for shape in shapes if shape.shape_type is kind]).reshape(-1, 4)


def _number(count: int, total: int, what: str) -> str:
    return f"{count} of {total} {what}s" if total > 1 else f"a {what}"
