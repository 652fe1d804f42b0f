"""Heat maps of other programs, and the tables of probabilities that come with them, mutated."""

from __future__ import annotations

import gzip
import io
import json
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from btxrd_explain.commands import import_maps
from btxrd_explain.errors import BtxrdExplainError, InputError
from btxrd_explain.inputs.heat_map_file import MapFile, read_map_file
from btxrd_explain.inputs.score_table import read_scores
from btxrd_explain.settings import Settings
from tests.hostile.fuzz.harness import examples, outcome
from tests.hostile.fuzz.mutations import mutated

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = (cv2, pq)
"""Imported before anything is measured."""
MAP = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
PART = {"class": "a", "probability": 0.5}
FACTS = {"image_id": "1.png", "height": 3, "width": 4, "provenance": {}, "scale": [0, 1]}
OWN = json.dumps(FACTS | {"maps": [PART]})
OWN_PAGES = json.dumps(FACTS | {"maps": [PART, {"class": "b"}]})


def _npy(values: Any) -> bytes:  # noqa: ANN401 -- whatever NumPy saves
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def _npz(**arrays: Any) -> bytes:  # noqa: ANN401
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def _picture(kind: str, values: Any, **options: Any) -> bytes:  # noqa: ANN401
    file = io.BytesIO()
    Image.fromarray(values).save(file, kind, **options)
    return file.getvalue()


def _nifti() -> bytes:
    header = np.zeros(352, np.uint8)
    header[:4].view("<i4")[:] = 348
    header[40:56].view("<i2")[:] = (2, 4, 3, 1, 1, 1, 1, 1)
    header[70:74].view("<i2")[:] = (16, 32)
    header[108:120].view("<f4")[:] = (352, 1, 0)
    header[344:348] = np.frombuffer(b"n+1\0", np.uint8)
    return header.tobytes() + MAP.tobytes()


_PAGES = {"save_all": True, "append_images": [Image.fromarray(MAP)], "description": OWN_PAGES}
FORMATS: dict[str, tuple[str, tuple[bytes, ...], tuple[bytes, ...]]] = {
    "numpy": (
        "1_a.npy",
        (_npy(MAP), _npy(MAP[None].astype(np.float16)), _npy(MAP > 0)),
        (b"'descr': '|O'", b"(99999, 99999)", b"(-1, 80)", b"'<f8'", b"'<U9'", b"'>c8'", b"True", b"(3, 4, 0)"),
    ),
    "archive": (
        "1.npz",
        (
            _npz(a=MAP, b=MAP),
            _npz(maps=MAP[None], classes=["a"], facts=OWN),
            _npz(maps=MAP[None, None], ids=["1.png"], classes=np.array([b"a"])),
        ),
        (b"PK\x01\x02", b"PK\x05\x06", b"'|O'", b"maps.npy", b"../1.npy", b"'<U2147483647'", b'"maps": {}', b"null"),
    ),
    "png": ("1_a.png", (_picture("PNG", (MAP * 90 + 90).astype(np.uint8)),), (b"IHDR", b"IDAT", b"PLTE", b"acTL")),
    "tiff": (
        "1_a.tif",
        (_picture("TIFF", MAP, **_PAGES), _picture("TIFF", MAP, compression="tiff_adobe_deflate")),
        (b"II*\0", b"\xff" * 8, b'"maps": 3', b'"class": 3', b"{}"),
    ),
    "nifti": (
        "1_a.nii",
        (_nifti(), gzip.compress(_nifti(), mtime=0)),
        (b"n+1\0", b"\x1f\x8b\x08", b"\x5c\x01", b"\xff" * 8),
    ),
}
SCORES = (
    b"image_id,class,probability,label,split,height,width\n1.png,a,0.25,b,test,3,4\n1.png,b,0.75,b,test,3,4\n",
    b"image_id;class;probability\n1.png;a;0,25\n1.png;b;0.75\n",
)
SCORE_TOKENS = (b",", b";", b'"', b"\n", b"nan", b"inf", b"1e999", b"-0", b"\xff\xfe", b"probability,", b"0x1", b"1_0")


@pytest.mark.usefixtures("_warm")
@pytest.mark.parametrize("name", FORMATS)
def test_the_maps_that_are_mutated_are_read(tmp_path: Path, name: str) -> None:
    path, seeds, _ = FORMATS[name]
    results = [_imported(tmp_path, path, seed) for seed in seeds]
    assert any(isinstance(result, import_maps.ImportMapsResult) for result in results), results
    for seed in seeds:
        (tmp_path / path).write_bytes(seed)
        assert read_map_file(tmp_path / path).values.shape[-2:] == (3, 4)


@pytest.mark.parametrize("name", FORMATS)
@given(entropy=st.data())
@examples(quick=50, long=20_000)
def test_a_mutated_map_is_read_or_refused(tmp_path: Path, name: str, entropy: st.DataObject) -> None:
    path, seeds, tokens = FORMATS[name]
    (tmp_path / path).write_bytes(entropy.draw(mutated(seeds, tokens)))
    assert isinstance(outcome(lambda: read_map_file(tmp_path / path), folder=tmp_path), MapFile | InputError)


@given(data=mutated(SCORES, SCORE_TOKENS))
@examples(quick=50, long=20_000)
def test_a_mutated_table_of_probabilities_is_read_or_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "scores.csv").write_bytes(data)
    result = outcome(lambda: read_scores(tmp_path / "scores.csv"), folder=tmp_path)
    assert isinstance(result, dict | InputError)


def _imported(
    folder: Path, name: str, data: bytes, scores: bytes = SCORES[0]
) -> import_maps.ImportMapsResult | BtxrdExplainError:
    (folder / name).write_bytes(data)
    (folder / "scores.csv").write_bytes(scores)
    values = {
        "output": {"predictions": folder / "predictions.parquet"},
        "maps": {"scores": folder / "scores.csv"},
        "model": {"class_names": "a,b"},
    }
    settings = Settings.model_validate(values)
    return outcome(lambda: import_maps.run(folder / name, settings), folder=folder, megabytes=512)


@pytest.fixture(scope="module")
def _warm(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let pyarrow read the time zone, which it does once."""
    pq.write_table(pa.table({"time": pa.array([0], pa.timestamp("us", "UTC"))}), tmp_path_factory.mktemp("a") / "a.pq")
    str(pa.scalar(0, pa.timestamp("us", "UTC")))


@pytest.mark.usefixtures("_warm")
@pytest.mark.parametrize("name", FORMATS)
@given(entropy=st.data())
@examples(quick=10, long=20_000)
def test_mutated_maps_become_a_table_or_are_refused(tmp_path: Path, name: str, entropy: st.DataObject) -> None:
    path, seeds, tokens = FORMATS[name]
    result = _imported(tmp_path, path, entropy.draw(mutated(seeds, tokens, most=2)))
    assert isinstance(result, import_maps.ImportMapsResult | BtxrdExplainError)


@pytest.mark.usefixtures("_warm")
@given(data=mutated(SCORES, SCORE_TOKENS, most=3))
@examples(quick=100, long=20_000)
def test_a_mutated_table_of_probabilities_becomes_a_part_of_a_table_or_is_refused(tmp_path: Path, data: bytes) -> None:
    result = _imported(tmp_path, "1_a.npy", FORMATS["numpy"][1][0], data)
    assert isinstance(result, import_maps.ImportMapsResult | BtxrdExplainError)
