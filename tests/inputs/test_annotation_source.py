from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from btxrd_explain.core.choices import MaskPolicy
from btxrd_explain.core.geometry import Size
from btxrd_explain.core.masks import LesionRules
from btxrd_explain.errors import AnnotationError, InputError
from btxrd_explain.inputs import annotation_file
from btxrd_explain.inputs.annotation import AnnotationPlace, SourceKind
from btxrd_explain.inputs.annotation_formats import read_annotation, read_lesions
from btxrd_explain.inputs.annotation_source import ListSource, open_source
from tests.support.labelme import write_labelme

if TYPE_CHECKING:
    from pathlib import Path

SIZE = Size(6, 9)
CORNERS = [[1, 1], [4, 1], [4, 3], [1, 3]]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_link_in_a_circle_hides_no_other_annotation(tmp_path: Path) -> None:
    labelme(tmp_path / "1.json", ("tumor", CORNERS))
    (tmp_path / "2.json").symlink_to("2.json")
    assert open_source(tmp_path).find(tmp_path / "1.png") is not None


def labelme(path: Path, *shapes: tuple[str, list[list[int]]], size: Size = SIZE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_labelme(path, size, *shapes, imagePath="1.png")


def coco(path: Path, *names: str, **changes: object) -> Path:
    images = [{"id": number, "file_name": name, "height": 6, "width": 9} for number, name in enumerate(names)]
    annotation = {"id": 1, "image_id": 0, "category_id": 1, "segmentation": [], "bbox": [1, 1, 4, 3]}
    content: dict[str, Any] = {
        "images": images,
        "annotations": [annotation],
        "categories": [{"id": 1, "name": "osteosarcoma"}],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content | changes))
    return path


def mask(path: Path, value: int = 255) -> Path:
    pixels = np.zeros(SIZE, np.uint8)
    pixels[1:4, 1:5] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def test_the_three_sources_say_the_same(tmp_path: Path) -> None:
    labelme(tmp_path / "labelme" / "1.json", ("osteosarcoma", CORNERS))
    mask(tmp_path / "masks" / "1.png")
    coco(tmp_path / "coco" / "instances.json", "1.png")
    kinds = {"labelme": SourceKind.LABELME, "masks": SourceKind.MASK, "coco": SourceKind.COCO}
    expected = np.zeros(SIZE, bool)
    expected[1:4, 1:5] = True
    for name, kind in kinds.items():
        source = open_source(tmp_path / name)
        place = source.find(tmp_path / "images" / "1.png")
        assert place is not None
        assert place.kind is kind
        assert kind in source.description
        (lesion,) = read_lesions(place, SIZE, LesionRules())
        assert np.array_equal(lesion, expected)
        with pytest.raises(AnnotationError, match="of 9 x 6 pixels, but the radiograph has 6 x 9"):
            list(read_lesions(place, Size(9, 6), LesionRules()))
        assert source.find(tmp_path / "images" / "2.png") is None


def test_a_folder_is_told_by_its_content(tmp_path: Path) -> None:
    labelme(tmp_path / "both" / "1.json")
    mask(tmp_path / "both" / "1.png")
    labelme(tmp_path / "nested" / "images" / "1.json")
    mask(tmp_path / "masks" / "images" / "1.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "1.json").write_text("{")
    image = tmp_path / "images" / "1.png"
    kinds = {}
    for name in ("both", "nested", "masks", "empty", "broken"):
        place = open_source(tmp_path / name).find(image)
        kinds[name] = place and (place.kind, place.path.relative_to(tmp_path / name).as_posix())
    assert kinds == {
        "both": (SourceKind.LABELME, "1.json"),
        "nested": (SourceKind.LABELME, "images/1.json"),
        "masks": (SourceKind.MASK, "images/1.png"),
        "empty": None,
        "broken": (SourceKind.LABELME, "1.json"),
    }


def test_what_else_may_be_an_annotation_is_counted(tmp_path: Path) -> None:
    coco(tmp_path / "coco.json", "train/1.png", "val/1.png", "val/2.png")
    labelme(tmp_path / "1.json")
    mask(tmp_path / "1.png")
    source = open_source(tmp_path)
    assert source.description.endswith("; 1 .json files there are not read")
    assert source.find(tmp_path / "images" / "2.png") is None
    assert source.nearest(tmp_path / "images" / "2.png")[0] == "val/2.png"


def test_files_of_no_known_kind_are_not_called_labelmes(tmp_path: Path) -> None:
    (tmp_path / "1.json").write_text('{"type": "FeatureCollection"}')
    source = open_source(tmp_path)
    assert source.description == f"none that is known in '{tmp_path}', but 1 .json files"
    place = source.find(tmp_path / "images" / "1.png")
    assert place is not None
    with pytest.raises(AnnotationError, match="shapes: expected a list"):
        read_annotation(place, SIZE)


def test_several_coco_files_and_other_files_are_refused(tmp_path: Path) -> None:
    coco(tmp_path / "a.json", "1.png")
    coco(tmp_path / "b.json", "1.png")
    with pytest.raises(InputError, match=r"a.json' \(COCO\) and '.*b.json' \(COCO\) both hold .*: name one"):
        open_source(tmp_path)
    labelme(tmp_path / "one.json")
    with pytest.raises(InputError, match="is a LabelMe file, which annotates one radiograph: name the folder"):
        open_source(tmp_path / "one.json")
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(InputError, match="expected an object with the lists images and annotations"):
        open_source(tmp_path / "other.json")
    with pytest.raises(InputError, match="does not exist: name a folder of annotations, or a file"):
        open_source(tmp_path / "none")


@pytest.mark.parametrize(
    ("image", "entry"),
    [
        ("images/1.png", 0),
        ("elsewhere/1.png", None),  # the only one of that name, but of another folder
        ("2.jpeg", 1),  # another suffix
        ("left/3.png", 2),
        ("data/right/3.png", 3),
        ("4.png", None),
    ],
)
def test_coco_images_are_found_by_name(tmp_path: Path, image: str, entry: int | None) -> None:
    source = open_source(coco(tmp_path / "c.json", "images/1.png", "2.png", "left/3.png", "right\\3.png"))
    place = source.find(tmp_path / image)
    assert place == (None if entry is None else AnnotationPlace(tmp_path / "c.json", SourceKind.COCO, entry))


@pytest.mark.parametrize("name", ["center1/1.png", "/data/center1/1.png", "..\\center1\\1.png"])
def test_the_one_folder_of_all_coco_images_tells_them_from_those_beside_it(tmp_path: Path, name: str) -> None:
    (tmp_path / "here" / "data" / "center1").mkdir(parents=True)
    source = open_source(coco(tmp_path / "c.json", name))
    assert source.find(tmp_path / "here" / "data" / "center1" / "1.png") is not None
    assert source.find(tmp_path / "here" / "data" / "center2" / "1.png") is None
    assert source.find(tmp_path / "there" / "1.png") is not None


def test_folders_decide_before_names_do(tmp_path: Path) -> None:
    source = open_source(coco(tmp_path / "c.json", "left/3.jpg", "right/3.png"))
    place = source.find(tmp_path / "right" / "3.jpg")
    assert place is not None
    assert place.entry == 1
    assert "2 images in 2 folders, by which images are found" in source.description


@pytest.mark.parametrize("folder", ["a" * 300, "a/" * 3000, "a\0b", "../../no such folder"])
def test_folders_in_a_coco_name_that_cannot_be_say_nothing(tmp_path: Path, folder: str) -> None:
    path = coco(tmp_path / "c.json", f"{folder}/1.png")
    assert open_source(path).find(tmp_path / "1.png") == AnnotationPlace(path, SourceKind.COCO, 0)


def test_a_pipe_that_is_called_like_an_annotation_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "1.json")
    with pytest.raises(AnnotationError, match="it is not a file"):
        read_annotation(AnnotationPlace(tmp_path / "1.json"), SIZE)


def test_an_ambiguous_coco_name_is_an_error_of_its_image_alone(tmp_path: Path) -> None:
    source = open_source(coco(tmp_path / "c.json", "3.png", "3.jpg", "4.png"))
    place, other = (source.find(tmp_path / name) for name in ("3.tiff", "4.tiff"))
    assert place is not None
    assert other == AnnotationPlace(tmp_path / "c.json", SourceKind.COCO, 2)
    with pytest.raises(AnnotationError, match=r"several images of '.*c.json' may be '.*3.tiff': give each file_name"):
        read_annotation(place, SIZE)


@pytest.mark.parametrize("stray", ['{"scanner": "x"}', "[1]", "{"])
def test_masks_stay_masks_beside_other_json_files(tmp_path: Path, stray: str) -> None:
    mask(tmp_path / "masks" / "1.png")
    (tmp_path / "masks" / "meta.json").write_text(stray)
    place = open_source(tmp_path / "masks").find(tmp_path / "images" / "1.png")
    assert place == AnnotationPlace(tmp_path / "masks" / "1.png", SourceKind.MASK)


def test_a_coco_file_is_parsed_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = coco(tmp_path / "c.json", "1.png")
    source = ListSource(path)
    place = source.find(tmp_path / "1.png")
    assert place is not None
    monkeypatch.setattr("btxrd_explain.inputs.coco.load_document", None)
    assert len(read_annotation(place, SIZE).shapes) == 1
    monkeypatch.undo()
    coco(path, "1.png", annotations=[])
    assert not read_annotation(place, SIZE).shapes


def test_stray_annotations_are_mentioned(tmp_path: Path) -> None:
    assert "1 annotations of images" in open_source(coco(tmp_path / "c.json", images=[])).description


def test_labels_decide_what_is_a_lesion_of_which_class(tmp_path: Path) -> None:
    path = tmp_path / "1.json"
    shapes = [(name, [[x, 1], [x + 1, 1], [x + 1, 2]]) for x, name in enumerate(["cyst", "sarcoma", "screw"])]
    labelme(path, *shapes)
    rules = LesionRules(labels={"cyst": "Benign", "sarcoma": "malignant", "screw": "ignore"})

    def lesions(rules: LesionRules, class_name: str | None) -> list[int]:
        found = read_lesions(AnnotationPlace(path), SIZE, rules, class_name=class_name)
        return [int(np.flatnonzero(lesion.any(axis=0))[0]) for lesion in found]

    assert lesions(rules, None) == [0, 1]
    assert lesions(rules, "Benign") == [0]
    assert lesions(rules, "Malignant") == [1]
    assert lesions(rules, "Normal") == []
    assert lesions(LesionRules(), "Normal") == [0, 1, 2]
    assert lesions(LesionRules(labels={"cyst": "lesion", "*": "ignore"}), "Normal") == [0]
    assert lesions(LesionRules(MaskPolicy.RECTANGLES), None) == []


def test_values_of_masks_are_labels(tmp_path: Path) -> None:
    place = AnnotationPlace(mask(tmp_path / "1.png", value=3), SourceKind.MASK)
    rules = LesionRules(labels={"3": "Benign"})
    assert [len(list(read_lesions(place, SIZE, rules, class_name=name))) for name in ("Benign", "Malignant")] == [1, 0]


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("policy", "lesions"), [("polygons-then-rectangles", 5), ("all", 8), ("polygons", 3), ("rectangles", 2)]
)
def test_primitives_of_labelme_are_lesions_by_policy(real_data: Path, policy: str, lesions: int) -> None:
    place = AnnotationPlace(real_data / "labelme_examples" / "primitives" / "primitives.json")
    found = list(read_lesions(place, Size(450, 560), LesionRules(MaskPolicy(policy))))
    assert len(found) == lesions
    flags = AnnotationPlace(real_data / "labelme_examples" / "classification" / "data_annotated" / "0001.json")
    with Image.open(flags.path.with_suffix(".jpg")) as image:
        assert list(read_lesions(flags, Size(image.height, image.width), LesionRules(MaskPolicy(policy)))) == []


@pytest.mark.real_data
def test_lesions_of_the_real_sample_are_those_of_the_public_function(real_data: Path) -> None:
    source = open_source(real_data / "btxrd_sample" / "Annotations")
    found = 0
    for image in sorted((real_data / "btxrd_sample" / "images").iterdir()):
        place = source.find(image)
        if place is not None:
            with Image.open(image) as radiograph:
                size = Size(radiograph.height, radiograph.width)
            lesions = np.logical_or.reduce(list(read_lesions(place, size, LesionRules())))
            assert np.array_equal(lesions, annotation_file.read_annotation(place.path, size).mask)
            found += 1
    assert found == 10
