"""DICOM files for tests, written by pydicom from small arrays."""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from pydicom import Dataset, Sequence, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    RLELossless,
    generate_uid,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom.uid import UID


def dicom_dataset(pixels: NDArray[Any], syntax: UID = ExplicitVRLittleEndian, **attributes: Any) -> Dataset:  # noqa: ANN401
    """Return the attributes of a radiograph.

    Args:
        pixels: Integer array of shape ``(height, width)`` or ``(height, width, 3)``, of 8 or 16 bits.
        syntax: The transfer syntax, native ones only.
        attributes: Further attributes, and others than what the pixels imply; None leaves one out.
    """
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = syntax
    header.file_meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    header.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["test"])
    header.SOPClassUID = header.file_meta.MediaStorageSOPClassUID
    header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID
    bits = pixels.dtype.itemsize * 8
    implied = {
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "SamplesPerPixel": 3 if pixels.ndim == 3 else 1,
        "PhotometricInterpretation": "RGB" if pixels.ndim == 3 else "MONOCHROME2",
        "BitsAllocated": bits,
        "BitsStored": bits,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
    } | ({"PlanarConfiguration": 0} if pixels.ndim == 3 else {})
    for name, value in (implied | attributes).items():
        if value is not None:
            setattr(header, name, value)
    if "BitsStored" in header:
        header.HighBit = max(header.BitsStored - 1, 0)
    data = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    header.PixelData = data + b"\0" * (len(data) % 2)
    header["PixelData"].VR = "OW" if bits > 8 else "OB"
    return header


def written(header: Dataset) -> bytes:
    """Return a dataset as a file."""
    file = io.BytesIO()
    dcmwrite(file, header, enforce_file_format=True)
    return file.getvalue()


def dicom(pixels: NDArray[Any], **attributes: Any) -> bytes:  # noqa: ANN401
    """Return a radiograph as a file; see :func:`dicom_dataset`."""
    return written(dicom_dataset(pixels, **attributes))


def lut(first: int, bits: int, entries: list[int], *, signed: bool = False) -> Sequence:
    """Return a modality or VOI LUT sequence of one table."""
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if signed else "US", [len(entries), first, bits])
    item.add_new("LUTData", "US", entries)
    return Sequence([item])


def compressed(header: Dataset, syntax: UID, frame: bytes | None = None) -> bytes:
    """Return a file whose picture is compressed.

    Args:
        header: The uncompressed radiograph.
        syntax: How to compress it: RLE, JPEG 2000, deflated, JPEG baseline or lossless.
        frame: The compressed picture, instead of the radiograph's.
    """
    pixels = np.frombuffer(header.PixelData, f"<u{header.BitsAllocated // 8}")
    pixels = pixels[: header.Rows * header.Columns * header.SamplesPerPixel].reshape(header.Rows, header.Columns, -1)
    if syntax == DeflatedExplicitVRLittleEndian:
        header.file_meta.TransferSyntaxUID = syntax
        return written(header)
    if frame is None and syntax in {RLELossless, JPEG2000Lossless}:
        header.compress(syntax, encoding_plugin="pydicom" if syntax == RLELossless else "pylibjpeg")
        return written(header)
    if frame is None:
        frame = lossless_jpeg(pixels[..., 0]) if syntax == JPEGLosslessSV1 else _jpeg(pixels.squeeze())
    header.file_meta.TransferSyntaxUID = syntax
    header.PixelData = encapsulate([frame])
    header["PixelData"].VR = "OB"
    return written(header)


def _jpeg(pixels: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=95)
    return file.getvalue()


def lossless_jpeg(pixels: NDArray[Any]) -> bytes:
    """Encode grey values of up to 15 bits as lossless JPEG (process 14, predictor 1: each value less its left one).

    The differences' categories 0 to 16 all have Huffman codes of 5 bits, the category itself.
    """
    rows, columns = pixels.shape
    precision = max(8, int(pixels.max()).bit_length())
    values = pixels.astype(int)
    before = np.empty_like(values)
    before[:, 1:], before[1:, 0], before[0, 0] = values[:, :-1], values[:-1, 0], 2 ** (precision - 1)
    bits = []
    for difference in (values - before).ravel().tolist():
        size = abs(difference).bit_length()
        bits.append(f"{size:05b}")
        if size:
            bits.append(f"{difference if difference > 0 else difference + 2**size - 1:0{size}b}")
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    scan = bytes(int(text[place : place + 8], 2) for place in range(0, len(text), 8)).replace(b"\xff", b"\xff\x00")
    huffman = b"\x00" + bytes([0, 0, 0, 0, 17] + [0] * 11) + bytes(range(17))
    frame = bytes([precision]) + rows.to_bytes(2) + columns.to_bytes(2) + b"\x01\x01\x11\x00"
    parts = [(b"\xff\xc3", frame), (b"\xff\xc4", huffman), (b"\xff\xda", b"\x01\x01\x00\x01\x00\x00")]
    head = b"".join(marker + (len(body) + 2).to_bytes(2) + body for marker, body in parts)
    return b"\xff\xd8" + head + scan + b"\xff\xd9"


def deflated(head: bytes, size: int) -> bytes:
    """Return the start of a deflated file with a rest that inflates to ``size`` zeros."""
    length = int.from_bytes(head[140:144], "little")
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    parts = [deflater.compress(bytes(2**20)) for _ in range(size // 2**20)]
    return head[: 144 + length] + b"".join(parts) + deflater.flush()


def save(folder: Path, name: str, data: bytes) -> Path:
    """Write a file and return its path."""
    path = folder / name
    path.write_bytes(data)
    return path
