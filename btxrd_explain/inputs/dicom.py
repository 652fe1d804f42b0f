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
from pydicom import Dataset, dcmread
from pydicom.encaps import get_frame
from pydicom.filereader import read_dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi, apply_windowing
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    RLELossless,
)

from btxrd_explain.inputs.decode import MAX_PIXELS, MissingPackagesError, UndecodableError, silence, too_large
from btxrd_explain.inputs.file_kinds import without_picture

if TYPE_CHECKING:
    from numpy.typing import NDArray


def grey_levels(stored: NDArray[Any], header: Dataset, *, deep: bool = False) -> NDArray[Any]:
    """Turn stored values into grey levels, as PS3.3 C.11 and C.7.6.3.1.2 order it.

    Modality LUT, or rescale slope and intercept; then the first VOI LUT, or else the first window, whose range becomes
    0-255. Without either (a window that the standard does not allow, or that
    shows nothing of the picture, counts as none) nothing is clipped: 8-bit values
    stay as they are, others are scaled linearly, the image's smallest to 0 and its largest to 255. Last, MONOCHROME1
    is inverted, and padding becomes black.

    Every step maps a value alone, so that each value is mapped once, and the pixels by looking it up.

    Args:
        stored: Integer array of shape ``(height, width)``, of at most 16 bits.
        header: The file's attributes.
        deep: True does all of it onto 0-65535 for more than 8 bits.

    Returns:
        Uint8 array of the same shape, 255 for white; where deep uint16, 65535 for white.
    """
    low = int(stored.min())
    places = stored.astype(np.int32) - low
    used = np.bincount(places.ravel()) > 0
    values = np.arange(low, low + len(used), dtype=np.int32)
    padded = _padded(values, header)
    with np.errstate(all="ignore"):  # infinite and undefined values are found at the end
        levels = _levels(values, used & ~padded, header)
    if not np.isfinite(levels).all():
        raise UndecodableError("is a DICOM file whose values are not finite", hint="check how it was written")
    kind, white = (np.uint16, 65535) if deep and header.BitsStored > 8 else (np.uint8, 255)
    levels = np.rint(levels * (white // 255)).clip(0, white)
    if header.PhotometricInterpretation == "MONOCHROME1":
        levels = white - levels
    levels[padded] = 0
    return levels.astype(kind).take(places)


def _padded(values: NDArray[np.int32], header: Dataset) -> NDArray[np.bool_]:
    """Return where values mean no part of the picture, such as the surroundings of a collimated field."""
    first = header.get("PixelPaddingValue")
    if first is None:
        return np.zeros(len(values), dtype=bool)
    last = header.get("PixelPaddingRangeLimit")
    ends = sorted((int(first), int(first if last is None else last)))
    return (values >= ends[0]) & (values <= ends[1])


def _levels(values: NDArray[np.int32], used: NDArray[np.bool_], header: Dataset) -> NDArray[np.float64]:
    """Return the grey level of each value, 0 to 255, before MONOCHROME1 is inverted.

    Args:
        values: Stored values, ascending.
        used: Which of them the picture has; shape of ``values``.
        header: The file's attributes.
    """
    modality: NDArray[np.float64] = np.asarray(apply_modality_lut(values, header), dtype=np.float64)
    seen = _through_lut(modality, header)
    if seen is None:
        seen = _through_window(modality, header)
    if seen is not None and not _blind(seen[used], modality[used]):
        return seen
    if (header.BitsStored, header.PixelRepresentation) == (8, 0) and np.array_equal(modality, values):
        return values.astype(np.float64)
    if not used.any():
        return np.zeros(len(values))
    low, high = float(modality[used].min()), float(modality[used].max())
    return (modality - low) * (255 / (high - low) if high > low else 0.0)


def _blind(seen: NDArray[np.float64], values: NDArray[np.float64]) -> bool:
    """Return whether a window passes all values by, so that nothing of the picture is seen."""
    return len(values) > 0 and seen.min() == seen.max() and values.min() < values.max()


def _through_lut(values: NDArray[np.float64], header: Dataset) -> NDArray[np.float64] | None:
    """Apply the first VOI LUT; None where there is none."""
    lut = (header.get("VOILUTSequence") or [Dataset()])[0]
    if "LUTDescriptor" not in lut or "LUTData" not in lut:
        return None
    count, first, bits = (int(number) for number in lut.LUTDescriptor)
    # pydicom counts in the type of the table's entries, which 8 bits are too few for; its descriptor says 16 then.
    lut["LUTDescriptor"].value = [count, first, 16]
    within = np.rint(values).clip(first, first + (count or 2**16) - 1).astype(np.int32)
    found: NDArray[np.float64] = np.asarray(apply_voi(within, header), dtype=np.float64)
    white: float = max(2**bits - 1, found.max())
    return found * (255 / white)


def _through_window(values: NDArray[np.float64], header: Dataset) -> NDArray[np.float64] | None:
    """Apply the first window, onto 8 bits; None where there is none that the standard allows."""
    names = [name for name in ("WindowCenter", "WindowWidth", "VOILUTFunction") if header.get(name) not in (None, "")]
    if names[:2] != ["WindowCenter", "WindowWidth"]:
        return None
    window = Dataset()  # with the window alone pydicom maps onto the range of its bits, whatever the modality LUT's
    window.PhotometricInterpretation, window.PixelRepresentation, window.BitsStored = "MONOCHROME2", 0, 8
    for name in names:
        window[name] = header[name]
    try:
        levels: NDArray[np.float64] = np.asarray(apply_windowing(values, window))
    except ValueError:
        return None
    return levels


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
_NEEDED = (
    *("SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns"),
    *("BitsAllocated", "BitsStored", "PixelRepresentation"),
)
"""Without these pixels have no meaning, and nothing says what they may be instead (PS3.3 C.7.6.3, type 1)."""
_PREAMBLE = bytes(128) + b"DICM"
_META = len(_PREAMBLE)
"""Where the file meta information begins, behind preamble and prefix."""
_GROUP_2, _EXPLICIT = b"\x02\0", re.compile(rb".{4}[A-Z]{2}", re.DOTALL)
_ASK = "export it again from its archive, or convert it to PNG"
_MAX_INFLATED = 2**28
_JPEG_END = b"\xff\xd9"
_MOST_PADDING = 64
_JPEG_SIZE = re.compile(
    rb"\xff[\xc0-\xc3\xc5-\xc7\xc9-\xcb\xcd-\xcf\xf7]\x00[\x0b\x0e\x11\x14][\x02-\x10](..)(..)", re.DOTALL
)
"""Start of a frame in JPEG and JPEG-LS: height and width, big-endian; 0 says that they come later."""
_JPEG_2000_SIZE = re.compile(rb"\xff\x4f\xff\x51.{4}(.{4})(.{4}).{24}(..)", re.DOTALL)
"""Start of a codestream of JPEG 2000: width, height and components, big-endian."""


def decode_dicom(data: bytes, *, deep: bool = False) -> NDArray[Any]:
    """Decode the picture of a DICOM file as it is meant to be seen.

    Grey values go through the modality LUT or rescaling, then through the first VOI LUT, or else the first window, see
    :func:`btxrd_explain.inputs.dicom.grey_levels`. Rows and columns stay as they are stored: Patient Orientation
    says where they point, and asks for no turn.

    A file without preamble is read all the same, and one without meta information as if it were not compressed.
    Attributes that are empty, as anonymisers leave them, count as absent.

    Args:
        data: The file's content.
        deep: True keeps grey values of more than 8 bits as uint16, windowed onto 0-65535; colours keep 8 bits.

    Returns:
        Uint8 array of shape ``(height, width)``, or ``(height, width, 3)`` in RGB.

    Raises:
        UndecodableError: It holds no picture that can be decoded, or several.
    """
    try:
        silence("pydicom")  # it warns of values that it does not expect, and quotes them
        return _decode(data, deep=deep)
    except (UndecodableError, MemoryError):
        raise
    except Exception:  # noqa: BLE001 -- pydicom and the decoders raise whatever a damaged file provokes
        # "from None" and without the reason: both may quote what the file says of the patient.
        raise UndecodableError("is a damaged DICOM file", hint="copy it again from its source") from None


def _decode(data: bytes, *, deep: bool) -> NDArray[Any]:
    kind = without_picture(data)
    if kind is not None:
        raise UndecodableError(f"is a DICOM file without a picture ({kind})", hint="leave it out")
    data = _with_preamble(data)
    syntax = _transfer_syntax(data)
    header = _without_blanks(dcmread(BytesIO(data), specific_tags=list(_ATTRIBUTES)))
    _check(header)
    pixels = _pixels(header, syntax)
    if header.PhotometricInterpretation in _GREY:
        return grey_levels(pixels, header, deep=deep)
    if header.PhotometricInterpretation == _PALETTE:
        pixels = apply_color_lut(pixels, header)
        return _upper_bits(pixels, pixels.dtype.itemsize * 8)
    return _upper_bits(pixels, header.BitsStored)


def _with_preamble(data: bytes) -> bytes:
    """Return a file with preamble and meta information, which some programs leave out: then nothing is compressed."""
    if data.startswith(_PREAMBLE[128:], 128):
        return data
    if data.startswith(_GROUP_2):
        return _PREAMBLE + data
    syntax = str(ExplicitVRLittleEndian if _EXPLICIT.match(data) else ImplicitVRLittleEndian).encode()
    syntax += b"\0" * (len(syntax) % 2)
    return _PREAMBLE + b"\x02\0\x10\0UI" + len(syntax).to_bytes(2, "little") + syntax + data


def _without_blanks(header: Dataset) -> Dataset:
    """Remove what is empty; of slope and intercept, which only count together, the one that is left changes nothing."""
    for element in list(header):
        if element.is_empty:
            del header[element.tag]
    for name, neutral, other in (("RescaleSlope", 1, "RescaleIntercept"), ("RescaleIntercept", 0, "RescaleSlope")):
        if name not in header and other in header:
            setattr(header, name, neutral)
    return header


def _transfer_syntax(data: bytes) -> UID:
    """Read how the rest is encoded; a deflated rest must not swell beyond all bounds, for pydicom inflates it whole."""
    file = BytesIO(data)
    file.seek(_META)
    meta = read_dataset(file, False, True, stop_when=lambda tag, _vr, _length: tag.group != 2)
    if not meta.get("TransferSyntaxUID"):
        raise UndecodableError("is a DICOM file that does not say TransferSyntaxUID", hint=_ASK)
    syntax = UID(meta.TransferSyntaxUID)
    if syntax == DeflatedExplicitVRLittleEndian:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        inflater.decompress(data[file.tell() :], _MAX_INFLATED)
        if inflater.unconsumed_tail:
            raise too_large()
    return syntax


def _check(header: Dataset) -> None:
    """Check what is claimed before memory is given to it."""
    if "PixelData" not in header:
        raise UndecodableError("is a DICOM file without a picture (it has no pixel data)", hint="leave it out")
    absent = [name for name in _NEEDED if name not in header]
    if absent:
        raise UndecodableError(f"is a DICOM file that does not say {', '.join(absent)}", hint=_ASK)
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
        if header["PixelData"].is_undefined_length:
            raise UndecodableError("is a DICOM file that does not say how its picture is compressed", hint=_ASK)
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
