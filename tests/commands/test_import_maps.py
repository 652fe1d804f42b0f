"""Heat maps of other programs become a predictions table, and are scored as our own."""

from __future__ import annotations

import csv
import gzip
import json
import pickle
import re
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import btxrd_explain
from btxrd_explain.core.geometry import Size
from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.core.metrics import CURVE_THRESHOLDS
from btxrd_explain.predictions.table import open_table
from tests.support.command_line import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from btxrd_explain.predictions.record import Prediction

pytestmark = pytest.mark.usefixtures("blank_figures")

SIZES = {"a.png": (40, 60), "b.png": (50, 30)}
CLASSES = ("Benign", "Malignant")


def _done(*arguments: object) -> str:
    result = run(*arguments)
    return str(result.output)


def _blob(size: tuple[int, int], row: int) -> NDArray[np.float32]:
    rows, columns = np.mgrid[: size[0], : size[1]]
    blob: NDArray[np.float32] = np.exp(-((rows - row) ** 2 + (columns - 15) ** 2) / 60).astype(np.float32)
    return blob


def nifti_of(heat: NDArray[np.float32]) -> bytes:
    """Return a heat map as a NIfTI-1 file of float32, as nibabel writes one."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *heat.shape[::-1], 1, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 16, 32)
    struct.pack_into("<3f", header, 108, 352, float("nan"), float("nan"))
    header[344:348] = b"n+1\0"
    return bytes(header) + heat.astype("<f4").tobytes()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two radiographs of different sizes, a mask of each, and heat maps of their sizes as NumPy files."""
    for folder in ("images", "masks", "maps"):
        (tmp_path / folder).mkdir()
    for name, size in SIZES.items():
        Image.fromarray(np.full(size, 90, np.uint8)).save(tmp_path / "images" / name)
        Image.fromarray((_blob(size, 12) > 0.5).astype(np.uint8)).save(tmp_path / "masks" / name)
        for number, class_name in enumerate(CLASSES):
            np.save(tmp_path / "maps" / f"{name[0]}_{class_name}.npy", _blob(size, 12 + 10 * number))
    return tmp_path


def _import(data: Path, maps: Path, *further: object) -> Path:
    table = data / "out" / "predictions.parquet"
    _done("import-maps", maps, "--images", data / "images", "--predictions", table, *further)
    return table


def _scores(data: Path, table: Path, *further: object) -> list[dict[str, Any]]:
    common = ("--predictions", table, "--annotations", data / "masks", "-o", table.parent, "--panels", 1)
    _done("annotate-iou", *common, "--no-baselines", *further)
    rows: list[dict[str, Any]] = pq.read_table(table.parent / "annotation_metrics.parquet").to_pylist()
    return rows


def test_maps_of_different_sizes_are_scored_without_predictions(data: Path) -> None:
    table = _import(data, data / "maps")
    rows = list(open_table(table).rows())
    assert [row.grids.shape for row in rows if row.grids is not None] == [(2, *size) for size in SIZES.values()]
    assert {row.predicted for row in rows} == {None}
    assert pq.read_table(table).num_rows == 2  # another reader of Parquet
    scores = {(row["image_id"], row["target_class"]): row for row in _scores(data, table)}
    for size, name in zip(SIZES.values(), SIZES, strict=True):
        heat, mask = _blob(size, 12), _blob(size, 12) > 0.5
        scaled = (heat - heat.min()) / (heat.max() - heat.min()) >= 0.5
        iou = (scaled & mask).sum() / (scaled | mask).sum()
        assert scores[name, "Benign"]["iou"] == pytest.approx(iou, abs=1e-6)
        assert scores[name, "Malignant"]["iou"] < 0.3
    assert {(row["outcome"], row["predicted"], row["target_probability"]) for row in scores.values()} == {
        (None, None, None)
    }


def test_a_coloured_picture_of_a_map_is_not_called_damaged(data: Path) -> None:
    (data / "maps" / "a_Benign.npy").unlink()
    Image.new("RGB", (60, 40), (255, 0, 9)).save(data / "maps" / "a_Benign.png")
    result = run("import-maps", data / "maps", "--images", data / "images", "-o", data / "out", code=1)
    said = " ".join(result.output.split())
    assert "a_Benign.png' holds no heat maps: expected one value per pixel, got colours" in said


def test_maps_with_the_sides_of_the_radiograph_exchanged_are_told_of(data: Path) -> None:
    for path in (data / "maps").glob("a_*.npy"):
        np.save(path, np.load(path).T)
    said = " ".join(_done("import-maps", data / "maps", "--images", data / "images", "-o", data / "out").split())
    assert "the heat maps of 'a.png' are as high as the radiograph is wide" in said


def test_radiographs_and_masks_of_several_pages_are_named_by_the_commands_and_in_the_report(data: Path) -> None:
    """By the words of `check`; the table says it of a radiograph that is gone."""
    page = Image.open(data / "images" / "a.png")
    (data / "images" / "a.png").unlink()
    page.save(data / "images" / "a.tif", save_all=True, append_images=[page, page])
    mask = Image.open(data / "masks" / "b.png")
    (data / "masks" / "b.png").unlink()
    mask.save(data / "masks" / "b.tif", save_all=True, append_images=[mask])
    checked = json.loads(run("check", data / "images", "--annotations", data / "masks", "--json", code=None).stdout)

    def told(findings: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
        found = [one for one in findings if one["code"] == "several-frames"]
        return {one["images"][0]: (re.sub(r"'.*/", "'", one["message"]), one["advice"]) for one in found}

    words = told(checked["findings"])
    assert {name: message for name, (message, _) in words.items()} == {
        "a.tif": "'a.tif' holds 3 images",
        "b.png": "'b.tif' holds 2 images",
    }
    table = _import(data, data / "maps")
    (data / "images" / "a.tif").unlink()
    _scores(data, table)
    report = json.loads((table.parent / "annotation_report.json").read_text())
    assert told(report["warnings"]) == words


def test_a_table_of_an_earlier_release_says_nothing_of_pages(data: Path) -> None:
    table = _import(data, data / "maps")
    earlier = pq.read_table(table)
    pq.write_table(earlier.drop_columns(["frames", "class", "confidence"]), table)
    rows = list(open_table(table).rows())
    assert [(row.image_id, row.frames) for row in rows] == [(name, None) for name in SIZES]
    assert open_table(table).index().column("frames").to_pylist() == [None, None]
    assert len(_scores(data, table)) == 4


@pytest.mark.parametrize("kind", ["png", "tiff", "deep", "folders", "npz", "array"])
def test_every_kind_of_file_gives_the_same_regions(data: Path, kind: str) -> None:
    expected = {
        (row["image_id"], row["target_class"]): row["iou"] for row in _scores(data, _import(data, data / "maps"))
    }
    maps, further = data / kind, list[object]()
    maps.mkdir()
    values = {(name, c): np.load(data / "maps" / f"{name[0]}_{c}.npy") for name in SIZES for c in CLASSES}
    for (name, class_name), heat in values.items():
        stem = f"{name[0]}_{class_name}"
        if kind == "png":
            Image.fromarray(np.round(heat * 255).astype(np.uint8)).save(maps / f"{stem}.png")
        elif kind == "deep":
            Image.fromarray(np.round(heat * 65535).astype(np.uint16)).save(maps / f"{stem}.tif")
        elif kind == "tiff":
            Image.fromarray(heat).save(maps / f"{stem}.tiff")
        elif kind == "folders":
            (maps / class_name).mkdir(exist_ok=True)
            np.save(maps / class_name / f"{name[0]}.npy", heat)
    if kind == "npz":
        for name in SIZES:
            np.savez(maps / f"{name[0]}.npz", **{c: values[name, c] for c in CLASSES})
    if kind == "array":  # one array holds images of one size
        np.save(maps / "all.npy", np.stack([np.stack([values["a.png", c] for c in CLASSES])]))
        (data / "ids.txt").write_text("a.png\n")
        further = ["--ids", data / "ids.txt", "--class-names", ",".join(CLASSES)]
    found = {(row["image_id"], row["target_class"]): row["iou"] for row in _scores(data, _import(data, maps, *further))}
    if kind == "array":
        expected = {key: iou for key, iou in expected.items() if key[0] == "a.png"}
    assert {key: iou for key, iou in found.items() if iou is not None} == pytest.approx(
        expected, abs=0.02 if kind == "png" else 1e-3 if kind == "deep" else 1e-6
    )


def test_probabilities_make_outcomes_and_every_command_runs(data: Path) -> None:
    with (data / "scores.csv").open("w", newline="") as file:
        lines = [(name, c, p, "Benign") for name in SIZES for c, p in zip(CLASSES, (0.8, 0.2), strict=True)]
        csv.writer(file).writerows([("image_id", "class", "probability", "label"), *lines])
    table = _import(data, data / "maps", "--scores", data / "scores.csv")
    made = open_table(table).provenance
    assert made.imported is not None
    assert made.imported["kinds"] == {".npy": 4}
    assert not made.multi_label
    scores = _scores(data, table)
    assert [(row["outcome"], row["confidence"]) for row in scores] == [("TP", pytest.approx(0.8))] * 2
    common = ("--predictions", table, "-o", data / "out")
    for command in (("gallery",), ("report",), ("export", "--to", "npz")):
        _done(*command, *common)
    for name in ("sanity", "intervene", "infer"):
        result = run(name, data / "images", "--checkpoint", "demo", *common, code=5)
        assert "are imported" in result.output
    assert open_table(table).provenance == made


def test_the_sign_says_what_is_evidence(data: Path) -> None:
    for path in (data / "maps").iterdir():
        np.save(path, -np.load(path))
    ious = {}
    for sign in ("negative", "absolute", "positive"):
        table = _import(data, data / "maps", "--sign", sign)
        ious[sign] = [row["iou"] for row in _scores(data, table)] if sign != "positive" else None
    assert ious["negative"] == ious["absolute"]
    assert min(ious["negative"] or []) > 0
    statuses = {status for row in open_table(table).rows() for status in row.grid_statuses}
    assert statuses == {MapStatus.NO_POSITIVE_EVIDENCE}


def test_files_that_hold_no_map_are_named_and_stop_no_other(data: Path) -> None:
    maps = data / "maps"
    (maps / "b_x.pkl").write_bytes(pickle.dumps([1]))
    np.save(maps / "b_y.npy", np.array([{}], object), allow_pickle=True)
    Image.fromarray(np.arange(27, dtype=np.uint8).reshape(3, 3, 3)).save(maps / "b_z.png")
    np.save(maps / "c_Benign.npy", np.zeros((2, 2)))
    np.savez(maps / "b.npz", np.zeros((9, 9)))
    result = run("import-maps", maps, "--images", data / "images", "-o", data / "out", code=1)
    for reason in ("may be a pickle", "Python objects", "colours", "no radiograph has the name", "differ in shape"):
        assert reason in " ".join(result.output.split())
    assert len(open_table(data / "out" / "predictions.parquet").index()) == 2


def test_what_is_of_no_use_is_said(data: Path) -> None:
    """Maps that show no place, and lines of a table of images that have no map."""
    values = {"a_Benign": np.full((9, 9), np.nan), "a_Malignant": -np.eye(9), "b_Benign": np.ones((9, 9))}
    for name, heat in values.items():
        np.save(data / "maps" / f"{name}.npy", heat.astype(np.float32))
    (data / "maps" / "b_Malignant.npy").unlink()
    (data / "scores.csv").write_text("image_id,class,probability\na.png,Benign,0.5\nc.png,Malignant,0.5\n")
    further = ("--images", data / "images", "--scores", data / "scores.csv", "-o", data / "out")
    text = " ".join(_done("import-maps", data / "maps", *further).split())
    assert "3 of 3 heat maps show no place and have no scores" in text
    for why in ("1 with NaN or infinity", "1 without a positive value (--sign says", "1 the same everywhere"):
        assert why in text
    assert "1 of 2 images of the table of probabilities have no heat map: 'c.png'" in text
    table = ("--predictions", data / "out" / "predictions.parquet", "--annotations", data / "masks", "-o", data / "out")
    assert "the heat maps hold NaN or infinity" in " ".join(run("annotate-iou", *table, code=None).output.split())


def test_own_exports_that_say_nonsense_are_named_and_stop_no_other(data: Path) -> None:
    right = {"image_id": "b.png", "height": 9, "width": 9, "scale": "", "provenance": {}}
    maps = [{"class": "Benign", "status": "ok"}]
    wrong = [
        right | {"maps": 3},
        right | {"maps": [7]},
        right | {"maps": [maps[0] | {"probability": "high"}]},
        right | {"maps": maps, "height": "9"},
        right | {"maps": maps, "image_id": ["b.png"]},
    ]
    for number, facts in enumerate(wrong):
        np.savez(data / "maps" / f"own{number}.npz", maps=np.eye(9)[None], facts=np.array(json.dumps(facts)))
    result = run("import-maps", data / "maps", "--images", data / "images", "-o", data / "out", code=1)
    assert " ".join(result.output.split()).count("what an export says of itself is damaged") == len(wrong)


@pytest.mark.parametrize("size", ["grid", "input", "original"])
def test_own_exports_come_back(
    data: Path, size: str, make_row: Callable[..., Prediction], make_table: Callable[..., None]
) -> None:
    random = np.random.default_rng(0)
    rows = [
        make_row(name, "Benign", (0.7, 0.3), path=f"images/{name}", size=Size(*shape), stamp=None,
                 grids=random.normal(size=(2, 5, 5)).astype(np.float32), grid_statuses=(MapStatus.OK,) * 2)
        for name, shape in SIZES.items()
    ]  # fmt: skip
    make_table(data / "own.parquet", CLASSES, rows)
    own = _scores(data, data / "own.parquet")
    _done("export", "--to", "npz", "--classes", "all", "--map-size", size, "--predictions", data / "own.parquet",
          "-o", data / "own")  # fmt: skip
    found = _scores(data, _import(data, data / "own" / "npz"))
    for before, after in zip(own, found, strict=True):
        del before["scored_from"], before["split"]  # a hash of other grids; files of maps tell no split
        for name, value in before.items():
            assert after[name] == (pytest.approx(value, abs=1e-6) if isinstance(value, float) else value), name


def test_own_exports_of_one_class_have_no_outcomes(
    data: Path, make_row: Callable[..., Prediction], make_table: Callable[..., None]
) -> None:
    """They hold the probability of that class alone: what was predicted is not known, and nothing is missed."""
    rows = [
        make_row(name, "Benign", (0.7, 0.3), path=f"images/{name}", size=Size(*shape), stamp=None,
                 grids=np.eye(5, dtype=np.float32)[None].repeat(2, 0))
        for name, shape in SIZES.items()
    ]  # fmt: skip
    make_table(data / "own.parquet", CLASSES, rows)
    _done("export", "--to", "npz", "--predictions", data / "own.parquet", "-o", data / "own")
    table = _import(data, data / "own" / "npz")
    assert [row["outcome"] for row in _scores(data, table)] == [None, None]
    summary = json.loads((data / "out" / "annotation_report.json").read_text())["summary"]
    assert (summary["overall"]["n"], summary["by_outcome"]) == (2, {})
    _done("report", "--predictions", table, "--annotations", data / "masks", "-o", data / "out")
    page = (data / "out" / "report.html").read_text()
    document = json.loads(page.partition('id="report-data">')[2].partition("</script>")[0])
    assert "Accuracy" not in {tile["label"] for tile in document["tiles"]}
    assert not any("classifier" in sentence for sentence in document["conclusion"])


@pytest.mark.parametrize("size", ["input", "original"])
def test_own_exports_that_somebody_changed_are_taken_as_they_are(
    data: Path, size: str, make_row: Callable[..., Prediction], make_table: Callable[..., None]
) -> None:
    """Maps of the radiograph's size come back to 1e-4; those of the input are enlarged twice, and differ there only."""
    random = np.random.default_rng(0)
    row = make_row("a.png", "Benign", (0.7, 0.3), path="images/a.png", size=Size(*SIZES["a.png"]), stamp=None,
                   grids=random.normal(size=(2, 5, 5)).astype(np.float32),
                   grid_statuses=(MapStatus.OK,) * 2)  # fmt: skip
    make_table(data / "own.parquet", CLASSES, [row])
    export = ("export", "--to", "npz", "--classes", "all", "--map-size", size, "--predictions", data / "own.parquet")
    _done(*export, "-o", data / "own")
    path = data / "own" / "npz" / "a.png.npz"
    with np.load(path) as archive:
        arrays = dict(archive)
    np.savez(path, **{name: values for name, values in arrays.items() if name != "grids"})
    space = ("--space", "input") if size == "input" else ()
    own, found = (_scores(data, table, *space) for table in (data / "own.parquet", _import(data, path.parent)))
    for name, value in own[0].items():
        if isinstance(value, float) and not name.startswith(("ceiling", "best_threshold")):
            assert found[0][name] == pytest.approx(value, abs=1e-4), name
    np.savez(path, **(arrays | {"maps": arrays["maps"][:, ::-1]}))  # upside down, with the grids of before
    assert _scores(data, _import(data, path.parent), *space)[0]["iou"] != pytest.approx(own[0]["iou"], abs=1e-3)


@pytest.mark.parametrize("kind", ["pages", "nifti", "nifti.gz"])
def test_volumes_give_the_same_regions(data: Path, kind: str) -> None:
    """TIFF with a page per class, in the order of ``--class-names``, and NIfTI, whose first axis runs to the right."""
    expected = {
        (row["image_id"], row["target_class"]): row["iou"] for row in _scores(data, _import(data, data / "maps"))
    }
    maps, further = data / kind, list[object]()
    maps.mkdir()
    for name in SIZES:
        heats = [np.load(data / "maps" / f"{name[0]}_{c}.npy") for c in CLASSES]
        if kind == "pages":
            first, *others = (Image.fromarray(heat) for heat in heats)
            first.save(maps / f"{name[0]}.tif", save_all=True, append_images=others)
            further = ["--class-names", ",".join(CLASSES)]
            continue
        for heat, class_name in zip(heats, CLASSES, strict=True):
            content = nifti_of(heat)
            path = maps / f"{name[0]}_{class_name}.{kind.replace('nifti', 'nii')}"
            path.write_bytes(gzip.compress(content) if kind.endswith("gz") else content)
    found = {(row["image_id"], row["target_class"]): row["iou"] for row in _scores(data, _import(data, maps, *further))}
    assert found == pytest.approx(expected, abs=1e-6)


def test_a_page_shows_maps_without_probabilities(data: Path) -> None:
    table = _import(data, data / "maps")
    _done("report", "--predictions", table, "--annotations", data / "masks", "-o", table.parent)
    page = (table.parent / "report.html").read_text()
    start = page.index('id="report-data"')
    document = json.loads(page[page.index(">", start) + 1 : page.index("</script>", start)])
    assert [row["thumbnail"] is not None and row["predicted"] is None for row in document["rows"]] == [True, True]


def test_more_images_of_different_sizes_than_are_looked_at_for_faults(data: Path) -> None:
    for number in range(12):
        size = (40 + number, 30)
        Image.fromarray(np.full(size, 90, np.uint8)).save(data / "images" / f"x{number}.png")
        np.savez(data / "maps" / f"x{number}.npz", Benign=_blob(size, 9), Malignant=_blob(size, 30))
    lines = [f"{path.name},{c},0.5" for path in (data / "images").iterdir() for c in CLASSES]
    (data / "scores.csv").write_text("\n".join(["image_id,class,probability", *lines]))
    table = _import(data, data / "maps", "--scores", data / "scores.csv")
    _done("report", "--predictions", table, "-o", data / "out")


def test_from_python(data: Path) -> None:
    result = btxrd_explain.import_maps(data / "maps", images=data / "images", predictions=data / "maps.parquet")
    assert (result.images, result.maps, result.failed) == (2, 4, 0)


def test_chexlocalize_is_reproduced_from_the_command_line(real_data: Path, tmp_path: Path) -> None:
    """One call with a mask per class gives every defined column: of seven of the ten maps nothing is annotated."""
    folder = real_data / "chexlocalize"
    with (folder / "reference_iou.csv").open(newline="") as file:
        reference = {row["task"]: row for row in csv.DictReader(file)}
    masks, shipped = folder / "gt_segmentations_val.json", folder / "gradcam_segmentations_val_sample.json"
    image = next(iter(reference.values()))["cxr"]
    height, width = json.loads(masks.read_text())[image]["Cardiomegaly"]["size"]
    (tmp_path / "images").mkdir()
    Image.new("L", (width, height), 90).save(tmp_path / "images" / f"{image}.png")
    lines = [(image, name, row["prob"]) for name, row in reference.items()]
    with (tmp_path / "scores.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image_id", "class", "probability"), *lines])
    _done("import-maps", folder / "maps_npy", "--scores", tmp_path / "scores.csv", "--images", tmp_path / "images",
          "-o", tmp_path)  # fmt: skip
    _done("annotate-iou", "--predictions", tmp_path / "predictions.parquet", "-o", tmp_path, "--annotations", masks,
          "--comparator", f"shipped={shipped}", "--set", "annotation.operator=>", "--no-baselines", "--panels", 1,
          "--label-map", ",".join(f"{name}={name}" for name in reference))  # fmt: skip
    rows = {row["target_class"]: row for row in pq.read_table(tmp_path / "annotation_metrics.parquet").to_pylist()}
    assert rows.keys() == reference.keys()
    for name, row in reference.items():
        one, tuned = rows[name], round(100 * float(row["tuned_threshold"]))
        assert (one["image_id"], one["target_class"]) == (f"{row['cxr']}.png", row["task"])
        union = float(row["shipped_pred_pixels"])  # of two nearly equal regions
        found = {
            "gt_positive": float(one["excluded"] is None),
            "gt_pixels": one["lesion_share"] * height * width,
            "shipped_pred_pixels": one["comparator_shipped_region_share"] * height * width,
            "iou_shipped_pred_vs_gt": one["comparator_shipped_iou"],
            "iou_fixed_0p5": one["iou"],
            "tuned_threshold": CURVE_THRESHOLDS[tuned],
            "iou_tuned": one["iou_curve"] and one["iou_curve"][tuned],
            "otsu_threshold": one["otsu_threshold"],
            "iou_otsu_pixelwise": one["iou_otsu"],
            "agree_tuned_vs_shipped": one["comparator_shipped_agreement_curve"][tuned],
            "argmax_row": one["hottest_row"],
            "argmax_col": one["hottest_column"],
            "pointing_hit": one["pointing_hit"],
            "prob": one["target_probability"],
            "energy_in_gt": one["energy_in_mask"],
        }
        assert {*found, "cxr", "task", "agree_otsu_vs_shipped"} == {*row}
        expected = {of: None if row[of] in {"", "nan"} else pytest.approx(float(row[of]), abs=1e-6) for of in found}
        assert found == expected, name
        # float32 puts two pixels of ten million at most on the other side of Otsu's threshold than PyTorch's float32
        agreed = pytest.approx(float(row["agree_otsu_vs_shipped"]), abs=2.1 / union)
        assert one["comparator_shipped_agreement_otsu"] == agreed, name
