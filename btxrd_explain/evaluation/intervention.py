"""What interventions change, image by image and in means: log-odds, probability, and flips of the prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.choices import Looks
from btxrd_explain.core.intervention import OTHERS, Condition, Design, Fill, Kind, Readings
from btxrd_explain.core.multi_label import reached
from btxrd_explain.core.reliance import excess, mean_of, rank_of
from btxrd_explain.core.statistics import mean_intervals
from btxrd_explain.evaluation.protocol import MapKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from btxrd_explain.core.statistics import Estimate, Resampling
    from btxrd_explain.evaluation.score import Score

MEASURES = ("log_odds", "probability", "flip")
"""What is measured of a change: in the log-odds and the probability of the class, and whether the prediction flips."""

# Names of effects, in reports and tables.


def effect_name(part: str, fill: Fill = Fill.INPAINT, margin: float = 0.0, *, first: float = 0.0) -> str:
    """Return the name of an effect of lesion or controls; nothing is added for what decides.

    Args:
        part: ``lesion``, ``control``, ``excess`` or ``rank``.
        fill: How they are filled; inpainting decides.
        margin: Their margin, in per cent.
        first: The margin that decides.

    >>> effect_name("excess"), effect_name("excess", Fill.BLUR, 10)
    ('excess', 'excess_blur_margin_10')
    """
    return part + ("" if fill is Fill.INPAINT else f"_{fill}") + ("" if margin == first else f"_margin_{margin:g}")


def effect_names(design: Design) -> list[str]:
    """Return the names of all effects of a design, in the order of reports and tables."""
    first = design.margins[0]
    names = [
        effect_name(part, fill, margin, first=first)
        for margin in design.margins
        for fill in Fill
        for part in ("lesion", "control", "excess")
    ]
    return names + [str(kind) for kind in OTHERS]


def counted_as(scores: Iterable[Score]) -> str:
    """Return what numbers count: images, or classes of images where one may have several."""
    return "classes of images" if any(score.case is not None for score in scores) else "images"


# One image.


@dataclass(frozen=True, slots=True, eq=False)
class Intervened:
    """A radiograph with what the network says of it under each condition.

    Attributes:
        score: Its score, and what is known of it.
        target: Index of the class whose log-odds are followed.
        readings: What the network says.
    """

    score: Score
    target: int
    readings: Readings

    @property
    def log_odds(self) -> float:
        """Log-odds of the class on the radiograph as it is."""
        return float(self.readings.log_odds[Condition(Kind.ORIGINAL)][self.target])

    def change(self, condition: Condition, levels: NDArray[np.float64] | None = None) -> tuple[float, float, float]:
        """Return what a condition changes, one number per measure; NaN where there is none.

        Args:
            condition: The condition.
            levels: The probability from which each class counts as predicted, shape ``(classes,)``; None where the most
                probable class is predicted.
        """
        after, before = self.readings.log_odds.get(condition), self.readings.log_odds[Condition(Kind.ORIGINAL)]
        if after is None or not np.isfinite([*before, *after]).all():
            return np.nan, np.nan, np.nan
        own = np.array([before[self.target], after[self.target]])
        chances = probability_of(own)
        if levels is None:
            decided = np.array([before.argmax(), after.argmax()])
        else:
            decided = reached(chances.astype(np.float32), levels[self.target : self.target + 1])
        return float(own[1] - own[0]), float(chances[1] - chances[0]), float(decided[0] != decided[1])


def probability_of(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probabilities of log-odds; any shape.

    >>> probability_of(np.array([0.0, -800.0])).tolist()
    [0.5, 0.0]
    """
    with np.errstate(over="ignore"):
        result: NDArray[np.float64] = 1 / (1 + np.exp(-log_odds))
    return result


# All images in columns.


@dataclass(frozen=True, slots=True, eq=False)
class Effects:
    """The effects on all radiographs; NaN is undefined.

    Attributes:
        images: The radiographs.
        design: Which conditions were made.
        values: Float64 array of shape ``(images, measures)`` by the name of the effect.
        controls: Effects on the log-odds of each control, float64, shape ``(images, controls)``, by fill and margin.
        ranks: Rank of the lesion among its controls, float64, shape ``(images,)``, by fill and margin.
    """

    images: Sequence[Intervened]
    design: Design
    values: Mapping[str, NDArray[np.float64]]
    controls: Mapping[tuple[Fill, float], NDArray[np.float64]]
    ranks: Mapping[tuple[Fill, float], NDArray[np.float64]]

    @classmethod
    def of(cls, images: Sequence[Intervened], design: Design, levels: NDArray[np.float64] | None = None) -> Effects:
        """Put the readings of radiographs into columns; ``levels`` as of :meth:`Intervened.change`."""

        def column(condition: Condition) -> NDArray[np.float64]:
            changes = [image.change(condition, levels) for image in images]
            return np.array(changes, dtype=np.float64).reshape(len(images), len(MEASURES))

        values, controls, ranks = {}, {}, {}
        for margin in design.margins:
            for fill in Fill:
                lesion = column(Condition(Kind.LESION, fill, margin))
                numbers = [Condition(Kind.CONTROL, fill, margin, number) for number in range(design.controls)]
                others = np.stack([column(condition) for condition in numbers], axis=-1)  # (images, measures, controls)
                mean = mean_of(others)
                found = {"lesion": lesion, "control": mean, "excess": lesion - mean}
                for part, array in found.items():
                    values[effect_name(part, fill, margin, first=design.margins[0])] = array
                controls[fill, margin] = others[:, 0]
                ranks[fill, margin] = rank_of(lesion[:, 0], others[:, 0])
        values |= {str(kind): column(Condition(kind)) for kind in OTHERS}
        return cls(images, design, values, controls, ranks)

    @property
    def first(self) -> float:
        """The margin that decides."""
        return self.design.margins[0]

    def excess(self) -> NDArray[np.float64]:
        """Return the excess of the log-odds that decides, shape ``(images,)``."""
        return excess(self.values["lesion"][:, 0], self.controls[Fill.INPAINT, self.first])

    def depends(self, fill: Fill = Fill.INPAINT, margin: float | None = None) -> NDArray[np.float64]:
        """Return 1 where the lesion's effect lies below that of every control, 0 elsewhere, NaN without a rank."""
        ranks = self.ranks[fill, self.first if margin is None else margin]
        return np.where(np.isnan(ranks), np.nan, ranks == 1)

    def by_chance(self) -> NDArray[np.float64]:
        """Return how often a lesion like its controls would lie below all of them, shape ``(images,)``."""
        counts = (~np.isnan(self.controls[Fill.INPAINT, self.first])).sum(axis=1)
        return np.where(np.isnan(self.ranks[Fill.INPAINT, self.first]), np.nan, 1 / (counts + 1))

    def agreement(self) -> NDArray[np.float64]:
        """Return 1 where both fills say the same of whether the class depends, 0 where not, NaN without a rank."""
        painted, soft = self.depends(Fill.INPAINT), self.depends(Fill.BLUR)
        return np.where(np.isnan(painted) | np.isnan(soft), np.nan, painted == soft)

    def estimates(self, rows: NDArray[np.intp], resampling: Resampling) -> dict[str, tuple[Estimate, ...]]:
        """Return the means over some images: by name of the effect one per measure, and ``depends`` and ``chance``.

        Args:
            rows: Places of the images.
            resampling: How they are drawn again.
        """
        columns = [*self.values.values(), self.depends()[:, None], self.by_chance()[:, None]]
        names = [*((name, len(MEASURES)) for name in self.values), ("depends", 1), ("chance", 1)]
        found = iter(mean_intervals(np.concatenate(columns, axis=1)[rows], resampling))
        return {name: tuple(next(found) for _ in range(width)) for name, width in names}


# Looks and depends: the four cells.


@dataclass(frozen=True, slots=True)
class Cell:
    """One of the four ways in which looking and depending go together.

    Attributes:
        name: In short.
        looks: Whether the map is on the lesion.
        depends: Whether the class depends on the lesion.
        meaning: What that says.
    """

    name: str
    looks: bool
    depends: bool
    meaning: str


CELLS = (
    Cell("looks, depends", looks=True, depends=True, meaning="map and classifier agree on the lesion"),
    Cell("looks, does not depend", looks=True, depends=False, meaning="the map flatters the classifier"),
    Cell("does not look, depends", looks=False, depends=True, meaning="the map misses what the classifier uses"),
    Cell("neither", looks=False, depends=False, meaning="something else decides: see the other conditions"),
)


def looks_at_lesion(score: Score, rule: Looks, fraction: float) -> bool | None:
    """Return whether the map of an image is on the lesion; None where that is undefined.

    Args:
        score: Its score.
        rule: What counts.
        fraction: With :attr:`Looks.IOU`, the fraction of the ceiling that the IoU must reach.
    """
    if score.model is None or score.excluded is not None:
        return None
    if rule is Looks.POINTING:
        return score.model.pointing_hit
    ceiling = score.metrics[MapKind.CEILING].iou
    return None if score.iou is None or not ceiling else score.iou >= fraction * ceiling


def cells_of(effects: Effects, looks: Sequence[bool | None]) -> list[Cell | None]:
    """Return the cell of each image; None where the map or the rank is undefined."""
    found: list[Cell | None] = []
    for look, depend in zip(looks, effects.depends(), strict=True):
        known = look is not None and not np.isnan(depend)
        found.append(next((c for c in CELLS if c.looks == look and c.depends == bool(depend)), None) if known else None)
    return found


def energies(effects: Effects) -> NDArray[np.float64]:
    """Return the energy of each map in the lesion's mask, shape ``(images,)``; NaN where undefined."""
    models = (image.score.model for image in effects.images)
    values = (None if model is None else model.energy_in_mask for model in models)
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def fractions_of_cells(cells: Sequence[Cell | None], resampling: Resampling) -> Iterator[tuple[Cell, Estimate]]:
    """Yield each cell with its fraction among the images that are in one."""
    member = np.array(
        [[np.nan if cell is None else float(cell is one) for one in CELLS] for cell in cells], dtype=np.float64
    ).reshape(len(cells), len(CELLS))
    yield from zip(CELLS, mean_intervals(member, resampling), strict=True)
