"""The lesions of one radiograph on the pixels on which heat maps are compared with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.choices import MaskPolicy, Space
from btxrd_explain.core.masks import lesion_masks
from btxrd_explain.findings.annotations import oddities, outside
from btxrd_explain.inputs.annotation_source import read_annotation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from btxrd_explain.core.geometry import Frame
    from btxrd_explain.core.masks import LesionRules
    from btxrd_explain.core.shapes import Shape
    from btxrd_explain.finding import Finding
    from btxrd_explain.inputs.annotation import Annotation, AnnotationPlace


@dataclass(frozen=True, slots=True)
class Lesions:
    """The annotated lesions of a radiograph.

    Attributes:
        shapes: The shapes that are lesions.
        frame: How the radiograph maps to the network's input.
        mask: All lesions, boolean, shape ``frame.original``.
        count: Number of lesions.
        annotation: The annotation with all of its shapes, whether they count or not.
        findings: What is odd about it; they name no radiograph.
    """

    shapes: tuple[Shape, ...]
    frame: Frame
    mask: NDArray[np.bool_]
    count: int
    annotation: Annotation
    findings: tuple[Finding, ...] = ()

    def mask_in(self, space: Space) -> NDArray[np.bool_]:
        """Return all lesions as one boolean mask on the pixels of ``space``."""
        return in_space(self.mask, self.frame, space)

    def masks_in(self, space: Space) -> Iterator[NDArray[np.bool_]]:
        """Draw lesion by lesion on the pixels of ``space``, one at a time in memory; a single one is drawn already."""
        masks = iter([self.mask]) if self.count == 1 else lesion_masks(self.shapes, self.frame.original, MaskPolicy.ALL)
        return (in_space(mask, self.frame, space) for mask in masks)


def lesions_of(place: AnnotationPlace, frame: Frame, rules: LesionRules, *, class_name: str | None = None) -> Lesions:
    """Read the lesions of a radiograph.

    Args:
        place: Where its annotation is.
        frame: How the radiograph maps to the network's input.
        rules: Which shapes are lesions.
        class_name: The class whose heat map they are for; None takes the lesions of all classes.

    Raises:
        AnnotationError: The annotation cannot be used.
    """
    annotation = read_annotation(place, frame.original, inverted=rules.inverted)
    shapes = tuple(rules.lesions(annotation.shapes, class_name))
    mask, count = np.zeros(frame.original, dtype=bool), 0
    for lesion in lesion_masks(shapes, frame.original, MaskPolicy.ALL):
        mask |= lesion
        count += 1
    odd = (*oddities(place, annotation, mask, rules, class_name), *outside(place, annotation, frame.original))
    return Lesions(shapes, frame, mask, count, annotation, (*annotation.findings, *odd))


def in_space(mask: NDArray[np.bool_], frame: Frame, space: Space) -> NDArray[np.bool_]:
    """Carry a mask of the radiograph to the pixels of ``space``."""
    return mask if space is Space.ORIGINAL else frame.mask_to_input(mask)
