"""The figures of ``sanity``: the cascade of random weights, insertion and deletion, small changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.outputs.chart import GREY, SERIES, Band, add_band, add_mark, finish, new_charts
from btxrd_explain.outputs.fonts import fitted, wrapped
from btxrd_explain.outputs.marks import Key, Marks, draw_marks, hottest_of
from btxrd_explain.outputs.overlay import create_overlay
from btxrd_explain.outputs.style import (
    FAINT,
    LINE,
    SMALL,
    add_cell,
    add_text,
    cell_shape,
    new_figure,
    show_picture,
    styled,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray


_AREA, _GAP, _MARGIN, _TOP, _HEAD, _NAME = 1.3, 0.06, 0.15, 0.4, 0.34, 0.2
"""Square inches of a picture's cell. Inches: gap, margins, heading, names of stages, name below a row."""


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
        maps: The trained network's map and that after each stage shown, values in [0, 1]; None without evidence.
        aspect: Width by height of what the radiograph shows: the network's input may be squashed.
    """

    caption: str
    radiograph: NDArray[np.uint8]
    maps: Sequence[NDArray[np.float32] | None]
    aspect: float


@dataclass(frozen=True, slots=True, eq=False)
class Trail:
    """How alike maps stay under one change.

    Attributes:
        title: The change.
        unit: What its strength is, for the axis.
        strengths: The strengths, from the weakest.
        decisive: That which the verdict rests on.
        measures: Mean similarities with their intervals, each of shape ``(strengths,)``.
        chance: Mean rank correlation of maps of different images; None where there is one image.
    """

    title: str
    unit: str
    strengths: Sequence[float]
    decisive: float
    measures: Sequence[Band]
    chance: float | None


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
    cell = cell_shape([strip.aspect for strip in strips], _AREA)
    pitch = cell[0] + _GAP
    width = 2 * _MARGIN + (len(columns) + 1) * pitch - _GAP
    key = Key.of([Marks(hottest=(0, 0))], width - 2 * _MARGIN)
    with styled():
        notes = wrapped(footer, width - 2 * _MARGIN, SMALL, limit=6)
        height = _TOP + _HEAD + len(strips) * (cell[1] + _NAME) + key.height + 0.2 + LINE * len(notes)
        figure = new_figure(width, height)
        heading = fitted("Heat maps while the weights become random", width - 2 * _MARGIN, 11, bold=True)
        add_text(figure, _MARGIN, height - 0.22, heading, fontsize=11, weight="bold", va="center")
        for number, name in enumerate(("radiograph", *columns)):
            middle = _MARGIN + number * pitch + cell[0] / 2
            lines = "\n".join(fitted(line, cell[0], SMALL) for line in name.splitlines())
            add_text(figure, middle, height - _TOP - _HEAD + 0.04, lines, fontsize=SMALL, ha="center", va="bottom")
        for number, strip in enumerate(strips):
            top = height - _TOP - _HEAD - number * (cell[1] + _NAME)
            _draw_strip(figure, strip, cell, top, colours=(colormap, alpha))
        key.draw(figure, _MARGIN, key.height + 0.1 + LINE * len(notes), colormap, alpha)
        add_text(figure, _MARGIN, 0.08, "\n".join(notes), fontsize=SMALL, color=FAINT, va="bottom")
    return figure


def _draw_strip(
    figure: Figure, strip: Strip, cell: tuple[float, float], top: float, *, colours: tuple[str, float]
) -> None:
    """Draw one image; ``top`` is the upper edge of its pictures, in inches from the bottom."""
    width, _ = figure.get_size_inches()
    caption = fitted(strip.caption, width - 2 * _MARGIN, SMALL)
    add_text(figure, _MARGIN, top - cell[1] - 0.13, caption, fontsize=SMALL)
    for number, values in enumerate([None, *strip.maps]):
        axes = add_cell(figure, _MARGIN + number * (cell[0] + _GAP), top - cell[1], *cell)
        picture = strip.radiograph
        if values is not None:
            picture = create_overlay(picture, values, alpha=colours[1], colormap=colours[0])
        note = "no evidence" if number and values is None else ""
        place = show_picture(axes, picture, aspect=strip.aspect, note=note)
        draw_marks(axes, Marks(hottest=None if values is None else hottest_of(values)), place)


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
        finish(axes, x_label="fraction of pixels changed", y_label="probability of the class")
    return figure


def build_stability(trails: Sequence[Trail], *, limit: float, verdict: str, footer: str = "") -> Figure:
    """Build a chart of similarities for each change, from the weakest strength on the left.

    Args:
        trails: The changes.
        limit: The correlation from which maps count as the same.
        verdict: What the curves show, in plain words.
        footer: How the maps were made.

    Returns:
        The figure, ready for :func:`btxrd_explain.outputs.style.save_figure`.
    """
    titles = [trail.title for trail in trails]
    figure, charts = new_charts(titles, heading=verdict, footer=footer, columns=3, entries=5)
    for axes, trail in zip(charts, trails, strict=True):
        places = np.arange(len(trail.strengths), dtype=np.float64)
        lowest = 0.0
        for number, (band, colour) in enumerate(zip(trail.measures, SERIES, strict=False)):
            low, high = (band.values if end is None else end for end in (band.low, band.high))
            lowest = min(lowest, np.nan_to_num(low).min(initial=0))
            axes.errorbar(
                places + 0.06 * number,
                band.values,
                yerr=np.abs([band.values - low, high - band.values]),
                color=colour,
                marker="os"[number],
                markersize=4,
                capsize=2,
                linewidth=1.4,
                label=band.label,
            )
        axes.axhline(limit, color=GREY, linewidth=1, label=f"limit of the verdict, {limit:g} (Spearman)")
        if trail.chance is not None:
            axes.axhline(trail.chance, color=GREY, linewidth=1, linestyle=":", label="Spearman of different images")
            lowest = min(lowest, trail.chance)
        add_mark(axes, list(trail.strengths).index(trail.decisive), "decides")
        axes.set(xlim=(-0.5, len(places) - 0.5), ylim=(min(0.0, lowest - 0.05), 1.03), xticks=places)
        axes.set_xticklabels([f"{strength:g}" if len(places) > 1 else "" for strength in trail.strengths])
        finish(axes, x_label=trail.unit, y_label="similarity before and after", unit_square=False)
    return figure
