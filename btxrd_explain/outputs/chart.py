"""What all charts share: square axes in rows, lines with their intervals, and a legend that hides no data."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.outputs.fonts import fitted, printable, text_width, wrapped
from btxrd_explain.outputs.style import FAINT, INK, LINE, SMALL, add_text, new_figure, styled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""The palette of Okabe and Ito, which colour-blind readers tell apart; lines take its colours in this order."""
GREY = "#8c8c8c"
"""For what is there to compare with: chance, a ceiling, a diagonal."""
DASHES = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5)))
"""Lines of one colour, or of a print in grey, differ by these."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

MOST_SERIES = 20
"""Classes that a chart tells apart, by colour and shape; of more the most frequent ones are drawn."""

_SIDE, _LEFT, _GAP, _TOP, _AXIS = 2.9, 0.65, 0.75, 0.3, 0.52
"""Inches: side of the axes, room to their left, between charts, for a chart's title, and below for the x axis."""
_HEADING, _TITLE = 11, 9
_TITLE_LINE = 0.15
"""Inches: height of a further line of a title."""
_ENTRY = 0.155
"""Inches: height of an entry of the legend."""


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """A line with its interval.

    Attributes:
        label: What it is, for the legend.
        values: Float64, shape ``(n,)``; NaN where it is undefined, and the line has a gap there.
        low: Lower end of the interval, shape ``(n,)``; None draws the line alone.
        high: Upper end of the interval, likewise.
    """

    label: str
    values: NDArray[np.float64]
    low: NDArray[np.float64] | None = None
    high: NDArray[np.float64] | None = None


def new_charts(
    titles: list[str], *, heading: str, footer: str = "", columns: int = 2, entries: int = 3
) -> tuple[Figure, list[Axes]]:
    """Return a figure with a square chart per title.

    Args:
        titles: Titles of the charts, in rows from left to right; at least one.
        heading: Title of the figure.
        footer: What it was made from, below all charts.
        columns: Charts in a row, at most.
        entries: Entries of the longest legend, for which room is left below each chart.

    Returns:
        The figure, ready for :func:`btxrd_explain.outputs.style.save_figure` once filled, and its axes.
    """
    columns = min(columns, len(titles))
    rows = -(-len(titles) // columns)
    width = columns * (_SIDE + _LEFT + _GAP) - _GAP + 0.25
    with styled():
        most = max(len(_title_lines(title)) for title in titles)
        top = _TOP + _TITLE_LINE * (most - 1)
        pitch = top + _SIDE + _AXIS + entries * _ENTRY + 0.1
        lines = wrapped(heading, width - 0.2, _HEADING, bold=True, limit=3)
        notes = wrapped(footer, width - 0.2, SMALL, limit=8)
        above, below = 0.2 + 0.18 * len(lines), 0.1 + LINE * len(notes)
        height = above + rows * pitch + below
        figure = new_figure(width, height)
        add_text(figure, 0.1, height - 0.12, "\n".join(lines), fontsize=_HEADING, weight="bold", va="top")
        add_text(figure, 0.1, 0.08, "\n".join(notes), fontsize=SMALL, color=FAINT, va="bottom")
        charts = []
        for number, title in enumerate(titles):
            left = _LEFT + number % columns * (_SIDE + _LEFT + _GAP)
            bottom = height - above - number // columns * pitch - top - _SIDE
            charts.append(_new_axes(figure, left / width, bottom / height, title))
    return figure, charts


def add_band(
    axes: Axes, x: NDArray[np.float64], band: Band, *, colour: str, style: int = 0, thin: bool = False
) -> None:
    """Draw a line with its interval as a paler band.

    Args:
        axes: The chart.
        x: Float64, shape ``(n,)``.
        band: The line.
        colour: Such as one of :data:`SERIES`.
        style: Number of the dash pattern, see :data:`DASHES`.
        thin: For lines that others are compared with.
    """
    width = 1.0 if thin else 1.6
    label = "\n".join(fitted(line, _SIDE - 0.4, SMALL) for line in band.label.split("\n"))
    dashes, order = DASHES[style % len(DASHES)], 2.0 if thin or style else 3.0
    axes.plot(x, band.values, color=colour, linewidth=width, linestyle=dashes, label=label, zorder=order)
    if band.low is not None and band.high is not None:
        axes.fill_between(x, band.low, band.high, color=colour, alpha=0.18, linewidth=0)


def named(name: str, facts: str) -> str:
    """Return an entry of a legend, in which a long name gives way to what is said of it."""
    room = _SIDE - 0.4 - text_width(printable(facts), SMALL)
    return f"{fitted(name, max(room, 0), SMALL)}{facts}"


def named_whole(name: str, facts: str) -> str:
    """Return an entry of a legend, in which a long name has a line of its own: names often differ in their middle.

    >>> named_whole("Benign", ": AP 0.90")
    'Benign: AP 0.90'
    >>> named_whole("Class 001 of the long kind", ": AUROC 0.97 [0.89, 1.00]").splitlines()
    ['Class 001 of the long kind:', 'AUROC 0.97 [0.89, 1.00]']
    """
    whole = f"{name}{facts}"
    if text_width(printable(whole), SMALL) <= _SIDE - 0.4:
        return whole
    return f"{fitted(name, _SIDE - 0.45, SMALL)}:\n{facts.removeprefix(': ')}"


def gathered(groups: Sequence[str], order: Sequence[str]) -> tuple[list[str], list[str]]:
    """Gather all but the 20 most frequent groups as one, so that a legend stays readable.

    Args:
        groups: What each point belongs to.
        order: All groups that there are.

    Returns:
        The groups of the points, and all groups, likewise.
    """
    counts = Counter(groups)
    kept = set(sorted(order, key=lambda name: -counts[name])[:MOST_SERIES])
    rest = f"{len(order) - len(kept)} other classes"
    names = [name for name in order if name in kept]
    return [name if name in kept else rest for name in groups], names if len(kept) == len(order) else [*names, rest]


def add_points(
    axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], groups: Sequence[str], order: Sequence[str]
) -> None:
    """Draw a point per image; a group has both a colour and a shape of its own, and its number in the legend.

    Args:
        axes: The chart.
        x: Float64, shape ``(n,)``; a point of which either is NaN is not drawn and not counted.
        y: Likewise.
        groups: What each point belongs to, shape ``(n,)``.
        order: All groups that there may be, so that each looks the same in every chart.
    """
    for number, name in enumerate(order):
        own = np.array([group == name for group in groups], dtype=bool) & ~np.isnan(x + y)
        axes.plot(
            x[own],
            y[own],
            marker_of(number),
            color=colour_of(number),
            markersize=3.5,
            alpha=0.7,
            markeredgewidth=0,
            clip_on=False,
            zorder=3,  # above the axes, on which values of 0 are
            label=named(name, f" ({np.count_nonzero(own)})") if own.any() else "_",  # which has no entry in the legend
        )


def colour_of(number: int) -> str:
    """Return the colour of a class by its number, in the network's order: the same in all figures of a run."""
    return SERIES[number % len(SERIES)]


def marker_of(number: int) -> str:
    """Return the shape of a class likewise; classes of one colour differ in it."""
    return MARKERS[(number + number // len(SERIES)) % len(MARKERS)]


def add_mark(axes: Axes, x: float, label: str, *, style: int = 2) -> None:
    """Draw a vertical line that marks a value of the x axis, with its name in the legend."""
    axes.axvline(x, color=INK, linewidth=0.8, linestyle=DASHES[style], label=fitted(label, _SIDE - 0.4, SMALL))


def finish(axes: Axes, *, x_label: str, y_label: str, unit_square: bool = True) -> None:
    """Name the axes and write the legend below the chart, where it hides nothing.

    Args:
        axes: The chart, with all that it shows.
        x_label: Name of the x axis.
        y_label: Name of the y axis.
        unit_square: Both axes run from 0 to 1.
    """
    with styled():
        axes.set_xlabel(printable(x_label), fontsize=8, color=INK)
        axes.set_ylabel(printable(y_label), fontsize=8, color=INK)
        if unit_square:
            ticks = np.linspace(0, 1, 6)
            axes.set(xlim=(0, 1), ylim=(0, 1), xticks=ticks, yticks=ticks)
        axes.legend(
            loc="upper left",
            bbox_to_anchor=(-0.02, -_AXIS / _SIDE + 0.02),
            borderaxespad=0,
            frameon=False,
            fontsize=SMALL,
            handlelength=2.4,
            labelspacing=0.35,
            labelcolor=INK,
        )


def _title_lines(title: str) -> list[str]:
    """Return the lines of a chart's title: names of classes often differ where a single line would cut them."""
    return wrapped(title, _SIDE, _TITLE, bold=True, limit=2)


def _new_axes(figure: Figure, left: float, bottom: float, title: str) -> Axes:
    """Add empty axes, placed in fractions of the figure."""
    width, height = figure.get_size_inches()
    axes = figure.add_axes((left, bottom, _SIDE / width, _SIDE / height))
    axes.set_title("\n".join(_title_lines(title)), fontsize=_TITLE, weight="bold", loc="left", color=INK)
    axes.tick_params(labelsize=SMALL, length=2.5, colors=INK)
    axes.grid(color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return axes
