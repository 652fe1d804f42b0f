"""Insertion and deletion: the class probability while pixels change in the order of the heat map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.choices import Baseline, Space
from btxrd_explain.core.heatmap import heat_map, judge
from btxrd_explain.core.metrics.baselines import random_grid
from btxrd_explain.core.perturbation import area_under_curve, baseline_image, importance_ranks
from btxrd_explain.core.statistics import Estimate, Resampling, mean_intervals
from btxrd_explain.model.perturb import perturbation_curves

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from btxrd_explain.commands.sanity.sample import Subject
    from btxrd_explain.inference.compute import Explainer
    from btxrd_explain.progress import Listener

KINDS = ("insertion", "deletion")


@dataclass(frozen=True, slots=True, eq=False)
class Perturbed:
    """What insertion and deletion found.

    Attributes:
        curves: Class probability, float64, shape ``(images, 2, steps + 1)``: insertion and deletion by the heat map.
        random: The same in the order of a random map of the same grid: what an order is worth that knows nothing.
    """

    curves: NDArray[np.float64]
    random: NDArray[np.float64]

    def areas(self) -> NDArray[np.float64]:
        """Return the area under each image's curves, shape ``(images, 2)``."""
        return area_under_curve(self.curves)

    def estimates(self) -> dict[str, dict[str, Estimate]]:
        """Return, by kind, the mean areas under heat map and random map, and their paired difference."""
        ours, random = self.areas(), area_under_curve(self.random)
        resampling = Resampling.of_images(len(ours))
        named = {"auc": ours, "auc_random": random, "difference": ours - random}
        columns = {name: mean_intervals(areas, resampling) for name, areas in named.items()}
        return {kind: {name: columns[name][index] for name in named} for index, kind in enumerate(KINDS)}

    def mean_curves(self) -> dict[str, list[Estimate]]:
        """Return the mean curves with their intervals, by kind, and ``random_`` kind for the random map's."""
        resampling = Resampling.of_images(len(self.curves))
        named = {
            f"{prefix}{kind}": of[:, index]
            for prefix, of in (("", self.curves), ("random_", self.random))
            for index, kind in enumerate(KINDS)
        }
        return {name: mean_intervals(curves, resampling) for name, curves in named.items()}


def perturb(
    explainer: Explainer,
    subjects: Sequence[Subject],
    *,
    baseline: Baseline,
    steps: int,
    seed: int,
    listener: Listener,
) -> Perturbed:
    """Follow the probability of each subject's class while its pixels are inserted and deleted.

    Args:
        explainer: The trained network.
        subjects: The images with their maps.
        baseline: What a deleted pixel becomes.
        steps: Number of steps.
        seed: Seed of the random maps and of the order of equal pixels.
        listener: Told of progress.
    """
    listener.start("insertion and deletion", len(subjects))
    curves = []
    for subject in subjects:
        without = baseline_image(subject.tensor, baseline)
        orders = [
            importance_ranks(values, seed)
            for values in (subject.original.values, _random_map(explainer, subject, seed))
        ]
        curves.append(
            [
                perturbation_curves(
                    explainer.probabilities,
                    subject.tensor,
                    without,
                    ranks,
                    target=subject.target,
                    steps=steps,
                    batch_size=explainer.batch_size,
                )
                for ranks in orders
            ]
        )
        listener.advance()
    found = np.array(curves)
    return Perturbed(found[:, 0], found[:, 1])


def _random_map(explainer: Explainer, subject: Subject, seed: int) -> NDArray[np.float32]:
    grid = random_grid(explainer.provenance.grid, subject.image_id, seed, explainer.provenance.smooth)
    return heat_map(grid, subject.frame, status=judge(grid), space=Space.INPUT).values
