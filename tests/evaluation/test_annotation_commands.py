"""`annotate-iou` on annotations from every source, with the same lesions in each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as codec

from btxrd_explain.core.geometry import Size
from btxrd_explain.inputs.annotation_file import read_annotation
from btxrd_explain.system.threads import available_cores
from tests.support.command_line import run
from tests.support.labelme import write_labelme
from tests.support.tiny_study import save_network

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("blank_figures")

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
    save_network(folder / "best.pt", side=96, seed=3, spread=3.0)
    run_in(folder, "infer", folder / "images", "--split-csv", folder / "split.csv", "-c", folder / "best.pt")
    return folder


def _annotate(folder: Path, number: int, size: Size, label: str) -> dict[str, Any]:
    """Write a lesion as LabelMe file and as mask; return it as run lengths."""
    points = [(10 + number, 20), (50, 30 + number), (40.5, 70.25)]
    path = write_labelme(folder / "labelme" / f"{number}.json", size, (label, points))
    mask = read_annotation(path, size).mask.astype(np.uint8)
    Image.fromarray(mask * LABELS.index(label)).save(folder / "masks" / f"{number}.png")
    runs = codec.encode(np.asfortranarray(mask))
    return {"size": list(size), "counts": runs["counts"].decode()}


def run_in(folder: Path, *arguments: object, code: int = 0) -> Any:  # noqa: ANN401 -- the result of typer's runner
    return run(*arguments, "-o", folder / "out", code=code)


def report(folder: Path, *arguments: object) -> tuple[dict[str, Any], str]:
    result = run_in(
        folder, "annotate-iou", "--json", "--split-csv", folder / "split.csv", folder / "images", *arguments
    )
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
    "masks": ("masks", "mask files in"),
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


def _odd(data: Path, folder: Path, kind: str) -> Path:
    """Write the annotations of the tumours anew, with something odd in each."""
    for path in sorted((data / "labelme").iterdir()):
        document = json.loads(path.read_text())
        with Image.open(data / "masks" / f"{path.stem}.png") as image:
            mask = np.asarray(image)
        (shape,) = document["shapes"]
        low, high = np.min(shape["points"], axis=0), np.max(shape["points"], axis=0)
        box = {"label": f"{shape['label']}s", "points": [low.tolist(), high.tolist()], "shape_type": "rectangle"}
        name = path.name
        match kind:
            case "label-differs":
                document["shapes"].append(box)
            case "annotation-part":
                document["shapes"].append(box | {"points": [low.tolist(), low.tolist()]})
            case "points-outside":  # drawn on an image of twice the size, which the file does not state
                shape["points"] = (2 * np.array(shape["points"])).tolist()
                document = {"shapes": [shape]}
            case "annotation-name":
                name = f"{path.stem}.png.json"
            case "mask-inverted":
                Image.fromarray((mask == 0).astype(np.uint8) * 255).save(folder / f"{path.stem}.png")
            case "mask-whole":
                Image.fromarray(mask + 1).save(folder / f"{path.stem}.png")
            case "mask-levels":
                Image.fromarray((mask > 0).astype(np.uint8) * 255).save(folder / f"{path.stem}.jpg", quality=80)
        if not kind.startswith("mask"):
            (folder / name).write_text(json.dumps(document))
    return folder


ODD = {  # the lesions of each image, and their fraction of the image
    "label-differs": (2, 0.3),
    "annotation-part": (1, 0.2),
    "annotation-name": (1, 0.2),
    "points-outside": (1, 0.2),
    "mask-inverted": (1, 0.8),
    "mask-whole": (2, 1.0),
    "mask-levels": (1, 0.2),
}


@pytest.mark.parametrize("kind", ODD)
def test_what_is_odd_about_annotations_is_warned_of_in_the_report_and_by_check(
    data: Path, tmp_path: Path, kind: str
) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    document, stderr = report(data, "--annotations", _odd(data, folder, kind))
    (warning,) = [each for each in document["warnings"] if each["code"] == kind]
    assert warning["images"] == ["1.png", "2.png", "4.png", "5.png"]
    assert f"[{kind}]" in stderr
    assert f"/{folder.name}" in warning["message"]  # from the results, without the user's folders
    assert str(tmp_path.parent) not in warning["message"]
    lesions, share = ODD[kind]
    assert [image["lesions"] for image in document["per_image"]] == [lesions] * 4
    assert all(share - 0.1 < image["lesion_share"] < share + 0.3 for image in document["per_image"])
    arguments = ("check", data / "images", "--split-csv", data / "split.csv", "--annotations", folder, "--json")
    checked = json.loads(run_in(tmp_path, *arguments, "--fail-on", "never").stdout)
    found = [each for each in checked["findings"] if each["code"] == kind]
    assert [each["images"] for each in found] == [["1.png"], ["2.png"], ["4.png"], ["5.png"]]


def test_the_page_warns_of_odd_annotations_without_an_evaluation_before(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    _odd(data, folder, "mask-inverted")
    (data / "out" / "annotation_report.json").unlink(missing_ok=True)
    arguments = ("report", data / "images", "--split-csv", data / "split.csv", "--annotations", folder)
    assert "a mask looks inverted (4 times)" in run_in(data, *arguments).stderr
    assert "a mask looks inverted (4 times)" in (data / "out" / "report.html").read_text("utf-8")


def test_inverted_masks_and_a_background_of_1_are_put_right_by_a_flag(data: Path, tmp_path: Path) -> None:
    reference, _ = report(data, "--annotations", data / "masks")
    for kind, flags in {"mask-inverted": ["--mask-inverted"], "mask-whole": ["--label-map", "1=ignore"]}.items():
        folder = tmp_path / kind
        folder.mkdir()
        document, _ = report(data, "--annotations", _odd(data, folder, kind), *flags)
        assert rounded(document["per_image"]) == rounded(reference["per_image"])
        assert not any(warning["code"] == kind for warning in document["warnings"])
        assert document["protocol"]["mask_inverted"] is (kind == "mask-inverted")


def test_names_that_fit_no_radiograph_are_shown_with_the_nearest(data: Path, tmp_path: Path) -> None:
    for name in ("7.json", "image_0.json"):
        (tmp_path / name).write_text((data / "labelme" / "1.json").read_text())
    arguments = ("annotate-iou", data / "images", "--split-csv", data / "split.csv", "--annotations", tmp_path)
    result = run_in(data, *arguments, code=4)
    nearest = "the names nearest to '0.png' are 'image_0.json' and '7.json'"
    assert f"no annotation there has the name of a radiograph; {nearest}" in result.stderr


def test_a_label_map_that_names_no_class_is_an_error(data: Path) -> None:
    arguments = ("annotate-iou", data / "images", "--split-csv", data / "split.csv", "--label-map", "cyst=Beningn")
    result = run_in(data, *arguments, code=2)
    assert "the label map says that 'cyst' means 'Beningn', which is not a class: write lesion, ignore" in result.stderr
    assert "give label=meaning" in run_in(data, *arguments[:-1], "cyst", code=2).stderr
    assert "name each one once" in run_in(data, *arguments[:-1], "a=lesion,a=ignore", code=2).stderr


def test_a_bad_mask_is_excluded_with_its_reason(data: Path, tmp_path: Path) -> None:
    for number in (1, 2):
        mask = Image.open(data / "masks" / f"{number}.png")
        (mask if number == 1 else mask.resize((9, 9))).save(tmp_path / f"{number}.png")
    document, _ = report(data, "--annotations", tmp_path)
    assert [image["image_id"] for image in document["per_image"]] == ["1.png"]
    details = {image["image_id"]: image["detail"] for image in document["excluded_images"]}
    assert "annotates an image of 9 x 9 pixels, but the radiograph has 70 x 92" in details["2.png"]


@pytest.mark.usefixtures("drawn_figures")
def test_every_file_has_the_same_bytes_again(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On one core and on all of them, in other time zones, with arrays at other places of the memory."""
    table, cores = data / "out" / "predictions.parquet", available_cores
    contents, kept = [], []
    for number, zone in enumerate(("UTC", "Asia/Tokyo", "America/Bogota")):
        monkeypatch.setenv("TZ", zone)
        monkeypatch.setattr("btxrd_explain.evaluation.evaluate.available_cores", (lambda: 1) if number else cores)
        kept.append(np.empty(100_003 * (number + 1), np.uint8))  # what follows lies elsewhere
        for command in ("annotate-iou", "report", "performance"):
            also = [] if command == "performance" else ["--annotations", data / "labelme"]
            arguments = [command, "--predictions", table, *also, "-o", tmp_path / str(number)]
            run(*arguments)
        files = sorted(path for path in (tmp_path / str(number)).rglob("*") if path.is_file())
        contents.append({path.name: path.read_bytes() for path in files})
    assert {"report.html", "annotation_metrics.parquet", "annotation_comparison.png"} <= contents[0].keys()
    assert [name for name in contents[0] for other in contents[1:] if other[name] != contents[0][name]] == []
