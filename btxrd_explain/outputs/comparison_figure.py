"""Radiograph, annotation, heat map and overlay side by side, one row per image."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.outputs.fonts import elided, fitted, text_width, wrapped
from btxrd_explain.outputs.marks import Key, Marks, draw_marks
from btxrd_explain.outputs.overlay import ALPHA, COLOURS, as_rgb, create_overlay
from btxrd_explain.outputs.style import (
    FAINT,
    LINE,
    SMALL,
    add_cell,
    add_text,
    cell_shape,
    largest_picture,
    new_figure,
    show_picture,
    styled,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from btxrd_explain.core.geometry import Size

_COLUMNS = ("radiograph", "annotation", "heat map", "overlay")
_AREA, _GAP, _CAPTION, _MARGIN, _TOP = 3.06, 0.08, 0.38, 0.15, 0.68
"""Square inches of a picture's cell. Inches: gap, caption above a row, margins, heading."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One image of the comparison.

    Attributes:
        image_id: Its name.
        radiograph: uint8, shape ``(height, width)`` or ``(height, width, 3)``, no larger than it is shown.
        heatmap: Shape ``(height, width)``, values in [0, 1].
        annotated: Whether there is an annotation; an attention pattern has none.
        marks: Outlines of the annotation and of the heat map at the threshold, and what else is drawn over it.
        iou: Intersection over union at the threshold; None where undefined.
        true_class: Its true class.
        predicted_class: Its predicted class.
        confidence: Probability of the predicted class.
        target_class: The class whose heat map is shown.
        note: Why the heat map is empty; None where it is not.
        verdict: What the prediction is worth; None says whether it is the true class.
        aspect: Width by height of what the radiograph shows, where its pixels are not square; None where they are.
    """

    image_id: str
    radiograph: NDArray[np.uint8]
    heatmap: NDArray[np.float32]
    annotated: bool
    marks: Marks
    iou: float | None
    true_class: str
    predicted_class: str
    confidence: float
    target_class: str
    note: str | None = None
    verdict: str | None = None
    aspect: float | None = None

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
        verdict = self.verdict or ("correct" if self.true_class == self.predicted_class else "wrong")
        true, predicted, target = (
            elided(name, length) for name in (self.true_class, self.predicted_class, self.target_class)
        )
        return f"{true} -> {predicted} ({self.confidence:.2f}), {verdict}; map of {target}"

    @property
    def result(self) -> str:
        """The IoU, or why there is none."""
        if not self.annotated:
            return "attention pattern (no annotation)"
        if self.iou is None:
            return f"IoU undefined: {(self.note or 'no heat map').replace('_', ' ')}"
        return f"IoU {self.iou:.2f}"


def cell_pixels(dpi: int) -> Size:
    """Return the size in pixels at which a picture is shown at most, whatever shape the cells take."""
    return largest_picture(_AREA, dpi)


def build_comparison(
    panels: Sequence[Panel],
    *,
    title: str,
    region: str,
    colormap: str = COLOURS,
    alpha: float = ALPHA,
    footer: str = "",
) -> Figure:
    """Build the comparison figure.

    Args:
        panels: The images from top to bottom, at least one; with more than four they are in two columns.
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
    cell = cell_shape([_ratio(panel) for panel in panels], _AREA)
    pitch, block = cell[1] + _CAPTION, _row_width(cell) + 2 * _MARGIN
    width = blocks * block
    key = Key.of([panel.marks for panel in panels], width - 2 * _MARGIN, region)
    with styled():
        notes = wrapped(footer, width - 2 * _MARGIN, SMALL, limit=6)
        below = key.height + 0.2 + LINE * len(notes)
        height = _TOP + lines * pitch + below
        figure = new_figure(width, height)
        heading = fitted(title, width - 2 * _MARGIN, 11, bold=True)
        add_text(figure, _MARGIN, height - 0.22, heading, fontsize=11, weight="bold", va="center")
        for number in range(blocks):
            _draw_headings(figure, number * block + _MARGIN, cell)
        for number, panel in enumerate(panels):
            left = (number // lines) * block + _MARGIN
            top = height - _TOP - (number % lines) * pitch - _CAPTION
            _draw_panel(figure, panel, cell, left=left, top=top, colours=(colormap, alpha))
        key.draw(figure, _MARGIN, below - 0.1, colormap, alpha)
        add_text(figure, _MARGIN, 0.08 + LINE * len(notes), "\n".join(notes), fontsize=SMALL, color=FAINT, va="top")
    return figure


def _ratio(panel: Panel) -> float:
    return panel.aspect or panel.radiograph.shape[1] / panel.radiograph.shape[0]


def _row_width(cell: tuple[float, float]) -> float:
    """Return the width of the pictures of one image, in inches."""
    return len(_COLUMNS) * (cell[0] + _GAP) - _GAP


def _compose(panel: Panel, colormap: str, alpha: float) -> list[NDArray[np.uint8]]:
    """Compose the four pictures of a panel, RGB uint8; the heat map alone is over mid grey, as the colour bar is.

    Without a heat map its picture is the bare radiograph, not an empty one that looks like a heat map.
    """
    bare = as_rgb(panel.radiograph)
    if panel.note is not None:
        return [bare] * len(_COLUMNS)
    ground = np.full(bare.shape, 128, np.uint8)
    alone, over = (create_overlay(under, panel.heatmap, alpha=alpha, colormap=colormap) for under in (ground, bare))
    return [bare, bare, alone, over]


def _draw_headings(figure: Figure, left: float, cell: tuple[float, float]) -> None:
    _, height = figure.get_size_inches()
    for column, name in enumerate(_COLUMNS):
        middle = left + column * (cell[0] + _GAP) + cell[0] / 2
        add_text(figure, middle, height - 0.58, name, ha="center", fontsize=9)


def _marks(marks: Marks) -> dict[str, Marks]:
    """Return what is drawn in each column; the radiograph stays bare but for the frame of what the network saw."""
    frame = Marks(seen=marks.seen)
    return {
        "radiograph": frame,
        "annotation": replace(frame, annotation=marks.annotation, inset=marks.inset),
        "heat map": replace(frame, hottest=marks.hottest),
        "overlay": replace(marks, inset=None, box=None if marks.inset is None else marks.inset.box),
    }


def _draw_panel(
    figure: Figure, panel: Panel, cell: tuple[float, float], *, left: float, top: float, colours: tuple[str, float]
) -> None:
    """Draw one image; ``top`` is the upper edge of its pictures, in inches from the bottom."""
    row = _row_width(cell)
    result = fitted(panel.result, row * 0.6, 8.5, bold=True)
    name = fitted(panel.image_id, row - text_width(result, 8.5, bold=True) - 0.1, 7.5, bold=True)
    add_text(figure, left, top + 0.19, name, fontsize=7.5, weight="bold")
    add_text(figure, left + row, top + 0.19, result, fontsize=8.5, weight="bold", ha="right")
    add_text(figure, left, top + 0.055, panel.caption_within(row), fontsize=SMALL)
    marks = _marks(panel.marks)
    for number, (column, pixels) in enumerate(zip(_COLUMNS, _compose(panel, *colours), strict=True)):
        start = left + number * (cell[0] + _GAP)
        axes = add_cell(figure, start, top - cell[1], *cell)
        if column == "annotation" and not panel.annotated:
            middle = start + cell[0] / 2, top - cell[1] / 2
            add_text(figure, *middle, "no annotation", ha="center", va="center", fontsize=8, color=FAINT)
            continue
        missing = column == "heat map" and panel.note is not None
        note = f"no heat map:\n{(panel.note or '').replace('_', ' ')}" if missing else ""
        draw_marks(axes, marks[column], show_picture(axes, pixels, aspect=panel.aspect, note=note))
