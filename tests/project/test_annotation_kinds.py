"""Every row of the tables in docs/reference/annotation-kinds.md is tried."""

from __future__ import annotations

import gzip
import io
import re
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.masks import LesionRules
from btxrd_explain.errors import BtxrdExplainError
from btxrd_explain.inputs.annotation_source import open_source, read_annotation, read_lesions
from tests.project.test_input_kinds import rows_of

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "annotation-kinds.md").read_text("utf-8")
SIZE = Size(8, 10)


def _box() -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[1:4, 2:6] = True
    return mask


def _outline() -> np.ndarray:
    canvas = Image.new("1", (SIZE.width, SIZE.height))
    ImageDraw.Draw(canvas).polygon([2, 1, 6, 1, 2, 5], outline=1, fill=1)  # as LabelMe does
    return np.asarray(canvas)


LESIONS = {"the box": _box(), "the outline": _outline(), "none": np.zeros(SIZE, bool)}


def _image(kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(_box().astype(np.uint8) * 255).save(file, kind)
    return file.getvalue()


def _array(*, packed: bool) -> bytes:
    file = io.BytesIO()
    if packed:
        np.savez_compressed(file, _box())
    else:
        np.save(file, _box())
    return file.getvalue()


def _nifti() -> bytes:
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 2, SIZE.width, SIZE.height, 1, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 2, 8)
    struct.pack_into("<3f", header, 108, 352, 1, 0)
    header[344:348] = b"n+1\0"
    return bytes(header) + _box().astype(np.uint8).tobytes()


def _radiograph() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.arange(80, dtype=np.uint8).reshape(SIZE)).save(file, "PNG")
    return file.getvalue()


PIXELS = {kind: _image(kind) for kind in ("PNG", "TIFF", "BMP", "GIF")} | {
    "array": _array(packed=False),
    "archive of an array": _array(packed=True),
    "NIfTI": _nifti(),
    "packed NIfTI": gzip.compress(_nifti(), mtime=0),
    "a radiograph": _radiograph(),
}
TABLES = [rows_of(section, "file | what it holds") for section in PAGE.split("\n## ")[1:]]
READ = [
    (name.strip("`"), held, lesion, "".join(said[:1]))
    for table in TABLES[:4]
    for names, held, lesion, *said in table
    for name in names.split(", ")
]
REFUSED = [(cells[0].strip("`"), *cells[1:3]) for cells in TABLES[4]]


def _write(folder: Path, name: str, held: str) -> Path:
    path = folder / "annotations" / name
    path.parent.mkdir()
    text = re.fullmatch(r"`(.*)`", held)
    path.write_bytes(PIXELS[held] if text is None else text[1].encode().decode("unicode_escape").encode())
    return path.parent


def test_the_page_has_all_its_tables() -> None:
    assert [len(table) > 5 for table in TABLES] == [True] * 5


@pytest.mark.parametrize(("name", "held", "lesion", "said"), READ)
def test_what_is_read(tmp_path: Path, name: str, held: str, lesion: str, said: str) -> None:
    source = open_source(_write(tmp_path, name, held))
    place = source.find(tmp_path / "images" / "IMG1.png")
    assert place is not None
    masks = list(read_lesions(place, SIZE, LesionRules()))
    assert np.array_equal(np.logical_or.reduce([LESIONS["none"], *masks]), LESIONS[lesion])
    told = [finding.message for finding in read_annotation(place, SIZE).findings]
    assert said in "; ".join([*told, source.description])
    assert told or said in source.description


def _read_refused(folder: Path, name: str) -> None:
    place = open_source(folder).find(folder.parent / "images" / "IMG1.png")
    if place is None:
        open_source(folder / name)  # as a user does who names the file
    else:
        read_annotation(place, SIZE)


@pytest.mark.parametrize(("name", "held", "message"), REFUSED)
def test_what_is_refused(tmp_path: Path, name: str, held: str, message: str) -> None:
    folder = _write(tmp_path, name, held)
    with pytest.raises(BtxrdExplainError, match=re.escape(message)):
        _read_refused(folder, name)
