"""``--smooth`` from the command line to the ceiling."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from btxrd_explain.predictions.table import open_table
from tests.support.command_line import said
from tests.support.tiny_study import write_study

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("blank_figures")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(tmp_path_factory.mktemp("smooth"), count=4)


def _scored(folder: Path, smooth: str, out: str) -> tuple[str, Any]:
    """Score the maps, and return what is said and the report."""
    place = ("--checkpoint", folder / "best.pt", "--split-csv", folder / "split.csv", "-o", folder / out)
    text = said("annotate-iou", "--images", folder / "images", "--smooth", smooth, *place)
    return text, json.loads((folder / out / "annotation_report.json").read_text())


def test_smoothing_moves_maps_and_ceiling_and_no_prediction(folder: Path) -> None:
    ceilings, tables = {}, {}
    for smooth in ("none", "flip", "shift2"):
        text, report = _scored(folder, smooth, smooth)
        assert ("each heat map is the mean of" in text) == (smooth != "none")
        assert (f"(smooth {smooth}), rectified" in (folder / smooth / "annotation_report.md").read_text()) == (
            smooth != "none"
        )
        ceilings[smooth] = report["summary"]["overall"]["metrics"]["iou"]["ceiling"]["mean"]
        tables[smooth] = open_table(folder / smooth / "predictions.parquet")
    made = {smooth: table.provenance for smooth, table in tables.items()}
    assert {smooth: tuple(one.grid) for smooth, one in made.items()} == {
        "none": (3, 3),
        "flip": (3, 3),
        "shift2": (6, 6),
    }
    assert len({one.fingerprint for one in made.values()}) == 3
    assert "smooth" not in made["none"].request
    assert ceilings["none"] == ceilings["flip"] < ceilings["shift2"]
    for rows in zip(*(table.rows() for table in tables.values()), strict=True):
        for row in rows[1:]:
            assert row.probabilities is not None
            assert rows[0].probabilities is not None
            np.testing.assert_array_equal(row.probabilities, rows[0].probabilities)
            assert row.grids is not None
            assert rows[0].grids is not None
            assert not np.array_equal(row.grids, rows[0].grids)


def test_another_smoothing_is_computed_anew(folder: Path) -> None:
    _scored(folder, "flip", "again")
    text, _ = _scored(folder, "none", "again")
    assert "smooth changed from flip to nothing" in text
