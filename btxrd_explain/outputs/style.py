"""What all figures share: fonts, colours, the colour bar, and a way to the disk that gives the same bytes."""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from btxrd_explain.errors import OutputError
from btxrd_explain.outputs.fonts import font_families, wrapped
from btxrd_explain.system.files import write_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
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
"""What print needs: the least resolution of radiographs within vector figures."""

SMALL, LINE = 7, 0.13
"""The smallest type, in points, and the height of a line of it, in inches."""

_STYLE: Any = {
    "font.size": 8,
    "text.parse_math": False,  # names may hold dollar signs
    "svg.hashsalt": "btxrd-explain",
    "svg.fonttype": "none",  # text stays text: found by a search, set anew by a journal
    "pdf.fonttype": 42,  # likewise
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw and save in this package's style, whatever the user's matplotlib is set to."""
    with matplotlib.style.context(["default", _STYLE | {"font.family": list(font_families())}]):
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


def show_picture(axes: Axes, pixels: NDArray[np.uint8]) -> tuple[float, float, float, float]:
    """Show a picture as large as a cell allows, centred, its aspect ratio kept.

    Args:
        axes: A cell made by :func:`add_cell`.
        pixels: RGB picture, uint8, shape ``(height, width, 3)``.

    Returns:
        Where it lies within the cell, in inches: left, top, width and height.
    """
    (_, cell_width), (cell_height, _) = axes.get_xlim(), axes.get_ylim()
    scale = min(cell_width / pixels.shape[1], cell_height / pixels.shape[0])
    width, height = pixels.shape[1] * scale, pixels.shape[0] * scale
    left, top = (cell_width - width) / 2, (cell_height - height) / 2
    extent = (left, left + width, top + height, top)
    axes.imshow(pixels, extent=extent, interpolation="antialiased", aspect="auto")
    axes.set(xlim=(0, cell_width), ylim=(cell_height, 0))
    return left, top, width, height


def add_colour_bar(figure: Figure, left: float, bottom: float, colormap: str) -> None:
    """Add the one fixed scale from 0 to 1 as a horizontal bar, in inches from the lower left corner."""
    total_width, total_height = figure.get_size_inches()
    axes = figure.add_axes((left / total_width, bottom / total_height, 1.75 / total_width, 0.09 / total_height))
    bar = figure.colorbar(ScalarMappable(Normalize(0, 1), colormap), cax=axes, orientation="horizontal")
    bar.set_ticks([0, 0.5, 1])
    bar.outline.set_visible(False)
    axes.tick_params(labelsize=SMALL, length=2, colors=INK)
    axes.set_title("class activation, scaled per image", fontsize=SMALL, color=INK, pad=2, loc="left")


def add_legend(figure: Figure, left: float, bottom: float, lines: Sequence[tuple[tuple[int, int, int], str]]) -> None:
    """Add a legend of outlines on dark ground, colour and name each, in inches from the lower left corner."""
    width, height = figure.get_size_inches()
    legend = figure.legend(
        handles=[Line2D([], [], color=to_hex(colour), linewidth=2, label=label) for colour, label in lines],
        loc="lower left",
        bbox_to_anchor=(left / width, bottom / height),
        ncols=len(lines),
        fontsize=7.5,
        facecolor="#333333",
        framealpha=1,
        labelcolor="white",
        edgecolor="none",
        fancybox=False,
    )
    legend.set_in_layout(False)


def picture_dpi(kind: str, dpi: int) -> int:
    """Return the resolution of pictures within a figure: its own, and in vector formats enough for print.

    >>> picture_dpi("png", 150), picture_dpi("pdf", 150)
    (150, 300)
    """
    return dpi if kind == "png" else max(dpi, _PRINT_DPI)


def save_figure(figure: Figure, path: Path, *, dpi: int) -> None:
    """Write a figure whole or not at all; the suffix names the format, the same figure gives the same bytes.

    Args:
        figure: The figure.
        path: A ``.png``, ``.svg`` or ``.pdf`` file; capitals are fine.
        dpi: Resolution in dots per inch; of a vector format, that of the pictures within.

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
        figure.savefig(buffer, format=kind, dpi=picture_dpi(kind, dpi), metadata=dict.fromkeys(dropped[kind]))
    write_bytes(path, buffer.getvalue())
