"""The picture grid of one class: true positives, false positives and false negatives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np  # noqa: TC002 -- the doctest uses it

from btxrd_explain.core.arrays import checked_count, checked_path, checked_picture, shown
from btxrd_explain.core.geometry import Size
from btxrd_explain.outputs.fonts import fitted, printable, text_width, wrapped
from btxrd_explain.outputs.overlay import add_outlines, as_rgb
from btxrd_explain.outputs.style import (
    ANNOTATION,
    FAINT,
    LINE,
    SMALL,
    add_cell,
    add_colour_bar,
    add_legend,
    add_note,
    add_text,
    new_figure,
    save_figure,
    show_picture,
    styled,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from btxrd_explain.outputs.overlay import Outlines

_WIDTH, _HEIGHT, _GAP, _LEFT, _BAR = 2.7, 2.3, 0.1, 0.5, 0.55
"""Inches: size of a cell, gap between cells, left margin, height of the colour bar with its labels."""
_WIDE_ENOUGH = 4.0
"""Inches: what colour bar and legend need side by side."""
_HEADING, _LABEL, _TITLE = 11, 9, 8
"""Points: title of the figure, of an outcome and of a cell."""
_LONGEST_LINE = 6

_NAMES = {"TP": "true positives", "FP": "false positives", "FN": "false negatives"}


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture within a cell.

    Attributes:
        pixels: RGB, uint8, shape ``(height, width, 3)``.
        caption: What it shows, such as the class of its heat map.
        note: Why it shows no heat map; empty where it shows one.
        annotation: Outlines of the expert annotation; none where there is none.
    """

    pixels: NDArray[np.uint8]
    caption: str = ""
    note: str = ""
    annotation: Outlines = ()


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


def place_of(number: int, columns: int) -> tuple[int, int]:
    """Return the line and the column, both from 0, of an example within its outcome.

    More than six examples stand in lines of equal length, so that titles can be read on a page and on a screen.

    >>> [place_of(number, 7) for number in (0, 3, 4)], place_of(5, 6)
    ([(0, 0), (0, 3), (1, 0)], (0, 5))
    """
    return divmod(number, _per_line(columns))


def cell_pixels(dpi: int) -> Size:
    """Return the size in pixels at which a picture is shown at most."""
    return Size(round(_HEIGHT * dpi), round(_WIDTH * dpi))


def build_gallery(
    rows: Sequence[Row], *, title: str, columns: int, colormap: str = "inferno", footer: str = ""
) -> Figure:
    """Build the picture grid of one class.

    All cells have the same size whatever the shape of the radiographs; where an outcome has fewer examples than
    columns the rest stays quietly empty and says so.

    Args:
        rows: The rows from top to bottom.
        title: Title of the figure.
        columns: Examples per row, at least 1; more than six stand in several lines, see :func:`place_of`.
        colormap: Colour map of the colour bar, the one that the pictures were made with.
        footer: A line at the bottom on how the heat maps were made.

    Returns:
        The figure, ready for :func:`btxrd_explain.outputs.style.save_figure`.

    Raises:
        ValueError: No rows, no columns, or more cells than columns.
    """
    if not rows or columns < 1 or any(len(row.cells) > columns for row in rows):
        raise ValueError(f"cannot lay {max((len(row.cells) for row in rows), default=0)} cells into {columns} columns")
    annotated = any(picture.annotation for row in rows for cell in row.cells for picture in cell.pictures)
    width = max(_LEFT + _per_line(columns) * (_WIDTH + _GAP), _WIDE_ENOUGH if annotated else 0)
    with styled():
        heading = wrapped(title, width - 2 * _GAP, _HEADING, bold=True, limit=3)
        notes = wrapped(footer, width - _LEFT - _GAP, SMALL, limit=8)
        band = 0.28 + 0.14 * max((len(_title_lines(cell.title)) for row in rows for cell in row.cells), default=1)
        below = _BAR + 0.1 + LINE * len(notes)
        lines = sum(_lines(row, columns) for row in rows)
        height = 0.27 + 0.18 * len(heading) + lines * (_HEIGHT + band) + below
        figure = new_figure(width, height)
        add_text(figure, _GAP, height - 0.12, "\n".join(heading), fontsize=_HEADING, weight="bold", va="top")
        for row in rows:
            lines -= _lines(row, columns)
            _draw_row(figure, row, bottom=below + lines * (_HEIGHT + band), pitch=_HEIGHT + band, columns=columns)
        add_colour_bar(figure, _LEFT, below - _BAR + 0.22, colormap)
        if annotated:
            add_legend(figure, _LEFT + 2, below - _BAR + 0.12, [(ANNOTATION, "expert annotation")])
        add_text(figure, _LEFT, below - _BAR, "\n".join(notes), fontsize=SMALL, color=FAINT, va="top")
    return figure


def build_gallery_grid(
    images: Sequence[Any],
    titles: Sequence[str],
    rows: int,
    cols: int,
    output_path: str | Path,
    suptitle: str = "",
    *,
    dpi: int = 150,
) -> Path:
    """Write pictures with their titles as a grid, row by row from the upper left.

    All cells have the same size whatever the shape of the pictures; cells without a picture stay empty.

    Args:
        images: Pictures, at most ``rows * cols``: shape ``(height, width, 3)`` RGB or ``(height, width)`` grey, uint8,
            or floating in [0, 1].
        titles: A title per picture.
        rows: Rows of the grid, at least 1.
        cols: Columns of the grid, at least 1.
        output_path: A ``.png``, ``.svg`` or ``.pdf`` file, written whole or not at all; its folder is made if missing.
        suptitle: Title of the figure.
        dpi: Resolution in dots per inch.

    Returns:
        The file.

    Raises:
        TypeError: An argument is of another kind.
        ValueError: A picture is of another shape or range, or pictures, titles and cells disagree in number.
        OutputError: The suffix is another one, or the file cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     build_gallery_grid([np.zeros((8, 8, 3))], ["a"], 1, 2, f"{folder}/grid.png", suptitle="two").name
    'grid.png'
    """
    path, rows, cols = (
        checked_path(output_path, "output_path"),
        checked_count(rows, 1, "rows"),
        checked_count(cols, 1, "cols"),
    )
    pictures = [as_rgb(checked_picture(image, f"images[{number}]")) for number, image in enumerate(images)]
    if isinstance(titles, str) or not len(titles) == len(pictures) <= rows * cols:
        raise ValueError(
            f"images: expected at most {rows} x {cols} of them and a title each, got {len(pictures)} images and "
            f"{shown(titles) if isinstance(titles, str) else f'{len(titles)} titles'}"
        )
    band = 0.22
    with styled():
        heading = wrapped(suptitle, cols * (_WIDTH + _GAP), _HEADING, bold=True, limit=3)
        top = rows * (_HEIGHT + band) + _GAP
        height = top + (0.1 + 0.18 * len(heading) if suptitle else 0)
        figure = new_figure(cols * (_WIDTH + _GAP) + _GAP, height)
        if suptitle:
            add_text(figure, _GAP, height - 0.08, "\n".join(heading), fontsize=_HEADING, weight="bold", va="top")
        for number, (picture, title) in enumerate(zip(pictures, titles, strict=True)):
            line, column = divmod(number, cols)
            left, bottom = _GAP + column * (_WIDTH + _GAP), top - (line + 1) * (_HEIGHT + band)
            text = fitted(printable(str(title)), _WIDTH, _TITLE)
            add_text(figure, left, bottom + _HEIGHT + 0.06, text, fontsize=_TITLE)
            _draw_picture(figure, Picture(picture), (left, bottom, _WIDTH, _HEIGHT))
    save_figure(figure, path, dpi=checked_count(dpi, 1, "dpi"))
    return path


def _per_line(columns: int) -> int:
    """Return how many examples stand in a line: all up to six, else as even as it goes."""
    return -(-columns // -(-columns // _LONGEST_LINE))


def _lines(row: Row, columns: int) -> int:
    return max(1, -(-len(row.cells) // _per_line(columns)))


def _title_lines(title: str) -> list[str]:
    """Break a title before its arrow where it is too wide; a long class name gives way, never the confidence."""
    text = printable(title)
    if text_width(text, _TITLE) <= _WIDTH:
        return [text]
    true, arrow, predicted = text.rpartition(" -> ")
    return [fitted(part, _WIDTH, _TITLE) for part in ([true, f"-> {predicted}"] if arrow else [text])]


def _draw_row(figure: Figure, row: Row, *, bottom: float, pitch: float, columns: int) -> None:
    """Draw one outcome; ``bottom`` is the lower edge of its lowest cells in inches, ``pitch`` from line to line."""
    name = printable(_NAMES.get(row.name, row.name))
    lines = _lines(row, columns)
    middle = bottom + (lines - 1) * pitch / 2 + _HEIGHT / 2
    label = fitted(f"{name}, {len(row.cells)} of {row.available}", _HEIGHT, _LABEL)
    add_text(figure, 0.25, middle, label, rotation=90, va="center", ha="center", fontsize=_LABEL)
    for number in range(lines * _per_line(columns)):
        line, column = place_of(number, columns)
        left, low = _LEFT + column * (_WIDTH + _GAP), bottom + (lines - 1 - line) * pitch
        if number < len(row.cells):
            _draw_cell(figure, row.cells[number], left, low)
        elif number < columns:
            add_cell(figure, left, low, _WIDTH, _HEIGHT)
        if number == len(row.cells) < columns:
            text = f"no {'further ' if row.cells else ''}{name} ({len(row.cells)} of {columns})"
            centre = left + _WIDTH / 2, low + _HEIGHT / 2
            add_text(figure, *centre, text, ha="center", va="center", fontsize=_TITLE, color=FAINT)


def _draw_cell(figure: Figure, cell: Cell, left: float, bottom: float) -> None:
    """Draw one example, with its titles above."""
    above = bottom + _HEIGHT
    subtitle = fitted(cell.subtitle, _WIDTH, SMALL)
    add_text(figure, left, above + 0.22, "\n".join(_title_lines(cell.title)), fontsize=_TITLE)
    add_text(figure, left, above + 0.07, subtitle, fontsize=SMALL, color=FAINT)
    if not cell.pictures:
        add_cell(figure, left, bottom, _WIDTH, _HEIGHT)
    elif len(cell.pictures) == 1:
        _draw_picture(figure, cell.pictures[0], (left, bottom, _WIDTH, _HEIGHT))
    else:
        _draw_parts(figure, cell.pictures, left, bottom)


def _draw_parts(figure: Figure, pictures: Sequence[Picture], left: float, bottom: float) -> None:
    """Draw pictures that share a cell, with captions: side by side, wide ones on top of each other."""
    parts, gap = len(pictures), _GAP / 2
    beside, line = (_WIDTH - (parts - 1) * gap) / parts, LINE + 0.04
    height, width = pictures[0].pixels.shape[:2]
    stacked = min(_WIDTH / width, (_HEIGHT / parts - line) / height) > min(beside / width, (_HEIGHT - line) / height)
    share, part = (_WIDTH, _HEIGHT / parts) if stacked else (beside, _HEIGHT)
    captions = [wrapped(picture.caption, share, SMALL, limit=1 if stacked else 2) for picture in pictures]
    room = part - 0.04 - LINE * max(map(len, captions))
    for number, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        start = left + (0 if stacked else number * (beside + gap))
        low = bottom + _HEIGHT - room - (number * part if stacked else 0)
        _draw_picture(figure, picture, (start, low, share, room))
        add_text(figure, start, low - 0.04, "\n".join(caption), fontsize=SMALL, va="top")


def _draw_picture(figure: Figure, picture: Picture, cell: tuple[float, float, float, float]) -> None:
    """Draw a picture into a cell: left, bottom, width and height in inches."""
    axes = add_cell(figure, *cell)
    place = show_picture(axes, picture.pixels)
    add_outlines(axes, picture.annotation, place, ANNOTATION)
    if picture.note:
        add_note(axes, f"no heat map:\n{picture.note.replace('_', ' ')}")
