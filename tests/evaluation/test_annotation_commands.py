"""`annotate-iou` on annotations from every source, with the same lesions in each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from pycocotools import mask as codec
from typer.testing import CliRunner

from btxrd_explain.cli import app
from btxrd_explain.core.geometry import Size
from btxrd_explain.inputs.annotation_file import read_annotation

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("Normal", "Benign", "Malignant")
LABELS = ("nothing", "cyst", "sarcoma")
COUNT = 6


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six images in turn Normal, Benign, Malignant, their predictions, and the lesions of the tumours three times."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("images", "labelme", "masks"):
        (folder / name).mkdir()
    random = np.random.default_rng(1)
    lines, images, annotations = ["image_id,split,label"], [], []
    for number in range(COUNT):
        size, true = Size(90 + number, 70), number % 3
        coarse = random.integers(0, 256, (5, 4), dtype=np.uint8)
        Image.fromarray(coarse).resize((size.width, size.height)).save(folder / "images" / f"{number}.png")
        lines.append(f"{number}.png,test,{NAMES[true]}")
        images.append({"id": number, "file_name": f"images/{number}.png", "height": size.height, "width": size.width})
        if true:
            runs = _annotate(folder, number, size, LABELS[true])
            annotations.append({"id": number, "image_id": number, "category_id": true, "segmentation": runs})
    categories = [{"id": 1, "name": "cyst"}, {"id": 2, "name": "sarcoma"}]
    coco = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "coco.json").write_text(json.dumps(coco))
    (folder / "split.csv").write_text("\n".join(lines))
    _save_checkpoint(folder / "best.pt")
    run(folder, "infer", folder / "images", "--split-csv", folder / "split.csv", "-c", folder / "best.pt")
    return folder


def _annotate(folder: Path, number: int, size: Size, label: str) -> dict[str, Any]:
    """Write a lesion as LabelMe file and as mask; return it as run lengths."""
    points = [[10 + number, 20], [50, 30 + number], [40.5, 70.25]]
    shape = {"label": label, "points": points, "shape_type": "polygon"}
    path = folder / "labelme" / f"{number}.json"
    path.write_text(json.dumps({"shapes": [shape], "imageHeight": size.height, "imageWidth": size.width}))
    mask = read_annotation(path, size).mask.astype(np.uint8)
    Image.fromarray(mask * LABELS.index(label)).save(folder / "masks" / f"{number}.png")
    runs = codec.encode(np.asfortranarray(mask))
    return {"size": list(size), "counts": runs["counts"].decode()}


def _save_checkpoint(path: Path) -> None:
    torch.manual_seed(3)
    network: Any = timm.create_model("test_resnet", num_classes=3)
    torch.nn.init.normal_(network.fc.weight, std=3.0)
    config = {"model": {"backbone": "test_resnet"}, "data": {"image_size": 96}}
    torch.save({"model_state_dict": network.state_dict(), "config": config, "class_names": NAMES}, path)


def run(folder: Path, *arguments: object, code: int = 0) -> Any:  # noqa: ANN401 -- the result of typer's runner
    result = CliRunner().invoke(app, [*map(str, arguments), "-o", str(folder / "out")])
    assert result.exit_code == code, result.output
    return result


def report(folder: Path, *arguments: object) -> tuple[dict[str, Any], str]:
    result = run(folder, "annotate-iou", "--json", "--split-csv", folder / "split.csv", folder / "images", *arguments)
    document: dict[str, Any] = json.loads(result.stdout)
    return document, result.stderr


def rounded(value: Any) -> Any:  # noqa: ANN401 -- whatever JSON holds
    """Leave out the last digits, which depend on where in memory the arrays lie that BLAS multiplies."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return round(value, 9) if isinstance(value, float) else value


SOURCES = {
    "labelme": ("labelme", "LabelMe files in"),
    "masks": ("masks", "PNG mask files in"),
    "coco": ("coco.json", "COCO file '"),
}


@pytest.mark.parametrize("source", SOURCES)
def test_all_sources_give_the_same_scores(data: Path, source: str) -> None:
    place, note = SOURCES[source]
    (reference, _), (document, stderr) = (report(data, "--annotations", data / name) for name in ("labelme", place))
    assert f"annotations: {note}" in stderr
    assert len(document["per_image"]) == 4
    assert rounded(document["per_image"]) == rounded(reference["per_image"])
    assert rounded(document["summary"]) == rounded(reference["summary"])
    assert document["summary"]["num_attention_patterns"] == 2  # listed in the COCO file or not


def test_a_label_map_chooses_lesions_and_their_classes(data: Path) -> None:
    coco = ("--annotations", data / "coco.json")
    document, _ = report(data, *coco, "--label-map", "cyst=Benign,sarcoma=ignore")
    assert {image["class"] for image in document["per_image"]} == {"Benign"}
    assert document["summary"]["excluded"] == {"annotation without a lesion": 2}
    assert document["protocol"]["label_map"] == {"cyst": "Benign", "sarcoma": "ignore"}
    swapped, _ = report(data, *coco, "--label-map", "cyst=Malignant,sarcoma=Malignant")
    assert {image["class"] for image in swapped["per_image"]} == {"Malignant"}
    values, _ = report(data, "--annotations", data / "masks", "--label-map", "1=lesion,*=ignore")
    assert rounded(values["per_image"]) == rounded(document["per_image"])


def test_a_label_map_that_names_no_class_is_an_error(data: Path) -> None:
    arguments = ("annotate-iou", data / "images", "--split-csv", data / "split.csv", "--label-map", "cyst=Beningn")
    result = run(data, *arguments, code=2)
    assert "the label map says that 'cyst' means 'Beningn', which is not a class: write lesion, ignore" in result.stderr
    assert "give label=meaning" in run(data, *arguments[:-1], "cyst", code=2).stderr
    assert "name each one once" in run(data, *arguments[:-1], "a=lesion,a=ignore", code=2).stderr


def test_a_bad_mask_is_excluded_with_its_reason(data: Path, tmp_path: Path) -> None:
    for number in (1, 2):
        mask = Image.open(data / "masks" / f"{number}.png")
        (mask if number == 1 else mask.resize((9, 9))).save(tmp_path / f"{number}.png")
    document, _ = report(data, "--annotations", tmp_path)
    assert [image["image_id"] for image in document["per_image"]] == ["1.png"]
    details = {image["image_id"]: image["detail"] for image in document["excluded_images"]}
    assert "annotates an image of 9 x 9 pixels, but the radiograph has 70 x 92" in details["2.png"]
