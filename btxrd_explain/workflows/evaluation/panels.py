"""The comparison panels of ``annotate-iou``: radiograph, annotation, heat map and overlay side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.heatmap import MapStatus, Space
from btxrd_explain.core.metrics import region_of
from btxrd_explain.core.panels import balanced_panels
from btxrd_explain.errors import RadiographError
from btxrd_explain.outputs.comparison_figure import Panel, build_comparison, cell_pixels
from btxrd_explain.outputs.outline import outlines_of
from btxrd_explain.outputs.overlay import denormalize_tensor, shrunk
from btxrd_explain.outputs.style import picture_dpi, save_figure
from btxrd_explain.workflows.drawing.glyphs import note_missing_glyphs
from btxrd_explain.workflows.evaluation.lesions import lesions_of
from btxrd_explain.workflows.evaluation.protocol import rule_in_words
from btxrd_explain.workflows.explained import ExplainedImage
from btxrd_explain.workflows.naming import footer

if TYPE_CHECKING:
    from pathlib import Path

    from btxrd_explain.core.geometry import Size
    from btxrd_explain.settings import Settings
    from btxrd_explain.workflows.evaluation.protocol import Protocol
    from btxrd_explain.workflows.evaluation.score import Score
    from btxrd_explain.workflows.evaluation.scores import Scores
    from btxrd_explain.workflows.progress import Listener
    from btxrd_explain.workflows.selection import Selected


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
    most_certain = min(patterns, key=lambda score: (-(score.row.confidence or 0), score.row.image_id), default=None)
    room = count - 1 if most_certain is not None and count > 1 else count
    classes = [score.row.label or "" for score in scored]
    ious = np.array([score.iou for score in scored], dtype=float)
    chosen = [scored[index] for index in balanced_panels(classes, ious, room)]
    return chosen if most_certain is None or len(chosen) >= count else [*chosen, most_certain]


def _panel(image: ExplainedImage, score: Score, selected: Selected, protocol: Protocol, limit: Size) -> Panel:
    """Gather what one row of the figure shows, on the pixels on which it was scored."""
    row = image.row
    if score.target is None:
        raise ValueError(f"'{row.image_id}' has no class to show")
    pixels = image.radiograph().pixels
    mask = None
    if row.image_id in selected.annotations and score.excluded is None:
        place, name = selected.annotations[row.image_id], None if score.true is None else image.class_name(score.true)
        mask = lesions_of(place, image.frame, protocol.rules, class_name=name).mask_in(protocol.space)
    if protocol.space is Space.INPUT:
        wanted = image.table.provenance.preprocessing
        pixels = denormalize_tensor(wanted.apply(pixels), wanted.mean, wanted.std)  # what the network was given
    heat = image.heat_map(score.target, space=protocol.space)
    ok = heat.status is MapStatus.OK
    region = outlines_of(region_of(heat.values, protocol.threshold)) if ok else ()
    small, small_heat = shrunk(pixels, heat.values, limit)
    return Panel(
        image_id=row.image_id,
        radiograph=small,
        heatmap=small_heat,
        annotation=None if mask is None else outlines_of(mask),
        region=region,
        iou=score.iou,
        true_class=row.label or "",
        predicted_class=image.class_name(row.predicted or 0),
        confidence=row.confidence or 0.0,
        target_class=image.class_name(score.target),
        note=None if ok else str(heat.status),
    )
