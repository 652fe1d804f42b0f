"""How far the heat maps of two tables agree, image by image, whatever is annotated: across seeds, folds or methods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.heatmap import MapStatus, heat_map
from btxrd_explain.core.metrics.similarity import spearman, ssim
from btxrd_explain.core.overlap import count_overlap
from btxrd_explain.core.statistics import Resampling, mean_intervals
from btxrd_explain.core.threshold import region_of
from btxrd_explain.evaluation.parts import Estimate, Part
from btxrd_explain.evaluation.score import cases_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping

    from numpy.typing import NDArray

    from btxrd_explain.evaluation.evaluate import Evaluation
    from btxrd_explain.predictions.record import Prediction
    from btxrd_explain.predictions.table import PredictionTable

SIDE = 128
"""Maps are compared with the longer side of the radiograph at this many pixels: grids are much coarser."""

# The content of `agreement` in `comparison.json`.


class Likeness(Part):
    """How alike maps are, on average over images."""

    iou: Estimate = Field(description="Of the regions that the rule cuts out of both maps.")
    spearman: Estimate = Field(description="Rank correlation of their pixels.")
    ssim: Estimate = Field(description="Mean structural similarity, windows of 7 x 7 pixels (Wang et al., 2004).")


class Agreement(Part):
    """How far the maps of a table agree with those of the first, of the same image and class."""

    maps: Likeness
    chance: Likeness = Field(
        description="The same of different images: the first table's map with this one's of the image before, of the "
        "same class."
    )
    same_prediction: Likeness = Field(description="Images in which both tables predict the same.")
    changed_prediction: Likeness = Field(description="Images in which they do not.")
    n_undefined: int = Field(description="Pairs in which a map is empty, flat or was not computed; they count nowhere.")


# How it is measured.


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two maps of one image and class.

    Attributes:
        image_id: The image.
        same: Whether both tables predict the same; None where one of them, of imported maps, predicts nothing.
        alike: IoU, rank correlation and structural similarity; NaN where undefined.
        chance: The same with the image before; NaN where there is none.
    """

    image_id: str
    same: bool | None
    alike: tuple[float, float, float]
    chance: tuple[float, float, float]


_UNDEFINED = (np.nan, np.nan, np.nan)


def agreement_of(
    first: Evaluation, other: Evaluation, units: Mapping[str, Hashable], *, resamples: int, seed: int
) -> Agreement:
    """Compare the maps of the images that two tables share.

    Args:
        first: The table that the other is compared with; its protocol says which class and which rule.
        other: The other one, with the same images.
        units: What the bootstrap draws, by ``image_id``.
        resamples: Draws of the bootstrap.
        seed: Its seed.
    """
    pairs = list(_pairs(first, other))
    alike, chance = (
        np.array([getattr(pair, name) for pair in pairs], np.float64).reshape(-1, 3) for name in ("alike", "chance")
    )
    same, changed = (np.array([pair.same is wanted for pair in pairs], bool) for wanted in (True, False))

    def likeness(values: NDArray[np.float64], chosen: NDArray[np.bool_]) -> Likeness:
        keys = [units[pair.image_id] for pair, kept in zip(pairs, chosen, strict=True) if kept]
        found = mean_intervals(values[chosen], Resampling.of_groups(keys, resamples=resamples, seed=seed))
        return Likeness(**dict(zip(Likeness.model_fields, map(Estimate.of, found), strict=True)))

    everything = np.ones(len(pairs), bool)
    return Agreement(
        maps=likeness(alike, everything),
        chance=likeness(chance, everything),
        same_prediction=likeness(alike, same),
        changed_prediction=likeness(alike, changed),
        n_undefined=int(np.isnan(alike[:, 0]).sum()),
    )


def _pairs(first: Evaluation, other: Evaluation) -> Iterator[_Pair]:
    """Yield the pairs of maps in the order of the tables, which are streamed side by side."""
    tables = [evaluation.selected.table for evaluation in (first, other)]
    names, others = (table.provenance.class_names for table in tables)
    wanted = first.selected.rows.column("image_id").to_pylist()
    before: dict[int, Prediction] = {}
    for one, two in zip(*(table.rows(wanted) for table in tables), strict=True):
        if not (one.explained and two.explained):
            continue
        for target in _targets(first, one, names):
            size, index = _size_of(one), others.index(names[target])
            here, there = _map(tables[0], one, target, size), _map(tables[1], two, index, size)
            last = before.get(target)
            elsewhere = None if last is None else _map(tables[1], last, index, size)
            known = one.predicted is not None and two.predicted is not None
            same = _said(first, one, names) == _said(other, two, others) if known else None
            yield _Pair(one.image_id, same, _alike(first, here, there), _alike(first, here, elsewhere))
            if there is not None:
                before[target] = two


def _targets(evaluation: Evaluation, row: Prediction, names: tuple[str, ...]) -> tuple[int, ...]:
    """Return the classes whose maps are compared, as `annotate-iou` would choose them."""
    protocol = evaluation.protocol
    if protocol.decisions is not None:
        return cases_of(row, protocol, protocol.decisions)
    target = protocol.target_of(row, names)
    return () if target is None else (target,)


def _said(evaluation: Evaluation, row: Prediction, names: tuple[str, ...]) -> frozenset[str]:
    """Return the names of what is predicted of an image."""
    decisions = evaluation.protocol.decisions
    predicted = [row.predicted] if decisions is None else decisions.said(row)
    return frozenset(names[index] for index in predicted if index is not None)


def _size_of(row: Prediction) -> Size:
    height, width = row.size or (SIDE, SIDE)
    scale = SIDE / max(height, width)
    return Size(max(round(height * scale), 1), max(round(width * scale), 1))


def _map(table: PredictionTable, row: Prediction, index: int, size: Size) -> NDArray[np.float32] | None:
    """Return a heat map on a radiograph of a small size, its own or another; None where it is not worth anything."""
    grid, status = row.grid(index), row.grid_statuses[index]
    if grid is None or status is not MapStatus.OK:
        return None
    heat = heat_map(grid, table.provenance.preprocessing.frame(size), status=status)
    return heat.values if heat.status is MapStatus.OK else None


def _alike(
    evaluation: Evaluation, one: NDArray[np.float32] | None, two: NDArray[np.float32] | None
) -> tuple[float, float, float]:
    if one is None or two is None:
        return _UNDEFINED
    regions = (region_of(values, evaluation.protocol.threshold) for values in (one, two))
    found = count_overlap(*regions).iou, spearman(one, two), ssim(one, two)
    iou, rho, structure = (np.nan if value is None else value for value in found)
    return iou, rho, structure
