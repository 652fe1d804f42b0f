"""Heat maps of other programs in their files, and files that hold none."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from btxrd_explain.core.heatmap import hash_of_maps
from btxrd_explain.errors import InputError
from btxrd_explain.inputs.heat_map_file import GRID_SCALE, MAP_SUFFIXES, map_suffix, read_map_file

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MAPS = np.random.default_rng(0).normal(size=(2, 5, 7)).astype(np.float32)
FACTS: dict[str, Any] = {
    "image_id": "a.png",
    "height": 5,
    "width": 7,
    "scale": "heat",
    "provenance": {},
    "maps": [{"class": "Normal", "probability": 0.25}, {"class": "Benign", "probability": None}],
}


def _npy(folder: Path, values: NDArray[Any]) -> Path:
    path = folder / "a.npy"
    np.save(path, values, allow_pickle=False)
    return path


def _npz(folder: Path, **arrays: NDArray[Any]) -> Path:
    path = folder / "a.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize(
    ("values", "shape"),
    [
        (MAPS[0], (1, 5, 7)),
        (MAPS, (2, 5, 7)),
        (MAPS[0][..., None], (1, 5, 7)),
        (MAPS[None], (1, 2, 5, 7)),
        (MAPS[0] > 0, (1, 5, 7)),
        ((MAPS[0] * 100).astype(np.int16), (1, 5, 7)),
        (MAPS[0].astype(np.float16), (1, 5, 7)),
    ],
)
def test_an_array_is_one_map_or_has_an_axis_of_classes(
    tmp_path: Path, values: NDArray[Any], shape: tuple[int, ...]
) -> None:
    found = read_map_file(_npy(tmp_path, values))
    assert found.values.shape == shape
    assert found.values.dtype == np.float32
    np.testing.assert_array_equal(found.values.ravel(), values.astype(np.float32).ravel())
    assert (found.classes, found.ids, found.facts) == (None, None, {})


def test_values_that_are_too_large_become_infinite(tmp_path: Path) -> None:
    assert np.isinf(read_map_file(_npy(tmp_path, np.full((2, 2), 1e300))).values).all()


@pytest.mark.parametrize(
    "values",
    [np.zeros(5), np.zeros((0, 5)), np.zeros((1, 1, 1, 1, 1)), np.array([["a", "b"]]), np.zeros((2, 2), complex)],
)
def test_an_array_of_another_kind_holds_no_maps(tmp_path: Path, values: NDArray[Any]) -> None:
    with pytest.raises(InputError, match=r"a\.npy' holds no heat maps: expected") as caught:
        read_map_file(_npy(tmp_path, values))
    assert ".npz" in str(caught.value.hint)


def test_arrays_by_class_are_maps_by_their_names(tmp_path: Path) -> None:
    found = read_map_file(_npz(tmp_path, Normal=MAPS[0], Benign=MAPS[1]))
    assert found.classes == ("Normal", "Benign")
    np.testing.assert_array_equal(found.values, MAPS)
    assert read_map_file(_npz(tmp_path, anything=MAPS)).classes is None


def test_maps_with_classes_and_ids_are_those_of_many_images(tmp_path: Path) -> None:
    several = np.stack([MAPS, MAPS + 1])
    names = {"classes": np.array(["a", "b"]), "ids": np.array([b"1.png", b"2.png"])}
    found = read_map_file(_npz(tmp_path, maps=several, **names))
    assert (found.classes, found.ids) == (("a", "b"), ("1.png", "2.png"))
    assert found.values.shape == (2, 2, 5, 7)
    one_each = read_map_file(_npz(tmp_path, maps=MAPS, ids=np.array(["1.png", "2.png"])))
    assert one_each.values.shape == (2, 1, 5, 7)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": MAPS[0], "b": MAPS[0, :2]}, "expected an array per class, all of one shape"),
        ({"maps": MAPS, "classes": np.array(["a"])}, r"expected a map for each of 1 classes, got \(2, 5, 7\)"),
        ({"maps": MAPS, "ids": np.array(["a"])}, r"expected a map for each of 1 ids, got \(2, 5, 7\)"),
        ({"maps": MAPS, "classes": np.array([1, 2])}, "expected names as a list of texts"),
        ({"maps": MAPS, "classes": np.array([["a", "b"]])}, "expected names as a list of texts"),
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(
    tmp_path: Path, arrays: dict[str, NDArray[Any]], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_map_file(_npz(tmp_path, **arrays))


def test_an_own_export_says_its_classes_and_its_facts(tmp_path: Path) -> None:
    found = read_map_file(_npz(tmp_path, maps=MAPS, facts=np.array(json.dumps(FACTS))))
    assert found.classes == ("Normal", "Benign")
    assert found.facts["image_id"] == "a.png"


def test_an_own_export_gives_its_grids_unless_somebody_changed_the_maps(tmp_path: Path) -> None:
    grids = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    facts = np.array(json.dumps(FACTS | {"maps_sha256": hash_of_maps(MAPS)}))
    raw = read_map_file(_npz(tmp_path, maps=MAPS, grids=grids, facts=facts))
    np.testing.assert_array_equal(raw.values, grids)
    assert raw.facts["scale"] == GRID_SCALE
    changed = read_map_file(_npz(tmp_path, maps=MAPS + 1, grids=grids, facts=facts))
    np.testing.assert_array_equal(changed.values, MAPS + 1)
    assert changed.facts["scale"] == "heat"


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"height": 0}, "height"),
        ({"width": 20_001}, "width"),
        ({"width": "7"}, "width"),
        ({"image_id": 3}, "image_id"),
        ({"maps": [{"class": "a", "probability": 2}]}, "maps.0.probability"),
        ({"maps": [{}]}, "maps.0.class"),
    ],
)
def test_an_own_export_that_is_damaged_is_refused_with_its_place(
    tmp_path: Path, change: dict[str, Any], place: str
) -> None:
    with pytest.raises(InputError, match=rf"what an export says of itself is damaged \({place}: "):
        read_map_file(_npz(tmp_path, maps=MAPS, facts=np.array(json.dumps(FACTS | change))))


@pytest.mark.parametrize("text", ["", "not JSON", "[]", '{"maps": 3}', "[" * 100_000])
def test_a_description_of_another_program_says_nothing(tmp_path: Path, text: str) -> None:
    found = read_map_file(_npz(tmp_path, maps=MAPS, facts=np.array(text)))
    assert (found.facts, found.classes) == ({}, None)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_grey_picture_is_one_map(tmp_path: Path, kind: type[np.unsignedinteger[Any]]) -> None:
    values = np.arange(35, dtype=kind).reshape(5, 7) * kind(3)
    path = tmp_path / "a.png"
    Image.fromarray(values).save(path)
    np.testing.assert_array_equal(read_map_file(path).values, values[None].astype(np.float32))


def test_pages_of_a_tiff_are_the_maps_of_classes(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, MAPS, photometric="minisblack", description=json.dumps(FACTS))
    found = read_map_file(path)
    np.testing.assert_array_equal(found.values, MAPS)
    assert found.classes == ("Normal", "Benign")


def test_grey_saved_in_colours_is_grey_and_colours_are_refused(tmp_path: Path) -> None:
    grey = np.arange(35, dtype=np.uint8).reshape(5, 7)
    path = tmp_path / "a.png"
    Image.fromarray(np.stack([grey] * 3, axis=-1)).save(path)
    np.testing.assert_array_equal(read_map_file(path).values, grey[None].astype(np.float32))
    Image.fromarray(np.stack([grey, grey, grey + 1], axis=-1)).save(path)
    with pytest.raises(InputError, match="got colours, whose order nobody knows"):
        read_map_file(path)


@pytest.mark.parametrize("suffix", [".pkl", ".PT", ".pth"])
def test_what_may_be_a_pickle_is_not_opened(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(InputError, match="may be a pickle, which can run any code"):
        read_map_file(tmp_path / f"absent{suffix}")


@pytest.mark.parametrize("content", [b"", b"text", b"\x89PNG\r\n\x1a\n", b"PK\x03\x04", b"\x93NUMPY\x01\x00"])
def test_damaged_files_are_one_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.npy'"):
        read_map_file(path)
    with pytest.raises(InputError, match=r"cannot read '.*absent\.npy' \(No such file or directory\)"):
        read_map_file(tmp_path / "absent.npy")


def test_objects_in_an_array_are_never_made(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], object), allow_pickle=True)
    path = tmp_path / "a.npy"
    path.write_bytes(buffer.getvalue())
    with pytest.raises(InputError):
        read_map_file(path)


def test_suffixes_are_read_in_any_case(tmp_path: Path) -> None:
    assert [map_suffix(tmp_path / name) for name in ("a.NII.GZ", "a.b.Tif", "a")] == [".nii.gz", ".tif", ""]
    assert len(set(MAP_SUFFIXES)) == len(MAP_SUFFIXES)
