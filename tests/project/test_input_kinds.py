"""Every row of the tables in docs/reference/inputs.md is tried: what the page says becomes of a file or a table."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from btxrd_explain.errors import InputError, RadiographError
from btxrd_explain.inputs.dataset import collect
from btxrd_explain.inputs.image_files import list_images
from btxrd_explain.inputs.radiograph import read_radiograph
from btxrd_explain.inputs.split_csv import Vocabulary
from tests.support.dicom_files import dicom

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "inputs.md").read_text("utf-8")
PIXELS = (np.add.outer(np.arange(40), np.arange(32)) * 3).astype(np.uint8)
FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF", "PPM", "JPEG2000", "AVIF")
OTHERS = {
    "DICOM": dicom(PIXELS),
    "DICOM without preamble": dicom(PIXELS)[132:],
    "DICOM whose RescaleIntercept is blank": dicom(PIXELS, RescaleSlope="1", RescaleIntercept=""),
    "DICOM without pixels": dicom(PIXELS, SOPInstanceUID="1.2.3").partition(b"\xe0\x7f\x10\x00")[0],
    "DICOM without PhotometricInterpretation": dicom(PIXELS, PhotometricInterpretation=None),
    "DICOM presentation state": bytes(128) + b"DICM\2\0\2\0UI\x1e\x001.2.840.10008.5.1.4.1.1.11.1\0\0",
    "DICOM report": bytes(128) + b"DICM\2\0\2\0UI\x1e\x001.2.840.10008.5.1.4.1.1.88.11\0",
    "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "HEIC sequence": b"\0\0\0\x18ftypmsf1\0\0\0\0hevc",
    "PDF": b"%PDF-1.7\n",
    "HTML": b"<!DOCTYPE html>\n<title>Not found</title>",
    "Git LFS": b"version https://git-lfs.github.com/spec/v1\n",
    "nothing": b"",
    "bytes": bytes(range(200)),
    "text": b"made by hand\n",
}


def rows_of(page: str, heading: str) -> list[list[str]]:
    """Return the cells of the table of a page whose first row begins with a heading."""
    table = page.partition(f"| {heading} |")[2].partition("\n\n")[0]
    lines = [re.split(r"(?<!\\) \| |(?<!\\) \|$", f"{line[2:]}") for line in table.splitlines()[2:]]
    return [[cell.strip().strip("|").strip() for cell in line] for line in lines]


FILES = [
    (name, held, fate) for names, held, fate, *_ in rows_of(PAGE, "file | what it holds") for name in names.split(", ")
]
GOOD = [tuple(cells[:3]) for cells in rows_of(PAGE, "table | label")]
BAD = [tuple(cells[:2]) for cells in rows_of(PAGE, "table | error")]


def content(held: str) -> bytes:
    if held not in FORMATS:
        return OTHERS.get(held, b"")
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, held)
    return file.getvalue()


@pytest.mark.parametrize(("name", "held", "fate"), FILES)
def test_files(tmp_path: Path, name: str, held: str, fate: str) -> None:
    path = tmp_path / name.strip("`")
    path.write_bytes(content(held))
    listing = list_images(tmp_path)
    what, _, reason = fate.partition(": ")
    assert listing.files == ((path,) if what in {"read", "named"} else ())
    if what == "read":
        assert read_radiograph(path).size == (40, 32)
    elif what == "named":
        with pytest.raises(RadiographError, match=re.escape(f"'{path}' {reason}")):
            read_radiograph(path)
    elif what == "counted":
        assert listing.notes[0].startswith(f"passed over 1 file ({reason}), such as '{path}'")
    else:
        assert (what, listing.notes) == ("silent", ())


def table(folder: Path, text: str) -> Path:
    for name in ("000046.png", "b/IMG7.jpeg"):
        (folder / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "images" / name).touch()
    path = folder / "split.csv"
    text = re.search(r"`(.*)`", text.removesuffix(" with `--class-names`"))[1]  # type: ignore[index]
    path.write_text(text.replace("\\|", "|").encode().decode("unicode_escape"), "utf-8")
    return path


@pytest.mark.parametrize(("text", "label", "notes"), GOOD)
def test_tables(tmp_path: Path, text: str, label: str, notes: str) -> None:
    path = table(tmp_path, text)
    found = collect([], split_csv=path, class_names=["Normal", "Benign"] if "--class-names" in text else None)
    assert [record.label or "none" for record in found.records] == [label]
    kept = [note.replace(f"'{path}'", "it") for note in found.notes if "left out" not in note]
    assert "; ".join(kept) == notes


@pytest.mark.parametrize(("text", "message"), BAD)
def test_tables_that_leave_a_doubt(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        collect([], split_csv=table(tmp_path, text))


def _names(cell: str) -> list[str]:
    return re.findall(r"`(.*?)`", cell)


@pytest.mark.parametrize(("radiographs", "names"), [cells[:2] for cells in rows_of(PAGE, "radiographs | names")])
def test_names_of_radiographs(tmp_path: Path, radiographs: str, names: str) -> None:
    for place in _names(radiographs):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).touch()
    found = collect([str(tmp_path)], vocabulary=Vocabulary(from_folders=True))
    assert sorted(record.image_id for record in found.records) == sorted(_names(names))
    assert all(record.label == record.path.parent.name for record in found.records)
