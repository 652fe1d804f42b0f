"""Writes a small synthetic data set, laid out like the download of BTXRD."""

from __future__ import annotations

import io
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from btxrd_explain.errors import OutputError
from btxrd_explain.files import write_bytes
from btxrd_explain.synthetic.annotations import annotate
from btxrd_explain.synthetic.radiographs import Diagnosis, draw_radiograph
from btxrd_explain.synthetic.table import COLUMNS, Row, as_csv, as_spreadsheet, describe

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

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


def write_dataset(root: Path, *, seed: int, per_class: Mapping[str, int] = PER_CLASS) -> SyntheticDataset:
    """Write a synthetic data set; the same arguments give the same bytes.

    Args:
        root: Folder to write to; made if it is missing.
        seed: Any integer from 0.
        per_class: Number of images of each class in each split.

    Returns:
        Where everything lies.

    Raises:
        OutputError: The folder holds other images or annotations, or cannot be written.
    """
    result = SyntheticDataset(root, root / "images", root / "Annotations", root / "split.csv", root / "dataset.csv")
    plan = _plan(np.random.default_rng([_STREAM, seed]), per_class)
    _refuse_foreign(result, plan)
    write_bytes(root / "README.txt", README.encode())
    rows = [_write_image(result, entry, np.random.default_rng([_STREAM, seed, 1 + k])) for k, entry in enumerate(plan)]
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


def _write_image(dataset: SyntheticDataset, entry: _Entry, rng: np.random.Generator) -> Row:
    """Draw and write one image and its annotation; returns its row of the table."""
    radiograph = draw_radiograph(rng, entry.diagnosis)
    write_bytes(dataset.images / entry.name, encode(radiograph.pixels, rng))
    if radiograph.outlines:
        write_bytes(dataset.annotations / entry.annotation, annotate(entry.name, radiograph, rng))
    return describe(entry.name, radiograph, rng)
