"""The figures of `sanity`: what is drawn where, and what an undefined value leaves out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib.text import Text

from btxrd_explain.outputs.chart import Band
from btxrd_explain.outputs.sanity_figure import (
    Decline,
    Strip,
    Trail,
    build_decline,
    build_perturbation,
    build_stability,
    build_strips,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray


def _said(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.findobj(Text)).replace("\n", " ")


def _line(axes: Axes, label: str) -> NDArray[np.float64]:
    (found,) = (line for line in axes.lines if line.get_label() == label)
    return np.asarray(found.get_ydata(), np.float64)


KEPT = np.array([0.9, 0.4, -0.2])


def test_a_decline_begins_with_the_trained_network_at_one() -> None:
    band = Band("Spearman", KEPT, KEPT - 0.1, KEPT + 0.1)
    figure = build_decline([Decline("Spearman", band, 0.25)], ["head", "layer4", "all"], verdict="They change.")
    (axes,) = figure.axes
    assert _line(axes, "Spearman").tolist() == [1.0, *KEPT]
    assert set(_line(axes, "maps of different images").tolist()) == {0.25}
    low, high = axes.get_ylim()
    assert low <= -0.3
    assert high >= 1
    said = _said(figure)
    assert "They change." in said
    assert "Stages: 1 head, 2 layer4, 3 all" in said


def test_a_decline_of_one_image_has_no_maps_of_different_ones_and_no_interval() -> None:
    figure = build_decline([Decline("SSIM", Band("SSIM", KEPT), None)], ["a", "b", "c"], verdict="Undecided.")
    (axes,) = figure.axes
    assert [line.get_label() for line in axes.lines if not str(line.get_label()).startswith("_")] == ["SSIM"]
    assert not axes.collections


def test_values_that_are_undefined_are_gaps() -> None:
    values = np.array([0.5, np.nan, 0.1])
    figure = build_decline([Decline("Spearman", Band("Spearman", values), None)], ["a", "b", "c"], verdict="x")
    np.testing.assert_array_equal(_line(figure.axes[0], "Spearman"), [1.0, 0.5, np.nan, 0.1])
    figure.draw_without_rendering()


@pytest.mark.parametrize("count", [2, 40])
def test_stages_of_any_number_have_room_on_their_axis(count: int) -> None:
    band = Band("Spearman", np.linspace(0.9, 0.1, count))
    figure = build_decline([Decline("Spearman", band, None)], [f"stage{n}" for n in range(count)], verdict="x")
    ticks = figure.axes[0].get_xticks()
    assert ticks[0] == 0
    assert len(ticks) <= 17


def _strip(*maps: NDArray[np.float32] | None, name: str = "a.png") -> Strip:
    return Strip(f"{name}: Benign", np.full((24, 32, 3), 90, np.uint8), maps, aspect=4 / 3)


def test_a_strip_shows_radiograph_and_maps_and_says_where_there_is_no_evidence() -> None:
    heat = np.zeros((24, 32), np.float32)
    heat[5, 7] = 1
    figure = build_strips(
        [_strip(heat, None), _strip(heat, heat, name="b.png")],
        ["trained", "random up to\nthe head"],
        colormap="viridis",
        alpha=0.6,
        footer="made of " * 30,
    )
    pictures = [axes for axes in figure.axes if axes.images]
    assert len(pictures) >= 6
    said = _said(figure)
    assert said.count("no evidence") == 1
    for words in ("a.png: Benign", "b.png: Benign", "trained", "the head", "radiograph"):
        assert words in said
    shown = [np.asarray(axes.images[0].get_array()) for axes in pictures[:3]]
    assert (shown[0] == 90).all()
    assert (shown[1] != 90).any()
    assert (shown[2] == 90).all()  # without evidence the radiograph alone


def test_insertion_and_deletion_are_curves_over_the_fraction_of_pixels() -> None:
    ours, random = (Band(name, np.linspace(0, end, 11)) for name, end in (("heat map", 1.0), ("random", 0.5)))
    figure = build_perturbation([("Insertion", ours, random), ("Deletion", random, ours)])
    assert len(figure.axes) == 2
    for axes in figure.axes:
        for label, band in (("heat map", ours), ("random", random)):
            (line,) = (one for one in axes.lines if one.get_label() == label)
            np.testing.assert_allclose(np.asarray(line.get_xdata()), np.linspace(0, 1, 11))
            np.testing.assert_allclose(_line(axes, label), band.values)


def test_stability_marks_the_deciding_strength_and_the_limit() -> None:
    values = np.array([0.95, 0.9, 0.85, -0.1])
    band = Band("Spearman", values, values - 0.05, values + 0.05)
    trails = [
        Trail("shift", "pixels", (1, 2, 4, 8), 4, [band, Band("SSIM", values / 2)], 0.3),
        Trail("flip", "", (1,), 1, [Band("Spearman", values[:1])], None),
    ]
    figure = build_stability(trails, limit=0.8, verdict="They are unstable.")
    shift, flip = figure.axes[:2]
    assert [label.get_text() for label in shift.get_xticklabels()] == ["1", "2", "4", "8"]
    assert [label.get_text() for label in flip.get_xticklabels()] == [""]
    levels = {
        round(float(np.ravel(line.get_ydata())[0]), 6) for line in shift.lines if len(np.unique(line.get_ydata())) == 1
    }
    assert {0.8, 0.3} <= levels
    assert shift.get_ylim()[0] <= -0.15
    said = _said(figure)
    assert "decides" in said
    assert "They are unstable." in said
    figure.draw_without_rendering()
