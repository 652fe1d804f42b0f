"""What a file is, by its name and its first bytes: an image, something that is passed over, or a companion."""

from __future__ import annotations

import json
import os
import re
import stat
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING

from btxrd_explain.finding import Finding
from btxrd_explain.system.files import read_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path

IMAGE_SUFFIXES = (
    *(".jpeg", ".jpg", ".jpe", ".jfif", ".mpo", ".png", ".bmp", ".dib", ".tif", ".tiff", ".webp", ".gif"),
    *(".pgm", ".ppm", ".pnm", ".jp2", ".j2k", ".jpx", ".avif", ".heic", ".heif", ".jxl", ".dcm", ".dicom"),
)
"""Names of images, whatever the files hold: reading one says what it is."""
HEAD = 1024
"""Bytes of a file that tell what it is."""
DICOM_SUFFIXES = (".dcm", ".dicom")
DICOM_INDEX = "dicomdir"
_DICOM_PREAMBLE, _DICOM_PREFIX = 128, b"DICM"
_BARE_DICOM = re.compile(
    rb"[\x02\x08]\0[\0-\x20]\0(?:UL|UI|CS|OB|DA|LO|SH)|\x08\0[\0\x01\x05\x08\x12\x16\x18]\0[\x01-\x40]\0{3}"
)
"""The first element of DICOM without preamble: of group 2 or 8, with its kind of value or a short length."""
_SOP_CLASS = re.compile(rb"(?:\x02\x00\x02\x00|\x08\x00\x16\x00).{4}([0-9.]+)", re.DOTALL)
_WITHOUT_PICTURE = {
    "1.2.840.10008.5.1.4.1.1.88.59": "a key object selection",
    "1.2.840.10008.5.1.4.1.1.88.": "a structured report",
    "1.2.840.10008.5.1.4.1.1.11.": "a presentation state",
    "1.2.840.10008.5.1.4.1.1.104.": "an encapsulated document",
    "1.2.840.10008.5.1.4.1.1.9.": "a waveform",
    "1.2.840.10008.5.1.4.1.1.66.1": "a spatial registration",
    "1.2.840.10008.5.1.4.1.1.481.3": "a structure set",
    "1.2.840.10008.5.1.4.1.1.481.5": "a treatment plan",
    "1.2.840.10008.1.3.10": "an index of DICOM files",
}
"""What DICOM of these SOP classes is, by how their names begin (PS3.4 B.5, PS3.6 A)."""
_MAGIC = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|BM.{4}\0{4}|II[*+]\0|MM\0[*+]|RIFF.{4}WEBP|GIF8[79]a|P[1-6]\s"
    rb"|\0\0\0\x0c(?:jP  |JXL )|\xff\x4f\xff\x51|.{4}ftyp(?:avif|avis|heic|heix|heim|heis|hevc|mif1|msf1)",
    re.DOTALL,
)
"""How images begin."""
CLOSED, EMPTY = "broken link, or file that cannot be opened", "empty file"
UNFINISHED = "unfinished download or temporary file"
_PASSED_OVER = {
    **dict.fromkeys((".nii", ".nii.gz", ".mha", ".mhd", ".nrrd", ".vtk"), "volume"),
    **dict.fromkeys((".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar"), "archive"),
    **dict.fromkeys((".npy", ".npz", ".mat", ".h5", ".hdf5"), "file of arrays"),
    **dict.fromkeys((".pdf", ".doc", ".docx", ".ppt", ".pptx"), "document"),
    **dict.fromkeys((".mp4", ".avi", ".mov"), "video"),
    **dict.fromkeys((".dng", ".nef", ".cr2", ".cr3", ".arw", ".orf", ".raf", ".rw2", ".pef"), "raw photograph"),
    **dict.fromkeys((".part", ".partial", ".crdownload", ".download", ".filepart"), UNFINISHED),
    **dict.fromkeys((".tmp", ".temp"), UNFINISHED),
}
"""What may hold radiographs and is never read, by suffix."""
REPORTS = MappingProxyType(
    {
        "annotation_report.json": "annotate-iou",
        "comparison.json": "compare",
        **{
            f"export_{name}.json": f"export --to {name}" for name in ("coco", "csv", "fiftyone", "masks", "npz", "tiff")
        },
        "gallery.json": "gallery",
        "intervention_report.json": "intervene",
        "performance.json": "performance",
        "sanity_report.json": "sanity",
        "study_report.json": "study",
    }
)
"""The reports that other files belong to, and the commands that write them."""
RESULTS = "results of btxrd-explain"
_HASHES = re.compile(rb'"sha256": (\{[^{}]*\})')
"""What a report says of the files that belong to it."""
COMPANIONS = (
    *(".json", ".jsonl", ".csv", ".tsv", ".xls", ".xlsx", ".ods", ".txt", ".md", ".rst", ".xml", ".yaml", ".yml"),
    *(".html", ".htm", ".css", ".js", ".py", ".pyc", ".ipynb", ".sh", ".r", ".m", ".toml", ".ini", ".cfg", ".log"),
    *(".pt", ".pth", ".ckpt", ".safetensors", ".onnx", ".pkl", ".parquet", ".db", ".sqlite", ".svg", ".bib", ".tex"),
    *(".md5", ".sha256", ".lock"),
)
"""What lies with radiographs and never is one; not opened, and not told of."""


def is_dicom(data: bytes) -> bool:
    """Return whether a file's content, of which its first 132 bytes suffice, is DICOM, with or without preamble."""
    return data[_DICOM_PREAMBLE:].startswith(_DICOM_PREFIX) or _BARE_DICOM.match(data) is not None


def without_picture(head: bytes) -> str | None:
    """Return what a DICOM file without a picture is, such as a report; None where it may have one.

    Args:
        head: The first :data:`HEAD` bytes of the file, or more.
    """
    found = _SOP_CLASS.search(head[:HEAD]) if is_dicom(head) else None
    name = "" if found is None else found[1].decode()
    return next((kind for start, kind in _WITHOUT_PICTURE.items() if name.startswith(start)), None)


def _kind_passed_over(head: bytes) -> str | None:
    """Return what is passed over, by its first bytes; ``""`` for text, which is passed over in silence; None: an image.

    Text that says that it is something else than text, such as a pointer to a file, is named.

    Args:
        head: The first bytes of the file.
    """
    if is_dicom(head) or _MAGIC.match(head):
        kind = without_picture(head)
        return None if kind is None else f"DICOM file without a picture ({kind})"
    if not head:
        return EMPTY
    text = not head.translate(None, bytes([*b"\t\n\f\r\x1b", *range(32, 256)]))
    return foreign_kind(head) or ("" if text else "file of no known kind")


def what_is_passed_over(path: Path) -> str | None:
    """Return what a local file is that is passed over, ``""`` in silence; None where it counts as an image.

    Archives and the like, and companions such as tables, are known by their suffix; others are opened.

    Args:
        path: The file, or a pipe, a broken link and so on.
    """
    name = path.name.lower()
    is_named = name.endswith(IMAGE_SUFFIXES)
    if name.endswith(tuple(_PASSED_OVER)):
        return next(kind for suffix, kind in _PASSED_OVER.items() if name.endswith(suffix))
    if name == DICOM_INDEX or name.endswith(COMPANIONS):
        return ""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for a writer
            return None if is_named else ""
        with path.open("rb", buffering=0) as file:
            head = file.read(HEAD)
    except (OSError, ValueError):  # a NUL in the name
        return None if is_named else CLOSED if os.path.lexists(path) else ""
    return None if is_named and not is_dicom(head) else _kind_passed_over(head)


def results_in(folder: Path, names: AbstractSet[str]) -> set[str]:
    """Return what of a folder is a result of this tool: pictures of radiographs, which are never radiographs.

    Figures are those that a report names. Folders have the form that the tool gives them, or are next to a table.

    Args:
        folder: The folder.
        names: All names in it.
    """
    reports = names & REPORTS.keys()
    has_table = any(name.endswith(".parquet") for name in names)
    found = {name for name in names & _FOLDERS.keys() if (folder / name / _FOLDERS[name]).exists()}
    if has_table:
        found |= names & {"overlays", "report_files"}
        if "tiff" in names and _are_maps(folder / "tiff"):
            found.add("tiff")
    for name in reports:
        with suppress(OSError, ValueError):
            found.update(*map(json.loads, _HASHES.findall(read_whole(folder / name, _MAX_BYTES) or b"")))
    return {name.partition("/")[0] for name in found} & names


_FOLDERS = {"masks": "attention", "fiftyone": "fields"}
"""Folders that exports make, and what is in each of them and in no other of that name."""
_MAX_BYTES = 2**30


def _are_maps(folder: Path) -> bool:
    """Return whether a folder has a file that is named like a heat map: the name of an image, and another suffix."""
    with suppress(OSError):
        return any(path.stem.lower().endswith(IMAGE_SUFFIXES) for path in folder.iterdir())
    return False


_FOREIGN = {
    re.compile(rb".{4}ftyp(?:heic|heix|heim|heis|hevc|mif1|msf1)", re.DOTALL): "HEIC",
    re.compile(rb".{4}ftyp(?:avif|avis)", re.DOTALL): "AVIF",
    re.compile(rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51"): "JPEG 2000",
    re.compile(rb"\0\0\0\x0cJXL |\xff\x0a"): "JPEG XL",
    re.compile(rb"%PDF"): "a PDF document",
    re.compile(rb"PK\x03\x04|\x1f\x8b|7z\xbc\xaf|Rar!"): "an archive",
    re.compile(rb"\x93NUMPY"): "a NumPy array",
    re.compile(rb"(?:.{344})(?:n\+1|ni1)\0", re.DOTALL): "a NIfTI volume",
    re.compile(rb"version https://git-lfs"): "a Git LFS pointer to a file",
    re.compile(rb"\s*<(?:!DOCTYPE html|html)", re.IGNORECASE): "a web page",
    re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?<svg", re.DOTALL): "SVG",
}
"""Files that are not read as images, by how they begin: formats that Pillow may lack, and what downloads leave."""


ADVICE = MappingProxyType(
    {
        CLOSED: "correct its target or its permissions",
        **dict.fromkeys((EMPTY, UNFINISHED, "a web page"), "copy or download again what is a radiograph"),
        "a Git LFS pointer to a file": "fetch the file with 'git lfs pull'",
    }
)
"""What to do about files of some kinds, other than to convert them."""


def foreign_kind(data: bytes) -> str | None:
    """Return what a file is that no decoder takes, by its first bytes; None where they do not tell."""
    return next((kind for start, kind in _FOREIGN.items() if start.match(data[:HEAD])), None)


def several_frames(name: str, frames: int | None, images: Sequence[str] = ()) -> Iterator[Finding]:
    """Yield that a file holds more images than the one that is read, whichever reader opens it.

    Args:
        name: The file.
        frames: How many it holds; None where that is not known.
        images: The images that it is about.

    >>> [finding.message for finding in several_frames("scan.tif", 3)], [*several_frames("scan.png", 1)]
    (["'scan.tif' holds 3 images"], [])
    """
    if frames is not None and frames > 1:
        yield Finding.of("several-frames", f"'{name}' holds {frames} images", images, details={"frames": frames})
