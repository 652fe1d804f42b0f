"""The figure of ``study``: a panel per criterion, and in each a line per method."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from matplotlib.lines import Line2D

from btxrd_explain.outputs.chart import GREY
from btxrd_explain.outputs.fonts import fitted, wrapped
from btxrd_explain.outputs.style import FAINT, INK, LINE, SMALL, add_text, new_figure, styled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NAME, _SIDE, _GAP, _ROW, _TOP, _BELOW = 1.35, 1.55, 0.2, 0.3, 0.75, 0.95
"""Inches: room for names of methods, width of a panel, between panels, height of a line, above and below panels."""
_LEAST = 5.6
"""Inches: width that the legend needs, however few panels there are."""
_LOOKS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {"pass": ("o", "#0072b2"), "fail": ("X", "#d55e00"), "unclear": ("D", "#8c8c8c")}
)
"""Shape and colour of outcomes, which also a print in grey tells apart."""
_DOTS = (0, (1.5, 1))


@dataclass(frozen=True, slots=True)
class Mark:
    """A method in a panel.

    Attributes:
        outcome: ``pass``, ``fail``, ``unclear`` or ``not computed``.
        value: The estimate; None where nothing was computed.
        low: Lower end of its interval, or None.
        high: Upper end, likewise.
        chance: The score by chance, or None.
    """

    outcome: str
    value: float | None
    low: float | None
    high: float | None
    chance: float | None


@dataclass(frozen=True, slots=True)
class Panel:
    """A criterion.

    Attributes:
        title: Its name.
        score: What its axis shows.
        span: The ends of its axis.
        limit: The level that the rule compares with, besides chance; None without one.
        higher: Whether a method passes on the right of its axis, and not on the left.
        marks: One for each method.
    """

    title: str
    score: str
    span: tuple[float, float]
    limit: float | None
    higher: bool
    marks: Sequence[Mark]


def build_study(panels: Sequence[Panel], methods: Sequence[str], *, footer: str = "") -> Figure:
    """Build the figure.

    Args:
        panels: The criteria, at least one.
        methods: Names of the methods, at least one, from above to below.
        footer: How the maps were made.

    Returns:
        The figure, ready for :func:`btxrd_explain.outputs.style.save_figure`.
    """
    width = max(_NAME + len(panels) * (_SIDE + _GAP) + 0.1, _LEAST)
    with styled():
        notes = wrapped(footer, width - 0.2, SMALL, limit=4)
        below = _BELOW + LINE * len(notes)
        height = _TOP + len(methods) * _ROW + below
        figure = new_figure(width, height)
        add_text(
            figure, 0.1, height - 0.22, "Criteria of heat maps, by method", fontsize=11, weight="bold", va="center"
        )
        for number, panel in enumerate(panels):
            left = _NAME + number * (_SIDE + _GAP)
            place = left / width, below / height, _SIDE / width, len(methods) * _ROW / height
            _draw(figure.add_axes(place), panel)
        for number, method in enumerate(methods):
            bottom = below + (len(methods) - number - 0.5) * _ROW
            text = fitted(method, _NAME - 0.2, 8)
            add_text(figure, _NAME - 0.1, bottom, text, fontsize=8, ha="right", va="center")
        _legend(figure, LINE * len(notes))
        add_text(figure, 0.1, 0.08, "\n".join(notes), fontsize=SMALL, color=FAINT, va="bottom")
    return figure


def _draw(axes: Axes, panel: Panel) -> None:
    axes.set_title(fitted(panel.title, _SIDE, 9, bold=True), fontsize=9, weight="bold", loc="left", color=INK)
    side = "passes on the right" if panel.higher else "passes on the left"
    axes.set_xlabel(f"{fitted(panel.score, _SIDE, SMALL)}\n({side})", fontsize=SMALL, color=INK)
    axes.tick_params(labelsize=SMALL, length=2.5, colors=INK)
    axes.set(ylim=(len(panel.marks) - 0.5, -0.5), yticks=[])
    axes.grid(axis="x", color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    low, high = panel.span
    axes.set_xlim(low, high)
    axes.set_xticks([low, (low + high) / 2, high])
    if panel.limit is not None:
        axes.axvline(panel.limit, color=INK, linewidth=0.8, zorder=1)
    for row, mark in enumerate(panel.marks):
        _add(axes, row, mark)


def _add(axes: Axes, row: int, mark: Mark) -> None:
    if mark.value is None:
        middle = sum(axes.get_xlim()) / 2
        axes.text(middle, row, mark.outcome, ha="center", va="center", fontsize=SMALL, color=FAINT)
        return
    shape, colour = _LOOKS[mark.outcome]
    if mark.chance is not None:
        axes.plot([mark.chance] * 2, [row - 0.3, row + 0.3], color=GREY, linewidth=1.2, linestyle=_DOTS)
    if mark.low is not None and mark.high is not None:
        axes.plot([mark.low, mark.high], [row, row], color=colour, linewidth=1.6, solid_capstyle="butt")
    axes.plot([mark.value], [row], shape, color=colour, markersize=5.5, markeredgewidth=0, clip_on=False)


def _legend(figure: Figure, bottom: float) -> None:
    """Explain shapes and colours in one line below the panels."""
    handles = [
        Line2D([], [], marker=shape, color=colour, markersize=5.5, markeredgewidth=0, linewidth=1.6, label=outcome)
        for outcome, (shape, colour) in _LOOKS.items()
    ]
    handles += [
        Line2D([], [], color=GREY, linewidth=1.2, linestyle=_DOTS, label="chance"),
        Line2D([], [], color=INK, linewidth=0.8, label="limit of the rule"),
    ]
    width, height = figure.get_size_inches()
    figure.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(_NAME / width, (bottom + 0.1) / height),
        ncols=len(handles),
        frameon=False,
        fontsize=SMALL,
        labelcolor=INK,
        borderaxespad=0,
    )
