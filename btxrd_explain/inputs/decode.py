"""How an image file stores its pixels, told without decoding them."""

from __future__ import annotations

import ctypes
import re
import warnings
import zlib
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from PIL import ExifTags, Image, UnidentifiedImageError, _imaging, features

from btxrd_explain.core.geometry import Size
from btxrd_explain.inputs.file_kinds import ADVICE, foreign_kind
from btxrd_explain.system.extras import to_install
from btxrd_explain.untrusted.documents import InvalidDocumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

# Whether a JPEG or PNG file is whole: decoders forgive what a radiograph must not lack.
#
# libjpeg paints grey what a file lacks, and goes on; Pillow leaves PNG's checksums unread. What is checked here costs
# little beside decoding.

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
    """Return whether scans brought all bits of all 64 coefficients (ITU-T T.81, G.1.1.1)."""
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


# Image files from anywhere, decoded by Pillow: bounded, quiet, and upright.

FORMATS = (
    *("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF", "PPM"),
    *(name for name, feature in (("JPEG2000", "jpg_2000"), ("AVIF", "avif")) if features.check(feature)),
)
"""Formats by content, whatever the file's name; Pillow's others are rare, and some start other programs."""
MAX_PIXELS = 100_000_000
"""More than five times the largest radiograph of BTXRD; more is a mistake or an attack on the memory."""
_LONGEST_SIDE = 65_535
"""As JPEG can have at most; a TIFF of a few bytes may claim millions of rows, and memory for each."""
SIDEWAYS = (5, 6, 7, 8)
"""EXIF orientations whose sides are swapped."""

_LONGEST_REASON = 200
"""Some errors quote the file."""

_quiet = Lock()


class UndecodableError(Exception):
    """Some bytes are not an image that can be decoded.

    Args:
        reason: What is wrong, to be read after the file's name: "is truncated".
        hint: What to do.
    """

    def __init__(self, reason: str, *, hint: str) -> None:
        """Keep reason and hint apart, for the error that will name the file."""
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


class UnidentifiedError(UndecodableError):
    """Some bytes are in none of the formats that are read."""


class MissingPackagesError(UndecodableError):
    """What decodes DICOM is not installed: nothing is known of the file, and a later run may read it.

    Args:
        reason: What is needed, to be read after the file's name.
    """

    def __init__(self, reason: str) -> None:
        """Say how to install it."""
        super().__init__(reason, hint=to_install("dicom"))


class Decoded(NamedTuple):
    """A decoded image.

    Attributes:
        image: The image as it is stored.
        orientation: EXIF orientation, 1 to 8; see :func:`upright`.
        size: Height and width of the file's image, larger than the decoded one where that is reduced.
        frames: Number of images in the file (pages, frames of an animation), of which this is the first.
    """

    image: Image.Image
    orientation: int
    size: Size
    frames: int


def decode(data: bytes, formats: tuple[str, ...] = FORMATS, *, needed: Callable[[Size], Size] | None = None) -> Decoded:
    """Decode an image, or the first one of several (animation, pages).

    Args:
        data: Content of the file.
        formats: Pillow's names of the formats to try.
        needed: From the size of an image the size that it is needed at; JPEG is then decoded at a half, a quarter or
            an eighth of its size, but no smaller than that.

    Returns:
        The image.

    Raises:
        UndecodableError: The bytes are not such an image, or one that is damaged or too large.
        MemoryError: There is less memory than even an image of a sensible size takes.
    """
    if not data:
        raise UndecodableError("is empty", hint="copy it again from its source")
    try:
        with refusing_damage(formats):
            return _decode(whole(data), formats, needed)
    except UnidentifiedError as error:
        foreign = _foreign(data, formats)
        if foreign is None:
            raise
        raise foreign from error


def _foreign(data: bytes, formats: tuple[str, ...]) -> UndecodableError | None:
    """Return the error of a file of a known kind that is not read, or whose header is damaged; None for others."""
    kind = foreign_kind(data)
    if kind is None:
        return None
    if kind.replace(" ", "") in formats:
        return UndecodableError(f"is damaged ({kind} without a sound header)", hint="copy it again from its source")
    hint = ADVICE.get(kind, "convert it to PNG, or leave it out")
    return UndecodableError(f"is {kind}, which is not read", hint=hint)


@contextmanager
def refusing_damage(formats: tuple[str, ...] = FORMATS) -> Iterator[None]:
    """Turn whatever Pillow raises into what is wrong with the image.

    A lack of memory stays as it is, and so does what a sound image is said not to be.

    Args:
        formats: The formats that were tried.

    Raises:
        UndecodableError: The image is damaged, too large, or none.
    """
    try:
        yield
    except (UndecodableError, InvalidDocumentError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise too_large() from error
    except UnidentifiedImageError as error:
        raise UnidentifiedError(
            f"is not an image that can be read ({', '.join(formats)})", hint="convert it to PNG, or leave it out"
        ) from error
    except Exception as error:  # Pillow's decoders raise whatever a damaged file provokes
        reason = " ".join(str(error).split())[:_LONGEST_REASON] or type(error).__name__
        raise UndecodableError(f"is damaged ({reason})", hint="copy it again from its source") from error


def upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn and mirror stored pixels to how the image is meant to be seen.

    Args:
        pixels: Array of shape ``(height, width, ...)``.
        orientation: EXIF orientation; unknown values mean 1, upright.

    Returns:
        A view of the pixels; its sides are swapped for the orientations 5 to 8.
    """
    if orientation in SIDEWAYS:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def _decode(data: bytes, formats: tuple[str, ...], needed: Callable[[Size], Size] | None) -> Decoded:
    with without_warnings():
        image = Image.open(BytesIO(data), formats=formats)
    if max(image.width * image.height, _tile_pixels(image)) > MAX_PIXELS:
        raise too_large()
    if max(image.size) > _LONGEST_SIDE:
        raise UndecodableError(f"has a side of more than {_LONGEST_SIDE:,} pixels", hint="check the file")
    size = Size(image.height, image.width)
    frames = frames_of(image)
    if needed is not None and (wanted := needed(size)) != size:
        image.draft(None, (wanted.width, wanted.height))  # only JPEG can
    if image.format == "TIFF":  # turns the image by itself, and warns of tags that it does not understand
        _silence_libtiff()
        with without_warnings():
            image.load()
            return Decoded(image, 1, Size(image.height, image.width), frames)
    image.load()
    return Decoded(image, orientation_of(image), size, frames)


def frames_of(image: Image.Image) -> int:
    """Return how many images the file of an opened image holds.

    If one behind the first is damaged, there are at least 2, and no more is known.
    """
    try:
        with without_warnings():
            return int(getattr(image, "n_frames", 1))
    except Exception:  # noqa: BLE001 -- Pillow raises whatever damaged pages provoke
        image.seek(0)
        return 2


def _tile_pixels(image: Image.Image) -> int:
    """Return the pixels of a TIFF's tile, which may claim more of them, and memory, than the image; 0 without tiles."""
    tags = getattr(image, "tag_v2", {})
    width, height = (tags.get(tag, 0) for tag in (ExifTags.Base.TileWidth, ExifTags.Base.TileLength))
    return int(width) * int(height)


def orientation_of(image: Image.Image) -> int:
    """Return the EXIF orientation of a loaded image (PNG may hold it behind the pixels), 1 where it has none.

    EXIF data that cannot be parsed do not turn an image in any viewer, and do not make its pixels unusable.
    """
    try:
        with without_warnings():
            orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001 -- Pillow raises whatever damaged EXIF data provoke
        return 1
    return orientation if isinstance(orientation, int) else 1


@contextmanager
def without_warnings() -> Iterator[None]:
    """Silence Pillow's warnings about metadata and sizes, which are checked here; one thread at a time.

    Python's warning filters belong to the process. The lock keeps threads that read side by side from restoring
    each other's; decoding itself runs outside of it.
    """
    with _quiet, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@cache
def _silence_libtiff() -> None:
    """Keep libtiff from telling stderr, past Python, what Pillow raises anyway; where it is a library of its own."""
    try:
        ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler(None)
    except (AttributeError, OSError):  # Windows, where it is part of Pillow
        return


def silence(package: str) -> None:
    """Silence the warnings of a package from now on, in all threads; see :func:`without_warnings`."""
    with _quiet:
        warnings.filterwarnings("ignore", module=rf"{package}(\.|$)")


def too_large() -> UndecodableError:
    """Return the error of an image that memory should not be given to."""
    return UndecodableError(f"has more than {MAX_PIXELS:,} pixels", hint="check the file, or shrink the image")


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
            frames = frames_of(image)
            bits = 16 if ";16" in image.mode else _BITS.get(image.mode, 8)
            suffixes = frozenset(
                suffix for suffix, name in Image.registered_extensions().items() if name == image.format
            )
            return ImageHeader(image.format or "", image.mode, bits, frames, orientation_of(image), suffixes)
    except Exception:  # noqa: BLE001 -- Pillow raises whatever a damaged file provokes, which decoding it will name
        return None
