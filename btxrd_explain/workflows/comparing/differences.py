"""How the scores of several tables differ on the same images."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.statistics import mean_intervals
from btxrd_explain.workflows.comparing.schema import BoundedMean
from btxrd_explain.workflows.evaluation.protocol import MapKind
from btxrd_explain.workflows.evaluation.sample import NAMES, Sample
from btxrd_explain.workflows.evaluation.slice_schema import Mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from btxrd_explain.core.statistics import Estimate
    from btxrd_explain.workflows.evaluation.evaluate import Evaluation


@dataclass(frozen=True, slots=True)
class Paired:
    """The images that are evaluated in all tables, in columns, in the same order in each.

    Attributes:
        samples: The columns of each table, by its name.
        excluded: Number of images that one of the tables has no score of, by reason.
    """

    samples: Mapping[str, Sample]
    excluded: Mapping[str, int]

    @property
    def first(self) -> Sample:
        """The columns of the table that the others are held against."""
        return next(iter(self.samples.values()))

    @property
    def jointly(self) -> NDArray[np.bool_]:
        """Where all tables define a metric, boolean, shape ``(images, metrics)``: all means run over these."""
        undefined = np.isnan([sample.values[MapKind.MODEL] for sample in self.samples.values()])
        return np.asarray(~undefined.any(axis=0))

    def column(self, name: str, metric: str) -> NDArray[np.float64]:
        """Return a metric of a table, float64, shape ``(images,)``; NaN where one of the tables does not define it."""
        return np.where(self.jointly[:, NAMES.index(metric)], self.samples[name].column(metric), np.nan)

    def means(self, name: str) -> dict[str, BoundedMean]:
        """Return the mean of every metric of a table beside chance and ceiling."""
        sample, width = self.samples[name], len(NAMES)
        by_formula = sample.chance[MapKind.MODEL]
        chance = np.where(np.isnan(by_formula).all(axis=0), sample.values[MapKind.RANDOM], by_formula)
        drawn = self._estimates(sample.values[MapKind.MODEL], chance, sample.values[MapKind.CEILING])
        parts = zip(NAMES, drawn[:width], drawn[width : 2 * width], drawn[2 * width :], strict=True)
        return {
            metric: BoundedMean(**_mean(own).model_dump(), chance=by_chance.value, ceiling=ceiling.value)
            for metric, own, by_chance, ceiling in parts
        }

    def difference(self, name: str) -> dict[str, Mean]:
        """Return the mean difference of every metric, a table minus the first, image by image."""
        by = self.samples[name].values[MapKind.MODEL] - self.first.values[MapKind.MODEL]
        return {metric: _mean(estimate) for metric, estimate in zip(NAMES, self._estimates(by), strict=True)}

    def _estimates(self, *blocks: NDArray[np.float64]) -> list[Estimate]:
        """Estimate the means of columns, block by block, over the images in which all tables define the metric."""
        jointly = self.jointly
        columns = np.concatenate([np.where(jointly, block, np.nan) for block in blocks], axis=1)
        return mean_intervals(columns, self.first.resampling(np.arange(len(columns))))


def pair(
    evaluations: Mapping[str, Evaluation], *, groups: Sequence[str | None] | None, resamples: int, seed: int
) -> Paired:
    """Pair the scores of several tables, which hold the same images in the same order.

    Args:
        evaluations: What was measured on each table, by its name.
        groups: The group of each image, where intervals draw groups.
        resamples: Draws of the bootstrap.
        seed: Its seed.
    """
    columns = [evaluation.scores for evaluation in evaluations.values()]
    reasons = [
        next((score.excluded for score in image if score.excluded), None) for image in zip(*columns, strict=True)
    ]
    kept = [place for place, reason in enumerate(reasons) if reason is None]
    return Paired(
        {
            name: Sample.of(
                [evaluation.scores[place] for place in kept],
                evaluation.selected.table.provenance.class_names,
                groups=None if groups is None else [groups[place] for place in kept],
                resamples=resamples,
                seed=seed,
            )
            for name, evaluation in evaluations.items()
        },
        dict(Counter(str(reason) for reason in reasons if reason is not None)),
    )


def _mean(estimate: Estimate) -> Mean:
    return Mean(mean=estimate.value, low=estimate.low, high=estimate.high, n=estimate.n)
