"""What all figures share: fonts, colours, cells with pictures, and a way to the disk that gives the same bytes."""

from __future__ import annotations

import io
from contextlib import contextmanager
from statistics import median
from typing import TYPE_CHECKING, Any

import matplotlib.style
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from btxrd_explain.core.geometry import Size
from btxrd_explain.errors import OutputError
from btxrd_explain.outputs.fonts import font_families, wrapped
from btxrd_explain.system.files import write_bytes
from btxrd_explain.system.own_pictures import RESULT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

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

_COMPRESS_LEVEL = 3
"""Of zlib: higher ones take up to three times as long and save a tenth."""

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
    axes = figure.add_axes(place, facecolor=EMPTY, xlim=(0, width), ylim=(height, 0))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_visible(False)  # no ticks are made only to be hidden
    for spine in axes.spines.values():
        spine.set_visible(False)
    return axes


def add_text(figure: Figure, left: float, bottom: float, text: str, **look: Any) -> None:  # noqa: ANN401 -- matplotlib's
    """Add a text, in inches from the lower left corner."""
    width, height = figure.get_size_inches()
    figure.text(left / width, bottom / height, text, **({"color": INK} | look))


def show_picture(
    axes: Axes, pixels: NDArray[np.uint8], *, aspect: float | None = None, note: str = ""
) -> tuple[float, float, float, float]:
    """Show a picture as large as a cell allows, centred, its aspect ratio kept.

    Args:
        axes: A cell made by :func:`add_cell`.
        pixels: RGB picture, uint8, shape ``(height, width, 3)``.
        aspect: Width by height of what it shows, where its pixels are not square; None where they are.
        note: What is written below the picture, within the cell: never over it, where it might hide a lesion.

    Returns:
        Where it lies within the cell, in inches: left, top, width and height.
    """
    (_, cell_width), (cell_height, _) = axes.get_xlim(), axes.get_ylim()
    lines = [line for part in note.splitlines() for line in wrapped(part, cell_width - 0.1, SMALL, limit=3)]
    room = cell_height - (LINE * len(lines) + 0.06 if lines else 0)
    ratio = aspect or pixels.shape[1] / pixels.shape[0]
    width = min(cell_width, room * ratio)
    height = width / ratio
    left, top = (cell_width - width) / 2, (room - height) / 2
    extent = (left, left + width, top + height, top)
    axes.imshow(pixels, extent=extent, interpolation="antialiased", aspect="auto")
    axes.set(xlim=(0, cell_width), ylim=(cell_height, 0))
    if lines:
        place = cell_width / 2, cell_height - 0.04
        axes.text(*place, "\n".join(lines), ha="center", va="bottom", fontsize=SMALL, color=INK)
    return left, top, width, height


def cell_shape(ratios: Sequence[float], area: float) -> tuple[float, float]:
    """Return width and height in inches of cells that are shaped like the median picture.

    Args:
        ratios: Width by height of each picture; without any, cells are square.
        area: Area of a cell in square inches.

    >>> cell_shape([0.25, 1.0, 4.0], 4.0), cell_shape([], 9.0)
    ((2.0, 2.0), (3.0, 3.0))
    """
    ratio = min(max(median(ratios), 1 / LONGEST), LONGEST) if ratios else 1.0
    return (area * ratio) ** 0.5, (area / ratio) ** 0.5


def largest_picture(area: float, dpi: int) -> Size:
    """Return the size in pixels at which a cell shows a picture at most, whatever shape the cells take.

    Args:
        area: Area of a cell in square inches.
        dpi: Pixels per inch.
    """
    return Size(*[round((area * LONGEST) ** 0.5 * dpi)] * 2)


LONGEST = 1.8
"""The longer side of a cell is at most that many times the shorter one."""


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
    facts = {"svg": dict.fromkeys(("Date", "Creator")), "pdf": dict.fromkeys(("CreationDate", "Creator", "Producer"))}
    kind = path.suffix.removeprefix(".").lower()
    if kind not in {"png", *facts}:
        raise OutputError(f"cannot write a figure as '{path}'", hint="name a .png, .svg or .pdf file")
    buffer = io.BytesIO()
    with styled():
        if kind == "png":
            _save_png(figure, buffer, dpi)
        else:
            figure.savefig(buffer, format=kind, dpi=picture_dpi(kind, dpi), metadata=facts[kind])
    write_bytes(path, buffer.getvalue())


def _save_png(figure: Figure, buffer: io.BytesIO, dpi: int) -> None:
    """Write a PNG of three channels, as nothing is transparent: as small as Matplotlib's in a third of the time."""
    canvas: Any = FigureCanvasAgg(figure)
    figure.set_dpi(dpi)
    canvas.draw()
    pixels = canvas.buffer_rgba()
    picture = Image.fromarray(np.asarray(pixels)).convert("RGB")
    facts = PngInfo()
    facts.add_text("Software", RESULT)
    picture.save(buffer, "PNG", dpi=(dpi, dpi), pnginfo=facts, compress_level=_COMPRESS_LEVEL)
