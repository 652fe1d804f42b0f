"""Radiograph, annotation, heat map and overlay side by side, one row per image."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.geometry import Size
from btxrd_explain.outputs.fonts import elided, fitted, text_width, wrapped
from btxrd_explain.outputs.overlay import add_outlines, as_rgb, create_overlay
from btxrd_explain.outputs.style import (
    ANNOTATION,
    FAINT,
    LINE,
    REGION,
    SMALL,
    add_cell,
    add_colour_bar,
    add_legend,
    add_note,
    add_text,
    new_figure,
    show_picture,
    styled,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from btxrd_explain.outputs.overlay import Outlines

_COLUMNS = ("radiograph", "annotation", "heat map", "overlay")
_CELL, _GAP, _CAPTION, _MARGIN, _TOP, _BAR = 1.75, 0.08, 0.38, 0.15, 0.68, 0.62
"""Inches: side of a picture, gap, caption above a row, margins, height of the colour bar with its labels."""
_ROW = len(_COLUMNS) * (_CELL + _GAP) - _GAP
"""Inches: width of the pictures of one image."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One image of the comparison.

    Attributes:
        image_id: Its name.
        radiograph: uint8, shape ``(height, width)`` or ``(height, width, 3)``, no larger than it is shown.
        heatmap: Shape ``(height, width)``, values in [0, 1].
        annotation: Outlines of the annotation; None for an attention pattern without annotation.
        region: Outlines of the heat map at the threshold.
        iou: Intersection over union at the threshold; None where undefined.
        true_class: Its true class.
        predicted_class: Its predicted class.
        confidence: Probability of the predicted class.
        target_class: The class whose heat map is shown.
        note: Why the heat map is empty; None where it is not.
        verdict: What the prediction is worth; None says whether it is the true class.
    """

    image_id: str
    radiograph: NDArray[np.uint8]
    heatmap: NDArray[np.float32]
    annotation: Outlines | None
    region: Outlines
    iou: float | None
    true_class: str
    predicted_class: str
    confidence: float
    target_class: str
    note: str | None = None
    verdict: str | None = None

    @property
    def caption(self) -> str:
        """What is known of the image, in one line."""
        return self._caption(max(map(len, (self.true_class, self.predicted_class, self.target_class))))

    def caption_within(self, width: float) -> str:
        """Return the caption at most ``width`` inches wide; long class names give way, each on its own."""
        if text_width(self.caption, SMALL) <= width:
            return self.caption
        lengths = range(1, 200)
        fitting = bisect_right(lengths, width, key=lambda length: text_width(self._caption(length), SMALL))
        return self._caption(max(1, fitting))

    def _caption(self, length: int) -> str:
        """Return the caption with at most ``length`` characters of each class name."""
        verdict = self.verdict or ("correct" if self.true_class == self.predicted_class else "miss")
        true, predicted, target = (
            elided(name, length) for name in (self.true_class, self.predicted_class, self.target_class)
        )
        return f"{true} -> {predicted} ({self.confidence:.2f}), {verdict}; map of {target}"

    @property
    def result(self) -> str:
        """The IoU, or why there is none."""
        if self.annotation is None:
            return "attention pattern (no annotation)"
        if self.iou is None:
            return f"IoU undefined: {(self.note or 'no heat map').replace('_', ' ')}"
        return f"IoU {self.iou:.2f}"


def cell_pixels(dpi: int) -> Size:
    """Return the size in pixels at which a picture is shown at most."""
    return Size(round(_CELL * dpi), round(_CELL * dpi))


def build_comparison(
    panels: Sequence[Panel],
    *,
    title: str,
    region: str,
    colormap: str = "inferno",
    alpha: float = 0.45,
    footer: str = "",
) -> Figure:
    """Build the comparison figure.

    Args:
        panels: The images from top to bottom, at least one; with more than four they stand in two columns.
        title: Title of the figure.
        region: What the outlines on the overlay are, such as ``heat map >= 0.5``.
        colormap: Colour map of heat maps.
        alpha: Opacity of the overlay at heat 1.
        footer: A line at the bottom on how the heat maps were made.

    Returns:
        The figure, ready for :func:`btxrd_explain.outputs.style.save_figure`.

    Raises:
        ValueError: No panels are given.
    """
    if not panels:
        raise ValueError("there is nothing to compare")
    blocks = 2 if len(panels) > 4 else 1
    lines = -(-len(panels) // blocks)
    block = _ROW + 2 * _MARGIN
    width = blocks * block
    with styled():
        notes = wrapped(footer, width - 2 * _MARGIN, SMALL, limit=6)
        below = _BAR + 0.1 + LINE * len(notes)
        height = _TOP + lines * (_CELL + _CAPTION) + below
        figure = new_figure(width, height)
        heading = fitted(title, width - 2 * _MARGIN, 11, bold=True)
        add_text(figure, _MARGIN, height - 0.22, heading, fontsize=11, weight="bold", va="center")
        for number in range(blocks):
            _draw_headings(figure, number * block + _MARGIN)
        for number, panel in enumerate(panels):
            left = (number // lines) * block + _MARGIN
            top = height - _TOP - (number % lines) * (_CELL + _CAPTION) - _CAPTION
            _draw_panel(figure, panel, left=left, top=top, colormap=colormap, alpha=alpha)
        outlines = [(ANNOTATION, "expert annotation"), (REGION, region)]
        add_colour_bar(figure, _MARGIN, below - _BAR + 0.22, colormap)
        add_legend(figure, _MARGIN + 2, below - _BAR + 0.12, outlines)
        add_text(figure, _MARGIN, below - _BAR, "\n".join(notes), fontsize=SMALL, color=FAINT, va="top")
    return figure


def _compose(panel: Panel, colormap: str, alpha: float) -> list[NDArray[np.uint8]]:
    """Compose the four pictures of a panel, RGB uint8.

    Without a heat map its picture is the bare radiograph, not a black one that looks like a heat map.
    """
    bare = as_rgb(panel.radiograph)
    if panel.note is not None:
        return [bare] * len(_COLUMNS)
    alone = create_overlay(np.zeros_like(bare), panel.heatmap, alpha=1.0, colormap=colormap)
    return [bare, bare, alone, create_overlay(bare, panel.heatmap, alpha=alpha, colormap=colormap)]


def _draw_headings(figure: Figure, left: float) -> None:
    _, height = figure.get_size_inches()
    for column, name in enumerate(_COLUMNS):
        add_text(figure, left + column * (_CELL + _GAP) + _CELL / 2, height - 0.58, name, ha="center", fontsize=9)


def _draw_panel(figure: Figure, panel: Panel, *, left: float, top: float, colormap: str, alpha: float) -> None:
    """Draw one image; ``top`` is the upper edge of its pictures, in inches from the bottom."""
    result = fitted(panel.result, _ROW * 0.6, 8.5, bold=True)
    name = fitted(panel.image_id, _ROW - text_width(result, 8.5, bold=True) - 0.1, 7.5, bold=True)
    add_text(figure, left, top + 0.19, name, fontsize=7.5, weight="bold")
    add_text(figure, left + _ROW, top + 0.19, result, fontsize=8.5, weight="bold", ha="right")
    add_text(figure, left, top + 0.055, panel.caption_within(_ROW), fontsize=SMALL)
    for column, pixels in enumerate(_compose(panel, colormap, alpha)):
        start = left + column * (_CELL + _GAP)
        axes = add_cell(figure, start, top - _CELL, _CELL, _CELL)
        if _COLUMNS[column] == "annotation" and panel.annotation is None:
            middle = start + _CELL / 2, top - _CELL / 2
            add_text(figure, *middle, "no annotation", ha="center", va="center", fontsize=8, color=FAINT)
            continue
        place = show_picture(axes, pixels)
        if _COLUMNS[column] in {"annotation", "overlay"}:
            add_outlines(axes, panel.annotation or (), place, ANNOTATION)
        if _COLUMNS[column] == "overlay":
            add_outlines(axes, panel.region, place, REGION)
        if _COLUMNS[column] == "heat map" and panel.note is not None:
            add_note(axes, f"no heat map:\n{panel.note.replace('_', ' ')}")
