"""Which shapes of an annotation are the lesions that a heat map is held against."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from btxrd_explain.core.masks import MaskPolicy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from btxrd_explain.core.shapes import Shape

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
            held against it. :data:`OTHERS` speaks for the labels that are not named; without it they are lesions.
    """

    policy: MaskPolicy = MaskPolicy.POLYGONS_THEN_RECTANGLES
    labels: Mapping[str, str] = field(default_factory=dict)

    def counts(self, label: str, class_name: str | None) -> bool:
        """Say whether a label is a lesion where the heat map of a class is measured.

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
