"""Which shapes of an annotation are the lesions that a heat map is compared with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
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


def select_shapes(shapes: Iterable[Shape], policy: MaskPolicy, *, by_label: bool = False) -> list[Shape]:
    """Select the shapes that are lesions.

    By default a rectangle gives way to the outlines that draw its lesion again: where at least half of an
    outline's area lies in the rectangle, or outlines cover more than a quarter of it. (BTXRD's polygons lie in
    their rectangle up to a pixel or two, and fill 0.47-0.80 of it.) A neighbour's outline that merely reaches into
    the rectangle leaves it in place, so that no lesion is lost.

    Args:
        shapes: The shapes of a file.
        policy: What counts.
        by_label: Whether a rectangle gives way to outlines of its own label only, as where labels are of different
            lesions.

    Returns:
        The selected shapes, in the order of the file; of those that are the same the first one. Holes stay.
    """
    shapes = _different(shapes)
    if policy is MaskPolicy.ALL:
        return shapes
    if policy is MaskPolicy.RECTANGLES:
        return [shape for shape in shapes if shape.hole or shape.shape_type is ShapeType.RECTANGLE]
    if policy is MaskPolicy.POLYGONS:
        return [shape for shape in shapes if shape.hole or shape.shape_type in _OUTLINES]
    again = _drawn_twice(shapes, by_label=by_label)
    return [
        shape
        for shape in shapes
        if shape.hole
        or shape.shape_type in _OUTLINES
        or (shape.shape_type is ShapeType.RECTANGLE and id(shape) not in again)
    ]


def labels_differ(shapes: Iterable[Shape]) -> list[tuple[str, str]]:
    """Return the labels of rectangles, and of the outlines that draw them again under other labels alone."""
    shapes = _different(shapes)
    if len({_same_label(shape) for shape in shapes if not shape.hole}) < 2:
        return []
    again, alike = (_drawn_twice(shapes, by_label=by_label) for by_label in (False, True))
    return [(shape.label, again[id(shape)]) for shape in shapes if id(shape) in again and id(shape) not in alike]


def _different(shapes: Iterable[Shape]) -> list[Shape]:
    """Return shapes but for those that are the same as one before, whatever their labels."""
    different: dict[object, Shape] = {}
    for shape in shapes:
        mask = None if shape.mask is None else (shape.mask.shape, shape.mask.tobytes())
        different.setdefault((shape.hole, shape.shape_type, _outline(shape).tobytes(), mask), shape)
    return list(different.values())


def _outline(shape: Shape) -> NDArray[np.float64]:
    """Return what is the same of shapes that are the same, where that is not all their points."""
    match shape.shape_type:
        case ShapeType.RECTANGLE:
            return shape.bounds
        case ShapeType.POLYGON:
            return _ring(shape.points)
        case _:
            return shape.points


def _ring(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the corners of a polygon, wherever it was begun, whichever way round, and whether or not it was closed."""
    if len(points) > 1 and (points[0] == points[-1]).all():
        points = points[:-1]
    start = int(np.lexsort(points.T)[0])
    forth, back = np.roll(points, -start, axis=0), np.roll(points[::-1], start + 1, axis=0)
    return min(forth, back, key=np.ndarray.tolist)


def _same_label(shape: Shape) -> str:
    return shape.label.strip().casefold()


def _drawn_twice(shapes: Iterable[Shape], *, by_label: bool) -> dict[int, str]:
    """Return the ids of the rectangles that outlines draw again, with the label of one of these."""
    shapes = [shape for shape in shapes if not shape.hole]
    outlines = [shape for shape in shapes if shape.shape_type in _OUTLINES]
    areas = [(outline, _sample(outline)) for outline in outlines]
    again = {}
    for shape in shapes:
        if shape.shape_type is ShapeType.RECTANGLE:
            known = [(one, area) for one, area in areas if not by_label or _same_label(one) == _same_label(shape)]
            if _drawn_again(shape, [area for _, area in known]):
                again[id(shape)] = next((one.label for one, _ in known if _same_label(one) != _same_label(shape)), "")
    return again


def lesion_masks(
    shapes: Iterable[Shape], size: Size, policy: MaskPolicy = MaskPolicy.POLYGONS_THEN_RECTANGLES
) -> Iterator[NDArray[np.bool_]]:
    """Rasterise lesion by lesion, one at a time in memory.

    Shapes with the same label and group are one lesion, as in LabelMe; each other shape is a lesion of its own. Holes
    are cut out of what is drawn before them, and out of their group.

    Args:
        shapes: The shapes of a file.
        size: Size of the radiograph.
        policy: Which shapes are lesions.

    Yields:
        Boolean arrays of shape ``size``, in the order of the file. Lesions outside the image are left out.
    """
    selected = select_shapes(shapes, policy)
    lesions: dict[object, list[int]] = {}
    for number, shape in enumerate(selected):
        if not shape.hole:
            key = number if shape.group_id is None else (shape.label, shape.group_id)
            lesions.setdefault(key, []).append(number)
    for lesion in lesions.values():
        mask = _with_holes(selected, lesion, size)
        if mask.any():
            yield mask


def _with_holes(shapes: list[Shape], parts: list[int], size: Size) -> NDArray[np.bool_]:
    """Rasterise the shapes of those numbers, without the holes that come after each or are in its group."""
    holes = [(number, shape) for number, shape in enumerate(shapes) if shape.hole]
    if not holes:
        return rasterise_union([shapes[part] for part in parts], size)
    mask = np.zeros(size, bool)
    for part in parts:
        shape = shapes[part]
        cut = [hole for number, hole in holes if number > part or None is not hole.group_id == shape.group_id]
        mask |= rasterise_union([shape], size) & ~rasterise_union(cut, size)
    return mask


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
    selected = select_shapes(shapes, policy)
    return _with_holes(selected, [number for number, shape in enumerate(selected) if not shape.hole], size)


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
MARKER = "marker"
"""A label that never counts either: a burnt-in letter or sign."""
OTHERS = "*"
"""In a label map, all labels that it does not name."""
_RESERVED_IGNORE = "__ignore__"
"""A label that LabelMe reserves, for what counts neither way."""
RESERVED_HOLE = "_background_"
"""A label that LabelMe reserves, for what is not a lesion but a hole in one."""


def looks_wrong(mask: NDArray[np.bool_]) -> str | None:
    """Return what makes a lesion mask implausible: ``whole``, ``inverted``, or None.

    An inverted mask holds most of the image and all of its corners, and little of what it leaves out touches the
    border; no lesion does.

    Args:
        mask: All lesions of a radiograph, boolean, shape ``(height, width)``.

    >>> disc = np.zeros((9, 9), bool); disc[3:6, 3:6] = True
    >>> looks_wrong(disc), looks_wrong(~disc), looks_wrong(disc | True)
    (None, 'inverted', 'whole')
    """
    if mask.all():
        return "whole"
    border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    corners = mask[[0, 0, -1, -1], [0, -1, 0, -1]]
    most = np.count_nonzero(mask) > _MOST * mask.size
    return "inverted" if most and border.mean() > _MOST_OF_BORDER and corners.all() else None


_MOST, _MOST_OF_BORDER = 0.5, 0.8


@dataclass(frozen=True, slots=True)
class LesionRules:
    """Which shapes are lesions.

    Attributes:
        policy: Which kinds of shapes count, and which give way to others.
        labels: What each label means: :data:`LESION`, :data:`IGNORE`, :data:`MARKER`, or the name of a class, whose
            heat map alone is compared with it. :data:`OTHERS` speaks for the labels that are not named; without it they
            are lesions.
        by_label: Whether a rectangle gives way to outlines of its own label only, as for a classifier that tells
            several kinds of lesions apart.
        inverted: Whether mask images are 0 where lesions are, and nowhere else.
    """

    policy: MaskPolicy = MaskPolicy.POLYGONS_THEN_RECTANGLES
    labels: Mapping[str, str] = field(default_factory=dict)
    by_label: bool = False
    inverted: bool = False

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
        meaning = self.meaning(label)
        if meaning in {IGNORE, MARKER}:
            return False
        return meaning == LESION or class_name is None or meaning == class_name.casefold()

    def meaning(self, label: str) -> str:
        """Return what a label means, in lower case."""
        otherwise = IGNORE if label in {_RESERVED_IGNORE, RESERVED_HOLE} else self.labels.get(OTHERS, LESION)
        return self.labels.get(label, otherwise).casefold()

    def markers(self, shapes: Iterable[Shape]) -> list[Shape]:
        """Return the shapes that are burnt-in markers."""
        return [shape for shape in shapes if self.meaning(shape.label) == MARKER]

    def relevant(self, shapes: Iterable[Shape], class_name: str | None) -> list[Shape]:
        """Return the shapes whose labels count, and the holes in them; which kinds do is the policy's to say."""
        return [
            replace(shape, hole=True) if hole else shape
            for shape in shapes
            if (hole := shape.label == RESERVED_HOLE and shape.label not in self.labels)
            or self.counts(shape.label, class_name)
        ]

    def lesions(self, shapes: Iterable[Shape], class_name: str | None) -> list[Shape]:
        """Return the shapes that are lesions of a class, and the holes in them; None stands for all classes."""
        return select_shapes(self.relevant(shapes, class_name), self.policy, by_label=self.by_label)
