"""`compare` on tables of imported heat maps, and on mixtures with tables that a network made."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.heatmap import MapStatus
from tests.support.command_line import run, said

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from btxrd_explain.predictions.record import Prediction

pytestmark = pytest.mark.usefixtures("blank_figures")

CLASSES = ("Normal", "Benign")
SIZE = (40, 30)
COUNT = 3


@pytest.fixture(scope="module")
def data(
    tmp_path_factory: pytest.TempPathFactory, make_row: Callable[..., Prediction], make_table: Callable[..., None]
) -> Path:
    """Three radiographs with masks, a table of a network, and its maps as it exports them and as bare arrays."""
    folder = tmp_path_factory.mktemp("mixture")
    for name in ("images", "masks", "bare", "none"):
        (folder / name).mkdir()
    random, rows = np.random.default_rng(0), []
    for number in range(COUNT):
        grids = random.normal(size=(2, 8, 6)).astype(np.float32)
        Image.fromarray(np.full(SIZE, 80 + number, np.uint8)).save(folder / "images" / f"{number}.png")
        Image.fromarray(np.tri(*SIZE, -5 - number, dtype=np.uint8)).save(folder / "masks" / f"{number}.png")
        np.save(folder / "bare" / f"{number}_Benign.npy", grids[1])
        facts: dict[str, Any] = {"grids": grids, "grid_statuses": (MapStatus.OK,) * 2, "size": Size(*SIZE)}
        rows.append(make_row(f"{number}.png", "Benign", (0.3, 0.7), stamp=None, **facts))
    make_table(folder / "own.parquet", CLASSES, rows)
    lines = ["image_id,label,split", *(f"{number}.png,Benign,test" for number in range(COUNT))]
    (folder / "split.csv").write_text("\n".join(lines))
    run("export", "--to", "npz", "--classes", "all", "--predictions", folder / "own.parquet", "-o", folder)
    run("import-maps", folder / "npz", "--images", folder / "images", "-o", folder / "imported")
    labelled = ("--images", folder / "images", "--split-csv", folder / "split.csv", "--class-names", ",".join(CLASSES))
    run("import-maps", folder / "bare", *labelled, "-o", folder / "labelled")
    run("import-maps", folder / "bare", "--images", folder / "images", "-o", folder / "unlabelled", *labelled[4:])
    return folder


def compared(data: Path, out: Path, *tables: str, further: tuple[object, ...] = ()) -> dict[str, Any]:
    paths = [data / name for name in tables]
    run("compare", *paths, "--annotations", data / "masks", "-o", out, *further)
    report: dict[str, Any] = json.loads((out / "comparison.json").read_text())
    return report


def test_own_maps_and_the_same_maps_imported_differ_nowhere(data: Path, tmp_path: Path) -> None:
    report = compared(data, tmp_path, "own.parquet", "imported/predictions.parquet", further=("--agreement",))
    assert (report["reference"], list(report["tables"]), report["n"]) == ("gradcam", ["gradcam", "imported maps"], 3)
    imported = report["tables"]["imported maps"]
    assert [one["mean"] for one in imported["difference"].values()] == pytest.approx([0] * 16, abs=1e-6)
    assert imported["agreement"]["maps"]["iou"]["mean"] == pytest.approx(1)
    assert imported["agreement"]["same_prediction"]["iou"]["n"] == 3


def test_maps_without_probabilities_are_like_the_other_tables(data: Path, tmp_path: Path) -> None:
    """Whether classes exclude each other is not known of them, nor whether predictions stay."""
    own, bare = "own.parquet", "labelled/predictions.parquet"
    report = compared(data, tmp_path, own, bare, further=("--agreement",))
    assert report["n"] == 3
    found = report["tables"]["imported maps"]
    assert found["difference"]["iou"]["n"] == 3
    agreement = found["agreement"]
    assert agreement["maps"]["iou"]["n"] == 3
    assert agreement["same_prediction"]["iou"]["n"] == agreement["changed_prediction"]["iou"]["n"] == 0


def test_imported_tables_are_named_by_their_places(data: Path, tmp_path: Path) -> None:
    tables = [f"{name}/predictions.parquet" for name in ("imported", "labelled")]
    report = compared(data, tmp_path, "own.parquet", *tables)
    names = list(report["tables"])
    assert names[0] == "gradcam"
    assert [name.rpartition(data.name)[2] for name in names[1:]] == [f"/{table}" for table in tables]
    assert all(name.startswith("imported maps, ") for name in names[1:])


def test_each_class_is_paired_with_itself(data: Path, tmp_path: Path) -> None:
    """Without labels all maps of an image are compared, which need not be of the same classes in each table."""
    for name, classes in {"more": ("Normal", "Benign"), "fewer": ("Normal",)}.items():
        (tmp_path / name).mkdir()
        for number in range(COUNT):
            for class_name in classes:
                heat = np.load(data / "bare" / f"{number}_Benign.npy")
                np.save(tmp_path / name / f"{number}_{class_name}.npy", heat if class_name == "Benign" else heat[::-1])
        common = ("--images", data / "images", "--class-names", ",".join(CLASSES))
        run("import-maps", tmp_path / name, *common, "-o", tmp_path / f"{name}_table")
    tables = [tmp_path / f"{name}_table" / "predictions.parquet" for name in ("more", "fewer")]
    run("compare", *tables, "--annotations", data / "masks", "-o", tmp_path, "--target-class", "true")
    report = json.loads((tmp_path / "comparison.json").read_text())
    assert (report["n"], report["excluded"]) == (3, {"no heat map of the class in one of the tables": 3})
    (other,) = [table["difference"] for table in report["tables"].values() if table["difference"] is not None]
    assert other["iou"]["mean"] == 0


def test_what_the_tables_do_not_know_is_said(data: Path, tmp_path: Path) -> None:
    tables = (data / "own.parquet", data / "unlabelled" / "predictions.parquet")
    text = said("compare", *tables, "--annotations", data / "masks", "-o", tmp_path, code=5)
    assert "'imported maps' does not know the true class of any of the 3 common radiographs" in text
    assert "'import-maps'" in text
    tables = (data / "own.parquet", data / "imported" / "predictions.parquet")
    text = said("compare", *tables, "--annotations", data / "masks", "-o", tmp_path)
    assert "'gradcam' does not say what 3 images look like: they are taken by their names" in text


def test_reports_of_imported_maps_claim_no_network(data: Path, tmp_path: Path) -> None:
    table = ("--predictions", data / "imported" / "predictions.parquet", "--annotations", data / "masks")
    run("annotate-iou", *table, "-o", tmp_path, "--panels", 1, "--no-baselines")
    text = (tmp_path / "annotation_report.md").read_text()
    assert "Heat maps of another program were imported from 3 .npz files" in text
    assert "Class-activation maps" not in text
    report = json.loads((tmp_path / "annotation_report.json").read_text())
    points = {point["number"]: point for point in report["checklist"]}
    assert [points[number]["status"] for number in (8, 13, 16)] == ["not met"] * 3
    assert "imported from 3 .npz files" in points[13]["evidence"]
    run("report", *table, "-o", tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "3 radiographs; heat maps of another program, imported from 3 .npz files." in page
    assert "none (imported)" not in page
