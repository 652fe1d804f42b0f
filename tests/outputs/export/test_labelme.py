"""Regions as LabelMe files: their shapes, their facts, and whose files may be overwritten."""

from __future__ import annotations

import base64
import io
import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from btxrd_explain.outputs.export.item import UnexportedError
from btxrd_explain.outputs.export.labelme import OURS, write_labelme
from tests.support.exported import NAMES, ORIGIN, SIZE, make_attention, make_image, ring

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from btxrd_explain.outputs.export.item import ExportedImage


def _written(folder: Path, image: ExportedImage, tolerance: float = 0) -> dict[str, Any]:
    target = folder / "a.json"
    write_labelme(image, origin=ORIGIN, place=lambda _: target, tolerance=tolerance)
    document: dict[str, Any] = json.loads(target.read_text("utf-8"))
    return document


def _drawn(shapes: list[dict[str, Any]]) -> NDArray[np.bool_]:
    """Draw shapes as LabelMe does: polygons by Pillow, masks at their corner."""
    whole = np.zeros(SIZE, np.bool_)
    for shape in shapes:
        if shape["shape_type"] == "mask":
            (left, top), (right, bottom) = shape["points"]
            with Image.open(io.BytesIO(base64.b64decode(shape["mask"]))) as picture:
                whole[top : bottom + 1, left : right + 1] |= np.asarray(picture) > 0
        else:
            canvas = Image.new("1", (SIZE.width, SIZE.height))
            ImageDraw.Draw(canvas).polygon([tuple(point) for point in shape["points"]], outline=1, fill=1)
            whole |= np.asarray(canvas)
    return whole


@pytest.mark.parametrize("seed", range(5))
def test_labelmes_rasteriser_gives_any_region_back(tmp_path: Path, seed: int) -> None:
    blurred = np.random.default_rng(seed).random(SIZE)
    region = sum(np.roll(blurred, shift, (0, 1)) for shift in ((0, 0), (1, 0), (0, 1), (1, 1))) > 2.2
    shapes = _written(tmp_path, make_image(make_attention(region=region)))["shapes"]
    np.testing.assert_array_equal(_drawn(shapes), region)


def test_a_region_with_a_hole_is_a_mask_and_one_without_a_polygon(tmp_path: Path) -> None:
    region = ring()
    region[16:22, 2:9] = True
    shapes = _written(tmp_path, make_image(make_attention(region=region)))["shapes"]
    assert sorted(shape["shape_type"] for shape in shapes) == ["mask", "mask", "polygon"]  # one pixel is no polygon
    np.testing.assert_array_equal(_drawn(shapes), region)


def test_a_tolerance_leaves_fewer_vertices(tmp_path: Path) -> None:
    rows, columns = np.ogrid[: SIZE.height, : SIZE.width]
    disc = (rows - 12) ** 2 + (columns - 14) ** 2 <= 81
    image = make_image(make_attention(region=disc))
    exact, loose = (_written(tmp_path, image, tolerance)["shapes"][0]["points"] for tolerance in (0, 2))
    assert 3 <= len(loose) < len(exact) / 2


def test_a_shape_says_class_probability_rule_and_overlap(tmp_path: Path) -> None:
    document = _written(tmp_path, make_image(make_attention(region=ring(), iou=0.12345), make_attention(NAMES[0])))
    assert {shape["label"] for shape in document["shapes"]} == {f"heat map: {NAMES[1]}"}
    said = f"probability 0.750, {ORIGIN.rule}, IoU with the annotation 0.123"
    assert {shape["description"] for shape in document["shapes"]} == {said}
    assert [one["class"] for one in document[OURS]["heat_maps"]] == [NAMES[1], NAMES[0]]
    assert document[OURS]["heat_maps"][1]["iou"] is None


@pytest.mark.parametrize(
    ("label", "flags"),
    [(None, {}), (NAMES[0], {"prediction is correct": False}), (NAMES[1], {"prediction is correct": True})],
)
def test_the_flags_say_whether_a_prediction_is_correct(
    tmp_path: Path, label: str | None, flags: dict[str, bool]
) -> None:
    assert _written(tmp_path, make_image(label=label))["flags"] == flags


def test_the_path_of_the_image_is_relative_to_the_file(tmp_path: Path) -> None:
    document = _written(tmp_path, make_image(folder=tmp_path / "images"))
    assert document["imagePath"] == "images/a.png"
    assert (document["imageHeight"], document["imageWidth"], document["imageData"]) == (*SIZE, None)


def test_an_own_file_is_written_again_and_a_foreign_one_stays(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    _written(tmp_path, make_image())
    assert _written(tmp_path, make_image(label=None))["flags"] == {}
    for content in (b'{"shapes": []}', b"[1]", b"not JSON", b"", b"[" * 100_000):
        target.write_bytes(content)
        with pytest.raises(UnexportedError, match="was not written by this command and stays"):
            _written(tmp_path, make_image())
        assert target.read_bytes() == content


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with names")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.json")
    with pytest.raises(UnexportedError, match="stays"):
        _written(tmp_path, make_image())


def test_a_name_that_is_too_long_concerns_one_image(tmp_path: Path) -> None:
    image = make_image()
    with pytest.raises(UnexportedError, match="cannot be written") as caught:
        write_labelme(image, origin=ORIGIN, place=lambda _: tmp_path / ("x" * 300), tolerance=0)
    assert caught.value.hint == "leave out --beside-images"
