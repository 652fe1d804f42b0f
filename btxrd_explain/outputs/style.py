"""What all figures share: fonts, colours, the colour bar, and a way to the disk that gives the same bytes."""

from __future__ import annotations

import io
from bisect import bisect_right
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import cv2
import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from btxrd_explain.errors import OutputError
from btxrd_explain.files import write_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

ANNOTATION = (86, 180, 233)
"""Sky blue of the colour-blind safe palette of Okabe and Ito: outlines of annotations."""
REGION = (255, 255, 255)
"""White: outlines of the heat map at the threshold."""
INK, FAINT, EMPTY = "#222222", "#666666", "#f2f2f2"

_PRINT_DPI = 300
"""Pictures are kept at this resolution, whatever the resolution of the figure."""

_FONT = "DejaVu Sans"
"""Comes with matplotlib, so that text has the same width on every machine."""

SMALL, LINE = 7, 0.13
"""The smallest type, in points, and the height of a line of it, in inches."""

_STYLE: Any = {
    "font.family": _FONT,
    "font.size": 8,
    "text.parse_math": False,  # names may hold dollar signs
    "svg.hashsalt": "btxrd-explain",
    "svg.fonttype": "path",  # looks the same where the font is missing
    "pdf.fonttype": 42,
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw and save in this package's style, whatever the user's matplotlib is set to."""
    with matplotlib.style.context(["default", _STYLE]):
        yield


def to_hex(colour: tuple[int, int, int]) -> str:
    """Return a colour as matplotlib takes it.

    >>> to_hex(ANNOTATION)
    '#56b4e9'
    """
    return "#" + bytes(colour).hex()


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of that size in inches; no pyplot, no state."""
    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def add_cell(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Add an empty cell of neutral ground, in inches from the lower left corner; its unit is the inch."""
    total_width, total_height = figure.get_size_inches()
    place = left / total_width, bottom / total_height, width / total_width, height / total_height
    axes = figure.add_axes(place, facecolor=EMPTY, xticks=[], yticks=[], xlim=(0, width), ylim=(height, 0))
    for spine in axes.spines.values():
        spine.set_visible(False)
    return axes


def add_text(figure: Figure, left: float, bottom: float, text: str, **look: Any) -> None:  # noqa: ANN401 -- matplotlib's
    """Add a text, in inches from the lower left corner."""
    width, height = figure.get_size_inches()
    figure.text(left / width, bottom / height, text, **({"color": INK} | look))


def add_note(axes: Axes, text: str) -> None:
    """Write a note onto the middle of a picture, on a dark ground that reads everywhere, within its cell."""
    margin = 0.1
    lines = [
        line
        for paragraph in text.splitlines()
        for line in wrapped(paragraph, axes.get_xlim()[1] - margin, SMALL, limit=3)
    ]
    axes.text(
        0.5,
        0.5,
        "\n".join(lines),
        transform=axes.transAxes,
        ha="center",
        va="center",
        fontsize=SMALL,
        color="white",
        bbox={"facecolor": "black", "alpha": 0.65, "pad": 1.5, "linewidth": 0},
    )


def show_picture(axes: Axes, pixels: NDArray[np.uint8]) -> None:
    """Show a picture as large as a cell allows, centred, its aspect ratio kept.

    Args:
        axes: A cell made by :func:`add_cell`.
        pixels: RGB picture, uint8, shape ``(height, width, 3)``; large ones are reduced to what print can show.
    """
    (_, cell_width), (cell_height, _) = axes.get_xlim(), axes.get_ylim()
    scale = min(cell_width / pixels.shape[1], cell_height / pixels.shape[0])
    width, height = pixels.shape[1] * scale, pixels.shape[0] * scale
    if scale * _PRINT_DPI < 1:
        size = max(1, round(width * _PRINT_DPI)), max(1, round(height * _PRINT_DPI))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype("uint8", copy=False)
    left, top = (cell_width - width) / 2, (cell_height - height) / 2
    extent = (left, left + width, top + height, top)
    axes.imshow(pixels, extent=extent, interpolation="antialiased", aspect="auto")
    axes.set(xlim=(0, cell_width), ylim=(cell_height, 0))


def add_colour_bar(figure: Figure, place: tuple[float, float, float, float], colormap: str) -> None:
    """Add the one fixed scale from 0 to 1, as a horizontal bar at ``place`` (left, bottom, width, height)."""
    axes = figure.add_axes(place)
    bar = figure.colorbar(ScalarMappable(Normalize(0, 1), colormap), cax=axes, orientation="horizontal")
    bar.set_ticks([0, 0.5, 1])
    bar.outline.set_visible(False)
    axes.tick_params(labelsize=SMALL, length=2, colors=INK)
    axes.set_title("class activation, scaled per image", fontsize=SMALL, color=INK, pad=2, loc="left")


def save_figure(figure: Figure, path: Path, *, dpi: int) -> None:
    """Write a figure whole or not at all; the suffix names the format, the same figure gives the same bytes.

    Args:
        figure: The figure.
        path: A ``.png``, ``.svg`` or ``.pdf`` file; capitals are fine.
        dpi: Resolution in dots per inch.

    Raises:
        OutputError: The suffix is another one, or the file cannot be written.
    """
    # Dates and versions would make the bytes differ from run to run and from machine to machine.
    dropped = {
        "png": ("Software",),
        "svg": ("Date", "Creator"),
        "pdf": ("CreationDate", "Creator", "Producer"),
    }
    kind = path.suffix.removeprefix(".").lower()
    if kind not in dropped:
        raise OutputError(f"cannot write a figure as '{path}'", hint="name a .png, .svg or .pdf file")
    buffer = io.BytesIO()
    with styled():
        figure.savefig(buffer, format=kind, dpi=dpi, metadata=dict.fromkeys(dropped[kind]))
    write_bytes(path, buffer.getvalue())


def printable(text: str) -> str:
    r"""Return a text on one line; what cannot be printed becomes U+FFFD, white space one blank.

    >>> printable("left\n  femur\udcff\x07") == "left femur\ufffd\ufffd"
    True
    """
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in " ".join(text.split()))


def elided(text: str, length: int) -> str:
    """Return a printable text of at most that many characters; the middle of a longer one gives way.

    >>> elided("IMG000046_left_femur.jpeg", 12), elided("femur", 2)
    ('IMG00….jpeg', '…')
    """
    text = printable(text)
    if len(text) <= length:
        return text
    half = (length - 1) // 2
    return f"{text[:half]}…{text[len(text) - half :]}"


def fitted(text: str, width: float, size: float, *, bold: bool = False) -> str:
    """Return a printable text at most ``width`` inches wide; the middle of a wider one gives way."""
    text = printable(text)
    if text_width(text, size, bold=bold) <= width:
        return text
    lengths = range(1, len(text))
    number = bisect_right(lengths, width, key=lambda length: text_width(elided(text, length), size, bold=bold))
    return elided(text, max(1, number))


def wrapped(text: str, width: float, size: float, *, limit: int, bold: bool = False) -> list[str]:
    """Break a text between words into at most ``limit`` lines of ``width`` inches; what is too wide is elided."""
    lines = [""]
    for word in printable(text).split():
        longer = f"{lines[-1]} {word}".strip()
        if not lines[-1] or len(lines) == limit or text_width(longer, size, bold=bold) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return [fitted(line, width, size, bold=bold) for line in lines if line]


@lru_cache(maxsize=4096)
def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Return the width of a line of text in inches; ``size`` in points."""
    font = FontProperties(family=_FONT, size=size, weight="bold" if bold else "normal")
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]) / 72 * _HINTING


_HINTING = 1.04
"""Glyphs on a grid of pixels can be that much wider than their outlines."""
