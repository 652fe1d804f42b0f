"""DICOM files that are damaged, hostile, or no radiographs: an error of one line, within bounds of memory."""

from __future__ import annotations

import io
import resource
import struct
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import (
    MPEG2MPML,
    UID,
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from btxrd_explain.errors import ExitCode, RadiographError
from btxrd_explain.inputs.radiograph import decode_radiograph, read_radiograph
from btxrd_explain.system.extras import to_install
from tests.support.dicom_files import compressed, deflated, dicom, dicom_dataset, lut, save, written

if TYPE_CHECKING:
    from pathlib import Path

PIXELS = np.random.default_rng(5).integers(0, 4096, (66, 71)).astype(np.uint16)


def refused(folder: Path, data: bytes, reason: str) -> RadiographError:
    path = save(folder, "x.dcm", data)
    with pytest.raises(RadiographError, match=reason) as caught:
        read_radiograph(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"'{path}' is ")
    assert caught.value.hint
    assert caught.value.exit_code is ExitCode.INPUT
    return caught.value


def test_without_the_extra_the_error_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("btxrd_explain.inputs.dicom", "btxrd_explain.inputs.dicom"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    error = refused(tmp_path, dicom(PIXELS), "is DICOM, which needs more packages")
    assert error.hint == to_install("dicom")


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEG2000Lossless])
def test_without_pylibjpeg_compressed_files_say_how_to_install_it(
    syntax: UID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = compressed(dicom_dataset(PIXELS.astype(np.uint8)), syntax)
    decoder = "pydicom.pixels.decoders.base.Decoder.available_plugins"
    monkeypatch.setattr(decoder, property(lambda _decoder: ("pillow",)))
    assert refused(tmp_path, data, "needs more packages").hint == to_install("dicom")
    assert np.array_equal(decode_radiograph(dicom(PIXELS.astype(np.uint8))), PIXELS.astype(np.uint8))


def test_several_frames_are_refused(tmp_path: Path) -> None:
    refused(tmp_path, dicom(PIXELS, NumberOfFrames=2), "is a DICOM file of several frames: save the frame")
    assert decode_radiograph(dicom(PIXELS, NumberOfFrames=1)).shape == PIXELS.shape


@pytest.mark.parametrize("name", ["test-SR.dcm", "rtplan.dcm", "rtstruct.dcm", "reportsi.dcm"])
def test_documents_and_plans_hold_no_picture(name: str, tmp_path: Path) -> None:
    path = get_testdata_file(name, download=False)
    assert isinstance(path, str)
    header = dcmread(path, force=True)
    file = io.BytesIO()
    header.preamble = b"\0" * 128
    dcmwrite(file, header, enforce_file_format="SOPClassUID" in header)
    refused(tmp_path, file.getvalue(), "is a DICOM file without a picture")


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"PhotometricInterpretation": "HSV"}, "in colours that are not known"),
        ({"PhotometricInterpretation": "RGB"}, "in colours that are not known"),
        ({"SamplesPerPixel": 3}, "in colours that are not known"),
        ({"Rows": 65535, "Columns": 65535}, "has more than 100,000,000 pixels"),
        ({"Rows": 9000, "Columns": 9000}, "is a damaged DICOM file"),  # the picture is too short
        ({"Rows": 0}, "is a damaged DICOM file"),
        ({"Columns": None}, "does not say Columns"),
        ({"BitsAllocated": 32, "BitsStored": 32}, "more than 16 bits"),
        ({"BitsStored": 17}, "more than 16 bits"),
        ({"BitsStored": 0}, "more than 16 bits"),
        ({"PixelRepresentation": None}, "does not say PixelRepresentation"),
        ({"VOILUTSequence": lut(0, 16, [])}, "is a damaged DICOM file"),
        ({"ModalityLUTSequence": lut(0, 5, [1, 2, 3])}, "is a damaged DICOM file"),
    ],
)
def test_attributes_that_do_not_fit_are_refused(attributes: dict[str, Any], reason: str, tmp_path: Path) -> None:
    data = dicom(PIXELS, **attributes)
    if reason.startswith("has"):
        with pytest.raises(RadiographError, match=reason):
            read_radiograph(save(tmp_path, "x.dcm", data))
    else:
        refused(tmp_path, data, reason)


def test_a_compression_that_is_not_known_is_refused(tmp_path: Path) -> None:
    data = compressed(dicom_dataset(PIXELS), MPEG2MPML, frame=b"\0\0\1\xb3" * 9)
    refused(tmp_path, data, "with a compression that is not known")


def _all_syntaxes() -> dict[str, bytes]:
    path = get_testdata_file("MR_small_jpeg_ls_lossless.dcm", download=False)
    assert isinstance(path, str)
    with open(path, "rb") as file:  # noqa: PTH123 -- what pydicom returns is text
        made = {"jpeg-ls": file.read()}
    for syntax in (RLELossless, JPEG2000Lossless, JPEGLosslessSV1, JPEGBaseline8Bit):
        pixels = PIXELS.astype(np.uint8) if syntax == JPEGBaseline8Bit else PIXELS
        made[syntax.name] = compressed(dicom_dataset(pixels), syntax)
    return made


@pytest.mark.parametrize(("name", "data"), _all_syntaxes().items())
@pytest.mark.parametrize("part", [0.98, 0.5, 0.1])
def test_a_compressed_picture_that_is_cut_short_is_refused(name: str, data: bytes, part: float, tmp_path: Path) -> None:
    assert name
    header = dcmread(io.BytesIO(data))
    frame = get_frame(header.PixelData, 0, number_of_frames=1)
    assert decode_radiograph(data).shape == (header.Rows, header.Columns)
    header.PixelData = encapsulate([frame[: int(len(frame) * part)]])
    header["PixelData"].VR = "OB"
    refused(tmp_path, written(header), "is damaged|is a damaged DICOM file|cut short")


@pytest.mark.parametrize("syntax", [None, DeflatedExplicitVRLittleEndian, JPEG2000Lossless])
def test_a_file_that_is_cut_short_is_refused(syntax: UID | None, tmp_path: Path) -> None:
    data = dicom(PIXELS) if syntax is None else compressed(dicom_dataset(PIXELS), syntax)
    for part in (0.99, 0.7, 0.3):
        refused(tmp_path, data[: int(len(data) * part)], "is a damaged DICOM file|without a picture")


class Memory:
    """Lets allocations fail beyond what the process has."""

    def __init__(self, megabytes: int) -> None:
        self._bytes = megabytes * 2**20

    def __enter__(self) -> None:
        with open("/proc/self/statm") as file:  # noqa: PTH123 -- Linux only
            has = int(file.read().split()[0]) * resource.getpagesize()
        self._before = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (has + self._bytes, self._before[1]))

    def __exit__(self, *_: object) -> None:
        resource.setrlimit(resource.RLIMIT_AS, self._before)


def _frame(syntax: UID) -> bytes:
    header = dcmread(io.BytesIO(compressed(dicom_dataset(PIXELS.astype(np.uint8)), syntax)))
    return get_frame(header.PixelData, 0, number_of_frames=1)


def _jpeg_of(height: int, width: int) -> bytes:
    frame = _frame(JPEGBaseline8Bit)
    place = frame.index(b"\xff\xc0") + 5
    return frame[:place] + struct.pack(">HH", height, width) + frame[place + 4 :]


def _jpeg_2000_of(height: int, width: int, components: int = 1) -> bytes:
    frame = _frame(JPEG2000Lossless)
    return frame[:8] + struct.pack(">II", width, height) + frame[16:40] + struct.pack(">H", components) + frame[42:]


@pytest.mark.skipif(sys.platform != "linux", reason="bounds its memory as Linux does")
@pytest.mark.parametrize(
    ("syntax", "frame"),
    [
        (JPEGBaseline8Bit, _jpeg_of(60000, 60000)),
        (JPEGBaseline8Bit, _jpeg_of(0, 60000)),  # the height comes later
        (
            JPEGLSLossless,
            b"\xff\xd8\xff\xf7\x00\x0b\x08\xea\x60\xea\x60\x01\x01\x11\x00\xff\xda" + b"\0" * 17 + b"\xff\xd9",
        ),
        (JPEG2000Lossless, _jpeg_2000_of(60000, 60000)),
        (JPEG2000Lossless, _jpeg_2000_of(2**32 - 1, 2**32 - 1)),
        (JPEG2000Lossless, _jpeg_2000_of(66, 71, components=16384)),
        (JPEG2000Lossless, b"\0\0\0\x0cjP  \r\n\x87\n" + _jpeg_2000_of(60000, 60000)),
        (RLELossless, struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\0" * 10**6),
    ],
)
def test_a_picture_larger_than_it_claims_costs_no_memory(syntax: UID, frame: bytes, tmp_path: Path) -> None:
    data = compressed(dicom_dataset(PIXELS.astype(np.uint8)), syntax, frame=frame)
    with Memory(64):
        refused(tmp_path, data, "picture is larger than it claims")


@pytest.mark.skipif(sys.platform != "linux", reason="bounds its memory as Linux does")
def test_a_deflated_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("btxrd_explain.inputs.dicom._MAX_INFLATED", 2**24)
    data = deflated(compressed(dicom_dataset(PIXELS), DeflatedExplicitVRLittleEndian), 2**27)
    assert len(data) < 2**18
    path = save(tmp_path, "x.dcm", data)
    with Memory(64), pytest.raises(RadiographError, match="has more than 100,000,000 pixels"):
        read_radiograph(path)


@pytest.mark.skipif(sys.platform != "linux", reason="bounds its memory as Linux does")
@pytest.mark.parametrize("length", [2**32 - 2, 2**31, PIXELS.nbytes + 2**20])
def test_a_length_that_lies_costs_no_memory(length: int, tmp_path: Path) -> None:
    data = dicom(PIXELS)
    place = data.index(b"\xe0\x7f\x10\x00OW\x00\x00") + 8
    path = save(tmp_path, "x.dcm", data[:place] + struct.pack("<I", length) + data[place + 4 :])
    with Memory(64):
        assert np.array_equal(read_radiograph(path).pixels, decode_radiograph(data))  # all of the picture is there


def test_nesting_without_end_is_refused(tmp_path: Path) -> None:
    data = dicom(PIXELS)
    place = data.index(b"\x28\x00\x02\x00")
    nested = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 20_000
    refused(tmp_path, data[:place] + nested + data[place:], "DICOM")


def test_files_without_preamble_or_meta_information_are_read(tmp_path: Path) -> None:
    whole = read_radiograph(save(tmp_path, "x.dcm", dicom(PIXELS))).pixels
    header = dicom_dataset(PIXELS)
    bare = {"preamble": dicom(PIXELS)[132:]}
    for name, implicit in (("implicit", True), ("explicit", False)):
        file, dataset = io.BytesIO(), Dataset({element.tag: element for element in header})
        dcmwrite(file, dataset, implicit_vr=implicit, little_endian=True, enforce_file_format=False)
        bare[name] = file.getvalue()
    for name, data in bare.items():
        assert (read_radiograph(save(tmp_path, name, data)).pixels == whole).all(), name


def test_blank_attributes_count_as_absent(tmp_path: Path) -> None:
    blank = {"RescaleSlope": "", "RescaleIntercept": "", "WindowCenter": "", "PixelPaddingValue": None}
    whole = read_radiograph(save(tmp_path, "x.dcm", dicom(PIXELS))).pixels
    assert (read_radiograph(save(tmp_path, "blank.dcm", dicom(PIXELS, **blank))).pixels == whole).all()


def test_a_slope_counts_where_its_intercept_is_blank(tmp_path: Path) -> None:
    window = {"WindowCenter": "1000", "WindowWidth": "2000", "RescaleSlope": "2"}
    zero, blank = (
        read_radiograph(save(tmp_path, f"{number}.dcm", dicom(PIXELS, **window, RescaleIntercept=value))).pixels
        for number, value in enumerate(("0", ""))
    )
    assert (zero == blank).all()
    assert zero.min() < zero.max()


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"PhotometricInterpretation": None}, "does not say PhotometricInterpretation: export it again"),
        ({"PhotometricInterpretation": "", "BitsStored": None}, "does not say PhotometricInterpretation, BitsStored"),
    ],
)
def test_what_is_missing_is_named(attributes: dict[str, Any], reason: str, tmp_path: Path) -> None:
    refused(tmp_path, dicom(PIXELS, **attributes), reason)


def test_reports_are_called_reports(tmp_path: Path) -> None:
    header = dicom_dataset(PIXELS)
    del header.PixelData
    refused(tmp_path, written(header), r"without a picture \(it has no pixel data\): leave it out")
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = UID("1.2.840.10008.5.1.4.1.1.88.11")
    refused(tmp_path, written(header), r"without a picture \(a structured report\): leave it out")
