"""How an image file stores its pixels, told without decoding them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from btxrd_explain.inputs.decode import FORMATS, orientation_of, without_warnings

if TYPE_CHECKING:
    from pathlib import Path

_BITS = {"1": 1, "I": 32, "F": 32}


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """How an image file stores its pixels.

    Attributes:
        format: Its format by content, as Pillow names it: ``JPEG``, ``PNG`` ...
        mode: Pillow's name of the kind of pixels: ``L`` is grey, ``RGB`` colour, ``CMYK``, ``P`` a palette ...
        bits: Bits of one value.
        frames: Number of images in the file.
        orientation: EXIF orientation, 1 to 8; 1 is upright.
        suffixes: Suffixes that files of this format have, in lower case.
    """

    format: str
    mode: str
    bits: int
    frames: int
    orientation: int
    suffixes: frozenset[str]


def read_header(path: Path) -> ImageHeader | None:
    """Read how a file stores its pixels.

    Args:
        path: The image file.

    Returns:
        What it says; None where Pillow does not know the format, or the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            with without_warnings():
                image = Image.open(file, formats=FORMATS)
                frames = int(getattr(image, "n_frames", 1))
            bits = 16 if ";16" in image.mode else _BITS.get(image.mode, 8)
            suffixes = frozenset(
                suffix for suffix, name in Image.registered_extensions().items() if name == image.format
            )
            return ImageHeader(image.format or "", image.mode, bits, frames, orientation_of(image), suffixes)
    except Exception:  # noqa: BLE001 -- Pillow raises whatever a damaged file provokes, which decoding it will name
        return None
