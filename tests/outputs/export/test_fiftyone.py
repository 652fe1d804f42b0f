"""A folder for FiftyOne: samples, fields of classes, outlines in fractions, and pictures of heat maps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from PIL import Image

from btxrd_explain.core.geometry import Size
from btxrd_explain.outputs.export.fiftyone import fiftyone_writer
from btxrd_explain.outputs.export.item import Folder
from tests.support.exported import NAMES, ORIGIN, SIZE, make_attention, make_image, ring

if TYPE_CHECKING:
    from btxrd_explain.outputs.export.item import ExportedImage


def _name(image: ExportedImage) -> Path:
    return Path(f"{Path(image.image_id).stem}.png")


def _written(folder: Path, *images: ExportedImage, every_class: bool = False) -> list[dict[str, Any]]:
    with fiftyone_writer(Folder(folder), ORIGIN, _name, every_class=every_class, tolerance=0) as add:
        for image in images:
            add(image)
    samples: list[dict[str, Any]] = json.loads((folder / "samples.json").read_text("utf-8"))["samples"]
    return samples


def test_a_sample_says_where_the_image_is_what_it_shows_and_what_is_predicted(tmp_path: Path) -> None:
    first, second = _written(
        tmp_path, make_image(folder=tmp_path), make_image(folder=tmp_path, image_id="b.png", label=None)
    )
    assert (first["filepath"], first["image_id"]) == ("a.png", "a.png")
    assert first["metadata"] == {"_cls": "ImageMetadata", "width": SIZE.width, "height": SIZE.height}
    assert first["prediction"] == {"_cls": "Classification", "label": NAMES[1], "confidence": 0.75}
    assert first["ground_truth"] == {"_cls": "Classification", "label": NAMES[0]}
    assert second["ground_truth"] is None
    assert "lesions" not in first


def test_no_image_at_all_is_a_folder_without_samples(tmp_path: Path) -> None:
    assert _written(tmp_path) == []
    metadata = json.loads((tmp_path / "metadata.json").read_text("utf-8"))
    assert metadata == {"media_type": "image", "info": {"rule": ORIGIN.rule, "provenance": ORIGIN.provenance}}


def test_outlines_are_fractions_of_the_sides_and_give_the_region_back(tmp_path: Path) -> None:
    (sample,) = _written(tmp_path, make_image(make_attention(region=ring(), iou=0.5)))
    (line,) = sample["regions"]["polylines"]
    assert (line["label"], line["confidence"], line["iou"], line["closed"]) == (NAMES[1], 0.75, 0.5, True)
    assert len(line["points"]) == 3  # outer border, hole, and a part of one pixel
    sides = np.array([SIZE.width, SIZE.height])
    drawn = np.zeros(SIZE, np.uint8)
    for points in line["points"]:
        corners = np.array(points) * sides - 0.5
        np.testing.assert_allclose(corners, np.rint(corners), atol=1e-9)
        cv2.polylines(drawn, [np.rint(corners).astype(np.int32)], isClosed=True, color=1)
    assert not drawn[~ring()].any()  # borders are pixels of the region
    border = ring() & (cv2.erode(np.pad(ring(), 1).astype(np.uint8), np.ones((3, 3)))[1:-1, 1:-1] == 0)
    assert drawn[border].mean() > 0.9


def test_lesions_bear_the_label_or_the_word_for_one(tmp_path: Path) -> None:
    named, nameless = _written(
        tmp_path,
        make_image(lesions=(ring(), ring())),
        make_image(lesions=(ring(),), label=None, image_id="b.png"),
    )
    assert [line["label"] for line in named["lesions"]["polylines"]] == [NAMES[0]] * 2
    assert [line["label"] for line in nameless["lesions"]["polylines"]] == ["lesion"]


def test_an_empty_region_is_no_outline(tmp_path: Path) -> None:
    (sample,) = _written(tmp_path, make_image(make_attention(region=np.zeros(SIZE, np.bool_))))
    assert sample["regions"]["polylines"] == []


@pytest.mark.parametrize("every_class", [False, True])
def test_each_class_has_a_field_of_its_own_where_all_are_exported(tmp_path: Path, every_class: bool) -> None:
    attention = [make_attention(name) for name in (NAMES if every_class else NAMES[1:])]
    (sample,) = _written(tmp_path, make_image(*attention), every_class=every_class)
    fields = ["heat_map_normal", "heat_map_benign_tumour"] if every_class else ["heat_map"]
    for field in fields:
        heat = sample[field]
        assert (heat["_cls"], heat["range"]) == ("Heatmap", [0.0, 255.0])
        assert heat["map_path"] == f"fields/{field}/a.png"
        with Image.open(tmp_path / heat["map_path"]) as picture:
            values = np.asarray(picture)
        np.testing.assert_allclose(values / 255, attention[0].values, atol=0.5 / 255 + 1e-6)


def test_a_large_heat_map_is_averaged_down_to_what_it_is_worth(tmp_path: Path) -> None:
    size = Size(100, 1024)
    values = np.random.default_rng(0).random(size).astype(np.float32)
    (sample,) = _written(tmp_path, make_image(make_attention(values=values), size=size))
    with Image.open(tmp_path / sample["heat_map"]["map_path"]) as picture:
        small = np.asarray(picture) / 255
    assert small.shape == (50, 512)
    np.testing.assert_allclose(small, values.reshape(50, 2, 512, 2).mean(axis=(1, 3)), atol=0.5 / 255 + 1e-4)


def test_values_outside_of_zero_to_one_are_clipped(tmp_path: Path) -> None:
    values = np.linspace(-1, 2, SIZE.height * SIZE.width, dtype=np.float32).reshape(SIZE)
    (sample,) = _written(tmp_path, make_image(make_attention(values=values)))
    with Image.open(tmp_path / sample["heat_map"]["map_path"]) as picture:
        stored = np.asarray(picture)
    assert (stored[values <= 0] == 0).all()
    assert (stored[values >= 1] == 255).all()
