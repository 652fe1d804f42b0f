"""DICOM: from tags and stored values to the grey levels that are meant to be seen."""

from __future__ import annotations

import hashlib
import io
import math
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    RLELossless,
)

from btxrd_explain.core.geometry import Size
from btxrd_explain.errors import RadiographError
from btxrd_explain.inputs.radiograph import decode_radiograph, read_radiograph
from tests.support.dicom_files import compressed, dicom, dicom_dataset, lut, save, written

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom.uid import UID

GREY = np.array([[0, 50, 100], [150, 200, 255]], dtype=np.uint8)
RAMP = (np.arange(34 * 41).reshape(34, 41) * 2).astype(np.uint16)
"""An asymmetric picture of 12 bits."""


def row(*values: int, dtype: type = np.uint16) -> NDArray[Any]:
    return np.array([values], dtype=dtype)


def levels(data: bytes) -> list[int]:
    pixels = decode_radiograph(data)
    assert pixels.dtype == np.uint8
    return pixels.ravel().tolist()


def test_pixels_hash_and_size_come_from_one_file(tmp_path: Path) -> None:
    data = dicom(GREY)
    radiograph = read_radiograph(save(tmp_path, "x.dcm", data), lambda _size: Size(1, 1))
    assert radiograph.size == Size(2, 3)
    assert np.array_equal(radiograph.pixels, GREY)
    assert not radiograph.pixels.flags.writeable
    assert radiograph.sha256 == hashlib.sha256(data).hexdigest()


def test_content_decides_not_the_name(tmp_path: Path) -> None:
    assert np.array_equal(read_radiograph(save(tmp_path, "x.png", dicom(GREY))).pixels, GREY)


def test_monochrome1_is_inverted() -> None:
    assert levels(dicom(GREY, PhotometricInterpretation="MONOCHROME1")) == [255, 205, 155, 105, 55, 0]


@pytest.mark.parametrize(
    ("values", "attributes"),
    [
        ([100, 1124, 4196], {}),  # (1124 - 100) / (4196 - 100) = 1 / 4
        ([0, 256, 1020], {"BitsStored": 10}),
        ([0, 1023, 4092], {"BitsStored": 12}),
        ([1, 4097, 16381], {"BitsStored": 14}),
        ([-100, 412, 1948], {"dtype": np.int16, "BitsStored": 12}),
        ([-32768, -16385, 32764], {"dtype": np.int16}),
        ([-100, -68, 28], {"dtype": np.int8}),
        ([0, 1, 4], {"BitsStored": 4, "dtype": np.uint8}),
    ],
)
def test_without_a_window_all_depths_are_scaled_linearly_and_never_clipped(
    values: list[int], attributes: dict[str, Any]
) -> None:
    pixels = row(*values, dtype=attributes.pop("dtype", np.uint16))
    assert levels(dicom(pixels, **attributes)) == [0, 64, 255]


def test_rescaling_comes_before_everything_else() -> None:
    assert levels(dicom(row(0, 1, 4), RescaleSlope="-2.5", RescaleIntercept="7")) == [255, 191, 0]
    assert levels(dicom(GREY, RescaleSlope=1, RescaleIntercept=0)) == GREY.ravel().tolist()
    assert levels(dicom(row(10, 11, 14), RescaleSlope=2, RescaleIntercept=-20, WindowCenter=4.5, WindowWidth=9)) == [
        0,
        64,
        255,
    ]


def test_the_modality_lut_maps_stored_values() -> None:
    table = lut(first=5, bits=16, entries=[320, 100, 200, 500])
    assert levels(dicom(row(0, 5, 6, 7, 8, 99), ModalityLUTSequence=table)) == [140, 140, 0, 64, 255, 255]


def linear(x: float, centre: float, width: float) -> int:
    """PS3.3 C.11.2.1.2.1, onto 0 to 255."""
    if x <= centre - 0.5 - (width - 1) / 2:
        return 0
    if x > centre - 0.5 + (width - 1) / 2:
        return 255
    return round(((x - (centre - 0.5)) / (width - 1) + 0.5) * 255)


def linear_exact(x: float, centre: float, width: float) -> int:
    """PS3.3 C.11.2.1.3.2."""
    return round(min(max((x - centre) / width + 0.5, 0), 1) * 255)


def sigmoid(x: float, centre: float, width: float) -> int:
    """PS3.3 C.11.2.1.3.1."""
    return round(255 / (1 + math.exp(min(-4 * (x - centre) / width, 99))))


@pytest.mark.parametrize(
    ("name", "function"),
    [(None, linear), ("", linear), ("LINEAR", linear), ("LINEAR_EXACT", linear_exact), ("SIGMOID", sigmoid)],
)
@pytest.mark.parametrize(("centre", "width"), [(2048, 4096), (1000, 301), (0, 900.5), (3000.5, 1)])
def test_the_window_is_applied_as_the_standard_says(
    name: str | None, function: Callable[[float, float, float], int], centre: float, width: float
) -> None:
    values = [0, 1, 500, 849, 850, 999, 1000, 1001, 1150, 2999, 3000, 3001, 4095]
    data = dicom(row(*values), BitsStored=12, WindowCenter=centre, WindowWidth=width, VOILUTFunction=name)
    assert levels(data) == [function(x, centre, width) for x in values]


def test_of_several_windows_the_first_counts() -> None:
    several = dicom(row(0, 50, 100), BitsStored=12, WindowCenter=[50.5, 2048], WindowWidth=[101, 4096])
    assert levels(several) == levels(dicom(row(0, 50, 100), BitsStored=12, WindowCenter=50.5, WindowWidth=101))
    assert levels(several) == [0, 128, 255]


def test_a_window_on_8_bits_counts_too() -> None:
    assert levels(dicom(GREY, WindowCenter=100.5, WindowWidth=101)) == [0, 0, 128, 255, 255, 255]


@pytest.mark.parametrize(
    "window",
    [
        {"WindowCenter": 50, "WindowWidth": 0},
        {"WindowCenter": 0, "WindowWidth": -5},
        {"WindowCenter": 50},
        {"WindowWidth": 50},
        {"WindowCenter": "", "WindowWidth": ""},
        {"WindowCenter": 50, "WindowWidth": 10, "VOILUTFunction": "OTHER"},
        {"WindowCenter": 50000, "WindowWidth": 10},
    ],
)
def test_a_window_that_is_not_allowed_or_shows_nothing_counts_as_none(window: dict[str, Any]) -> None:
    assert levels(dicom(row(100, 1124, 4196), **window)) == [0, 64, 255]


def test_the_voi_lut_comes_before_the_window() -> None:
    table = lut(first=1000, bits=10, entries=[0, 1023, 256])
    data = dicom(row(0, 1000, 1001, 1002, 4000), VOILUTSequence=table, WindowCenter=50, WindowWidth=10)
    assert levels(data) == [0, 0, 255, 64, 64]


def test_a_voi_lut_of_8_bits_may_have_more_than_256_entries() -> None:
    table = lut(first=0, bits=8, entries=[min(255, entry // 4) for entry in range(1024)])
    assert levels(dicom(row(0, 255, 256, 512, 1023, 3000), VOILUTSequence=table)) == [0, 63, 64, 128, 255, 255]


def test_a_voi_lut_may_begin_below_zero() -> None:
    table = lut(first=-2, bits=8, entries=[0, 51, 102, 153, 204], signed=True)
    data = dicom(row(-7, -2, -1, 0, 1, 2, 9, dtype=np.int16), VOILUTSequence=table)
    assert levels(data) == [0, 0, 51, 102, 153, 204, 204]


def test_rescaled_values_go_through_the_voi_lut_rounded() -> None:
    table = lut(first=0, bits=8, entries=[0, 100, 200])
    data = dicom(row(0, 1, 2, 3), RescaleSlope=0.5, RescaleIntercept=0.1, VOILUTSequence=table)
    assert levels(data) == [0, 100, 100, 200]  # 0.1, 0.6, 1.1, 1.6


def test_monochrome1_is_inverted_after_the_window() -> None:
    data = dicom(row(0, 50, 100), PhotometricInterpretation="MONOCHROME1", WindowCenter=50.5, WindowWidth=101)
    assert levels(data) == [255, 127, 0]


def test_a_presentation_lut_shape_does_not_invert_twice() -> None:
    data = dicom(GREY, PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE")
    assert levels(data) == [255, 205, 155, 105, 55, 0]


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black_and_no_part_of_the_scale(photometric: str) -> None:
    header = dicom_dataset(row(60000, 100, 1124, 4196, 60000), PhotometricInterpretation=photometric)
    header.add_new("PixelPaddingValue", "US", 60000)
    expected = [0, 0, 64, 255, 0] if photometric == "MONOCHROME2" else [0, 255, 191, 0, 0]
    assert levels(written(header)) == expected


def test_padding_may_be_a_range_of_signed_values() -> None:
    header = dicom_dataset(row(-2000, -1995, -100, 924, 3996, dtype=np.int16))
    header.add_new("PixelPaddingValue", "SS", -2000)
    header.add_new("PixelPaddingRangeLimit", "SS", -1990)
    assert levels(written(header)) == [0, 0, 0, 64, 255]


def test_a_picture_of_padding_alone_is_black() -> None:
    header = dicom_dataset(row(7, 7))
    header.add_new("PixelPaddingValue", "US", 7)
    assert levels(written(header)) == [0, 0]


@pytest.mark.parametrize("photometric", ["MONOCHROME2", "MONOCHROME1"])
@pytest.mark.parametrize("window", [{}, {"WindowCenter": 2000, "WindowWidth": 3000}, {"PixelPaddingValue": 7}])
def test_levels_of_16_bits_are_those_of_8_and_257_times_as_fine(
    photometric: str, window: dict[str, Any], tmp_path: Path
) -> None:
    pixels = np.random.default_rng(0).integers(0, 4096, (40, 30), dtype=np.uint16)
    data = dicom(pixels, BitsStored=12, PhotometricInterpretation=photometric, **window)
    deep, shallow = (read_radiograph(save(tmp_path, "a.dcm", data), deep=deep).pixels for deep in (True, False))
    assert deep.dtype == np.uint16
    assert shallow.dtype == np.uint8
    assert np.abs(deep / 257 - shallow).max() <= 0.5 + 1 / 257
    assert len(np.unique(deep)) > 256
    eight = read_radiograph(save(tmp_path, "b.dcm", dicom(GREY)), deep=True).pixels
    np.testing.assert_array_equal(eight, GREY)


@pytest.mark.parametrize("value", [b"nan", b"inf", b"9e308"])
def test_values_that_are_not_finite_are_refused(value: bytes, tmp_path: Path) -> None:
    data = dicom(row(0, 1, 400), RescaleIntercept=0, RescaleSlope="12345").replace(b"12345 ", value.ljust(6))
    with pytest.raises(RadiographError, match="is a DICOM file whose values are not finite"):
        read_radiograph(save(tmp_path, "x.dcm", data))


def test_bits_that_are_not_stored_do_not_count() -> None:
    overlay = row(0x8000, 0x1010, 0x0040)  # overlays were kept in the upper bits once
    assert levels(dicom(overlay, BitsStored=12)) == [0, 64, 255]


def test_orientation_says_where_rows_point_and_turns_nothing() -> None:
    for orientation in (["L", "F"], ["R", "F"], ["P", "H"]):
        assert levels(dicom(GREY, PatientOrientation=orientation)) == GREY.ravel().tolist()


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_native_syntaxes(syntax: UID) -> None:
    header = dicom_dataset(RAMP, syntax, BitsStored=12)
    assert np.array_equal(decode_radiograph(written(header)), decode_radiograph(dicom(RAMP, BitsStored=12)))


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLosslessSV1])
@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_lossless_syntaxes_give_the_same_levels(syntax: UID, bits: int) -> None:
    dtype = np.uint8 if bits == 8 else np.uint16
    pixels = ((RAMP.astype(int) * 7) % 2**bits).astype(dtype)
    native = decode_radiograph(dicom(pixels, BitsStored=bits))
    assert np.array_equal(decode_radiograph(compressed(dicom_dataset(pixels, BitsStored=bits), syntax)), native)


def test_jpeg_baseline() -> None:
    pixels = np.linspace(0, 255, 34 * 41).reshape(34, 41).astype(np.uint8)
    decoded = decode_radiograph(compressed(dicom_dataset(pixels), JPEGBaseline8Bit))
    assert np.abs(decoded.astype(int) - pixels).max() <= 4


@pytest.mark.parametrize(
    "name",
    ["MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm", "MR_small_bigendian.dcm"],
)
def test_files_of_other_writers_give_the_same_levels(name: str) -> None:
    native, other = (decode_radiograph(_example(file)) for file in ("MR_small.dcm", name))
    assert np.array_equal(native, other)
    assert native.shape == (64, 64)
    assert len(np.unique(native)) > 50


def _example(name: str) -> bytes:
    path = get_testdata_file(name, download=False)
    assert isinstance(path, str)
    with open(path, "rb") as file:  # noqa: PTH123 -- what pydicom returns is text
        return file.read()


@pytest.mark.parametrize(
    "name",
    ["MR_small.dcm", "CT_small.dcm", "JPGExtended.dcm", "693_J2KI.dcm", "JPEGLSNearLossless_16.dcm"],
)
def test_levels_are_those_of_pydicom_scaled(name: str) -> None:
    path = get_testdata_file(name, download=False)
    assert isinstance(path, str)
    header = dcmread(path)
    reference = apply_voi_lut(apply_modality_lut(header.pixel_array, header), header).astype(float)
    bounds = window_range(header) if "WindowWidth" in header else (reference.min(), reference.max())
    expected = (reference - bounds[0]) * 255 / (bounds[1] - bounds[0])
    assert np.abs(decode_radiograph(_example(name)) - expected).max() <= 0.5 + 1e-6


def window_range(header: Dataset) -> tuple[float, float]:
    """The ends of what pydicom's windowing gives."""
    ends = apply_voi_lut(np.array([-1e9, 1e9]), header)
    return float(ends[0]), float(ends[1])


BARS = [(255, 0, 0), (255, 128, 128), (0, 255, 0), (128, 255, 128), (0, 0, 255), (128, 128, 255)]
BARS += [(0, 0, 0), (64, 64, 64), (192, 192, 192), (255, 255, 255)]
"""The rows 5, 15, 25 ... of pydicom's examples of secondary captures."""


@pytest.mark.parametrize(
    "name",
    [
        "SC_rgb_rle.dcm",
        "SC_rgb_jpeg_dcmtk.dcm",  # YBR_FULL, baseline
        "SC_rgb_dcmtk_+eb+cy+np.dcm",  # YBR_FULL_422, baseline
        "SC_rgb_jpeg_gdcm.dcm",  # lossless
        "SC_ybr_full_422_uncompressed.dcm",
    ],
)
def test_secondary_captures_in_colour_become_rgb(name: str) -> None:
    pixels = decode_radiograph(_example(name))
    assert pixels.shape == (100, 100, 3)
    assert np.abs(pixels[5::10, 50].astype(int) - BARS).max() <= 5  # they are lossy


def test_colours_of_16_bits_keep_their_upper_bits() -> None:
    colours = np.array([[[0x0FF0, 0x0800, 0x0010]]], np.uint16)
    assert decode_radiograph(dicom(colours, BitsStored=12)).tolist() == [[[0xFF, 0x80, 0x01]]]


def test_palettes_become_rgb() -> None:
    header = dicom_dataset(np.array([[0, 2, 1]], np.uint8), PhotometricInterpretation="PALETTE COLOR")
    for number, colour in enumerate(("Red", "Green", "Blue")):
        entries = np.array([100, 110, 120], np.uint16) * 256 + number * 256
        setattr(header, f"{colour}PaletteColorLookupTableDescriptor", [3, 0, 16])
        setattr(header, f"{colour}PaletteColorLookupTableData", entries.astype("<u2").tobytes())
    assert decode_radiograph(written(header)).tolist() == [[[100, 101, 102], [120, 121, 122], [110, 111, 112]]]


def test_threads_may_read_side_by_side_without_a_warning() -> None:
    header = dicom_dataset(GREY)
    header.PixelData += b"padded, as some writers do"
    header.WindowCenterWidthExplanation = "x"
    padded, tiff = written(header), io.BytesIO()
    Image.fromarray(GREY).save(tiff, "TIFF")
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(decode_radiograph, [padded, tiff.getvalue()] * 100))
    assert all(np.array_equal(pixels, GREY) for pixels in read)


@pytest.mark.real_data
def test_a_bone_tumour_in_monochrome1_is_shown_as_radiologists_see_it(real_data: Path) -> None:
    lossless, lossy = (read_radiograph(real_data / "dicom" / f"RG3_J2K{kind}.dcm") for kind in "RI")
    header = dcmread(real_data / "dicom" / "RG3_J2KR.dcm")
    assert (header.PhotometricInterpretation, header.WindowCenter, header.WindowWidth) == ("MONOCHROME1", 550, 1024)
    expected = [[255 - linear(x, 550, 1024) for x in row] for row in header.pixel_array[::97, ::89].tolist()]
    assert lossless.pixels[::97, ::89].tolist() == expected
    assert lossless.size == Size(1760, 1760)
    bone, air = lossless.pixels[800:1000, 820:900], lossless.pixels[800:1000, 500:580]  # tibia, and next to the leg
    assert bone.min() > 130
    assert air.max() < 60
    assert np.abs(lossless.pixels.astype(int) - lossy.pixels).mean() < 2


@pytest.mark.real_data
def test_the_same_pixels_called_monochrome1_are_the_negative(real_data: Path) -> None:
    (plain,) = (path for path in (real_data / "dicom").iterdir() if path.name.startswith("1.2.276"))
    negative = real_data / "dicom" / "Fake_MONOHR1.dcm"
    assert dcmread(plain).PixelData == dcmread(negative).PixelData
    positive = read_radiograph(plain).pixels
    assert np.array_equal(positive, dcmread(plain).pixel_array)
    assert np.array_equal(read_radiograph(negative).pixels, 255 - positive)
