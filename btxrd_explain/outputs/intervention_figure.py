"""The figures of ``intervene``: paired effects, conditions by class, and pictures of the four cells."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.outputs.chart import GREY, add_points, colour_of, finish, marker_of, new_charts
from btxrd_explain.outputs.fonts import fitted, printable, wrapped
from btxrd_explain.outputs.marks import Key, Marks, draw_marks, hottest_of, inset_of, inset_window, outlines_of
from btxrd_explain.outputs.overlay import ALPHA, COLOURS, create_overlay
from btxrd_explain.outputs.style import (
    FAINT,
    INK,
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

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_AREA, _GAP, _MARGIN, _TOP, _NAME = 2.25, 0.08, 0.15, 0.66, 0.52
"""Square inches of a picture's cell. Inches: gap, margins, heading, text around a row."""
_COLUMNS = ("radiograph", "without the lesion", "without a control", "heat map")


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """A point per radiograph: the effect of the lesion against that of its controls.

    Attributes:
        title: How they were filled.
        lesion: Change of the log-odds without the lesion, float64, shape ``(n,)``; NaN is not drawn.
        control: Mean change without a control, likewise.
        groups: What each belongs to, such as its class.
        mean: Mean excess; None where it is undefined.
        low: Lower end of its interval.
        high: Upper end.
        count: Number of radiographs behind it.
    """

    title: str
    lesion: NDArray[np.float64]
    control: NDArray[np.float64]
    groups: Sequence[str]
    mean: float | None
    low: float | None
    high: float | None
    count: int


@dataclass(frozen=True, slots=True)
class Row:
    """The effects of all conditions on some radiographs.

    Attributes:
        label: Which radiographs.
        means: Mean change of the log-odds under each condition; None where it is undefined.
        low: Lower ends of the intervals.
        high: Upper ends.
        tone: Number of the class that they have, which colours it as in all figures; None for others.
    """

    label: str
    means: Sequence[float | None]
    low: Sequence[float | None]
    high: Sequence[float | None]
    tone: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A radiograph of one of the four cells.

    Attributes:
        cell: The cell.
        image_id: Its name.
        class_name: The class whose log-odds are followed.
        pictures: The network's input: as it is, without the lesion, without a control; uint8, shape
            ``(height, width, 3)``.
        log_odds: Log-odds of the class on each.
        heat: The heat map on the network's input, in [0, 1]; None without evidence.
        lesion: The lesions, boolean, shape ``(height, width)``.
        aspect: Width by height of what the pictures show: the network's input may be squashed.
    """

    cell: str
    image_id: str
    class_name: str
    pictures: Sequence[NDArray[np.uint8]]
    log_odds: Sequence[float]
    heat: NDArray[np.float32] | None
    lesion: NDArray[np.bool_]
    aspect: float

    @property
    def marks(self) -> Marks:
        """What is drawn over the radiograph."""
        window = inset_window(self.lesion)
        return Marks(
            annotation=outlines_of(self.lesion),
            hottest=None if self.heat is None else hottest_of(self.heat),
            inset=None if window is None else inset_of(self.pictures[0][window], window, self.lesion.shape),
        )


def build_pairs(charts: Sequence[Pairs], order: Sequence[str], *, verdict: str, footer: str = "") -> Figure:
    """Build a chart per fill, in which points below the diagonal fall by more without the lesion.

    Args:
        charts: What is drawn.
        order: All groups that there are.
        verdict: What the points show, in plain words.
        footer: How the network was asked.

    Returns:
        The figure, ready for :func:`btxrd_explain.outputs.style.save_figure`.
    """
    drawn = len({name for chart in charts for name in chart.groups})
    figure, axes_of = new_charts(
        [chart.title for chart in charts],
        heading=verdict,
        footer=footer,
        entries=drawn + 3,
    )
    for axes, chart in zip(axes_of, charts, strict=True):
        values = np.concatenate([chart.lesion, chart.control])
        known = values[~np.isnan(values)]
        low, high = min(known.min(initial=0), -0.1), max(known.max(initial=0), 0.1)
        ends = np.array([low - 0.05 * (high - low), high + 0.05 * (high - low)])
        axes.plot(ends, ends, color=GREY, linewidth=1, label="no difference")
        if chart.mean is not None:
            label = f"mean excess {chart.mean:+.2f} (n = {chart.count})"
            axes.plot(ends, ends + chart.mean, color=INK, linewidth=1.2, linestyle="--", label=label)
        if chart.mean is not None and chart.low is not None and chart.high is not None:
            label = f"95 % interval [{chart.low:+.2f}, {chart.high:+.2f}]"
            axes.fill_between(
                ends, ends + chart.low, ends + chart.high, color=INK, alpha=0.12, linewidth=0, label=label
            )
        add_points(axes, chart.control, chart.lesion, chart.groups, order)
        axes.set(xlim=ends, ylim=ends)
        axes.locator_params(nbins=5)
        finish(
            axes,
            x_label="change of log-odds without a control",
            y_label="change of log-odds without the lesion",
            unit_square=False,
        )
    return figure


def build_conditions(
    rows: Sequence[Row],
    conditions: Sequence[str],
    *,
    heading: str = "Change of the log-odds, by condition",
    footer: str = "",
) -> Figure:
    """Build the mean changes with their intervals, condition below condition, and within each the slices.

    Args:
        rows: The slices, all radiographs first.
        conditions: Names of the conditions.
        heading: Title of the figure.
        footer: How the network was asked.

    Returns:
        The figure, ready for :func:`btxrd_explain.outputs.style.save_figure`.
    """
    left, width, pitch, above, below = 1.65, 5.9, 0.13, 0.42, 0.5
    block = pitch * (len(rows) + 1)
    with styled():
        notes = wrapped(footer, width - 0.2, SMALL, limit=6)
        bottom = below + 0.16 * len(rows) + 0.15 + LINE * len(notes)
        height = above + block * len(conditions) + bottom
        figure = new_figure(width, height)
        title = fitted(heading, width - 0.2, 11, bold=True)
        add_text(figure, 0.1, height - 0.2, title, fontsize=11, weight="bold", va="center")
        add_text(figure, 0.1, 0.08, "\n".join(notes), fontsize=SMALL, color=FAINT, va="bottom")
        axes = figure.add_axes(
            (left / width, bottom / height, (width - left - 0.2) / width, block * len(conditions) / height)
        )
        axes.axvline(0, color=GREY, linewidth=1)
        for number, row in enumerate(rows):
            _add_row(axes, row, number, len(rows))
        middles = [-(index * (len(rows) + 1) + (len(rows) - 1) / 2) for index in range(len(conditions))]
        axes.set_yticks(middles, [fitted(name, left - 0.15, SMALL) for name in conditions])
        axes.set_ylim(-len(conditions) * (len(rows) + 1) + 1, 1)
        axes.tick_params(labelsize=SMALL, length=2.5, colors=INK)
        axes.grid(axis="x", color="#e6e6e6", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.set_xlabel(printable("mean change of the log-odds, with 95 % interval"), fontsize=8, color=INK)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.legend(
            loc="upper left",
            bbox_to_anchor=(0, -0.42 / (block * len(conditions))),
            borderaxespad=0,
            frameon=False,
            fontsize=SMALL,
            labelcolor=INK,
        )
    return figure


def _add_row(axes: Axes, row: Row, number: int, rows: int) -> None:
    """Draw the conditions of one slice."""
    tone = number - 1 if row.tone is None else row.tone
    colour, marker = (INK, "*") if number == 0 else (colour_of(tone), marker_of(tone))
    places = [-(index * (rows + 1) + number) for index in range(len(row.means))]
    ends = [
        (place, low, high)
        for place, low, high in zip(places, row.low, row.high, strict=True)
        if low is not None and high is not None
    ]
    known = [(place, mean) for place, mean in zip(places, row.means, strict=True) if mean is not None]
    for place, low, high in ends:
        axes.plot([low, high], [place, place], color=colour, linewidth=1.4)
    axes.plot(
        [mean for _, mean in known],
        [place for place, _ in known],
        marker,
        color=colour,
        markersize=6 if number == 0 else 3.5,
        label=fitted(row.label, 3.5, SMALL),
    )


def build_cells(
    cases: Sequence[Case], *, title: str, colormap: str = COLOURS, alpha: float = ALPHA, footer: str = ""
) -> Figure:
    """Build the pictures of a few radiographs, a row each, with the log-odds of the class under each picture.

    Args:
        cases: The radiographs, at least one; with more than four they are in two columns.
        title: Title of the figure.
        colormap: Colour map of heat maps.
        alpha: Opacity of heat maps at heat 1.
        footer: How the network was asked.

    Returns:
        The figure, ready for :func:`btxrd_explain.outputs.style.save_figure`.
    """
    blocks = 2 if len(cases) > 4 else 1
    lines = -(-len(cases) // blocks)
    cell = cell_shape([case.aspect for case in cases], _AREA)
    pitch, block = cell[1] + _NAME, _row_width(cell) + 2 * _MARGIN
    key = Key.of([case.marks for case in cases], blocks * block - 2 * _MARGIN)
    with styled():
        notes = wrapped(footer, blocks * block - 2 * _MARGIN, SMALL, limit=6)
        below = key.height + 0.2 + LINE * len(notes)
        height = _TOP + lines * pitch + below
        figure = new_figure(blocks * block, height)
        heading = fitted(title, blocks * block - 2 * _MARGIN, 11, bold=True)
        add_text(figure, _MARGIN, height - 0.22, heading, fontsize=11, weight="bold", va="center")
        for number in range(blocks):
            for column, name in enumerate(_COLUMNS):
                middle = number * block + _MARGIN + column * (cell[0] + _GAP) + cell[0] / 2
                add_text(figure, middle, height - 0.56, fitted(name, cell[0], 8.5), ha="center", fontsize=8.5)
        for number, case in enumerate(cases):
            top = height - _TOP - (number % lines) * pitch - 0.2
            place = number // lines * block + _MARGIN, top
            _draw_case(figure, case, cell, place, colours=(colormap, alpha))
        key.draw(figure, _MARGIN, below - 0.1, colormap, alpha)
        add_text(figure, _MARGIN, 0.08 + LINE * len(notes), "\n".join(notes), fontsize=SMALL, color=FAINT, va="top")
    return figure


def _row_width(cell: tuple[float, float]) -> float:
    """Return the width of the pictures of one radiograph, in inches."""
    return len(_COLUMNS) * (cell[0] + _GAP) - _GAP


def _draw_case(
    figure: Figure,
    case: Case,
    cell: tuple[float, float],
    place: tuple[float, float],
    *,
    colours: tuple[str, float],
) -> None:
    """Draw one radiograph; ``place`` is the upper left corner of its pictures, in inches from the lower left."""
    (left, top), row, marks = place, _row_width(cell), case.marks
    add_text(figure, left, top + 0.06, fitted(case.cell, row * 0.45, 8.5, bold=True), fontsize=8.5, weight="bold")
    caption = fitted(f"{case.image_id}, {case.class_name}", row * 0.5, SMALL)
    add_text(figure, left + row, top + 0.06, caption, fontsize=SMALL, ha="right")
    overlaid = case.pictures[0]
    if case.heat is not None:
        overlaid = create_overlay(overlaid, case.heat, alpha=colours[1], colormap=colours[0])
    before = case.log_odds[0]
    texts = [f"{before:+.2f}", *(f"{after:+.2f} ({after - before:+.2f})" for after in case.log_odds[1:]), ""]
    over = [replace(marks, hottest=None), Marks(), Marks(), replace(marks, inset=None)]
    for column, (picture, text) in enumerate(zip([*case.pictures, overlaid], texts, strict=True)):
        start = left + column * (cell[0] + _GAP)
        axes = add_cell(figure, start, top - cell[1], *cell)
        note = "no evidence" if column == len(_COLUMNS) - 1 and case.heat is None else ""
        draw_marks(axes, over[column], show_picture(axes, picture, aspect=case.aspect, note=note))
        add_text(figure, start + cell[0] / 2, top - cell[1] - 0.13, text, fontsize=SMALL, ha="center")
