"""What is done to values besides resizing, compared with OpenCV, NumPy and what MONAI and nnU-Net document."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from btxrd_explain.core.choices import Clahe, Depth, Interpolation, ResizeMode
from btxrd_explain.core.geometry import Size
from btxrd_explain.core.intensity import PreparationError, equalised, standardised, transformed, windowed
from btxrd_explain.core.preprocess import Preprocessing
from btxrd_explain.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

PLAIN = (0.0,), (1.0,)


@pytest.fixture
def grey() -> NDArray[np.uint8]:
    """A smooth picture with noise, so that tiles have different histograms."""
    rows, columns = np.mgrid[:90, :70]
    noise = np.random.default_rng(5).integers(0, 20, (90, 70))
    values: NDArray[np.uint8] = (
        (80 + 60 * np.sin(rows / 17) + 40 * np.cos(columns / 11) + noise).clip(0, 255).astype(np.uint8)
    )
    return values


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    code = """
import numpy as np
def invert(pixels): return np.iinfo(pixels.dtype).max - pixels
def in_place(pixels):
    pixels[:] = 0
    return pixels
def turned(pixels): return pixels.T
def floats(pixels): return pixels / 255
def nothing(pixels): return None
def raises(pixels): raise KeyError("no such marker")
def leaves(pixels): raise SystemExit(3)
NUMBER = 3
"""
    (tmp_path / "own_images.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    yield
    sys.modules.pop("own_images", None)


@pytest.mark.parametrize(("clip", "tiles"), [(2.0, 8), (4.0, 4), (0.5, 16), (40.0, 1)])
def test_clahe_is_that_of_opencv_to_the_byte(grey: NDArray[np.uint8], clip: float, tiles: int) -> None:
    opencv = cv2.createCLAHE(clipLimit=clip, tileGridSize=(tiles, tiles))
    wanted = opencv.apply(grey)
    twins = np.repeat(grey[..., None], 3, axis=2)
    for pixels in (grey, twins):
        np.testing.assert_array_equal(equalised(pixels, Clahe(clip, tiles)), wanted)
    deep = grey.astype(np.uint16) * 257
    ours = equalised(deep.astype(np.float32) / np.float32(65535), Clahe(clip, tiles))
    np.testing.assert_array_equal(np.rint(ours * 65535), opencv.apply(deep))


def test_clahe_comes_before_the_resize_or_after_it(grey: NDArray[np.uint8]) -> None:
    opencv = cv2.createCLAHE(2.0, (8, 8))
    before = cv2.resize(opencv.apply(grey), (32, 48))
    after = opencv.apply(cv2.resize(grey, (32, 48)))
    for clahe, wanted in ((Clahe(2.0), before), (Clahe(2.0, after_resize=True), after)):
        ours = Preprocessing(Size(48, 32), *PLAIN, clahe=clahe).apply(grey)
        np.testing.assert_array_equal(np.rint(ours[0] * 255), wanted)
    assert (before != after).any()


def test_clahe_of_colours_is_that_of_albumentations(grey: NDArray[np.uint8]) -> None:
    """Its ``clahe``: RGB to CIELAB, L* equalised, and back; for grey pictures with three equal channels, too."""
    colours = np.stack([grey, grey // 2, 255 - grey], axis=-1)
    for pixels, given in ((colours, colours), (np.repeat(grey[..., None], 3, axis=2), grey)):
        lab = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)
        lab[..., 0] = cv2.createCLAHE(3.0, (8, 8)).apply(lab[..., 0])
        np.testing.assert_array_equal(
            equalised(given, Clahe(3.0, lightness=True)), cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)
        )
    np.testing.assert_array_equal(equalised(colours, Clahe(3.0)), equalised(colours, Clahe(3.0, lightness=True)))
    deep = equalised(colours.astype(np.float32) / 255, Clahe(3.0))
    assert deep.dtype == np.float32
    assert deep.shape == colours.shape


def test_clahe_of_pictures_smaller_than_its_tiles() -> None:
    for shape in ((1, 1), (3, 2), (1, 40)):
        pixels = np.zeros(shape, np.uint8)
        try:
            assert equalised(pixels, Clahe(2.0, 16)).shape == shape
        except PreparationError as error:
            assert f"fails on {shape[1]} x {shape[0]} pixels" in str(error)  # noqa: PT017 -- OpenCV decides which


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_percentiles_are_those_of_numpy(dtype: type[Any]) -> None:
    values = np.random.default_rng(1).gamma(2, 30, (40, 30)).clip(0, 255).astype(dtype)
    low, high = np.percentile(values, (2, 97))
    wanted = ((values - low) / (high - low)).clip(0, 1)
    np.testing.assert_allclose(windowed(values, (2, 97)), wanted, atol=1e-7)


def test_percentiles_of_a_picture_of_almost_one_value() -> None:
    values = np.full((20, 20), 7, np.uint8)
    assert not windowed(values, (1, 99)).any()
    values[0, 0] = 200
    assert windowed(values, (1, 99)).sum() == 1


def test_a_burnt_in_marker_of_full_white_does_not_darken_the_rest() -> None:
    """12 bits of anatomy in a 16-bit file, and a marker at 65535."""
    anatomy = np.random.default_rng(2).integers(500, 4000, (200, 200), dtype=np.uint16)
    marked = anatomy.copy()
    marked[:10, :10] = 65535
    robust = Preprocessing(Size(200, 200), *PLAIN, depth=Depth.SIXTEEN_BIT, clip_percentiles=(1, 99))
    difference = np.abs(robust.apply(anatomy) - robust.apply(marked))[0]
    assert difference[10:].max() < 0.01
    whole = Preprocessing(Size(200, 200), *PLAIN, depth=Depth.SIXTEEN_BIT, clip_percentiles=(0, 100))
    assert np.abs(whole.apply(anatomy) - whole.apply(marked))[0, 10:].max() > 0.9


def test_sixteen_bits_reach_the_network() -> None:
    """Two values that 8 bits cannot tell apart; by the formula, and resized as floating values."""
    pixels = np.array([[30000, 30001], [30002, 65535]], np.uint16)
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
    ours = Preprocessing(Size(2, 2), mean, std, depth=Depth.SIXTEEN_BIT).apply(pixels)
    wanted = (pixels / 65535 - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    np.testing.assert_allclose(ours, wanted, atol=1e-6)
    assert len(np.unique(ours[0])) == 4
    large = np.random.default_rng(3).integers(0, 2**16, (60, 50), dtype=np.uint16)
    for interpolation, flag in ((Interpolation.BILINEAR, cv2.INTER_LINEAR), (Interpolation.AREA, cv2.INTER_AREA)):
        made = Preprocessing(Size(20, 30), *PLAIN, depth=Depth.SIXTEEN_BIT, interpolation=interpolation)
        wanted = cv2.resize((large / 65535).astype(np.float32), (30, 20), interpolation=flag)
        np.testing.assert_allclose(made.apply(large)[0], wanted, atol=1e-6)


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("interpolation", list(Interpolation))
def test_sixteen_bits_and_eight_are_the_same_picture(
    grey: NDArray[np.uint8], interpolation: Interpolation, *, antialias: bool
) -> None:
    """A file of 16 bits whose values are 257 times those of 8 bits is the same picture within rounding."""
    for pixels in (grey, np.stack([grey, 255 - grey, grey // 2], axis=-1)):
        resize = {"interpolation": interpolation, "antialias": antialias, "resize": ResizeMode.LETTERBOX}
        eight = Preprocessing(Size(33, 40), (0.5,) * 3, (1.0,) * 3, **resize).apply(pixels)  # type: ignore[arg-type]
        made = Preprocessing(Size(33, 40), (0.5,) * 3, (1.0,) * 3, depth=Depth.SIXTEEN_BIT, **resize)  # type: ignore[arg-type]
        deep = made.apply(pixels.astype(np.uint16) * 257)
        assert np.abs(eight - deep).max() <= 1.01 / 255
        np.testing.assert_array_equal(made.apply(pixels), eight)


def test_eight_bits_of_percentiles_are_found_in_sixteen() -> None:
    pixels = np.random.default_rng(4).integers(1000, 3000, (64, 64), dtype=np.uint16)
    made = Preprocessing(Size(64, 64), *PLAIN, clip_percentiles=(1, 99))
    levels = made.apply(pixels)[0] * 255
    np.testing.assert_allclose(levels, np.rint(windowed(pixels, (1, 99)) * 255), atol=1e-4)
    assert len(np.unique(levels)) > 200  # of the 8 bits of the file's whole range they would be 9
    with pytest.raises(ValueError, match="expected uint8 for a preprocessing of depth 8-bit, got uint16"):
        Preprocessing(Size(64, 64), *PLAIN).apply(pixels)


def test_standardisation_is_that_of_nnunet(grey: NDArray[np.uint8]) -> None:
    """``image -= mean; image /= max(std, 1e-8)`` of the whole image, after the resize."""
    resized = cv2.resize(grey, (40, 50)).astype(np.float64)
    wanted = (resized - resized.mean()) / max(resized.std(), 1e-8)
    made = Preprocessing(Size(50, 40), (0.0,) * 3, (1.0,) * 3, standardize=True)
    ours = made.apply(grey)
    np.testing.assert_allclose(ours, np.stack([wanted] * 3), atol=1e-5)
    assert ours.dtype == np.float32
    colours = np.stack([grey, grey // 2, 255 - grey], axis=-1)
    ours = made.apply(colours)
    assert ours.mean(dtype=np.float64) == pytest.approx(0, abs=1e-6)
    assert ours.std(dtype=np.float64) == pytest.approx(1, abs=1e-6)
    assert not standardised(np.full((3, 5, 5), 0.7, np.float32)).any()


@pytest.mark.usefixtures("own_module")
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_transform_of_the_users_own_comes_first(dtype: type[Any]) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (30, 20)).astype(dtype)
    pixels.flags.writeable = False
    depth = Depth.SIXTEEN_BIT if dtype is np.uint16 else Depth.EIGHT_BIT
    made = Preprocessing(Size(12, 10), *PLAIN, transform="own_images:invert", depth=depth)
    plain = Preprocessing(Size(12, 10), *PLAIN, depth=depth)
    np.testing.assert_array_equal(made.apply(pixels), plain.apply(np.iinfo(dtype).max - pixels))
    before = pixels.copy()
    assert not transformed(pixels, "own_images:in_place").any()
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.usefixtures("own_module")
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("turned", r"returned uint8 of shape \(20, 30\) for uint8 of shape \(30, 20\): it must keep both"),
        ("floats", r"returned float64 of shape \(30, 20\)"),
        ("nothing", "returned a NoneType, not an array"),
        ("raises", r"failed \(KeyError: 'no such marker'\)"),
        ("leaves", r"failed \(SystemExit: 3\)"),
    ],
)
def test_a_transform_that_does_not_keep_to_the_contract(name: str, reason: str) -> None:
    with pytest.raises(PreparationError, match=f"the transform 'own_images:{name}' {reason}"):
        transformed(np.zeros((30, 20), np.uint8), f"own_images:{name}")


@pytest.mark.usefixtures("own_module")
@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("own_images", "names no transform"),
        ("own_images:missing", "has no 'missing'"),
        ("own_images:NUMBER", "is an int, not a function"),
        ("missing_images:invert", "no module is called 'missing_images' for the transform"),
    ],
)
def test_a_transform_that_cannot_be_imported(reference: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        transformed(np.zeros((3, 2), np.uint8), reference)
