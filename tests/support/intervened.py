"""Radiographs of which made-up networks say what a test wants: readings under every condition, with their scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.intervention import OTHERS, Condition, Design, Fill, Kind, Readings
from btxrd_explain.core.metrics import ImageMetrics
from btxrd_explain.evaluation.intervention import Effects, Intervened
from btxrd_explain.evaluation.protocol import MapKind
from btxrd_explain.evaluation.sample import Sample
from btxrd_explain.evaluation.score import Score
from btxrd_explain.predictions.record import FileStamp
from tests.support.small_table import make_row

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES = ("Normal", "Benign")
DESIGN = Design(controls=5)


def make_intervened(
    number: int,
    *,
    lesion: float | None = -2.0,
    controls: Sequence[float] = (-0.1, 0.1, 0.0, 0.2, -0.2),
    surroundings: float = 0.0,
    hit: bool | None = True,
    energy: float | None = 0.5,
) -> Intervened:
    """Return a radiograph of the second class, whose log-odds of 1 change so much under each condition.

    Args:
        number: That of the image.
        lesion: The change without the lesion; None for a radiograph without one.
        controls: The change without each control.
        surroundings: The change without border, background and markers.
        hit: Whether the map's hottest pixel is on the lesion.
        energy: How much of the map's mass is.
    """
    changes = {Condition(Kind.ORIGINAL): 0.0, **{Condition(kind): surroundings for kind in OTHERS[1:]}}
    if lesion is not None:
        changes[Condition(Kind.LESION_ALONE)] = 0.5
        for fill in Fill:
            changes[Condition(Kind.LESION, fill)] = lesion
            changes |= {Condition(Kind.CONTROL, fill, 0.0, n): value for n, value in enumerate(controls)}
    log_odds = {condition: np.array([-1.0 - change, 1.0 + change]) for condition, change in changes.items()}
    metrics = None if hit is None else ImageMetrics(lesion_share=0.1, iou=0.4, pointing_hit=hit, energy_in_mask=energy)
    scored = {} if metrics is None else {MapKind.MODEL: metrics}
    stamp = FileStamp(100, 1, f"{number:064x}")  # copies of one image are drawn as one
    score = Score(make_row(number, stamp=stamp), true=1, target=1, lesions=1, lesion_share=0.1, metrics=scored)
    return Intervened(score, 1, Readings(log_odds, {"control:0": "little room"} if len(controls) < 5 else {}))


def make_effects(images: Sequence[Intervened]) -> tuple[Effects, Sample]:
    """Return their effects, and the same images as a sample."""
    sample = Sample.of([image.score for image in images], NAMES, resamples=100)
    return Effects.of(images, DESIGN), sample
