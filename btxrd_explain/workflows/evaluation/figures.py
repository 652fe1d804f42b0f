"""The charts of an evaluation: IoU over thresholds, and IoU over lesion size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.outputs.chart import Band
from btxrd_explain.outputs.iou_curve import IouCurves, build_iou_curve
from btxrd_explain.outputs.size_figure import SizeBin, SizeScatter, build_size_figure
from btxrd_explain.outputs.style import save_figure
from btxrd_explain.workflows.evaluation.protocol import MapKind
from btxrd_explain.workflows.evaluation.summaries import summarise
from btxrd_explain.workflows.naming import footer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from btxrd_explain.predictions.provenance import Provenance
    from btxrd_explain.settings import OutputSettings
    from btxrd_explain.workflows.evaluation.sample import Sample
    from btxrd_explain.workflows.evaluation.schema import Curve

_NAMES = {
    MapKind.CENTRE: "centre",
    MapKind.EDGES: "edges of the radiograph",
    MapKind.AVERAGE: "average lesion mask",
}


def draw_charts(
    sample: Sample, curve: Curve, threshold: float | None, provenance: Provenance, output: OutputSettings
) -> dict[str, Path]:
    """Draw the charts of an evaluation.

    Args:
        sample: The evaluated images.
        curve: Their mean IoU over thresholds.
        threshold: The threshold that was chosen beforehand; None where each image has its own.
        provenance: How the heat maps were made.
        output: Where the files go and what they look like.

    Returns:
        The files by kind; none where no image has an IoU.
    """
    if not curve.n:
        return {}
    note = footer(provenance)
    figures = {
        "annotation_curve": build_iou_curve(
            _curves(curve), threshold=threshold, best=curve.best.threshold, footer=note
        ),
        "annotation_size": build_size_figure(_points(sample), bins=list(_bins(sample)), footer=note),
    }
    files = {}
    for name, figure in figures.items():
        files[name] = output.directory / f"{name}.{output.format}"
        save_figure(figure, files[name], dpi=output.dpi)
    return files


def _curves(curve: Curve) -> IouCurves:
    chance = curve.baselines.get(MapKind.RANDOM)
    return IouCurves(
        thresholds=np.array(curve.thresholds),
        model=Band("classifier, with 95 % interval", *map(_line, (curve.mean, curve.low, curve.high))),
        images=curve.n,
        ceiling=Band("ceiling of the grid", _line(curve.ceiling)),
        chance=None if chance is None else Band("chance: a random grid", _line(chance)),
        baselines=[
            Band(name, _line(curve.baselines[kind])) for kind, name in _NAMES.items() if kind in curve.baselines
        ],
    )


def _points(sample: Sample) -> SizeScatter:
    rows = np.flatnonzero(~np.isnan(sample.column("iou")))
    return SizeScatter(
        shares=_shares(sample)[rows],
        ious=sample.column("iou")[rows],
        groups=[sample.scores[row].row.label or "" for row in rows.tolist()],
        order=[name for name in sample.class_names if any(score.row.label == name for score in sample.scores)],
        ceilings=sample.column("iou", MapKind.CEILING)[rows],
    )


def _bins(sample: Sample) -> Iterator[SizeBin]:
    shares = _shares(sample)
    for part in sample.by_lesion_size():
        iou = summarise(sample, part).metrics["iou"]
        own = shares[part.rows]
        yield SizeBin(float(own.min()), float(own.max()), iou.mean, iou.low, iou.high, iou.n)


def _shares(sample: Sample) -> NDArray[np.float64]:
    return np.array([score.lesion_share for score in sample.scores], dtype=np.float64)


def _line(values: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
