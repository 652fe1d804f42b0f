"""Regions and lesions as COCO files, read by COCO's own program."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pycocotools import mask as codec

from btxrd_explain.outputs.export.coco import LESION, coco_writer
from btxrd_explain.outputs.export.item import Folder
from tests.support.exported import NAMES, ORIGIN, SIZE, make_attention, make_image, ring

if TYPE_CHECKING:
    from pathlib import Path

    from btxrd_explain.outputs.export.item import ExportedImage

ENTRIES = [
    (name, {"id": number, "file_name": name, "width": SIZE.width, "height": SIZE.height})
    for number, name in enumerate(("a.png", "b.png"), start=7)
]


def _written(folder: Path, *images: ExportedImage) -> tuple[dict[str, Any], dict[str, Any]]:
    with coco_writer(Folder(folder), ORIGIN, ENTRIES) as add:
        for image in images:
            add(image)
    return tuple(json.loads((folder / f"{name}.json").read_text("utf-8")) for name in ("attention", "annotations"))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools' own
def test_segmentations_hold_every_pixel_and_their_area_and_box(tmp_path: Path) -> None:
    lesion = np.zeros(SIZE, np.bool_)
    lesion[2:5, 10:20] = True
    regions, lesions = _written(tmp_path, make_image(make_attention(region=ring(), iou=0.25), lesions=(lesion,)))
    for document, expected in ((regions, ring()), (lesions, lesion)):
        (entry,) = document["annotations"]
        np.testing.assert_array_equal(codec.decode(entry["segmentation"]), expected)
        assert entry["area"] == expected.sum()
        rows, columns = np.nonzero(expected)
        left, top = columns.min(), rows.min()
        assert entry["bbox"] == [left, top, columns.max() - left + 1, rows.max() - top + 1]
        assert (entry["id"], entry["image_id"], entry["iscrowd"]) == (1, 7, 0)
    assert (regions["annotations"][0]["score"], regions["annotations"][0]["iou"]) == (0.75, 0.25)
    assert "score" not in lesions["annotations"][0]


def test_both_files_list_the_same_images_and_categories(tmp_path: Path) -> None:
    regions, lesions = _written(tmp_path)
    for document in (regions, lesions):
        assert document["images"] == [entry for _, entry in ENTRIES]
        assert document["categories"] == [{"id": n, "name": name} for n, name in enumerate([*NAMES, LESION], start=1)]
        assert document["annotations"] == []
    assert regions["info"] == {"description": ORIGIN.rule, "provenance": ORIGIN.provenance}


def test_a_region_is_of_its_class_and_a_lesion_of_the_label_where_it_is_a_class(tmp_path: Path) -> None:
    mask = ring()
    labelled = make_image(make_attention(NAMES[0], region=mask), lesions=(mask,), label=NAMES[1])
    nameless = make_image(make_attention(region=mask), lesions=(mask, mask), label=None, image_id="b.png")
    foreign = make_image(lesions=(mask,), label="Other", image_id="b.png")
    regions, lesions = _written(tmp_path, labelled, nameless, foreign)
    assert [(one["id"], one["image_id"], one["category_id"]) for one in regions["annotations"]] == [
        (1, 7, 1),
        (2, 8, 2),
    ]
    assert [one["category_id"] for one in lesions["annotations"]] == [2, 3, 3, 3]
    assert [one["id"] for one in lesions["annotations"]] == [1, 2, 3, 4]


def test_an_empty_region_has_no_entry(tmp_path: Path) -> None:
    regions, _ = _written(
        tmp_path, make_image(make_attention(region=np.zeros(SIZE, np.bool_)), make_attention(NAMES[0]))
    )
    assert regions["annotations"] == []


def test_nothing_is_written_where_an_image_fails(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        _written(tmp_path, make_image(make_attention(region=ring())), make_image(image_id="unknown.png"))
    assert list(tmp_path.iterdir()) == []
