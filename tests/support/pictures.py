"""Small valid images of every format and mode that is read, which tests damage."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

_COARSE = np.random.default_rng(0).integers(0, 256, (12, 9, 3), dtype=np.uint8)
COLOUR = Image.fromarray(_COARSE).resize((46, 61), Image.Resampling.BICUBIC)
GREY = COLOUR.convert("L")
DEEP = Image.fromarray(np.asarray(GREY).astype(np.uint16) * 257)
OTHER = COLOUR.transpose(Image.Transpose.ROTATE_180)


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:  # noqa: ANN401 -- whatever the format takes
    """Return the content of an image file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def exif(orientation: int) -> Image.Exif:
    """Return EXIF data that turn an image."""
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


JPEGS = {
    "grey": encode(GREY, "JPEG"),
    "colour": encode(COLOUR, "JPEG"),
    "cmyk": encode(COLOUR.convert("CMYK"), "JPEG"),
    "restarts": encode(COLOUR, "JPEG", restart_marker_rows=2),
    "turned": encode(GREY, "JPEG", exif=exif(6)),
    "progressive": encode(COLOUR, "JPEG", progressive=True),
    "progressive grey": encode(GREY, "JPEG", progressive=True),
}
OTHERS = {
    **{f"png {mode}": encode(COLOUR.convert(mode), "PNG") for mode in ("1", "L", "LA", "P", "RGB", "RGBA")},
    "png 16": encode(DEEP, "PNG"),
    **{
        f"tiff {mode} {compression}": encode(COLOUR.convert(mode), "TIFF", compression=compression)
        for mode in ("L", "RGB")
        for compression in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
    },
    **{f"tiff {mode}": encode(COLOUR.convert(mode), "TIFF") for mode in ("1", "P", "CMYK", "F", "YCbCr")},
    "tiff 16": encode(DEEP, "TIFF"),
    "webp": encode(COLOUR, "WEBP"),
    "webp lossless": encode(COLOUR, "WEBP", lossless=True),
    **{f"bmp {mode}": encode(COLOUR.convert(mode), "BMP") for mode in ("1", "L", "RGB")},
    "gif": encode(COLOUR.convert("P"), "GIF"),
}
SEVERAL = {
    kind: encode(COLOUR, kind, save_all=True, append_images=[OTHER]) for kind in ("GIF", "PNG", "TIFF", "WEBP", "MPO")
}
"""Animations, pages, and what a camera with two lenses writes."""


def chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(*chunks: bytes, width: int = 8, height: int = 8, pixels: bytes = bytes(72)) -> bytes:
    """Return a grey PNG with further chunks before its pixels, which may be more or fewer than it claims."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    rest = chunk(b"IDAT", zlib.compress(pixels, 1)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + rest
