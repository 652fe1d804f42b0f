from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import cv2  # noqa: F401 -- what is imported while something is measured would count
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from btxrd_explain.core.choices import Decode
from btxrd_explain.core.geometry import Size
from btxrd_explain.core.preprocess import Preprocessing
from btxrd_explain.errors import RadiographError
from btxrd_explain.inputs.radiograph import Radiograph, read_radiograph
from tests.hostile.fuzz.harness import examples, outcome
from tests.hostile.fuzz.mutations import mutated
from tests.support.pictures import COLOUR, GREY, JPEGS, OTHERS, SEVERAL, encode

if TYPE_CHECKING:
    from pathlib import Path

RARE = [encode(image, kind) for kind in ("PPM", "JPEG2000", "AVIF") for image in (GREY, COLOUR)]
SEEDS = [*JPEGS.values(), *OTHERS.values(), *SEVERAL.values(), *RARE]
TOKENS = (
    *(
        bytes([0xFF, marker])
        for marker in (0x01, 0xC0, 0xC2, 0xC4, 0xCC, 0xD0, 0xD8, 0xD9, 0xDA, 0xDB, 0xDC, 0xDD, 0xE1)
    ),
    *(b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"iCCP", b"zTXt", b"eXIf", b"acTL", b"fcTL", b"fdAT", b"gAMA"),
    *(struct.pack("<H", tag) for tag in (254, 256, 257, 258, 259, 262, 266, 274, 277, 278, 284, 317, 322, 323, 339)),
    *(b"II*\0", b"MM\0*", b"II+\0", b"RIFF", b"WEBP", b"VP8 ", b"VP8L", b"VP8X", b"ANIM", b"ANMF", b"GIF89a", b"BM"),
    *(b"\x21\xf9\x04", b"\x21\xff\x0b", b"\x2c", b"\x3b", b"Exif\0\0", b"MPF\0", b"\x89PNG\r\n\x1a\n"),
)
DECODERS = {
    decode: Preprocessing(Size(8, 8), (0.5,), (0.25,), decode=decode).needed for decode in (Decode.EXACT, Decode.FAST)
}
MAX_PIXELS = 10**6


@pytest.fixture(autouse=True)
def _little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow a hundredth of the pixels, so that a hundredth of the time and memory must be enough."""
    monkeypatch.setattr("btxrd_explain.inputs.decode.MAX_PIXELS", MAX_PIXELS)


def with_checksums(data: bytes) -> bytes:
    """Return a PNG with the checksums that its chunks should have: a wrong one would hide what else is wrong."""
    repaired, place = bytearray(data), 8
    while place + 12 <= len(data):
        end = place + 8 + int.from_bytes(data[place : place + 4])
        repaired[end : end + 4] = struct.pack(">I", zlib.crc32(data[place + 4 : end]))[: max(len(data) - end, 0)]
        place = end + 4
    return bytes(repaired)


@given(data=mutated(SEEDS, TOKENS), decode=st.sampled_from(sorted(DECODERS)), repair=st.booleans())
@examples(quick=150, long=50_000)
def test_a_mutated_image_is_read_or_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], data: bytes, decode: Decode, *, repair: bool
) -> None:
    path = tmp_path / "IMG000046.jpeg"
    path.write_bytes(with_checksums(data) if repair and data.startswith(b"\x89PNG") else data)
    result = outcome(lambda: read_radiograph(path, DECODERS[decode]), folder=tmp_path)
    if isinstance(result, Radiograph):
        assert result.pixels.dtype == np.uint8
        assert result.pixels.shape[2:] in {(), (3,)}
        assert 0 < result.pixels.shape[0] * result.pixels.shape[1] <= result.size.height * result.size.width
        assert result.size.height * result.size.width <= MAX_PIXELS
    else:
        assert isinstance(result, RadiographError)
        assert result.hint
    assert capfd.readouterr() == ("", "")


@given(
    name=st.sampled_from(sorted(JPEGS | OTHERS | SEVERAL)),
    share=st.floats(0, 1, exclude_max=True),
    decode=st.sampled_from(sorted(DECODERS)),
)
@examples(quick=50, long=5_000)
def test_a_truncated_image_is_refused_or_read_whole(tmp_path: Path, name: str, share: float, decode: Decode) -> None:
    data, path = (JPEGS | OTHERS | SEVERAL)[name], tmp_path / "IMG000046.jpeg"
    path.write_bytes(data)
    pixels = read_radiograph(path, DECODERS[decode]).pixels
    path.write_bytes(data[: int(share * len(data))])
    result = outcome(lambda: read_radiograph(path, DECODERS[decode]), folder=tmp_path)
    if isinstance(result, Radiograph):
        assert np.array_equal(result.pixels, pixels)
    else:
        assert isinstance(result, RadiographError)
