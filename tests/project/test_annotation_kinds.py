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
from btxrd_explain.findings.annotations import oddities, outside
from btxrd_explain.inputs.annotation_formats import read_annotation, read_lesions
from btxrd_explain.inputs.annotation_source import no_name_fits, open_source
from btxrd_explain.inputs.dataset import collect
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


LESIONS = {
    "the box": _box(),
    "the box, one lesion": _box(),
    "the outline": _outline(),
    "none": np.zeros(SIZE, bool),
    "all but the box": ~_box(),
    "all": np.ones(SIZE, bool),
}


def _image(kind: str, values: np.ndarray | None = None) -> bytes:
    file = io.BytesIO()
    Image.fromarray(_box().astype(np.uint8) * 255 if values is None else values).save(file, kind)
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


LABELME = '{"shapes": [{"label": "骨肉瘤", "shape_type": "rectangle", "points": [[2, 1], [5, 3]]}]}'
PIXELS = {kind: _image(kind) for kind in ("PNG", "TIFF", "BMP", "GIF", "JPEG")} | {
    "array": _array(packed=False),
    "archive of an array": _array(packed=True),
    "NIfTI": _nifti(),
    "packed NIfTI": gzip.compress(_nifti(), mtime=0),
    "a radiograph": _radiograph(),
    "an inverted mask": _image("PNG", 255 - _box().astype(np.uint8) * 255),
    "a mask that is white all over": _image("PNG", np.full(SIZE, 255, np.uint8)),
    "a mask whose background is 1": _image("PNG", _box().astype(np.uint8) + 1),
    "a mask of another size": _image("PNG", _box().astype(np.uint8)[:, :5]),
    "a mask in colours": _image("PNG", np.stack([_box().astype(np.uint8) * 255, *np.zeros((2, *SIZE), np.uint8)], 2)),
    "a LabelMe file in GB 18030": LABELME.encode("gb18030"),
    "a LabelMe file in UTF-16": LABELME.encode("utf-16"),
}
TABLES = [rows_of(section, "file | what it holds") for section in PAGE.split("\n## ")[1:-1]]
READ = [
    (name.strip("`"), held, lesion, "".join(said[:1]))
    for table in TABLES[:5]
    for names, held, lesion, *said in table
    for name in names.split(", ")
]
REFUSED = [tuple(cells[:3]) for cells in TABLES[5]]
OWNED = [tuple(cells[:3]) for cells in rows_of(PAGE, "radiographs | annotations")]


def _names(cell: str) -> list[str]:
    return re.findall(r"`(.*?)`", cell)


def _write(folder: Path, names: list[str], held: str) -> Path:
    text = re.fullmatch(r"`(.*)`", held)
    for name in names:
        path = folder / "annotations" / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(PIXELS[held] if text is None else text[1].encode().decode("unicode_escape").encode())
    return folder / "annotations"


def test_the_page_has_all_its_tables() -> None:
    assert [len(table) > 3 for table in TABLES] == [True] * 6
    assert len(OWNED) > 3


@pytest.mark.parametrize(("name", "held", "lesion", "said"), READ)
def test_what_is_read(tmp_path: Path, name: str, held: str, lesion: str, said: str) -> None:
    source = open_source(_write(tmp_path, [name], held))
    place = source.find(tmp_path / "images" / "IMG1.png")
    assert place is not None
    masks = list(read_lesions(place, SIZE, LesionRules()))
    mask = np.logical_or.reduce([LESIONS["none"], *masks])
    assert np.array_equal(mask, LESIONS[lesion])
    assert len({one.tobytes() for one in masks}) == (1 if "one lesion" in lesion else len(masks))
    annotation = read_annotation(place, SIZE)
    odd = [*oddities(place, annotation, mask, LesionRules(), None), *outside(place, annotation, SIZE)]
    told = [finding.message for finding in (*annotation.findings, *odd)]
    assert said in "; ".join([*told, source.description])
    assert told or said in source.description


def _read_refused(folder: Path, names: list[str]) -> None:
    place = open_source(folder).find(folder.parent / "images" / "IMG1.png")
    if place is None:
        open_source(folder / names[0])  # as a user does who names the file
    else:
        read_annotation(place, SIZE)


@pytest.mark.parametrize(("names", "held", "message"), REFUSED)
def test_what_is_refused(tmp_path: Path, names: str, held: str, message: str) -> None:
    folder = _write(tmp_path, _names(names), held)
    with pytest.raises(BtxrdExplainError, match=re.escape(message)):
        _read_refused(folder, _names(names))


@pytest.mark.parametrize(("radiographs", "annotations", "said"), OWNED)
def test_whose_an_annotation_is(tmp_path: Path, radiographs: str, annotations: str, said: str) -> None:
    for name in _names(radiographs):
        (tmp_path / "images" / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / "images" / name).touch()
    folder = _write(tmp_path, _names(annotations), f"`{LABELME}`")
    found = collect([str(tmp_path / "images")], annotations=folder)
    source = open_source(folder)
    told = [finding.message for finding in found.findings]
    if not any(record.annotation for record in found.records):
        told.append(no_name_fits(source, found.records[0].path))
    assert said in "; ".join([source.description, *told])
    assert said or not told
