"""The picture of readers, heat maps and what bounds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.outputs.reader_figure import Line, Mean, build_reader_figure
from btxrd_explain.outputs.style import save_figure

if TYPE_CHECKING:
    from pathlib import Path


def test_every_mean_is_drawn_where_it_belongs(tmp_path: Path) -> None:
    lines = [
        Line("reader $A$ \n" + "x" * 80, [Mean(0.7, 0.6, 0.8)], [Mean(0.4)]),
        Line("heat maps", [Mean(None)]),
        Line("ceiling", [Mean(0.9, 0.8, 1.0)], bound=True),
    ]
    figure = build_reader_figure(["mean IoU"], lines, title="Readers")
    save_figure(figure, tmp_path / "readers.png", dpi=60)
    (axes,) = figure.axes
    drawn = {line.get_label(): line for line in axes.get_lines() if not str(line.get_label()).startswith("_")}
    assert np.array_equal(drawn["reader"].get_xdata(), [0.7])
    assert np.array_equal(drawn["heat map"].get_xdata(), [0.4])
    assert np.array_equal(drawn["to compare with"].get_ydata(), [2])
    spans = [line.get_xdata() for line in axes.get_lines() if str(line.get_label()).startswith("_")]
    assert sorted(np.array(spans).tolist()) == [[0.6, 0.8], [0.8, 1.0]]
    assert axes.get_yticklabels()[2].get_text() == "ceiling"
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # from top to bottom
