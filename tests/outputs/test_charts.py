from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from matplotlib.text import Text

from btxrd_explain.commands.annotate_iou.figures import _without_points
from btxrd_explain.commands.intervene.figures import _conditions
from btxrd_explain.core.classification import measure_performance
from btxrd_explain.core.statistics import Resampling
from btxrd_explain.outputs.chart import SERIES, Band, add_band, finish, named, named_whole, new_charts
from btxrd_explain.outputs.intervention_figure import Row, build_conditions
from btxrd_explain.outputs.performance_figure import build_precision_recall, build_reliability, build_roc
from btxrd_explain.outputs.score_figures import IouCurves, SizeBin, SizeScatter, build_iou_curve, build_size_figure
from btxrd_explain.outputs.style import save_figure

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure

X = np.linspace(0, 1, 11)
LONG = "Multiple osteochondromas with a secondary peripheral chondrosarcoma"


def _texts(figure: Figure) -> list[Text]:
    figure.draw_without_rendering()
    beyond = {
        label
        for axes in figure.axes
        for label, place in zip(axes.get_xticklabels(), axes.get_xticks(), strict=True)
        if not axes.get_xlim()[0] <= place <= axes.get_xlim()[1]  # there is such a text, but it is not drawn
    }
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    return [text for text in texts if text not in beyond]


def assert_readable(figure: Figure) -> None:
    """No two texts overlap, and none leaves the canvas."""
    texts = _texts(figure)
    boxes = [text.get_window_extent().shrunk(0.98, 0.9) for text in texts]
    for index, box in enumerate(boxes):
        assert min(box.x0, box.y0) >= 0, texts[index]
        assert box.x1 <= figure.bbox.width, texts[index]
        assert box.y1 <= figure.bbox.height, texts[index]
        for other, text in zip(boxes[index + 1 :], texts[index + 1 :], strict=True):
            assert not box.overlaps(other), (texts[index], text)


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("entries", [1, 7])
def test_charts_with_long_names_are_readable(count: int, entries: int) -> None:
    figure, charts = new_charts([LONG] * count, heading=LONG * 2, footer=LONG * 3, entries=entries)
    for axes in charts:
        for number in range(entries):
            add_band(axes, X, Band(LONG, X / (number + 1), X / 2, X), colour="black", style=number)
        finish(axes, x_label="false positive rate", y_label="true positive rate")
    assert_readable(figure)
    extents = [axes.get_window_extent() for axes in charts]
    assert all(extent.width == pytest.approx(extent.height) for extent in extents)


def test_the_curve_shows_each_line_and_mark() -> None:
    band = Band("classifier", np.where(X < 0.8, 1 - X, np.nan), X * 0, X)
    others = [Band("centre", X / 3)], [Band("detector", X / 2)]
    curves = IouCurves(X, band, 39, Band("ceiling", X), Band("chance", X / 9), *others)
    figure = build_iou_curve(curves, threshold=0.5, best=0.4, footer="SYNTHETIC DATA")
    assert_readable(figure)
    (axes,) = figure.axes
    named = {str(line.get_label()): np.asarray(line.get_ydata(), float) for line in axes.lines}
    assert next(iter(named)) == "classifier"
    assert set(named) == {
        "classifier", "ceiling", "chance", "centre", "detector", "threshold 0.5",
        "best on these images, 0.4 (optimistic)"
    }  # fmt: skip
    colours = [line.get_color() for line in axes.lines if line.get_label() in {"classifier", "detector", "centre"}]
    assert len(set(colours)) == 3
    np.testing.assert_array_equal(named["classifier"], band.values)  # undefined values are gaps, not zeros
    assert "n = 39" in [text.get_text() for text in _texts(figure)]


def test_a_line_needs_a_value_per_threshold() -> None:
    with pytest.raises(ValueError, match="11 values"):
        IouCurves(X, Band("classifier", X), 1, chance=Band("chance", X[1:]))


def test_lesion_sizes_have_a_point_per_image_and_classes_keep_their_colours() -> None:
    shares, ious = np.array([0.001, 0.02, 0.3]), np.array([0.0, 0.5, 0.25])
    bins = [SizeBin(0.001, 0.02, 0.25, None, None, 2), SizeBin(0.02, 0.3, None, None, None, 0)]
    classes, ceilings = ["a", "b", "c"], np.array([0.1, np.nan, 0.9])
    figure = build_size_figure(SizeScatter(shares, ious, ["b", "a", "b"], classes, ceilings), bins=bins)
    assert_readable(figure)
    points = {str(line.get_label()): line for line in figure.axes[0].lines}
    assert np.asarray(points["b (2)"].get_xdata()).tolist() == [0.001, 0.3]
    assert not [label for label in points if label.startswith("c (")]
    alone = build_size_figure(SizeScatter(shares, ious, ["b"] * 3, classes)).axes[0].lines[1]
    assert alone.get_color() == points["b (2)"].get_color()
    assert len([line for line in figure.axes[0].lines if len(np.asarray(line.get_xdata())) == 2]) == 2  # "b", one mean


def test_sizes_within_one_decade_are_labelled_in_percent() -> None:
    shares = np.array([0.004, 0.01, 0.06])
    figure = build_size_figure(SizeScatter(shares, shares, ["b"] * 3, ["b"]))
    assert_readable(figure)
    axis = figure.axes[0].xaxis
    assert {"0.5 %", "1 %", "2 %", "5 %"} <= {label.get_text() for label in axis.get_majorticklabels()}
    assert not [label for label in axis.get_minorticklabels() if label.get_text()]


@pytest.mark.parametrize("share", [0.0, -1.0, 1.5, np.nan])
def test_lesions_without_size_are_refused(share: float) -> None:
    with pytest.raises(ValueError, match="outside"):
        SizeScatter(np.array([share]), np.array([0.5]), ["a"], ["a"])


@pytest.mark.parametrize("kind", ["svg", "pdf"])
def test_charts_are_vectors(tmp_path: Path, kind: str) -> None:
    target = tmp_path / f"c.{kind}"
    save_figure(build_iou_curve(IouCurves(X, Band("classifier", X), 1)), target, dpi=100)
    data = target.read_bytes()
    assert b"data:image" not in data
    assert b"/Subtype /Image" not in data


def test_a_long_name_in_a_legend_of_curves_has_a_line_of_its_own() -> None:
    facts = ": AUROC 0.76 [0.66, 0.86], n = 1"
    assert named_whole("femur", facts) == f"femur{facts}"
    several = [named_whole(f"Class {number:03d} of the long kind", facts) for number in range(3)]
    assert [label.splitlines()[0] for label in several] == [
        f"Class {number:03d} of the long kind:" for number in range(3)
    ]
    assert {label.splitlines()[1] for label in several} == {facts.removeprefix(": ")}


def test_a_long_name_gives_way_to_what_is_said_of_it() -> None:
    facts = ": AUROC 0.76 [0.66, 0.86], n = 1"
    assert named("femur", facts) == f"femur{facts}"
    label = named(LONG, facts)
    assert label.endswith(facts)
    assert label.startswith("Mul")
    assert "\N{HORIZONTAL ELLIPSIS}" in label.removesuffix(facts)


@pytest.mark.parametrize("count", [3, 60])
def test_conditions_of_many_classes_are_those_of_the_most_frequent(count: int) -> None:
    effect = SimpleNamespace(log_odds=SimpleNamespace(mean=-1.0, low=-1.5, high=-0.5, n=99))
    parts = {f"class {n}": SimpleNamespace(n_images=n, effects={"lesion": effect}) for n in range(count)}
    overall = SimpleNamespace(n_images=99, effects={"lesion": effect})
    report: Any = SimpleNamespace(summary=SimpleNamespace(overall=overall, by_class=parts), counted="images")
    figure = _conditions(report, list(parts), "made by hand")
    assert_readable(figure)
    legend = figure.axes[0].get_legend()
    assert legend is not None
    kept = [f"class {n} ({n})" for n in range(count)][-20:]
    assert [text.get_text() for text in legend.get_texts()] == ["all (99)", *kept]
    assert any(f"(20 most frequent of {count})" in text.get_text() for text in _texts(figure)) == (count > 20)


def test_a_class_has_one_colour_in_all_figures_whichever_others_are_drawn() -> None:
    names = ["Normal", "Benign", "Malignant"]
    points = SizeScatter(np.array([0.1, 0.2]), np.array([0.3, 0.4]), ["Benign", "Malignant"], names)
    probabilities = np.eye(3, dtype=np.float32)[[1, 2, 1, 2]] * 0.6 + 0.1
    performance = measure_performance(probabilities, np.array([1, 2, 2, 1]), Resampling.of_images(4, resamples=10))
    row = Row("Malignant (1)", (1.0,), (None,), (None,), 2)
    figures = [
        build_size_figure(points),
        build_roc(performance, names),
        build_precision_recall(performance, names),
        build_conditions([Row("all (1)", (1.0,), (None,), (None,)), row], ["lesion"]),
    ]
    for figure in figures:
        found = {str(line.get_label()).split()[0].rstrip(":"): line.get_color() for line in figure.axes[0].lines}
        assert found["Malignant"] == SERIES[2]
        assert found.get("Benign", SERIES[1]) == SERIES[1]


def test_the_legend_of_a_curve_says_what_bands_and_dotted_lines_are() -> None:
    probabilities = np.eye(2, dtype=np.float32)[[0, 1, 0, 1]] * 0.6 + 0.2
    performance = measure_performance(probabilities, np.array([0, 1, 1, 0]), Resampling.of_images(4, resamples=10))
    for build, bands in ((build_roc, True), (build_precision_recall, True), (build_reliability, False)):
        legend = build(performance, ["a", "b"]).axes[0].get_legend()
        assert legend is not None
        said = [text.get_text() for text in legend.get_texts()]
        assert ("95 % interval, in the same colour" in said) == bands
        assert ("bar: 95 % interval of a bin" in said) != bands
        assert any(text.startswith(("chance", "calibrated")) for text in said)


def test_a_title_that_is_too_long_for_a_line_has_a_second_one() -> None:
    title = "Nicht ossifizierendes Fibrom, against the rest"
    figure, (first, _) = new_charts([title, "Enchondrom"], heading="Calibration")
    assert first.get_title(loc="left").replace("\n", " ") == title
    assert_readable(figure)


def test_points_of_nought_are_drawn_above_the_axes() -> None:
    figure = build_size_figure(SizeScatter(np.array([0.1]), np.zeros(1), ["Benign"], ["Benign"]))
    (axes,) = figure.axes
    (points,) = (line for line in axes.lines if str(line.get_label()).startswith("Benign"))
    assert points.get_zorder() > max(spine.get_zorder() for spine in axes.spines.values())


def test_classes_without_a_map_that_can_be_scored_are_named() -> None:
    scores = [SimpleNamespace(label=label, iou=iou) for label, iou in (("A", 0.0), ("A", None), ("B", None))]
    sample: Any = SimpleNamespace(scores=scores)
    assert _without_points(sample) == "; no heat map that can be scored: B (1)"
    sample.scores = scores[:2]
    assert not _without_points(sample)
