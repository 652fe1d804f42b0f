"""The lesions on which a grid's ceiling is measured: annotated ones, or a made-up population of their size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.population import reference_lesions
from btxrd_explain.errors import InputError
from btxrd_explain.inputs.annotation_source import read_lesions
from btxrd_explain.inputs.radiograph import read_radiograph
from btxrd_explain.workflows.inference.collecting import collect_images, names_images
from btxrd_explain.workflows.lesion_rules import lesion_rules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from btxrd_explain.core.lesions import LesionRules
    from btxrd_explain.inputs.record import ImageRecord
    from btxrd_explain.settings import Settings
    from btxrd_explain.workflows.progress import Listener

_MOST = 200
"""Radiographs that are looked at: enough to know a mean IoU to 0.02."""


@dataclass(frozen=True, slots=True)
class Lesions:
    """Masks of lesions, one per radiograph.

    Attributes:
        masks: Boolean arrays of the radiographs' sizes, none of them empty; to be gone through once.
        count: How many there are at most.
        description: Where they come from.
    """

    masks: Iterator[NDArray[np.bool_]]
    count: int
    description: str


def find_lesions(settings: Settings, listener: Listener) -> Lesions:
    """Take the annotated lesions of the radiographs that the settings name, else the reference population.

    Raises:
        InputError: Radiographs are named, but none is annotated.
    """
    if not names_images(settings):
        return Lesions(reference_lesions(), 100, "100 made-up lesions of the size of BTXRD's")
    annotated = [record for record in collect_images(settings).records if record.annotation is not None]
    if not annotated:
        raise InputError("none of the radiographs is annotated", hint="name the annotations with --annotations")
    step = -(-len(annotated) // _MOST)
    taken = annotated[::step]
    description = f"{len(taken)} annotated radiographs" + (f" of {len(annotated)}" if step > 1 else "")
    rules = lesion_rules(settings.annotation)
    return Lesions(_annotated_lesions(taken, rules, listener), len(taken), description)


def _annotated_lesions(
    records: list[ImageRecord], rules: LesionRules, listener: Listener
) -> Iterator[NDArray[np.bool_]]:
    """Yield the masks; a file that cannot be used is named and passed over."""
    for record in records:
        if record.annotation is None:
            continue
        try:
            size = read_radiograph(record.path).size
            mask = np.zeros(size, dtype=bool)
            for lesion in read_lesions(record.annotation, size, rules):
                mask |= lesion
        except InputError as error:
            listener.note(str(error))
            continue
        if mask.any():
            yield mask
