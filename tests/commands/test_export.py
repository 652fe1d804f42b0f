"""What is exported is read back by the programs that it is for."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import posixpath
import shutil
import sys
import unicodedata
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from jsonschema import Draft202012Validator
from PIL import Image
from pycocotools.coco import COCO

from btxrd_explain.commands.drawing import file_names_of_images
from btxrd_explain.commands.export import ExportReport
from btxrd_explain.core.choices import MaskPolicy, Space
from btxrd_explain.core.geometry import Size
from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.core.masks import annotation_mask
from btxrd_explain.errors import BtxrdExplainError
from btxrd_explain.evaluation.file_set import read_report, tell_all_mixed
from btxrd_explain.inference.explained import ExplainedImage
from btxrd_explain.inputs.annotation_formats import read_annotation
from btxrd_explain.inputs.annotation_source import open_source
from btxrd_explain.inputs.labelme import read_labelme
from btxrd_explain.outputs.export import labelme
from btxrd_explain.outputs.export.coco import coco_writer
from btxrd_explain.outputs.export.item import Attention, ExportedImage, Folder, Origin, UnexportedError
from btxrd_explain.predictions.record import Prediction, RowStatus
from btxrd_explain.predictions.table import open_table
from btxrd_explain.progress import Listener
from tests.support.command_line import run
from tests.support.labelme import write_labelme

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

NAMES = ("Normal", "Benign", "Malignant")
SIZES = {"a.jpeg": Size(60, 50), "a.png": Size(50, 60), "left/IMG1.jpeg": Size(90, 30), "right/IMG1.jpeg": Size(30, 90)}
SHAPE_KEYS = {"label", "points", "group_id", "description", "shape_type", "flags", "mask"}


def _grids(number: int) -> NDArray[np.float32]:
    """Return grids of three classes: a blob that moves with the number, a ring, and nothing."""
    blob, ring = np.full((5, 5), -1.0, np.float32), np.zeros((5, 5), np.float32)
    blob[1 + number % 3, 2] = 2.0
    ring[1:4, 1:4] = 1.0
    ring[2, 2] = -3.0
    return np.stack([ring, blob, np.full((5, 5), -1.0, np.float32)])


@pytest.fixture
def out(tmp_path: Path, make_row: Callable[..., Prediction], make_table: Callable[..., None]) -> Path:
    """A folder of results with a table: four images, some with the same stem, and one that cannot be exported.

    The one annotation is of a.jpeg; a.png, whose size it does not have, would find it too.
    """
    statuses = (MapStatus.OK, MapStatus.OK, MapStatus.NO_POSITIVE_EVIDENCE)
    rows = [  # without stamps, for the files are not those of a run
        make_row(name, "Benign", (0.1, 0.7, 0.2), path=f"../images/{name}", size=size, grids=_grids(number),
                 grid_statuses=statuses)
        for number, (name, size) in enumerate(SIZES.items())
    ]  # fmt: skip
    rows = [replace(row, stamp=None) for row in rows]
    rows += [Prediction("z.png", "../images/z.png", "Benign", "test", RowStatus.UNREADABLE, error="it is empty")]
    make_table(tmp_path / "out" / "predictions.parquet", NAMES, rows)
    for name, size in SIZES.items():
        target = tmp_path / "images" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full(size, 90, np.uint8)).save(target)
    (tmp_path / "Annotations").mkdir()
    cysts = (("cyst", [[10, 10], [25, 12], [20, 40]]), ("cyst", [[30, 40], [40, 40], [40, 45]]))
    write_labelme(tmp_path / "Annotations" / "a.json", (60, 50), *cysts, imagePath="a.jpeg")
    return tmp_path / "out"


def _export(out: Path, to: str, *arguments: object, code: int = 1) -> Any:  # noqa: ANN401 -- typer's result
    return run("export", "--to", to, "-o", out, *arguments, code=code)


def _expected(out: Path, *, class_index: int = 1, space: Space = Space.ORIGINAL) -> dict[str, NDArray[np.float32]]:
    """Return the heat map of each image as the library computes it."""
    table = open_table(out / "predictions.parquet")
    return {
        row.image_id: ExplainedImage.of(row, table).heat_map(class_index, space=space).values
        for row in table.rows()
        if row.grids is not None
    }


def _labelme_files(folder: Path) -> dict[str, Path]:
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*.json"))}


def assert_labelme_opens(path: Path) -> None:
    """Check what LabelMe checks when it opens a file: keys, types, and that the image is there and of that size."""
    document = json.loads(path.read_text("utf-8"))
    assert {"version", "flags", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth"} <= set(document)
    assert all(type(value) is bool for value in document["flags"].values())
    with Image.open(path.parent / document["imagePath"]) as image:
        assert image.size == (document["imageWidth"], document["imageHeight"])
    for shape in document["shapes"]:
        assert set(shape) == SHAPE_KEYS
        assert isinstance(shape["label"], str)
        assert isinstance(shape["description"], str)
        assert shape["flags"] == {}
        assert all(len(point) == 2 for point in shape["points"])
        assert (shape["shape_type"], shape["mask"] is None) in {("polygon", True), ("mask", False)}
        assert len(shape["points"]) >= 3 if shape["mask"] is None else len(shape["points"]) == 2


@pytest.mark.parametrize("classes", ["predicted", "all"])
def test_labelme_files_hold_the_regions_pixel_by_pixel(out: Path, classes: str) -> None:
    result = _export(out, "labelme", "--tolerance", 0, "--classes", classes)
    assert "unreadable: z.png: it is empty" in result.stderr
    files = _labelme_files(out / "labelme")
    assert list(files) == ["a.jpeg.json", "a.png.json", "left/IMG1.json", "right/IMG1.json"]
    heat = _expected(out)
    for path in files.values():
        assert_labelme_opens(path)
        document = json.loads(path.read_text())
        image_id = document["btxrd_explain"]["image_id"]
        shapes = [shape for shape in read_labelme(path).shapes if shape.label == "heat map: Benign"]
        mask = annotation_mask(shapes, SIZES[image_id], MaskPolicy.POLYGONS)
        np.testing.assert_array_equal(mask, heat[image_id] >= 0.5)
        assert document["flags"] == {"prediction is correct": True}
        kinds = {shape["shape_type"] for shape in document["shapes"]}
        assert ("mask" in kinds) == (classes == "all")  # the ring of class Normal has a hole
        assert not any("Malignant" in shape["label"] for shape in document["shapes"])  # no evidence, no region


def test_labelme_files_say_probability_and_iou(out: Path) -> None:
    result = _export(out, "labelme")
    document = json.loads((out / "labelme" / "a.jpeg.json").read_text())
    lesions = read_labelme(out.parent / "Annotations" / "a.json").shapes
    lesion, region = annotation_mask(lesions, SIZES["a.jpeg"]), _expected(out)["a.jpeg"] >= 0.5
    iou = (lesion & region).sum() / (lesion | region).sum()
    assert document["btxrd_explain"]["heat_maps"][0]["iou"] == pytest.approx(iou)
    (shape,) = document["shapes"]
    assert shape["description"] == f"probability 0.700, gradcam heat map >= 0.5, IoU with the annotation {iou:.3f}"
    other = json.loads((out / "labelme" / "a.png.json").read_text())
    assert other["btxrd_explain"]["heat_maps"][0]["iou"] is None
    assert "'a.jpeg' and 'a.png' share" in result.stderr


def test_regions_follow_the_threshold_rule(out: Path) -> None:
    _export(out, "labelme", "--tolerance", 0, "--threshold-rule", "percentile", "--percentile", 10)
    shapes = read_labelme(out / "labelme" / "a.jpeg.json").shapes
    share = annotation_mask(shapes, SIZES["a.jpeg"]).mean()
    assert share == pytest.approx(0.1, abs=0.02)


def test_simplified_polygons_have_few_vertices_and_the_same_region(out: Path) -> None:
    _export(out, "labelme", "--tolerance", 0)
    exact = json.loads((out / "labelme" / "a.jpeg.json").read_text())["shapes"][0]["points"]
    _export(out, "labelme")
    (shape,) = read_labelme(out / "labelme" / "a.jpeg.json").shapes
    assert len(shape.points) < len(exact)
    mask, region = annotation_mask([shape], SIZES["a.jpeg"]), _expected(out)["a.jpeg"] >= 0.5
    assert (mask & region).sum() / (mask | region).sum() > 0.85  # of a region of 14 pixels across


def test_beside_the_images_no_annotation_is_touched(out: Path) -> None:
    images = out.parent / "images"
    (images / "a.png.attention.json").write_text('{"shapes": []}')  # somebody else's
    result = _export(out, "labelme", "--beside-images")
    assert (images / "a.png.attention.json").read_text() == '{"shapes": []}'
    assert "a.png.attention.json' was not written by this command and stays" in result.stderr
    assert_labelme_opens(images / "left" / "IMG1.jpeg.attention.json")
    assert not (images / "left" / "IMG1.json").exists()
    assert not (out / "labelme").exists()
    _export(out, "labelme", "--beside-images", "--threshold", 0.3)  # its own files it writes anew
    document = json.loads((images / "left" / "IMG1.jpeg.attention.json").read_text())
    assert document["btxrd_explain"]["rule"] == "gradcam heat map >= 0.3"


def test_a_name_that_is_too_long_next_to_an_image_stops_no_other(tmp_path: Path) -> None:
    anything: Any = None
    long = tmp_path / f"{'a' * 256}.attention.json"
    with pytest.raises(UnexportedError, match="too long"):
        labelme.write_labelme(anything, origin=anything, place=lambda _: long, tolerance=1.0)


def test_a_file_that_is_nested_too_deeply_is_somebody_elses(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[" * 200_000)
    assert not labelme._is_ours(tmp_path / "a.json")


def test_labelme_itself_opens_the_files(out: Path) -> None:
    label_file = pytest.importorskip("labelme", reason="LabelMe brings Qt; installed by hand where it is wanted")
    _export(out, "labelme", "--classes", "all")
    for path in _labelme_files(out / "labelme").values():
        assert label_file.LabelFile(str(path)).shapes


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools' own
def test_coco_files_hold_regions_and_annotations_pixel_by_pixel(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _export(out, "coco")
    experts, attention = COCO(out / "coco" / "annotations.json"), COCO(out / "coco" / "attention.json")
    assert {image["file_name"] for image in attention.dataset["images"]} == set(SIZES)
    assert [category["name"] for category in attention.dataset["categories"]] == [*NAMES, "lesion"]
    heat = _expected(out)
    assert len(attention.anns) == len(SIZES)
    for annotation in attention.anns.values():
        mask = attention.annToMask(annotation).astype(bool)
        region = heat[attention.imgs[annotation["image_id"]]["file_name"]] >= 0.5
        np.testing.assert_array_equal(mask, region)
        assert annotation["area"] == region.sum()
        rows, columns = region.nonzero()
        box = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
        assert annotation["bbox"] == box
        assert annotation["score"] == pytest.approx(0.7)
        assert attention.cats[annotation["category_id"]]["name"] == "Benign"
    assert len(experts.anns) == 2
    lesions = annotation_mask(read_labelme(out.parent / "Annotations" / "a.json").shapes, SIZES["a.jpeg"])
    np.testing.assert_array_equal(sum(map(experts.annToMask, experts.anns.values())), lesions)
    assert len(experts.loadRes(attention.dataset["annotations"]).anns) == len(SIZES)  # as COCO's evaluation takes them
    capsys.readouterr()


def test_coco_names_files_by_their_path_from_one_folder(
    out: Path, make_table: Callable[..., object], capsys: pytest.CaptureFixture[str]
) -> None:
    """Of radiographs in folders, some of one name: all are found below one image root."""
    table = open_table(out / "predictions.parquet")
    rows = [row for row in table.rows() if row.size is not None][:2]
    for number, folder in enumerate(("images/one", "images/two")):
        target = out.parent / folder / "x.jpeg"
        target.parent.mkdir(parents=True)
        shutil.copy(table.image_path(rows[number]), target)
        name = "x.jpeg" if number else "other.jpeg"
        rows[number] = replace(rows[number], image_id=name, path=f"../{folder}/x.jpeg", split=folder[-3:])
    make_table(out / "predictions.parquet", NAMES, rows)
    _export(out, "coco", code=0)
    attention = COCO(out / "coco" / "attention.json")
    names = {image["file_name"] for image in attention.dataset["images"]}
    assert names == {"one/x.jpeg", "two/x.jpeg"}
    assert all((out.parent / "images" / name).is_file() for name in names)
    assert len(attention.anns) == 2
    _export(out, "coco", "--split", "one", code=0)  # whichever are exported, the image root is the same
    (image,) = COCO(out / "coco" / "attention.json").dataset["images"]
    assert image["file_name"] == "one/x.jpeg"
    capsys.readouterr()


def test_our_own_coco_reader_reads_the_annotations(out: Path) -> None:
    _export(out, "coco")
    lines = [run("export", "--to", "labelme", "-o", out, "--json", *more, code=None).stdout
             for more in ([], ["--annotations", str(out / "coco" / "annotations.json")])]  # fmt: skip
    assert json.loads(lines[0]) == json.loads(lines[1])
    document = json.loads((out / "labelme" / "a.jpeg.json").read_text())
    assert document["btxrd_explain"]["heat_maps"][0]["iou"] is not None


def test_a_coco_file_is_whole_or_not_there(tmp_path: Path) -> None:
    origin = Origin(NAMES, "gradcam heat map >= 0.5", {})
    images = [("a", {"id": 1, "file_name": "a", "height": 2, "width": 2})]
    part = Attention("Benign", 0.5, np.zeros((2, 2), np.float32), MapStatus.OK, 1.0, np.ones((2, 2), bool))
    image = ExportedImage("a", tmp_path / "a", Size(2, 2), None, "Benign", 0.5, (part,))

    def interrupted() -> None:
        with coco_writer(Folder(tmp_path / "coco"), origin, images) as add:
            add(image)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not list((tmp_path / "coco").iterdir())


def _mask(path: Path) -> NDArray[np.bool_]:
    with Image.open(path) as image:
        assert image.mode == "L"
        values = np.asarray(image)
    assert set(np.unique(values)) <= {0, 255}
    return values > 0


def test_masks_hold_regions_and_annotations_pixel_by_pixel(out: Path) -> None:
    _export(out, "masks")
    heat, folder = _expected(out), out / "masks"
    names = {"a.jpeg": "a.jpeg.png", "a.png": "a.png.png", "left/IMG1.jpeg": "left/IMG1.png"}
    names["right/IMG1.jpeg"] = "right/IMG1.png"
    for image_id, name in names.items():
        np.testing.assert_array_equal(_mask(folder / "attention" / name), heat[image_id] >= 0.5)
    assert sum(1 for _ in (folder / "attention").rglob("*.png")) == len(SIZES)
    (experts,) = (folder / "annotations").iterdir()  # the one that can be used
    lesions = annotation_mask(read_labelme(out.parent / "Annotations" / "a.json").shapes, SIZES["a.jpeg"])
    np.testing.assert_array_equal(_mask(experts), lesions)
    _export(out, "coco", "--annotations", folder / "annotations")  # by our own reader
    (again,) = (out / "coco").glob("annotations.json")
    assert len(json.loads(again.read_text())["annotations"]) == 2


def test_masks_of_all_classes_are_in_a_folder_each(out: Path) -> None:
    _export(out, "masks", "--classes", "all")
    folder = out / "masks" / "attention"
    assert {path.name for path in folder.iterdir()} == set(NAMES)
    assert not _mask(folder / "Malignant" / "a.png.png").any()  # no evidence, an empty mask
    np.testing.assert_array_equal(_mask(folder / "Normal" / "a.png.png"), _expected(out, class_index=0)["a.png"] >= 0.5)


@pytest.mark.parametrize("to", ["labelme", "masks", "npz", "tiff", "fiftyone", "coco"])
def test_no_two_images_meet_in_one_file(out: Path, make: tuple[Any, Any], to: str) -> None:
    make_row, make_table = make
    ids = [
        "a.png.jpeg",
        "a.png",
        "a.jpeg",
        "IMG1.png",
        "img1.png",
        "Img1.PNG",
        "caf\u00e9.png",
        "cafe\u0301.png",
        "A/b.png",
    ]
    ids += ["a/b.jpeg", "x/../y.png", "y.png", "a.png/c.png", "a.png.png/c.png", "a.png.npz/c.png"]
    for _ in range(2):  # an image that is called like the file of another one
        named = file_names_of_images(ids, ".png").values()
        ids = list(dict.fromkeys([*ids, *(path.as_posix().removesuffix(".png") for path in named if "-" in path.name)]))
    rows = [replace(make_row(each, "Benign", (0.1, 0.7, 0.2), grids=_grids(0)), stamp=None) for each in ids]
    make_table(out / "predictions.parquet", NAMES, rows)
    result = _export(out, to, "--json", code=0)
    assert json.loads(result.stdout)["exported"] == len(ids)
    if to == "coco":  # one file for all
        images = json.loads((out / "coco" / "annotations.json").read_text("utf-8"))["images"]
        assert len({image["id"] for image in images}) == len(images) == len(ids)
        assert {image["file_name"] for image in images} == {posixpath.normpath(each) for each in ids}
        return
    files = [
        path for path in (out / to).rglob("*") if path.is_file() and path.name not in {"metadata.json", "samples.json"}
    ]
    assert len(files) == len(ids)
    seen = {unicodedata.normalize("NFC", str(path)).casefold() for path in files}
    assert len(seen) == len(ids)


@pytest.mark.parametrize(("size", "space"), [("original", Space.ORIGINAL), ("input", Space.INPUT)])
@pytest.mark.parametrize("to", ["npz", "tiff"])
def test_arrays_are_the_heat_maps(out: Path, to: str, size: str, space: Space) -> None:
    _export(out, to, "--map-size", size, "--classes", "all")
    suffix = "npz" if to == "npz" else "tif"
    heat = [_expected(out, class_index=index, space=space) for index in range(3)]
    for image_id in SIZES:
        path = out / to / f"{image_id}.{suffix}"
        maps, facts = _read_npz(path) if to == "npz" else _read_tiff(path)
        assert maps.dtype == np.float32
        np.testing.assert_array_equal(maps, np.stack([of_class[image_id] for of_class in heat]))
        assert [part["class"] for part in facts["maps"]] == list(NAMES)
        assert [part["status"] for part in facts["maps"]] == ["ok", "ok", "no_positive_evidence"]
        assert facts["maps"][1]["peak"] == 2.0
        assert facts["provenance"]["target_layer"] == "layer4"


@pytest.mark.parametrize("to", ["npz", "tiff"])
def test_grids_are_raw(out: Path, to: str) -> None:
    _export(out, to, "--map-size", "grid", "--classes", "predicted")
    path = out / to / ("left/IMG1.jpeg.npz" if to == "npz" else "left/IMG1.jpeg.tif")
    maps, facts = _read_npz(path) if to == "npz" else _read_tiff(path)
    np.testing.assert_array_equal(maps, _grids(2)[1:2])
    assert "signed" in facts["scale"]


def _read_npz(path: Path) -> tuple[NDArray[Any], dict[str, Any]]:
    with np.load(path, allow_pickle=False) as archive:
        facts = json.loads(str(archive["facts"]))
        assert archive["classes"].tolist() == [part["class"] for part in facts["maps"]]
        return archive["maps"], facts


def _read_tiff(path: Path) -> tuple[NDArray[Any], dict[str, Any]]:
    with tifffile.TiffFile(path) as file:
        first: Any = file.pages[0]
        return np.stack([page.asarray() for page in file.pages]), json.loads(first.description)


@pytest.mark.parametrize("classes", ["predicted", "all"])
def test_fiftyones_folder_is_what_its_importer_reads(out: Path, classes: str) -> None:
    """By FiftyOne's layout on disk: samples as it serialises them, media of fields below ``fields/<name>/``."""
    _export(out, "fiftyone", "--classes", classes)
    folder = out / "fiftyone"
    metadata = json.loads((folder / "metadata.json").read_text())
    assert metadata["media_type"] == "image"
    assert "version" not in metadata  # else FiftyOne expects the internals of that release
    samples = json.loads((folder / "samples.json").read_text())["samples"]
    assert [sample["image_id"] for sample in samples] == list(SIZES)
    wanted = {"heat_map"} if classes == "predicted" else {f"heat_map_{name.lower()}" for name in NAMES}
    assert {path.name for path in (folder / "fields").iterdir()} == wanted
    for sample in samples:
        size = SIZES[sample["image_id"]]
        with Image.open(os.path.normpath(folder / sample["filepath"])) as image:
            assert image.size == (sample["metadata"]["width"], sample["metadata"]["height"]) == size[::-1]
        assert sample["prediction"] == {
            "_cls": "Classification", "label": "Benign", "confidence": pytest.approx(0.7)
        }  # fmt: skip
        for field in wanted:
            assert sample[field]["_cls"] == "Heatmap"
            with Image.open(folder / sample[field]["map_path"]) as picture:
                assert (picture.mode, picture.size) == ("L", size[::-1])
        for line in sample["regions"]["polylines"]:
            assert (line["_cls"], line["closed"]) == ("Polyline", True)
            assert all(0 <= share <= 1 for ring in line["points"] for point in ring for share in point)
    assert len(samples[0]["lesions"]["polylines"]) == 2
    assert "lesions" not in samples[1]


def test_fiftyones_own_importer_reads_the_folder(out: Path) -> None:
    importers = pytest.importorskip(
        "fiftyone.utils.data.importers", reason="FiftyOne brings a database; installed by hand where it is wanted"
    )
    _export(out, "fiftyone")
    importer = importers.FiftyOneDatasetImporter(str(out / "fiftyone"))._to_legacy_importer()
    importer.setup()
    samples = list(importer)
    assert [sample.image_id for sample in samples] == list(SIZES)
    assert all(Path(sample.heat_map.map_path).is_file() for sample in samples)


@pytest.fixture
def make(make_row: Callable[..., Prediction], make_table: Callable[..., None]) -> tuple[Any, Any]:
    return make_row, make_table


def test_the_table_for_spreadsheets_has_a_row_per_radiograph_also_without_a_prediction(out: Path) -> None:
    result = _export(out, "csv")  # which says by its exit code that a radiograph has no prediction
    assert "5 radiographs exported, 0 failed" in result.stdout
    with (out / "csv" / "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image_id"] for row in rows] == [*SIZES, "z.png"]
    first, last = rows[0], rows[-1]
    assert (first["label"], first["predicted"], first["outcome"], first["confidence"]) == (
        "Benign",
        "Benign",
        "correct",
        "0.7",
    )
    assert [first[f"probability of {name}"] for name in NAMES] == ["0.1", "0.7", "0.2"]
    assert (last["status"], last["error"], last["label"]) == ("unreadable", "it is empty", "Benign")
    assert {last[name] for name in ("predicted", "outcome", "confidence", "probability of Normal")} == {""}
    report = read_report(out / "export_csv.json")
    digest = hashlib.sha256((out / "csv" / "predictions.csv").read_bytes()).hexdigest()
    assert report["sha256"] == {"csv/predictions.csv": digest}
    Draft202012Validator(ExportReport.model_json_schema()).validate(report)


@pytest.mark.parametrize(
    ("label", "predicted", "outcome"), [("Normal", 1, "false alarm"), ("Benign", 0, "missed"), ("=x", 1, "")]
)
def test_the_table_says_what_a_prediction_is_worth_and_holds_no_formula(
    tmp_path: Path, make: tuple[Any, Any], label: str, predicted: int, outcome: str
) -> None:
    make_row, make_table = make
    probabilities = tuple(0.8 if index == predicted else 0.1 for index in range(3))
    make_table(tmp_path / "out" / "predictions.parquet", NAMES, [make_row("a.png", label, probabilities)])
    _export(tmp_path / "out", "csv", code=0)
    with (tmp_path / "out" / "csv" / "predictions.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["label"].lstrip("'"), row["outcome"]) == (label, outcome)
    assert not row["label"].startswith("=")


@pytest.mark.parametrize("to", ["excel", "xlsx", "XLS"])
def test_a_spreadsheets_own_format_leads_to_csv(tmp_path: Path, to: str) -> None:
    result = run("export", "--to", to, "-o", tmp_path, code=2)
    assert "give csv, which Excel and other spreadsheets open" in " ".join(result.stderr.split())


def test_the_true_class_must_be_known(out: Path, make: tuple[Any, Any]) -> None:
    make_row, make_table = make
    rows = [make_row("a.jpeg", None, (0.1, 0.7, 0.2)), make_row("b.jpeg", "Malignant", (0.1, 0.7, 0.2))]
    make_table(out / "predictions.parquet", NAMES, rows)
    result = _export(out, "npz", "--classes", "true", "--json")
    document = json.loads(result.stdout)
    assert document["exported"] == 1
    assert list(document["failed"]) == ["a.jpeg"]
    assert _read_npz(out / "npz" / "b.jpeg.npz")[1]["maps"][0]["class"] == "Malignant"


@pytest.mark.parametrize(("size", "told"), [("original", True), ("input", False), ("grid", False)])
def test_large_exports_are_announced(
    out: Path, make: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch, size: str, *, told: bool
) -> None:
    make_row, make_table = make
    monkeypatch.setattr("btxrd_explain.commands.export._MUCH", 4 * 60 * 50)
    rows = [make_row(f"{number}.jpeg", "Benign", (0.1, 0.9), size=Size(60, 50)) for number in range(2)]
    make_table(out / "predictions.parquet", NAMES[:2], rows)
    result = _export(out, "tiff", "--map-size", size, code=0)
    assert ("of float32 before compression" in result.stderr) == told


@pytest.mark.parametrize("name", ["attention/a.png.png", "annotations/a.jpeg.png"])
def test_a_mask_that_somebody_drew_stays(out: Path, name: str) -> None:
    """A folder of results may well be that of hand-drawn masks; those of an earlier export are replaced."""
    _export(out, "masks")
    drawn = out / "masks" / name
    own = drawn.read_bytes()
    Image.fromarray(np.full((60, 50), 255, np.uint8)).save(drawn)
    content = drawn.read_bytes()
    result = _export(out, "masks", "--threshold", "0.9")
    assert f"{name}' was not written by this command and stays: move it away" in result.stderr
    assert drawn.read_bytes() == content
    drawn.unlink()
    _export(out, "masks")
    assert drawn.read_bytes() == own


@pytest.mark.parametrize(
    ("to", "some"),
    [
        ("coco", "coco/annotations.json"),
        ("fiftyone", "fiftyone/fields/heat_map/a.png.png"),
        ("masks", "masks/annotations/a.jpeg.png"),
        ("npz", "npz/left/IMG1.jpeg.npz"),
        ("tiff", "tiff/a.jpeg.tif"),
    ],
)
def test_a_mixture_of_two_exports_is_noticed(out: Path, to: str, some: str) -> None:
    """The mark of a set has the hash of each of its files, and `report` compares, as with all reports."""
    _export(out, to)
    document = out / f"export_{to}.json"
    report = read_report(document)
    files = {path.relative_to(out).as_posix(): path for path in (out / to).rglob("*") if path.is_file()}
    assert report["sha256"] == {name: hashlib.sha256(files[name].read_bytes()).hexdigest() for name in sorted(files)}
    assert (report["exported"], [one["image_id"] for one in report["failed_images"]]) == (4, ["z.png"])
    Draft202012Validator(ExportReport.model_json_schema()).validate(report)
    said: list[str] = []

    class Heard(Listener):
        def note(self, message: str) -> None:
            said.append(message)

    listener = Heard()
    tell_all_mixed(out, listener)
    assert said == []
    files[some].write_bytes(files[some].read_bytes() + b" ")
    tell_all_mixed(out, listener)
    again = f"run 'btxrd-explain export --to {to}' again, which writes all of them"
    assert said == [f"'{document}' and '{some}' are not of one run: {again}"]


def test_what_an_earlier_export_left_is_told(out: Path) -> None:
    left = f"the files of '{out / 'export_masks.json'}' are together with others, "
    assert left not in _export(out, "masks", "--classes", "all").stderr
    assert left not in _export(out, "masks", "--classes", "all").stderr
    said = " ".join(_export(out, "masks").stderr.split())
    assert left in said
    assert "and 7 more: remove what an earlier run left" in said
    shutil.rmtree(out / "masks")
    assert left not in _export(out, "masks").stderr


@pytest.mark.parametrize(
    ("to", "name", "why"),
    [
        ("masks", "masks/attention", "expected lesions, but btxrd-explain drew it of heat maps"),
        ("labelme", "labelme", "has regions of heat maps, which btxrd-explain exported"),
        ("coco", "coco/attention.json", "has regions of heat maps, which btxrd-explain exported"),
        ("masks", "masks/annotations", None),
        ("coco", "coco/annotations.json", None),
        ("coco", "coco", None),
    ],
)
def test_regions_of_heat_maps_are_not_lesions(out: Path, to: str, name: str, why: str | None) -> None:
    """Exports hold both: the expert's are read again, and the others would agree with themselves."""
    _export(out, to)
    with pytest.raises(BtxrdExplainError, match=why) if why else nullcontext():
        image = "left/IMG1.jpeg" if why else "a.jpeg"
        place = open_source(out / name).find(out.parent / "images" / image)
        assert place is not None
        assert read_annotation(place, SIZES[image]).shapes


@pytest.mark.parametrize("to", ["labelme", "coco", "npz", "tiff"])
def test_a_file_cannot_be_the_folder_of_results(out: Path, to: str, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    table = str(out / "predictions.parquet")
    result = run("export", "--to", to, "--predictions", table, "-o", tmp_path / "taken", code=6)
    assert f"'{tmp_path / 'taken'}' is a file: name a folder with -o" in result.stderr


def test_a_format_must_be_named(out: Path) -> None:
    result = run("export", "-o", out, code=2)
    assert "give --to labelme" in result.stderr


def test_exporting_imports_no_torch(out: Path) -> None:
    import subprocess  # noqa: PLC0415 -- only here

    program = (
        "import sys; from btxrd_explain.cli import app\n"
        f"try: app(['export', '--to', 'labelme', '-o', {str(out)!r}])\n"
        "except SystemExit as end: assert end.code == 1, end\n"
        "print(sorted({'torch', 'timm', 'pytorch_grad_cam'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.real_data
def test_real_radiographs_go_out_with_the_iou_of_the_evaluation(
    real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From their annotations, and again from what was exported, read back as LabelMe draws it."""
    sample = real_data / "btxrd_sample"
    monkeypatch.chdir(tmp_path)
    source = ["--annotations", str(sample / "Annotations")]
    run("infer", sample / "split_test.csv", "--images", sample / "images", "-c", "demo", code=None)
    _export(tmp_path / "btxrd-explain-out", "labelme", "--classes", "true", "--tolerance", 0, *source, code=0)
    scored = run("annotate-iou", "--json", "--set", "evaluation.baselines=false", *source, code=None)
    expected = {image["image_id"]: image["iou"] for image in json.loads(scored.stdout)["per_image"]}
    assert len(expected) == 10
    for path in _labelme_files(tmp_path / "btxrd-explain-out" / "labelme").values():
        assert_labelme_opens(path)
        ours = json.loads(path.read_text())["btxrd_explain"]
        iou = expected.get(ours["image_id"])
        assert ours["heat_maps"][0]["iou"] == iou
        if iou is not None:
            drawn, expert = read_labelme(path), read_labelme(sample / "Annotations" / path.name)
            assert drawn.image_size is not None
            region, lesion = (annotation_mask(one.shapes, drawn.image_size) for one in (drawn, expert))
            assert (region & lesion).sum() / (region | lesion).sum() == pytest.approx(iou, abs=1e-9)
