"""The figures of `intervene`: points, conditions and pictures, and what is undefined."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.text import Text

from btxrd_explain.outputs.intervention_figure import Case, Pairs, Row, build_cells, build_conditions, build_pairs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray


def _said(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.findobj(Text)).replace("\n", " ")


def _points(axes: Axes) -> list[list[float]]:
    """Return the points of a chart, whether they are markers or a scatter."""
    drawn = [one for one in axes.collections if isinstance(one, PathCollection)]
    scattered = [np.asarray(one.get_offsets(), float) for one in drawn]
    marked = [np.column_stack(line.get_data()) for line in axes.lines if line.get_linestyle() == "None"]
    points: list[list[float]] = np.concatenate([np.empty((0, 2)), *scattered, *marked]).tolist()
    return points


PAIRS = Pairs(
    title="inpainted",
    lesion=np.array([-2.0, -1.0, np.nan, 0.5]),
    control=np.array([0.1, -0.2, 0.0, np.nan]),
    groups=["Benign", "Malignant", "Benign", "Benign"],
    mean=-1.25,
    low=-2.0,
    high=-0.5,
    count=2,
)


def test_a_point_is_a_radiograph_with_lesion_and_control() -> None:
    figure = build_pairs([PAIRS, replace(PAIRS, title="blurred")], ["Benign", "Malignant"], verdict="It depends.")
    assert len(figure.axes) == 2
    axes = figure.axes[0]
    known = [point for point in _points(axes) if np.isfinite(point).all()]
    assert sorted(known) == [[-0.2, -1.0], [0.1, -2.0]]
    labels = [str(line.get_label()) for line in axes.lines]
    assert "mean excess -1.25 (n = 2)" in labels
    assert "95 % interval [-2.00, -0.50]" in _said(figure)
    assert axes.get_xlim() == axes.get_ylim()
    assert axes.get_xlim()[0] < -2.0


def test_a_mean_that_is_undefined_draws_neither_line_nor_interval() -> None:
    undefined = replace(PAIRS, mean=None, low=None, high=None)
    assert "mean excess" not in _said(build_pairs([undefined], ["Benign", "Malignant"], verdict="x"))
    few = _said(build_pairs([replace(PAIRS, low=None, high=None)], ["Benign", "Malignant"], verdict="x"))
    assert "mean excess -1.25" in few
    assert "interval" not in few


def test_nothing_at_all_still_is_a_chart() -> None:
    empty = Pairs("inpainted", np.array([]), np.array([]), [], None, None, None, 0)
    figure = build_pairs([empty], [], verdict="Undecided.")
    low, high = figure.axes[0].get_xlim()
    assert low < 0 < high
    figure.draw_without_rendering()


CONDITIONS = ("lesion", "border", "markers")
ROWS = (
    Row("all", (-1.0, 0.1, None), (-1.5, None, None), (-0.5, None, None)),
    Row("Benign", (-0.5, 0.2, 0.3), (-1.0, 0.1, 0.2), (0.0, 0.3, 0.4)),
)


def test_each_condition_has_a_row_of_each_slice_and_undefined_ones_none() -> None:
    figure = build_conditions(ROWS, CONDITIONS, footer="made so")
    (axes,) = figure.axes
    means = {
        str(line.get_label()): np.asarray(line.get_xdata()).tolist()
        for line in axes.lines
        if str(line.get_marker()) in {"*", "o"}
    }
    assert means == {"all": [-1.0, 0.1], "Benign": [-0.5, 0.2, 0.3]}
    intervals = [np.asarray(line.get_xdata()).tolist() for line in axes.lines if line.get_marker() == "None"]
    assert [-1.5, -0.5] in intervals
    assert [0.2, 0.4] in intervals
    assert len(intervals) == 1 + 1 + 3  # the zero line, one of all, three of Benign
    assert [label.get_text() for label in axes.get_yticklabels()] == list(CONDITIONS)
    places = axes.get_yticks()
    assert (np.diff(places) < 0).all()


@pytest.mark.parametrize("slices", [1, 7])
def test_slices_of_any_number_have_room(slices: int) -> None:
    rows = [Row(f"slice {number}", (0.1,) * 3, (0.0,) * 3, (0.2,) * 3) for number in range(slices)]
    figure = build_conditions(rows, CONDITIONS)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    heights = [float(np.ravel(line.get_ydata())[0]) for line in axes.lines if line.get_marker() != "None"]
    assert len(set(heights)) == slices
    low, high = axes.get_ylim()
    assert all(low < height < high for height in heights)


def _case(heat: NDArray[np.float32] | None = None, **facts: object) -> Case:
    pictures = [np.full((24, 32, 3), level, np.uint8) for level in (90, 80, 70)]
    lesion = np.zeros((24, 32), bool)
    lesion[4:10, 6:14] = True
    case = Case("looks, depends", "IMG1.jpeg", "Benign", pictures, (1.5, -0.25, 1.25), heat, lesion, 4 / 3)
    return replace(case, **facts)  # type: ignore[arg-type]


def test_a_case_has_four_pictures_with_the_log_odds_under_them() -> None:
    heat = np.zeros((24, 32), np.float32)
    heat[6, 8] = 1
    figure = build_cells([_case(heat)], title="Cases", footer="made so")
    said = _said(figure)
    for words in (
        "+1.50",
        "-0.25 (-1.75)",
        "+1.25 (-0.25)",
        "IMG1.jpeg, Benign",
        "looks, depends",
        "without a control",
    ):
        assert words in said
    assert "no evidence" not in said
    shown = [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images][:4]
    assert [int(picture[-1, -1, 0]) for picture in shown[:3]] == [90, 80, 70]
    assert (shown[3] != 90).any()


def test_a_case_without_evidence_says_so() -> None:
    assert "no evidence" in _said(build_cells([_case()], title="Cases"))


@pytest.mark.parametrize(("count", "wide"), [(4, False), (5, True)])
def test_more_than_four_cases_are_in_two_columns(count: int, wide: bool) -> None:
    one = build_cells([_case()], title="Cases").get_size_inches()
    several = build_cells([_case() for _ in range(count)], title="Cases")
    assert bool(several.get_size_inches()[0] > 1.5 * one[0]) is wide
    assert len([axes for axes in several.axes if axes.images]) >= 4 * count


def test_the_marks_of_a_case_are_its_lesion_and_its_hottest_pixel() -> None:
    heat = np.zeros((24, 32), np.float32)
    heat[6, 8] = 1
    marks = _case(heat).marks
    assert marks.hottest == (8.5 / 32, 6.5 / 24)
    assert marks.annotation
    assert _case().marks.hottest is None
