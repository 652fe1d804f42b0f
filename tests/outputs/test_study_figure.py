"""The figure of `study`: every method in every panel, and what was not computed in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib.text import Text

from btxrd_explain.outputs.study_figure import Mark, Panel, build_study
from btxrd_explain.outputs.style import save_figure

if TYPE_CHECKING:
    from pathlib import Path

MARKS = (
    Mark("pass", 0.8, 0.7, 0.9, 0.2),
    Mark("fail", 0.1, None, None, None),
    Mark("unclear", 0.5, 0.4, 0.6, 0.45),
    Mark("not computed", None, None, None, None),
)
METHODS = ("gradcam", "smooth-integrated-gradients", "eigencam", "guided-backprop")


def test_each_method_has_a_mark_or_a_word_in_each_panel(tmp_path: Path) -> None:
    panels = [
        Panel("localisation", "average precision", (0.0, 1.0), None, True, MARKS),
        Panel("sensitivity", "correlation", (-1.0, 1.0), 0.5, False, MARKS[::-1]),
    ]
    figure = build_study(panels, METHODS, footer="network " * 40)
    labels = [axes.get_xlabel().partition("\n")[2] for axes in figure.axes]
    assert labels == ["(passes on the right)", "(passes on the left)"]
    for axes, panel in zip(figure.axes, panels, strict=True):
        points = [line for line in axes.lines if np.size(line.get_xdata()) == 1]
        drawn = {round(np.ravel(line.get_ydata())[0]): np.ravel(line.get_xdata())[0] for line in points}
        assert drawn == {row: mark.value for row, mark in enumerate(panel.marks) if mark.value is not None}
        colours = {line.get_color() for line in points}
        assert len(colours) == len({line.get_marker() for line in points}) == 3
        words = {text.get_position()[1]: text.get_text() for text in axes.texts}
        assert words == {panel.marks.index(MARKS[3]): "not computed"}
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.findobj(Text) if text.get_text().strip()]
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.width for box in boxes)
    shown = " ".join(text.get_text() for text in figure.findobj(Text))
    assert all(name in shown for name in ("gradcam", "eigencam", "pass", "fail", "unclear", "chance"))
    save_figure(figure, tmp_path / "a.png", dpi=50)
    save_figure(build_study(panels, METHODS, footer="network " * 40), tmp_path / "b.png", dpi=50)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("count", [1, 12])
def test_one_method_or_a_dozen_have_room(count: int) -> None:
    panel = Panel("localisation", "average precision", (0.0, 1.0), None, True, [MARKS[0]] * count)
    figure = build_study([panel] * 5, ["gradcam"] * count)
    heights = [axes.get_window_extent().height / figure.dpi for axes in figure.axes]
    assert heights == pytest.approx([0.3 * count] * 5)
