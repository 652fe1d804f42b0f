"""How alike the heat maps stay while the radiographs change in ways that say nothing new."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.commands.sanity.randomised import similarity_of
from btxrd_explain.commands.sanity.sample import readings_of
from btxrd_explain.core.controls import generator_of
from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.core.stability import (
    DECISIVE,
    STRENGTHS,
    Change,
    Followed,
    Stability,
    changed,
    judge_stability,
    undone,
)
from btxrd_explain.core.statistics import Estimate, Resampling, mean_intervals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from btxrd_explain.commands.sanity.randomised import Similarity
    from btxrd_explain.commands.sanity.sample import Subject
    from btxrd_explain.core.heatmap import HeatMap
    from btxrd_explain.core.preprocess import Preprocessing
    from btxrd_explain.inference.compute import Explainer
    from btxrd_explain.progress import Listener


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """What became of the maps under one change of one strength.

    Attributes:
        change: The change.
        strength: Its strength.
        similarity: Spearman and SSIM of each image's maps before and after, float64, shape ``(images, 2)``; NaN where
            the map holds no evidence, or is incomplete.
        incomplete: Of how many images the attributions do not add up.
        other_class: Of how many images another class is predicted.
    """

    change: Change
    strength: float
    similarity: NDArray[np.float64]
    incomplete: int
    other_class: int

    @property
    def estimates(self) -> list[Estimate]:
        """The means over images of Spearman and SSIM, with their intervals."""
        return mean_intervals(self.similarity, Resampling.of_images(len(self.similarity)))

    @property
    def vanished(self) -> int:
        """How many maps hold no evidence; attributions that do not add up may hold some."""
        return int(np.isnan(self.similarity[:, 0]).sum()) - self.incomplete

    @property
    def decides(self) -> bool:
        """Whether the verdict rests on it."""
        return DECISIVE[self.change] == self.strength


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """What was found under all changes, each from its weakest strength on."""

    steps: tuple[Step, ...]

    def verdict(self) -> tuple[Stability, str]:
        """Say what it shows."""
        decisive = [step for step in self.steps if step.decides]
        return judge_stability(
            {step.change: Followed(step.estimates[0], step.vanished, step.incomplete) for step in decisive}
        )


def follow_changes(explainer: Explainer, subjects: Sequence[Subject], *, seed: int, listener: Listener) -> Changes:
    """Compare the maps of radiographs with those of the changed radiographs, moved back.

    Args:
        explainer: The trained network.
        subjects: The images with their maps.
        seed: Seed of noise and directions, with the name of the image.
        listener: Told of progress.
    """
    wanted = [(change, strength) for change, strengths in STRENGTHS.items() for strength in strengths]
    listener.start("changes", len(wanted))
    steps = []
    for change, strength in wanted:
        inputs = [
            replace(one, tensor=_changed(one, explainer.classifier.preprocessing, change, strength, seed))
            for one in subjects
        ]
        readings = readings_of(explainer, inputs)
        similarity = [
            _alike(one, heat, change, strength, seed) for one, (_, heat) in zip(subjects, readings, strict=True)
        ]
        incomplete = sum(heat.status is MapStatus.INCOMPLETE for _, heat in readings)
        others = sum(predicted != one.target for one, (predicted, _) in zip(subjects, readings, strict=True))
        steps.append(Step(change, strength, np.array(similarity), incomplete, others))
        listener.advance()
    return Changes(tuple(steps))


def _changed(
    subject: Subject, preprocessing: Preprocessing, change: Change, strength: float, seed: int
) -> NDArray[np.float32]:
    """Change what the network's input shows of the radiograph; padding stays as it is."""
    mean, std = (np.array(of, np.float32)[:, None, None] for of in (preprocessing.mean, preprocessing.std))
    seen = subject.tensor * std + mean
    low, high = min(0.0, float(seen.min())), max(1.0, float(seen.max()))  # each image may have a range of its own
    window = (slice(None), *subject.frame.window_filled)
    part = (seen[window] - low) / (high - low)
    seen[window] = low + (high - low) * changed(part, change, strength, generator_of(subject.image_id, seed))
    tensor: NDArray[np.float32] = ((seen - mean) / std).astype(np.float32)
    return tensor


def _alike(subject: Subject, heat: HeatMap, change: Change, strength: float, seed: int) -> Similarity:
    """Compare a map with that of the changed radiograph, where both show the same pixels."""
    if heat.status is not MapStatus.OK:
        return np.nan, np.nan
    window = subject.frame.window_filled
    back, seen = undone(heat.values[window], change, strength, generator_of(subject.image_id, seed))
    return similarity_of(subject.original.values[window][seen], back[seen])
