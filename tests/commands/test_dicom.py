"""DICOM files through all commands: found, read, drawn and scored, and nothing of the patient in any output."""

from __future__ import annotations

import base64
import json
import re
import sys
import warnings
import zipfile
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pydicom import Dataset, Sequence
from pydicom._dicom_dict import DicomDictionary
from pydicom.uid import UID, JPEG2000Lossless, JPEGBaseline8Bit, JPEGLosslessSV1, RLELossless

from btxrd_explain.errors import ExitCode
from btxrd_explain.inputs.radiograph import decode_radiograph, read_radiograph
from btxrd_explain.predictions.record import RowStatus
from btxrd_explain.predictions.table import open_table
from btxrd_explain.system.extras import to_install
from tests.support.command_line import run
from tests.support.dicom_files import compressed, dicom_dataset, save, written
from tests.support.labelme import write_labelme
from tests.support.tiny_study import save_network

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

pytestmark = pytest.mark.usefixtures("blank_figures")

NAMES = ("Normal", "Benign", "Malignant")
MARKS = {
    **dict.fromkeys(("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT", "UR"), "ZQMARK{tag}"),
    "AS": "913Y",
    "DA": "18470613",
    "DS": "27182.81828459",
    "DT": "18470613142857.27",
    "IS": "1828459045",
    "TM": "142857.31415",
    "UI": "1.2.826.0.1.3680043.10.987654.{number}",
}
"""A value for each kind of text, which nothing else writes; all begin with one of :data:`SIGNS`."""
SIGNS = (b"ZQMARK", b"913Y", b"18470613", b"27182.81828459", b"1828459045", b"142857.31415", b"3680043.10.987654")
WIDE_SIGNS = tuple(sign.decode().encode("utf-16-le") for sign in SIGNS)
NEEDED = re.compile("0028|7fe0|5400|60[0-9a-f]{2}|50[0-9a-f]{2}|0002|0000|00080005|00189445|0018603[0-9a-f]")
"""Groups and attributes that describe the pixels, or none of a file."""


def marked(header: Dataset) -> Dataset:
    """Give every text attribute of the standard a mark, in sequences, private ones and the file's head as well."""
    for tag, (vr, *_) in DicomDictionary.items():
        name = f"{tag:08x}"
        if vr in MARKS and not NEEDED.match(name):
            header.add_new(tag, vr, MARKS[vr].format(tag=name.upper(), number=tag))
    inner = Dataset()
    inner.PatientName, inner.PatientID, inner.PatientBirthDate = "ZQMARKINNER", "ZQMARKID", "18470613"
    header.OtherPatientIDsSequence = Sequence([inner])
    header.private_block(0x0011, "ZQMARKOWNER", create=True).add_new(0x01, "LT", "ZQMARKPRIVATE")
    header.private_block(0x0029, "ZQMARKOWNER", create=True).add_new(0x01, "UN", b"ZQMARKUNKNOWN")
    header.WindowCenterWidthExplanation = "ZQMARKWINDOW"
    header.PixelPaddingValue = 0
    header.DataSetTrailingPadding = b"ZQMARKTRAILING"
    meta = header.file_meta
    meta.MediaStorageSOPInstanceUID = UID("1.2.826.0.1.3680043.10.987654.1")
    header.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    meta.ImplementationVersionName, meta.SourceApplicationEntityTitle = "ZQMARKMETA", "ZQMARKAET"
    header.preamble = b"ZQMARKPREAMBLE".ljust(128, b"\0")
    return header


def picture(number: int, dtype: type = np.uint16) -> NDArray[Any]:
    coarse = np.random.default_rng(number).random((6, 4), dtype=np.float32)
    smooth = cv2.resize(coarse, (80 + number, 120), interpolation=cv2.INTER_CUBIC).clip(0.001, 1)
    return (smooth * (255 if dtype is np.uint8 else 4095)).astype(dtype)


def radiograph(number: int, syntax: UID | None = None, **attributes: Any) -> bytes:  # noqa: ANN401
    eight_bits = syntax == JPEGBaseline8Bit
    header = dicom_dataset(picture(number, np.uint8 if eight_bits else np.uint16), **attributes)
    if not eight_bits:
        header.BitsStored, header.HighBit = 12, 11
    marked(header)
    return written(header) if syntax is None else compressed(header, syntax)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BTXRD root of DICOM files, good ones of many kinds and bad ones, lesions annotated on what was a PNG."""
    work = tmp_path_factory.mktemp("dicom")
    images, annotations = work / "BTXRD" / "images", work / "BTXRD" / "Annotations"
    images.mkdir(parents=True)
    annotations.mkdir()
    good = {
        "IMG000000.dcm": radiograph(0),
        "IMG000001.dicom": radiograph(1, PhotometricInterpretation="MONOCHROME1"),
        "IMG000002": radiograph(2, WindowCenter=2048, WindowWidth=3000),
        "IMG000003.DCM": radiograph(3, JPEG2000Lossless),
        "IMG000004.dcm": radiograph(4, RLELossless),
        "IMG000005.dcm": radiograph(5, JPEGLosslessSV1),
        "IMG000006.dcm": radiograph(6, JPEGBaseline8Bit),
        "IMG000007.dcm": radiograph(7),
    }
    whole, frames = good["IMG000000.dcm"], radiograph(10, NumberOfFrames=3)
    bad = {
        "IMG000008.dcm": whole[:-5000],
        "IMG000009.dcm": whole.replace(b"MONOCHROME2 ", b"ZQMARKCOLOUR"),
        "IMG000010.dcm": frames,
        "IMG000011.dcm": whole[: len(whole) // 3],
        "IMG000012.dcm": whole.replace(b"\x28\x00\x10\x00US\x02\x00", b"\x28\x00\x10\x00LO\x02\x00"),
        "IMG000013.dcm": whole.replace(b"1.2.840.10008.1.2.1\0", b"1.2.826.0.1.3680043."),
        "IMG000014.dcm": good["IMG000003.DCM"].replace(b"\xff\x4f\xff\x51", b"ZQMA"),
    }
    for name, data in (good | bad).items():
        save(images, name, data)
    save(images, "DICOMDIR", whole)
    lines = ["image_id,split,label"]
    for number, name in enumerate(good | bad):
        lines.append(f"{name if number % 2 else name.partition('.')[0]},test,{NAMES[number % 3]}")
        if number % 3 and number < 8:
            size, stem = (120, 80 + number if number < 7 else 60), f"IMG{number:06d}"
            lesion = ("osteosarcoma", [[22, 32], [58, 32], [58, 88], [22, 88]])
            write_labelme(annotations / f"{stem}.json", size, lesion, imagePath=f"..\\png\\{stem}.png")
    (work / "split.csv").write_text("\n".join(lines) + "\n")
    save_network(work / "best.pt", side=96, seed=3, spread=3.0)
    return work


@pytest.fixture(scope="module")
def printed(folder: Path) -> dict[str, str]:
    """What the commands print, all of them run on the folder with all that they can tell."""
    outputs = {}
    data = ("BTXRD", "--split-csv", "split.csv", "-c", "best.pt")
    table = ("--predictions", "btxrd-explain-out/predictions.parquet", "--verbose")
    files = [path.as_posix() for path in sorted((folder / "BTXRD" / "images").glob("IMG*"))]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        commands: dict[str, tuple[str, ...]] = {
            "infer": ("infer", *data, "--verbose"),
            "infer json": ("infer", *data, "--json", "-o", "json"),
            "infer named": ("infer", *files, *data[3:], "-o", "named"),
            "gallery": ("gallery", *table),
            "annotate-iou": ("annotate-iou", *table),
            "performance": ("performance", *table),
            "report": ("report", *table),
            **{f"export {to}": ("export", "--to", to, *table) for to in ("labelme", "coco", "npz", "tiff", "fiftyone")},
        }
        for name, command in commands.items():
            outputs[name] = run(*command, code=None).output
    return outputs


@pytest.mark.usefixtures("printed")
def test_dicom_files_are_found_and_read_and_bad_ones_have_a_status(folder: Path) -> None:
    rows = list(open_table(folder / "btxrd-explain-out" / "predictions.parquet").rows())
    assert [row.image_id.partition(".")[0] for row in rows] == [f"IMG{number:06d}" for number in range(15)]
    assert [row.status for row in rows] == [RowStatus.OK] * 8 + [RowStatus.UNREADABLE] * 7
    assert {row.split for row in rows} == {"test"}
    assert [row.label for row in rows[:3]] == list(NAMES)
    assert [tuple(row.size or ()) for row in rows[:8]] == [(120, 80 + number) for number in range(8)]
    assert all(row.stamp is not None and len(row.stamp.sha256 or "") == 64 for row in rows[:8])
    assert all("DICOM" in str(row.error) for row in rows[8:])


def test_every_command_worked_on_them(folder: Path, printed: dict[str, str]) -> None:
    assert "15 radiographs, 15 computed now, 7 failed" in printed["infer"]
    out = folder / "btxrd-explain-out"
    assert len(list((folder / "named" / "overlays").glob("*.png"))) == 8
    for name in ("gallery.json", "report.html", "annotation_metrics.csv", "performance.json", "coco", "npz", "tiff"):
        assert (out / name).exists(), name


@pytest.mark.usefixtures("printed")
def test_annotations_drawn_on_a_copy_in_another_format_fit_by_name_and_size(folder: Path) -> None:
    report = json.loads((folder / "btxrd-explain-out" / "annotation_report.json").read_text())
    assert [image["image_id"].partition(".")[0] for image in report["per_image"]] == [
        f"IMG{number:06d}" for number in (1, 2, 4, 5)
    ]
    (excluded,) = [image for image in report["excluded_images"] if image["image_id"] == "IMG000007.dcm"]
    assert "annotates an image of 60 x 120 pixels, but the radiograph has 87 x 120" in excluded["detail"]


@pytest.mark.usefixtures("printed")
def test_exported_labelme_files_name_the_dicom_file(folder: Path) -> None:
    labelme = json.loads(next((folder / "btxrd-explain-out" / "labelme").rglob("IMG000001*.json")).read_text())
    assert labelme["imagePath"].endswith("BTXRD/images/IMG000001.dicom")
    assert labelme["imageData"] is None
    assert (labelme["imageHeight"], labelme["imageWidth"]) == (120, 81)


def test_overlays_show_bone_white_whatever_the_polarity(folder: Path, printed: dict[str, str]) -> None:
    assert printed
    before = folder / "BTXRD" / "images"
    upright = read_radiograph(before / "IMG000000.dcm").pixels
    inverted = read_radiograph(before / "IMG000001.dicom").pixels
    assert np.corrcoef(upright.ravel(), picture(0).ravel())[0, 1] > 0.999
    assert np.corrcoef(inverted.ravel(), picture(1).ravel())[0, 1] < -0.999


def contents(path: Path) -> Iterator[bytes]:
    """Yield all that a file holds: its bytes, and what is compressed or encoded in them."""
    data = path.read_bytes()
    yield data
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        yield repr(table.to_pylist()).encode()
        yield repr((table.schema.metadata, [table.schema.field(name).metadata for name in table.column_names])).encode()
        yield repr(pq.read_metadata(path)).encode()
    if path.suffix == ".png":
        with Image.open(path) as image:
            image.load()
            yield repr((image.info, dict(image.getexif()))).encode()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                yield name.encode() + archive.read(name)
    for text in re.findall(rb"[A-Za-z0-9+/]{40,}={0,2}", data) if path.suffix in {".html", ".json", ".js"} else ():
        yield base64.b64decode(text[: len(text) // 4 * 4])


def test_nothing_of_the_patient_is_in_any_output(folder: Path, printed: dict[str, str]) -> None:
    source = b"".join(path.read_bytes() for path in sorted((folder / "BTXRD" / "images").iterdir()))
    assert all(sign in source for sign in SIGNS)
    assert source.count(b"ZQMARK") > 10_000
    outputs = [path for name in ("btxrd-explain-out", "json", "named") for path in (folder / name).rglob("*")]
    found = {name for name, text in printed.items() for sign in SIGNS if sign.decode() in text}
    found |= {str(path) for path in outputs for sign in SIGNS if sign.decode() in path.name}
    files = [path for path in outputs if path.is_file()]
    assert {path.suffix for path in files} >= {".parquet", ".json", ".png", ".html", ".csv", ".md", ".npz", ".tif"}
    for path in files:
        found |= {f"{path}: {sign!r}" for part in contents(path) for sign in SIGNS + WIDE_SIGNS if sign in part}
    assert found == set()


def test_files_are_tried_again_when_the_extra_is_installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    command = ["infer", "BTXRD/images/IMG000000.dcm", "-c", "best.pt", "-o", "without"]
    with monkeypatch.context() as patch:
        for name in ("btxrd_explain.inputs.dicom", "btxrd_explain.inputs.dicom"):
            patch.delitem(sys.modules, name, raising=False)
        patch.setitem(sys.modules, "pydicom", None)
        first = run(*command, code=None)
    assert f"is DICOM, which needs more packages: {to_install('dicom')}" in " ".join(first.output.split())
    assert first.exit_code == ExitCode.SOME_FILES_FAILED
    run(*command)


def test_an_unexpected_error_of_a_decoder_tells_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise LookupError("ZQMARKERROR")

    monkeypatch.setattr("btxrd_explain.inputs.dicom.grey_levels", fail)
    monkeypatch.chdir(folder)
    result = run("infer", "BTXRD/images/IMG000000.dcm", "-c", "best.pt", "-o", "unexpected", "-v", code=None)
    assert "is a damaged DICOM file" in result.output
    assert "ZQMARK" not in result.output


def test_no_warning_or_log_line_quotes_a_tag(caplog: pytest.LogCaptureFixture) -> None:
    header = marked(dicom_dataset(picture(0)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header.PatientName = header.RescaleType = "ZQMARK" * 40  # longer than the standard allows
        data = written(header)
    caplog.clear()
    assert decode_radiograph(data).shape == picture(0).shape
    assert "ZQMARK" not in caplog.text
