"""Scores of images: over thresholds, over the size of lesions, and under two conditions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from btxrd_explain.outputs.chart import GREY, SERIES, Band, add_band, add_mark, add_points, finish, gathered, new_charts
from btxrd_explain.outputs.style import INK

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class IouCurves:
    """Mean IoU over thresholds, of the classifier and of what it is compared with.

    Attributes:
        thresholds: Float64, shape ``(n,)``, increasing, in [0, 1].
        model: The classifier's heat maps, with their interval.
        images: Number of images that the means are over.
        ceiling: The ideal map that the class-activation grid can draw; None is not drawn.
        chance: The chance level; None is not drawn.
        baselines: Maps that know nothing of the classifier.
        comparators: Detectors and segmenters.

    Raises:
        ValueError: A line does not have a value per threshold.
    """

    thresholds: NDArray[np.float64]
    model: Band
    images: int
    ceiling: Band | None = None
    chance: Band | None = None
    baselines: Sequence[Band] = ()
    comparators: Sequence[Band] = ()

    def __post_init__(self) -> None:
        """Check that the lines fit."""
        if any(band.values.shape != self.thresholds.shape for band in self.bands):
            raise ValueError(f"expected {len(self.thresholds)} values in each line")

    @property
    def bands(self) -> list[Band]:
        """All lines that are drawn."""
        each = (self.model, *self.comparators, self.ceiling, self.chance, *self.baselines)
        return [band for band in each if band is not None]


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
    for number, band in enumerate((*curves.comparators, *curves.baselines)):
        baseline = number >= len(curves.comparators)
        colour = SERIES[1 + number % (len(SERIES) - 1)]
        add_band(axes, curves.thresholds, band, colour=colour, style=3 if baseline else 0, thin=baseline)
    if threshold is not None:
        add_mark(axes, threshold, f"threshold {threshold:g}")
    if best is not None:
        add_mark(axes, best, f"best on these images, {best:g} (optimistic)", style=3)
    finish(axes, x_label="threshold of the heat map", y_label="mean IoU")
    return figure


@dataclass(frozen=True, slots=True)
class SizeBin:
    """The images whose lesions have a certain size.

    Attributes:
        low: Smallest fraction of the image that lesions cover, in (0, 1].
        high: Largest, likewise.
        mean: Mean IoU; None where it is undefined, and nothing is drawn.
        mean_low: Lower end of its interval; None where there is none.
        mean_high: Upper end of its interval.
        count: Number of images.
    """

    low: float
    high: float
    mean: float | None
    mean_low: float | None
    mean_high: float | None
    count: int


@dataclass(frozen=True, slots=True, eq=False)
class SizeScatter:
    """A point per image.

    Attributes:
        shares: Fraction of the image that lesions cover, float64, shape ``(n,)``, in (0, 1].
        ious: IoU, float64, shape ``(n,)``, in [0, 1]; images without one are left out.
        groups: What the image belongs to, such as its class, shape ``(n,)``.
        order: All groups that there may be, so that each has the same colour in every figure.
        ceilings: IoU of the ideal map that the grid can draw, shape ``(n,)``; NaN where it is undefined.

    Raises:
        ValueError: The shapes differ, or a fraction is not in (0, 1].
    """

    shares: NDArray[np.float64]
    ious: NDArray[np.float64]
    groups: Sequence[str]
    order: Sequence[str]
    ceilings: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        """Check that the parts fit."""
        if not len(self.shares) == len(self.ious) == len(self.groups):
            raise ValueError(f"{len(self.shares)} shares, {len(self.ious)} IoUs and {len(self.groups)} groups")
        if not ((self.shares > 0) & (self.shares <= 1)).all():
            raise ValueError("a lesion covers a fraction outside (0, 1]")


def build_size_figure(
    points: SizeScatter, *, bins: Sequence[SizeBin] = (), title: str = "IoU against lesion size", footer: str = ""
) -> Figure:
    """Build the scatter of IoU over lesion size; a class has both a colour and a shape of its own.

    Args:
        points: The images.
        bins: Means over images of similar size, with intervals.
        title: Title of the figure.
        footer: How the heat maps were made, and what was left out.

    Returns:
        The figure, ready for :func:`btxrd_explain.outputs.style.save_figure`.
    """
    groups, order = gathered(points.groups, points.order)
    entries = len(set(groups)) + (points.ceilings is not None) + bool(bins)
    figure, (axes,) = new_charts([f"n = {len(points.ious)}"], heading=title, footer=footer, entries=entries)
    axes.set_xscale("log")
    if points.ceilings is not None:
        axes.plot(points.shares, points.ceilings, ".", color=GREY, markersize=2.5, label="ceiling of the grid")
    add_points(axes, points.shares, points.ious, groups, order)
    _draw_bins(axes, bins)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share * 100:.3g} %"))
    axes.set_ylim(0, 1)
    finish(axes, x_label="fraction of the image that lesions cover", y_label="IoU", unit_square=False)
    return figure


def _draw_bins(axes: Axes, bins: Sequence[SizeBin]) -> None:
    """Draw the mean of each bin over its width, with its interval in the middle."""
    label: str | None = "mean, with 95 % interval"
    for one in bins:
        if one.mean is None:
            continue
        axes.plot([one.low, one.high], [one.mean] * 2, color=INK, linewidth=1.4, label=label)
        label = None
        if one.mean_low is not None and one.mean_high is not None:
            middle = (one.low * one.high) ** 0.5
            axes.plot([middle] * 2, [one.mean_low, one.mean_high], color=INK, linewidth=1.4)


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
    everybody, names = gathered([group for pair in pairs for group in pair.groups], order)
    known = dict(zip((group for pair in pairs for group in pair.groups), everybody, strict=True))
    figure, charts = new_charts(titles, heading=title, footer=footer, entries=len(set(everybody)) + 1)
    for axes, pair in zip(charts, pairs, strict=True):
        axes.plot([0, 1], [0, 1], "--", color=GREY, linewidth=1, label="no difference")
        add_points(axes, pair.x, pair.y, [known[group] for group in pair.groups], names)
        finish(axes, x_label=f"{score}, {pair.x_label}", y_label=f"{score}, {pair.y_label}")
    return figure
