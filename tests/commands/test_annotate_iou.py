"""`annotate-iou` and `compare` on a table made by hand, with numbers that can be checked by hand.

Images have 40 x 40 pixels, grids two rows and one column. The map of ``TOP`` is 1 down to pixel row 9, falls linearly
and reaches 0.5 between rows 19 and 20, so that its region at 0.5 is the upper half; ``BOTTOM`` is its mirror image.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import jsonschema
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from btxrd_explain.commands import compare
from btxrd_explain.commands.markdown import plain_markdown
from btxrd_explain.core.choices import ResizeMode
from btxrd_explain.core.geometry import Size
from btxrd_explain.core.heatmap import MapStatus, judge
from btxrd_explain.core.masks import lesion_masks
from btxrd_explain.core.preprocess import Preprocessing
from btxrd_explain.evaluation import lesions
from btxrd_explain.predictions.provenance import Provenance, SplitCsv
from btxrd_explain.predictions.record import FileStamp, Prediction, RowStatus
from btxrd_explain.predictions.store import write_table
from tests.support.command_line import run
from tests.support.labelme import write_labelme

pytestmark = pytest.mark.usefixtures("blank_figures")

NAMES = ("Normal", "Benign", "Malignant")
TOP, BOTTOM, NONE = [[1.0], [0.0]], [[0.0], [1.0]], [[-1.0], [-2.0]]


@dataclass(frozen=True)
class Case:
    """An image: its class, the predicted one, the maps of both, and how many of the upper rows are annotated."""

    label: str
    predicted: str
    true_map: list[list[float]]
    predicted_map: list[list[float]]
    rows: int | None
    split: str = "test"


CASES = {
    "a": Case("Benign", "Benign", TOP, TOP, 10),  # IoU 10/20, hit
    "b": Case("Benign", "Malignant", BOTTOM, TOP, 10),  # IoU 0, no hit; the false alarm's map: 10/20
    "c": Case("Malignant", "Malignant", TOP, TOP, 20),  # IoU 20/20, hit
    "d": Case("Malignant", "Malignant", NONE, NONE, 20),  # undefined
    "e": Case("Normal", "Benign", TOP, TOP, None),  # no lesion to be found
    "f": Case("Benign", "Benign", TOP, TOP, -1),  # the annotation is broken
    "v": Case("Benign", "Benign", TOP, TOP, 10, "val"),
    "w": Case("Malignant", "Malignant", TOP, TOP, 10, "val"),
}
CENTERS = {"a": "1", "b": "2", "c": "1", "d": "2", "e": "1", "f": "1"}
PATIENTS = {"a": "p", "b": "p", "c": "q", "d": "q", "e": "r", "f": "s"}


@pytest.fixture
def many_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw as often as usual, for tests that look at intervals."""
    monkeypatch.delenv("BTXRD_EXPLAIN_EVALUATION__RESAMPLES")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A BTXRD root with a predictions table and a split CSV next to it."""
    for name in ("images", "Annotations"):
        (tmp_path / "BTXRD" / name).mkdir(parents=True)
    lines = ["image_id,center,patient,tumor,benign,malignant"]
    lines += [f"{name}.png,{CENTERS[name]},{PATIENTS[name]},,," for name in CENTERS]
    (tmp_path / "BTXRD" / "dataset.csv").write_text("\n".join(lines))
    rows = [_row(tmp_path, name, case) for name, case in CASES.items()]
    write_table(tmp_path / "predictions.parquet", _provenance(), rows)
    lines = ["image_id,split,label", *(f"{name}.png,{case.split},{case.label}" for name, case in CASES.items())]
    (tmp_path / "split.csv").write_text("\n".join(lines))
    return tmp_path


def _row(folder: Path, name: str, case: Case, *, height: int = 40) -> Prediction:
    image = folder / "BTXRD" / "images" / f"{name}.png"
    Image.fromarray(np.random.default_rng(ord(name)).integers(0, 256, (height, 40), dtype=np.uint8)).save(image)
    if case.rows is not None:
        path = _annotate(folder, name, case.rows - 1, height=height)
        if case.rows < 0:
            path.write_text("{")
    stamp = FileStamp(image.stat().st_size, image.stat().st_mtime_ns, hashlib.sha256(image.read_bytes()).hexdigest())
    grids = {name: np.array(NONE, np.float32) for name in NAMES}
    grids |= {case.predicted: np.array(case.predicted_map, np.float32), case.label: np.array(case.true_map, np.float32)}
    return Prediction(
        f"{name}.png",
        f"BTXRD/images/{name}.png",
        case.label,
        case.split,
        RowStatus.OK,
        stamp=stamp,
        size=Size(height, 40),
        probabilities=np.array([0.6 if own == case.predicted else 0.2 for own in NAMES], np.float32),
        grids=np.stack(list(grids.values())),
        grid_statuses=tuple(judge(grid) for grid in grids.values()),
    )


def _annotate(folder: Path, name: str, last_row: int, *, height: int = 40, label: str = "lesion") -> Path:
    path = folder / "BTXRD" / "Annotations" / f"{name}.json"
    return write_labelme(path, (height, 40), (label, [[0, 0], [39, last_row]]))


def _provenance(method: str = "gradcam", mode: ResizeMode = ResizeMode.SQUASH) -> Provenance:
    preprocessing = Preprocessing(Size(40, 40), (0.5,) * 3, (0.5,) * 3, resize=mode)
    request = {"checkpoint": "0" * 64, "method": method, "versions": {}}
    return Provenance(request, NAMES, preprocessing, "best.pt", "resnet18", method, "layer4", Size(2, 1))


def _write(folder: Path, **changed: Case) -> None:
    rows = [_row(folder, name, changed.get(name, case)) for name, case in CASES.items()]
    write_table(folder / "predictions.parquet", _provenance(), rows)


def run_in(folder: Path, *arguments: object, code: int = 0) -> Any:  # noqa: ANN401 -- the result of typer's runner
    return run(*arguments, "-o", folder / "out", code=code)


def evaluated(folder: Path, *arguments: object, code: int = 0) -> dict[str, Any]:
    table = ("--predictions", folder / "predictions.parquet", "--split", "test", "--dpi", 50, "--panels", 1)
    report: dict[str, Any] = json.loads(run_in(folder, "annotate-iou", *table, "--json", *arguments, code=code).stdout)
    return report


def bare(folder: Path, *arguments: object) -> dict[str, Any]:
    """Return the report without baselines, which take as long as all else."""
    return evaluated(folder, "--no-baselines", *arguments)


@pytest.mark.usefixtures("many_draws")
def test_the_numbers_are_those_of_the_hand(folder: Path) -> None:
    report = evaluated(folder)
    overall = report["summary"]["overall"]
    assert (overall["n"], overall["n_undefined"], overall["units"]) == (3, 1, 3)
    assert report["mean_iou"] == overall["mean_iou"] == overall["median_iou"] == pytest.approx(0.5)
    assert overall["mean_dice"] == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert overall["pointing_hits"] == pytest.approx(2 / 3)
    iou = overall["metrics"]["iou"]
    assert (iou["low"], iou["high"]) == (0.0, 1.0)  # of 27 equally likely draws one has the mean 0, another the mean 1
    # Ceiling and chance are those of the three images that have an IoU, not of d.
    assert (iou["ceiling"]["mean"], iou["ceiling"]["n"]) == (pytest.approx((0.5 + 0.5 + 1) / 3), 3)
    assert overall["metrics"]["energy_in_mask"]["chance"] == pytest.approx((10 + 10 + 20) / 3 / 40)
    assert report["curve"]["ceiling"][50] == pytest.approx((0.5 + 0.5 + 1) / 3)
    assert overall["metrics"]["recall"]["mean"] == pytest.approx(2 / 3)
    assert overall["metrics"]["precision"]["mean"] == pytest.approx((0.5 + 0 + 1) / 3)
    assert report["correlations"]["iou_with_lesion_share"]["mean"] == pytest.approx(np.sqrt(3) / 2)


def test_slices_hold_the_right_images(folder: Path) -> None:
    summary = bare(folder, "--by", "center", "--by", "patient")["summary"]
    means = {
        name: {key: part["mean_iou"] for key, part in summary[name].items()}
        for name in ("by_class", "by_outcome", "by_class_and_outcome")
    }
    assert means["by_class"] == pytest.approx({"Benign": 0.25, "Malignant": 1.0})
    assert means["by_outcome"] == pytest.approx({"TP": 0.75, "FN": 0.0, "FP": 0.5})
    assert means["by_class_and_outcome"] == pytest.approx(
        {"Benign, TP": 0.5, "Benign, FN": 0.0, "Malignant, TP": 1.0, "Malignant, FP": 0.5}
    )
    assert [part["n"] for part in summary["by_lesion_size"].values()] == [2, 1]
    centers = summary["by_metadata"]["center"]
    assert {key: (part["n"], part["n_undefined"]) for key, part in centers.items()} == {"1": (2, 0), "2": (1, 1)}
    assert {key: part["mean_iou"] for key, part in centers.items()} == pytest.approx({"1": 0.75, "2": 0.0})
    assert list(summary["by_metadata"]["patient"]) == ["p", "q"]


def test_exclusions_have_reasons_and_normals_are_patterns(folder: Path) -> None:
    report = bare(folder)
    assert report["summary"]["excluded"] == {"annotation cannot be used": 1}
    assert [(image["image_id"], image["outcome"]) for image in report["attention_patterns"]] == [("e.png", "FP")]
    images = {image["image_id"]: image for image in report["per_image"]}
    assert list(images) == ["a.png", "b.png", "c.png", "d.png"]
    assert images["d.png"]["undefined"] == "no_positive_evidence"
    assert [images["d.png"][name] for name in ("iou", "pointing_hit", "energy_in_mask")] == [None] * 3
    assert [image["outcome"] for image in images.values()] == ["TP", "FN", "TP", "TP"]


@pytest.mark.usefixtures("many_draws")
def test_intervals_over_groups_draw_groups(folder: Path) -> None:
    report = bare(folder, "--group-column", "patient")
    iou = report["summary"]["overall"]["metrics"]["iou"]
    assert report["statistics"]["unit"] == "groups of patient"
    assert report["statistics"]["units"] == report["summary"]["overall"]["units"] == 2
    assert (iou["low"], iou["high"]) == pytest.approx((0.25, 1.0))  # patient p alone, or q alone


@pytest.mark.parametrize(
    ("arguments", "ious"),
    [
        (("--threshold-rule", "percentile", "--percentile", "25"), [1.0, 0.0, 0.5]),
        (("--threshold-rule", "otsu", "--threshold", "1"), [0.5, 0.0, 1.0]),
        (("--threshold-rule", "otsu-chexlocalize", "--threshold", "1"), [0.5, 0.0, 1.0]),
        (("--threshold", "1"), [1.0, 0.0, 0.5]),
        (("--threshold", "1", "--set", "annotation.operator=>"), [0.0, 0.0, 0.0]),  # nothing is hotter
        (("--space", "input"), [0.5, 0.0, 1.0]),
        (("--target-class", "predicted"), [0.5, 0.5, 1.0]),
    ],
)
def test_rules_and_protocols(folder: Path, arguments: tuple[str, ...], ious: list[float]) -> None:
    report = bare(folder, *arguments)
    assert [image["iou"] for image in report["per_image"]][:3] == pytest.approx(ious, abs=0.03)
    assert (report["iou_threshold"] is None) == ("--threshold-rule" in arguments)
    named = dict(zip(arguments[::2], arguments[1::2], strict=True))
    rule = report["protocol"]
    assert rule["threshold_rule"] == named.get("--threshold-rule", "fixed")
    assert (rule["space"], rule["target_class"]) == (
        named.get("--space", "original"),
        named.get("--target-class", "true"),
    )


def test_lesions_are_those_of_the_true_class_whatever_map_is_measured(folder: Path) -> None:
    for name in "ab":
        _annotate(folder, name, 9, label="cyst")
    report = bare(folder, "--target-class", "predicted", "--label-map", "cyst=Benign")
    images = {image["image_id"]: image for image in report["per_image"]}
    assert (images["b.png"]["target_class"], images["b.png"]["iou"]) == ("Malignant", pytest.approx(0.5))
    assert report["summary"]["by_class_and_outcome"]["Malignant, FP"]["mean_iou"] == pytest.approx(0.5)


def test_the_predicted_class_needs_no_label(folder: Path) -> None:
    rows = [replace(_row(folder, name, CASES[name]), label=None) for name in "ab"]
    write_table(folder / "predictions.parquet", _provenance(), rows)
    table = ("--predictions", folder / "predictions.parquet", "--split", "test")
    said = run_in(folder, "annotate-iou", *table, code=4).stderr
    assert "scored: no known true class (2): nothing was written; labels are missing: run 'btxrd-explain infer'" in said
    report = evaluated(folder, "--target-class", "predicted")
    assert [(image["iou"], image["outcome"]) for image in report["per_image"]] == [(pytest.approx(0.5), None)] * 2
    assert report["summary"]["by_class"] == report["summary"]["by_outcome"] == {}
    assert report["summary"]["overall"]["metrics"]["iou"]["baselines"]["average"]["n"] == 2


@pytest.mark.usefixtures("many_draws")
def test_copies_are_drawn_together_and_named(folder: Path) -> None:
    rows = [_row(folder, name, case) for name, case in CASES.items()]
    write_table(
        folder / "predictions.parquet",
        _provenance(),
        [replace(row, stamp=rows[0].stamp) if row.image_id == "b.png" else row for row in rows],
    )
    report = evaluated(folder, code=1)  # the file of b is not the one that its row tells of
    assert report["statistics"]["units"] == report["summary"]["overall"]["units"] == 2
    interval = report["summary"]["overall"]["metrics"]["iou"]
    assert (interval["low"], interval["high"]) == pytest.approx((0.25, 1.0))  # a and b alone, or c alone
    assert any("1 images are exact copies" in limit for limit in report["limits"])


def test_the_report_says_what_it_was_scored_on(folder: Path) -> None:
    _annotate(folder, "e", 9)  # a Normal image with a lesion
    report = bare(folder, "--annotations", folder / "BTXRD" / "Annotations")
    assert report["protocol"]["annotations"] == "LabelMe files in '../BTXRD/Annotations'"
    assert "(LabelMe files in" in (folder / "out" / "annotation_report.md").read_text("utf-8")
    assert any(limit.startswith("1 images of a class without a lesion have") for limit in report["limits"])
    path = folder / "BTXRD" / "Annotations" / "c.json"
    path.write_text(path.read_text().replace("[[0, 0], [39,", "[[0, 0], [39, 0], [39,").replace("rectangle", "polygon"))
    dropped = bare(folder, "--mask-policy", "polygons")["excluded_images"][0]
    assert dropped["reason"] == "annotation without a lesion"
    assert dropped["detail"].startswith("of its 1 shapes none counts")


def test_reports_say_which_table_they_are_of_and_which_split_csv_gave_its_labels(folder: Path) -> None:
    made = _provenance().with_split_csvs([SplitCsv("split_test.csv", "ab" * 32, "test")])
    write_table(folder / "predictions.parquet", made, [_row(folder, name, CASES[name]) for name in "ac"])
    report = evaluated(folder)
    table = hashlib.sha256((folder / "predictions.parquet").read_bytes()).hexdigest()
    assert (report["provenance"]["table"], report["provenance"]["table_sha256"]) == ("predictions.parquet", table)
    text = (folder / "out" / "annotation_report.md").read_text("utf-8")
    named = f"none named; when the table was made: split_test.csv (split test, SHA-256 {'ab' * 32})"
    assert f"| split CSV | {plain_markdown(named)} |" in text
    assert f"| predictions table | predictions.parquet (SHA-256 {table}) |" in text
    for command in ("gallery", "performance", "report"):
        run_in(folder, command, "--predictions", folder / "predictions.parquet")
    for name in ("gallery", "performance"):
        provenance = json.loads((folder / "out" / f"{name}.json").read_text("utf-8"))["provenance"]
        assert provenance["table_sha256"] == table
        assert [one["name"] for one in provenance["split_csvs"]] == ["split_test.csv"]
    page = (folder / "out" / "report.html").read_text("utf-8")
    assert named in page
    assert table in page


def test_classes_that_are_not_recognised_as_without_a_lesion_are_all_tumours_and_said_to_be(folder: Path) -> None:
    made = replace(_provenance(), class_names=("Control", "Benign", "Malignant"))
    write_table(folder / "predictions.parquet", made, [_row(folder, name, CASES[name]) for name in "ac"])
    limit = (
        "Classes without a lesion: none, as no name is recognised as one (--no-lesion-classes sets them): each of "
        "Control, Benign, Malignant counts as a tumour class."
    )
    assert limit in bare(folder)["limits"]


@pytest.mark.parametrize(
    ("name", "flags", "said"),
    [
        ("No_finding", (), "No_finding, recognised by the name (--no-lesion-classes sets them)"),
        ("Control", ("--no-lesion-classes", "control"), "Control, --no-lesion-classes says so"),
        ("Normal", ("--no-lesion-classes", "Control"), None),
    ],
)
def test_which_classes_are_without_a_lesion_is_a_setting(
    folder: Path, name: str, flags: tuple[str, ...], said: str | None
) -> None:
    made = replace(_provenance(), class_names=(name, "Benign", "Malignant"))
    rows = [_row(folder, one, case) for one, case in CASES.items()]
    renamed = [replace(row, label=name) if row.label == "Normal" else row for row in rows]
    write_table(folder / "predictions.parquet", made, renamed)
    without = bare(folder, *flags)["summary"]
    assert without["num_attention_patterns"] == (0 if said is None else 1)
    _annotate(folder, "e", 9)
    report = bare(folder, *flags)
    outcomes = {image["image_id"]: image["outcome"] for image in report["per_image"]}
    assert outcomes["e.png"] == ("FN" if said is None else "FP")
    note = said or "none, --no-lesion-classes says Control, which no class or label is called"
    assert any(limit.startswith(f"Classes without a lesion: {note}") for limit in report["limits"])


def test_a_column_of_patients_makes_no_slices(folder: Path) -> None:
    lines = [f"{name}.png,p{name}" for name in "abcdef"] + [f"x{number}.png,p{number}" for number in range(60)]
    (folder / "some.csv").write_text("\n".join(["image_id,patient", *lines]))
    names = sorted(f"x{number}" for number in range(60))
    rows = [replace(_row(folder, "a", CASES["a"]), image_id=f"{name}.png") for name in names]
    write_table(folder / "predictions.parquet", _provenance(), rows)
    table = ("annotate-iou", "--predictions", folder / "predictions.parquet", "--metadata", folder / "some.csv")
    assert "'patient' holds 60 different values" in run_in(folder, *table, "--by", "patient", code=4).stderr


def test_a_false_alarm_stands_beside_the_chance_of_its_own_map(folder: Path) -> None:
    _write(folder, b=replace(CASES["b"], true_map=NONE))
    false_alarms = evaluated(folder)["summary"]["by_class_and_outcome"]["Malignant, FP"]["metrics"]["recall"]
    assert (false_alarms["mean"], false_alarms["chance_from"]) == (1.0, "formula")
    assert false_alarms["chance"] == pytest.approx(0.5)  # its region is the upper half


def test_a_tuned_threshold_comes_from_other_images(folder: Path) -> None:
    report = evaluated(folder, "--tune-on", folder / "split.csv", "--tune-split", "val")
    tuned = report["protocol"]["tuned_on"]
    assert report["iou_threshold"] == pytest.approx(0.98)  # the lowest above row 10, whose heat is 0.975
    assert (tuned["images"], tuned["mean_iou"], tuned["left_out"]) == (2, pytest.approx(1.0), [])
    assert [image["iou"] for image in report["per_image"]][:3] == pytest.approx([1.0, 0.0, 0.5])
    assert "split.csv" in report["protocol"]["average_mask"]
    assert report["checklist"][3]["status"] == "met"
    assert report["curve"]["best"]["optimistic"] is True


@pytest.mark.parametrize("space", ["original", "input"])
def test_lesions_that_are_cropped_away_are_excluded_with_the_reason(folder: Path, space: str) -> None:
    # Of 80 rows the network sees the middle 40: the lesions of a and b end above them, that of c reaches into them.
    cases = {"a": CASES["a"], "b": replace(CASES["b"], rows=20), "c": replace(CASES["c"], rows=40)}
    rows = [_row(folder, name, case, height=80) for name, case in cases.items()]
    write_table(folder / "predictions.parquet", _provenance(mode=ResizeMode.CROP), rows)
    report = evaluated(folder, "--space", space, "--no-baselines")
    assert [image["image_id"] for image in report["per_image"]] == ["c.png"]
    assert report["summary"]["excluded"] == {"lesion outside of what the network sees": 2}
    # Below the cropped 20 rows, the map of c reaches 0.5 between its rows 19 and 20: 20 of 40 rows, all annotated.
    assert report["per_image"][0]["iou"] == pytest.approx({"original": 20 / 40, "input": 1.0}[space])
    assert report["per_image"][0]["ceiling_iou"] == report["per_image"][0]["iou"]


@pytest.mark.parametrize("space", ["original", "input"])
def test_padding_has_no_part_in_the_scores(folder: Path, space: str) -> None:
    # Of 80 x 40 pixels the network sees 40 x 20 between black margins; the upper half of the map is rows 0 to 39.
    cases = {"a": replace(CASES["a"], rows=20), "c": replace(CASES["c"], rows=40)}
    rows = [_row(folder, name, case, height=80) for name, case in cases.items()]
    write_table(folder / "predictions.parquet", _provenance(mode=ResizeMode.LETTERBOX), rows)
    report = evaluated(folder, "--space", space, "--no-baselines")
    assert [image["iou"] for image in report["per_image"]] == pytest.approx([20 / 40, 1.0])
    shares = [image["lesion_share"] for image in report["per_image"]]
    assert shares == pytest.approx([0.25, 0.5] if space == "original" else [0.125, 0.25])


def test_a_single_lesion_is_drawn_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = Mock(side_effect=lesion_masks)
    monkeypatch.setattr(lesions, "lesion_masks", draw)
    evaluated(folder, "--no-baselines")
    assert draw.call_count == 4 + 1  # a to d, and the one panel


def test_images_that_are_scored_have_no_say_in_the_threshold(folder: Path) -> None:
    table = ("annotate-iou", "--predictions", folder / "predictions.parquet", "--split", "test")
    result = run_in(folder, *table, "--tune-on", folder / "split.csv", code=4)
    assert "6 of the 8 radiographs" in result.stderr
    assert "such as 'a.png'" in result.stderr
    tuned = ("--tune-on", folder / "split.csv", "--tune-split", "val")
    assert "leave one of them out" in run_in(folder, *table, *tuned, "--threshold-rule", "otsu", code=2).stderr


def test_copies_of_scored_images_have_no_say_either(folder: Path) -> None:
    rows = [_row(folder, name, case) for name, case in CASES.items()]
    stamps = {row.image_id: row.stamp for row in rows}
    copied = [replace(row, stamp=stamps["a.png"]) if row.image_id == "v.png" else row for row in rows]
    write_table(folder / "predictions.parquet", _provenance(), copied)
    tuned = bare(folder, "--tune-on", folder / "split.csv", "--tune-split", "val")["protocol"]["tuned_on"]
    assert (tuned["images"], tuned["left_out"]) == (1, ["v.png"])


def test_patients_of_scored_images_have_no_say_either(folder: Path) -> None:
    with (folder / "BTXRD" / "dataset.csv").open("a") as file:
        file.write("\nv.png,1,q,,,\nw.png,2,t,,,")  # c and d, which are scored, are of patient q
    tuning = ("--tune-on", folder / "split.csv", "--tune-split", "val")
    report = bare(folder, *tuning, "--group-column", "patient")
    tuned = report["protocol"]["tuned_on"]
    assert (tuned["images"], tuned["same_group"], tuned["left_out"]) == (1, ["v.png"], [])
    assert "none of which shares its patient" in report["checklist"][3]["evidence"]
    assert bare(folder, *tuning)["protocol"]["tuned_on"]["images"] == 2


def test_the_baselines_know_nothing_of_the_classifier(folder: Path) -> None:
    iou = evaluated(folder)["summary"]["overall"]["metrics"]["iou"]
    assert list(iou["baselines"]) == ["random", "edges", "average"]  # a centre is flat on two rows
    # Left out one by one, the others' average is always brighter above: its region is the upper half.
    assert iou["baselines"]["average"]["mean"] == pytest.approx((0.5 + 0.5 + 1) / 3)
    assert iou["baselines"]["average"]["difference"]["mean"] == pytest.approx((0 - 0.5 + 0) / 3)
    assert iou["chance"] == iou["baselines"]["random"]["mean"]
    bare = evaluated(folder, "--no-baselines")
    assert bare["summary"]["overall"]["metrics"]["iou"]["baselines"] == {}
    assert bare["checklist"][5]["status"] == "not met"


def test_an_ambiguous_annotation_excludes_its_image_and_stops_no_other(folder: Path) -> None:
    names = ["a.jpg", "a.tif", "b.png"]
    images = [{"id": number, "file_name": name, "height": 40, "width": 40} for number, name in enumerate(names)]
    box = {"id": 1, "image_id": 2, "category_id": 1, "segmentation": [], "bbox": [0, 0, 40, 10]}
    content = {"images": images, "annotations": [box], "categories": [{"id": 1, "name": "lesion"}]}
    (folder / "coco.json").write_text(json.dumps(content))
    report = bare(folder, "--annotations", folder / "coco.json")
    assert [image["image_id"] for image in report["per_image"]] == ["b.png"]
    assert report["summary"]["excluded"] == {"annotation cannot be used": 1, "no annotation file": 3}


def test_edges_need_the_radiograph_and_nothing_else_does(folder: Path) -> None:
    before = evaluated(folder)
    (folder / "BTXRD" / "images" / "a.png").unlink()
    report = evaluated(folder, code=1)
    assert [image["image_id"] for image in report["failed_images"]] == ["a.png"]
    assert report["per_image"] == before["per_image"]
    assert report["summary"]["overall"]["metrics"]["iou"]["baselines"]["edges"]["n"] == 2  # b and c; d has no IoU


def test_every_image_has_a_row_in_the_tables(folder: Path) -> None:
    evaluated(folder, "--by", "center")
    table = pq.read_table(folder / "out" / "annotation_metrics.parquet")
    rows = {row["image_id"]: row for row in table.to_pylist()}
    assert list(rows) == [f"{name}.png" for name in "abcdef"]
    assert rows["a.png"]["iou"] == pytest.approx(0.5)
    assert rows["a.png"]["pointing_hit"] is True
    assert len(rows["a.png"]["iou_curve"]) == 101
    assert rows["b.png"]["false_alarm_iou"] == pytest.approx(0.5)
    assert rows["d.png"]["iou"] is rows["f.png"]["iou"] is rows["e.png"]["ceiling_iou"] is None
    assert rows["d.png"]["ceiling_iou"] == pytest.approx(1.0)
    assert rows["f.png"]["excluded"] == "annotation cannot be used"
    assert [row["meta_center"] for row in rows.values()] == ["1", "2", "1", "2", "1", "1"]
    made = json.loads(table.schema.metadata[b"btxrd_explain"])
    assert made["provenance"]["method"] == made["protocol"]["method"] == "gradcam"
    with (folder / "out" / "annotation_metrics.csv").open(newline="") as file:
        text = list(csv.DictReader(file))
    only_parquet = {"iou_curve", "ceiling_iou_curve", "scored_from"}
    assert list(text[0]) == [name for name in table.schema.names if name not in only_parquet]
    assert [row["scored_from"] is None for row in rows.values()] == [False] * 4 + [True] * 2
    assert [row["iou"] for row in text] == ["0.5", "0", "1", "", "", ""]


def test_the_published_schema_describes_the_report_of_every_protocol(folder: Path) -> None:
    path = Path(__file__).parents[2] / "docs" / "reference" / "annotation_report.schema.json"
    schema = json.loads(path.read_text("utf-8"))
    schemas = jsonschema.validators.validator_for(schema)
    schemas.check_schema(schema)
    validator = schemas(schema)
    for arguments in ((), ("--boxes", "--by", "center", "--group-column", "patient"), ("--threshold-rule", "otsu")):
        report = evaluated(folder, *arguments)
        validator.validate(report)
        assert report == json.loads((folder / "out" / "annotation_report.json").read_text("utf-8"))
    report["mean_iou"] = "high"
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(report)


def test_the_checklist_says_what_was_really_run(folder: Path) -> None:
    def status(report: dict[str, Any]) -> dict[int, str]:
        return {point["number"]: point["status"] for point in report["checklist"]}

    plain = status(evaluated(folder))
    assert list(plain) == list(range(1, 17))
    assert {number for number, text in plain.items() if text != "met"} == {
        6,
        8,
        10,
        11,
        14,
        16,
    }  # no centre on two rows
    verdict: dict[str, Any] = {"verdict": "The maps change.", "outcome": "change"}
    verdict |= {"provenance": {"fingerprint": _provenance().fingerprint}}
    (folder / "out" / "sanity_report.json").write_text(json.dumps(verdict))
    own = {"verdict": "It depends.", "provenance": _provenance().document()}
    (folder / "out" / "intervention_report.json").write_text(json.dumps(own))
    full = status(evaluated(folder, "--by", "center", "--group-column", "patient"))
    assert {number for number, text in full.items() if text != "met"} == {6, 14}
    verdict["provenance"] = {"fingerprint": "of another table"}
    (folder / "out" / "sanity_report.json").write_text(json.dumps(verdict))
    assert status(evaluated(folder, "--threshold-rule", "otsu"))[8] == "not met"
    assert status(evaluated(folder, "--threshold-rule", "otsu"))[4] == "not applicable"


def test_the_checklist_is_not_met_by_what_shows_nothing(folder: Path) -> None:
    (folder / "some.csv").write_text("image_id,view,own\n" + "".join(f"{name}.png,front,{name}\n" for name in CASES))
    (folder / "out").mkdir()
    verdict: dict[str, Any] = {"verdict": "Undecided: too few.", "outcome": "undecided"}
    verdict |= {"provenance": {"fingerprint": _provenance().fingerprint}}
    (folder / "out" / "sanity_report.json").write_text(json.dumps(verdict))
    report = evaluated(folder, "--metadata", folder / "some.csv", "--by", "view", "--group-column", "own")
    points = {point["number"]: (point["status"], point["evidence"]) for point in report["checklist"]}
    assert points[8] == ("not met", "the randomisation was run: Undecided: too few.")
    assert points[10] == ("not met", "1 by view")
    assert points[11] == ("not met", "no two of the 3 images share a value of 'own'")
    assert "Weight randomisation: Undecided: too few." in report["limits"]


def test_scores_of_the_data_set_stand_beside_what_bounds_them(folder: Path) -> None:
    found = evaluated(folder, "--boxes")["data_set"]
    for score in (found["pxap"], found["max_box_acc_v2"]):
        assert 0 <= score["low"] <= score["mean"] <= score["high"] <= 1
        assert score["n"] == 3  # d has no evidence
        assert score["ceiling"] >= score["mean"]
        assert {"random"} <= set(score["baselines"]) <= {"random", "centre", "edges", "average"}
    assert 0 < found["pxap"]["chance"] < 1
    assert found["max_box_acc_v2"]["chance"] is None
    assert evaluated(folder, "--no-baselines")["data_set"]["pxap"]["baselines"] == {}


@pytest.mark.usefixtures("many_draws")
def test_the_summary_in_words_holds_the_numbers(folder: Path) -> None:
    evaluated(folder, "--by", "center", "--boxes")
    text = (folder / "out" / "annotation_report.md").read_text("utf-8")
    assert "Over 3 annotated images the mean IoU was 0.500 [0.000, 1.000]" in text
    assert "2 of 3 images" in text
    assert "percentile bootstrap over 3 images" in text  # d has no IoU
    assert "h >= 0.5, a threshold set beforehand" in text
    assert "1 excluded: annotation cannot be used" in text
    assert "| center | 1 | 2 | 0.750" in text
    assert "of 16 points are met" in text
    assert "(PxAP): " in text
    assert "MaxBoxAccV2: " in text
    assert " on 3 images; ceiling " in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in tables)


@pytest.mark.usefixtures("many_draws")
def test_the_terminal_leads_with_what_a_reader_asks_first(folder: Path) -> None:
    table = ("annotate-iou", "--predictions", folder / "predictions.parquet", "--split", "test")
    lines = run_in(folder, *table, "--by", "center").stdout.splitlines()
    first = lines.index("mean IoU 0.500 [0.000, 1.000]   n = 3")
    report = json.loads((folder / "out" / "annotation_report.json").read_text())
    said = " ".join(line.removeprefix("- ").strip() for line in lines[:first] if line.strip())
    assert said == " ".join(report["conclusion"])
    assert [line.split()[0] for line in lines[first + 1 : first + 3]] == ["ceiling", "chance"]
    assert next(line for line in lines if line.startswith("pointing")).endswith("2 of 3 hit")
    assert max(len(line.rstrip()) for line in lines if str(folder) not in line) <= 80


def test_metadata_must_be_there_and_know_the_column(folder: Path) -> None:
    table = ("annotate-iou", "--predictions", folder / "predictions.parquet", "--split", "test")
    assert "did you mean 'center'?" in run_in(folder, *table, "--by", "centre", code=4).stderr
    (folder / "BTXRD" / "dataset.csv").rename(folder / "other.csv")
    assert "--metadata" in run_in(folder, *table, "--by", "center", code=4).stderr
    assert bare(folder, "--by", "center", "--metadata", folder / "other.csv")["summary"]["by_metadata"]


def _second_table(folder: Path, **changed: Case) -> Path:
    """The same images by another method, but the named ones have other maps."""
    rows = [_row(folder, name, changed.get(name, case)) for name, case in CASES.items() if name != "v"]
    write_table(folder / "second.parquet", _provenance("layercam"), rows)
    return folder / "second.parquet"


@pytest.mark.usefixtures("many_draws", "drawn_figures")
def test_compare_pairs_images(folder: Path) -> None:
    second = _second_table(folder, a=Case("Benign", "Benign", BOTTOM, BOTTOM, 10))
    result = run_in(folder, "compare", folder / "predictions.parquet", second, "--json")
    report = json.loads(result.stdout)
    assert report == json.loads((folder / "out" / "comparison.json").read_text("utf-8"))
    assert report["reference"] == "gradcam"
    assert report["n"] == 5  # a, b, c, d and w
    assert report["tables"]["gradcam"]["only_here"] == ["v.png"]
    assert "1 images only in 'gradcam': v.png" in result.stderr
    iou = report["tables"]["layercam"]["difference"]["iou"]
    assert (iou["n"], iou["mean"]) == (4, pytest.approx(-0.5 / 4))  # d is undefined in both
    assert (iou["low"], iou["high"]) == pytest.approx((-0.375, 0.0))  # 3 of 4 drawn are a in 5 % of the draws
    assert report["tables"]["layercam"]["means"]["iou"]["mean"] == pytest.approx((0 + 0 + 1 + 0.5) / 4)
    assert report["excluded"] == {"annotation cannot be used": 1, "no annotation file": 1}
    assert (folder / "out" / "comparison_scatter.png").stat().st_size > 10_000
    with (folder / "out" / "comparison_metrics.csv").open(newline="") as file:
        rows = {row["image_id"]: row for row in csv.DictReader(file)}
    assert (rows["a.png"]["iou [gradcam]"], rows["a.png"]["iou [layercam]"]) == ("0.5", "0.0")
    assert rows["d.png"]["iou [gradcam]"] == ""


def test_tables_that_are_called_alike_keep_names_of_their_own(folder: Path) -> None:
    """Seen from the results, a table that was named from the root on may be called like one that was not."""
    paths = [Path("table.parquet"), folder / "out" / "table.parquet"]
    tables = [Mock(table=Mock(path=path, provenance=_provenance("gradcam"))) for path in paths]
    first, second = compare._names(tables, folder / "out")
    assert (first.endswith("/table.parquet"), second) == (True, "table.parquet")


def test_compare_shows_differences_within_80_columns(folder: Path) -> None:
    lines = run_in(folder, "compare", folder / "predictions.parquet", _second_table(folder)).stdout.splitlines()
    (iou,) = [line.split() for line in lines if line.startswith("iou ")]
    assert iou == ["iou", "4", "0.500", "0.500", "0.000", "[0.000,", "0.000]", "1.0000"]
    (header,) = [line.split() for line in lines if line.startswith("IoU of")]
    (layercam,) = [line.split() for line in lines if line.startswith("layercam ") and "against" not in line]
    assert header[2:] == ["n", "chance", "mean", "ceiling", "undefined"]
    assert (layercam[1], layercam[3:]) == ("4", ["0.500", "0.625", "1"])
    assert max(len(line.rstrip()) for line in lines if str(folder) not in line) <= 80


@pytest.mark.usefixtures("many_draws")
def test_compare_says_what_is_alike_and_what_is_chance(folder: Path) -> None:
    second = _second_table(folder, a=Case("Benign", "Benign", BOTTOM, BOTTOM, 10))
    table, arguments = folder / "predictions.parquet", ("--margin", 0.4)
    report = json.loads(run_in(folder, "compare", table, second, "--json", *arguments).stdout)
    iou = report["tables"]["layercam"]["difference"]["iou"]
    assert report["margin"] == 0.4
    assert (iou["p"], iou["p_adjusted"]) == (1.0, 1.0)  # one image differs, and either sign is as far from 0
    assert iou["equivalent"] is True  # a is drawn three times of four in 5 % of the draws
    assert iou["units_needed"] == 57  # 4 (0.1875 / 0.05)^2
    lines = run_in(folder, "compare", table, second, *arguments).stdout.splitlines()
    assert next(line.split() for line in lines if line.startswith("iou "))[-2:] == ["1.0000", "yes"]
    assert "alike: the 90 % interval lies within 0.4 of 0" in lines
    assert max(len(line.rstrip()) for line in lines if str(folder) not in line) <= 80


def test_compare_says_how_far_maps_agree(folder: Path) -> None:
    second = _second_table(folder, a=Case("Benign", "Malignant", BOTTOM, BOTTOM, 10))
    table = folder / "predictions.parquet"
    report = json.loads(run_in(folder, "compare", table, second, "--json", "--agreement").stdout)
    assert report["tables"]["gradcam"]["agreement"] is None
    agreement = report["tables"]["layercam"]["agreement"]
    maps, same, changed = (agreement[name] for name in ("maps", "same_prediction", "changed_prediction"))
    assert (maps["iou"]["n"], agreement["n_undefined"]) == (6, 1)  # d has no map
    assert maps["iou"]["mean"] == pytest.approx(5 / 6)  # of all others, a's alone is another one
    assert {measure: same[measure]["mean"] for measure in same} == {"iou": 1, "spearman": 1, "ssim": pytest.approx(1)}
    assert (changed["iou"]["n"], changed["iou"]["mean"]) == (1, 0)
    assert changed["spearman"]["mean"] == pytest.approx(-1)
    # b's map with a's, f's with b's, w's with c's; the images before were of the same class.
    assert (agreement["chance"]["iou"]["n"], agreement["chance"]["iou"]["mean"]) == (3, pytest.approx(2 / 3))
    lines = run_in(folder, "compare", table, second, "--agreement").stdout.splitlines()
    assert any(line.startswith("changed prediction") for line in lines)
    assert max(len(line.rstrip()) for line in lines if str(folder) not in line) <= 80


def test_compared_means_run_over_the_same_images(folder: Path) -> None:
    second = _second_table(folder, c=Case("Malignant", "Malignant", NONE, NONE, 20))
    arguments = ("--label-map", "screw=ignore", "--mask-policy", "rectangles")
    report = json.loads(run_in(folder, "compare", folder / "predictions.parquet", second, "--json", *arguments).stdout)
    first, other = report["tables"].values()
    assert report["n"] == 5
    assert (first["n_undefined"], other["n_undefined"]) == (1, 2)  # d in both, c in the second alone
    for table in (first, other):
        iou = table["means"]["iou"]
        assert (iou["n"], iou["mean"]) == (3, pytest.approx((0.5 + 0 + 0.5) / 3))  # a, b and w
        assert iou["ceiling"] == pytest.approx(0.5)
        assert table["means"]["energy_in_mask"]["chance"] == pytest.approx(10 / 40)
    assert first["means"]["iou"]["chance"] == other["means"]["iou"]["chance"] is not None
    assert other["difference"]["iou"]["mean"] == pytest.approx(0)
    assert (report["mask_policy"], report["label_map"]) == ("rectangles", {"screw": "ignore"})


def test_compare_leaves_out_images_whose_true_class_differs(folder: Path) -> None:
    second = _second_table(folder, c=replace(CASES["c"], label="Benign"))
    result = run_in(folder, "compare", folder / "predictions.parquet", second, "--json")
    report = json.loads(result.stdout)
    assert (report["relabelled"], report["changed"], report["n"]) == (["c.png"], [], 4)
    assert "1 images whose true class differs: c.png" in result.stderr
    assert (
        "excluded: 1 (the true class differs)"
        in run_in(folder, "compare", folder / "predictions.parquet", second).stdout
    )


def test_methods_are_compared_on_the_images_that_all_tables_have(folder: Path) -> None:
    (folder / "out").mkdir()
    rows = [_row(folder, name, case) for name, case in CASES.items()]
    write_table(folder / "out" / "predictions.gradcam.parquet", _provenance(), rows)
    write_table(folder / "out" / "predictions.layercam.parquet", _provenance("layercam"), rows[1:])
    arguments = ("--methods", "gradcam,layercam", "--annotations", folder / "BTXRD" / "Annotations", "--panels", 1)
    result = run_in(folder, "annotate-iou", *arguments, "--json", "--dpi", 50, code=1)
    assert "not readable: v.png: " in result.stderr  # which has no file
    assert "1 images only in 'gradcam': a.png" in result.stderr
    report = json.loads((folder / "out" / "comparison.json").read_text("utf-8"))
    assert (report["n"], report["tables"]["gradcam"]["only_here"]) == (5, ["a.png"])  # b, c, d, v and w
    assert report["tables"]["layercam"]["difference"]["iou"]["mean"] == pytest.approx(0)


def test_compare_leaves_out_images_whose_file_changed(folder: Path) -> None:
    second = _second_table(folder)
    rows = [_row(folder, name, case) for name, case in CASES.items()]
    other = FileStamp(1, 1, "f" * 64)
    changed = [replace(row, stamp=other) if row.image_id == "c.png" else row for row in rows]
    write_table(folder / "predictions.parquet", _provenance(), changed)
    report = json.loads(run_in(folder, "compare", folder / "predictions.parquet", second, "--json").stdout)
    assert report["changed"] == ["c.png"]
    assert report["n"] == 4


def test_compare_needs_two_tables_with_something_in_common(folder: Path) -> None:
    first = folder / "predictions.parquet"
    assert "two or more" in run_in(folder, "compare", first, code=2).stderr
    assert "two or more" in run_in(folder, "compare", first, first, code=2).stderr
    write_table(folder / "second.parquet", _provenance("layercam"), [])
    assert "no row" in run_in(folder, "compare", first, folder / "second.parquet", code=5).stderr
    rows = [replace(_row(folder, "a", CASES["a"]), image_id="z.png")]
    write_table(folder / "second.parquet", _provenance("layercam"), rows)
    assert "no radiograph in common" in run_in(folder, "compare", first, folder / "second.parquet", code=5).stderr


def test_the_reference_names_every_key_and_column(folder: Path) -> None:
    report = evaluated(folder)
    text = (Path(__file__).parents[2] / "docs" / "reference" / "report.md").read_text("utf-8")
    named = set(re.findall(r"`([a-z_0-9]+)`", text))
    assert report.keys() <= named
    assert report["summary"].keys() | report["summary"]["overall"].keys() <= named
    assert report["summary"]["overall"]["metrics"]["iou"].keys() <= named
    columns = pq.read_schema(folder / "out" / "annotation_metrics.parquet").names
    prefixes = (
        "false_alarm_",
        "ceiling_",
        "baseline_random_",
        "baseline_centre_",
        "baseline_edges_",
        "baseline_average_",
        "baseline_random_channels_",
        "baseline_other_class_",
    )
    assert all(f"`{prefix}<score>`" in text for prefix in prefixes)
    assert {column for column in columns if not column.startswith(prefixes)} <= named


def test_nothing_to_score_is_an_error_of_one_line_that_writes_nothing(folder: Path) -> None:
    table, second = folder / "predictions.parquet", _second_table(folder)
    for path in (folder / "BTXRD" / "Annotations").iterdir():
        path.unlink()
    result = run_in(folder, "annotate-iou", "--predictions", table, "--split", "test", code=4)
    (error,) = [line for line in result.stderr.splitlines() if not line.startswith("note: ")]
    assert error.startswith(
        "error: no radiograph could be scored: no annotation file (6): nothing was written; annotations "
    )
    assert not (folder / "out").exists()
    result = run_in(folder, "compare", table, second, code=4)
    assert "in all tables: no annotation file (7): annotations are missing: name their folder or file" in result.stderr
    assert not (folder / "out").exists()


def test_attributions_that_do_not_add_up_are_no_fault_of_annotations(folder: Path) -> None:
    statuses = (MapStatus.INCOMPLETE,) * len(NAMES)
    rows = [replace(_row(folder, name, CASES[name]), grid_statuses=statuses) for name in "ac"]
    write_table(folder / "predictions.parquet", _provenance(), rows)
    result = run_in(folder, "annotate-iou", "--predictions", folder / "predictions.parquet", code=4)
    error = " ".join(result.stderr.split())
    assert "no radiograph could be scored: incomplete (2): nothing was written" in error
    assert "choose another --method" in error


def test_a_split_that_is_not_there_is_held_against_those_that_are(folder: Path) -> None:
    table = ("--predictions", folder / "predictions.parquet", "--split", "tset")
    result = run_in(folder, "annotate-iou", *table, code=5)
    assert "its splits are test, val: check --split" in result.stderr


def test_radiographs_that_were_moved_cost_no_pictures_and_are_what_the_error_names(folder: Path) -> None:
    table = ("--predictions", folder / "predictions.parquet", "--split", "test")
    evaluated(folder)
    run_in(folder, "report", *table)
    before = {path.name: path.read_bytes() for path in (folder / "out").iterdir()}
    (folder / "BTXRD").rename(folder / "moved")
    run_in(folder, "annotate-iou", *table, "--annotations", folder / "moved" / "Annotations", code=4)
    error = run_in(folder, "annotate-iou", *table, "--quiet", code=4).stderr
    assert "would be replaced by one without pictures: name the folder where they are now with --images" in error
    assert {path.name: path.read_bytes() for path in (folder / "out").iterdir()} == before
    (folder / "out" / "annotation_comparison.png").unlink()
    error = run_in(folder, "annotate-iou", *table, "--quiet", code=4).stderr
    assert "near them: name the folder where the radiographs are now with --images" in error
    error = run_in(folder, "gallery", *table, "--quiet", code=4).stderr
    assert "none of the 6 radiographs is there: name the folder where they are now with --images" in error
    assert not list((folder / "out").glob("gallery*"))
    said = run_in(folder, "annotate-iou", *table, "--annotations", folder / "moved" / "Annotations", code=1).stderr
    assert "next: btxrd-explain export" in said
    assert "next: btxrd-explain report" not in said


def test_files_that_changed_are_named_and_the_exit_code_tells(folder: Path) -> None:
    table = ("--predictions", folder / "predictions.parquet", "--split", "test")
    (folder / "BTXRD" / "images" / "a.png").write_bytes(b"other")
    for command in (("report",), ("export", "--to", "labelme")):
        result = run_in(folder, *command, *table, code=1)
        assert "a.png" in result.stderr


def test_images_that_a_column_says_nothing_of_are_counted(folder: Path) -> None:
    (folder / "some.csv").write_text("image_id,patient,view\na.png,p,\nb.png,p,front\n")
    table = ("annotate-iou", "--predictions", folder / "predictions.parquet", "--split", "test")
    result = run_in(folder, *table, "--metadata", folder / "some.csv", "--by", "view", "--group-column", "patient")
    assert "'view' says nothing of 5 of 6 radiographs: they are in no slice of it" in result.stderr
    assert "'patient' says nothing of 4 of 6 radiographs: each is a group of its own" in result.stderr
    report = json.loads((folder / "out" / "annotation_report.json").read_text("utf-8"))
    assert list(report["summary"]["by_metadata"]["view"]) == ["front"]
    assert report["summary"]["overall"]["units"] == 2  # a and b together, and c


def test_a_table_of_several_methods_is_made_in_one_go(folder: Path, demo_images: Path) -> None:
    arguments = (demo_images, "--checkpoint", "demo", "--methods", "gradcam,layercam", "--dpi", 50, "--panels", 1)
    result = run_in(folder, "annotate-iou", *arguments)
    assert "layercam against gradcam" in result.stdout
    for method in ("gradcam", "layercam"):
        assert (folder / "out" / f"predictions.{method}.parquet").exists()
        report = json.loads((folder / "out" / method / "annotation_report.json").read_text("utf-8"))
        assert report["protocol"]["method"] == method
    compared = json.loads((folder / "out" / "comparison.json").read_text("utf-8"))
    assert list(compared["tables"]) == ["gradcam", "layercam"]
    assert compared["n"] == report["num_images"] + report["summary"]["overall"]["n_undefined"] > 0
    difference = compared["tables"]["layercam"]["difference"]["iou"]["mean"]
    means = [compared["tables"][method]["means"]["iou"]["mean"] for method in ("gradcam", "layercam")]
    assert difference == pytest.approx(means[1] - means[0])
    assert (
        "two or more methods" in run_in(folder, "annotate-iou", *arguments[:3], "--methods", "gradcam", code=2).stderr
    )


@pytest.fixture
def demo_images(tmp_path: Path) -> Path:
    """A few images in BTXRD's layout for the classifier that ships with the package."""
    root = tmp_path / "few"
    for name in ("images", "Annotations"):
        (root / name).mkdir(parents=True)
    lines = ["image_id,tumor,benign,malignant"]
    for number in range(4):
        pixels = np.random.default_rng(number).integers(0, 256, (60, 40), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "images" / f"{number}.png")
        lesion = ("x", [[5, 5], [30, 8 + number], [9, 40]])
        write_labelme(root / "Annotations" / f"{number}.json", (60, 40), lesion)
        lines.append(f"{number}.png,1,{number % 2},{1 - number % 2}")
    (root / "dataset.csv").write_text("\n".join(lines))
    return root
