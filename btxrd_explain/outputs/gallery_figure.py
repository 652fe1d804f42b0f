"""The picture grid of one class: true positives, false positives and false negatives."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING

from btxrd_explain.outputs.style import FAINT, INK, add_cell, add_colour_bar, elided, new_figure, show_picture, styled

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_WIDTH, _HEIGHT, _GAP, _TITLE, _LEFT, _TOP, _BOTTOM = 2.7, 2.3, 0.1, 0.42, 0.5, 0.45, 0.68
"""Inches: size of a cell, gap between cells, title above a cell, margins."""

_NAMES = {"TP": "true positives", "FP": "false positives", "FN": "false negatives"}


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture within a cell.

    Attributes:
        pixels: RGB, uint8, shape ``(height, width, 3)``.
        caption: What it shows, such as the class of its heat map.
        note: Why there is no heat map on it; empty where there is one.
    """

    pixels: NDArray[np.uint8]
    caption: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """One example: one picture, or two side by side.

    Attributes:
        pictures: The pictures; none where the radiograph cannot be read any more.
        title: Such as ``TP: Benign -> Benign (0.93)``.
        subtitle: Such as the ``image_id``.
    """

    pictures: tuple[Picture, ...]
    title: str
    subtitle: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """The examples of one outcome.

    Attributes:
        name: TP, FP or FN.
        cells: The examples, in order.
        available: How many there are in all.
    """

    name: str
    cells: tuple[Cell, ...]
    available: int


def build_gallery_grid(
    rows: Sequence[Row], *, title: str, columns: int, colormap: str = "inferno", footer: str = ""
) -> Figure:
    """Build the picture grid of one class.

    All cells have the same size whatever the shape of the radiographs; where an outcome has fewer examples than
    columns the rest stays quietly empty and says so.

    Args:
        rows: The rows from top to bottom.
        title: Title of the figure.
        columns: Examples per row, at least 1.
        colormap: Colour map of the colour bar, the one that the pictures were made with.
        footer: A line at the bottom on how the heat maps were made.

    Returns:
        The figure, ready for :func:`btxrd_explain.outputs.style.save_figure`.

    Raises:
        ValueError: There are no rows, no columns, or more cells than columns.
    """
    if not rows or columns < 1 or any(len(row.cells) > columns for row in rows):
        raise ValueError(f"cannot lay {max((len(row.cells) for row in rows), default=0)} cells into {columns} columns")
    width = _LEFT + columns * (_WIDTH + _GAP)
    height = _TOP + len(rows) * (_HEIGHT + _TITLE) + _BOTTOM
    with styled():
        figure = new_figure(width, height)
        figure.text(_GAP / width, 1 - 0.22 / height, title, fontsize=11, weight="bold", color=INK, va="center")
        for number, row in enumerate(rows):
            _draw_row(figure, row, bottom=height - _TOP - (number + 1) * (_HEIGHT + _TITLE), columns=columns)
        add_colour_bar(figure, (_LEFT / width, 0.3 / height, 1.6 / width, 0.09 / height), colormap)
        lines = wrap(footer, int((width - _LEFT - 2) * 19))[:4]
        figure.text((_LEFT + 1.9) / width, 0.44 / height, "\n".join(lines), fontsize=6, color=FAINT, va="top")
    return figure


def _draw_row(figure: Figure, row: Row, *, bottom: float, columns: int) -> None:
    """Draw one outcome; ``bottom`` is the lower edge of its cells, in inches."""
    width, height = figure.get_size_inches()
    label = _NAMES.get(row.name, row.name)
    middle = (bottom + _HEIGHT / 2) / height
    figure.text(0.25 / width, middle, label, rotation=90, va="center", ha="center", fontsize=9, color=INK)
    for column in range(columns):
        left = _LEFT + column * (_WIDTH + _GAP)
        if column < len(row.cells):
            _draw_cell(figure, row.cells[column], left, bottom)
        else:
            axes = add_cell(figure, left, bottom, _WIDTH, _HEIGHT)
            text = f"no {'further ' if row.cells else ''}{label}\n({len(row.cells)} of {columns} asked for)"
            axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=7, color=FAINT)


def _draw_cell(figure: Figure, cell: Cell, left: float, bottom: float) -> None:
    """Draw one example; its pictures share the cell side by side."""
    width, height = figure.get_size_inches()
    above = bottom + _HEIGHT
    figure.text(left / width, (above + 0.22) / height, elided(cell.title, 44), fontsize=8, color=INK)
    figure.text(left / width, (above + 0.07) / height, elided(cell.subtitle, 52), fontsize=6.5, color=FAINT)
    parts = max(1, len(cell.pictures))
    share = (_WIDTH - (parts - 1) * _GAP / 2) / parts
    for number, picture in enumerate(cell.pictures):
        axes = add_cell(figure, left + number * (share + _GAP / 2), bottom, share, _HEIGHT)
        show_picture(axes, picture.pixels)
        _label(axes, picture, captioned=parts > 1)


def _label(axes: Axes, picture: Picture, *, captioned: bool) -> None:
    """Write caption and note onto the picture, on a dark ground that reads everywhere."""
    box = {"facecolor": "black", "alpha": 0.65, "pad": 1.5, "linewidth": 0}
    if captioned:
        text = elided(picture.caption, 26)
        axes.text(0.02, 0.02, text, transform=axes.transAxes, fontsize=6.5, color="white", bbox=box)
    if picture.note:
        text = f"no heat map:\n{picture.note.replace('_', ' ')}"
        axes.text(0.5, 0.5, text, transform=axes.transAxes, fontsize=7, color="white", bbox=box, ha="center")
