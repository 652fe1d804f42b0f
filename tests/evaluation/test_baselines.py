"""Baselines that are made of the network: from ``infer`` to the reports, and why a table lacks them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from btxrd_explain.core.explained_classes import ExplainedClasses
from btxrd_explain.core.heatmap import MapStatus, heat_map, judge
from btxrd_explain.core.metrics.plain import score
from btxrd_explain.inputs.annotation_file import read_annotation
from btxrd_explain.predictions.store import write_table
from btxrd_explain.predictions.table import PredictionTable, open_table
from tests.support.command_line import said
from tests.support.tiny_study import write_study

if TYPE_CHECKING:
    from pathlib import Path

OF_NETWORK = ["random-channels", "other-class"]
pytestmark = pytest.mark.usefixtures("blank_figures")


def _results(study: Path, out: Path) -> tuple[object, ...]:
    return "--checkpoint", study / "best.pt", "-o", out


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_study(tmp_path_factory.mktemp("baselines"), lit=True)
    said("infer", folder / "images", "--split-csv", folder / "split.csv", *_results(folder, folder / "out"))
    path, random = folder / "out" / "predictions.parquet", np.random.default_rng(0)
    table = open_table(path)
    rows = []
    for row in table.rows():
        assert row.grids is not None
        assert row.least_probable is not None
        grids, statuses = row.grids.copy(), list(row.grid_statuses)
        if row.image_id < "4":  # evidence for a class that is not probable, which this network has for none
            grids[row.least_probable] = random.random((3, 3))
            statuses[row.least_probable] = MapStatus.OK
        rows.append(replace(row, grids=grids, grid_statuses=tuple(statuses)))
    write_table(path, table.provenance, rows)
    return folder


def _evaluated(study: Path, out: Path, table: Path | None = None, *further: object) -> tuple[dict[str, Any], str]:
    """Score a table, and return the report and what is said."""
    table = table or study / "out" / "predictions.parquet"
    told = said("annotate-iou", "--predictions", table, "--annotations", study / "images", "-o", out, *further)
    return json.loads((out / "annotation_report.json").read_text()), told


def _other(study: Path, out: Path, **changes: Any) -> Path:  # noqa: ANN401 -- of a provenance
    """Write the table in another way, without random channels."""
    table = open_table(study / "out" / "predictions.parquet")
    made = replace(table.provenance, random_channels=0, **changes)
    rows = [replace(row, random_channels=None, path=str(table.image_path(row))) for row in table.rows()]
    write_table(out / "predictions.parquet", made, rows)
    return out / "predictions.parquet"


def _by_hand(table: PredictionTable, study: Path) -> dict[str, list[float]]:
    """Score the stored grids with the plain function."""
    found: dict[str, list[float]] = {"model": [], **{name: [] for name in OF_NETWORK}}
    for row in table.rows():
        assert row.size is not None
        assert row.grids is not None
        assert row.random_channels is not None
        assert row.probabilities is not None
        frame = table.provenance.preprocessing.frame(row.size)
        mask = read_annotation(study / "images" / row.image_id.replace(".png", ".json"), row.size).mask
        other, target = int(row.probabilities.argmin()), table.provenance.class_names.index(row.label or "")

        def iou(grid: np.ndarray[Any, Any], frame: Any = frame, mask: Any = mask) -> float:  # noqa: ANN401
            heat = heat_map(grid, frame, status=judge(grid))
            found = score(heat.values, mask).iou if heat.values.any() else None
            return np.nan if found is None else found

        found["model"].append(iou(row.grids[target]))
        found["other-class"].append(np.nan if other == target else iou(row.grids[other]))
        found["random-channels"].append(float(np.nanmean([iou(grid) for grid in row.random_channels])))
    return found


def test_they_score_what_the_stored_grids_score(study: Path, tmp_path: Path) -> None:
    report, told = _evaluated(study, tmp_path)
    found = _by_hand(open_table(study / "out" / "predictions.parquet"), study)
    model = np.array(found["model"])
    for name in OF_NETWORK:
        own = report["summary"]["overall"]["metrics"]["iou"]["baselines"][name]
        beside = np.where(np.isnan(model), np.nan, found[name])
        assert own["n"] == np.isfinite(beside).sum() > 1
        assert own["mean"] == pytest.approx(np.nanmean(beside), abs=1e-6)
        assert own["difference"]["mean"] == pytest.approx(np.nanmean(model - beside), abs=1e-6)
        assert own["difference"]["low"] <= own["difference"]["mean"] <= own["difference"]["high"]
        assert f"{name} {own['mean']:.3f}" in told
        assert name in report["curve"]["baselines"]
        assert name in report["data_set"]["pxap"]["baselines"]
    assert not set(OF_NETWORK) & set(report["not_computed"])
    rows = pq.read_table(tmp_path / "annotation_metrics.parquet")
    assert rows.column("baseline_random_channels_iou").to_pylist() == pytest.approx(found["random-channels"], abs=1e-6)
    hits = rows.column("baseline_random_channels_pointing_hit").to_pylist()
    assert all(6 * hit == pytest.approx(round(6 * hit)) for hit in hits)  # the mean of up to three draws
    assert rows.schema.field("baseline_other_class_pointing_hit").type == "bool"


def test_markdown_and_page_name_them(study: Path, tmp_path: Path) -> None:
    report, _ = _evaluated(study, tmp_path)
    text = (tmp_path / "annotation_report.md").read_text()
    assert "random channel weights" in text
    assert "Heat map minus baseline, image by image" in text
    table = study / "out" / "predictions.parquet"
    said("report", "--predictions", table, "--annotations", study / "images", "-o", tmp_path)
    page = (tmp_path / "report.html").read_text()
    own = report["summary"]["overall"]["metrics"]["iou"]["baselines"]["random-channels"]
    assert "heat map minus random-channels" in page
    assert json.dumps(own["difference"]["mean"]) in page


@pytest.mark.parametrize(
    ("changes", "name", "reason"),
    [
        ({}, "random-channels", "the table was made without them; 'btxrd-explain infer' makes tables with them"),
        (
            {"method": "gradient", "target_layer": "input"},
            "random-channels",
            "gradient explains pixels, and not the channels of a layer",
        ),
    ],
)
def test_a_table_without_them_says_why(
    study: Path, tmp_path: Path, changes: dict[str, Any], name: str, reason: str
) -> None:
    report, told = _evaluated(study, tmp_path / "out", _other(study, tmp_path, **changes))
    assert report["not_computed"] == {name: reason}
    for metric in report["summary"]["overall"]["metrics"].values():
        assert name not in metric["baselines"]
    assert f"{name} not computed: {reason}" in told
    text = (tmp_path / "out" / "annotation_report.md").read_text()
    assert f"{name}: not computed" in text
    assert "Baselines of the network itself were scored alike: its map of the least probable class." in text
    column = pq.read_table(tmp_path / "out" / "annotation_metrics.parquet").column("baseline_random_channels_iou")
    assert column.null_count == len(column) > 0


def test_the_map_of_a_class_that_is_not_stored_is_not_made_up(study: Path, tmp_path: Path) -> None:
    table = open_table(study / "out" / "predictions.parquet")
    explained = ExplainedClasses(("predicted", "true"), table.provenance.class_names, multi_label=False)
    rows = []
    for row in table.rows():
        assert row.predicted is not None
        assert row.grids is not None
        kept = explained.of([row.predicted], explained.true_of(row.label))
        nothing = MapStatus.NOT_COMPUTED
        statuses = [status if index in kept else nothing for index, status in enumerate(row.grid_statuses)]
        place = str(table.image_path(row))
        rows.append(replace(row, grids=row.grids[sorted(kept)], grid_statuses=tuple(statuses), path=place))
    made = replace(table.provenance, explain_classes=("predicted", "true"))
    write_table(tmp_path / "predictions.parquet", made, rows)
    report, told = _evaluated(study, tmp_path / "out", tmp_path / "predictions.parquet")
    assert "explain-classes" in report["not_computed"]["other-class"]
    assert "other-class not computed" in told


def test_nothing_is_said_of_what_nobody_asks_for(study: Path, tmp_path: Path) -> None:
    report, told = _evaluated(study, tmp_path, None, "--no-baselines")
    assert set(report["not_computed"].values()) == {"not asked for (evaluation.baselines)"}
    assert set(OF_NETWORK) < report["not_computed"].keys()
    assert "not computed" not in told


def test_comparisons_hold_them_next_to_each_table(study: Path, tmp_path: Path) -> None:
    whole, bare = study / "out" / "predictions.parquet", _other(study, tmp_path)
    common = ("--annotations", study / "images", "-o", tmp_path / "compared")
    told = said("compare", whole, bare, *common)
    tables = json.loads((tmp_path / "compared" / "comparison.json").read_text())["tables"]
    one, other = tables.values()
    report, _ = _evaluated(study, tmp_path / "out")
    for name, own in report["summary"]["overall"]["metrics"]["iou"]["baselines"].items():
        if name in OF_NETWORK:
            assert one["means"]["iou"]["baselines"][name] == own
    assert (one["not_computed"], list(other["not_computed"])) == ({}, ["random-channels"])
    assert list(other["means"]["iou"]["baselines"]) == ["other-class"]
    assert "random-channels not computed: the table was made without them" in told


def test_neither_predictions_nor_maps_nor_the_fingerprint_depend_on_them(study: Path, tmp_path: Path) -> None:
    table = open_table(study / "out" / "predictions.parquet")
    assert "random_channels" not in table.provenance.request
    common = ("--split-csv", study / "split.csv", *_results(study, tmp_path))
    again = said("infer", study / "images", *common, "--batch-size", 1)
    assert "computing 6 images" in again
    for one, other in zip(table.rows(), open_table(tmp_path / "predictions.parquet").rows(), strict=True):
        assert one.random_channels is not None
        assert other.random_channels is not None
        assert one.random_channels.shape == (3, 3, 3)
        assert set(np.abs(one.random_channels).max(axis=(1, 2)).tolist()) <= {0, 1}
        assert one.random_channels.any()
        np.testing.assert_allclose(one.random_channels, other.random_channels, rtol=0, atol=2e-3)
