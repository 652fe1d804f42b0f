"""Files and tables of every kind, and what becomes of each; see ``docs/reference/inputs.md``."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
from PIL import Image

from btxrd_explain.errors import InputError, RadiographError
from btxrd_explain.inputs.dataset import collect
from btxrd_explain.inputs.file_kinds import several_frames
from btxrd_explain.inputs.image_files import list_images
from btxrd_explain.inputs.radiograph import read_radiograph
from btxrd_explain.inputs.split_csv import Vocabulary
from tests.support.dicom_files import dicom

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "inputs.md"
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
    "DICOM of three frames": dicom(np.stack([PIXELS] * 3), NumberOfFrames=3),
    "JPEG XL": b"\0\0\0\x0cJXL \r\n\x87\n",
    "archive": b"PK\3\4",
    "volume": b"n+1",
    "arrays": b"\x93NUMPY",
    "bytes": bytes(range(200)),
    "text": b"made by hand\n",
}


def _content(held: str) -> bytes:
    *_, kind = held.removeprefix("animated ").partition(" of three")[0].split(" ")
    if held in OTHERS:
        return OTHERS[held]
    file = io.BytesIO()
    further = [Image.fromarray(PIXELS // part) for part in (2, 3)] if "three" in held else []
    Image.fromarray(PIXELS).save(file, kind, **({"save_all": True, "append_images": further} if further else {}))
    return file.getvalue()


def _plain(text: str, folder: Path) -> str:
    """Return what is said without the folder, which is another one each time."""
    return text.replace(f"{folder}/", "").replace(f" in '{folder / 'images'}'", "")


def listed(folder: Path, given: tuple[str, ...]) -> tuple[str]:
    """List a folder with one file; return whether the file is read, named, counted or passed over in silence."""
    path = folder / given[0].strip("`")
    if given[1] == "a link to nothing":
        path.symlink_to(folder / "gone")
    else:
        path.write_bytes(_content(given[1]))
    listing = list_images(folder)
    if not listing.files:
        return (_counted(listing.notes),)
    try:
        radiograph = read_radiograph(path)
    except RadiographError as error:
        return (f"named: {_plain(str(error), folder)}".replace(f"'{path.name}'", "it"),)
    if radiograph.size != PIXELS.shape:
        raise ValueError(f"'{path}' is read with the size {radiograph.size}")
    warned = [f"with a warning: {one}" for one in several_frames(path.name, radiograph.frames)]
    return (", ".join(["read", *warned]).replace(f"'{path.name}'", "it"),)


def _counted(notes: tuple[str, ...]) -> str:
    """Return how a note counts a file; a file that no note mentions is passed over in silence."""
    if not notes:
        return "silent"
    found = re.fullmatch(r"passed over 1 file \((.*)\), such as '[^']*'(.*)", " ".join(notes))
    if found is None:
        raise ValueError(f"more is said: {notes}")
    return f"counted: {found[1]}{found[2]}"


def _table(folder: Path, text: str) -> Path:
    for name in ("000046.png", "b/IMG7.jpeg"):
        (folder / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "images" / name).touch()
    path = folder / "split.csv"
    held = text.removesuffix(" with `--class-names`").strip("`")
    path.write_text(held.replace("\\|", "|").encode().decode("unicode_escape"), "utf-8")
    return path


def selected(folder: Path, given: tuple[str, ...]) -> tuple[str, str]:
    """Read a split table; return the label of the one radiograph, and what notes say of the table."""
    path = _table(folder, given[0])
    names = ["Normal", "Benign"] if "--class-names" in given[0] else None
    found = collect([], split_csv=path, class_names=names)
    (record,) = found.records
    notes = [note.replace(f"'{path}'", "it") for note in found.notes if "left out" not in note]
    return record.label or "none", _plain("; ".join(notes), folder)


def doubtful(folder: Path, given: tuple[str, ...]) -> tuple[str]:
    """Read a split table that leaves a doubt; return the error."""
    try:
        collect([], split_csv=_table(folder, given[0]))
    except InputError as error:
        return (_plain(str(error), folder),)
    return ("none",)


def named(folder: Path, given: tuple[str, ...]) -> tuple[str]:
    """Collect radiographs; return their names."""
    for place in re.findall(r"`(.*?)`", given[0]):
        (folder / place).parent.mkdir(exist_ok=True)
        (folder / place).touch()
    found = collect([str(folder)], vocabulary=Vocabulary(from_folders=True))
    if any(record.label != record.path.parent.name for record in found.records):
        raise ValueError("a label is not the radiograph's folder")
    return (", ".join(f"`{record.image_id}`" for record in found.records),)


RUNS = {
    "file | what it holds | what becomes of it": listed,
    "table | label | what a note says": selected,
    "table | error": doubtful,
    "radiographs | names": named,
}
"""What executes the rows of each table, by its header."""
