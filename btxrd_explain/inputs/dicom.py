"""Radiographs in DICOM, decoded by pydicom and pylibjpeg: bounded, quiet, and without a word about the patient.

Only the attributes of :data:`_ATTRIBUTES` are read; whatever else a file says is passed over unparsed. Neither a value
nor a message of pydicom's, which may quote one, gets into an error or onto the terminal.
"""

from __future__ import annotations

import math
import re
import zlib
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom import dcmread
from pydicom.encaps import get_frame
from pydicom.filereader import read_dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, JPEG2000TransferSyntaxes, RLELossless

from btxrd_explain.inputs.decode import MAX_PIXELS, MissingPackagesError, UndecodableError, silence, too_large
from btxrd_explain.inputs.dicom_grey import grey_levels

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom import Dataset

_GREY = frozenset({"MONOCHROME1", "MONOCHROME2"})
_COLOUR = frozenset({"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"})
_PALETTE = "PALETTE COLOR"
_ATTRIBUTES = (
    *("SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "Rows", "Columns"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit"),
    *("ModalityLUTSequence", "RescaleIntercept", "RescaleSlope"),
    *("VOILUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction"),
    *(f"{colour}PaletteColorLookupTableDescriptor" for colour in ("Red", "Green", "Blue")),
    *(f"{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue")),
    *(f"Segmented{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue")),
    *("ExtendedOffsetTable", "ExtendedOffsetTableLengths", "PixelData"),
)
_META = 132
"""Where the file meta information begins, behind preamble and prefix."""
_MAX_INFLATED = 2**28
_JPEG_END = b"\xff\xd9"
_MOST_PADDING = 64
_JPEG_SIZE = re.compile(
    rb"\xff[\xc0-\xc3\xc5-\xc7\xc9-\xcb\xcd-\xcf\xf7]\x00[\x0b\x0e\x11\x14][\x02-\x10](..)(..)", re.DOTALL
)
"""Start of a frame in JPEG and JPEG-LS: height and width, big-endian; 0 says that they come later."""
_JPEG_2000_SIZE = re.compile(rb"\xff\x4f\xff\x51.{4}(.{4})(.{4}).{24}(..)", re.DOTALL)
"""Start of a codestream of JPEG 2000: width, height and components, big-endian."""


def decode_dicom(data: bytes) -> NDArray[np.uint8]:
    """Decode the picture of a DICOM file as it is meant to be seen.

    Grey values go through the modality LUT or rescaling, then through the first VOI LUT, or else the first window, see
    :func:`btxrd_explain.inputs.dicom_grey.grey_levels`. Rows and columns stay as they are stored: Patient Orientation
    says where they point, and asks for no turn.

    Args:
        data: The file's content, with preamble.

    Returns:
        Uint8 array of shape ``(height, width)``, or ``(height, width, 3)`` in RGB.

    Raises:
        UndecodableError: It holds no picture that can be decoded, or several.
    """
    try:
        silence("pydicom")  # it warns of values that it does not expect, and quotes them
        return _decode(data)
    except (UndecodableError, MemoryError):
        raise
    except Exception:  # noqa: BLE001 -- pydicom and the decoders raise whatever a damaged file provokes
        # "from None" and without the reason: both may quote what the file says of the patient.
        raise UndecodableError("is a damaged DICOM file", hint="copy it again from its source") from None


def _decode(data: bytes) -> NDArray[np.uint8]:
    syntax = _transfer_syntax(data)
    header = dcmread(BytesIO(data), specific_tags=list(_ATTRIBUTES))
    _check(header)
    pixels = _pixels(header, syntax)
    if header.PhotometricInterpretation in _GREY:
        return grey_levels(pixels, header)
    if header.PhotometricInterpretation == _PALETTE:
        pixels = apply_color_lut(pixels, header)
        return _upper_bits(pixels, pixels.dtype.itemsize * 8)
    return _upper_bits(pixels, header.BitsStored)


def _transfer_syntax(data: bytes) -> UID:
    """Read how the rest is encoded; a deflated rest must not swell beyond all bounds, for pydicom inflates it whole."""
    file = BytesIO(data)
    file.seek(_META)
    meta = read_dataset(file, False, True, stop_when=lambda tag, _vr, _length: tag.group != 2)
    syntax = UID(meta.TransferSyntaxUID)
    if syntax == DeflatedExplicitVRLittleEndian:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        inflater.decompress(data[file.tell() :], _MAX_INFLATED)
        if inflater.unconsumed_tail:
            raise too_large()
    return syntax


def _check(header: Dataset) -> None:
    """Check what is claimed before memory is given to it."""
    if "Rows" not in header:
        raise UndecodableError("is a DICOM file without a picture", hint="leave it out")
    if int(header.get("NumberOfFrames") or 1) > 1:
        raise UndecodableError(
            "is a DICOM file of several frames", hint="save the frame that is meant as a file of its own"
        )
    samples = 1 if header.PhotometricInterpretation in {*_GREY, _PALETTE} else 3
    known = {*_GREY, *_COLOUR, _PALETTE}
    if header.PhotometricInterpretation not in known or header.SamplesPerPixel != samples:
        raise UndecodableError("is a DICOM file in colours that are not known", hint="convert it to PNG")
    if not 0 < header.BitsStored <= header.BitsAllocated <= 16:
        raise UndecodableError("is a DICOM file of more than 16 bits per value", hint="convert it to 16-bit PNG")
    if header.Rows * header.Columns > MAX_PIXELS:
        raise too_large()


def _pixels(header: Dataset, syntax: UID) -> NDArray[Any]:
    """Decode the stored values, by the same decoder wherever it runs, whatever others are installed."""
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        raise UndecodableError(
            "is a DICOM file with a compression that is not known", hint="convert it to PNG"
        ) from None
    if not decoder.is_encapsulated:
        return decoder.as_array(header, index=0)[0]
    plugin = "pydicom" if syntax == RLELossless else "pylibjpeg"
    if plugin not in decoder.available_plugins:
        raise MissingPackagesError("is DICOM with a compression that needs more packages")
    _check_frame(header, syntax)
    return decoder.as_array(header, index=0, decoding_plugin=plugin)[0]


def _check_frame(header: Dataset, syntax: UID) -> None:
    """Check that the compressed picture is whole, and no larger than the header says; the decoders ask for neither.

    Raises:
        UndecodableError: It is not.
    """
    frame = get_frame(header.PixelData, 0, number_of_frames=1)
    expected = header.Rows * header.Columns * header.SamplesPerPixel
    if syntax == RLELossless:
        expected *= header.BitsAllocated // 8
        found = _run_length(frame)
    elif syntax in JPEG2000TransferSyntaxes:
        start = _JPEG_2000_SIZE.match(frame)
        found = max(map(_volume, [start] if start else _JPEG_2000_SIZE.finditer(frame)))
    else:
        if _JPEG_END not in frame[-_MOST_PADDING:]:
            raise UndecodableError("is a DICOM file whose picture is cut short", hint="copy it again from its source")
        found = max(map(_volume, _JPEG_SIZE.finditer(frame)))
    if found > expected + expected // 8 + 1024:
        raise UndecodableError("is a DICOM file whose picture is larger than it claims", hint="check the file")


def _volume(size: re.Match[bytes]) -> int:
    """Return the product of the numbers found; 0 is one that comes later and may be as large as any."""
    return math.prod(int.from_bytes(number) or 2 ** (8 * len(number)) for number in size.groups())


def _run_length(frame: bytes) -> int:
    """Return how many bytes run-length encoding unpacks to, as if all of it were one segment."""
    place, length, end = 64, 0, len(frame)
    while place < end:
        head = frame[place]
        if head > 128:
            length += 257 - head
            place += 2
        else:
            length += (head + 1) % 129
            place += 1 + (head + 1) % 129
    return length


def _upper_bits(pixels: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """Reduce colours to their upper 8 bits."""
    return (pixels >> max(bits - 8, 0)).astype(np.uint8)
