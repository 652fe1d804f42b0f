"""The evaluated radiographs as columns of numbers, and the slices that they are reported by."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.duplicates import Groups, equal_groups
from btxrd_explain.core.metrics.catalogue import METRICS, chance_level
from btxrd_explain.core.statistics import Resampling
from btxrd_explain.evaluation.protocol import MapKind

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from btxrd_explain.core.metrics import ImageMetrics
    from btxrd_explain.evaluation.score import Score

NAMES: tuple[str, ...] = tuple(METRICS)
"""The metrics, in the order of the columns."""
MOST_SLICES = 50
"""More slices nobody reads, and each takes time; a column of text with more values names patients or images."""
_MANY, _FEW = 10, 3
"""A column of numbers with more different values is cut into terciles; up to the second they may be codes."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Some of the evaluated radiographs.

    Attributes:
        name: What they have in common.
        rows: Their positions in the sample, intp, ascending.
        kind: The classifier's map that is measured in them.
    """

    name: str
    rows: NDArray[np.intp]
    kind: MapKind = MapKind.MODEL


@dataclass(frozen=True, slots=True)
class Sample:
    """The evaluated radiographs as columns of numbers; NaN is undefined.

    Attributes:
        scores: Their scores.
        class_names: Names of the classes.
        values: Float64 array of shape ``(images, metrics)`` per map.
        chance: Likewise the chance levels that follow from a formula, which may depend on the map's region.
        units: What intervals draw: the group and the copies that each image belongs to.
        resamples: Draws of the bootstrap.
        seed: Seed of the bootstrap.
        comparators: Float64 array of shape ``(images, metrics)`` per detector or segmenter.
    """

    scores: Sequence[Score]
    class_names: tuple[str, ...]
    values: Mapping[MapKind, NDArray[np.float64]]
    chance: Mapping[MapKind, NDArray[np.float64]]
    units: Sequence[Hashable]
    resamples: int = 1000
    seed: int = 0
    comparators: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        scores: Sequence[Score],
        class_names: tuple[str, ...],
        *,
        groups: Sequence[Hashable] | None = None,
        resamples: int = 1000,
        seed: int = 0,
    ) -> Sample:
        """Put scores of evaluated radiographs into columns; exact copies of one image are drawn as one."""
        values = {kind: _matrix([score.metrics.get(kind) for score in scores]) for kind in MapKind}
        chance = {kind: _chances([score.metrics.get(kind) for score in scores]) for kind in MapKind}
        units = joined(groups or [None] * len(scores), [score.row.content for score in scores])
        names = dict.fromkeys(name for score in scores for name in score.comparators)
        others = {name: _matrix([score.comparators.get(name) for score in scores]) for name in names}
        return cls(scores, class_names, values, chance, units, resamples, seed, others)

    def resampling(self, rows: NDArray[np.intp]) -> Resampling:
        """Return how some of the images are drawn again."""
        return Resampling.of_groups([self.units[row] for row in rows], resamples=self.resamples, seed=self.seed)

    def column(self, name: str, kind: MapKind = MapKind.MODEL) -> NDArray[np.float64]:
        """Return one metric of all images, float64, shape ``(images,)``."""
        column: NDArray[np.float64] = self.values[kind][:, NAMES.index(name)]
        return column

    def everything(self) -> Slice:
        """Return the slice of all images."""
        return Slice("all", np.arange(len(self.scores)))

    def by(self, name_of: Callable[[Score], str | None]) -> list[Slice]:
        """Slice by what a function says of each score; None is in no slice."""
        names = [name_of(score) for score in self.scores]
        return _one_each(names, {name for name in names if name is not None})

    def by_class(self) -> list[Slice]:
        """Slice by true class."""
        return self.by(lambda score: score.label)

    def by_outcome(self) -> list[Slice]:
        """Slice by outcome of the tumour classes; see :meth:`by_class_and_outcome`."""
        slices = self.by_class_and_outcome()
        outcomes = {name: [part for part in slices if part.name.endswith(f", {name}")] for name in ("TP", "FN", "FP")}
        return [
            Slice(name, np.unique(np.concatenate([part.rows for part in parts])), parts[0].kind)
            for name, parts in outcomes.items()
            if parts
        ]

    def by_class_and_outcome(self) -> list[Slice]:
        """Slice by tumour class and outcome.

        Of a class c, TP are images of c that were predicted so, FN are those that were not, and FP are annotated
        images of another class that were predicted as c; there the map of c is measured, whatever the protocol's
        class, for it raised the alarm. An image of one tumour class that was taken for another is FN of the one and
        FP of the other. Where classes do not exclude each other, all three are those of the class that is measured.
        An image without a prediction, whose heat map was imported, is none of them.
        """
        found: list[Slice] = []
        for index, name in enumerate(self.class_names):
            if any(name in score.no_lesion for score in self.scores[:1]):
                continue
            if any(score.case for score in self.scores):
                found += self._cases(index, name)
                continue
            known = np.array([None not in (score.true, score.row.predicted) for score in self.scores], dtype=bool)
            true = np.array([score.true == index for score in self.scores], dtype=bool)
            predicted = np.array([score.row.predicted == index for score in self.scores], dtype=bool)
            parts = ("TP", true & predicted, MapKind.MODEL), ("FN", known & true & ~predicted, MapKind.MODEL)
            for outcome, member, kind in (*parts, ("FP", known & ~true & predicted, MapKind.FALSE_ALARM)):
                if member.any():
                    found.append(Slice(f"{name}, {outcome}", np.flatnonzero(member), kind))
        return found

    def _cases(self, index: int, name: str) -> list[Slice]:
        """Slice the scores of one class that excludes no other by outcome."""
        outcomes = np.array([s.outcome(self.class_names) if s.target == index else "" for s in self.scores])
        parts = {outcome: np.flatnonzero(outcomes == outcome) for outcome in ("TP", "FN", "FP")}
        return [Slice(f"{name}, {outcome}", rows) for outcome, rows in parts.items() if rows.size]

    def by_lesion_size(self) -> list[Slice]:
        """Slice by terciles of the annotated fraction of the radiograph."""
        shares = np.array([score.lesion_share for score in self.scores], dtype=np.float64)
        return terciles(shares, lambda share: f"{100 * share:.2g} %", ("small", "medium", "large"))


def by_values(values: Sequence[str | None]) -> list[Slice]:
    """Slice by a column of text; a column of many different numbers, or of numbers of one image, is cut into terciles.

    Other values that one image each has are in one slice together, whose name says so.

    >>> [(part.name, part.rows.tolist()) for part in by_values(["2", "10", None, "2", "10"])]
    [('2', [0, 3]), ('10', [1, 4])]
    >>> [(part.name, part.rows.tolist()) for part in by_values(["hip", "knee", "rib", "hip"])]
    [('hip', [0, 3]), ('2 values of one image each', [1, 2])]
    >>> [(part.name, part.rows.tolist()) for part in by_values(["31", "64", "9", "47"])]
    [('9 to 64', [0, 1, 2, 3])]
    """
    counts = Counter(value for value in values if value is not None)
    alone = sorted(value for value, count in counts.items() if count == 1)
    numbers = {value: number for value in counts if (number := _number(value)) is not None}
    if len(numbers) == len(counts) and (len(counts) > _MANY or (alone and len(counts) > _FEW)):
        column = np.array([np.nan if value is None else numbers[value] for value in values])
        return _parts_of_numbers(column)
    pooled = alone if len(alone) > 1 else []
    slices = _one_each(values, counts.keys() - set(pooled))
    if pooled:
        rows = np.array([row for row, own in enumerate(values) if own in pooled])
        slices.append(Slice(f"{len(pooled)} values of one image each", rows))
    return slices


def _one_each(values: Sequence[str | None], names: Iterable[str]) -> list[Slice]:
    """Return the slice of each name: numbers by size, then texts."""
    ordered = sorted(names, key=lambda name: (np.inf if (number := _number(name)) is None else number, name))
    return [Slice(name, np.array([row for row, own in enumerate(values) if own == name])) for name in ordered]


def _parts_of_numbers(column: NDArray[np.float64]) -> list[Slice]:
    """Cut a column of numbers into terciles; where one of them would be a single image, it is one slice."""
    parts = terciles(column, lambda number: f"{number:.4g}", ("low", "middle", "high"))
    if all(len(part.rows) > 1 for part in parts):
        return parts
    known = np.flatnonzero(~np.isnan(column))
    return [Slice(f"{column[known].min():.4g} to {column[known].max():.4g}", known)]


def count_slices(values: Iterable[str | None]) -> int:
    """Return how many slices :func:`by_values` makes at most."""
    distinct = {value for value in values if value is not None}
    in_terciles = len(distinct) > _MANY and all(_number(value) is not None for value in distinct)
    return 3 if in_terciles else len(distinct)


def joined(groups: Sequence[Hashable], contents: Sequence[str]) -> list[Hashable]:
    """Return the independent unit of each image: groups that share an image's content are one.

    Args:
        groups: The group of each image; None stands for a group of its own.
        contents: What tells the content of each image from others'.

    >>> joined([None, "p", "q", None, "q"], ["x", "x", "y", "y", "z"])
    [0, 0, 2, 2, 2]
    """
    units = Groups(len(groups))
    for keys in (groups, contents):
        for first, *others in equal_groups(keys):
            for other in others:
                units.join(first, other)
    return [units.find(place) for place in range(len(groups))]


def terciles(values: NDArray[np.float64], write: Callable[[float], str], names: tuple[str, str, str]) -> list[Slice]:
    """Slice by the terciles of a column of numbers; NaN is in no slice, and neither are empty terciles.

    Args:
        values: Float64 array of shape ``(images,)``.
        write: Writes a limit.
        names: Names of the terciles, ascending.
    """
    known = values[~np.isnan(values)]
    if not known.size:
        return []
    low, high = np.quantile(known, [1 / 3, 2 / 3]).tolist()
    parts = (
        (f"{names[0]} (up to {write(low)})", values <= low),
        (f"{names[1]} ({write(low)} to {write(high)})", (values > low) & (values <= high)),
        (f"{names[2]} (above {write(high)})", values > high),
    )
    return [Slice(name, np.flatnonzero(member)) for name, member in parts if member.any()]


def _matrix(metrics: Iterable[ImageMetrics | None]) -> NDArray[np.float64]:
    rows = [[_plain(None if of is None else getattr(of, name)) for name in NAMES] for of in metrics]
    return np.array(rows, dtype=np.float64).reshape(-1, len(NAMES))


def _chances(metrics: Iterable[ImageMetrics | None]) -> NDArray[np.float64]:
    rows = [[_plain(None if of is None else chance_level(name, of)) for name in NAMES] for of in metrics]
    return np.array(rows, dtype=np.float64).reshape(-1, len(NAMES))


def _plain(value: float | None) -> float:
    return np.nan if value is None else float(value)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
