"""The table and the picture of a study: what was not computed is empty."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
from matplotlib.text import Text

from btxrd_explain.commands.study import output
from btxrd_explain.commands.study.criteria import Name
from btxrd_explain.commands.study.output import draw_criteria, write_table
from btxrd_explain.commands.study.report import Network
from tests.support.made_up_study import make_report

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from matplotlib.figure import Figure


def test_the_table_has_a_row_per_method_and_criterion(tmp_path: Path) -> None:
    parquet, text = write_table(tmp_path / "study_criteria", make_report())
    rows = pq.ParquetFile(parquet).read().to_pylist()
    assert [(row["method"], row["criterion"]) for row in rows] == [
        (method, str(name)) for method in ("gradcam", "layercam") for name in Name
    ]
    first = {"outcome": "pass", "score": "spearman", "mean": 0.7, "low": 0.6, "high": 0.8, "chance": 0.25}
    assert {key: rows[0][key] for key in first} == first
    assert (rows[0]["n"], rows[0]["units"]) == (40, 38)
    with text.open(newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == len(rows)


def test_what_was_not_computed_is_empty(tmp_path: Path) -> None:
    parquet, text = write_table(tmp_path / "study_criteria", make_report())
    (row,) = (row for row in pq.ParquetFile(parquet).read().to_pylist() if row["outcome"] == "not computed")
    assert {key: row[key] for key in ("mean", "low", "high", "chance", "n", "units", "score")} == dict.fromkeys(
        ("mean", "low", "high", "chance", "n", "units", "score")
    )
    assert row["reason"] == "no second checkpoint"
    with text.open(newline="", encoding="utf-8") as file:
        (line,) = (line for line in csv.DictReader(file) if line["outcome"] == "not computed")
    assert (line["mean"], line["n"]) == ("", "")


def _drawn(monkeypatch: pytest.MonkeyPatch, folder: Path, **facts: object) -> Figure:
    seen: list[Figure] = []
    monkeypatch.setattr(output, "save_figure", lambda figure, *_, **__: seen.append(figure))
    draw_criteria(make_report(**facts), folder / "study_criteria.png", dpi=50)
    return seen[0]


def test_the_picture_has_a_panel_per_criterion_with_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = _drawn(monkeypatch, tmp_path)
    assert len(figure.axes) == len(Name)
    said = " ".join(text.get_text() for text in figure.findobj(Text))
    assert "my_best.pt (abababab)" in said
    assert "not computed" in said
    assert "SYNTHETIC" not in said


def test_the_picture_names_both_networks_and_synthetic_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    second = Network(checkpoint="b.pt", checkpoint_sha256="cd" * 32, architecture="vit", members=[])
    figure = _drawn(monkeypatch, tmp_path, second=second, synthetic=True)
    said = " ".join(text.get_text() for text in figure.findobj(Text)).replace("\n", " ")
    assert "trained on SYNTHETIC DATA" in said
    assert "second: vit, b.pt" in said
