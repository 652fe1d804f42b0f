"""The figures of `annotate-iou`: charts of all radiographs, and panels of some."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.commands.drawing import footer, note_missing_glyphs
from btxrd_explain.core.choices import Space
from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.core.metrics import region_of
from btxrd_explain.core.panels import balanced_panels
from btxrd_explain.errors import RadiographError
from btxrd_explain.evaluation.lesions import lesions_of
from btxrd_explain.evaluation.protocol import MapKind, rule_in_words
from btxrd_explain.evaluation.summaries import summarise
from btxrd_explain.inference.explained import ExplainedImage
from btxrd_explain.outputs.chart import Band, named
from btxrd_explain.outputs.comparison_figure import Panel, build_comparison, cell_pixels
from btxrd_explain.outputs.marks import Marks, hottest_of, inset_of, inset_window, outlines_of, seen_box
from btxrd_explain.outputs.overlay import as_rgb, shrunk
from btxrd_explain.outputs.score_figures import IouCurves, SizeBin, SizeScatter, build_iou_curve, build_size_figure
from btxrd_explain.outputs.style import picture_dpi, save_figure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from btxrd_explain.core.geometry import Size
    from btxrd_explain.evaluation.evaluate import Scores
    from btxrd_explain.evaluation.protocol import Protocol
    from btxrd_explain.evaluation.sample import Sample
    from btxrd_explain.evaluation.schema import Curve
    from btxrd_explain.evaluation.score import Score
    from btxrd_explain.inference.selection import Selected
    from btxrd_explain.predictions.provenance import Provenance
    from btxrd_explain.progress import Listener
    from btxrd_explain.settings import OutputSettings, Settings

# The charts of an evaluation: IoU over thresholds, and IoU over lesion size.

_NAMES = {
    MapKind.CENTRE: "centre",
    MapKind.EDGES: "edges of the radiograph",
    MapKind.AVERAGE: "average lesion mask",
    MapKind.RANDOM_CHANNELS: "random channels of the network",
    MapKind.OTHER_CLASS: "least probable class",
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
        "annotation_size": build_size_figure(
            _points(sample), bins=list(_bins(sample)), footer=f"{note}{_without_points(sample)}"
        ),
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
        comparators=[
            Band(named(name, f", n = {one.n}"), np.array(one.mean)) for name, one in curve.comparators.items()
        ],
        baselines=[
            Band(name, _line(curve.baselines[kind])) for kind, name in _NAMES.items() if kind in curve.baselines
        ],
    )


def _points(sample: Sample) -> SizeScatter:
    rows = np.flatnonzero(~np.isnan(sample.column("iou")))
    return SizeScatter(
        shares=_shares(sample)[rows],
        ious=sample.column("iou")[rows],
        groups=[sample.scores[row].label or "" for row in rows.tolist()],
        order=list(sample.class_names),
        ceilings=sample.column("iou", MapKind.CEILING)[rows],
    )


def _without_points(sample: Sample) -> str:
    """Return in words which classes are evaluated and have no point: no map of theirs has an IoU."""
    counts = Counter(score.label for score in sample.scores if score.label)
    scored = {score.label for score in sample.scores if score.iou is not None}
    named = ", ".join(f"{name} ({count})" for name, count in counts.items() if name not in scored)
    return f"; no heat map that can be scored: {named}" if named else ""


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


# The comparison panels of ``annotate-iou``: radiograph, annotation, heat map and overlay side by side.


_VERDICTS = {"TP": "correct", "FN": "missed", "FP": "false alarm", "TN": "rightly not predicted", None: "not known"}
"""What the caption says of a class that excludes no other."""


def draw_comparison(
    selected: Selected, scores: Scores, protocol: Protocol, settings: Settings, listener: Listener
) -> Path | None:
    """Draw ``annotation_comparison``: scored images in balance over classes and IoU, and one attention pattern.

    Returns:
        The file; None where no image can be shown.
    """
    shown = _choose(scores, settings.annotation.panels)
    grids = {row.image_id: row for row in selected.table.rows({score.row.image_id for score in shown})}
    listener.start("panels", len(shown))
    limit = cell_pixels(picture_dpi(settings.output.format, settings.output.dpi))
    panels = []
    for score in shown:
        listener.advance()
        image = ExplainedImage.of(grids[score.row.image_id], selected.table)
        try:
            panels.append(_panel(image, score, selected, protocol, limit))
        except RadiographError as error:
            listener.failed(score.row.image_id, "not shown", str(error))
    if not panels:
        return None
    note_missing_glyphs([*selected.table.provenance.class_names, *(panel.image_id for panel in panels)], listener)
    figure = build_comparison(
        panels,
        title="Heat map against annotation",
        region=rule_in_words(protocol.threshold),
        colormap=settings.output.colormap,
        alpha=settings.output.alpha,
        footer=footer(selected.table.provenance),
    )
    target = settings.output.directory / f"annotation_comparison.{settings.output.format}"
    save_figure(figure, target, dpi=settings.output.dpi)
    return target


def _choose(scores: Scores, count: int) -> list[Score]:
    """Choose the panels: one attention pattern where there is room for it, the rest among the scored images."""
    scored = [score for score in scores.evaluated.values() if score.iou is not None]
    patterns = (score for score in scores if score.is_attention_pattern)
    most_certain = min(patterns, key=lambda score: (-_certainty(score), score.row.image_id), default=None)
    room = count - 1 if most_certain is not None and count > 1 else count
    classes = [score.label or "" for score in scored]
    ious = np.array([score.iou for score in scored], dtype=float)
    chosen = [scored[index] for index in balanced_panels(classes, ious, room)]
    return chosen if most_certain is None or len(chosen) >= count else [*chosen, most_certain]


def _verdict(score: Score, names: Sequence[str]) -> str | None:
    """Return what the prediction is worth to a reader, in the words of the page; None where that is not known."""
    return score.verdict(names) if score.case is None else _VERDICTS[score.outcome(names)]


def _certainty(score: Score) -> float:
    """Return the probability of the predicted class, or where there may be several that of the measured one."""
    return score.confidence or score.target_probability or 0.0


def _panel(image: ExplainedImage, score: Score, selected: Selected, protocol: Protocol, limit: Size) -> Panel:
    """Gather what one row of the figure shows, on the pixels on which it was scored."""
    row = image.row
    if score.target is None:
        raise ValueError(f"'{row.image_id}' has no class to show")
    pixels = image.radiograph().pixels
    mask = None
    place = selected.annotation_of(row) if score.excluded is None else None
    if place is not None:
        name = None if score.annotated_class is None else image.class_name(score.annotated_class)
        mask = lesions_of(place, image.frame, protocol.rules, class_name=name).mask_in(protocol.space)
    if protocol.space is Space.INPUT:
        pixels = image.table.provenance.preprocessing.picture(pixels)
    heat = image.heat_map(score.target, space=protocol.space)
    ok = heat.status is MapStatus.OK
    window = inset_window(mask)
    marks = Marks(
        annotation=() if mask is None else outlines_of(mask),
        region=outlines_of(region_of(heat.values, protocol.threshold)) if ok else (),
        seen=seen_box(image.frame) if protocol.space is Space.ORIGINAL else None,
        hottest=hottest_of(heat.values) if ok else None,
        inset=None if window is None else inset_of(as_rgb(pixels[window]), window, pixels.shape),
    )
    small, small_heat = shrunk(pixels, heat.values, limit)
    return Panel(
        image_id=row.image_id,
        radiograph=small,
        heatmap=small_heat,
        annotated=mask is not None,
        marks=marks,
        iou=score.iou,
        true_class=score.label or "",
        predicted_class=score.predicted(image.table.provenance.class_names) or "none",
        confidence=_certainty(score),
        verdict=_verdict(score, image.table.provenance.class_names),
        target_class=image.class_name(score.target),
        note=None if ok else str(heat.status),
        aspect=image.frame.input_aspect if protocol.space is Space.INPUT else None,
    )
