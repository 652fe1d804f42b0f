"""Decoding at a part of the size: what it may change, what it must not, and that its effect is told."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image

from btxrd_explain.commands import infer
from btxrd_explain.core.choices import Decode, ResizeMode
from btxrd_explain.core.geometry import Size
from btxrd_explain.core.preprocess import Preprocessing
from btxrd_explain.inputs.radiograph import read_radiograph
from btxrd_explain.predictions.record import RowStatus
from btxrd_explain.settings import DataSettings, ModelSettings, OutputSettings, PreprocessSettings, Settings

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from btxrd_explain.commands.infer import InferResult

SIDE = 64


def _smooth(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def _save(path: Path, pixels: NDArray[np.uint8], orientation: int = 1) -> Path:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.fromarray(pixels).save(path, exif=exif, quality=95)
    return path


@pytest.mark.parametrize(("orientation", "size"), [(1, Size(800, 600)), (6, Size(600, 800))])
def test_large_files_are_decoded_in_part_and_keep_their_size(orientation: int, size: Size, tmp_path: Path) -> None:
    path = _save(tmp_path / "a.jpeg", _smooth(800, 600), orientation)
    whole, part = read_radiograph(path), read_radiograph(path, lambda _: Size(SIDE, SIDE))
    assert whole.size == part.size == Size(*whole.pixels.shape) == size
    assert part.pixels.shape == (size.height // 8, size.width // 8)
    assert whole.sha256 == part.sha256
    shrunk = cv2.resize(whole.pixels, part.pixels.shape[::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(shrunk.astype(int) - part.pixels).max() <= 3


def test_nothing_is_decoded_smaller_than_needed(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.jpeg", _smooth(400, 200))
    assert read_radiograph(path, lambda _: Size(101, 50)).pixels.shape == (200, 100)
    assert read_radiograph(path, lambda size: size).pixels.shape == (400, 200)
    assert read_radiograph(path, lambda _: Size(900, 900)).pixels.shape == (400, 200)
    png = _save(tmp_path / "a.png", _smooth(400, 200))
    assert read_radiograph(png, lambda _: Size(50, 50)).pixels.shape == (400, 200)


@pytest.mark.parametrize("resize", ResizeMode)
def test_the_networks_input_shows_the_same_place(resize: ResizeMode, tmp_path: Path) -> None:
    path = _save(tmp_path / "a.jpeg", _smooth(1003, 707))
    exact = Preprocessing(Size(SIDE, SIDE), (0.0,) * 3, (1.0,) * 3, resize=resize)
    fast = Preprocessing(Size(SIDE, SIDE), (0.0,) * 3, (1.0,) * 3, resize=resize, decode=Decode.FAST)
    whole, part = read_radiograph(path, exact.needed), read_radiograph(path, fast.needed)
    assert whole.pixels.size > 16 * part.pixels.size
    np.testing.assert_allclose(fast.apply(part.pixels, part.size), exact.apply(whole.pixels, whole.size), atol=12 / 255)


def _infer(folder: Path, decode: str) -> InferResult:
    settings = Settings(
        data=DataSettings(inputs=(str(folder),)),
        model=ModelSettings(checkpoint="demo", device="cpu"),
        preprocess=PreprocessSettings.model_validate({"decode": decode}),
        output=OutputSettings(directory=folder.parent / decode),
    )
    return infer.run(settings)


def test_the_table_tells_how_far_fast_decoding_moved_the_sample(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    noise = np.random.default_rng(3)
    for number in range(5):  # fewer than the sample: all of them are compared
        pixels = _smooth(1200, 900, number) // 2 + noise.integers(0, 120, (1200, 900), dtype=np.uint8)
        _save(folder / f"{number}.jpeg", pixels)
    (folder / "broken.jpeg").write_bytes(b"no image")
    exact, fast = (_infer(folder, decode) for decode in ("exact", "fast"))
    assert not any("decode" in note for note in exact.table.provenance.notes)
    (note,) = [note for note in fast.table.provenance.notes if note.startswith("decode: fast")]
    told = re.search(
        r"on (\d+) radiographs: (\d+) predicted .* by up to ([\d.]+), heat maps by ([\d.]+) .* up to ([\d.]+)", note
    )
    assert told is not None
    pairs = [pair for pair in zip(exact.rows, fast.rows, strict=True) if pair[0].status is RowStatus.OK]
    before, after = (np.stack([row.probabilities for row in rows]) for rows in zip(*pairs, strict=True))
    moved = float(np.abs(before - after).max())
    assert int(told[1]) == len(pairs) == 5
    assert int(told[2]) == sum(one.predicted != other.predicted for one, other in pairs)
    assert float(told[3]) == pytest.approx(moved, abs=1e-4)
    assert moved > 0
    assert 0 < float(told[4]) <= float(told[5]) <= 1
    assert all(other.size == Size(1200, 900) for _, other in pairs)
    assert exact.table.provenance.fingerprint != fast.table.provenance.fingerprint
    assert fast.table.provenance.preprocessing.decode is Decode.FAST
