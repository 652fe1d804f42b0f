"""Which shapes of an annotation are the lesions that a heat map is compared with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw

from btxrd_explain.core.choices import MaskPolicy
from btxrd_explain.core.shapes import Shape, ShapeType, draw_shape, rasterise_union

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from btxrd_explain.core.geometry import Size

# Which of an annotation's shapes are lesions, and their masks.
#
# BTXRD draws each lesion twice, first as a rectangle and then as a polygon inside it, and nothing links the two.
# Filling both yields the bounding box, so :class:`MaskPolicy` says which of them count.

_OUTLINES = frozenset({ShapeType.POLYGON, ShapeType.ORIENTED_RECTANGLE, ShapeType.CIRCLE, ShapeType.MASK})
"""Kinds that follow a lesion's border, as against its bounding box."""
_SAMPLES = 64
"""Shapes are compared on a lattice of at most that many samples per side."""
_SHARE_INSIDE = 0.5
_SHARE_COVERED = 0.25


def select_shapes(shapes: Iterable[Shape], policy: MaskPolicy) -> list[Shape]:
    """Select the shapes that are lesions.

    By default a rectangle gives way to the outlines that draw its lesion again: where at least half of an
    outline's area lies in the rectangle, or outlines cover more than a quarter of it. (BTXRD's polygons lie in
    their rectangle up to a pixel or two, and fill 0.47-0.80 of it.) A neighbour's outline that merely reaches into
    the rectangle leaves it in place, so that no lesion is lost.

    Args:
        shapes: The shapes of a file.
        policy: What counts.

    Returns:
        The selected shapes, in the order of the file.
    """
    shapes = list(shapes)
    if policy is MaskPolicy.ALL:
        return shapes
    if policy is MaskPolicy.RECTANGLES:
        return [shape for shape in shapes if shape.shape_type is ShapeType.RECTANGLE]
    outlines = [shape for shape in shapes if shape.shape_type in _OUTLINES]
    if policy is MaskPolicy.POLYGONS:
        return outlines
    areas = [_sample(outline) for outline in outlines]
    return [
        shape
        for shape in shapes
        if shape.shape_type in _OUTLINES or (shape.shape_type is ShapeType.RECTANGLE and not _drawn_again(shape, areas))
    ]


def lesion_masks(
    shapes: Iterable[Shape], size: Size, policy: MaskPolicy = MaskPolicy.POLYGONS_THEN_RECTANGLES
) -> Iterator[NDArray[np.bool_]]:
    """Rasterise lesion by lesion, one at a time in memory.

    Shapes with the same label and group are one lesion, as in LabelMe; each other shape is a lesion of its own.

    Args:
        shapes: The shapes of a file.
        size: Size of the radiograph.
        policy: Which shapes are lesions.

    Yields:
        Boolean arrays of shape ``size``, in the order of the file. Lesions outside the image are left out.
    """
    lesions: dict[object, list[Shape]] = {}
    for number, shape in enumerate(select_shapes(shapes, policy)):
        key = number if shape.group_id is None else (shape.label, shape.group_id)
        lesions.setdefault(key, []).append(shape)
    for lesion in lesions.values():
        mask = rasterise_union(lesion, size)
        if mask.any():
            yield mask


def annotation_mask(
    shapes: Iterable[Shape], size: Size, policy: MaskPolicy = MaskPolicy.POLYGONS_THEN_RECTANGLES
) -> NDArray[np.bool_]:
    """Rasterise all lesions of a radiograph into one mask.

    Args:
        shapes: The shapes of a file.
        size: Size of the radiograph.
        policy: Which shapes are lesions.

    Returns:
        Boolean array of shape ``size``; all False without a lesion.
    """
    return rasterise_union(select_shapes(shapes, policy), size)


@dataclass(frozen=True, slots=True)
class _Area:
    """An outline as samples: points inside it, shape ``(n, 2)``, and the area that each stands for."""

    points: NDArray[np.float64]
    weight: float


def _sample(outline: Shape) -> _Area:
    """Sample an outline on a lattice over its bounds: cheap whatever its size, and precise to a few per cent."""
    if outline.mask is not None:
        step = max(1, *(-(-side // _SAMPLES) for side in outline.mask.shape))
        rows_columns = np.argwhere(outline.mask[::step, ::step]) * step
        return _Area(rows_columns[:, ::-1] + outline.points[0], float(step * step))
    origin, end = _extent(outline)
    scale = min(1.0, _SAMPLES / max(*(end - origin), 1.0))
    width, height = (np.floor((end - origin) * scale).astype(int) + 1).tolist()
    canvas = Image.new("L", (width, height))
    draw_shape(ImageDraw.Draw(canvas), outline.shape_type, (outline.points - origin) * scale)
    return _Area(np.argwhere(np.asarray(canvas))[:, ::-1] / scale + origin, scale**-2)


def _extent(outline: Shape) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if outline.shape_type is ShapeType.CIRCLE:
        centre, radius = outline.points[0], np.hypot(*(outline.points[1] - outline.points[0]))
        return centre - radius, centre + radius
    low, high = outline.bounds
    return low, high


def _drawn_again(rectangle: Shape, outlines: Iterable[_Area]) -> bool:
    """Return whether outlines draw the rectangle's lesion again; see :func:`select_shapes`."""
    low, high = rectangle.bounds
    covered = 0.0
    for outline in outlines:
        inside: Any = ((outline.points >= low) & (outline.points <= high)).all(axis=1)
        if inside.size and inside.mean() >= _SHARE_INSIDE:
            return True
        covered += outline.weight * inside.sum()
    return bool(covered > _SHARE_COVERED * np.prod(high - low + 1))


LESION = "lesion"
"""A label that counts whatever class is measured."""
IGNORE = "ignore"
"""A label that never counts, such as an implant or a body mark."""
OTHERS = "*"
"""In a label map, all labels that it does not name."""


@dataclass(frozen=True, slots=True)
class LesionRules:
    """Which shapes are lesions.

    Attributes:
        policy: Which kinds of shapes count, and which give way to others.
        labels: What each label means: :data:`LESION`, :data:`IGNORE`, or the name of a class, whose heat map alone is
            compared with it. :data:`OTHERS` speaks for the labels that are not named; without it they are lesions.
    """

    policy: MaskPolicy = MaskPolicy.POLYGONS_THEN_RECTANGLES
    labels: Mapping[str, str] = field(default_factory=dict)

    def counts(self, label: str, class_name: str | None) -> bool:
        """Return whether a label is a lesion where the heat map of a class is measured.

        Args:
            label: The shape's label.
            class_name: The class whose heat map is measured; None asks for the lesions of all classes.

        >>> rules = LesionRules(labels={"osteosarcoma": "Malignant", "screw": "ignore"})
        >>> [rules.counts("osteosarcoma", name) for name in ("Malignant", "Benign", None)]
        [True, False, True]
        >>> rules.counts("screw", None), rules.counts("cyst", "Benign")
        (False, True)
        """
        meaning = self.labels.get(label, self.labels.get(OTHERS, LESION)).casefold()
        if meaning == IGNORE:
            return False
        return meaning == LESION or class_name is None or meaning == class_name.casefold()

    def relevant(self, shapes: Iterable[Shape], class_name: str | None) -> list[Shape]:
        """Return the shapes whose labels count; which kinds of them do is the policy's to say, afterwards."""
        return [shape for shape in shapes if self.counts(shape.label, class_name)]
