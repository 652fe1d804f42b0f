"""Images of more than 8 bits: scaled and never clipped, whoever wrote the file."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from btxrd_explain.inputs.decode import UndecodableError
from btxrd_explain.inputs.radiograph import decode_radiograph, read_radiograph

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RAMP = [100, 1124, 4196]  # (1124 - 100) / (4196 - 100) = 1 / 4


def tiff(pixels: NDArray[Any], **options: Any) -> bytes:  # noqa: ANN401
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **({"photometric": "minisblack"} | options))
    return file.getvalue()


def cv2_png(pixels: NDArray[Any]) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


def scaled(values: NDArray[Any]) -> NDArray[np.uint8]:
    """What is wanted, in plain double precision."""
    numbers = values.astype(np.float64)
    span = numbers.max() - numbers.min()
    levels: NDArray[np.uint8] = np.rint((numbers - numbers.min()) * (255 / span if span else 0)).astype(np.uint8)
    return levels


@pytest.mark.parametrize("dtype", ["uint16", "int16", "uint32", "int32", "float32"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_grey_tiffs_are_scaled(dtype: str, compression: str | None) -> None:
    data = tiff(np.array([RAMP], dtype), compression=compression)
    assert decode_radiograph(data).tolist() == [[0, 64, 255]]


@pytest.mark.parametrize("dtype", ["int16", "int32", "float32"])
def test_negative_values_are_scaled(dtype: str) -> None:
    assert decode_radiograph(tiff(np.array([[-1024, 0, 3072]], dtype))).tolist() == [[0, 64, 255]]


@pytest.mark.parametrize(
    ("dtype", "compression"), [("uint16", None), ("uint16", "zlib"), ("float32", None), ("int32", "zlib")]
)
def test_big_endian_tiffs(dtype: str, compression: str | None) -> None:
    data = tiff(np.array([RAMP], dtype), byteorder=">", compression=compression)
    assert decode_radiograph(data).tolist() == [[0, 64, 255]]


def test_unsigned_values_of_32_bits_do_not_turn_negative() -> None:
    assert decode_radiograph(tiff(np.array([[0, 2**30, 2**32 - 1]], np.uint32))).tolist() == [[0, 64, 255]]


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_white_is_zero_is_inverted(dtype: str, compression: str | None) -> None:
    values = [0, 64, 255] if dtype == "uint8" else RAMP
    data = tiff(np.array([values], dtype), photometric="miniswhite", compression=compression)
    assert decode_radiograph(data).tolist() == [[255, 191, 0]]


def test_packed_values_of_12_bits() -> None:
    entries = [(256, 3, 3), (257, 3, 1), (258, 3, 12), (259, 3, 1), (262, 3, 1), (273, 4, 8), (278, 3, 1), (279, 4, 5)]
    data = b"II\x2a\x00" + struct.pack("<I", 14) + bytes.fromhex("000400fff000")  # 0x000, 0x400, 0xfff
    data += struct.pack("<H", len(entries)) + b"".join(
        struct.pack("<HHII", *entry[:2], 1, entry[2]) for entry in entries
    )
    assert decode_radiograph(data + struct.pack("<I", 0)).tolist() == [[0, 64, 255]]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (tiff(np.array([[-100, -68, 28]], np.int8)), "holds signed values of 8 bits"),
        (tiff(np.array([RAMP], np.float32), byteorder=">", compression="zlib"), "big-endian floating-point"),
        (
            tiff(np.array([[RAMP]] * 3, np.uint16), photometric="rgb", planarconfig="separate"),
            "keeps each colour",
        ),
        (tiff(np.array([RAMP], np.float64)), "is not an image that can be read"),
        (tiff(np.array([RAMP], np.uint64)), "is not an image that can be read"),
        (tiff(np.array([[0, np.nan, 1]], np.float32)), "not finite"),
        (tiff(np.array([[0, np.inf, 1]], np.float32)), "not finite"),
    ],
)
def test_what_would_be_read_as_other_values_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(UndecodableError, match=reason) as caught:
        decode_radiograph(data)
    assert "\n" not in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_deep_colours_are_scaled_together(kind: str) -> None:
    colours = np.array([[[100, 1124, 4196], [1124, 1124, 100]]], np.uint16)
    data = tiff(colours, photometric="rgb") if kind == "tiff" else cv2_png(colours[..., ::-1])
    assert decode_radiograph(data).tolist() == [[[0, 64, 255], [64, 64, 0]]]


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_deep_grey_in_three_channels_becomes_one(kind: str) -> None:
    grey = np.repeat(np.array([RAMP], np.uint16)[..., None], 3, axis=-1)
    assert decode_radiograph(tiff(grey, photometric="rgb") if kind == "tiff" else cv2_png(grey)).tolist() == [
        [0, 64, 255]
    ]


def test_the_transparency_of_deep_pngs_is_dropped() -> None:
    opaque = np.array([[0, 65535, 9]], np.uint16)
    grey = np.array([RAMP], np.uint16)
    assert decode_radiograph(cv2_png(np.dstack([grey, grey, grey, opaque]))).tolist() == [[0, 64, 255]]
    rows = b"\0" + b"".join(struct.pack(">HH", value, 65535 - value) for value in RAMP)
    assert decode_radiograph(_png(3, 1, rows, colour_type=4)).tolist() == [[0, 64, 255]]


def _png(width: int, height: int, rows: bytes, *, colour_type: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@given(arrays(np.uint16, array_shapes(min_dims=2, max_dims=2, max_side=9)))
def test_opencv_and_pillow_agree_on_any_values_of_16_bits(values: NDArray[np.uint16]) -> None:
    for data in (cv2_png(values), tiff(values), tiff(values, byteorder=">", compression="zlib")):
        read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        assert read is not None
        assert np.array_equal(read, values)
        assert np.array_equal(decode_radiograph(data), scaled(values))


@given(arrays(np.float32, (3, 4), elements=st.floats(-(2.0**100), 2.0**100, width=32)))
def test_floating_point_values_of_any_size_are_scaled(values: NDArray[np.float32]) -> None:
    assert np.abs(decode_radiograph(tiff(values)).astype(int) - scaled(values)).max() <= 1


@given(st.integers(1, 16), st.integers(0, 2**31))
def test_the_order_of_values_is_kept_whatever_the_depth(bits: int, seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, 2**bits, (5, 7), dtype=np.uint16)
    values[0, :2] = 0, 2**bits - 1
    levels = decode_radiograph(cv2_png(values)).ravel().astype(int)
    assert (np.diff(levels[np.argsort(values.ravel(), kind="stable")]) >= 0).all()
    assert bits > 8 or len(np.unique(levels)) == len(np.unique(values))
    assert (levels.min(), levels.max()) == (0, 255)


def read_deep(data: bytes, folder: Path, *, deep: bool = True) -> NDArray[Any]:
    (folder / "a.img").write_bytes(data)
    radiograph = read_radiograph(folder / "a.img", deep=deep)
    assert radiograph.size == radiograph.pixels.shape[:2]
    assert not radiograph.pixels.flags.writeable
    return radiograph.pixels


def test_deep_values_are_kept(tmp_path: Path) -> None:
    """Grey and colours of 16 bits, of PNG and TIFF; 12 bits and both byte orders."""
    grey = np.array([RAMP, [0, 4095, 65535]], np.uint16)
    colours = np.stack([grey, grey // 2, 65535 - grey], axis=-1)
    files = [cv2_png(grey), tiff(grey), tiff(grey, byteorder=">"), tiff(grey, compression="zlib")]
    files.append(cv2_png(np.repeat(grey[..., None], 3, axis=2)))
    for data in files:
        assert read_deep(data, tmp_path).dtype == np.uint16
        np.testing.assert_array_equal(read_deep(data, tmp_path), grey)
    for data in (cv2_png(np.ascontiguousarray(colours[..., ::-1])), tiff(colours, photometric="rgb")):
        np.testing.assert_array_equal(read_deep(data, tmp_path), colours)


def test_eight_bits_stay_eight(tmp_path: Path) -> None:
    pixels = np.array([[0, 7, 255]], np.uint8)
    for data in (cv2_png(pixels), tiff(pixels)):
        assert read_deep(data, tmp_path).dtype == np.uint8
        np.testing.assert_array_equal(read_deep(data, tmp_path), pixels)


def test_white_is_zero_is_turned_around_at_full_depth(tmp_path: Path) -> None:
    grey = np.array([RAMP], np.uint16)
    np.testing.assert_array_equal(read_deep(tiff(grey, photometric="miniswhite"), tmp_path), 65535 - grey)


@pytest.mark.parametrize("dtype", ["int16", "int32", "uint32", "float32"])
def test_values_without_a_scale_of_16_bits_are_scaled(dtype: str, tmp_path: Path) -> None:
    """Smallest to 0, largest to 65535: as 8 bits are, 257 times as fine."""
    values = np.array([[0 if dtype == "uint32" else -1024, 3072]], dtype)
    middle = (int(values[0, 0]) + 3072) // 2
    pixels = read_deep(tiff(np.insert(values, 1, middle, axis=1)), tmp_path)
    assert pixels.dtype == np.uint16
    assert (pixels[0, 0], pixels[0, 2]) == (0, 65535)
    assert abs(int(pixels[0, 1]) - 32768) <= 1


def test_deep_and_shallow_pictures_are_one(tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(300, 4000, (9, 7), dtype=np.uint16)
    deep, shallow = (read_deep(cv2_png(grey), tmp_path, deep=deep) for deep in (True, False))
    np.testing.assert_array_equal(shallow, scaled(deep))


def test_portable_grey_maps_are_scaled() -> None:
    values = np.array([RAMP], ">u2").tobytes()
    assert decode_radiograph(b"P5\n# from a scanner\n3 1\n4196\n" + values).tolist() == [[0, 64, 255]]
    assert decode_radiograph(b"P2 3 1 4196 100 1124 4196\n").tolist() == [[0, 64, 255]]


def test_deep_colours_of_portable_pixel_maps_and_jpeg_2000_keep_their_depth() -> None:
    colours = np.repeat(np.array([RAMP] * 8, np.uint16)[..., None], 3, axis=2)
    portable = b"P6\n# from a scanner\n3 8\n4196\n" + colours.astype(">u2").tobytes()
    assert decode_radiograph(portable).tolist() == [[0, 64, 255]] * 8
    large = np.tile(colours, (8, 22, 1))
    lossless = cv2.imencode(".jp2", large, [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000])[1].tobytes()
    assert decode_radiograph(lossless).tolist() == [[0, 64, 255] * 22] * 64


def test_grey_jpeg_2000_of_16_bits_is_scaled() -> None:
    file = io.BytesIO()
    Image.fromarray(np.array([RAMP] * 8, np.uint16)).save(file, "JPEG2000")
    assert decode_radiograph(file.getvalue()).tolist() == [[0, 64, 255]] * 8
