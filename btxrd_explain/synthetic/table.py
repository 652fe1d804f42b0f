"""The synthetic data set's table, with the 37 columns of BTXRD's, as CSV and as a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from typing import TYPE_CHECKING

import openpyxl

from btxrd_explain.synthetic.radiographs import Diagnosis

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np

    from btxrd_explain.synthetic.radiographs import SyntheticRadiograph

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


def label_of(row: Mapping[str, str | int]) -> Diagnosis:
    """Return the class that a row states, by BTXRD's rule.

    >>> label_of({"malignant": 0, "benign": 1}).value
    'Benign'
    """
    if row["malignant"]:
        return Diagnosis.MALIGNANT
    return Diagnosis.BENIGN if row["benign"] else Diagnosis.NORMAL


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
