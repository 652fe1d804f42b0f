"""Radiographs from image files: pixels of 8 or 16 bits, upright, with the hash of the file."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import IO, TYPE_CHECKING, Any, TypeVar

import numpy as np
from PIL import ExifTags

from btxrd_explain.core.arrays import checked_place
from btxrd_explain.core.geometry import Size
from btxrd_explain.errors import RadiographError
from btxrd_explain.inputs.decode import (
    SIDEWAYS,
    MissingPackagesError,
    UndecodableError,
    decode,
    refusing_damage,
    upright,
)
from btxrd_explain.inputs.file_kinds import is_dicom
from btxrd_explain.inputs.image_files import kind_of
from btxrd_explain.plain import short_repr
from btxrd_explain.system.own_pictures import mark_of
from btxrd_explain.system.places import as_text, is_url, is_utf8, open_to_read, reaching

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from PIL import Image

Level = TypeVar("Level", np.uint8, np.uint16)

_GREY = frozenset({"1", "L", "LA", "La"})
_WHITE_IS_ZERO, _SEPARATE_PLANES, _UNCOMPRESSED = 0, 2, 1
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3
_VALUES_AT_ONCE = 2**20
"""Wider types are needed on the way, which for all values at once take many times the memory of the image."""
_PNG_DEPTH = 24
"""Where a PNG tells the bits per value."""
_PPM_LARGEST = re.compile(rb"P[36]" + rb"(?:\s|#[^\n]*\n)+\d+" * 2 + rb"(?:\s|#[^\n]*\n)+(\d{1,5})\s")
"""Where a PPM in colour tells its largest value, behind width and height."""
_JPEG_2000_DEPTH = re.compile(rb"\xff\x4f\xff\x51.{38}(.)", re.DOTALL)
"""Where JPEG 2000 tells the bits of its first component, less one, with a sign bit above them (ITU-T T.800, A.5.1)."""


def to_8_bits(image: Image.Image, data: bytes) -> NDArray[np.uint8]:
    """Turn a decoded image into 8-bit pixels.

    Deeper values are scaled linearly, the image's smallest to 0 and its largest to 255, those of colours together.

    Args:
        image: The image, loaded.
        data: The file's content.

    Returns:
        Uint8 array of shape ``(height, width)``, or ``(height, width, 3)`` in RGB, without transparency.

    Raises:
        UndecodableError: The values are of a kind that is not read rightly, or not finite.
    """
    if image.format == "TIFF":
        _refuse_misread(image)
    if _is_deep_grey(image):
        grey = _stretch(_values(image), np.uint8)
        return 255 - grey if _is_inverted(image) else grey
    if _is_deep_colour(image, data):
        return _stretch(_deep_colours(data), np.uint8)
    if image.mode in {"L", "RGB"}:
        return np.asarray(image)
    if image.mode in _GREY:
        return np.asarray(image.convert("L"))
    if image.mode in {"P", "PA"} and "transparency" in image.info:
        image = image.convert("RGBA")  # by way of RGBA, for Pillow warns of the direct way
    return np.asarray(image.convert("RGB"))


def to_16_bits(image: Image.Image, data: bytes) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Turn a decoded image into pixels with all the bits that it has, up to 16.

    Unsigned values of up to 16 bits stay what they are. Signed, longer and floating values are scaled linearly, the
    image's smallest to 0 and its largest to 65535.

    Args:
        image: The image, loaded.
        data: The file's content.

    Returns:
        As :func:`to_8_bits`, but uint16 for an image of more than 8 bits.

    Raises:
        UndecodableError: The values are of a kind that is not read rightly, or not finite.
    """
    if image.format == "TIFF":
        _refuse_misread(image)
    if _is_deep_grey(image):
        return _kept(image)
    return _deep_colours(data) if _is_deep_colour(image, data) else to_8_bits(image, data)


def _kept(image: Image.Image) -> NDArray[np.uint16]:
    """Return grey values of up to 16 bits as they are, others scaled to 16 bits; white is not 0."""
    bits = _tag(image, ExifTags.Base.BitsPerSample, 16)
    unsigned = _tag(image, ExifTags.Base.SampleFormat, _UNSIGNED) == _UNSIGNED
    if bits <= 16 and unsigned and image.mode != "F":
        grey, white = _values(image).astype(np.uint16), 2**bits - 1
    else:
        grey, white = _stretch(_values(image), np.uint16), 2**16 - 1
    return np.subtract(white, grey, dtype=np.uint16) if _is_inverted(image) else grey


def _is_deep_grey(image: Image.Image) -> bool:
    return image.mode.startswith("I") or image.mode == "F"


def _is_inverted(image: Image.Image) -> bool:
    return _tag(image, ExifTags.Base.PhotometricInterpretation, 1) == _WHITE_IS_ZERO


def _tag(image: Image.Image, tag: ExifTags.Base, default: int) -> int:
    """Return a tag of a TIFF, of several numbers the largest; the default where there is none, and of other formats."""
    value = getattr(image, "tag_v2", {}).get(tag, default)
    return int(max(value) if isinstance(value, tuple) else value)


def _refuse_misread(image: Image.Image) -> None:
    """Refuse what Pillow decodes without complaint to other values than the file's."""
    bits, kind = _tag(image, ExifTags.Base.BitsPerSample, 1), _tag(image, ExifTags.Base.SampleFormat, _UNSIGNED)
    reason = None
    if bits > 8 and _tag(image, ExifTags.Base.PlanarConfiguration, 1) == _SEPARATE_PLANES:
        reason = f"keeps each colour of {bits} bits apart"
    elif bits <= 8 and kind == _SIGNED:
        reason = "holds signed values of 8 bits"
    elif kind == _FLOAT and _is_big_endian(image) and _tag(image, ExifTags.Base.Compression, 1) != _UNCOMPRESSED:
        reason = "holds compressed big-endian floating-point values"
    if reason is not None:
        raise UndecodableError(f"{reason}, which is not read", hint="convert it to 16-bit PNG")


def _is_big_endian(image: Image.Image) -> bool:
    return bool(getattr(image, "tag_v2").prefix == b"MM")  # noqa: B009 -- only Pillow's class of TIFF images has it


def _values(image: Image.Image) -> NDArray[Any]:
    """Return the grey values of a deep image; Pillow takes unsigned 32 bits for signed ones."""
    values = np.asarray(image)
    unsigned = _tag(image, ExifTags.Base.SampleFormat, _UNSIGNED) == _UNSIGNED
    if image.mode == "I" and _tag(image, ExifTags.Base.BitsPerSample, 0) == 32 and unsigned:
        return values.view(np.uint32)
    return values


def _is_deep_colour(image: Image.Image, data: bytes) -> bool:
    """Return whether Pillow kept no more than the upper 8 bits of the channels."""
    if image.format == "PNG":
        return data[_PNG_DEPTH] == 16
    if image.format == "PPM":
        found = _PPM_LARGEST.match(data)
        return found is not None and int(found[1]) > 255
    if image.format == "JPEG2000":
        found = _JPEG_2000_DEPTH.search(data)
        return found is not None and found[1][0] & 0x7F >= 8 and len(image.getbands()) > 1
    return _tag(image, ExifTags.Base.BitsPerSample, 1) > 8 and len(image.getbands()) > 1


def _deep_colours(data: bytes) -> NDArray[np.uint16]:
    """Decode colours with all their bits: RGB, or one channel where the channels are equal.

    OpenCV turns TIFF upright as Pillow does; PNG it leaves as it is.
    """
    import cv2  # noqa: PLC0415 -- few images need it

    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16 or pixels.ndim != 3:
        raise UndecodableError("holds deep colours of a kind that is not read", hint="convert it to 16-bit grey PNG")
    colours = pixels[..., 2::-1]
    if (colours == colours[..., :1]).all():
        return np.ascontiguousarray(colours[..., 0])
    return np.ascontiguousarray(colours)


def _stretch(values: NDArray[Any], kind: type[Level]) -> NDArray[Level]:
    """Scale values linearly to 0-255, or to 0-65535 for uint16; an image of one value becomes 0."""
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        raise UndecodableError("holds values that are not finite", hint="leave it out, or convert it to 16-bit PNG")
    white = np.iinfo(kind).max
    scale = white / (high - low) if high > low else 0.0
    levels = np.rint((np.arange(2**16) - low).clip(0) * scale).clip(0, white).astype(kind)
    stretched = np.empty(values.shape, kind)
    rows = max(_VALUES_AT_ONCE * len(values) // values.size, 1)
    for start in range(0, len(values), rows):
        part = values[start : start + rows]
        if values.dtype.itemsize == 2:  # a look-up table is several times faster than arithmetic on each pixel
            stretched[start : start + rows] = levels.take(part)
        else:
            stretched[start : start + rows] = np.rint((part.astype(np.float64) - low) * scale)
    return stretched


_MAX_BYTES = 2**30


@dataclass(frozen=True, slots=True, eq=False)
class Radiograph:
    """One radiograph as it is meant to be seen.

    Attributes:
        pixels: Uint8 array of shape ``(height, width)``, or ``(height, width, 3)`` in RGB; read-only. Uint16 for an
            image of more than 8 bits that was read deep.
        sha256: SHA-256 of the file's content, 64 hexadecimal digits.
        size: Height and width of the radiograph, after EXIF rotation; larger than the pixels' where those are reduced.
        frames: Number of images in the file, such as pages of a TIFF; this is the first one.
    """

    pixels: NDArray[Any]
    sha256: str
    size: Size
    frames: int = 1

    __repr__ = short_repr


def read_radiograph(
    path: str | os.PathLike[str], needed: Callable[[Size], Size] | None = None, *, deep: bool = False
) -> Radiograph:
    """Read a radiograph; the file is read once.

    Grey images keep one channel and colour images become RGB, without their transparency. Values of more than 8 bits
    are scaled linearly, the image's smallest value to 0 and its largest to 255, so that nothing is clipped whatever
    the detector's depth; DICOM is windowed, see :func:`btxrd_explain.inputs.dicom.grey_levels`. Of several images
    the first one counts, but DICOM of several frames is refused.

    Args:
        path: The image file, or the URL of one; its content decides about the format, not its name.
        needed: From the size of a radiograph the size that its pixels are needed at, see
            :func:`btxrd_explain.inputs.decode.decode`; None for all pixels.
        deep: True keeps the values of an image of more than 8 bits, as uint16, see :func:`to_16_bits`. Grey DICOM is
            windowed onto 0-65535 then. Pictures are drawn of 8 bits.

    Returns:
        The radiograph.

    Raises:
        TypeError: The path is neither text nor a path.
        RadiographError: The file cannot be read or decoded.

    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.NamedTemporaryFile(suffix=".png") as file:
    ...     Image.fromarray(np.full((3, 2), 90, np.uint8)).save(file.name)
    ...     read_radiograph(file.name).size
    Size(height=3, width=2)
    """
    path = checked_place(path, "path")
    data = _read(path)
    try:
        pixels, size, frames = _decode(data, needed, deep=deep)
    except UndecodableError as error:
        lasting = not isinstance(error, MissingPackagesError)  # else the file is tried again by the next run
        sha256 = hashlib.sha256(data).hexdigest() if lasting else None
        raise RadiographError(f"'{path}' {error.reason}", hint=error.hint, sha256=sha256) from error
    except MemoryError as error:
        raise RadiographError(f"'{path}' takes more memory than is left", hint="free some, and run it again") from error
    return Radiograph(pixels, hashlib.sha256(data).hexdigest(), size, frames)


def why_unreadable(path: Path) -> str | None:
    """Return why a file cannot be read, as :func:`read_radiograph` says it; None where it can, whatever it holds."""
    try:
        with _opened(path) as file:
            file.read(1)
    except RadiographError as error:
        return str(error)
    return None


def decode_radiograph(data: bytes) -> NDArray[np.uint8]:
    """Decode the content of an image file; see :func:`read_radiograph`.

    Args:
        data: The file's content.

    Returns:
        Uint8 array of shape ``(height, width)``, or ``(height, width, 3)`` in RGB; read-only.

    Raises:
        UndecodableError: It is not an image that can be decoded.
    """
    return _decode(data, None, deep=False)[0]


def _decode(data: bytes, needed: Callable[[Size], Size] | None, *, deep: bool) -> tuple[NDArray[Any], Size, int]:
    """Return pixels, upright, the radiograph's size, and how many images the file holds."""
    if is_dicom(data):
        grey = _decode_dicom(data, deep=deep)
        grey.flags.writeable = False
        return grey, Size(*grey.shape[:2]), 1
    image, orientation, size, frames = decode(data, needed=needed)
    with refusing_damage():
        if mark_of(image) is not None:
            raise UndecodableError("is a result of btxrd-explain, not a radiograph", hint="leave it out")
        values = to_16_bits(image, data) if deep else to_8_bits(image, data)
        pixels = np.ascontiguousarray(upright(values, orientation))
    pixels.flags.writeable = False
    return pixels, Size(size.width, size.height) if orientation in SIDEWAYS else size, frames


_IMPORTING = Lock()
"""A thread that waits for an import of another one, which fails, is given a module without its functions."""


def _decode_dicom(data: bytes, *, deep: bool) -> NDArray[Any]:
    try:
        with _IMPORTING:
            from btxrd_explain.inputs.dicom import decode_dicom  # noqa: PLC0415 -- an extra, and few runs need it
    except ModuleNotFoundError as error:
        raise MissingPackagesError("is DICOM, which needs more packages") from error
    return decode_dicom(data, deep=deep)


def _read(path: Path) -> bytes:
    with _opened(path) as file:
        return file.read()


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """Open an image file; never a pipe, a socket or a device, whose bytes may come late or without end.

    Raises:
        RadiographError: It cannot be opened or read, is too large, is not a file, or has a name that no table can hold.
    """
    if not is_utf8(str(path)):
        raise RadiographError(f"the name of '{as_text(str(path))}' is not UTF-8", hint="rename it")
    try:
        with reaching(path):
            status = path.stat()
            kind = kind_of(status.st_mode)
            if stat.S_ISDIR(status.st_mode) and not is_url(path):
                os.scandir(path).close()  # one that is closed says so
            if kind is not None:
                raise RadiographError(f"'{path}' is {kind}, no image file", hint="leave it out")
            if status.st_size > _MAX_BYTES:
                raise RadiographError(f"'{path}' has more than {_MAX_BYTES // 2**20} MiB", hint="check the file")
            with open_to_read(path) as file:
                yield file
    except OSError as error:
        reason = error.strerror or str(error)
        raise RadiographError(f"cannot read '{path}' ({reason})", hint="check the path and its permissions") from error
