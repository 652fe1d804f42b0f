"""Radiographs from image files: 8-bit pixels, upright, with the hash of the file."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import numpy as np

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
from btxrd_explain.inputs.depth import to_8_bits
from btxrd_explain.inputs.image_files import is_dicom, kind_of
from btxrd_explain.system.places import as_text, is_url, reaching

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_MAX_BYTES = 2**30


@dataclass(frozen=True, slots=True, eq=False)
class Radiograph:
    """One radiograph as it is meant to be seen.

    Attributes:
        pixels: Uint8 array of shape ``(height, width)``, or ``(height, width, 3)`` in RGB; read-only.
        sha256: SHA-256 of the file's content, 64 hexadecimal digits.
        size: Height and width of the radiograph, after EXIF rotation; larger than the pixels' where those are reduced.
    """

    pixels: NDArray[np.uint8]
    sha256: str
    size: Size


def read_radiograph(path: Path, needed: Callable[[Size], Size] | None = None) -> Radiograph:
    """Read a radiograph; the file is read once.

    Grey images keep one channel and colour images become RGB, without their transparency. Values of more than 8 bits
    are scaled linearly, the image's smallest value to 0 and its largest to 255, so that nothing is clipped whatever
    the detector's depth; DICOM is windowed, see :func:`btxrd_explain.inputs.dicom.grey_levels`. Of several images
    the first one counts, but DICOM of several frames is refused.

    Args:
        path: The image file; its content decides about the format, not its name.
        needed: From the size of a radiograph the size that its pixels are needed at, see
            :func:`btxrd_explain.inputs.decode.decode`; None for all pixels.

    Returns:
        The radiograph.

    Raises:
        RadiographError: The file cannot be read or decoded.
    """
    data = _read(path)
    try:
        pixels, size = _decode(data, needed)
    except UndecodableError as error:
        lasting = not isinstance(error, MissingPackagesError)  # else the file is tried again by the next run
        sha256 = hashlib.sha256(data).hexdigest() if lasting else None
        raise RadiographError(f"'{path}' {error.reason}", hint=error.hint, sha256=sha256) from error
    except MemoryError as error:
        raise RadiographError(f"'{path}' takes more memory than is left", hint="free some, and run it again") from error
    return Radiograph(pixels, hashlib.sha256(data).hexdigest(), size)


def why_unreadable(path: Path) -> str | None:
    """Say why a file cannot be read, in the words of :func:`read_radiograph`; None where it can, whatever it holds."""
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
    return _decode(data, None)[0]


def _decode(data: bytes, needed: Callable[[Size], Size] | None) -> tuple[NDArray[np.uint8], Size]:
    """Return pixels, upright, and the radiograph's size."""
    if is_dicom(data):
        grey = _decode_dicom(data)
        grey.flags.writeable = False
        return grey, Size(*grey.shape[:2])
    image, orientation, size = decode(data, needed=needed)
    with refusing_damage():
        pixels = np.ascontiguousarray(upright(to_8_bits(image, data), orientation))
    pixels.flags.writeable = False
    return pixels, Size(size.width, size.height) if orientation in SIDEWAYS else size


def _decode_dicom(data: bytes) -> NDArray[np.uint8]:
    try:
        from btxrd_explain.inputs.dicom import decode_dicom  # noqa: PLC0415 -- an extra, and few runs need it
    except ModuleNotFoundError as error:
        raise MissingPackagesError("is DICOM, which needs more packages") from error
    return decode_dicom(data)


def _read(path: Path) -> bytes:
    with _opened(path) as file:
        return file.read()


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """Open an image file; never a pipe, a socket or a device, whose bytes may come late or without end.

    Raises:
        RadiographError: It cannot be opened or read, is too large, is not a file, or has a name that no table can hold.
    """
    if as_text(str(path)) != str(path):
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
            with path.open("rb") as file:
                yield file
    except OSError as error:
        reason = error.strerror or str(error)
        raise RadiographError(f"cannot read '{path}' ({reason})", hint="check the path and its permissions") from error
