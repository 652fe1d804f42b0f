from __future__ import annotations

import hashlib
import io
import random
import struct
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from btxrd_explain.core.geometry import Size
from btxrd_explain.errors import ExitCode, RadiographError
from btxrd_explain.inputs import decode
from btxrd_explain.inputs.decode import MissingPackagesError, UndecodableError, upright
from btxrd_explain.inputs.radiograph import decode_radiograph, read_radiograph

if TYPE_CHECKING:
    from concurrent.futures import Future
    from pathlib import Path

    from numpy.typing import NDArray

GREY = np.array([[0, 50, 100], [150, 200, 255]], dtype=np.uint8)
COLOUR = np.stack([GREY, GREY[::-1], 255 - GREY], axis=-1)


def encode(image: Image.Image | NDArray[Any], kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(file, kind, **options)
    return file.getvalue()


def save(folder: Path, data: bytes, name: str = "IMG000046.png") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def test_pixels_hash_and_size_come_from_one_file(tmp_path: Path) -> None:
    data = encode(GREY)
    radiograph = read_radiograph(save(tmp_path, data))
    assert radiograph.size == Size(2, 3)
    assert radiograph.pixels.dtype == np.uint8
    assert np.array_equal(radiograph.pixels, GREY)
    assert radiograph.sha256 == hashlib.sha256(data).hexdigest()
    assert not radiograph.pixels.flags.writeable


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP", "GIF"])
def test_lossless_formats_keep_colour(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    assert np.array_equal(decode_radiograph(encode(COLOUR, kind, **options)), COLOUR)


def test_content_decides_not_the_name(tmp_path: Path) -> None:
    assert np.array_equal(read_radiograph(save(tmp_path, encode(GREY, "BMP"), "x.jpeg")).pixels, GREY)


def test_grey_stays_one_channel_and_colour_three() -> None:
    assert decode_radiograph(encode(GREY, "JPEG")).shape == (2, 3)
    assert decode_radiograph(encode(np.stack([GREY] * 3, axis=-1), "JPEG")).shape == (2, 3, 3)


def test_bilevel_becomes_black_and_white() -> None:
    assert decode_radiograph(encode(GREY > 120)).tolist() == [[0, 0, 0], [255, 255, 255]]


def test_transparency_is_dropped() -> None:
    alpha = np.array([[0, 255, 9], [0, 1, 255]], dtype=np.uint8)
    assert np.array_equal(decode_radiograph(encode(np.dstack([GREY, alpha]))), GREY)
    assert np.array_equal(decode_radiograph(encode(np.dstack([COLOUR, alpha]))), COLOUR)


@pytest.mark.parametrize("transparency", [None, 1, b"\x00\x80\xff"])
def test_palettes_become_colours(transparency: int | bytes | None) -> None:
    image = Image.new("P", (3, 1))
    image.putdata([0, 1, 2])
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    options: dict[str, object] = {} if transparency is None else {"transparency": transparency}
    pixels = decode_radiograph(encode(image, "PNG", **options))
    assert pixels.tolist() == [[[10, 20, 30], [40, 50, 60], [70, 80, 90]]]


def test_cmyk_becomes_rgb() -> None:
    black = Image.new("CMYK", (2, 1), (0, 0, 0, 255))
    assert decode_radiograph(encode(black, "TIFF")).tolist() == [[[0, 0, 0], [0, 0, 0]]]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([[100, 1124, 4196]], np.uint16),  # 12 bits in 16, as detectors give them
        ([[-100, 924, 3996]], np.int32),
        ([[-1.0, 9.0, 39.0]], np.float32),
    ],
)
def test_deep_grey_values_are_scaled_linearly_and_never_clipped(values: list[list[float]], dtype: type) -> None:
    # (1124 - 100) / (4196 - 100) = 1 / 4
    kind = "PNG" if dtype is np.uint16 else "TIFF"
    assert decode_radiograph(encode(np.array(values, dtype=dtype), kind)).tolist() == [[0, 64, 255]]


def test_the_full_range_of_16_bits_keeps_its_upper_byte_but_for_rounding() -> None:
    values = np.arange(2**16, dtype=np.uint16).reshape(256, 256)
    pixels = decode_radiograph(encode(values))
    assert np.array_equal(pixels, np.rint(values / 257).astype(np.uint8))


def test_big_endian_tiff_is_read() -> None:
    values = np.array([[256, 512, 1280]], dtype=">u2")
    entries = [(256, 3, 3), (257, 3, 1), (258, 3, 16), (259, 3, 1), (262, 3, 1), (273, 4, 8), (278, 3, 1), (279, 4, 6)]
    data = b"MM\x00\x2a" + struct.pack(">I", 14) + values.tobytes() + struct.pack(">H", len(entries))
    for tag, kind, value in entries:
        data += struct.pack(">HHI", tag, kind, 1) + struct.pack(">HH" if kind == 3 else ">I", *(value, 0)[: 5 - kind])
    assert decode_radiograph(data + struct.pack(">I", 0)).tolist() == [[0, 64, 255]]


def test_an_image_of_one_value_is_black() -> None:
    assert decode_radiograph(encode(np.full((2, 3), 900, dtype=np.uint16))).tolist() == [[0] * 3] * 2


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(value: float) -> None:
    data = encode(np.array([[1.0, value, 2.0]], dtype=np.float32), "TIFF")
    with pytest.raises(UndecodableError, match="not finite"):
        decode_radiograph(data)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("kind", "dtype"), [("PNG", np.uint8), ("TIFF", np.uint8), ("PNG", np.uint16)])
def test_exif_orientation_is_applied(orientation: int, kind: str, dtype: type) -> None:
    stored: NDArray[Any] = GREY.astype(dtype) * (257 if dtype is np.uint16 else 1)
    pixels = decode_radiograph(encode(stored, kind, exif=exif(orientation)))
    tagged = Image.fromarray(GREY)
    tagged.getexif()[0x0112] = orientation
    assert np.array_equal(pixels, np.array(ImageOps.exif_transpose(tagged)))


def test_orientation_6_turns_clockwise() -> None:
    assert upright(np.array([[1, 2, 3], [4, 5, 6]]), 6).tolist() == [[4, 1], [5, 2], [6, 3]]
    assert upright(np.array([[1, 2, 3], [4, 5, 6]]), 99).tolist() == [[1, 2, 3], [4, 5, 6]]


def test_damaged_exif_data_turn_nothing() -> None:
    data = encode(GREY, "JPEG", exif=b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x09broken")
    assert decode_radiograph(data).shape == (2, 3)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "TIFF", "WEBP"])
def test_of_several_images_the_first_counts(kind: str) -> None:
    frames = [Image.fromarray(COLOUR), Image.fromarray(255 - COLOUR)]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert np.array_equal(decode_radiograph(data), COLOUR)


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims any size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in [(b"IHDR", header), (b"IDAT", zlib.compress(b"\x00")), (b"IEND", b"")]
    )
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize("side", [10_001, 12_000, 20_001, 60_000])
def test_decompression_bombs_are_refused_without_a_warning(tmp_path: Path, side: int) -> None:
    with pytest.raises(RadiographError, match="has more than 100,000,000 pixels: check the file"):
        read_radiograph(save(tmp_path, bomb(side, side)))


def test_sizes_that_pillow_only_warns_of_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4)
    assert decode_radiograph(encode(GREY)).shape == (2, 3)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty: copy it again"),
        (b"\0\0\0\x18ftypheic", "is HEIC, which is not read: convert it to PNG, or leave it out"),
        (b"%PDF-1.7", "is a PDF document, which is not read: convert it"),
        (b"version https://git-lfs.github.com/spec/v1", "is a Git LFS pointer to a file, which is not read"),
        (b"<!doctype html>", "is a web page, which is not read"),
        (b"\xff\x4f\xff\x51\0", r"is damaged \(JPEG 2000 without a sound header\): copy it again"),
        (b"no image at all", r"is not an image that can be read \(JPEG, PNG, BMP, TIFF, WEBP, GIF, PPM.*\): convert"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is not an image that can be read"),
        (encode(np.zeros((64, 64), np.uint8), "JPEG")[:-40], "is damaged"),
        (encode(np.arange(4096, dtype=np.uint16).reshape(64, 64))[:100], "is damaged"),
        (bomb(50, 50), "is damaged"),
    ],
)
def test_files_that_cannot_be_decoded_are_an_error_of_one_line(tmp_path: Path, data: bytes, message: str) -> None:
    path = save(tmp_path, data)
    with pytest.raises(RadiographError, match=message) as caught:
        read_radiograph(path)
    assert str(caught.value).startswith(f"'{path}' is ")
    assert "\n" not in str(caught.value)
    assert caught.value.hint
    assert caught.value.exit_code is ExitCode.INPUT


def test_folders_and_missing_files_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(RadiographError, match=r"cannot read .* \(No such file"):
        read_radiograph(tmp_path / "none.png")
    with pytest.raises(RadiographError, match="is a folder, no image file: leave it out"):
        read_radiograph(tmp_path)


def test_large_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("btxrd_explain.inputs.radiograph._MAX_BYTES", 2**20)
    with pytest.raises(RadiographError, match="has more than 1 MiB"):
        read_radiograph(save(tmp_path, bytes(2**20 + 1)))


def test_damaged_bytes_are_decoded_or_refused() -> None:
    random_source = random.Random(20250712)  # noqa: S311 -- test data
    seeds = [encode(COLOUR.repeat(9, axis=0), kind, exif=exif(6)) for kind in ("JPEG", "PNG", "TIFF", "WEBP")] + [
        encode(GREY.repeat(9, axis=1), kind) for kind in ("GIF", "BMP", "JPEG")
    ]
    outcomes = {"read": 0, "refused": 0}
    for _ in range(1500):
        data = bytearray(random_source.choice(seeds))
        for _ in range(random_source.randrange(1, 5)):
            data[random_source.randrange(len(data))] = random_source.randrange(256)
        try:
            pixels = decode_radiograph(bytes(data[: random_source.randrange(len(data), 2 * len(data))]))
            outcomes["read"] += pixels.dtype == np.uint8 and pixels.ndim in (2, 3)
        except UndecodableError as error:
            outcomes["refused"] += bool(error.reason and error.hint)
    assert sum(outcomes.values()) == 1500
    assert min(outcomes.values()) > 100


def test_threads_may_read_side_by_side() -> None:
    data = [encode(GREY.repeat(20 + index, axis=0), "PNG", exif=exif(6)) for index in range(16)]
    with ThreadPoolExecutor(8) as pool:
        shapes = [pixels.shape for pixels in pool.map(decode_radiograph, data * 20)]
    assert shapes == [(3, 2 * (20 + index)) for index in range(16)] * 20
    assert not decode._quiet.locked()


@pytest.mark.real_data
def test_real_radiographs_are_decoded_exactly(real_data: Path) -> None:
    files = sorted((real_data / "btxrd_sample" / "images").iterdir())
    assert len(files) == 15
    channels = set()
    for path in files:
        pixels = read_radiograph(path).pixels
        channels.add(pixels.ndim)
        assert np.array_equal(pixels, np.array(Image.open(path)))
    assert channels == {2, 3}


@pytest.mark.parametrize("kind", ["MPO", "PPM", "JPEG2000", "AVIF"])
def test_rarer_formats_are_read(kind: str, tmp_path: Path) -> None:
    pixels = np.add.outer(np.arange(40), np.arange(32)).astype(np.uint8) * 3
    image = Image.fromarray(pixels)
    several = {"save_all": True, "append_images": [image]} if kind == "MPO" else {}
    image.save(tmp_path / "x", kind, quality=98, **several)
    assert np.abs(read_radiograph(tmp_path / "x").pixels - pixels.astype(float)).max() <= 3
    data = (tmp_path / "x").read_bytes()
    (tmp_path / "x").write_bytes(data[: len(data) // 3])
    with pytest.raises(RadiographError, match="is damaged"):
        read_radiograph(tmp_path / "x")


def test_threads_that_read_dicom_together_all_miss_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that waits for the failing import of another one is given a module without its functions."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "pydicom" or name.endswith("inputs.dicom")]:
        monkeypatch.delitem(sys.modules, name)
    asked: list[str] = []
    second: list[Future[Any]] = []
    with ThreadPoolExecutor(2) as pool:

        def decode_one() -> Future[Any]:
            return pool.submit(decode_radiograph, bytes(128) + b"DICM")

        class Missing:
            @staticmethod
            def find_spec(name: str, *_: object) -> None:
                if name == "pydicom":
                    asked.append(name)
                    if len(asked) == 1:
                        second.append(decode_one())
                        wait(second, timeout=0.2)  # it waits for this import, and so does not end
                    raise ModuleNotFoundError(name)

        monkeypatch.setattr(sys, "meta_path", [Missing, *sys.meta_path])
        found = [decode_one().exception(), *(one.exception() for one in second)]
    assert [type(error) for error in found] == [MissingPackagesError] * 2
