"""One score of the same images under two conditions: a point per image, beside the diagonal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from btxrd_explain.outputs.chart import GREY, add_points, finish, new_charts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class PairScatter:
    """One score of the same images under two conditions.

    Attributes:
        title: What is to be said of both, such as their mean difference.
        x_label: The one condition.
        y_label: The other.
        x: Scores under the one, float64, shape ``(n,)``, in [0, 1]; NaN where undefined.
        y: Scores under the other, likewise.
        groups: What each image belongs to, such as its class, shape ``(n,)``.

    Raises:
        ValueError: The shapes differ.
    """

    title: str
    x_label: str
    y_label: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    groups: Sequence[str]

    def __post_init__(self) -> None:
        """Check that the parts fit."""
        if not len(self.x) == len(self.y) == len(self.groups):
            raise ValueError(f"{len(self.x)} and {len(self.y)} scores of {len(self.groups)} images")


def build_pair_scatters(
    pairs: Sequence[PairScatter], order: Sequence[str], *, title: str, score: str, footer: str = ""
) -> Figure:
    """Build a scatter for each pair; a point above the diagonal is an image that the y axis does better on.

    Args:
        pairs: The pairs, at least one.
        order: All groups that there are, so that each looks the same in every chart.
        title: Title of the figure.
        score: Name of the score.
        footer: How the scores were made.

    Returns:
        The figure, ready for :func:`btxrd_explain.outputs.style.save_figure`.
    """
    titles = [pair.title for pair in pairs]
    figure, charts = new_charts(titles, heading=title, footer=footer, entries=len(order) + 1)
    for axes, pair in zip(charts, pairs, strict=True):
        axes.plot([0, 1], [0, 1], "--", color=GREY, linewidth=1, label="no difference")
        add_points(axes, pair.x, pair.y, pair.groups, order)
        finish(axes, x_label=f"{score}, {pair.x_label}", y_label=f"{score}, {pair.y_label}")
    return figure
