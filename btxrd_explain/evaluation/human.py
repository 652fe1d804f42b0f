"""The human benchmark in numbers: what readers score, what the heat map scores with them, and how they agree."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from btxrd_explain.core.choices import ALL_READERS
from btxrd_explain.core.readers import Fate, RegionScores
from btxrd_explain.core.statistics import Estimate as Found
from btxrd_explain.core.statistics import Resampling, estimates_of, exactly_summable, mean_intervals, ratio
from btxrd_explain.evaluation.parts import Estimate, Part
from btxrd_explain.evaluation.sample import joined

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from numpy.typing import NDArray

    from btxrd_explain.core.choices import Consensus
    from btxrd_explain.evaluation.readers import ReadImage

NAMES = RegionScores._fields
"""The scores, in the order of their columns."""


class ReaderScore(Part):
    """A score of a reader and of the heat map, on the same images: those in which both are defined."""

    reader: Estimate = Field(description="The reader's score.")
    heat_map: Estimate = Field(description="The heat map's, compared with the same reference.")
    difference: Estimate = Field(description="Heat map minus reader, image by image (paired bootstrap).")
    fraction: Estimate = Field(
        description="Fraction of the human benchmark: mean of the heat map divided by mean of the reader."
    )


class ReaderResult(Part):
    """A reader, or all of them, and the heat map."""

    images: dict[str, int] = Field(
        description="Number of images by what became of them; an image that a reader left empty has no score."
    )
    undefined_heat_maps: int = Field(description="Scored images without a heat map; they count in no mean.")
    scores: dict[str, ReaderScore]


class ReaderAgreement(Part):
    """How far two readers agree."""

    readers: list[str] = Field(min_length=2, max_length=2)
    both_drew: int = Field(description="Images in which both drew a lesion; iou and dice are of them.")
    one_drew: int = Field(description="Images that both annotated, and in which one of them drew nothing.")
    none_drew: int = Field(description="Images that both annotated, and in which neither drew a lesion.")
    iou: Estimate
    dice: Estimate


class HumanBenchmark(Part):
    """Human readers in the protocol of the heat maps."""

    consensus: Literal["majority", "union", "intersection"] | None = Field(
        description="Each reader and the heat map are compared with this of the other readers; null: with the "
        "annotations."
    )
    readers: dict[str, ReaderResult]
    all_readers: ReaderResult = Field(description="The mean over the readers of each image.")
    agreement: list[ReaderAgreement] = Field(description="Of each two readers.")

    @property
    def results(self) -> list[tuple[str, ReaderResult]]:
        """The readers by their names, and last all of them."""
        return [*self.readers.items(), (ALL_READERS, self.all_readers)]

    @property
    def compared_with(self) -> str:
        """What readers and heat maps are compared with, in words."""
        return "the annotations" if self.consensus is None else f"the {self.consensus} of the other readers"


def describe_readers(
    images: Sequence[ReadImage],
    names: Sequence[str],
    consensus: Consensus | None,
    *,
    groups: Mapping[str, Hashable] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> HumanBenchmark:
    """Describe what readers scored; neither their names nor their order change a number.

    Args:
        images: What the readers of each image scored.
        names: The readers.
        consensus: What they are compared with; None for one reference.
        groups: What each image belongs to, by its name, such as a patient; None draws single images.
        resamples: Draws of the bootstrap.
        seed: Its seed.
    """
    units = joined([(groups or {}).get(one.image_id) for one in images], [one.content for one in images])
    drawn = Resampling.of_groups(units, resamples=resamples, seed=seed)
    pairs = [[one.reading.pairs[name] for name in names] for one in images]
    shape = (len(images), len(names), len(NAMES))
    reader = np.array([[_row(pair.reader) for pair in row] for row in pairs], np.float64).reshape(shape)
    heat = np.array([[_row(pair.heat_map) for pair in row] for row in pairs], np.float64).reshape(shape)
    both = ~np.isnan(reader) & ~np.isnan(heat)
    reader, heat = (np.where(both, values, np.nan) for values in (reader, heat))
    fates = [[pair.fate for pair in row] for row in pairs]
    no_map = [[pair.fate is Fate.SCORED and pair.heat_map.iou is None for pair in row] for row in pairs]
    return HumanBenchmark(
        consensus=None if consensus is None else consensus.value,
        readers={
            name: _result(
                [row[place] for row in fates], [row[place] for row in no_map], reader[:, place], heat[:, place], drawn
            )
            for place, name in enumerate(names)
        },
        all_readers=_result(
            [fate for row in fates for fate in row],
            [no for row in no_map for no in row],
            _mean(reader),
            _mean(heat),
            drawn,
        ),
        agreement=[_agreement(images, two, drawn) for two in combinations(names, 2)],
    )


def _row(scores: RegionScores) -> list[float]:
    return [np.nan if value is None else value for value in scores]


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over the readers, added up in the order of the values so that no reader comes first."""
    ordered = np.sort(values, axis=1)
    return ratio(np.nansum(ordered, axis=1), (~np.isnan(ordered)).sum(axis=1))


def _result(
    fates: Sequence[Fate],
    without: Sequence[bool],
    reader: NDArray[np.float64],
    heat: NDArray[np.float64],
    drawn: Resampling,
) -> ReaderResult:
    """Put one reader and the heat map into numbers, float64 of shape ``(images, scores)`` each."""
    estimates = mean_intervals(np.concatenate([reader, heat, heat - reader], axis=1), drawn)
    width, counts = len(NAMES), Counter(fates)
    return ReaderResult(
        images={str(fate): counts[fate] for fate in Fate},
        undefined_heat_maps=sum(without),
        scores={
            name: ReaderScore(
                reader=Estimate.of(estimates[column]),
                heat_map=Estimate.of(estimates[width + column]),
                difference=Estimate.of(estimates[2 * width + column]),
                fraction=Estimate.of(_fraction(heat[:, column], reader[:, column], drawn)),
            )
            for column, name in enumerate(NAMES)
        },
    )


def _fraction(heat: NDArray[np.float64], reader: NDArray[np.float64], drawn: Resampling) -> Found:
    """Return the ratio of two means over the same images; undefined where the readers' is 0."""
    rows = np.flatnonzero(~np.isnan(heat))
    if not rows.size:
        return Found(None, None, None, 0, 0)
    part = Resampling.of_groups(drawn.unit_of[rows].tolist(), resamples=drawn.resamples, seed=drawn.seed)
    sums = exactly_summable(np.stack([heat[rows], reader[rows]], axis=1))
    (found,) = estimates_of(lambda weights: ratio(*np.split(weights @ sums, 2, axis=1)), part)
    return found


def _agreement(images: Sequence[ReadImage], two: tuple[str, str], drawn: Resampling) -> ReaderAgreement:
    found = [one.reading.agreements[two] for one in images]
    values = np.array([[_known(one.iou), _known(one.dice)] for one in found], np.float64).reshape(-1, 2)
    iou, dice = mean_intervals(values, drawn)
    counts = Counter(one.drawn for one in found)
    return ReaderAgreement(
        readers=list(two),
        both_drew=counts[2],
        one_drew=counts[1],
        none_drew=counts[0],
        iou=Estimate.of(iou),
        dice=Estimate.of(dice),
    )


def _known(value: float | None) -> float:
    return np.nan if value is None else value
