"""`annotate-iou` and `report` with human readers: with a reference, and without one."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.support.command_line import run, said

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

pytestmark = pytest.mark.usefixtures("blank_figures")

COUNT = 6
SIZES = [(40 + 2 * number, 50) for number in range(COUNT)]
FOLDERS = ("images", "maps", "reference", "A", "B", "C")


def _disc(number: int, dy: int, dx: int, radius: int) -> NDArray[np.bool_]:
    rows, columns = np.mgrid[: SIZES[number][0], : SIZES[number][1]]
    disc: NDArray[np.bool_] = (rows - 18 - number - dy) ** 2 + (columns - 22 - dx) ** 2 <= radius**2
    return disc


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six radiographs with a heat map and a reference each, three readers, and the table of the heat maps.

    Reader B drew nothing on the third radiograph, and reader C did not annotate the fifth.
    """
    folder = tmp_path_factory.mktemp("readers")
    for name in FOLDERS:
        (folder / name).mkdir()
    for number, size in enumerate(SIZES):
        rows, columns = np.mgrid[: size[0], : size[1]]
        heat = np.exp(-((rows - 22 - number) ** 2 + (columns - 24) ** 2) / 90).astype(np.float32)
        Image.fromarray(np.full(size, 80 + number, np.uint8)).save(folder / "images" / f"{number}.png")
        np.save(folder / "maps" / f"{number}_Tumour.npy", heat)
        for name, mask in _masks(number).items():
            Image.fromarray(mask.astype(np.uint8)).save(folder / name / f"{number}.png")
    run("import-maps", folder / "maps", "--images", folder / "images", "-o", folder / "table")
    return folder


def _masks(number: int) -> dict[str, NDArray[np.bool_]]:
    masks = {
        "reference": _disc(number, 0, 0, 8),
        "A": _disc(number, 1, -2, 7),
        "B": _disc(number, -2, 1 + number, 8) & (number != 2),
        "C": _disc(number, 0, 2, 9),
    }
    return {name: mask for name, mask in masks.items() if (name, number) != ("C", 4)}


def _evaluate(data: Path, out: Path, *further: object) -> dict[str, Any]:
    run("annotate-iou", "--predictions", data / "table" / "predictions.parquet", "-o", out, "--panels", 1, *further)
    report: dict[str, Any] = json.loads((out / "annotation_report.json").read_text())
    return report


def _readers(data: Path, names: str = "ABC") -> list[object]:
    return [part for name in names for part in ("--reader", f"{name}={data / name}")]


def _iou(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float((one & other).sum() / (one | other).sum())


def _region(data: Path, number: int) -> NDArray[np.bool_]:
    heat = np.load(data / "maps" / f"{number}_Tumour.npy")
    region: NDArray[np.bool_] = (heat - heat.min()) / (heat.max() - heat.min()) >= 0.5
    return region


@pytest.mark.usefixtures("drawn_figures")
def test_readers_and_heat_maps_against_one_reference(data: Path, tmp_path: Path) -> None:
    report = _evaluate(data, tmp_path, "--annotations", data / "reference", *_readers(data), "--no-baselines")
    rows = {
        (row["image_id"], row["reader"]): row
        for row in pq.read_table(tmp_path / "annotation_readers.parquet").to_pylist()
    }
    for number in range(COUNT):
        masks = _masks(number)
        for name in "ABC":
            row = rows[f"{number}.png", name]
            if name not in masks or not masks[name].any():
                assert (row["reader_iou"], row["reader_recall"]) == (None, None)
                continue
            assert row["reader_iou"] == pytest.approx(_iou(masks[name], masks["reference"]), abs=1e-12)
            assert row["heat_map_iou"] == pytest.approx(_iou(_region(data, number), masks["reference"]), abs=1e-6)
    human = report["human"]
    assert human["consensus"] is None
    assert (human["readers"]["B"]["images"]["left empty by the reader"], human["readers"]["B"]["images"]["scored"]) == (
        1,
        5,
    )
    assert human["readers"]["C"]["images"]["not annotated by the reader"] == 1
    point = report["checklist"][13]
    assert (point["number"], point["status"]) == (14, "met")
    assert f"{human['all_readers']['scores']['iou']['fraction']['mean']:.2f}" in point["evidence"]
    text = (tmp_path / "annotation_report.md").read_text()
    assert "### Human readers" in text
    assert (tmp_path / "annotation_readers.png").stat().st_size > 5_000
    both = next(two for two in human["agreement"] if two["readers"] == ["A", "B"])
    ious = [_iou(_masks(number)["A"], _masks(number)["B"]) for number in range(COUNT) if number != 2]
    assert both["iou"]["mean"] == pytest.approx(np.mean(ious))
    assert (both["both_drew"], both["one_drew"], both["none_drew"]) == (5, 1, 0)


@pytest.mark.parametrize("rule", ["majority", "union", "intersection"])
def test_each_reader_against_the_others(data: Path, tmp_path: Path, rule: str) -> None:
    report = _evaluate(data, tmp_path, *_readers(data), "--consensus", rule, "--no-baselines")
    rules: dict[str, Callable[[int], int]] = {
        "majority": lambda count: count // 2 + 1,
        "union": lambda _: 1,
        "intersection": lambda count: count,
    }
    least = rules[rule]
    found = {
        (row["image_id"], row["reader"]): row
        for row in pq.read_table(tmp_path / "annotation_readers.parquet").to_pylist()
    }
    whole = {image["image_id"]: image["iou"] for image in report["per_image"]}
    for number in range(COUNT):
        masks = {name: mask for name, mask in _masks(number).items() if name != "reference"}
        for name in "ABC":
            others = [mask for other, mask in masks.items() if other != name]
            reference = np.sum(others, axis=0) >= least(len(others))
            row = found[f"{number}.png", name]
            if name in masks and masks[name].any() and reference.any():
                assert row["reader_iou"] == pytest.approx(_iou(masks[name], reference), abs=1e-12)
                assert row["heat_map_iou"] == pytest.approx(_iou(_region(data, number), reference), abs=1e-6)
            else:
                assert row["fate"] != "scored"
        everybody = np.sum(list(masks.values()), axis=0) >= least(len(masks))
        if everybody.any():
            assert whole[f"{number}.png"] == pytest.approx(_iou(_region(data, number), everybody), abs=1e-6)
    assert report["human"]["consensus"] == rule
    assert report["protocol"]["annotations"].startswith(f"{rule} of 3 readers")


def test_order_and_names_of_readers_change_nothing(data: Path, tmp_path: Path) -> None:
    one = _evaluate(data, tmp_path / "one", *_readers(data), "--no-baselines")["human"]
    renamed = [part for name in "CAB" for part in ("--reader", f"reader {name.lower()}={data / name}")]
    other = _evaluate(data, tmp_path / "other", *renamed, "--no-baselines")["human"]
    assert one["all_readers"] == other["all_readers"]
    assert all(one["readers"][name] == other["readers"][f"reader {name.lower()}"] for name in "ABC")


def test_identical_readers_score_one(data: Path, tmp_path: Path) -> None:
    twins = ("--reader", f"one={data / 'A'}", "--reader", f"two={data / 'A'}")
    human = _evaluate(data, tmp_path, *twins, "--no-baselines")["human"]
    assert {score["reader"]["mean"] for score in human["all_readers"]["scores"].values()} == {1.0}
    assert human["agreement"][0]["iou"]["mean"] == 1.0


def test_a_file_that_cannot_be_read_is_counted(data: Path, tmp_path: Path) -> None:
    (tmp_path / "D").mkdir()
    for number in range(COUNT):
        (tmp_path / "D" / f"{number}.png").write_bytes((data / "A" / f"{number}.png").read_bytes())
    (tmp_path / "D" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    damaged = ("--reader", f"D={tmp_path / 'D'}", *_readers(data, "A"))
    human = _evaluate(data, tmp_path / "a", *damaged, "--annotations", data / "reference", "--no-baselines")["human"]
    assert human["readers"]["D"]["images"]["annotation cannot be used"] == 1
    assert human["readers"]["D"]["scores"]["iou"]["reader"]["n"] == COUNT - 1
    human = _evaluate(data, tmp_path / "b", *damaged, "--no-baselines")["human"]
    assert human["readers"]["A"]["images"]["nothing to compare with"] == 1


def test_the_page_has_the_readers_of_the_report(data: Path, tmp_path: Path) -> None:
    report = _evaluate(data, tmp_path, "--annotations", data / "reference", *_readers(data, "AB"))
    table = data / "table" / "predictions.parquet"
    run("report", "--predictions", table, "-o", tmp_path, "--annotations", data / "reference", *_readers(data, "AB"))
    page = (tmp_path / "report.html").read_text()
    start = page.index('<script type="application/json" id="report-data">')
    document = json.loads(page[page.index(">", start) + 1 : page.index("</script>", start)])
    rows = {(row["name"], row["score"]): row for row in document["readers"]["rows"]}
    assert rows["A", "IoU"]["reader"] == report["human"]["readers"]["A"]["scores"]["iou"]["reader"]
    assert rows["all readers", "IoU"]["fraction"] == report["human"]["all_readers"]["scores"]["iou"]["fraction"]
    assert all(row["thumbnail"] for row in document["rows"])


def test_one_reader_needs_a_reference(data: Path, tmp_path: Path) -> None:
    table = ("--predictions", data / "table" / "predictions.parquet", "-o", tmp_path)
    assert "name a second one with --reader" in said("annotate-iou", *table, *_readers(data, "A"), code=2)
    assert "does not exist" in said(
        "annotate-iou", *table, *_readers(data, "A"), "--reader", f"B={tmp_path / 'no'}", code=4
    )
    assert "NAME=PATH" in said("annotate-iou", *table, "--reader", data / "A", code=2)
    assert "name each one once" in said("annotate-iou", *table, *_readers(data, "AA"), code=2)


def test_readers_without_effect_are_told(data: Path, tmp_path: Path) -> None:
    (tmp_path / "D").mkdir()
    (tmp_path / "D" / "patient.png").write_bytes((data / "A" / "0.png").read_bytes())
    common = ("annotate-iou", "--predictions", data / "table" / "predictions.parquet", "-o", tmp_path, "--panels", 1)
    readers = ("--reader", f"D={tmp_path / 'D'}", "--annotations", data / "reference", "--consensus", "union")
    text = said(*common, *readers, "--no-baselines")
    assert "reader 'D': no annotation there has the name of a radiograph" in text
    assert "--consensus is of readers that are compared without --annotations, and has no effect" in text


def test_a_second_reference_is_a_reader(data: Path, tmp_path: Path) -> None:
    twice = ("--annotations", data / "A", "--annotations", data / "B")
    table = ("--predictions", data / "table" / "predictions.parquet", "-o", tmp_path)
    assert "--reader" in said("annotate-iou", *table, *twice, code=2)


def test_segmentations_of_chexlocalize_as_reader_and_comparator(real_data: Path, tmp_path: Path) -> None:
    """The published segmentations score the published IoU, as a reader and as a segmenter, in one call."""
    folder = real_data / "chexlocalize"
    with (folder / "reference_iou.csv").open(newline="") as file:
        reference = {row["task"]: row for row in csv.DictReader(file)}
    truth = json.loads((folder / "gt_segmentations_val.json").read_text())
    image = next(iter(reference.values()))["cxr"]
    (tmp_path / "images").mkdir()
    height, width = truth[image]["Cardiomegaly"]["size"]
    Image.new("L", (width, height), 90).save(tmp_path / "images" / f"{image}.png")
    names = ("--label-map", ",".join(f"{name}={name}" for name in reference))
    classes = ("--class-names", ",".join(reference))
    run("import-maps", folder / "maps_npy", "--images", tmp_path / "images", "-o", tmp_path, *classes)
    shipped = folder / "gradcam_segmentations_val_sample.json"
    further = ("--reader", f"shipped={shipped}", "--comparator", f"shipped={shipped}", "--no-baselines", "--panels", 1)
    truths = ("--annotations", folder / "gt_segmentations_val.json")
    run("annotate-iou", "--predictions", tmp_path / "predictions.parquet", "-o", tmp_path, *truths, *names, *further)
    readers = {row["target_class"]: row for row in pq.read_table(tmp_path / "annotation_readers.parquet").to_pylist()}
    maps = {row["target_class"]: row for row in pq.read_table(tmp_path / "annotation_metrics.parquet").to_pylist()}
    positive = {name: row for name, row in reference.items() if row["gt_positive"] == "1"}
    assert len(positive) == 3
    for name, row in positive.items():
        expected = pytest.approx(float(row["iou_shipped_pred_vs_gt"]), abs=1e-9)
        assert readers[name]["reader_iou"] == maps[name]["comparator_shipped_iou"] == expected


def test_an_annotation_that_cannot_be_used_is_told_of_once(data: Path, tmp_path: Path) -> None:
    (tmp_path / "reference").mkdir()
    for number in range(COUNT):
        mask = np.zeros((9, 9), np.uint8) if number == 3 else _masks(number)["reference"].astype(np.uint8)
        Image.fromarray(mask).save(tmp_path / "reference" / f"{number}.png")
    further = ("--annotations", tmp_path / "reference", *_readers(data, "A"), "--no-baselines")
    report = _evaluate(data, tmp_path / "out", *further)
    (told,) = (warning for warning in report["warnings"] if warning["images"] == ["3.png"])
    assert "times" not in told["message"]
