"""Image files from anywhere, decoded by Pillow: bounded, quiet, and upright."""

from __future__ import annotations

import ctypes
import warnings
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from PIL import ExifTags, Image, UnidentifiedImageError, _imaging

from btxrd_explain.core.geometry import Size
from btxrd_explain.inputs.integrity import whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF")
"""Formats by content, whatever the file's name; Pillow's others are rare, and some start other programs."""
MAX_PIXELS = 100_000_000
"""More than five times the largest radiograph of BTXRD; more is a mistake or an attack on the memory."""
SIDEWAYS = (5, 6, 7, 8)
"""EXIF orientations whose sides are swapped."""

_LONGEST_REASON = 200
"""Some errors quote the file."""

_quiet = Lock()


class UndecodableError(Exception):
    """Some bytes are no image that can be decoded.

    Args:
        reason: What is wrong, to be read after the file's name: "is truncated".
        hint: What to do.
    """

    def __init__(self, reason: str, *, hint: str) -> None:
        """Keep reason and hint apart, for the error that will name the file."""
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


class MissingPackagesError(UndecodableError):
    """What decodes DICOM is not installed: nothing is known of the file, and a later run may read it.

    Args:
        reason: What is needed, to be read after the file's name.
    """

    def __init__(self, reason: str) -> None:
        """Say how to install it."""
        super().__init__(reason, hint="pip install 'btxrd-explain[dicom]'")


class Decoded(NamedTuple):
    """A decoded image.

    Attributes:
        image: The image as it is stored.
        orientation: EXIF orientation, 1 to 8; see :func:`upright`.
        size: Height and width of the file's image, larger than the decoded one where that is reduced.
    """

    image: Image.Image
    orientation: int
    size: Size


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
        UndecodableError: The bytes are no such image, or one that is damaged or too large.
        MemoryError: There is less memory than even an image of a sensible size takes.
    """
    if not data:
        raise UndecodableError("is empty", hint="copy it again from its source")
    with refusing_damage(formats):
        return _decode(whole(data), formats, needed)


@contextmanager
def refusing_damage(formats: tuple[str, ...] = FORMATS) -> Iterator[None]:
    """Turn whatever Pillow raises into what is wrong with the image; a lack of memory stays as it is.

    Args:
        formats: The formats that were tried.

    Raises:
        UndecodableError: The image is damaged, too large, or none.
    """
    try:
        yield
    except (UndecodableError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise too_large() from error
    except UnidentifiedImageError as error:
        raise UndecodableError(
            f"is no image that can be read ({', '.join(formats)})", hint="convert it to PNG, or leave it out"
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
    size = Size(image.height, image.width)
    if needed is not None and (wanted := needed(size)) != size:
        image.draft(None, (wanted.width, wanted.height))  # only JPEG can
    if image.format == "TIFF":  # turns the image by itself, and warns of tags that it does not understand
        _silence_libtiff()
        with without_warnings():
            image.load()
            return Decoded(image, 1, Size(image.height, image.width))
    image.load()
    return Decoded(image, orientation_of(image), size)


def _tile_pixels(image: Image.Image) -> int:
    """Return the pixels of a TIFF's tile, which may claim more of them, and memory, than the image; 0 without tiles."""
    tags = getattr(image, "tag_v2", {})
    width, height = (tags.get(tag, 0) for tag in (ExifTags.Base.TileWidth, ExifTags.Base.TileLength))
    return int(width) * int(height)


def orientation_of(image: Image.Image) -> int:
    """Return the EXIF orientation of a loaded image (PNG may hold it behind the pixels), 1 where it has none.

    EXIF data that cannot be parsed turn no image in any viewer, and are no reason to refuse its pixels.
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
