"""All commands on real radiographs of BTXRD, with a checkpoint as training scripts leave it."""

from __future__ import annotations

import csv
import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from btxrd_explain.core.choices import MaskPolicy
from btxrd_explain.core.geometry import Size
from btxrd_explain.core.masks import lesion_masks
from btxrd_explain.inputs.annotation_file import read_annotation
from btxrd_explain.inputs.labelme import read_labelme
from btxrd_explain.inputs.radiograph import read_radiograph
from btxrd_explain.predictions.table import open_table
from tests.support.command_line import run

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("Normal", "Benign", "Malignant")


@pytest.fixture(scope="module")
def sample(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample, read-only, as a BTXRD root."""
    root = tmp_path_factory.mktemp("sample") / "BTXRD"
    shutil.copytree(real_data / "btxrd_sample", root)
    return root


@pytest.fixture(scope="module")
def out(sample: Path, wild_checkpoint: Path) -> Path:
    """The results of all three commands on the sample."""
    out = sample.parent / "out"
    csv_file = sample / "split_test.csv"
    for command in ("infer", "gallery", "annotate-iou"):
        arguments = [command, sample, "--split-csv", csv_file, "--checkpoint", wild_checkpoint, "-o", out]
        run(*arguments)
    return out


def test_every_radiograph_is_predicted_and_most_are_right(out: Path) -> None:
    table = open_table(out / "predictions.parquet")
    rows = list(table.rows())
    assert len(rows) == 15
    assert table.provenance.architecture == "tf_efficientnet_lite0"
    assert table.provenance.target_layer == "bn2"
    facts, activation = table.provenance.notes
    assert facts.startswith("the checkpoint says architecture tf_efficientnet_lite0")
    assert activation.startswith("activation softmax: usual for 3 outputs")
    assert {row.grids.shape for row in rows if row.grids is not None} == {(3, 7, 7)}
    right = sum(NAMES[row.predicted or 0] == row.label for row in rows)
    assert 9 <= right < 15  # the head was fitted on nine of them


def test_sizes_are_those_of_the_files(out: Path, sample: Path) -> None:
    for row in open_table(out / "predictions.parquet").index():
        assert row.size == read_radiograph(sample / "images" / row.image_id).size


def test_the_gallery_shows_real_mistakes(out: Path) -> None:
    document = json.loads((out / "gallery.json").read_text())
    mistakes = [document["classes"][name][outcome]["available"] for name in NAMES for outcome in ("FP", "FN")]
    assert sum(mistakes) >= 2
    assert {(out / f"gallery_{name}.png").stat().st_size > 50_000 for name in NAMES} == {True}


def test_nothing_is_doubted(out: Path) -> None:
    assert not open_table(out / "predictions.parquet").provenance.findings
    for name in ("gallery.json", "annotation_report.json"):
        assert json.loads((out / name).read_text())["warnings"] == []


def test_all_ten_tumours_are_scored(out: Path) -> None:
    report = json.loads((out / "annotation_report.json").read_text())
    assert len(report["per_image"]) == 10
    assert report["summary"]["excluded"] == {}
    assert report["summary"]["num_attention_patterns"] == 5
    for image in report["per_image"]:
        assert image["iou"] is None or 0 <= image["iou"] <= 1
        assert image["lesions"] >= 1
    assert (out / "annotation_comparison.png").stat().st_size > 50_000


def test_the_evaluation_stands_between_chance_and_ceiling(out: Path) -> None:
    report = json.loads((out / "annotation_report.json").read_text())
    iou = report["summary"]["overall"]["metrics"]["iou"]
    assert (iou["n"], iou["n_undefined"]) == (10, 0)
    assert iou["mean"] == pytest.approx(0.050, abs=0.005)
    assert iou["low"] < iou["mean"] < iou["high"]
    assert iou["ceiling"]["mean"] == pytest.approx(0.280, abs=0.005)  # 7 x 7 cells, and small lesions
    assert iou["chance"] < iou["mean"]
    means = {name: baseline["mean"] for name, baseline in iou["baselines"].items()}
    assert means.keys() == {"random", "centre", "edges", "average", "random-channels", "other-class"}
    ignorant = [means[name] / iou["chance"] for name in ("random", "centre", "edges", "average")]
    assert all(0.4 < ratio < 4 for ratio in ignorant)
    assert max(means["random-channels"], means["other-class"]) < iou["mean"]
    for image in report["per_image"]:
        assert image["best_iou"] >= image["iou"] - 1e-9
        rank = image["rank_accuracy"]
        assert image["area_matched_iou"] == pytest.approx(rank / (2 - rank))
        assert image["dice"] == pytest.approx(2 * image["iou"] / (1 + image["iou"]))
    assert {point["number"] for point in report["checklist"] if point["status"] != "met"} == {8, 10, 11, 14, 16}


def _reference_areas(real_data: Path) -> list[dict[str, str]]:
    with (real_data / "btxrd_sample" / "mask_area_reference.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_masks_have_the_published_polygon_areas(real_data: Path) -> None:
    """Within the rasteriser's rim: LabelMe's outline counts pixels that fillPoly on rounded points may not.

    The rim is at most one pixel wide, so that the difference is bounded by the length of the outline.
    """
    folder = real_data / "btxrd_sample"
    worst = 0.0
    for row in _reference_areas(real_data):
        annotation = next(folder.glob(f"*/{row['image']}.json"))
        size = Size(int(row["height"]), int(row["width"]))
        mask = read_annotation(annotation, size, mask_policy="polygons").mask
        published = row["third_party_mask_area_px"] or row["polygon_px_fillPoly_rounded"]
        inner = mask[1:-1, 1:-1] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
        rim = mask.sum() - inner.sum()
        difference = abs(int(mask.sum()) - int(published))
        assert difference <= rim, row["image"]
        worst = max(worst, difference / int(published))
    assert worst < 0.06  # of the smallest lesion's area


def test_a_lesion_with_a_box_alone_is_not_lost(real_data: Path) -> None:
    path = real_data / "btxrd_sample" / "annotations_without_image" / "IMG001636.json"
    annotation = read_labelme(path)
    assert annotation.image_size is not None
    lesions = list(lesion_masks(annotation.shapes, annotation.image_size, MaskPolicy.POLYGONS_THEN_RECTANGLES))
    assert len(lesions) == 2
    polygons = read_annotation(path, None, mask_policy="polygons").mask
    both = read_annotation(path, None).mask
    boxes = read_annotation(path, None, mask_policy="rectangles").mask
    assert polygons.sum() < both.sum() < boxes.sum()
    np.testing.assert_array_equal(lesions[0] | lesions[1], both)
