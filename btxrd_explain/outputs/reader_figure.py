"""Human readers, heat maps and what bounds them in one picture: a line per mean, with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.outputs.chart import GREY, SERIES
from btxrd_explain.outputs.fonts import fitted, printable, wrapped
from btxrd_explain.outputs.style import FAINT, INK, LINE, SMALL, add_text, new_figure, styled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LABEL, _SIDE, _GAP, _ROW, _ABOVE, _BELOW = 1.7, 2.7, 0.3, 0.24, 0.62, 0.75
"""Inches: room for labels, width of a chart, between charts, height of a line, heading, axis and legend."""


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean with its interval.

    Attributes:
        value: The mean; None is not drawn.
        low: Lower end of its interval; None where there is none.
        high: Upper end.
    """

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the picture.

    Attributes:
        label: What it is of.
        means: A mean per chart.
        paired: Of a reader the heat map's mean on the same images, per chart; else empty.
        bound: Whether it is there to compare with, as baselines and the ceiling are.
    """

    label: str
    means: Sequence[Mean]
    paired: Sequence[Mean] = ()
    bound: bool = False


def build_reader_figure(titles: Sequence[str], lines: Sequence[Line], *, title: str, footer: str = "") -> Figure:
    """Build the picture.

    Args:
        titles: Titles of the charts, side by side.
        lines: What is drawn, from top to bottom.
        title: Title of the figure.
        footer: How the heat maps were made.

    Returns:
        The figure, ready for :func:`btxrd_explain.outputs.style.save_figure`.
    """
    width = _LABEL + len(titles) * (_SIDE + _GAP) + 0.1
    with styled():
        notes = wrapped(footer, width - 0.2, SMALL, limit=8)
        below = _BELOW + LINE * len(notes)
        side = _ROW * len(lines) + 0.1
        height = _ABOVE + side + below
        figure = new_figure(width, height)
        add_text(
            figure, 0.1, height - 0.12, fitted(title, width - 0.2, 11, bold=True), fontsize=11, weight="bold", va="top"
        )
        add_text(figure, 0.1, 0.08, "\n".join(notes), fontsize=SMALL, color=FAINT, va="bottom")
        for number, name in enumerate(titles):
            left = (_LABEL + number * (_SIDE + _GAP)) / width
            axes = figure.add_axes((left, below / height, _SIDE / width, side / height))
            _fill(axes, number, lines, name)
            if number == 0:
                axes.set_yticklabels([fitted(printable(line.label), _LABEL - 0.2, 8) for line in lines], fontsize=8)
                axes.legend(
                    loc="upper left",
                    bbox_to_anchor=(0, -0.32 / side),
                    borderaxespad=0,
                    frameon=False,
                    fontsize=SMALL,
                    ncols=3,
                    labelcolor=INK,
                )
    return figure


def _fill(axes: Axes, chart: int, lines: Sequence[Line], title: str) -> None:
    """Draw the means of one chart."""
    axes.set_title(fitted(title, _SIDE, 9, bold=True), fontsize=9, weight="bold", loc="left", color=INK)
    looks: dict[str, tuple[str, str, list[tuple[float, Mean]]]] = {
        "reader": (SERIES[0], "o", [(row, line.means[chart]) for row, line in enumerate(lines) if line.paired]),
        "heat map": (
            SERIES[1],
            "s",
            [
                (row + 0.22 * bool(line.paired), (line.paired or line.means)[chart])
                for row, line in enumerate(lines)
                if not line.bound
            ],
        ),
        "to compare with": (GREY, "D", [(row, line.means[chart]) for row, line in enumerate(lines) if line.bound]),
    }
    for label, (colour, marker, points) in looks.items():
        for row, mean in points:
            if mean.low is not None and mean.high is not None:
                axes.plot([mean.low, mean.high], [row, row], color=colour, linewidth=1.4, solid_capstyle="butt")
        shown = [(row, mean.value) for row, mean in points if mean.value is not None]
        values, rows = [value for _, value in shown], [row for row, _ in shown]
        axes.plot(values, rows, marker, color=colour, markersize=4, label=label, clip_on=False, zorder=3)
    axes.set(xlim=(0, 1), ylim=(len(lines) - 0.4, -0.6), xticks=np.linspace(0, 1, 6), yticks=range(len(lines)))
    axes.set_yticklabels([])
    axes.tick_params(labelsize=SMALL, length=2.5, colors=INK)
    axes.grid(color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
