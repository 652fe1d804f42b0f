"""Mean IoU against the threshold, between what chance gives and what the grid allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from btxrd_explain.outputs.chart import GREY, SERIES, Band, add_band, add_mark, finish, new_charts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class IouCurves:
    """Mean IoU over thresholds, of the classifier and of what it is held against.

    Attributes:
        thresholds: Float64, shape ``(n,)``, increasing, in [0, 1].
        model: The classifier's heat maps, with their interval.
        images: Number of images that the means are over.
        ceiling: The ideal map that the class-activation grid can draw; None is not drawn.
        chance: The chance level; None is not drawn.
        baselines: Maps that know nothing of the classifier.

    Raises:
        ValueError: A line does not have a value per threshold.
    """

    thresholds: NDArray[np.float64]
    model: Band
    images: int
    ceiling: Band | None = None
    chance: Band | None = None
    baselines: Sequence[Band] = ()

    def __post_init__(self) -> None:
        """Check that the lines fit."""
        if any(band.values.shape != self.thresholds.shape for band in self.bands):
            raise ValueError(f"expected {len(self.thresholds)} values in each line")

    @property
    def bands(self) -> list[Band]:
        """All lines that are drawn."""
        return [band for band in (self.model, self.ceiling, self.chance, *self.baselines) if band is not None]


def build_iou_curve(
    curves: IouCurves,
    *,
    threshold: float | None = None,
    best: float | None = None,
    title: str = "Mean IoU against threshold",
    footer: str = "",
) -> Figure:
    """Build the curve of mean IoU over thresholds.

    Args:
        curves: What is drawn.
        threshold: The threshold that was chosen beforehand; None marks none.
        best: The threshold with the highest mean IoU on these images; None marks none.
        title: Title of the figure.
        footer: How the heat maps were made.

    Returns:
        The figure, ready for :func:`btxrd_explain.outputs.style.save_figure`.
    """
    entries = len(curves.bands) + (threshold is not None) + (best is not None)
    figure, (axes,) = new_charts([f"n = {curves.images}"], heading=title, footer=footer, entries=entries)
    add_band(axes, curves.thresholds, curves.model, colour=SERIES[0])
    for band, style in ((curves.ceiling, 1), (curves.chance, 2)):
        if band is not None:
            add_band(axes, curves.thresholds, band, colour=GREY, style=style)
    for number, band in enumerate(curves.baselines):
        add_band(axes, curves.thresholds, band, colour=SERIES[1 + number % (len(SERIES) - 1)], style=3, thin=True)
    if threshold is not None:
        add_mark(axes, threshold, f"threshold {threshold:g}")
    if best is not None:
        add_mark(axes, best, f"best on these images, {best:g} (optimistic)", style=3)
    finish(axes, x_label="threshold of the heat map", y_label="mean IoU")
    return figure
