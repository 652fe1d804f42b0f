"""How alike the heat maps stay while the weights become random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.heatmap import HeatMap, MapStatus
from btxrd_explain.core.metrics.similarity import spearman, ssim
from btxrd_explain.core.sanity import Verdict, judge_randomisation
from btxrd_explain.core.statistics import Estimate, Resampling, mean_intervals
from btxrd_explain.model.randomise import Stage, cascade

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from btxrd_explain.commands.sanity.sample import Subject
    from btxrd_explain.core.geometry import Frame
    from btxrd_explain.progress import Listener

Similarity = tuple[float, float]
"""Spearman correlation and SSIM; NaN where undefined."""


@dataclass(frozen=True, slots=True, eq=False)
class Randomised:
    """What the cascade found.

    Attributes:
        stages: The stages, head first.
        similarity: Spearman and SSIM per stage and image, float64, shape ``(stages, images, 2)``; NaN where the map
            holds no evidence, or is incomplete.
        incomplete: Of how many images the attributions do not add up, per stage.
        between: The same between the trained network's maps of different images, shape ``(images, 2)``: how alike maps
            are that have nothing to do with each other but their network.
        examples: The maps of the first images, per stage.
    """

    stages: tuple[Stage, ...]
    similarity: NDArray[np.float64]
    incomplete: tuple[int, ...]
    between: NDArray[np.float64]
    examples: tuple[tuple[HeatMap, ...], ...]

    def estimates(self, stage: int) -> list[Estimate]:
        """Return the means over images of Spearman and SSIM after a stage, with their intervals."""
        return mean_intervals(self.similarity[stage], Resampling.of_images(self.similarity.shape[1]))

    def chance(self) -> list[Estimate]:
        """Return the same for maps of different images."""
        return mean_intervals(self.between, Resampling.of_images(len(self.between)))

    def vanished(self, stage: int) -> int:
        """Return how many maps hold no evidence after a stage; attributions that do not add up may hold some."""
        return int(np.isnan(self.similarity[stage, :, 0]).sum()) - self.incomplete[stage]

    def verdict(self) -> Verdict:
        """Return what it shows."""
        last, head = self.estimates(-1)[0], self.estimates(0)[0]
        return judge_randomisation(
            last,
            vanished=self.vanished(-1),
            incomplete=self.incomplete[-1],
            head=head,
            different=self.chance()[0],
        )


def randomise(
    networks: Sequence[nn.Module],
    stages: Sequence[Stage],
    subjects: Sequence[Subject],
    make_maps: Callable[[Sequence[nn.Module]], Sequence[HeatMap]],
    *,
    seed: int,
    examples: int,
    listener: Listener,
) -> Randomised:
    """Compare the maps of a network with those of ever more random copies of it.

    Args:
        networks: The trained network, or all those of an ensemble; they stay as they are.
        stages: Their stages, head first.
        subjects: The images with the maps of the trained network.
        make_maps: The maps of all subjects from such networks.
        seed: Seed of the random weights of the first network; each further one has the next.
        examples: Number of images whose maps are kept.
        listener: Told of progress.
    """
    listener.start("stages", len(stages))
    similarity, incomplete, kept = [], [], []
    cascades = [cascade(network, stages, seed=seed + number) for number, network in enumerate(networks)]
    for steps in zip(*cascades, strict=True):
        maps = make_maps([scrambled for _, scrambled in steps])
        similarity.append([_alike(one.original, other, one.frame) for one, other in zip(subjects, maps, strict=True)])
        incomplete.append(sum(other.status is MapStatus.INCOMPLETE for other in maps))
        kept.append(tuple(maps[:examples]))
        listener.advance()
    neighbours = [*subjects[1:], *subjects[:1]] if len(subjects) > 1 else []
    between = [
        _alike(one.original, other.original, one.frame) for one, other in zip(subjects, neighbours, strict=False)
    ]
    return Randomised(
        tuple(stages),
        np.array(similarity),
        tuple(incomplete),
        np.array(between, dtype=np.float64).reshape(-1, 2),
        tuple(kept),
    )


def _alike(first: HeatMap, second: HeatMap, frame: Frame) -> Similarity:
    """Compare two maps on the part of the network's input that shows the radiograph."""
    if MapStatus.OK is not second.status:
        return np.nan, np.nan
    window = frame.window_filled
    return similarity_of(first.values[window], second.values[window])


def similarity_of(first: NDArray[np.float32], second: NDArray[np.float32]) -> Similarity:
    """Compare the same pixels of two maps; NaN where there are none, or all are equal."""
    if not first.size:
        return np.nan, np.nan
    rho, structure = spearman(first, second), ssim(first, second)
    return np.nan if rho is None else rho, np.nan if structure is None else structure
