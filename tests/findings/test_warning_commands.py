"""Warnings as users meet them: on stderr, in the reports, and not at all where nothing is wrong."""

from __future__ import annotations

import base64
import csv
import io
import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from btxrd_explain.synthetic.dataset import write_dataset
from tests.support.command_line import run

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

pytestmark = pytest.mark.usefixtures("blank_figures")


def make(folder: Path, per_class: int) -> Path:
    """Make synthetic radiographs, and the table that the demo's classifier makes of them, without a warning."""
    write_dataset(folder / "BTXRD", seed=0, per_class={"test": per_class})
    assert not warned(run_in(folder, "infer", *data(folder)))
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three radiographs of each class with their table."""
    return make(tmp_path_factory.mktemp("made"), 3)


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of it, to be spoilt."""
    return shutil.copytree(made, tmp_path / "copy")


def data(folder: Path) -> list[object]:
    (split,) = (folder / "BTXRD").glob("*split*.csv")
    return ["--root", folder / "BTXRD", "--split-csv", split, "--checkpoint", "demo", "--device", "cpu"]


def run_in(folder: Path, command: str, *arguments: object) -> Result:
    return run(command, *arguments, "-o", folder / "out")


def warned(result: Result) -> list[str]:
    """Return the codes of the warnings on stderr, which may be wrapped."""
    text = " ".join(result.stderr.split())
    return [part.partition("]")[0] for part in text.split(" [")[1:]] if "warning:" in text else []


def codes(document: dict[str, Any]) -> list[str]:
    return [warning["code"] for warning in document["warnings"]]


def rewrite_split(folder: Path, **changes: dict[str, str]) -> None:
    """Replace values of columns in the split CSV."""
    (path,) = (folder / "BTXRD").glob("*split*.csv")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row.update({name: values.get(row[name], row[name]) for name, values in changes.items()})
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def change_annotation(folder: Path, number: int, **changes: object) -> str:
    """Change the annotation of an image; return the image's name."""
    path = sorted((folder / "BTXRD" / "Annotations").glob("*.json"))[number]
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes))
    (image,) = (folder / "BTXRD" / "images").glob(f"{path.stem}.*")
    return image.name


def evaluated(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(run_in(folder, "annotate-iou", *data(folder), "--json").stdout)
    return document


@pytest.mark.parametrize("count", [1, 2, 3])
def test_one_two_or_three_images_are_never_warned_of(folder: Path, count: int) -> None:
    """Malignant ones, of which the demo's classifier is least sure; one class is then all that there is."""
    (split,) = (folder / "BTXRD").glob("*split*.csv")
    header, *lines = split.read_text("utf-8").splitlines()
    kept = [line for line in lines if line.endswith("Malignant")][:count]
    split.write_text("\n".join([header, *kept]))
    (folder / "out" / "predictions.parquet").unlink()
    for command in ("infer", "annotate-iou", "performance", "gallery"):
        assert not warned(run_in(folder, command, *data(folder)))
    for name in ("annotation_report.json", "performance.json", "gallery.json"):
        assert json.loads((folder / "out" / name).read_text("utf-8"))["warnings"] == []


def test_exchanged_labels_are_told_everywhere(tmp_path: Path) -> None:
    """Of enough radiographs to tell, which as they are give no warning."""
    folder = make(tmp_path, 12)
    rewrite_split(folder, label={"Benign": "Malignant", "Malignant": "Benign"})
    result = run_in(folder, "infer", *data(folder), "--quiet")
    assert warned(result) == ["label-disagrees", "classes-exchanged"]
    assert "would be right if 'Benign' means 'Malignant', 'Malignant' means 'Benign'" in " ".join(result.stderr.split())
    assert json.loads(run_in(folder, "performance", *data(folder), "--json").stdout)["warnings"][1][
        "advice"
    ].startswith("check --class-names")
    table = ["--predictions", folder / "out" / "predictions.parquet"]
    assert warned(run_in(folder, "gallery", *table)) == ["classes-exchanged"]
    assert codes(json.loads((folder / "out" / "gallery.json").read_text("utf-8"))) == ["classes-exchanged"]
    run_in(folder, "annotate-iou", *table)
    assert "(classes-exchanged)" in (folder / "out" / "annotation_report.md").read_text("utf-8")
    run_in(folder, "report", *table)
    page = (folder / "out" / "report.html").read_text("utf-8")
    assert "check --class-names against the order" in page


def test_the_training_split_is_no_test(folder: Path) -> None:
    rewrite_split(folder, split={"test": "train"})
    assert not warned(run_in(folder, "infer", *data(folder)))  # says nothing of how good the network is
    assert warned(run_in(folder, "performance", *data(folder))) == ["training-split"]
    assert codes(evaluated(folder)) == ["training-split"]


def test_a_table_of_other_settings(folder: Path) -> None:
    table = ["--predictions", folder / "out" / "predictions.parquet"]
    assert warned(run_in(folder, "gallery", *table, "--method", "layercam")) == ["table-of-other-settings"]
    assert not warned(run_in(folder, "gallery", *table, "--method", "gradcam"))


def test_compare_says_which_table_is_warned_of(folder: Path) -> None:
    run_in(folder, "infer", *data(folder), "--method", "layercam", "--predictions", folder / "b.parquet")
    rewrite_split(folder, split={"test": "train"})
    run_in(folder, "infer", *data(folder))
    document = json.loads(
        run_in(folder, "compare", folder / "out" / "predictions.parquet", folder / "b.parquet", "--json").stdout
    )
    assert {name: codes(table) for name, table in document["tables"].items()} == {
        "gradcam": ["training-split"],
        "layercam": [],
    }


def test_an_annotation_that_names_another_image(folder: Path) -> None:
    name = change_annotation(folder, 0, imagePath="..\\images\\IMG999999.jpeg")
    same = change_annotation(folder, 1)
    change_annotation(folder, 1, imagePath=f"C:\\data\\{same.upper()}")
    document = evaluated(folder)
    assert codes(document) == ["annotation-of-another-name"]
    assert document["warnings"][0]["message"] == f"the annotation of '{name}' names 'IMG999999.jpeg'"


def embedded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def saved_again(path: Path) -> str:
    """The image in another format and a little worse, as LabelMe embeds a turned one."""
    buffer = io.BytesIO()
    with Image.open(path) as image:
        image.save(buffer, "JPEG", quality=60)
    return base64.b64encode(buffer.getvalue()).decode()


def test_an_annotation_that_embeds_another_image(folder: Path) -> None:
    """A radiograph of the same size, but another one; where the picture is right, the name does not matter."""
    images = folder / "BTXRD" / "images"
    names = [change_annotation(folder, number, imagePath="IMG999999.jpeg") for number in range(4)]
    with Image.open(images / names[0]) as image, Image.open(images / names[3]) as other:
        stranger, buffer = other.resize(image.size), io.BytesIO()
        stranger.save(buffer, "PNG")
    change_annotation(folder, 0, imageData=base64.b64encode(buffer.getvalue()).decode())
    change_annotation(folder, 1, imageData=embedded(images / names[1]))
    change_annotation(folder, 2, imageData=saved_again(images / names[2]))
    change_annotation(folder, 3, imageData="no image at all")
    document = evaluated(folder)
    assert codes(document) == ["annotation-of-another-name", "annotation-of-another-image"]
    assert document["warnings"][0]["message"] == f"the annotation of '{names[3]}' names 'IMG999999.jpeg'"
    assert document["warnings"][1]["message"] == f"the annotation of '{names[0]}' embeds another image"


def test_an_annotation_of_another_size(folder: Path) -> None:
    name = change_annotation(folder, 0, imageHeight=100, imageWidth=100)
    document = evaluated(folder)
    assert codes(document) == ["annotation-size"]
    assert document["warnings"][0]["images"] == [name]
    assert "annotates an image of 100 x 100 pixels" in document["warnings"][0]["message"]
