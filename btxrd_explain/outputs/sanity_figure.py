"""The figures of ``sanity``: the cascade of random weights, insertion and deletion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.outputs.chart import GREY, SERIES, Band, add_band, finish, new_charts
from btxrd_explain.outputs.fonts import fitted, wrapped
from btxrd_explain.outputs.overlay import create_overlay
from btxrd_explain.outputs.style import (
    FAINT,
    LINE,
    SMALL,
    add_cell,
    add_colour_bar,
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


_CELL, _GAP, _MARGIN, _TOP, _HEAD, _BAR, _NAME = 1.15, 0.06, 0.15, 0.4, 0.34, 0.62, 0.2
"""Inches: side of a picture, gap, margins, heading, names of stages, colour bar, name above a row."""


@dataclass(frozen=True, slots=True, eq=False)
class Decline:
    """How alike maps stay to those of the trained network.

    Attributes:
        measure: Name of the similarity.
        kept: Its mean after each stage, with its interval, shape ``(stages,)``.
        chance: Its mean between maps of different images; None where there is one image.
    """

    measure: str
    kept: Band
    chance: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """The maps of one image.

    Attributes:
        caption: The image and the class of its maps.
        radiograph: The network's input as a picture, uint8, shape ``(height, width, 3)``.
        maps: The trained network's map and that after each stage shown, values in [0, 1]; None where there is no
            evidence.
    """

    caption: str
    radiograph: NDArray[np.uint8]
    maps: Sequence[NDArray[np.float32] | None]


def build_decline(declines: Sequence[Decline], stages: Sequence[str], *, verdict: str, footer: str = "") -> Figure:
    """Build the curves of similarity over stages.

    Args:
        declines: One chart each.
        stages: Names of the stages, head first; they are numbered from 1, and 0 is the trained network.
        verdict: What the curves show, in plain words.
        footer: How the maps were made.

    Returns:
        The figure, ready for :func:`btxrd_explain.outputs.style.save_figure`.
    """
    named = "Stages: " + ", ".join(f"{number} {name}" for number, name in enumerate(stages, 1))
    titles = [decline.measure for decline in declines]
    figure, charts = new_charts(titles, heading=verdict, footer=f"{named}  |  {footer}", entries=2)
    numbers = np.arange(len(stages) + 1, dtype=np.float64)
    for axes, decline, colour in zip(charts, declines, SERIES, strict=False):
        kept = decline.kept
        ends = (None if end is None else np.concatenate([[1.0], end]) for end in (kept.low, kept.high))
        add_band(axes, numbers, Band(kept.label, np.concatenate([[1.0], kept.values]), *ends), colour=colour)
        axes.plot(numbers[1:], kept.values, "o", color=colour, markersize=3)
        if decline.chance is not None:
            level = np.full_like(numbers, decline.chance)
            add_band(axes, numbers, Band("maps of different images", level), colour=GREY, style=2)
        lowest = min(np.nan_to_num(kept.values if kept.low is None else kept.low).min(initial=0), decline.chance or 0)
        step = -(-len(numbers) // 16)
        axes.set(xlim=(0, numbers[-1] + 0.1), ylim=(min(0, lowest - 0.05), 1.02), xticks=numbers[::step])
        finish(
            axes,
            x_label="stages with random weights",
            y_label="similarity to the trained network's map",
            unit_square=False,
        )
    return figure


def build_strips(
    strips: Sequence[Strip], columns: Sequence[str], *, colormap: str, alpha: float, footer: str = ""
) -> Figure:
    """Build the pictures of a few images, a row each: radiograph, the trained network's map, the maps after stages.

    Args:
        strips: The images, at least one.
        columns: What the maps are, from left to right; each may have two lines.
        colormap: Colour map of heat maps.
        alpha: Opacity of heat maps at heat 1.
        footer: How the maps were made.

    Returns:
        The figure, ready for :func:`btxrd_explain.outputs.style.save_figure`.
    """
    pitch = _CELL + _GAP
    width = 2 * _MARGIN + (len(columns) + 1) * pitch - _GAP
    with styled():
        notes = wrapped(footer, width - 2 * _MARGIN, SMALL, limit=6)
        height = _TOP + _HEAD + len(strips) * (_CELL + _NAME) + _BAR + 0.1 + LINE * len(notes)
        figure = new_figure(width, height)
        heading = fitted("Heat maps while the weights become random", width - 2 * _MARGIN, 11, bold=True)
        add_text(figure, _MARGIN, height - 0.22, heading, fontsize=11, weight="bold", va="center")
        for number, name in enumerate(("radiograph", *columns)):
            middle = _MARGIN + number * pitch + _CELL / 2
            lines = "\n".join(fitted(line, _CELL, SMALL) for line in name.splitlines())
            add_text(figure, middle, height - _TOP - _HEAD + 0.04, lines, fontsize=SMALL, ha="center", va="bottom")
        for number, strip in enumerate(strips):
            top = height - _TOP - _HEAD - number * (_CELL + _NAME)
            _draw_strip(figure, strip, top, width=width, colormap=colormap, alpha=alpha)
        below = 0.1 + LINE * len(notes)
        add_colour_bar(figure, _MARGIN, below + 0.2, colormap)
        add_text(figure, _MARGIN, 0.08, "\n".join(notes), fontsize=SMALL, color=FAINT, va="bottom")
    return figure


def _draw_strip(figure: Figure, strip: Strip, top: float, *, width: float, colormap: str, alpha: float) -> None:
    """Draw one image; ``top`` is the upper edge of its pictures, in inches from the bottom."""
    add_text(figure, _MARGIN, top - _CELL - 0.13, fitted(strip.caption, width - 2 * _MARGIN, SMALL), fontsize=SMALL)
    pictures = [strip.radiograph, *(_overlaid(strip.radiograph, one, colormap, alpha) for one in strip.maps)]
    for number, picture in enumerate(pictures):
        axes = add_cell(figure, _MARGIN + number * (_CELL + _GAP), top - _CELL, _CELL, _CELL)
        show_picture(axes, picture)
        if number and strip.maps[number - 1] is None:
            add_note(axes, "no evidence")


def _overlaid(
    radiograph: NDArray[np.uint8], values: NDArray[np.float32] | None, colormap: str, alpha: float
) -> NDArray[np.uint8]:
    return radiograph if values is None else create_overlay(radiograph, values, alpha=alpha, colormap=colormap)


def build_perturbation(
    charts: Sequence[tuple[str, Band, Band]], *, title: str = "Insertion and deletion", footer: str = ""
) -> Figure:
    """Build a chart per kind of change.

    Args:
        charts: For each the title, the mean curve in the order of the heat maps, and in the order of random maps; a
            value per even step from no to all pixels.
        title: Title of the figure.
        footer: How the maps were made, and what a deleted pixel becomes.

    Returns:
        The figure, ready for :func:`btxrd_explain.outputs.style.save_figure`.
    """
    figure, axes_of = new_charts([name for name, _, _ in charts], heading=title, footer=footer, entries=2)
    for axes, (_, ours, random), colour in zip(axes_of, charts, SERIES, strict=False):
        shares = np.linspace(0, 1, len(ours.values))
        add_band(axes, shares, ours, colour=colour)
        add_band(axes, shares, random, colour=GREY, style=1)
        finish(axes, x_label="share of pixels changed", y_label="probability of the class")
    return figure
