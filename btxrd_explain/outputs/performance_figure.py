"""Charts of how good a classifier is: reliability diagrams, ROC and precision-recall curves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.outputs.chart import GREY, SERIES, Band, add_band, finish, new_charts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from btxrd_explain.core.classification import Curve, Reliability
    from btxrd_explain.core.statistics import Estimate

_LEAST, _MOST = 3.0, 9.0
"""Points: size of a bin's marker, by the images in it."""


@dataclass(frozen=True, slots=True, eq=False)
class ClassCurve:
    """A curve of one class against the rest.

    Attributes:
        name: Name of the class.
        positives: Images of the class.
        curve: The curve.
    """

    name: str
    positives: int
    curve: Curve


def build_reliability(parts: Mapping[str, Reliability], *, footer: str = "") -> Figure:
    """Build the reliability diagrams.

    Args:
        parts: Diagrams by title: of the predicted class, and of each class.
        footer: What was evaluated.

    Returns:
        The figure, ready for :func:`btxrd_explain.outputs.style.save_figure`.
    """
    titles = list(parts)
    figure, charts = new_charts(titles, heading="Calibration: probabilities against outcomes", footer=footer, entries=3)
    for axes, part in zip(charts, parts.values(), strict=True):
        _draw_reliability(axes, part)
    return figure


def build_roc(curves: Sequence[ClassCurve], grid: NDArray[np.float64], *, images: int, footer: str = "") -> Figure:
    """Build the ROC curves of all classes.

    Args:
        curves: The classes, in their order.
        grid: False positive rates at which the curves are known, shape ``(n,)``.
        images: Number of images.
        footer: What was evaluated.

    Returns:
        The figure, ready for :func:`btxrd_explain.outputs.style.save_figure`.
    """
    title = "ROC, each class against the rest"
    figure, (axes,) = new_charts([f"n = {images}"], heading=title, footer=footer, entries=len(curves) + 1)
    for number, one in enumerate(curves):
        _draw_curve(axes, grid, one, number, f"AUROC {described(one.curve.area)}")
    add_band(axes, grid, Band("chance", grid), colour=GREY, style=2, thin=True)
    finish(axes, x_label="false positive rate (1 - specificity)", y_label="true positive rate (sensitivity)")
    return figure


def build_precision_recall(
    curves: Sequence[ClassCurve], grid: NDArray[np.float64], *, images: int, footer: str = ""
) -> Figure:
    """Build the precision-recall curves of all classes, each with its chance level: the share of the class.

    Args:
        curves: The classes, in their order.
        grid: Recalls at which the curves are known, shape ``(n,)``.
        images: Number of images.
        footer: What was evaluated.

    Returns:
        The figure, ready for :func:`btxrd_explain.outputs.style.save_figure`.
    """
    title = "Precision and recall, each class against the rest"
    figure, (axes,) = new_charts([f"n = {images}"], heading=title, footer=footer, entries=len(curves) + 1)
    label = "chance: share of the class"
    for number, one in enumerate(curves):
        _draw_curve(axes, grid, one, number, f"AP {described(one.curve.area)}")
        chance = Band(label if one is curves[-1] else "_", np.full(grid.shape, one.positives / images))
        add_band(axes, grid, chance, colour=SERIES[number % len(SERIES)], style=2, thin=True)
    finish(axes, x_label="recall (sensitivity)", y_label="precision")
    return figure


def described(estimate: Estimate) -> str:
    """Write an estimate with its interval.

    >>> from btxrd_explain.core.statistics import Estimate
    >>> described(Estimate(0.5, 0.25, 0.75, 9, 9)), described(Estimate(None, None, None, 0, 0))
    ('0.50 (0.25-0.75)', 'undefined')
    """
    if estimate.value is None:
        return "undefined"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.2f}"
    return f"{estimate.value:.2f} ({estimate.low:.2f}-{estimate.high:.2f})"


def _draw_curve(axes: Axes, grid: NDArray[np.float64], one: ClassCurve, number: int, area: str) -> None:
    band = Band(f"{one.name}: {area}, n = {one.positives}", one.curve.values, one.curve.low, one.curve.high)
    add_band(axes, grid, band, colour=SERIES[number % len(SERIES)], style=0)


def _draw_reliability(axes: Axes, part: Reliability) -> None:
    """Draw the bins that hold images, with intervals; a larger marker stands for more images."""
    held = part.counts > 0
    said, right = part.probability[held], part.right[held]
    add_band(axes, np.array([0.0, 1.0]), Band("calibrated", np.array([0.0, 1.0])), colour=GREY, style=2, thin=True)
    axes.vlines(said, part.low[held], part.high[held], color=SERIES[0], linewidth=1.2)
    axes.plot(said, right, color=SERIES[0], linewidth=1.0, alpha=0.5)
    sizes = _LEAST + (_MOST - _LEAST) * np.sqrt(part.counts[held] / part.counts.max())
    label = f"bins of width 0.1, n = {part.counts.sum()}; ECE {described(part.error)}"
    axes.scatter(said, right, sizes**2, color=SERIES[0], zorder=3, clip_on=False, label=label)
    axes.plot([], [], " ", label=f"Brier score {described(part.brier)}")
    finish(axes, x_label="probability that the classifier gave", y_label="share that came true")
