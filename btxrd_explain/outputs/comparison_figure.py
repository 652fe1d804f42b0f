"""Radiograph, annotation, heat map and overlay side by side, one row per image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from matplotlib.lines import Line2D

from btxrd_explain.outputs.overlay import as_rgb, create_overlay, draw_outline
from btxrd_explain.outputs.style import (
    ANNOTATION,
    FAINT,
    INK,
    REGION,
    add_cell,
    add_colour_bar,
    elided,
    new_figure,
    show_picture,
    styled,
    to_hex,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_COLUMNS = ("radiograph", "annotation", "heat map", "overlay")
_CELL, _GAP, _CAPTION, _MARGIN, _TOP, _BOTTOM = 1.75, 0.08, 0.34, 0.15, 0.72, 0.78
"""Inches: side of a picture, gap, caption above a row, margins."""
_PIXELS = 600
"""Longest side at which pictures are composed; outlines then have the same width in all of them."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One image of the comparison.

    Attributes:
        image_id: Its name.
        radiograph: uint8, shape ``(height, width)`` or ``(height, width, 3)``.
        mask: Annotation, boolean, shape ``(height, width)``; None for an attention pattern without annotation.
        heatmap: Shape ``(height, width)``, values in [0, 1].
        iou: Intersection over union at the threshold; None where undefined.
        true_class: Its true class.
        predicted_class: Its predicted class.
        confidence: Probability of the predicted class.
        target_class: The class whose heat map is shown.
        note: Why the heat map is empty; None where it is not.
    """

    image_id: str
    radiograph: NDArray[np.uint8]
    mask: NDArray[np.bool_] | None
    heatmap: NDArray[np.float32]
    iou: float | None
    true_class: str
    predicted_class: str
    confidence: float
    target_class: str
    note: str | None = None

    @property
    def caption(self) -> str:
        """What is known of the image, in one line."""
        verdict = "correct" if self.true_class == self.predicted_class else "miss"
        classes = f"{self.true_class} -> {self.predicted_class} ({self.confidence:.2f})"
        return f"{classes}, {verdict}; map of {self.target_class}"

    @property
    def result(self) -> str:
        """The IoU, or why there is none."""
        if self.mask is None:
            return "attention pattern (no annotation)"
        if self.iou is None:
            return f"IoU undefined: {(self.note or 'no heat map').replace('_', ' ')}"
        return f"IoU {self.iou:.2f}"


def build_comparison(
    panels: Sequence[Panel],
    *,
    title: str,
    threshold: float,
    colormap: str = "inferno",
    alpha: float = 0.45,
    footer: str = "",
) -> Figure:
    """Build the comparison figure.

    Args:
        panels: The images from top to bottom, at least one; with more than four they stand in two columns.
        title: Title of the figure.
        threshold: Threshold of the heat map, whose contour is drawn.
        colormap: Colour map of heat maps.
        alpha: Opacity of the overlay at heat 1.
        footer: A line at the bottom on how the heat maps were made.

    Returns:
        The figure, ready for :func:`btxrd_explain.outputs.style.save_figure`.

    Raises:
        ValueError: There are no panels.
    """
    if not panels:
        raise ValueError("there is nothing to compare")
    blocks = 2 if len(panels) > 4 else 1
    lines = -(-len(panels) // blocks)
    block = len(_COLUMNS) * (_CELL + _GAP) + 2 * _MARGIN
    width, height = blocks * block, _TOP + lines * (_CELL + _CAPTION) + _BOTTOM
    with styled():
        figure = new_figure(width, height)
        figure.text(_MARGIN / width, 1 - 0.22 / height, title, fontsize=11, weight="bold", color=INK, va="center")
        for number in range(blocks):
            _draw_headings(figure, number * block + _MARGIN)
        for number, panel in enumerate(panels):
            left = (number // lines) * block + _MARGIN
            top = height - _TOP - (number % lines) * (_CELL + _CAPTION) - _CAPTION
            _draw_panel(figure, panel, left=left, top=top, threshold=threshold, colormap=colormap, alpha=alpha)
        _draw_legend(figure, threshold, colormap)
        figure.text(_MARGIN / width, 0.04 / height, elided(footer, int(width * 18)), fontsize=6, color=FAINT)
    return figure


def compose(panel: Panel, *, threshold: float, colormap: str, alpha: float) -> list[NDArray[np.uint8]]:
    """Compose the four pictures of a panel, RGB uint8, at most 600 pixels on their longest side."""
    height, width = panel.heatmap.shape
    scale = min(1.0, _PIXELS / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    bare = as_rgb(cv2.resize(panel.radiograph, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False))
    heat = cv2.resize(panel.heatmap, size, interpolation=cv2.INTER_AREA).astype(np.float32, copy=False).clip(0, 1)
    overlay = create_overlay(bare, heat, alpha, colormap=colormap)
    annotated = bare
    if panel.mask is not None:
        shrunk = cv2.resize(panel.mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        mask = shrunk >= min(0.5, float(shrunk.max()))
        tint = np.array(ANNOTATION, dtype=np.float32)
        annotated = np.where(mask[..., None], bare * 0.75 + tint * 0.25, bare).astype(np.uint8)
        annotated = draw_outline(annotated, mask, ANNOTATION)
        overlay = draw_outline(overlay, mask, ANNOTATION)
    if panel.note is None:
        overlay = draw_outline(overlay, heat >= threshold, REGION)
    return [bare, annotated, create_overlay(np.zeros_like(bare), heat, 1.0, colormap=colormap), overlay]


def _draw_headings(figure: Figure, left: float) -> None:
    width, height = figure.get_size_inches()
    for column, name in enumerate(_COLUMNS):
        x = left + column * (_CELL + _GAP) + _CELL / 2
        figure.text(x / width, 1 - 0.58 / height, name, ha="center", fontsize=9, color=INK)


def _draw_panel(
    figure: Figure, panel: Panel, *, left: float, top: float, threshold: float, colormap: str, alpha: float
) -> None:
    """Draw one image; ``top`` is the upper edge of its pictures, in inches from the bottom."""
    width, height = figure.get_size_inches()
    name, caption = elided(panel.image_id, 40), elided(panel.caption, 90)
    figure.text(left / width, (top + 0.17) / height, name, fontsize=7.5, weight="bold", color=INK)
    figure.text(left / width, (top + 0.04) / height, caption, fontsize=7, color=INK)
    right = left + len(_COLUMNS) * (_CELL + _GAP) - _GAP
    figure.text(right / width, (top + 0.17) / height, panel.result, fontsize=8.5, weight="bold", color=INK, ha="right")
    pictures = compose(panel, threshold=threshold, colormap=colormap, alpha=alpha)
    for column, pixels in enumerate(pictures):
        show_picture(add_cell(figure, left + column * (_CELL + _GAP), top - _CELL, _CELL, _CELL), pixels)


def _draw_legend(figure: Figure, threshold: float, colormap: str) -> None:
    width, height = figure.get_size_inches()
    add_colour_bar(figure, (_MARGIN / width, 0.38 / height, 1.6 / width, 0.09 / height), colormap)
    lines = [
        (ANNOTATION, "expert annotation"),
        (REGION, f"heat map at threshold {threshold:g}"),
    ]
    handles = [Line2D([], [], color=to_hex(colour), linewidth=2, label=label) for colour, label in lines]
    legend = figure.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=((_MARGIN + 1.8) / width, 0.26 / height),
        ncols=2,
        fontsize=7.5,
        facecolor="#8a8a8a",
        labelcolor="white",
        edgecolor="none",
        fancybox=False,
    )
    legend.set_in_layout(False)
