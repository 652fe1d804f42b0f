from __future__ import annotations

import csv
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import openpyxl
import pytest
from PIL import Image

from btxrd_explain.errors import OutputError
from btxrd_explain.inputs.btxrd import btxrd_label
from btxrd_explain.synthetic import demo_checkpoint
from btxrd_explain.synthetic.dataset import (
    COLUMNS,
    COMMENT,
    PER_CLASS,
    SUBTYPES,
    SyntheticDataset,
    encode,
    write_dataset,
)
from btxrd_explain.synthetic.radiographs import Diagnosis

COUNTS = {"train": 2, "val": 1, "test": 5}
BENIGN_COLUMNS = {*SUBTYPES[:7]}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> SyntheticDataset:
    return write_dataset(tmp_path_factory.mktemp("data") / "btxrd", seed=11, per_class=COUNTS)


def content(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def read_annotations(dataset: SyntheticDataset) -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(path.read_bytes()) for path in sorted(dataset.annotations.iterdir())}


def area(points: list[list[float]]) -> float:
    x, y = np.array(points).T
    return abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))) / 2


def test_the_same_seed_gives_the_same_bytes(dataset: SyntheticDataset, tmp_path: Path) -> None:
    write_dataset(tmp_path / "again", seed=11, per_class=COUNTS)
    assert content(tmp_path / "again") == content(dataset.root)


def test_another_seed_gives_other_radiographs(dataset: SyntheticDataset, tmp_path: Path) -> None:
    other = write_dataset(tmp_path / "other", seed=12, per_class=COUNTS)
    ours, theirs = content(dataset.images), content(other.images)
    assert not {*ours.values()} & {*theirs.values()}


def test_writing_again_over_the_same_data_set_is_fine(tmp_path: Path) -> None:
    first = write_dataset(tmp_path, seed=1, per_class={"test": 1})
    before = content(tmp_path)
    assert write_dataset(tmp_path, seed=1, per_class={"test": 1}) == first
    assert content(tmp_path) == before


def test_the_layout_is_that_of_the_download(dataset: SyntheticDataset) -> None:
    assert {path.name for path in dataset.root.iterdir()} == {
        "Annotations", "README.txt", "dataset.csv", "dataset.xlsx", "images", "split.csv",
    }  # fmt: skip
    assert (dataset.images, dataset.annotations) == (dataset.root / "images", dataset.root / "Annotations")
    assert (dataset.table, dataset.split_csv) == (dataset.root / "dataset.csv", dataset.root / "split.csv")
    stems = sorted(path.stem for path in dataset.images.iterdir())
    assert stems == [f"IMG{number:06d}" for number in range(1, 25)]
    assert {path.suffix for path in dataset.images.iterdir()} <= {".jpeg", ".jpg"}
    assert sorted(path.name for path in dataset.annotations.iterdir()) == [f"{stem}.json" for stem in stems[:16]]


def test_tumours_come_first_and_classes_are_balanced_in_each_split(dataset: SyntheticDataset) -> None:
    split = rows(dataset.split_csv)
    assert [row["image_id"] for row in split] == sorted(path.name for path in dataset.images.iterdir())
    assert [row["label"] == "Normal" for row in split] == [False] * 16 + [True] * 8
    counted = Counter((row["split"], row["label"]) for row in split)
    assert counted == {(name, kind.value): count for name, count in COUNTS.items() for kind in Diagnosis}


def test_the_demo_tests_on_sixty_images() -> None:
    assert 3 * PER_CLASS["test"] == 60
    assert set(PER_CLASS) == {"train", "val", "test"}


def test_the_table_has_the_columns_of_the_download_and_agrees_with_split_and_annotations(
    dataset: SyntheticDataset,
) -> None:
    table = rows(dataset.table)
    assert tuple(table[0]) == COLUMNS
    assert len(COLUMNS) == 37
    drawn = read_annotations(dataset)
    for row, split in zip(table, rows(dataset.split_csv), strict=True):
        numbers = {column: int(row[column]) for column in COLUMNS if column not in ("image_id", "gender")}
        assert row["image_id"] == split["image_id"]
        assert btxrd_label(row) == split["label"]
        assert numbers["tumor"] == numbers["benign"] + numbers["malignant"] == (split["label"] != "Normal")
        named = {column for column in SUBTYPES if numbers[column]}
        labels = {shape["label"] for shape in drawn.get(row["image_id"].split(".")[0], {"shapes": []})["shapes"]}
        assert named == labels
        assert len(named) == numbers["tumor"]
        assert not named or (named <= BENIGN_COLUMNS) == bool(numbers["benign"])
        assert numbers["frontal"] + numbers["lateral"] + numbers["oblique"] == 1
        assert numbers["upper limb"] + numbers["lower limb"] + numbers["pelvis"] == 1
        assert sum(numbers[column] for column in ("hand", "ulna", "radius", "humerus", "tibia", "fibula", "femur")) >= 1
        assert numbers["center"] in (1, 2, 3)
        assert row["gender"] in ("M", "F")


def test_the_columns_are_those_of_the_real_table(real_data: Path) -> None:
    with (real_data / "btxrd_sample" / "dataset_head.csv").open(newline="") as file:
        assert tuple(next(csv.reader(file))) == COLUMNS


def test_the_spreadsheet_holds_the_same_table(dataset: SyntheticDataset) -> None:
    sheet = openpyxl.load_workbook(dataset.root / "dataset.xlsx").active
    assert sheet is not None
    cells = [[str(value) for value in row] for row in sheet.iter_rows(values_only=True)]
    with dataset.table.open(newline="") as file:
        assert cells == list(csv.reader(file))


def test_annotations_are_written_as_labelme_writes_them_on_windows(dataset: SyntheticDataset) -> None:
    for path in dataset.annotations.iterdir():
        raw = path.read_bytes()
        assert raw.count(b"\n") == raw.count(b"\r\n") > 20
        assert not raw.endswith(b"\n")
        document = json.loads(raw)
        assert list(document) == [
            "version", "flags", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth",
        ]  # fmt: skip
        assert document["version"] == "5.4.1"
        assert document["imageData"] is None
        with Image.open(dataset.images / document["imagePath"]) as image:
            assert image.size == (document["imageWidth"], document["imageHeight"])
        assert Path(document["imagePath"]).stem == path.stem


def test_each_lesion_is_drawn_as_a_rectangle_and_then_as_a_polygon_inside_it(dataset: SyntheticDataset) -> None:
    shares = []
    for document in read_annotations(dataset).values():
        shapes = document["shapes"]
        half = len(shapes) // 2
        assert [shape["shape_type"] for shape in shapes] == ["rectangle"] * half + ["polygon"] * half
        for box, polygon in zip(shapes[:half], shapes[half:], strict=True):
            (left, top), (right, bottom) = box["points"]
            x, y = np.array(polygon["points"]).T
            assert 0 <= left <= x.min()
            assert x.max() <= right <= document["imageWidth"]
            assert 0 <= top <= y.min()
            assert y.max() <= bottom <= document["imageHeight"]
            assert box["label"] == polygon["label"]
            shares.append(area(polygon["points"]) / ((right - left) * (bottom - top)))
    assert min(shares) > 0.3
    assert 0.5 < np.median(shares) < 0.8
    assert max(shares) < 0.9


def test_everything_says_that_it_is_synthetic(dataset: SyntheticDataset) -> None:
    assert "SYNTHETIC" in (dataset.root / "README.txt").read_text()
    for path in dataset.images.iterdir():
        with Image.open(path) as image:
            assert image.info["comment"] == COMMENT.encode()
    for document in read_annotations(dataset).values():
        assert {shape["description"] for shape in document["shapes"]} == {"synthetic"}
    assert COMMENT.startswith("SYNTHETIC")


def test_four_in_five_radiographs_are_grey_and_colour_adds_nothing() -> None:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (6, 5), dtype=np.uint8)
    pixels = cv2.resize(coarse, (40, 48), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    modes: Counter[str] = Counter()
    for _ in range(300):
        with Image.open(io.BytesIO(encode(pixels, rng))) as image:
            modes[image.mode] += 1
            decoded = np.asarray(image.convert("L")).astype(int)
        assert np.abs(decoded - pixels).mean() < 4
    assert set(modes) == {"L", "RGB"}
    assert 0.73 < modes["L"] / 300 < 0.87


@pytest.mark.parametrize("folder", ["images", "Annotations"])
def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path: Path, folder: str) -> None:
    mine = tmp_path / folder / "IMG000001.jpeg"
    mine.parent.mkdir()
    mine.write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"'IMG000001\.jpeg', which is not part of .*: name an empty folder"):
        write_dataset(tmp_path, seed=0, per_class={"test": 1})
    assert content(tmp_path) == {f"{folder}/IMG000001.jpeg": b"mine"}


def test_a_smaller_data_set_does_not_hide_in_a_larger_one(tmp_path: Path) -> None:
    write_dataset(tmp_path, seed=0, per_class={"test": 2})
    with pytest.raises(OutputError, match="not part of this synthetic data set"):
        write_dataset(tmp_path, seed=0, per_class={"test": 1})


def test_the_demo_checkpoint_lies_in_the_package() -> None:
    assert demo_checkpoint().parent.name == "synthetic"
    assert demo_checkpoint().suffix == ".safetensors"
