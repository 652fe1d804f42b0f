"""From the command line to the scores: methods that explain pixels, on a small network with ReLU alone."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from btxrd_explain.predictions.table import open_table
from btxrd_explain.system.extras import to_install
from tests.support.command_line import said
from tests.support.tiny_study import write_study

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("blank_figures")

pytest.importorskip("captum")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(tmp_path_factory.mktemp("pixels"), side=64, count=4)


def _said(folder: Path, command: str, *arguments: object, out: str, code: int = 0) -> str:
    given = (command, *((folder / "images",) if command == "infer" else ("--images", folder / "images")))
    place = ("--checkpoint", folder / "best.pt", "--split-csv", folder / "split.csv", "-o", folder / out)
    return said(*given, *place, *arguments, code=code)


@pytest.fixture(scope="module")
def inferred(folder: Path) -> str:
    return _said(folder, "infer", "--method", "deeplift", "--target-layer", "layer4", out="deeplift")


def test_the_table_holds_maps_of_the_stated_size(folder: Path, inferred: str) -> None:
    assert "deeplift explains the pixels of the input: target layer layer4 is not used" in inferred
    provenance = open_table(folder / "deeplift" / "predictions.parquet").provenance
    assert (provenance.method, provenance.target_layer, provenance.grid) == ("deeplift", "input", (56, 56))
    assert provenance.request["map_cells"] == 56
    assert "captum" in provenance.request["versions"]
    row = next(open_table(folder / "deeplift" / "predictions.parquet").rows())
    assert row.grids is not None
    assert row.grids.shape == (3, 56, 56)


@pytest.mark.usefixtures("inferred")
def test_another_size_is_another_table_and_other_methods_have_none(folder: Path) -> None:
    small = ("--method", "deeplift", "--set", "gradcam.map_cells=16", "--explain-classes", "predicted")
    text = _said(folder, "infer", *small, out="deeplift")
    assert "map_cells changed from 56 to 16" in text
    table = open_table(folder / "deeplift" / "predictions.parquet")
    grids = next(table.rows()).grids
    assert grids is not None
    assert (table.provenance.grid, grids.shape) == ((16, 16), (1, 16, 16))
    _said(folder, "infer", "--set", "gradcam.map_cells=16", out="gradcam")
    request = open_table(folder / "gradcam" / "predictions.parquet").provenance.request
    assert "map_cells" not in request
    assert "captum" not in request["versions"]


def test_maps_of_pixels_are_scored_like_others(folder: Path) -> None:
    _said(folder, "annotate-iou", "--methods", "gradcam,gradient,guided-gradcam", out="scored")
    for method, layer in (("gradient", "input"), ("guided-gradcam", "layer4")):
        report = json.loads((folder / "scored" / method / "annotation_report.json").read_text())
        assert report["protocol"]["grid"] == [56, 56]
        assert report["protocol"]["target_layer"].startswith(layer)
        assert 0 < report["summary"]["overall"]["metrics"]["iou"]["ceiling"]["mean"] <= 1


def test_without_captum_no_table_is_begun(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "captum", None)
    text = _said(folder, "infer", "--method", "occlusion", out="none", code=2)
    assert "method 'occlusion' needs captum, which is not installed" in text
    assert to_install("captum") in text
    assert not (folder / "none").exists()


def test_maps_that_no_table_can_hold_are_refused_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("btxrd_explain.inference.loading.MOST_CELLS", 3 * 64 * 64 - 1)
    text = _said(folder, "infer", "--method", "gradient", "--set", "gradcam.map_cells=512", out="large", code=2)
    assert "3 maps of 64 x 64 cells are too large for a table" in text
