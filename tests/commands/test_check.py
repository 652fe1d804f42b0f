"""`check` finds the fault that is planted, and nothing else."""

from __future__ import annotations

import base64
import csv
import io
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from PIL import Image

from btxrd_explain.commands.check import published
from btxrd_explain.commands.check.published import PUBLISHED
from btxrd_explain.commands.check.survey import Entry
from btxrd_explain.commands.check.tables import BENIGN, MALIGNANT, Knowledge
from btxrd_explain.core.class_names import BY_NAME
from btxrd_explain.finding import KINDS
from btxrd_explain.inputs.btxrd import read_metadata
from btxrd_explain.system.files import sha256_of
from tests.support.command_line import run
from tests.support.small_dataset import write_small_dataset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SCHEMA = Path(__file__).parents[2] / "docs" / "reference" / "check_report.schema.json"


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifteen synthetic radiographs in the layout of BTXRD, tumours first; its table as CSV alone."""
    root = tmp_path_factory.mktemp("template") / "BTXRD"
    write_small_dataset(root, seed=0, per_class={"train": 3, "test": 2})
    (root / "dataset.xlsx").unlink()
    return root


@dataclass(frozen=True)
class Root:
    """A copy of the template to plant faults in."""

    path: Path

    @property
    def images(self) -> list[Path]:
        return sorted((self.path / "images").iterdir())

    def annotation(self, number: int) -> Path:
        return self.path / "Annotations" / f"{self.images[number].stem}.json"

    def read(self, number: int) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.annotation(number).read_text())
        return document

    def annotate(self, number: int, **changes: object) -> None:
        self.annotation(number).write_text(json.dumps(self.read(number) | changes))

    def rows(self, name: str) -> list[dict[str, str]]:
        with (self.path / name).open(newline="") as file:
            return list(csv.DictReader(file))

    def write(self, name: str, rows: list[dict[str, str]]) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        (self.path / name).write_text(text.getvalue())

    def change(self, name: str, number: int, **cells: str) -> None:
        """Change cells of the row of an image."""
        rows = self.rows(name)
        next(row for row in rows if row["image_id"] == self.images[number].name).update(cells)
        self.write(name, rows)

    def split_alike(self, *numbers: int) -> None:
        """Put images into one split, with the class and the annotation of the first."""
        first = next(row for row in self.rows("split.csv") if row["image_id"] == self.images[numbers[0]].name)
        for number in numbers[1:]:
            self.change("split.csv", number, split=first["split"], label=first["label"])

    def check(self, *arguments: object) -> Any:  # noqa: ANN401 -- typer's result
        results = self.path.parent / "results"
        return run("check", self.path, "--split-csv", self.path / "split.csv", "-o", results, *arguments, code=None)


@pytest.fixture
def root(template: Path, tmp_path: Path) -> Root:
    return Root(Path(shutil.copytree(template, tmp_path / "BTXRD")))


def _kinds(findings: Iterable[dict[str, Any]]) -> list[str]:
    return sorted(finding["code"] for finding in findings)


def _pixels(path: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    with Image.open(path) as image:
        return np.asarray(image.convert("L"))


def _save(pixels: object, path: Path, **how: object) -> None:
    Image.fromarray(np.ascontiguousarray(pixels)).save(path, "JPEG", **({"quality": 95} | how))


# the last six images are normal: without annotation, so that only the image file changes
NORMAL = 12


def test_a_clean_root_has_no_finding(root: Root) -> None:
    result = root.check()
    assert result.exit_code == 0, result.output
    assert "0 errors, 0 warnings, 0 notes" in result.stdout
    report = json.loads((root.path.parent / "results" / "check_report.json").read_text())
    assert report["num_images"] == 15
    assert report["num_annotations"] == 10
    assert report["num_findings"] == {"error": 0, "warning": 0, "note": 0}
    assert report["splits"] == {
        "test": {"Benign": 2, "Malignant": 2, "Normal": 2},
        "train": {"Benign": 3, "Malignant": 3, "Normal": 3},
    }
    assert report["sources"]["lesions_drawn_twice"] is True
    assert report["published"]["compared"] is False


def _unreadable(root: Root) -> None:
    root.images[NORMAL].write_bytes(root.images[NORMAL].read_bytes()[:900])


def _empty(root: Root) -> None:
    root.images[0].write_bytes(b"")


def _blank(root: Root) -> None:
    _save(np.full((90, 70), 17, np.uint8), root.images[NORMAL])


def _animated(root: Root) -> None:
    pixels = _pixels(root.images[NORMAL])
    frames = [Image.fromarray(pixels), Image.fromarray(255 - pixels)]
    target = root.images[NORMAL].with_suffix(".webp")
    root.images[NORMAL].unlink()
    frames[0].save(target, save_all=True, append_images=frames[1:], lossless=True)


def _turned(root: Root) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    _save(_pixels(root.images[NORMAL]), root.images[NORMAL], exif=exif)


def _turned_after_annotation(root: Root) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    _save(_pixels(root.images[0]), root.images[0], exif=exif)


def _cmyk(root: Root) -> None:
    with Image.open(root.images[NORMAL]) as image:
        image.convert("CMYK").save(root.images[NORMAL], "JPEG")


def _deep(root: Root) -> None:
    pixels = _pixels(root.images[NORMAL]).astype(np.uint16) * 200
    Image.fromarray(pixels).save(root.images[NORMAL].with_suffix(".png"))
    root.images[NORMAL].unlink()


def _renamed(root: Root) -> None:
    Image.fromarray(_pixels(root.images[NORMAL])).save(root.images[NORMAL], "PNG")


def _no_annotation(root: Root) -> None:
    root.annotation(0).unlink()


def _orphan(root: Root) -> None:
    shutil.copy(root.annotation(0), root.path / "Annotations" / "IMG009999.json")


def _annotated_normal(root: Root) -> None:
    height, width = _pixels(root.images[NORMAL]).shape
    document = root.read(0) | {"imagePath": root.images[NORMAL].name, "imageHeight": height, "imageWidth": width}
    corners = [[10, 10], [40, 10], [40, 60], [10, 60]]
    shape: dict[str, Any] = {"label": "odd", "group_id": None, "flags": {}}
    document["shapes"] = [
        shape | {"shape_type": "rectangle", "points": [corners[0], corners[2]]},
        shape | {"shape_type": "polygon", "points": corners},
    ]
    root.annotation(NORMAL).write_text(json.dumps(document))


def _no_shapes(root: Root) -> None:
    root.annotate(0, shapes=[])


def _broken_annotation(root: Root) -> None:
    root.annotation(0).write_text('{"shapes": [{"label": 3}]}')


def _other_size(root: Root) -> None:
    pixels = _pixels(root.images[0])
    _save(pixels[:-7], root.images[0])


def _other_image(root: Root) -> None:
    root.annotate(0, imagePath="..\\images\\IMG000077.jpeg")


def _embedded(root: Root, number: int) -> None:
    """The annotation of the first image embeds one, and names none of the data set."""
    data = base64.b64encode(root.images[number].read_bytes()).decode()
    root.annotate(0, imageData=data, imagePath="IMG000077.jpeg")


def _embeds_itself(root: Root) -> None:
    _embedded(root, 0)


def _embeds_another(root: Root) -> None:
    _embedded(root, NORMAL)


def _without_polygon(root: Root) -> None:
    root.annotate(0, shapes=[shape for shape in root.read(0)["shapes"] if shape["shape_type"] == "rectangle"])


def _without_rectangle(root: Root) -> None:
    root.annotate(0, shapes=[shape for shape in root.read(0)["shapes"] if shape["shape_type"] == "polygon"])


def _wide_rectangle(root: Root) -> None:
    """A quarter higher and wider than it was, and by at least 14 pixels."""
    shapes = root.read(0)["shapes"]
    for shape in shapes:
        if shape["shape_type"] == "rectangle":
            (left, top), (right, bottom) = shape["points"]
            shape["points"] = [[left, top], [right + max(14, (right - left) / 4), bottom]]
    root.annotate(0, shapes=shapes)


def _moved(root: Root, beyond: float) -> None:
    """Move the first lesion to the right, until its polygon's left edge is that far from the image's right edge."""
    document = root.read(0)
    rectangle, polygon = (
        next(shape for shape in document["shapes"] if shape["shape_type"] == kind) for kind in ("rectangle", "polygon")
    )
    left = min(x for x, _ in polygon["points"])
    for shape in (rectangle, polygon):
        shape["points"] = [[x - left + document["imageWidth"] + beyond, y] for x, y in shape["points"]]
    root.annotate(0, shapes=[rectangle, polygon])


def _partly_outside(root: Root) -> None:
    _moved(root, -3)


def _outside(root: Root) -> None:
    _moved(root, 30)


def _slip(root: Root) -> None:
    """A polygon of a pixel, with a rectangle of its own."""
    shapes = root.read(0)["shapes"]
    corners = [[20.0, 20.0], [21.0, 20.0], [21.0, 21.0]]
    shapes.append(shapes[0] | {"shape_type": "rectangle", "points": [corners[0], corners[2]]})
    shapes.append(shapes[0] | {"shape_type": "polygon", "points": corners})
    root.annotate(0, shapes=shapes)


def _other_tumour(root: Root) -> None:
    shapes = root.read(0)["shapes"]
    other = "osteosarcoma" if shapes[0]["label"] != "osteosarcoma" else "osteofibroma"
    root.annotate(0, shapes=[shape | {"label": other} for shape in shapes])


def _tumour_not_known(root: Root) -> None:
    """A table that does not say which tumour it is does not deny the annotation's."""
    root.change("dataset.csv", 0, **{root.read(0)["shapes"][0]["label"]: ""})


def _same_stem(root: Root) -> None:
    """The annotation of the first image is now also that of another, whose stem is the same."""
    twin = root.images[0].with_suffix(".png")
    pixels = np.random.default_rng(0).integers(0, 255, _pixels(root.images[0]).shape, dtype=np.uint8)
    Image.fromarray(pixels).save(twin)
    for name in ("split.csv", "dataset.csv"):
        rows = root.rows(name)
        first = next(row for row in rows if row["image_id"] == root.images[0].name)
        root.write(name, [*rows, first | {"image_id": twin.name}])


def _without_table_row(root: Root) -> None:
    root.write("dataset.csv", root.rows("dataset.csv")[1:])


def _table_names_more(root: Root) -> None:
    rows = root.rows("dataset.csv")
    root.write("dataset.csv", [*rows, rows[-1] | {"image_id": "IMG000900.jpeg"}])


def _split_names_more(root: Root) -> None:
    rows = root.rows("split.csv")
    root.write("split.csv", [*rows, rows[-1] | {"image_id": "IMG000900.jpeg"}])


def _not_in_split(root: Root) -> None:
    root.write("split.csv", root.rows("split.csv")[1:])


def _split_repeats(root: Root) -> None:
    rows = root.rows("split.csv")
    root.write("split.csv", [*rows, rows[0]])


def _split_contradicts(root: Root) -> None:
    rows = root.rows("split.csv")
    root.write("split.csv", [*rows, rows[0] | {"split": "val"}])


def _split_without_id(root: Root) -> None:
    rows = root.rows("split.csv")
    root.write("split.csv", [*rows, rows[0] | {"image_id": ""}])


def _split_without_label(root: Root) -> None:
    root.change("split.csv", NORMAL, label="")


def _label_disagrees(root: Root) -> None:
    row = root.rows("split.csv")[0]
    other = {"Benign": "Malignant", "Malignant": "Benign"}[row["label"]]
    root.change("split.csv", 0, label=other)


def _table_repeats(root: Root) -> None:
    rows = root.rows("dataset.csv")
    root.write("dataset.csv", [*rows, rows[0]])


def _table_contradicts(root: Root) -> None:
    rows = root.rows("dataset.csv")
    root.write("dataset.csv", [*rows, rows[0] | {"age": "101"}])


def _contradictory(root: Root) -> None:
    root.change("dataset.csv", NORMAL, tumor="1")


def _no_table(root: Root) -> None:
    (root.path / "dataset.csv").write_bytes(b"\xff\xfe\x00")


def _suffix_in_table(root: Root) -> None:
    name = root.images[NORMAL].name
    root.change("dataset.csv", NORMAL, image_id=name.replace(".jpeg", ".jpg"))


def _nested_copy(root: Root) -> None:
    shutil.copytree(root.path / "Annotations", root.path / "copy")
    (root.path / "copy").rename(root.path / "Annotations" / "Annotations")


def _same_file(root: Root) -> None:
    shutil.copy(root.images[NORMAL], root.images[NORMAL + 1])
    root.split_alike(NORMAL, NORMAL + 1)


def _same_file_in_two_splits(root: Root) -> None:
    _same_file(root)
    root.change("split.csv", NORMAL, split="train")
    root.change("split.csv", NORMAL + 1, split="test")


def _same_pixels(root: Root) -> None:
    _same_file(root)
    (root.images[NORMAL + 1]).write_bytes(root.images[NORMAL].read_bytes() + b"\0")


def _same_pixels_in_two_splits(root: Root) -> None:
    _same_pixels(root)
    root.change("split.csv", NORMAL, split="train")
    root.change("split.csv", NORMAL + 1, split="test")


def _saved_again(root: Root) -> None:
    _save(_pixels(root.images[NORMAL])[::2, ::2], root.images[NORMAL + 1], quality=60)
    root.split_alike(NORMAL, NORMAL + 1)


def _mirrored_in_two_splits(root: Root) -> None:
    _save(_pixels(root.images[NORMAL])[:, ::-1], root.images[NORMAL + 1])
    root.change("split.csv", NORMAL, split="train")
    root.change("split.csv", NORMAL + 1, split="test")


def _copies_disagree(root: Root) -> None:
    """Two normal images are one file; the tables call one of them benign."""
    _same_file(root)
    root.change("split.csv", NORMAL, label="Benign")
    root.change("dataset.csv", NORMAL, tumor="1", benign="1", osteofibroma="1")


def _one_patient(root: Root) -> None:
    """Patients of one image each, but for one of two."""
    rows = root.rows("split.csv")
    patients = {row["image_id"]: f"P{number}" for number, row in enumerate(rows)}
    train, test = (next(row["image_id"] for row in rows if row["split"] == split) for split in ("train", "test"))
    patients[train] = patients[test] = "P99"
    root.write("split.csv", [row | {"Patient_ID": patients[row["image_id"]]} for row in rows])


def _split_in_other_words(root: Root) -> None:
    """As a spreadsheet may save it, with two columns under usual names."""
    lines = [f"{row['image_id']};{row['split']};{row['label']}" for row in root.rows("split.csv")]
    text = "\r\n".join(["sep=;", "Filename;SPLIT;Diagnosis", *lines])
    (root.path / "split.csv").write_bytes(text.encode("utf-16"))


def _archive_among_images(root: Root) -> None:
    (root.path / "images" / "more.zip").touch()


@pytest.mark.parametrize(
    ("plant", "kinds"),
    [
        (_split_in_other_words, ["taken-for", "taken-for"]),
        (_archive_among_images, ["passed-over"]),
        (_unreadable, ["unreadable-image"]),
        (_empty, ["unreadable-image"]),
        (_blank, ["blank-image"]),
        (_animated, ["other-suffix", "row-without-image", "several-frames", "image-without-split"]),
        (_turned, ["exif-rotation"]),
        (_turned_after_annotation, ["annotation-size", "exif-rotation"]),
        (_cmyk, ["unusual-mode"]),
        (_deep, ["deep-grey", "image-without-split", "other-suffix", "row-without-image"]),
        (_renamed, ["suffix"]),
        (_no_annotation, ["missing-annotation"]),
        (_orphan, ["orphan-annotation"]),
        (_annotated_normal, ["annotated-normal"]),
        (_no_shapes, ["empty-annotation"]),
        (_broken_annotation, ["unreadable-annotation"]),
        (_other_size, ["annotation-size"]),
        (_other_image, ["annotation-of-another-name"]),
        (_embeds_itself, []),
        (_embeds_another, ["annotation-of-another-image"]),
        (_without_polygon, ["rectangle-alone"]),
        (_without_rectangle, ["polygon-alone"]),
        (_wide_rectangle, ["rectangle-differs"]),
        (_partly_outside, ["points-outside", "points-outside"]),
        (_outside, ["shape-outside", "shape-outside"]),
        (_slip, ["tiny-shape", "tiny-shape"]),
        (_other_tumour, ["other-tumour"]),
        (_tumour_not_known, []),
        (_same_stem, ["shared-annotation"]),
        (_without_table_row, ["image-without-row"]),
        (_table_names_more, ["row-without-image"]),
        (_split_names_more, ["row-without-image"]),
        (_not_in_split, ["image-without-split"]),
        (_split_repeats, ["repeated-row"]),
        (_split_contradicts, ["conflicting-rows"]),
        (_split_without_id, ["row-without-id"]),
        (_split_without_label, ["incomplete-row"]),
        (_label_disagrees, ["label-disagrees"]),
        (_table_repeats, ["repeated-row"]),
        (_table_contradicts, ["conflicting-rows"]),
        (_contradictory, ["contradictory-row"]),
        (_no_table, ["unreadable-table"]),
        (_suffix_in_table, ["other-suffix"]),
        (_nested_copy, ["passed-over"]),
        (_same_file, ["same-file"]),
        (_same_file_in_two_splits, ["leak-file"]),
        (_same_pixels, ["same-pixels"]),
        (_same_pixels_in_two_splits, ["leak-pixels"]),
        (_saved_again, ["near-duplicate"]),
        (_mirrored_in_two_splits, ["leak-near"]),
        (_copies_disagree, ["copies-disagree", "missing-annotation", "same-file"]),
        (_one_patient, ["leak-patient"]),
    ],
)
def test_a_planted_fault_is_found_and_nothing_else(root: Root, plant: Callable[[Root], None], kinds: list[str]) -> None:
    plant(root)
    result = root.check("--json")
    findings = json.loads(result.stdout)["findings"]
    assert _kinds(findings) == sorted(kinds), findings
    assert result.exit_code == int(any(KINDS[kind].severity != "note" for kind in kinds))


def _check(*arguments: object) -> dict[str, Any]:
    result = run("check", "--json", *arguments, code=None)
    assert result.exit_code in {0, 1}, result.output
    report: dict[str, Any] = json.loads(result.stdout)
    return report


def test_every_finding_says_what_where_and_what_to_do(root: Root) -> None:
    _mirrored_in_two_splits(root)
    report = _check(root.path, "--split-csv", root.path / "split.csv", "-o", root.path / "out")
    (finding,) = report["findings"]
    first, second = (path.name for path in root.images[NORMAL : NORMAL + 2])
    assert finding["severity"] == "warning"
    assert finding["images"] == [first, second]
    assert finding["message"].startswith(f"'{first}' (train) and '{second}' (test) are alike (mirrored, correlation ")
    assert finding["advice"] == KINDS["leak-near"].advice
    assert finding["details"]["splits"] == {first: "train", second: "test"}
    (pair,) = finding["details"]["pairs"]
    assert (pair["first"], pair["second"], pair["turn"], pair["inverted"]) == (first, second, "mirrored", False)
    assert pair["correlation"] >= report["near_duplicates"]["min_correlation"]
    assert report["kinds"]["leak-near"]["count"] == 1
    assert json.loads((root.path / "out" / "check_report.json").read_text()) == report


def test_the_same_data_give_the_same_bytes(root: Root) -> None:
    _mirrored_in_two_splits(root)
    _no_annotation(root)
    written = []
    for name in ("one", "two"):
        _check(root.path, "--split-csv", root.path / "split.csv", "-o", root.path.parent / name)
        written.append((root.path.parent / name / "check_report.json").read_bytes())
    assert written[0] == written[1]


@pytest.mark.parametrize(
    ("plant", "fail_on", "code"),
    [
        (_cmyk, "warning", 0),
        (_cmyk, "note", 1),
        (_blank, "error", 0),
        (_blank, "note", 1),
        (_empty, "error", 1),
        (_empty, "never", 0),
    ],
)
def test_the_exit_code_is_that_of_what_is_minded(
    root: Root, plant: Callable[[Root], None], fail_on: str, code: int
) -> None:
    plant(root)
    assert root.check("--fail-on", fail_on).exit_code == code


def test_a_root_without_labels_is_said_to_have_none_and_what_may_hold_them(root: Root) -> None:
    command = ["check", root.path, "-o", root.path.parent / "results"]
    with_labels = run(*command, code=None)
    assert "no label is known" not in with_labels.stderr
    (root.path / "dataset.csv").rename(root.path / "dataset_head.csv")
    result = run(*command)
    (said,) = (line for line in result.stderr.splitlines() if "no label is known" in line)
    assert f"'{root.path / 'dataset_head.csv'}' and '{root.path / 'split.csv'}'" in said
    assert "--split-csv" in said
    assert "dataset.xlsx or dataset.csv" in said


def test_a_plain_folder_with_a_split_csv(root: Root, tmp_path: Path) -> None:
    """No table, no annotations, another name of each place."""
    scans = tmp_path / "scans"
    shutil.copytree(root.path / "images", scans)
    shutil.copy(root.path / "split.csv", tmp_path / "parts.csv")
    named = _check(scans, "--split-csv", tmp_path / "parts.csv", "-o", tmp_path / "out")
    assert _kinds(named["findings"]) == ["no-annotations"]
    assert named["num_images"] == 15
    assert named["sources"]["table"] is None
    by_table = _check(tmp_path / "parts.csv", "--images", scans, "-o", tmp_path / "out")
    assert by_table["findings"] == named["findings"]


def test_annotations_beside_a_plain_folder_may_be_polygons_alone(root: Root, tmp_path: Path) -> None:
    """Where a data set does not draw twice, no rectangle is missed, and other JSON files are nobody's annotation."""
    scans = tmp_path / "scans"
    shutil.copytree(root.path / "images", scans)
    for number in range(10):
        _without_rectangle(root)
        document = root.read(number)
        document["shapes"] = [shape for shape in document["shapes"] if shape["shape_type"] == "polygon"]
        (scans / root.annotation(number).name).write_text(json.dumps(document))
    (scans / "settings.json").write_text("{}")
    report = _check(scans, "-o", tmp_path / "out")
    assert report["findings"] == []
    assert report["num_annotations"] == 10
    assert report["sources"]["lesions_drawn_twice"] is False


def test_single_images_have_no_orphans_beside_them(root: Root, tmp_path: Path) -> None:
    """Annotations and rows of the other images are none of their business."""
    named = [str(path) for path in root.images[:3]]
    assert _check(*named, "-o", tmp_path / "out")["findings"] == []
    piped = run("check", "-", "--json", "-o", tmp_path / "out", stdin="\n".join(named), code=None)
    report = json.loads(piped.stdout)
    assert report["findings"] == []
    assert report["num_images"] == report["num_annotations"] == 3


def test_masks_and_coco_files_are_audited_too(root: Root, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    for number in range(10):
        pixels = _pixels(root.images[number])
        mask = np.zeros(pixels.shape, np.uint8)
        mask[20:40, 10:30] = 255
        Image.fromarray(mask if number else mask[:-1]).save(masks / f"{root.images[number].stem}.png")
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(masks / "IMG000500.png")
    report = _check(root.path, "--annotations", masks, "-o", tmp_path / "out")
    assert _kinds(report["findings"]) == ["annotation-size", "orphan-annotation"]
    entries = [{"id": number, "file_name": path.name} for number, path in enumerate(root.images[:10])]
    entries.append({"id": 99, "file_name": "IMG000500.jpeg"})
    boxes = [{"image_id": number, "category_id": 1, "bbox": [5, 5, 16, 26]} for number in range(10)]
    categories = [{"id": 1, "name": "tumour"}]
    document = {"images": entries, "annotations": boxes, "categories": categories}
    (tmp_path / "coco.json").write_text(json.dumps(document))
    report = _check(root.path, "--annotations", tmp_path / "coco.json", "-o", tmp_path / "out")
    assert _kinds(report["findings"]) == ["orphan-annotation"]
    assert "IMG000500.jpeg" in report["findings"][0]["message"]


def test_patients_of_a_further_table(root: Root, tmp_path: Path) -> None:
    lines = [
        f"{path.name},{'same' if number in (NORMAL, NORMAL + 1) else number}" for number, path in enumerate(root.images)
    ]
    (tmp_path / "patients.csv").write_text("\n".join(["image_id,Person", *lines]))
    root.change("split.csv", NORMAL, split="train")
    root.change("split.csv", NORMAL + 1, split="test")
    arguments = ("--split-csv", root.path / "split.csv", "--group-column", "person", "-o", tmp_path / "out")
    report = _check(root.path, "--metadata", tmp_path / "patients.csv", *arguments)
    (finding,) = report["findings"]
    assert finding["code"] == "leak-patient"
    assert finding["images"] == [path.name for path in root.images[NORMAL : NORMAL + 2]]
    assert "same" not in finding["message"]  # it may name a patient
    result = run("check", root.path, *arguments, code=4)
    assert "no table has a column 'person'" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no radiographs are named: name images, a folder, a split CSV or a BTXRD root"),
        (["nowhere"], "there is no 'nowhere' (no such file or directory): check the path"),
        (["nowhere.png"], "there is no 'nowhere.png' (no such file or directory): check the path"),
        (["--root", "nowhere"], "there is no 'nowhere' (no such file or directory): check the path"),
        (["--root", "."], "'.' is not a BTXRD root"),
        (["--images", "nowhere"], "there is no 'nowhere' (no such file or directory): check the path"),
        (["."], "no radiographs found"),
    ],
)
def test_without_a_data_set_the_error_says_so(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (["check"], ["infer", "-c", "demo"], ["sanity", "-c", "demo"]):
        result = run(*words, *arguments, code=4)
        assert message in " ".join(result.stderr.split())


@pytest.mark.parametrize("way", ["input", "root", "images", "csv", "csv-alone", "csv-images"])
def test_what_a_split_csv_leaves_out_is_audited_and_named(root: Root, tmp_path: Path, way: str) -> None:
    """Whichever way the images are named; other commands leave the same ones out."""
    _not_in_split(root)
    _split_names_more(root)
    lacking = ({path.name for path in root.images} - {row["image_id"] for row in root.rows("split.csv")}).pop()
    table, images = root.path / "split.csv", root.path / "images"
    arguments = {
        "input": (root.path, "--split-csv", table),
        "root": ("--root", root.path, "--split-csv", table),
        "images": ("--images", images, "--root", root.path, "--split-csv", table),
        "csv": (table, "--root", root.path),
        "csv-alone": ("--split-csv", table),
        "csv-images": (table, "--images", images),
    }[way]
    report = _check(*arguments, "-o", tmp_path / "out")
    assert _kinds(report["findings"]) == ["image-without-split", "row-without-image"]
    assert report["num_images"] == 15
    found = {finding["code"]: finding for finding in report["findings"]}
    assert found["image-without-split"]["images"] == [lacking]
    assert "'IMG000900.jpeg': no such file in '../BTXRD/images'" in found["row-without-image"]["message"]


def test_of_single_images_a_split_csv_may_name_others(root: Root, tmp_path: Path) -> None:
    named = [str(path) for path in root.images[:3]]
    report = _check(*named, "--split-csv", root.path / "split.csv", "-o", tmp_path / "out")
    assert report["findings"] == []
    assert sum(sum(classes.values()) for split, classes in report["splits"].items() if split) == 3


def test_an_audit_is_about_one_data_set(root: Root, template: Path) -> None:
    for arguments in ([root.path / "split.csv", template / "split.csv"], [root.path, template]):
        result = run("check", *arguments, code=4)
        assert "are named, and an audit is about one: audit them one by one" in " ".join(result.stderr.split())


def test_published_counts_are_compared_with_a_whole_data_set(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were BTXRD fifteen images, this root would be all of it, and nearly every count would differ."""
    monkeypatch.setattr(published, "IMAGES", 15)
    report = _check(root.path, "-o", root.path / "out")
    found = {line["what"]: line["found"] for line in report["published"]["counts"]}
    assert report["published"]["compared"]
    assert found.keys() == PUBLISHED.keys()
    assert (found["class Normal"], found["class Benign"], found["class Malignant"]) == (5, 5, 5)
    assert found["frontal"] + found["lateral"] + found["oblique"] == 15
    assert found["center 1"] + found["center 2"] + found["center 3"] == 15
    assert found["rectangles"] == found["polygons"] >= 10
    differing = {finding["details"]["what"] for finding in report["findings"]}
    assert {finding["code"] for finding in report["findings"]} == {"other-count"}
    assert {"images", "class Normal", "frontal", "osteosarcoma"} <= differing
    assert "tibia" not in differing  # of one source only


def test_the_published_counts_add_up() -> None:
    """Each image has one class, one centre, one limb, one view and one suffix; one tumour has two subtypes."""
    for names in (
        ("class Normal", "class Benign", "class Malignant"),
        ("center 1", "center 2", "center 3"),
        ("upper limb", "lower limb", "pelvis"),
        ("frontal", "lateral", "oblique"),
        ("images .jpeg", "images .jpg"),
    ):
        assert sum(PUBLISHED[name] for name in names) == PUBLISHED["images"] == 3746
    assert PUBLISHED["class Benign"] + PUBLISHED["class Malignant"] == PUBLISHED["annotations"]
    assert sum(PUBLISHED[name] for name in MALIGNANT) == PUBLISHED["class Malignant"]
    assert sum(PUBLISHED[name] for name in BENIGN) == PUBLISHED["class Benign"] + 1


def test_the_real_sample_is_sound(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "btxrd_sample"
    report = _check(folder, "--split-csv", folder / "split_test.csv", "-o", tmp_path)
    assert report["findings"] == []
    assert report["num_annotations"] == 10
    assert report["sources"]["lesions_drawn_twice"] is True


def test_a_real_lesion_with_a_box_alone(real_data: Path, tmp_path: Path) -> None:
    """IMG001636 has two rectangles and one polygon; its image is not at hand, one of its size stands in for it."""
    source = real_data / "btxrd_sample"
    shutil.copytree(source / "images", tmp_path / "BTXRD" / "images")
    shutil.copytree(source / "Annotations", tmp_path / "BTXRD" / "Annotations")
    document = source / "annotations_without_image" / "IMG001636.json"
    shutil.copy(document, tmp_path / "BTXRD" / "Annotations")
    (orphan,) = _check(tmp_path / "BTXRD", "-o", tmp_path / "out")["findings"]
    assert orphan["code"] == "orphan-annotation"
    size = json.loads(document.read_text())
    noise = np.random.default_rng(0).integers(0, 256, (size["imageHeight"], size["imageWidth"]), dtype=np.uint8)
    _save(noise, tmp_path / "BTXRD" / "images" / "IMG001636.jpeg")
    (finding,) = _check(tmp_path / "BTXRD", "-o", tmp_path / "out")["findings"]
    assert finding["code"] == "rectangle-alone"
    assert finding["message"] == "'IMG001636.jpeg': 1 of 2 rectangles without polygon"


def test_the_documented_schema_is_that_of_reports_with_findings_of_all_severities(root: Root) -> None:
    schema = json.loads(SCHEMA.read_text("utf-8"))
    for plant in (_empty, _mirrored_in_two_splits, _split_repeats, _partly_outside, _nested_copy):
        plant(root)
    report = _check(root.path, "--split-csv", root.path / "split.csv", "-o", root.path / "out")
    assert {finding["severity"] for finding in report["findings"]} == {"error", "warning", "note"}
    Draft202012Validator(schema).validate(report)
    changed = report | {"findings": [report["findings"][0] | {"code": "unheard-of"}]}
    assert not Draft202012Validator(schema).is_valid(changed)


def test_what_belongs_together_is_written_on_demand(root: Root) -> None:
    """A copy, a patient, and neighbours whose rows differ in the view alone; the others are alone."""
    _same_file(root)
    rows = root.rows("split.csv")
    patients = {image.name: f"P{number}" for number, image in enumerate(root.images)}
    patients[root.images[4].name] = patients[root.images[7].name] = "P99"
    root.write("split.csv", [row | {"patient": patients[row["image_id"]]} for row in rows])
    first = next(row for row in root.rows("dataset.csv") if row["image_id"] == root.images[0].name)
    views = {"frontal": "0", "lateral": "1"}
    root.change("dataset.csv", 1, **{name: cell for name, cell in first.items() if name != "image_id"} | views)
    root.split_alike(0, 1)
    groups = root.path.parent / "groups.csv"
    result = root.check("--groups", groups)
    assert "3 groups of radiographs that belong together" in result.stdout
    report = json.loads((root.path.parent / "results" / "check_report.json").read_text())
    assert report["sha256"] == {"groups.csv": sha256_of(groups)}
    with groups.open(newline="") as file:
        written = {row["image_id"]: (row["group"], row["reason"]) for row in csv.DictReader(file)}
    names = [image.name for image in root.images]
    alone = {name: (name, "") for name in names}
    neighbours = "neighbouring numbers, same row but for the view"
    assert written == alone | {
        names[0]: (names[0], neighbours),
        names[1]: (names[0], neighbours),
        names[4]: (names[4], "same patient"),
        names[7]: (names[4], "same patient"),
        names[NORMAL]: (names[NORMAL], "same file"),
        names[NORMAL + 1]: (names[NORMAL], "same file"),
    }
    assert read_metadata(groups).column("group", [names[1], names[7]]) == [names[0], names[4]]


@pytest.mark.parametrize(
    ("label", "class_names", "normal"),
    [
        ("Normal", None, True),
        ("Benign", None, False),
        ("Fracture=0", None, None),  # nothing is known of what else there is
        ("Fracture=0|Mass=0", None, None),
        ("Fracture=0|Mass=0", ("fracture", "Mass"), True),
        ("Fracture=0", ("Fracture", "Mass"), None),
        ("Fracture=0|Mass=1", ("Fracture", "Mass"), False),
        ("No Finding=1|Mass=0", None, True),
        ("No Finding=0|Mass=0", ("No Finding", "Mass", "Device"), None),
        (None, ("Fracture",), None),
    ],
)
def test_only_what_is_known_makes_a_radiograph_normal(
    label: str | None, class_names: tuple[str, ...] | None, *, normal: bool | None
) -> None:
    entry = Entry("1.png", Path("1.png"), None, Knowledge(split_label=label), BY_NAME, class_names)
    assert entry.is_normal is normal


def test_columns_that_are_not_classes_are_left_out_where_classes_are_named(root: Root) -> None:
    rows = [
        {"image_id": row["image_id"], "male": "1", "tumor": str(number % 2)}
        for number, row in enumerate(root.rows("split.csv"))
    ]
    root.write("split.csv", rows)
    (root.path / "dataset.csv").unlink()
    asked = "its columns male, tumor are classes, as far as their cells tell (--class-names says which are)"
    named = "its columns tumor are classes; empty is unknown"
    report = root.path.parent / "results" / "check_report.json"
    for flags, expected in (((), asked), (("--class-names", "tumor,other"), named)):
        root.check(*flags)
        assert any(expected in finding["message"] for finding in json.loads(report.read_text())["findings"])


def test_labels_may_mean_something_else(root: Root) -> None:
    masks = root.path.parent / "masks"
    masks.mkdir()
    tumour, normal = root.images[0], root.images[NORMAL]
    for image in (tumour, normal):
        with Image.open(image) as opened:
            mask = np.full(opened.size[::-1], 1, np.uint8)
        mask[40:60, 50:80] = 2 if image is tumour else 1
        Image.fromarray(mask).save(masks / f"{image.stem}.png")
    report = root.path.parent / "results" / "check_report.json"
    found = {}
    for flags in ((), ("--label-map", "1=ignore"), ("--label-map", "*=ignore")):
        root.check("--annotations", masks, *flags)
        findings = json.loads(report.read_text())["findings"]
        found[flags] = {(finding["code"], *finding["images"]) for finding in findings}
    whole, ignored, none = found.values()
    both = {("mask-whole", tumour.name), ("mask-whole", normal.name), ("annotated-normal", normal.name)}
    assert both <= whole
    assert not both & ignored
    assert ("empty-annotation", tumour.name) in none - ignored - whole


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "KNEE{}.json",
            "LabelMe files in '../named'; no annotation there has the name of a radiograph; the names near",
        ),
        (
            "{}.xyz",
            "none that is known in '../named', but 3 .xyz files; no annotation there has the name of a radiograph",
        ),
    ],
)
def test_annotations_that_are_no_radiographs_are_called_what_they_are(root: Root, name: str, told: str) -> None:
    named = root.path.parent / "named"
    named.mkdir()
    for number in range(3):
        shutil.copy(root.annotation(number), named / name.format(number))
    root.check("--annotations", named)
    report = json.loads((root.path.parent / "results" / "check_report.json").read_text())
    (finding,) = (each for each in report["findings"] if each["code"] == "no-annotations")
    assert finding["message"].startswith(f"annotations: {told}")
    assert finding["advice"] == "name them like the radiographs"


def test_inverted_masks_are_found_and_can_be_turned_round(root: Root) -> None:
    masks = root.path.parent / "masks"
    masks.mkdir()
    with Image.open(root.images[0]) as image:
        mask = np.full(image.size[::-1], 255, np.uint8)
    mask[40:60, 50:80] = 0
    Image.fromarray(mask).save(masks / f"{root.images[0].stem}.png")
    report = root.path.parent / "results" / "check_report.json"
    for flags, expected in (((), True), (("--mask-inverted",), False)):
        root.check("--annotations", masks, *flags)
        codes = {finding["code"] for finding in json.loads(report.read_text())["findings"]}
        assert ("mask-inverted" in codes) is expected
