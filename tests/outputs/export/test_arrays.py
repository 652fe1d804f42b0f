"""Heat maps as arrays, and their regions as masks."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from btxrd_explain.core.heatmap import MapStatus, hash_of_maps
from btxrd_explain.errors import OutputError
from btxrd_explain.outputs.export.arrays import npz, tiff, write_arrays, write_masks
from btxrd_explain.outputs.export.item import Folder, UnexportedError
from tests.support.exported import NAMES, ORIGIN, SIZE, make_attention, make_image, ring

if TYPE_CHECKING:
    from btxrd_explain.outputs.export.item import ExportedImage

FACTS = {"image_id": "ä.png", "scale": "heat"}


def _name(image: ExportedImage) -> Path:
    return Path("sub", f"{Path(image.image_id).stem}.out")


def test_an_archive_gives_back_maps_classes_and_facts_without_pickle() -> None:
    other = make_attention(NAMES[0], values=np.random.default_rng(0).random(SIZE).astype(np.float32))
    image = make_image(make_attention(), other)
    with np.load(io.BytesIO(npz(image, FACTS)), allow_pickle=False) as stored:
        assert sorted(stored) == ["classes", "facts", "maps"]
        assert (stored["maps"].dtype, stored["maps"].shape) == (np.float32, (2, *SIZE))
        np.testing.assert_array_equal(stored["maps"][1], other.values)
        assert stored["classes"].tolist() == [NAMES[1], NAMES[0]]
        assert json.loads(str(stored["facts"])) == FACTS


def test_an_archive_has_the_grids_that_were_enlarged_with_the_hash_of_the_maps() -> None:
    grid = np.arange(6, dtype=np.float32).reshape(2, 3)
    image = make_image(make_attention(grid=grid))
    with np.load(io.BytesIO(npz(image, FACTS))) as stored:
        np.testing.assert_array_equal(stored["grids"], grid[None])
        assert json.loads(str(stored["facts"])) == FACTS | {"maps_sha256": hash_of_maps(stored["maps"])}


def test_grids_are_left_out_where_one_is_missing_or_is_the_map_itself() -> None:
    grid = np.zeros((2, 3), np.float32)
    for image in (
        make_image(make_attention(grid=grid), make_attention(NAMES[0])),
        make_image(make_attention(grid=np.zeros(SIZE, np.float32))),
    ):
        with np.load(io.BytesIO(npz(image, FACTS))) as stored:
            assert "grids" not in stored
            assert "maps_sha256" not in json.loads(str(stored["facts"]))


@pytest.mark.parametrize("classes", [1, 3])
def test_a_tiff_has_a_page_per_class_and_the_facts_in_its_description(classes: int) -> None:
    random = np.random.default_rng(0)
    maps = [random.normal(size=SIZE).astype(np.float32) for _ in range(classes)]
    content = tiff(make_image(*(make_attention(str(n), values=one) for n, one in enumerate(maps))), FACTS)
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        assert len(file.pages) == classes
        for page, values in zip(file.pages, maps, strict=True):
            np.testing.assert_array_equal(page.asarray(), values)
        description = str(file.pages.first.description)
    assert json.loads(description) == FACTS
    assert description.isascii()


def test_a_tiff_takes_maps_whose_rows_are_not_next_to_each_other() -> None:
    values = np.random.default_rng(0).random((SIZE.width, SIZE.height)).astype(np.float32).T
    with tifffile.TiffFile(io.BytesIO(tiff(make_image(make_attention(values=values)), {}))) as file:
        np.testing.assert_array_equal(file.pages[0].asarray(), values)


def test_what_tiff_cannot_hold_is_said_of_that_image(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("encoder error -2")

    monkeypatch.setattr(Image.Image, "save", refuse)
    with pytest.raises(UnexportedError, match=r"^'a.png' cannot be written as TIFF \(encoder error -2\)") as caught:
        tiff(make_image(), FACTS)
    assert "npz" in str(caught.value.hint)


def test_the_facts_of_a_file_name_image_scale_and_every_map(tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []

    def encode(_: ExportedImage, facts: dict[str, Any]) -> bytes:
        seen.append(facts)
        return b"content"

    empty = make_attention(NAMES[0], status=MapStatus.NO_POSITIVE_EVIDENCE, peak=None, probability=0.25)
    write_arrays(
        make_image(make_attention(), empty, label=None),
        encode=encode,
        origin=ORIGIN,
        folder=Folder(tmp_path),
        name=_name,
        scale="raw grid",
    )
    assert (tmp_path / "sub" / "a.out").read_bytes() == b"content"
    (facts,) = json.loads(json.dumps(seen))
    assert (facts["image_id"], facts["height"], facts["width"]) == ("a.png", *SIZE)
    assert (facts["label"], facts["predicted"], facts["confidence"]) == (None, NAMES[1], 0.75)
    assert (facts["scale"], facts["provenance"]) == ("raw grid", ORIGIN.provenance)
    assert facts["maps"] == [
        {"class": NAMES[1], "probability": 0.75, "status": "ok", "peak": 2.5},
        {"class": NAMES[0], "probability": 0.25, "status": "no_positive_evidence", "peak": None},
    ]


def test_masks_are_the_region_and_the_union_of_lesions(tmp_path: Path) -> None:
    first, second = np.zeros(SIZE, np.bool_), np.zeros(SIZE, np.bool_)
    first[:5], second[3:9, 2:4] = True, True
    image = make_image(make_attention(region=ring()), lesions=(first, second))
    write_masks(image, folder=Folder(tmp_path), name=_name, classes=None)
    for place, expected in (("attention", ring()), ("annotations", first | second)):
        with Image.open(tmp_path / place / "sub" / "a.out") as picture:
            stored = np.asarray(picture)
        np.testing.assert_array_equal(stored, np.where(expected, 255, 0))
        assert stored.dtype == np.uint8


def test_an_image_without_region_has_an_empty_mask_and_one_without_annotation_none(tmp_path: Path) -> None:
    write_masks(make_image(make_attention()), folder=Folder(tmp_path), name=_name, classes=None)
    with Image.open(tmp_path / "attention" / "sub" / "a.out") as picture:
        assert picture.size == (SIZE.width, SIZE.height)
        assert picture.getextrema() == (0, 0)
    assert not (tmp_path / "annotations").exists()
    write_masks(make_image(make_attention(), lesions=()), folder=Folder(tmp_path), name=_name, classes=None)
    with Image.open(tmp_path / "annotations" / "sub" / "a.out") as picture:
        assert picture.getextrema() == (0, 0)


def test_masks_of_all_classes_are_in_the_folders_of_their_classes(tmp_path: Path) -> None:
    classes = {NAMES[0]: "normal", NAMES[1]: "benign"}
    image = make_image(make_attention(NAMES[0]), make_attention(NAMES[1], region=ring()))
    write_masks(image, folder=Folder(tmp_path), name=_name, classes=classes)
    extrema = {}
    for folder in classes.values():
        with Image.open(tmp_path / "attention" / folder / "sub" / "a.out") as picture:
            extrema[folder] = picture.getextrema()
    assert extrema == {"normal": (0, 0), "benign": (0, 255)}


def test_a_place_that_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "attention").write_text("in the way")
    with pytest.raises(OutputError, match="attention"):
        write_masks(make_image(), folder=Folder(tmp_path), name=_name, classes=None)
