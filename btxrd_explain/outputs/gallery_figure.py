"""The picture grid of one class: true positives, false positives and false negatives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np  # noqa: TC002 -- the doctest uses it

from btxrd_explain.core.arrays import checked_count, checked_items, checked_path, checked_picture
from btxrd_explain.outputs.fonts import fitted, printable, text_width, wrapped
from btxrd_explain.outputs.marks import Key, Marks, draw_marks
from btxrd_explain.outputs.overlay import ALPHA, COLOURS, as_rgb
from btxrd_explain.outputs.style import (
    FAINT,
    LINE,
    SMALL,
    add_cell,
    add_text,
    cell_shape,
    largest_picture,
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

    from btxrd_explain.core.geometry import Size

_AREA, _GAP, _LEFT = 6.2, 0.1, 0.5
"""Square inches of a cell. Inches: gap between cells, left margin."""
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
        marks: What is drawn over it.
    """

    pixels: NDArray[np.uint8]
    caption: str = ""
    note: str = ""
    marks: Marks = field(default_factory=Marks)

    @property
    def ratio(self) -> float:
        """Width by height."""
        height, width = self.pixels.shape[:2]
        return float(width / height)


@dataclass(frozen=True, slots=True)
class Cell:
    """One example: one picture, or two side by side.

    Attributes:
        pictures: The pictures; none where the radiograph cannot be read any more.
        title: Such as ``TP: Benign -> Benign (0.93)``.
        subtitle: Such as the outcome in a word, and the ``image_id``.
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
        meaning: What the outcome is of this class, in words.
    """

    name: str
    cells: tuple[Cell, ...]
    available: int
    meaning: str = ""


def place_of(number: int, columns: int) -> tuple[int, int]:
    """Return the line and the column, both from 0, of an example within its outcome.

    More than six examples are in lines of equal length, so that titles can be read on a page and on a screen.

    >>> [place_of(number, 7) for number in (0, 3, 4)], place_of(5, 6)
    ([(0, 0), (0, 3), (1, 0)], (0, 5))
    """
    return divmod(number, _per_line(columns))


def cell_pixels(dpi: int) -> Size:
    """Return the size in pixels at which a picture is shown at most, whatever shape the cells take."""
    return largest_picture(_AREA, dpi)


def build_gallery(
    rows: Sequence[Row],
    *,
    title: str,
    columns: int,
    colormap: str = COLOURS,
    alpha: float = ALPHA,
    footer: str = "",
) -> Figure:
    """Build the picture grid of one class.

    All cells have the same size, that of the median picture's shape; where an outcome has fewer examples than columns
    the rest stays quietly empty and says so.

    Args:
        rows: The rows from top to bottom.
        title: Title of the figure.
        columns: Examples per row, at least 1; more than six are in several lines, see :func:`place_of`.
        colormap: Colour map of the colour bar, the one that the pictures were made with.
        alpha: Opacity at heat 1, likewise.
        footer: A line at the bottom on how the heat maps were made.

    Returns:
        The figure, ready for :func:`btxrd_explain.outputs.style.save_figure`.

    Raises:
        ValueError: No rows, no columns, or more cells than columns.
    """
    if not rows or columns < 1 or any(len(row.cells) > columns for row in rows):
        raise ValueError(f"cannot lay {max((len(row.cells) for row in rows), default=0)} cells into {columns} columns")
    cells = [cell for row in rows for cell in row.cells if cell.pictures]
    size = cell_shape([sum(picture.ratio for picture in cell.pictures) for cell in cells], _AREA)
    width = _LEFT + _per_line(columns) * (size[0] + _GAP)
    key = Key.of([picture.marks for cell in cells for picture in cell.pictures], width - _LEFT - _GAP)
    with styled():
        heading = wrapped(title, width - 2 * _GAP, _HEADING, bold=True, limit=3)
        notes = wrapped(footer, width - _LEFT - _GAP, SMALL, limit=8)
        titles = [_title_lines(cell.title, size[0]) for row in rows for cell in row.cells]
        pitch = size[1] + 0.28 + 0.14 * max(map(len, titles), default=1)
        below = key.height + 0.1 + LINE * len(notes)
        lines = sum(_lines(row, columns) for row in rows)
        height = 0.27 + 0.18 * len(heading) + lines * pitch + below
        figure = new_figure(width, height)
        add_text(figure, _GAP, height - 0.12, "\n".join(heading), fontsize=_HEADING, weight="bold", va="top")
        for row in rows:
            lines -= _lines(row, columns)
            _draw_row(figure, row, size, bottom=below + lines * pitch, pitch=pitch, columns=columns)
        key.draw(figure, _LEFT, below - 0.05, colormap, alpha)
        add_text(figure, _LEFT, 0.08 + LINE * len(notes), "\n".join(notes), fontsize=SMALL, color=FAINT, va="top")
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

    All cells have the same size, that of the median picture's shape; cells without a picture stay empty.

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
    pictures = [
        as_rgb(checked_picture(image, f"images[{number}]"))
        for number, image in enumerate(checked_items(images, "images"))
    ]
    titles = checked_items(titles, "titles")
    if not len(titles) == len(pictures) <= rows * cols:
        raise ValueError(
            f"images: expected at most {rows} x {cols} of them and a title each, got {len(pictures)} images and "
            f"{len(titles)} titles"
        )
    band, size = 0.22, cell_shape([picture.shape[1] / picture.shape[0] for picture in pictures], _AREA)
    with styled():
        heading = wrapped(suptitle, cols * (size[0] + _GAP), _HEADING, bold=True, limit=3)
        top = rows * (size[1] + band) + _GAP
        height = top + (0.1 + 0.18 * len(heading) if suptitle else 0)
        figure = new_figure(cols * (size[0] + _GAP) + _GAP, height)
        if suptitle:
            add_text(figure, _GAP, height - 0.08, "\n".join(heading), fontsize=_HEADING, weight="bold", va="top")
        for number, (picture, title) in enumerate(zip(pictures, titles, strict=True)):
            line, column = divmod(number, cols)
            left, bottom = _GAP + column * (size[0] + _GAP), top - (line + 1) * (size[1] + band)
            text = fitted(printable(str(title)), size[0], _TITLE)
            add_text(figure, left, bottom + size[1] + 0.06, text, fontsize=_TITLE)
            _draw_picture(figure, Picture(picture), (left, bottom, *size))
    save_figure(figure, path, dpi=checked_count(dpi, 1, "dpi"))
    return path


def _per_line(columns: int) -> int:
    """Return how many examples are in a line: all up to six, else as even as it goes."""
    return -(-columns // -(-columns // _LONGEST_LINE))


def _lines(row: Row, columns: int) -> int:
    return max(1, -(-len(row.cells) // _per_line(columns)))


def _title_lines(title: str, width: float) -> list[str]:
    """Break a title before its arrow where it is too wide; a long class name gives way, never the confidence."""
    text = printable(title)
    if text_width(text, _TITLE) <= width:
        return [text]
    true, arrow, predicted = text.rpartition(" -> ")
    return [fitted(part, width, _TITLE) for part in ([true, f"-> {predicted}"] if arrow else [text])]


def _draw_row(
    figure: Figure, row: Row, size: tuple[float, float], *, bottom: float, pitch: float, columns: int
) -> None:
    """Draw one outcome; ``bottom`` is the lower edge of its lowest cells in inches, ``pitch`` from line to line."""
    name, (width, height) = printable(_NAMES.get(row.name, row.name)), size
    lines = _lines(row, columns)
    middle = bottom + (lines - 1) * pitch / 2 + height / 2
    for left, text, size_of_text in ((0.15, f"{name}: {_shown(row)}", _LABEL), (0.36, row.meaning, SMALL)):
        label = fitted(printable(text), height, size_of_text)
        add_text(figure, left, middle, label, rotation=90, va="center", ha="center", fontsize=size_of_text)
    for number in range(lines * _per_line(columns)):
        line, column = place_of(number, columns)
        left, low = _LEFT + column * (width + _GAP), bottom + (lines - 1 - line) * pitch
        if number < len(row.cells):
            _draw_cell(figure, row.cells[number], (left, low, *size))
        elif number < columns:
            add_cell(figure, left, low, *size)
        if number == len(row.cells) < columns:
            text = "\n".join(wrapped(_missing(row, name), width - 0.2, _TITLE, limit=4))
            centre = left + width / 2, low + height / 2
            add_text(figure, *centre, text, ha="center", va="center", fontsize=_TITLE, color=FAINT)


def _shown(row: Row) -> str:
    """Return how many of the examples that there are a row shows, in words."""
    if len(row.cells) == row.available:
        return {0: "none", 1: "the only one"}.get(row.available, f"all {row.available}")
    return f"{len(row.cells)} of {row.available}"


def _missing(row: Row, name: str) -> str:
    """Return why a row has room left, in words."""
    if not row.available:
        return f"there are no {name}"
    return f"no further {name}: there {'is' if row.available == 1 else 'are'} {row.available} in all"


def _draw_cell(figure: Figure, cell: Cell, place: tuple[float, float, float, float]) -> None:
    """Draw one example into left, bottom, width and height in inches, with its titles above."""
    left, bottom, width, height = place
    above = bottom + height
    add_text(figure, left, above + 0.22, "\n".join(_title_lines(cell.title, width)), fontsize=_TITLE)
    add_text(figure, left, above + 0.07, fitted(cell.subtitle, width, SMALL), fontsize=SMALL, color=FAINT)
    if not cell.pictures:
        add_cell(figure, *place)
    elif len(cell.pictures) == 1:
        _draw_picture(figure, cell.pictures[0], place)
    else:
        _draw_parts(figure, cell.pictures, place)


def _draw_parts(figure: Figure, pictures: Sequence[Picture], place: tuple[float, float, float, float]) -> None:
    """Draw pictures that share a cell, with captions: side by side, wide ones on top of each other."""
    left, bottom, width, height = place
    parts, gap = len(pictures), _GAP / 2
    beside, line, ratio = (width - (parts - 1) * gap) / parts, LINE + 0.04, pictures[0].ratio
    stacked = min(width, (height / parts - line) * ratio) > min(beside, (height - line) * ratio)
    share, part = (width, height / parts) if stacked else (beside, height)
    captions = [wrapped(picture.caption, share, SMALL, limit=1 if stacked else 2) for picture in pictures]
    room = part - 0.04 - LINE * max(map(len, captions))
    for number, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        start = left + (0 if stacked else number * (beside + gap))
        low = bottom + height - room - (number * part if stacked else 0)
        _draw_picture(figure, picture, (start, low, share, room))
        add_text(figure, start, low - 0.04, "\n".join(caption), fontsize=SMALL, va="top")


def _draw_picture(figure: Figure, picture: Picture, cell: tuple[float, float, float, float]) -> None:
    """Draw a picture into a cell: left, bottom, width and height in inches."""
    axes = add_cell(figure, *cell)
    note = f"no heat map:\n{picture.note.replace('_', ' ')}" if picture.note else ""
    draw_marks(axes, picture.marks, show_picture(axes, picture.pixels, note=note))
