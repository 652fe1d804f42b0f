"""The lesions of one radiograph on the pixels on which heat maps are compared with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.choices import MaskPolicy, Space
from btxrd_explain.core.masks import lesion_masks
from btxrd_explain.core.metrics.plain import regions_of
from btxrd_explain.core.readers import consensus_of
from btxrd_explain.core.shapes import shape_of_mask
from btxrd_explain.errors import AnnotationError
from btxrd_explain.findings.annotations import oddities, outside
from btxrd_explain.inputs.annotation import Annotation
from btxrd_explain.inputs.annotation_formats import read_annotation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from btxrd_explain.core.choices import Consensus
    from btxrd_explain.core.geometry import Frame
    from btxrd_explain.core.masks import LesionRules
    from btxrd_explain.core.shapes import Shape
    from btxrd_explain.finding import Finding
    from btxrd_explain.inputs.annotation import AnnotationPlace


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
    if place.consensus is not None and place.problem is None:
        return _agreed(place, place.consensus, frame, rules, class_name)
    annotation = read_annotation(place, frame.original, inverted=rules.inverted)
    shapes = tuple(rules.lesions(annotation.shapes, class_name))
    mask, count = np.zeros(frame.original, dtype=bool), 0
    for count, lesion in enumerate(lesion_masks(shapes, frame.original, MaskPolicy.ALL), 1):
        mask = lesion if count == 1 else mask | lesion
    odd = (*oddities(place, annotation, mask, rules, class_name), *outside(place, annotation, frame.original))
    return Lesions(shapes, frame, mask, count, annotation, (*annotation.findings, *odd))


def _agreed(
    place: AnnotationPlace, rule: Consensus, frame: Frame, rules: LesionRules, class_name: str | None
) -> Lesions:
    """Return what several readers agree on; each connected region is a lesion."""
    readers = [lesions_of(part, frame, rules, class_name=class_name) for part in place.parts]
    mask = consensus_of([reader.mask for reader in readers], rule)
    try:
        found = [shape_of_mask("consensus", region) for region in regions_of(mask)]
    except ValueError as error:  # noise, and no lesions
        raise AnnotationError(f"the {rule} of the readers is in too many pieces ({error})") from error
    shapes = tuple(shape for shape in found if shape is not None)
    findings = tuple(dict.fromkeys(finding for reader in readers for finding in reader.findings))
    return Lesions(shapes, frame, mask, len(shapes), Annotation(shapes, frame.original), findings)


def in_space(mask: NDArray[np.bool_], frame: Frame, space: Space) -> NDArray[np.bool_]:
    """Carry a mask of the radiograph to the pixels of ``space``."""
    return mask if space is Space.ORIGINAL else frame.mask_to_input(mask)
