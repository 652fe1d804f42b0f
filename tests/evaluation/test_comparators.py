"""Detectors and segmenters next to the heat maps: COCO results, COCO files with scores, and folders of masks."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pycocotools import mask as codec

from btxrd_explain.core.choices import ResizeMode
from btxrd_explain.core.geometry import Frame, Size
from btxrd_explain.core.threshold import Threshold
from btxrd_explain.evaluation.comparators import Comparator, map_of
from btxrd_explain.evaluation.protocol import Protocol
from btxrd_explain.inputs.annotation_source import open_source
from tests.support.command_line import run, said
from tests.support.labelme import write_labelme

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

pytestmark = pytest.mark.usefixtures("blank_figures")

COUNT, SIZE = 4, (40, 50)


def _box(left: int, top: int, width: int, height: int) -> NDArray[np.bool_]:
    mask = np.zeros(SIZE, bool)
    mask[top : top + height, left : left + width] = True
    return mask


LESIONS = [_box(10 + number, 8, 12, 10) for number in range(COUNT)]
FOUND: list[list[tuple[tuple[int, int, int, int], float]]] = [
    [((10, 8, 12, 10), 0.2), ((10, 8, 12, 10), 0.9), ((30, 25, 6, 6), 0.3)],
    [((14, 9, 10, 10), 0.4), ((2, 30, 8, 5), 0.8)],
    [],
    [((10, 8, 20, 10), 0.5)],
]
"""Boxes with scores: right (and found twice), mistaken, none, too wide."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four radiographs with heat maps, the lesions as a COCO file, and the detector's findings in three forms."""
    folder = tmp_path_factory.mktemp("comparators")
    for name in ("images", "maps", "masks"):
        (folder / name).mkdir()
    images, annotations, results, listed = [], [], [], []
    for number in range(COUNT):
        rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
        heat = np.exp(-((rows - 12) ** 2 + (columns - 18) ** 2) / 60).astype(np.float32)
        Image.fromarray(np.full(SIZE, 90 + number, np.uint8)).save(folder / "images" / f"{number}.png")
        np.save(folder / "maps" / f"{number}_Tumour.npy", heat)
        images.append({"id": number + 7, "file_name": f"{number}.png", "height": SIZE[0], "width": SIZE[1]})
        annotations.append(
            {"id": number, "image_id": number + 7, "category_id": 3, "segmentation": _runs(LESIONS[number])}
        )
        regions = [(_box(*box), score) for box, score in FOUND[number]]
        for (box, score), (mask, _) in zip(FOUND[number], regions, strict=True):
            results.append({"image_id": number + 7, "category_id": 3, "bbox": list(box), "score": score})
            listed.append({"image_id": f"{number}.png", "category_id": 3, "segmentation": _runs(mask), "score": score})
        best = max(regions, key=lambda one: one[1], default=(np.zeros(SIZE, bool), 0))[0]
        Image.fromarray(best.astype(np.uint8)).save(folder / "masks" / f"{number}.png")
    coco = {"images": images, "annotations": annotations, "categories": [{"id": 3, "name": "tumour"}]}
    (folder / "coco.json").write_text(json.dumps(coco))
    (folder / "boxes.json").write_text(json.dumps(results))
    (folder / "runs.json").write_text(json.dumps(listed))
    (folder / "scored.json").write_text(json.dumps(coco | {"annotations": results}))
    run("import-maps", folder / "maps", "--images", folder / "images", "-o", folder / "table")
    return folder


def _runs(mask: NDArray[np.bool_]) -> dict[str, Any]:
    runs = codec.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(runs["size"]), "counts": runs["counts"].decode()}


def _evaluate(data: Path, out: Path, *further: object) -> dict[str, Any]:
    table = data / "table" / "predictions.parquet"
    common = ("--predictions", table, "-o", out, "--annotations", data / "coco.json", "--panels", 1, "--no-baselines")
    run("annotate-iou", *common, *further)
    report: dict[str, Any] = json.loads((out / "annotation_report.json").read_text())
    return report


def _expected(number: int) -> NDArray[np.float64]:
    values = np.zeros(SIZE)
    for box, score in FOUND[number]:
        values = np.maximum(values, score * _box(*box))
    return values / values.max() if values.any() else values


def test_findings_are_scored_as_maps_of_their_scores(data: Path, tmp_path: Path) -> None:
    named = [part for name in ("boxes", "runs", "scored") for part in ("--comparator", f"{name}={data / name}.json")]
    report = _evaluate(data, tmp_path, *named)
    rows = {row["image_id"]: row for row in pq.read_table(tmp_path / "annotation_metrics.parquet").to_pylist()}
    for number, lesion in enumerate(LESIONS):
        region, row = _expected(number) >= 0.5, rows[f"{number}.png"]
        iou = (region & lesion).sum() / (region | lesion).sum() if FOUND[number] else None
        for name in ("boxes", "runs", "scored"):
            assert row[f"comparator_{name}_iou"] == (None if iou is None else pytest.approx(iou)), (number, name)
        assert row["comparator_boxes_pointing_hit"] == {0: True, 1: False, 2: None, 3: True}[number]
    found = report["summary"]["overall"]["metrics"]["iou"]
    own = [rows[f"{number}.png"]["iou"] for number in (0, 1, 3)]
    other = [rows[f"{number}.png"]["comparator_boxes_iou"] for number in (0, 1, 3)]
    comparator = found["comparators"]["boxes"]
    assert comparator["mean"] == pytest.approx(np.mean(other))
    assert comparator["difference"]["mean"] == pytest.approx(np.mean(np.subtract(own, other)))
    assert (comparator["n"], comparator["n_undefined"]) == (3, 1)
    curves = report["curve"]["comparators"]
    assert set(curves) == {"boxes", "runs", "scored"}
    assert curves["boxes"]["n"] == 3
    low = [(_expected(number) >= 0.25, lesion) for number, lesion in enumerate(LESIONS) if FOUND[number]]
    expected = {0.5: np.mean(other), 0.25: np.mean([(one & two).sum() / (one | two).sum() for one, two in low])}
    for threshold, mean in expected.items():
        place = report["curve"]["thresholds"].index(threshold)
        assert curves["boxes"]["mean"][place] == pytest.approx(mean, abs=1e-6)
    assert "| boxes | runs | scored |" in (tmp_path / "annotation_report.md").read_text()


def _agreements(data: Path, out: Path, annotations: Path) -> list[dict[str, Any]]:
    table = ("--predictions", data / "table" / "predictions.parquet", "--annotations", annotations)
    comparator = ("--comparator", f"detector={data / 'runs.json'}")
    run("annotate-iou", *table, *comparator, "-o", out, "--panels", 1, "--no-baselines")
    rows: list[dict[str, Any]] = pq.read_table(out / "annotation_metrics.parquet").to_pylist()
    return rows


def test_how_far_heat_maps_mark_what_was_found(data: Path, tmp_path: Path) -> None:
    """It does not depend on the annotation: an image without a lesion has it, and no scores."""
    rows = _agreements(data, tmp_path / "lesions", data / "coco.json")
    for number, row in enumerate(rows):
        found = _expected(number) >= 0.5
        heat = np.load(data / "maps" / f"{number}_Tumour.npy")
        heat = (heat - heat.min()) / (heat.max() - heat.min())
        curve = [((heat >= np.float32(t / 100)) & found).sum() / ((heat >= np.float32(t / 100)) | found).sum()
                 for t in range(101)] if FOUND[number] else None  # fmt: skip
        expected = {"": None if curve is None else pytest.approx(curve[50]), "_curve": curve and pytest.approx(curve)}
        assert {end: row[f"comparator_detector_agreement{end}"] for end in expected} == expected
        byte = round(255 * row["otsu_threshold"])
        otsu = (255 * heat).astype(np.uint8) > byte
        iou = pytest.approx((otsu & found).sum() / (otsu | found).sum()) if FOUND[number] else None
        assert row["comparator_detector_agreement_otsu"] == iou
        assert (row["hottest_row"], row["hottest_column"]) == (12, 18)
    coco = json.loads((data / "coco.json").read_text())
    of_one = [one for one in coco["annotations"] if one["image_id"] == 8]
    (tmp_path / "one.json").write_text(json.dumps(coco | {"annotations": of_one}))
    half = _agreements(data, tmp_path / "half", tmp_path / "one.json")
    without = "annotation without a lesion"
    assert [row["excluded"] for row in half] == [without, None, without, without]
    known = [f"comparator_detector_{end}" for end in ("agreement", "agreement_otsu", "agreement_curve", "region_share")]
    known += ["hottest_row", "hottest_column", "otsu_threshold", "threshold", "region_share"]
    assert [[row[name] for name in known] for row in half] == [[row[name] for name in known] for row in rows]
    assert [row["lesion_share"] == 0 for row in half] == [True, False, True, True]
    assert [row["comparator_detector_iou"] is None for row in half] == [True, False, True, True]
    report = json.loads((tmp_path / "half" / "annotation_report.json").read_text())
    assert report["summary"]["overall"]["metrics"]["iou"]["comparators"]["detector"]["n"] == 1


def test_masks_are_findings_of_score_one(data: Path, tmp_path: Path) -> None:
    report = _evaluate(data, tmp_path, "--comparator", f"segmenter={data / 'masks'}")
    rows = pq.read_table(tmp_path / "annotation_metrics.parquet").to_pylist()
    best = _box(*FOUND[0][1][0])
    assert rows[0]["comparator_segmenter_iou"] == pytest.approx((best & LESIONS[0]).sum() / (best | LESIONS[0]).sum())
    assert report["summary"]["overall"]["metrics"]["iou"]["comparators"]["segmenter"]["n"] == 3


def test_the_page_and_the_picture_of_readers_have_them(data: Path, tmp_path: Path) -> None:
    further = ("--comparator", f"detector={data / 'boxes.json'}", "--reader", f"A={data / 'masks'}")
    report = _evaluate(data, tmp_path, *further)
    table = ("--predictions", data / "table" / "predictions.parquet", "--annotations", data / "coco.json")
    text = said("report", *table, "-o", tmp_path, *further)
    assert "not taken into account" not in text
    page = (tmp_path / "report.html").read_text()
    start = page.index('id="report-data"')
    document = json.loads(page[page.index(">", start) + 1 : page.index("</script>", start)])
    row = next(row for row in document["slices"] if row["group"] == "compared with")
    expected = report["summary"]["overall"]["metrics"]["iou"]["comparators"]["detector"]["mean"]
    assert (row["name"], row["iou"]["mean"]) == ("detector", expected)
    (lines,) = [figure for figure in document["figures"] if figure["title"] == "IoU over the threshold"]
    (line,) = [series for series in lines["series"] if series["name"] == "compared with detector (3)"]
    assert line["y"] == report["curve"]["comparators"]["detector"]["mean"]
    run("report", *table, "-o", tmp_path / "alone")
    assert str(data) not in (tmp_path / "alone" / "report.html").read_text()


def test_what_the_results_do_not_say_is_an_error(data: Path, tmp_path: Path) -> None:
    table = ("annotate-iou", "--predictions", data / "table" / "predictions.parquet", "-o", tmp_path)
    text = said(*table, "--annotations", data / "masks", "--comparator", f"d={data / 'boxes.json'}", code=4)
    assert "number of no known image" in text
    (tmp_path / "wrong.json").write_text(
        json.dumps([{"image_id": "0.png", "category_id": 1, "bbox": [1, 1, 5, 5], "score": 7}])
    )
    report = _evaluate(data, tmp_path / "out", "--comparator", f"d={tmp_path / 'wrong.json'}")
    assert any("not a number from 0 to 1" in warning["message"] for warning in report["warnings"])
    assert report["summary"]["overall"]["metrics"]["iou"]["comparators"]["d"]["n"] == 0


def test_findings_of_other_radiographs_are_told_and_names_that_share_a_column_refused(
    data: Path, tmp_path: Path
) -> None:
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "x.png").write_bytes((data / "masks" / "0.png").read_bytes())
    (tmp_path / "other.json").write_text(
        json.dumps([{"image_id": "x.png", "category_id": 1, "bbox": [1, 1, 5, 5], "score": 0.5}])
    )
    table = ("annotate-iou", "--predictions", data / "table" / "predictions.parquet", "-o", tmp_path / "out")
    named = [part for name in ("strange", "other.json") for part in ("--comparator", f"{name}={tmp_path / name}")]
    common = (*table, "--annotations", data / "coco.json", "--panels", 1, "--no-baselines", *named)
    text = said(*common, "--comparator", f"U-Net={data / 'masks'}")
    for name in ("strange", "other.json"):
        assert f"comparator '{name}' has nothing for any of the radiographs" in text
    assert "comparator 'U-Net' has nothing" not in text
    text = said(*common, *(f"--comparator=U-Net{end}={data / 'masks'}" for end in ("", "_lesion")), code=2)
    assert "would share the column 'comparator_U-Net_lesion_recall'" in text


def test_nothing_found_is_no_evidence() -> None:
    assert map_of([], (3, 4)).status == "no_positive_evidence"
    assert map_of([(np.ones((3, 4), bool), 0.5)], (3, 4)).status == "flat"


def test_holes_are_cut_out_of_findings(tmp_path: Path) -> None:
    write_labelme(tmp_path / "0.json", (40, 50), ("tumour", [[5, 5], [30, 30]]), ("_background_", [[10, 10], [20, 20]]))
    frame = Frame.fit(Size(*SIZE), Size(8, 8), ResizeMode.SQUASH)
    image: Any = SimpleNamespace(
        frame=frame,
        row=SimpleNamespace(image_id="0.png"),
        table=SimpleNamespace(image_path=lambda _: tmp_path / "0.png"),
    )
    heat = Comparator(open_source(tmp_path)).heat_map(image, None, Protocol(Threshold()))
    assert heat is not None
    assert [heat.values[7, 7], heat.values[15, 15], heat.values[28, 28]] == [1, 0, 1]
