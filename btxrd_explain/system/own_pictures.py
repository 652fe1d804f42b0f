"""The mark of pictures that this tool makes: they are results, and are never read as radiographs.

PNG and TIFF have it as the name of the program that made them (``Software``), JPEG as a comment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zlib import crc32

if TYPE_CHECKING:
    from pathlib import Path

RESULT = "btxrd-explain result"
"""A figure, an overlay, a heat map, a region of one, or a copy of a radiograph for a page."""
ANNOTATION = "btxrd-explain annotation"
"""The expert's lesions, which may be read as such again."""
_IHDR_END, _APP0_END = 33, 20
"""Where the first part of a PNG ends, and that of a JPEG as OpenCV writes it."""
_TIFF_SOFTWARE = 305


def marked(data: bytes, mark: str = RESULT) -> bytes:
    """Return the content of a PNG or JPEG file, as OpenCV encodes them, with the mark."""
    text = mark.encode()
    if data.startswith(b"\xff\xd8"):
        return data[:_APP0_END] + b"\xff\xfe" + (len(text) + 2).to_bytes(2) + text + data[_APP0_END:]
    chunk = b"tEXtSoftware\0" + text
    size, checksum = (len(chunk) - 4).to_bytes(4), crc32(chunk).to_bytes(4)
    return data[:_IHDR_END] + size + chunk + checksum + data[_IHDR_END:]


def mark_of(image: Any) -> str | None:  # noqa: ANN401 -- an image of Pillow, which only readers of images import
    """Return the mark of an image that Pillow has opened; None where this tool did not make it."""
    said = [image.info.get("Software"), image.info.get("comment"), getattr(image, "tag_v2", {}).get(_TIFF_SOFTWARE)]
    return next((mark for mark in (RESULT, ANNOTATION) if mark in said or mark.encode() in said), None)


def may_be_replaced(path: Path) -> bool:
    """Return whether a path is free, or a PNG with one of the marks is there; of links and pipes, writing says more."""
    if path.is_symlink() or not path.is_file():
        return True
    try:
        with path.open("rb") as file:
            head = file.read(2 * _IHDR_END + len(ANNOTATION))
    except OSError:
        return False
    return any(mark.encode() in head for mark in (RESULT, ANNOTATION))
