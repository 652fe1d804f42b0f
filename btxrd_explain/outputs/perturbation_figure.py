"""The class probability while pixels are inserted and deleted in the order of the heat map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.outputs.chart import GREY, SERIES, Band, add_band, finish, new_charts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure


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
