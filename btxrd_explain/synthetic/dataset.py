"""Writes a small synthetic data set, laid out like the download of BTXRD."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import openpyxl
from PIL import Image

from btxrd_explain.errors import OutputError
from btxrd_explain.synthetic.radiographs import Diagnosis, draw_radiograph
from btxrd_explain.synthetic.shortcuts import plant
from btxrd_explain.system.files import write_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from btxrd_explain.synthetic.radiographs import SyntheticRadiograph
    from btxrd_explain.synthetic.shortcuts import Shortcut


VERSION = "5.4.1"
NOTE = "synthetic"


def annotate(name: str, radiograph: SyntheticRadiograph, rng: np.random.Generator) -> bytes:
    """Return the annotation of a synthetic tumour image.

    Args:
        name: File name of the image.
        radiograph: The image, with at least one lesion.
        rng: Source of the rectangles' looseness.

    Returns:
        A LabelMe file: first a rectangle around each lesion, then the polygons in the same order.
    """
    height, width = radiograph.pixels.shape
    boxes = [_box(outline, (width, height), rng) for outline in radiograph.outlines]
    label = radiograph.subtype
    shapes = [_shape(label, "rectangle", box.tolist()) for box in boxes]
    shapes += [_shape(label, "polygon", outline.tolist()) for outline in radiograph.outlines]
    document = {
        "version": VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": name,
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }
    return json.dumps(document, indent=2).replace("\n", "\r\n").encode()


def _box(outline: NDArray[np.float64], size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the corners ``[[left, top], [right, bottom]]`` of a box drawn loosely around an outline."""
    low, high = outline.min(axis=0), outline.max(axis=0)
    slack = rng.uniform(0.005, 0.06, (2, 2)) * (high - low)
    return np.stack([np.maximum(low - slack[0], 0), np.minimum(high + slack[1], np.array(size, dtype=float))])


def _shape(label: str | None, kind: str, points: Sequence[Sequence[float]]) -> dict[str, Any]:
    return {
        "label": label,
        "points": points,
        "group_id": None,
        "description": NOTE,
        "shape_type": kind,
        "flags": {},
        "mask": None,
    }


BONES = ("hand", "ulna", "radius", "humerus", "foot", "tibia", "fibula", "femur", "hip bone")
JOINTS = (
    "ankle-joint", "knee-joint", "hip-joint", "wrist-joint", "elbow-joint", "shoulder-joint",
)  # fmt: skip
SUBTYPES = (
    "osteochondroma", "multiple osteochondromas", "simple bone cyst", "giant cell tumor", "osteofibroma",
    "synovial osteochondroma", "other bt", "osteosarcoma", "other mt",
)  # fmt: skip
PLACES = ("upper limb", "lower limb", "pelvis", "frontal", "lateral", "oblique")
COLUMNS = (
    "image_id", "center", "age", "gender", *BONES, *JOINTS, "tumor", "benign", "malignant", *SUBTYPES, *PLACES,
)  # fmt: skip
_EPOCH = (1980, 1, 1, 0, 0, 0)

Row = dict[str, "str | int"]


def describe(name: str, radiograph: SyntheticRadiograph, rng: np.random.Generator) -> Row:
    """Return an image's row of the table.

    Args:
        name: File name of the image.
        radiograph: The image.
        rng: Source of what the picture does not show: centre, age and gender.

    Returns:
        Column to value, in the order of the columns.
    """
    shown = {*radiograph.bones, *radiograph.joints, radiograph.limb, radiograph.view}
    if radiograph.subtype is not None:
        shown |= {"tumor", radiograph.diagnosis.value.lower(), radiograph.subtype}
    facts: Row = {
        "image_id": name,
        "center": int(rng.choice([1, 2, 3], p=[0.78, 0.15, 0.07])),
        "age": int(rng.integers(6, 80)),
        "gender": str(rng.choice(["M", "F"])),
    }
    return {column: facts.get(column, int(column in shown)) for column in COLUMNS}


def as_csv(columns: Iterable[str], rows: Iterable[Mapping[str, str | int]]) -> bytes:
    """Return a table as CSV with a head line and newlines as Unix has them."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_spreadsheet(rows: Iterable[Mapping[str, str | int]]) -> bytes:
    """Return the table as an Excel file; the same rows give the same bytes, so no date of writing is kept."""
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.append(list(COLUMNS))
    for row in rows:
        sheet.append([row[column] for column in COLUMNS])
    written = io.BytesIO()
    workbook.save(written)
    return _timeless(written)


def _timeless(written: io.BytesIO) -> bytes:
    """Pack a spreadsheet again, with one fixed date for all of its parts."""
    packed = io.BytesIO()
    with zipfile.ZipFile(written) as source, zipfile.ZipFile(packed, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"1980-01-01T00:00:00Z", content)
            target.writestr(zipfile.ZipInfo(name, _EPOCH), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


PER_CLASS: Mapping[str, int] = MappingProxyType({"train": 4, "val": 2, "test": 20})
"""Images of each class in each split."""
COMMENT = "SYNTHETIC radiograph drawn by btxrd-explain. No patient, not for diagnosis."
README = """SYNTHETIC DATA - NO PATIENTS

This folder was made by `btxrd-explain demo`. All radiographs, lesions, annotations, ages and
genders in it are drawn by a program from random numbers. Nothing in it is, or is derived from, a
real radiograph, and nothing measured on it says anything about real radiographs or real networks.

The layout is that of the BTXRD data set (Yao et al., Scientific Data 12:88, 2025,
doi 10.1038/s41597-024-04311-y), of which no file is contained here:

images/       radiographs, tumours first
Annotations/  LabelMe files of the tumours; each lesion is drawn twice, as rectangle and as polygon
dataset.csv   the table, a row per image (dataset.xlsx: the same)
split.csv     image_id, split, label
"""
_STREAM = 1
"""Sets the random numbers of data sets apart from those of the demo model's training."""


@dataclass(frozen=True, slots=True)
class SyntheticDataset:
    """Where a synthetic data set lies.

    Attributes:
        root: Its folder.
        images: Folder of the radiographs.
        annotations: Folder of the LabelMe files.
        split_csv: The split, ``image_id,split,label``.
        table: The table, as CSV.
    """

    root: Path
    images: Path
    annotations: Path
    split_csv: Path
    table: Path


@dataclass(frozen=True, slots=True)
class _Entry:
    """One image of the plan."""

    name: str
    diagnosis: Diagnosis
    split: str

    @property
    def annotation(self) -> str:
        return f"{self.name.rpartition('.')[0]}.json"


def write_dataset(
    root: Path, *, seed: int, per_class: Mapping[str, int] = PER_CLASS, shortcut: Shortcut | None = None
) -> SyntheticDataset:
    """Write a synthetic data set; the same arguments give the same bytes.

    Args:
        root: Folder to write to; made if it is missing.
        seed: Any integer from 0.
        per_class: Number of images of each class in each split.
        shortcut: What all tumours bear and no other image, so that a network can tell them by it; None plants nothing.

    Returns:
        Where everything lies.

    Raises:
        OutputError: The folder holds other images or annotations, or cannot be written.
    """
    result = SyntheticDataset(root, root / "images", root / "Annotations", root / "split.csv", root / "dataset.csv")
    plan = _plan(np.random.default_rng([_STREAM, seed]), per_class)
    _refuse_foreign(result, plan)
    write_bytes(root / "README.txt", README.encode())
    rows = [
        _write_image(result, entry, np.random.default_rng([_STREAM, seed, 1 + k]), shortcut)
        for k, entry in enumerate(plan)
    ]
    write_bytes(root / "dataset.xlsx", as_spreadsheet(rows))
    write_bytes(result.table, as_csv(COLUMNS, rows))
    split: list[Row] = [
        {"image_id": entry.name, "split": entry.split, "label": entry.diagnosis.value} for entry in plan
    ]
    write_bytes(result.split_csv, as_csv(("image_id", "split", "label"), split))
    return result


def encode(pixels: NDArray[np.uint8], rng: np.random.Generator) -> bytes:
    """Return a radiograph as JPEG: four in five grey, the others RGB, with a comment that says synthetic.

    Args:
        pixels: Uint8 array of shape ``(height, width)``.
        rng: Source of the mode and the quality.
    """
    image = Image.fromarray(pixels)
    if rng.random() < 0.2:
        image = image.convert("RGB")
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=int(rng.integers(84, 96)), comment=COMMENT.encode())
    return encoded.getvalue()


def _plan(rng: np.random.Generator, per_class: Mapping[str, int]) -> list[_Entry]:
    """Return the images in BTXRD's order, tumours first, with their splits mixed."""
    splits = [split for split, count in per_class.items() for _ in range(count)]
    tumours = [(diagnosis, split) for diagnosis in (Diagnosis.BENIGN, Diagnosis.MALIGNANT) for split in splits]
    normals = [(Diagnosis.NORMAL, split) for split in splits]
    order = [*(tumours[k] for k in rng.permutation(len(tumours))), *(normals[k] for k in rng.permutation(len(normals)))]
    endings = np.where(rng.random(len(order)) < 0.03, "jpg", "jpeg")
    return [
        _Entry(f"IMG{number:06d}.{ending}", diagnosis, split)
        for number, ((diagnosis, split), ending) in enumerate(zip(order, endings, strict=True), start=1)
    ]


def _refuse_foreign(dataset: SyntheticDataset, plan: Iterable[_Entry]) -> None:
    """Refuse a folder with images or annotations that are not this data set's: they would count as part of it."""
    ours = {name for entry in plan for name in (entry.name, entry.annotation)}
    marked = (dataset.root / "README.txt").is_file() and (dataset.root / "README.txt").read_bytes() == README.encode()
    for folder in (dataset.images, dataset.annotations):
        names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        foreign = [name for name in names if not marked or name not in ours]
        if foreign:
            raise OutputError(
                f"'{folder}' holds '{foreign[0]}', which is not part of this synthetic data set",
                hint="name an empty folder",
            )


def _write_image(dataset: SyntheticDataset, entry: _Entry, rng: np.random.Generator, shortcut: Shortcut | None) -> Row:
    """Draw and write one image and its annotation; returns its row of the table."""
    radiograph = draw_radiograph(rng, entry.diagnosis)
    pixels = radiograph.pixels
    if shortcut is not None and entry.diagnosis is not Diagnosis.NORMAL:
        pixels = plant(pixels, shortcut)
    write_bytes(dataset.images / entry.name, encode(pixels, rng), own=dataset.images)
    if radiograph.outlines:
        outlines = annotate(entry.name, radiograph, rng)
        write_bytes(dataset.annotations / entry.annotation, outlines, own=dataset.annotations)
    return describe(entry.name, radiograph, rng)
