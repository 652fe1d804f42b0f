"""How the scores of several tables differ on the same images."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.statistics import mean_intervals
from btxrd_explain.workflows.evaluation.sample import NAMES, Sample
from btxrd_explain.workflows.evaluation.slice_schema import Mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

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


def means_of(sample: Sample, less: Sample | None = None) -> dict[str, Mean]:
    """Return the mean of every metric with its interval.

    Args:
        sample: The images of one table.
        less: The same images of another table, whose scores are taken away image by image.
    """
    values = _model(sample) if less is None else _model(sample) - _model(less)
    estimates = mean_intervals(values, sample.resampling(np.arange(len(values))))
    return {
        name: Mean(mean=own.value, low=own.low, high=own.high, n=own.n)
        for name, own in zip(NAMES, estimates, strict=True)
    }


def _model(sample: Sample) -> NDArray[np.float64]:
    return np.stack([sample.column(name) for name in NAMES], axis=1)
