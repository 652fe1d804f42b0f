"""Whether a JPEG or PNG file is whole: decoders forgive what a radiograph must not lack.

libjpeg paints grey what a file lacks, and goes on; Pillow leaves PNG's checksums unread. What is checked here costs
little beside decoding.
"""

from __future__ import annotations

import re
import zlib
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")
"""A marker, with the fill bytes before it; a zero makes 0xFF data, and restart markers are within the data."""
_START_OF_IMAGE, _END_OF_IMAGE, _START_OF_SCAN, _TEMPORARY = 0xD8, 0xD9, 0xDA, 0x01
_PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_MAX_SEGMENTS = 10_000
_MAX_SCANS = 100
"""Encoders write about ten; each costs as much time as a whole image, whatever its few bytes."""
_MAX_CHUNKS = 2**18
_PADDING = b"\x55" * 8
"""Lets libjpeg look ahead behind the last pixel, and is too short to stand for pixels that are missing."""


def whole(data: bytes) -> bytes:
    """Check that nothing of an image file is missing, as far as its format tells.

    Args:
        data: Content of the file, of any format.

    Returns:
        What to decode: a JPEG with one scan loses its end, so that libjpeg, which otherwise paints grey up to it, must
        ask for more where pixels are missing.

    Raises:
        ValueError: It is truncated, a checksum is wrong, or it has parts without number.
    """
    if data.startswith(_JPEG):
        return _whole_jpeg(data)
    if data.startswith(_PNG):
        _check_png(data)
    return data


def _whole_jpeg(data: bytes) -> bytes:
    """Check a JPEG: it ends with the end of the image, and its scans make the whole picture."""
    kind, components, scans = 0, b"", 0
    depths: dict[int, dict[int, int]] = defaultdict(dict)  # per component and coefficient the bits still to come
    for marker, start, end in _segments(data):
        body = data[start + 2 : end]
        if marker in _FRAMES:
            kind, components = marker, body[6::3]
        elif marker == _START_OF_SCAN and body:
            scans += 1
            count = body[0]
            if kind not in _PROGRESSIVE and count == len(components):
                return _up_to(data, data.find(b"\xff\xd9", end))
            if kind in _PROGRESSIVE and len(body) == 4 + 2 * count:
                first, last, bits = body[-3:]
                for component in body[1 : 1 + 2 * count : 2]:
                    depths[component].update(dict.fromkeys(range(first, min(last, 63) + 1), bits & 15))
        elif marker == _END_OF_IMAGE:
            if kind in _PROGRESSIVE and not all(_is_complete(depths[component]) for component in components):
                raise ValueError("image file is truncated: scans are missing")
            return data
        if scans > _MAX_SCANS:
            raise ValueError(f"more than {_MAX_SCANS} scans")
    raise _truncated()


def _is_complete(depths: dict[int, int]) -> bool:
    """Say whether scans brought all bits of all 64 coefficients (ITU-T T.81, G.1.1.1)."""
    return len(depths) == 64 and not any(depths.values())


def _up_to(data: bytes, end: int) -> bytes:
    if end < 0:
        raise _truncated()
    return data[:end].rstrip(b"\xff") + _PADDING


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield marker, start and end of a JPEG's segments; those that have no content end where they start."""
    place = 2
    for _ in range(_MAX_SEGMENTS):
        found = _MARKER.search(data, place)
        if found is None:
            return
        marker, start = found[1][0], found.end()
        if marker in {_START_OF_IMAGE, _END_OF_IMAGE, _TEMPORARY}:
            place = start
        else:
            place = start + max(int.from_bytes(data[start : start + 2]), 2)
        yield marker, start, place
    raise ValueError(f"more than {_MAX_SEGMENTS:,} segments")


def _check_png(data: bytes) -> None:
    """Check a PNG: all chunks that it needs have the right checksum, and the last one is there."""
    view, place = memoryview(data), len(_PNG)
    for _ in range(_MAX_CHUNKS):
        end = place + 12 + int.from_bytes(view[place : place + 4])
        name = bytes(view[place + 4 : place + 8])
        if end > len(data) or len(name) < 4:
            raise _truncated()
        critical = not name[0] & 0x20
        if critical and zlib.crc32(view[place + 4 : end - 4]) != int.from_bytes(view[end - 4 : end]):
            raise ValueError(f"the checksum of {name.decode('ascii', 'backslashreplace')!r} is wrong")
        if name == b"IEND":
            return
        place = end
    raise ValueError(f"more than {_MAX_CHUNKS:,} chunks")


def _truncated() -> ValueError:
    return ValueError("image file is truncated")
