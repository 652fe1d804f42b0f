"""Charts of how good a classifier is: reliability diagrams, ROC and precision-recall curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.classification import Performance
from btxrd_explain.core.roc import GRID
from btxrd_explain.outputs.chart import (
    DASHES,
    GREY,
    MOST_SERIES,
    SERIES,
    Band,
    add_band,
    colour_of,
    finish,
    named_whole,
    new_charts,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from btxrd_explain.core.classification import ClassPerformance, Reliability
    from btxrd_explain.core.multi_label import MultiLabelPerformance
    from btxrd_explain.core.roc import Curve
    from btxrd_explain.core.statistics import Estimate

_LEAST, _MOST = 3.0, 9.0
"""Points: size of a bin's marker, by the images in it."""


def build_reliability(
    performance: Performance | MultiLabelPerformance, names: Sequence[str], *, footer: str = ""
) -> Figure:
    """Build the reliability diagrams: of the predicted class, where there is one, and of each class against the rest.

    Args:
        performance: The scores.
        names: Names of the classes.
        footer: What was evaluated.

    Returns:
        The figure, ready for :func:`btxrd_explain.outputs.style.save_figure`.
    """
    parts = {f"{name}, against the rest": part.reliability for name, part in _classes(performance, names)}
    if isinstance(performance, Performance):
        parts = {"Predicted class": performance.reliability} | parts
    heading = f"Calibration: probabilities against outcomes{_which(performance)}"
    figure, charts = new_charts(list(parts), heading=heading, footer=footer, entries=5)
    for axes, part in zip(charts, parts.values(), strict=True):
        _draw_reliability(axes, part)
    return figure


def build_roc(performance: Performance | MultiLabelPerformance, names: Sequence[str], *, footer: str = "") -> Figure:
    """Build the ROC curves of all classes; arguments as of :func:`build_reliability`."""
    classes = _classes(performance, names)
    labels = [
        named_whole(name, f": AUROC {described(part.roc.area)}, n = {_numbers(part, performance)}")
        for name, part in classes
    ]
    figure, axes = _one_chart("ROC, each class against the rest", performance, footer, labels)
    for label, (name, part) in zip(labels, classes, strict=True):
        _draw_curve(axes, part.roc, label, names.index(name), classes=len(classes))
    _explain_bands(axes, classes=len(classes))
    add_band(axes, GRID, Band("chance", GRID), colour=GREY, style=2, thin=True)
    finish(axes, x_label="false positive rate (1 - specificity)", y_label="true positive rate (sensitivity)")
    return figure


def build_precision_recall(
    performance: Performance | MultiLabelPerformance, names: Sequence[str], *, footer: str = ""
) -> Figure:
    """Build the precision-recall curves of all classes, each with its chance level: the fraction of the class.

    Arguments as of :func:`build_reliability`.
    """
    classes = _classes(performance, names)
    labels = [
        named_whole(name, f": AP {described(part.precision_recall.area)}, n = {_numbers(part, performance)}")
        for name, part in classes
    ]
    figure, axes = _one_chart("Precision and recall, each class against the rest", performance, footer, labels)
    for label, (name, part) in zip(labels, classes, strict=True):
        number = names.index(name)
        _draw_curve(axes, part.precision_recall, label, number, classes=len(classes), stepped=True)
        if len(classes) > len(SERIES):
            continue  # more levels than colours would say nothing
        share = np.full(GRID.shape, part.positives / part.images)
        add_band(axes, GRID, Band("_", share), colour=colour_of(number), style=2, thin=True)  # "_": not in the legend
    _explain_bands(axes, classes=len(classes))
    if len(classes) <= len(SERIES):
        label = "chance, in the colour of its class"
        axes.plot([], [], color=GREY, linestyle=DASHES[2], linewidth=1.0, label=label)
    finish(axes, x_label="recall (sensitivity)", y_label="precision")
    return figure


def _classes(
    performance: Performance | MultiLabelPerformance, names: Sequence[str]
) -> list[tuple[str, ClassPerformance]]:
    """Return the classes that are drawn, by name: of which anything is known, and of more than 20 the most frequent."""
    parts = [(name, part) for name, part in zip(names, performance.per_class, strict=True) if part is not None]
    kept = sorted(range(len(parts)), key=lambda index: -parts[index][1].positives)[:MOST_SERIES]
    return [parts[index] for index in sorted(kept)]


def _which(performance: Performance | MultiLabelPerformance) -> str:
    """Return which classes are drawn, where not all are."""
    count = len(performance.per_class)
    if count <= MOST_SERIES:
        return ""
    return f" (the {MOST_SERIES} most frequent of {count} classes; performance.json has all)"


def _numbers(part: ClassPerformance, performance: Performance | MultiLabelPerformance) -> str:
    """Return the number of images of a class, and where it is not known of all of them, of how many it is."""
    return f"{part.positives}" if part.images == performance.images else f"{part.positives} of {part.images}"


def described(estimate: Estimate) -> str:
    """Write an estimate with its interval.

    >>> from btxrd_explain.core.statistics import Estimate
    >>> described(Estimate(0.5, 0.25, 0.75, 9, 9)), described(Estimate(None, None, None, 0, 0))
    ('0.50 [0.25, 0.75]', 'undefined')
    """
    if estimate.value is None:
        return "undefined"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.2f}"
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


def _one_chart(
    heading: str, performance: Performance | MultiLabelPerformance, footer: str, labels: Sequence[str]
) -> tuple[Figure, Axes]:
    entries = sum(label.count("\n") + 1 for label in labels) + 2
    heading += _which(performance)
    figure, (axes,) = new_charts([f"n = {performance.images}"], heading=heading, footer=footer, entries=entries)
    return figure, axes


def _draw_curve(axes: Axes, curve: Curve, label: str, number: int, *, classes: int, stepped: bool = False) -> None:
    """Draw a curve at every score, with its interval; those of many classes would hide it, and the legend has them.

    Bands of a few images reach from edge to edge and lie on each other: they are pale, and thin lines tell where each
    ends.
    """
    colour = colour_of(number)
    x, y = curve.points.T
    if stepped:  # a precision holds for all recalls from the one before, the first from 0
        x, y = np.repeat(np.concatenate([[0.0], x]), 2)[1:-1], np.repeat(y, 2)
    add_band(axes, x, Band(label, y), colour=colour, style=number // len(SERIES))
    if classes <= len(SERIES):
        axes.fill_between(GRID, curve.low, curve.high, color=colour, alpha=0.2 / classes, linewidth=0)
        for end in (curve.low, curve.high):
            axes.plot(GRID, end, color=colour, linewidth=0.5, alpha=0.6, linestyle=(0, (3, 2)))


def _explain_bands(axes: Axes, *, classes: int) -> None:
    """Say in the legend what pale bands are, where :func:`_draw_curve` draws them."""
    if classes <= len(SERIES):
        axes.fill_between([], [], [], color=GREY, alpha=0.3, linewidth=0, label="95 % interval, in the same colour")


def _draw_reliability(axes: Axes, part: Reliability) -> None:
    """Draw the bins that hold images, with intervals; a larger marker stands for more images."""
    held = part.counts > 0
    said, right = part.probability[held], part.right[held]
    add_band(axes, np.array([0.0, 1.0]), Band("calibrated", np.array([0.0, 1.0])), colour=GREY, style=2, thin=True)
    bars = "bar: 95 % interval of a bin"
    axes.vlines(said, part.low[held], part.high[held], color=SERIES[0], linewidth=1.2, label=bars)
    axes.plot(said, right, color=SERIES[0], linewidth=1.0, alpha=0.5)
    sizes = _LEAST + (_MOST - _LEAST) * np.sqrt(part.counts[held] / part.counts.max())
    label = f"bins of width 0.1, n = {part.counts.sum()} (larger: more)"
    axes.scatter(said, right, sizes**2, color=SERIES[0], zorder=3, clip_on=False, label=label)
    axes.plot([], [], " ", label=f"calibration error {described(part.error)}")
    axes.plot([], [], " ", label=f"Brier score {described(part.brier)}")
    finish(axes, x_label="probability that the classifier gave", y_label="fraction that came true")
