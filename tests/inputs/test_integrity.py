"""A picture of which a part is missing is an error, never a picture with a grey end."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from btxrd_explain.core.geometry import Size
from btxrd_explain.inputs.decode import UndecodableError, decode, whole
from btxrd_explain.inputs.radiograph import decode_radiograph
from tests.support.pictures import GREY, JPEGS, OTHERS, SEVERAL, chunk, encode, png


@pytest.mark.parametrize("name", [*JPEGS, *OTHERS])
def test_wherever_a_file_is_cut_it_is_refused_or_read_whole(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    data = (JPEGS | OTHERS)[name]
    pixels, read = decode_radiograph(data), []
    for cut in sorted({*range(0, len(data), max(len(data) // 60, 1)), *range(len(data) - 40, len(data))}):
        try:
            read.append(decode_radiograph(data[:cut]))
        except UndecodableError:
            continue
    assert all(np.array_equal(other, pixels) for other in read)
    assert len(read) <= 4  # a TIFF of PIL may end with bytes that mean nothing
    assert capfd.readouterr() == ("", "")  # libtiff and libjpeg would tell stderr


@pytest.mark.parametrize("name", JPEGS)
@pytest.mark.parametrize("reduced", [False, True])
def test_a_jpeg_whose_missing_part_libjpeg_would_paint_grey_is_refused(name: str, *, reduced: bool) -> None:
    needed = (lambda size: Size(size.height // 4, size.width // 4)) if reduced else None
    data = JPEGS[name]
    reference = Image.open(io.BytesIO(data))
    if reduced:
        reference.draft(None, (reference.width // 4, reference.height // 4))
    assert decode(data, needed=needed).image.tobytes() == reference.tobytes()
    for share in (0.4, 0.6, 0.7):
        torn = data[: int(share * len(data))] + b"\xff\xd9"  # as tools leave it that repair the end alone
        with pytest.raises(UndecodableError, match=r"is damaged .*(truncated|broken data stream)"):
            decode(torn, needed=needed)


def test_pillow_itself_takes_a_torn_jpeg_and_paints_it_grey() -> None:
    torn = JPEGS["grey"][: int(0.6 * len(JPEGS["grey"]))] + b"\xff\xd9"
    assert (np.asarray(Image.open(io.BytesIO(torn)))[-8:] == 128).all()


def test_a_jpeg_that_goes_on_as_zeros_is_refused() -> None:
    data = JPEGS["grey"]
    with pytest.raises(UndecodableError, match="truncated"):
        decode(data[: len(data) // 2] + bytes(len(data)))


def test_what_follows_the_end_of_a_jpeg_does_not_matter() -> None:
    pixels = decode_radiograph(JPEGS["colour"])
    data = JPEGS["colour"]
    thumbnail = encode(GREY.resize((8, 8)), "JPEG")
    exif = b"\xff\xe1" + struct.pack(">H", 8 + len(thumbnail)) + b"Exif\0\0" + thumbnail
    for other in (data + bytes(99), data + data, data[:-2] + b"\xff\xff\xff\xd9", data[:2] + exif + data[2:]):
        assert np.array_equal(decode_radiograph(other), pixels)


def test_a_jpeg_of_several_pictures_is_its_first_one() -> None:
    assert np.array_equal(decode_radiograph(SEVERAL["MPO"]), decode_radiograph(JPEGS["colour"]))


def test_a_jpeg_of_scans_without_number_is_refused() -> None:
    data = JPEGS["progressive grey"]
    scan, end = data.rfind(b"\xff\xda"), data.rfind(b"\xff\xd9")
    with pytest.raises(UndecodableError, match="more than 100 scans"):
        decode(data[:end] + 100 * data[scan:end] + data[end:])
    with pytest.raises(ValueError, match="more than 10,000 segments"):
        whole(data[:2] + 10_001 * b"\xff\xfe\x00\x02" + data[2:])


def test_a_png_with_a_wrong_checksum_is_refused() -> None:
    data = OTHERS["png L"]
    damaged = bytearray(data)
    damaged[data.find(b"IDAT") + 200] ^= 1  # most decoders only show other pixels
    with pytest.raises(UndecodableError, match=r"is damaged .the checksum of 'IDAT' is wrong"):
        decode_radiograph(bytes(damaged))
    assert decode_radiograph(png(chunk(b"tEXt", b"Comment\0harmless"))).shape == (8, 8)


def test_a_png_of_chunks_without_number_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 262,144 chunks"):
        whole(png(2**18 * chunk(b"IDAT", b"")))


@pytest.mark.parametrize("kind", [b"iCCP", b"zTXt", b"iTXt"])
def test_a_png_whose_metadata_unpack_to_tens_of_mebibytes_is_refused(kind: bytes) -> None:
    head = {b"iCCP": b"x\0\0", b"zTXt": b"x\0\0", b"iTXt": b"x\0\1\0\0\0"}[kind]
    with pytest.raises(UndecodableError, match="Decompressed data too large"):
        decode_radiograph(png(chunk(kind, head + zlib.compress(bytes(2**26), 1))))


def test_pixels_beyond_those_of_the_header_are_not_unpacked() -> None:
    assert not decode_radiograph(png(pixels=bytes(2**26))).any()


def tiff_of_one_tile(side: int) -> bytes:
    """A TIFF of 16 x 16 pixels in one tile of any size."""
    sizes = {256: 16, 257: 16, 258: 8, 259: 5, 262: 1, 277: 1, 322: side, 323: side, 324: 8, 325: 8}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sizes.items())
    return b"II*\0" + struct.pack("<I", 16) + bytes(8) + struct.pack("<H", len(sizes)) + entries + bytes(4)


def patched(data: bytes, place: int, width: int, *values: int, order: Literal["big", "little"]) -> bytes:
    """Write numbers over a part of a file."""
    new = b"".join(value.to_bytes(width, order) for value in values)
    return data[:place] + new + data[place + len(new) :]


READ_ALL = """
import resource, sys
from pathlib import Path
from btxrd_explain.errors import RadiographError
from btxrd_explain.inputs.radiograph import read_radiograph
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + 256 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
resource.setrlimit(resource.RLIMIT_CPU, (120, 120))  # a guard against hanging
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name in sys.argv[1:]:
    try:
        read_radiograph(Path(name))
    except RadiographError as error:
        assert not isinstance(error.__cause__, MemoryError), name
    else:
        raise AssertionError(name)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.fixture(scope="module")
def bombs() -> dict[str, bytes]:
    """Small files that claim, or unpack to, much more memory than should be given to one."""
    return {
        "png": png(width=60_000, height=60_000),
        "profile": png(chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(2**28), 1))),
        "comment": png(chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(2**28), 1))),
        "tile": tiff_of_one_tile(60_000),
        "jpeg": patched(JPEGS["grey"], JPEGS["grey"].index(b"\xff\xc0") + 5, 2, 65_500, 65_500, order="big"),
        "progressive": patched(
            JPEGS["progressive"], JPEGS["progressive"].index(b"\xff\xc2") + 5, 2, 65_500, 65_500, order="big"
        ),
        "gif": patched(OTHERS["gif"], 6, 2, 65_535, 65_535, order="little"),
        "bmp": patched(OTHERS["bmp L"], 18, 4, 60_000, 60_000, order="little"),
    }


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux says how much memory a process has")
def test_bombs_are_refused_in_little_memory(bombs: dict[str, bytes], tmp_path: Path) -> None:
    for name, data in bombs.items():
        (tmp_path / name).write_bytes(data)
    command = [sys.executable, "-c", READ_ALL, *(str(tmp_path / name) for name in bombs)]
    kibibytes = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert kibibytes < 64 * 1024


def test_a_tiff_whose_tile_claims_more_memory_than_an_image_is_refused(bombs: dict[str, bytes]) -> None:
    with pytest.raises(UndecodableError, match="has more than 100,000,000 pixels"):
        decode_radiograph(bombs["tile"])


@pytest.mark.real_data
def test_real_radiographs_are_whole_and_their_halves_are_not(real_data: Path) -> None:
    for path in sorted((real_data / "btxrd_sample" / "images").iterdir()):
        data = path.read_bytes()
        whole(data)
        with pytest.raises(UndecodableError, match="truncated"):
            decode(data[: len(data) // 2] + b"\xff\xd9")
