from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    RLELossless,
)

from btxrd_explain.errors import RadiographError
from btxrd_explain.inputs.radiograph import Radiograph, read_radiograph
from tests.hostile.fuzz.harness import examples, outcome
from tests.hostile.fuzz.mutations import mutated
from tests.support.dicom_files import compressed, dicom, dicom_dataset, lut

if TYPE_CHECKING:
    from pathlib import Path

PIXELS = (np.arange(33 * 37).reshape(33, 37) * 3).astype(np.uint16)
LUT = lut(0, 8, list(range(200)))
SEEDS = (
    dicom(PIXELS, BitsStored=12, WindowCenter=500, WindowWidth=900, PatientName="Doe^Jane"),
    dicom(PIXELS, syntax=ImplicitVRLittleEndian, VOILUTSequence=LUT, ModalityLUTSequence=lut(0, 16, list(range(500)))),
    dicom(PIXELS, BitsStored=12, RescaleSlope=2, RescaleIntercept="", PatientName="Doe^Jane")[132:],
    dicom(PIXELS[:8, :27].reshape(8, 9, 3), RescaleSlope=2, RescaleIntercept=-5),
    *(
        compressed(dicom_dataset(PIXELS, BitsStored=12), syntax)
        for syntax in (RLELossless, JPEG2000Lossless, JPEGLosslessSV1, DeflatedExplicitVRLittleEndian)
    ),
    compressed(dicom_dataset(PIXELS.astype(np.uint8)), JPEGBaseline8Bit),
)
TOKENS = (
    b"\xfe\xff\x00\xe0",
    b"\xfe\xff\x0d\xe0",
    b"\xff\xff\xff\xff",
    b"\x28\x00\x10\x00US\x02\x00\xff\xff",
    b"\x28\x00\x50\x10DS\x04\x00nan ",
    b"\x08\x00\x40\x11SQ\x00\x00\xff\xff\xff\xff",
    b"MONOCHROME1 ",
    b"YBR_FULL_422",
    b"\xff\x4f\xff\x51",
    b"\xff\xd9",
)


@given(data=mutated(SEEDS, TOKENS))
@examples(quick=75, long=20_000)
def test_a_mutated_file_is_read_or_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.dcm"
    path.write_bytes(data)
    result = outcome(lambda: read_radiograph(path), folder=tmp_path)
    assert isinstance(result, Radiograph | RadiographError)
    if isinstance(result, Radiograph):
        assert result.pixels.dtype == np.uint8
        assert result.pixels.shape[:2] == result.size
    else:
        assert "Doe" not in str(result)
