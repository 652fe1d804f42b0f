"""What all figures share: fonts, colours, the colour bar, and a way to the disk that gives the same bytes."""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import cv2
import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

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
INK, FAINT, EMPTY = "#222222", "#777777", "#f2f2f2"

_PRINT_DPI = 300
"""Pictures are kept at this resolution, whatever the resolution of the figure."""

_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "text.parse_math": False,  # names may hold dollar signs
    "svg.hashsalt": "btxrd-explain",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw and save in this package's style, whatever the user's matplotlib is set to."""
    with mpl.rc_context(_STYLE):
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
    axes.tick_params(labelsize=7, length=2, colors=INK)
    axes.set_title("class activation, scaled per image", fontsize=7, color=INK, pad=2)


def save_figure(figure: Figure, path: Path, *, dpi: int) -> None:
    """Write a figure whole or not at all; the suffix names the format, the same figure gives the same bytes.

    Args:
        figure: The figure.
        path: A ``.png``, ``.svg`` or ``.pdf`` file.
        dpi: Resolution in dots per inch.

    Raises:
        OutputError: The file cannot be written.
    """
    kind = path.suffix.removeprefix(".")
    undated: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {"Software": None}}
    buffer = io.BytesIO()
    with styled():
        figure.savefig(buffer, format=kind, dpi=dpi, metadata=undated[kind])
    write_bytes(path, buffer.getvalue())


def elided(text: str, length: int) -> str:
    """Return a text of at most that many characters; the middle of a longer one gives way.

    >>> elided("IMG000046_left_femur.jpeg", 12)
    'IMG00….jpeg'
    """
    if len(text) <= length:
        return text
    half = (length - 1) // 2
    return f"{text[:half]}…{text[-half:]}"
