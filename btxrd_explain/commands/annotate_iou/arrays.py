"""The evaluation of plain arrays: heat maps from anywhere against masks, with the numbers of ``annotate-iou``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from btxrd_explain.commands.annotate_iou.compared import Compared
from btxrd_explain.commands.annotate_iou.metrics_table import metrics_schema, metrics_table, prefix_of
from btxrd_explain.commands.annotate_iou.readers import reader_rows
from btxrd_explain.core.arrays import checked_count, checked_items, checked_lists, checked_mask, checked_names
from btxrd_explain.core.ceiling import ideal_grid
from btxrd_explain.core.choices import Consensus, Operator, ResizeMode, Rule
from btxrd_explain.core.geometry import Frame, Size
from btxrd_explain.core.heatmap import HeatMap, MapStatus, heat_map, judge
from btxrd_explain.core.metrics.baselines import AverageMask, Lattice, centre_grid, random_grid
from btxrd_explain.core.metrics.plain import GRID, as_heat_map, measured, regions_of, threshold_of
from btxrd_explain.evaluation.human import describe_readers
from btxrd_explain.evaluation.protocol import BASELINES, INDEPENDENT, MapKind
from btxrd_explain.evaluation.sample import Sample, Slice, by_values
from btxrd_explain.evaluation.score import Exclusion, Score
from btxrd_explain.evaluation.summaries import summarise
from btxrd_explain.predictions.record import Prediction, RowStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from btxrd_explain.core.threshold import Threshold
    from btxrd_explain.evaluation.human import HumanBenchmark
    from btxrd_explain.evaluation.schema import Metric

_ONLY_OF_TABLES = (
    *("class", "predicted", "confidence", "outcome", "detail", "target_class", "target_probability", "lesions"),
    *("true_class_std", "map_agreement", "seen_fraction", "lesion_seen_fraction", "scored_from"),
)
"""Columns on predictions, which plain arrays do not have."""
_COUNTS = ("n", "units", "n_undefined")


@dataclass(frozen=True, slots=True, eq=False)
class ArrayEvaluation:
    """What was measured on heat maps and masks.

    Attributes:
        per_image: A row per image, named and defined as in ``annotation_metrics.parquet``: ``image_id``, ``excluded``
            and ``undefined`` (why it has no part, or no scores), all scores, those of the ceiling (``ceiling_iou``) and
            of the baselines (``baseline_random_iou``); ``meta_group`` and ``meta_<name>`` where they are given.
        summary: A row per slice and score: ``mean`` with the ends ``low`` and ``high`` of its 95 % bootstrap interval,
            ``n``, ``units``, ``n_undefined``, ``chance``, ``chance_from``, ``ceiling``, and of each baseline the mean
            (``random``) and the paired difference with its interval (``random_difference``, ``random_difference_low``,
            ``_high``); likewise of each comparator (``comparator_<name>``, ``comparator_<name>_difference``).
        readers: A row per image and reader: ``fate``, and the scores of the reader (``reader_iou``) and of the heat map
            (``heat_map_iou``) against the same reference; None without readers.
        benchmark: What the readers score and how they agree, as ``human`` in ``annotation_report.json``; None without.
    """

    per_image: pa.Table
    summary: pa.Table
    readers: pa.Table | None = None
    benchmark: HumanBenchmark | None = None


@dataclass(frozen=True, slots=True)
class _Comparison:
    """How arrays are compared."""

    threshold: Threshold
    grid: Size
    tolerance: float | None
    baselines: bool
    seed: int


def evaluate(  # noqa: PLR0913 -- a keyword for each choice that moves a number
    heatmaps: Iterable[Any],
    masks: Iterable[Any] | None = None,
    *,
    names: Sequence[str] | None = None,
    groups: Sequence[Any] | None = None,
    by: Mapping[str, Sequence[Any]] | None = None,
    threshold: float = 0.5,
    threshold_rule: Rule | str = Rule.FIXED,
    percentile: float = 5.0,
    operator: Operator | str = Operator.AT_LEAST,
    grid: Sequence[int] = GRID,
    tolerance: float | None = None,
    baselines: bool = True,
    readers: Mapping[str, Sequence[Any]] | None = None,
    consensus: Consensus | str = Consensus.MAJORITY,
    comparators: Mapping[str, Sequence[Any]] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> ArrayEvaluation:
    """Score many heat maps against their annotations, with intervals, chance, baselines and ceiling.

    Args:
        heatmaps: A heat map per image as :func:`btxrd_explain.score` takes it: shape ``(height, width)``, floating
            values in [0, 1]; images may differ in size.
        masks: A mask per image, of the shape of its heat map. An image without an annotated pixel is excluded. None
            takes the consensus of the readers, and compares each of them with that of the others.
        names: A unique name per image; None counts them from 0. The random baseline depends on the name.
        groups: What each image belongs to, such as a patient; intervals then draw whole groups. None, or None for an
            image, draws single images.
        by: Further slices: a value per image by the name of a column, such as ``{"center": [1, 1, 2]}``.
        threshold: See :func:`btxrd_explain.score`.
        threshold_rule: Likewise.
        percentile: Likewise.
        operator: Likewise.
        grid: Rows and columns of the class-activation grid that the maps were enlarged from; ceiling and baselines are
            grids of this size.
        tolerance: See :func:`btxrd_explain.score`.
        baselines: Whether maps that know nothing of the classifier are scored too: random, centre, and the average mask
            of the other images.
        readers: Human readers: a mask per image by the name of each; None for an image that a reader did not annotate.
        consensus: ``majority``, ``union`` or ``intersection`` of readers, without masks.
        comparators: Detectors and segmenters: by the name of each a map per image of what it found, scores in [0, 1] or
            a boolean mask; None for an image of which nothing is known.
        resamples: Draws of the bootstrap, at least 1.
        seed: Seed of the bootstrap and of the random baseline, at least 0.

    Returns:
        Arrow tables, of which each has ``to_pandas()`` where pandas is installed.

    Raises:
        TypeError: An argument is of another kind.
        ValueError: Numbers of images disagree, a name comes twice, shapes differ, a value is out of range, or nothing
            is annotated.

    >>> heat = np.linspace(0, 1, 64).reshape(8, 8)
    >>> result = evaluate([heat, heat.T], [heat > 0.9, heat > 0.5], names=["a.png", "b.png"])
    >>> result.per_image.column("iou").to_pylist()[1] < 0.5, result.summary.num_rows
    (True, 16)
    """
    heats = [
        as_heat_map(heat, grid, f"heatmaps[{number}]")
        for number, heat in enumerate(checked_items(heatmaps, "heatmaps"))
    ]
    others = checked_lists(readers, "readers"), checked_lists(comparators, "comparators")
    compared = Compared.of(heats, *others, consensus if masks is None else None, grid)
    ids = checked_names(names, len(heats))
    columns = {**({} if groups is None else {"group": checked_items(groups, "groups")}), **checked_lists(by, "by")}
    checked = _checked(
        heats, compared.agreed() if masks is None else checked_items(masks, "masks"), {"names": ids, **columns}
    )
    comparison = _Comparison(
        threshold_of(threshold, threshold_rule, percentile, operator),
        Size(*(checked_count(side, 1, "grid") for side in grid)),
        tolerance,
        baselines,
        checked_count(seed, 0, "seed"),
    )
    scores = _with_comparators(_scores(comparison, ids, heats, checked), comparison, compared, checked)
    texts = {name: [None if value is None else str(value) for value in values] for name, values in columns.items()}
    rows = [number for number, score in enumerate(scores) if score.excluded is None]
    drawn = {"resamples": checked_count(resamples, 1, "resamples"), "seed": comparison.seed}
    own = None if groups is None else [texts["group"][row] for row in rows]
    sample = Sample.of([scores[row] for row in rows], (), groups=own, **drawn)
    slices = {"all": sample.everything()}
    for name in by or {}:
        parts = by_values([texts[name][row] for row in rows])
        slices |= {f"{name}: {part.name}": part for part in parts}
    read = compared.read(ids, checked, comparison.threshold)
    of_image = None if groups is None else dict(zip(ids, texts["group"], strict=True))
    per_image, summary = _per_image(scores, texts, list(compared.comparators)), _summary(sample, slices)
    if not readers:
        return ArrayEvaluation(per_image, summary, None, None)
    described = describe_readers(read, list(compared.readers), compared.consensus, groups=of_image, **drawn)
    return ArrayEvaluation(per_image, summary, reader_rows(read, ()), described)


def _with_comparators(
    scores: Iterable[Score], how: _Comparison, compared: Compared, masks: Sequence[NDArray[np.bool_]]
) -> list[Score]:
    return [
        replace(
            score,
            hottest=compared.heats[row].hottest,
            comparators=compared.scores(row, masks[row], how.threshold, how.tolerance),
            agreements=compared.agreements(row, how.threshold),
        )
        for row, score in enumerate(scores)
    ]


def _checked(
    heats: Sequence[HeatMap], masks: Sequence[Any], columns: Mapping[str, Sequence[Any]]
) -> list[NDArray[np.bool_]]:
    """Return the masks, after a look whether there is one of each, and of each column, per heat map."""
    for what, values in {"masks": masks, **columns}.items():
        if len(values) != len(heats):
            raise ValueError(f"{what}: expected {len(heats)} values, one per heat map, got {len(values)}")
    if len(set(columns["names"])) < len(heats):
        raise ValueError("names: expected each of them once, got one twice")
    checked = [
        checked_mask(mask, heat.values.shape, f"masks[{number}]")
        for number, (heat, mask) in enumerate(zip(heats, masks, strict=True))
    ]
    if not any(mask.any() for mask in checked):
        raise ValueError("masks: expected an annotated pixel in at least one, got none")
    return checked


def _per_image(
    scores: Sequence[Score], columns: Mapping[str, Sequence[str | None]], comparators: Sequence[str]
) -> pa.Table:
    """Return the scores as a table, without the columns of predictions and of maps that were not measured."""
    table = metrics_table(scores, (), columns=columns, schema=metrics_schema(tuple(columns), None, comparators))
    absent = [prefix_of(kind) for kind in MapKind if not any(kind in score.metrics for score in scores)]
    unused = [name for name in table.column_names if name.startswith(tuple(absent))]
    return table.drop_columns([*_ONLY_OF_TABLES, *unused])


def _scores(
    how: _Comparison, names: Sequence[str], heats: Sequence[HeatMap], masks: Sequence[NDArray[np.bool_]]
) -> Iterator[Score]:
    """Yield the score of each image."""
    average = AverageMask()
    if how.baselines:
        for name, mask in zip(names, masks, strict=True):
            if mask.any():
                average.add(ideal_grid(mask, _frame(mask), how.grid), name)
    for name, heat, mask in zip(names, heats, masks, strict=True):
        row = Prediction(name, "", None, None, RowStatus.OK)
        if not mask.any():
            found = measured(heat, mask, None, how.threshold, how.tolerance)
            yield Score(row, excluded=Exclusion.EMPTY_ANNOTATION, metrics={MapKind.MODEL: found.metrics})
            continue
        lattice = Lattice.of(mask, partial(regions_of, mask))
        results = {
            kind: lattice.measure(one, how.threshold, how.tolerance)
            if kind in BASELINES
            else measured(one, mask, None, how.threshold, how.tolerance)
            for kind, one in _maps(how, name, heat, mask, average, lattice.step)
        }
        yield Score(
            row,
            undefined=None if heat.status is MapStatus.OK else str(heat.status),
            lesion_share=lattice.share,
            metrics={kind: result.metrics for kind, result in results.items()},
            curves={k: result.curve.astype(np.float32) for k, result in results.items() if result.curve is not None},
        )


def _maps(
    how: _Comparison, name: str, heat: HeatMap, mask: NDArray[np.bool_], average: AverageMask, step: int
) -> Iterator[tuple[MapKind, HeatMap]]:
    """Yield the heat map, and those that it is compared with."""
    yield MapKind.MODEL, heat
    frame = _frame(mask)
    grids = {MapKind.CEILING: ideal_grid(mask, frame, how.grid)}
    if how.baselines:
        grids |= {MapKind.RANDOM: random_grid(how.grid, name, how.seed), MapKind.CENTRE: centre_grid(how.grid)}
        others = average.grid(without=name)
        grids |= {} if others is None else {MapKind.AVERAGE: others}
    for kind, grid in grids.items():
        yield kind, heat_map(grid, frame, status=judge(grid), step=step if kind in BASELINES else 1)


def _frame(mask: NDArray[np.bool_]) -> Frame:
    size = Size(*mask.shape)
    return Frame.fit(size, size, ResizeMode.SQUASH)


def _summary(sample: Sample, slices: Mapping[str, Slice]) -> pa.Table:
    import pyarrow as pa

    rows = [
        {"slice": name, "metric": metric, **_numbers(estimate)}
        for name, part in slices.items()
        for metric, estimate in summarise(sample, part).metrics.items()
    ]
    kinds = dict.fromkeys(("slice", "metric", "chance_from"), pa.string()) | dict.fromkeys(_COUNTS, pa.int64())
    return pa.Table.from_pylist(rows, pa.schema([(name, kinds.get(name, pa.float64())) for name in rows[0]]))


def _numbers(metric: Metric) -> dict[str, Any]:
    """Return a score of a slice as cells; what was not measured is None."""
    cells: dict[str, Any] = {name: getattr(metric, name) for name in ("mean", "low", "high", *_COUNTS)}
    cells |= {"chance": metric.chance, "chance_from": metric.chance_from}
    cells["ceiling"] = None if metric.ceiling is None else metric.ceiling.mean
    for kind in INDEPENDENT:
        if kind is not MapKind.EDGES:  # which needs the radiographs
            baseline = metric.baselines.get(str(kind))
            cells[str(kind)] = baseline and baseline.mean
            for name, end in (("difference", "mean"), ("difference_low", "low"), ("difference_high", "high")):
                cells[f"{kind}_{name}"] = baseline and getattr(baseline.difference, end)
    for other, found in metric.comparators.items():
        cells |= {f"comparator_{other}": found.mean, f"comparator_{other}_difference": found.difference.mean}
        cells[f"comparator_{other}_difference_low"] = found.difference.low
        cells[f"comparator_{other}_difference_high"] = found.difference.high
    return cells
