"""The picture grid of one class: true positives, false positives and false negatives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from btxrd_explain.outputs.style import (
    FAINT,
    LINE,
    SMALL,
    add_cell,
    add_colour_bar,
    add_note,
    add_text,
    fitted,
    new_figure,
    printable,
    show_picture,
    styled,
    text_width,
    wrapped,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_WIDTH, _HEIGHT, _GAP, _LEFT, _BAR = 2.7, 2.3, 0.1, 0.5, 0.55
"""Inches: size of a cell, gap between cells, left margin, height of the colour bar with its labels."""
_HEADING, _TITLE = 11, 8
"""Points: title of the figure and of a cell."""

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
    with styled():
        heading = wrapped(title, width - 2 * _GAP, _HEADING, bold=True, limit=3)
        notes = wrapped(footer, width - _LEFT - _GAP, SMALL, limit=8)
        band = 0.28 + 0.14 * max((len(_title_lines(cell.title)) for row in rows for cell in row.cells), default=1)
        below = _BAR + 0.1 + LINE * len(notes)
        height = 0.27 + 0.18 * len(heading) + len(rows) * (_HEIGHT + band) + below
        figure = new_figure(width, height)
        add_text(figure, _GAP, height - 0.12, "\n".join(heading), fontsize=_HEADING, weight="bold", va="top")
        for number, row in enumerate(reversed(rows)):
            _draw_row(figure, row, bottom=below + number * (_HEIGHT + band), columns=columns)
        bar = below - _BAR + 0.22
        add_colour_bar(figure, (_LEFT / width, bar / height, 1.75 / width, 0.09 / height), colormap)
        add_text(figure, _LEFT, below - _BAR, "\n".join(notes), fontsize=SMALL, color=FAINT, va="top")
    return figure


def _title_lines(title: str) -> list[str]:
    """Break a title before its arrow where it is too wide; a long class name gives way, never the confidence."""
    text = printable(title)
    if text_width(text, _TITLE) <= _WIDTH:
        return [text]
    true, arrow, predicted = text.rpartition(" -> ")
    return [fitted(part, _WIDTH, _TITLE) for part in ([true, f"-> {predicted}"] if arrow else [text])]


def _draw_row(figure: Figure, row: Row, *, bottom: float, columns: int) -> None:
    """Draw one outcome; ``bottom`` is the lower edge of its cells, in inches."""
    label = printable(_NAMES.get(row.name, row.name))
    middle = bottom + _HEIGHT / 2
    add_text(figure, 0.25, middle, label, rotation=90, va="center", ha="center", fontsize=9)
    for column in range(columns):
        left = _LEFT + column * (_WIDTH + _GAP)
        if column < len(row.cells):
            _draw_cell(figure, row.cells[column], left, bottom)
        else:
            add_cell(figure, left, bottom, _WIDTH, _HEIGHT)
    if len(row.cells) < columns:
        text = f"no {'further ' if row.cells else ''}{label} ({len(row.cells)} of {columns})"
        middle_of_first = _LEFT + len(row.cells) * (_WIDTH + _GAP) + _WIDTH / 2
        add_text(figure, middle_of_first, middle, text, ha="center", va="center", fontsize=8, color=FAINT)


def _draw_cell(figure: Figure, cell: Cell, left: float, bottom: float) -> None:
    """Draw one example; its pictures share the cell side by side, each with its caption below."""
    above = bottom + _HEIGHT
    subtitle = fitted(cell.subtitle, _WIDTH, SMALL)
    add_text(figure, left, above + 0.22, "\n".join(_title_lines(cell.title)), fontsize=_TITLE)
    add_text(figure, left, above + 0.07, subtitle, fontsize=SMALL, color=FAINT)
    if not cell.pictures:
        add_cell(figure, left, bottom, _WIDTH, _HEIGHT)
        return
    parts = len(cell.pictures)
    share = (_WIDTH - (parts - 1) * _GAP / 2) / parts
    captions = [wrapped(picture.caption, share, SMALL, limit=2) if parts > 1 else [] for picture in cell.pictures]
    strip = max(LINE * len(lines) + 0.04 if lines else 0.0 for lines in captions)
    for number, (picture, lines) in enumerate(zip(cell.pictures, captions, strict=True)):
        start = left + number * (share + _GAP / 2)
        axes = add_cell(figure, start, bottom + strip, share, _HEIGHT - strip)
        show_picture(axes, picture.pixels)
        add_text(figure, start, bottom + strip - 0.04, "\n".join(lines), fontsize=SMALL, va="top")
        if picture.note:
            add_note(axes, f"no heat map:\n{picture.note.replace('_', ' ')}")
