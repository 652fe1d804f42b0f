"""Annotations of every kind, and what becomes of each; see ``docs/reference/annotation-kinds.md``."""

from __future__ import annotations

import gzip
import io
import re
import struct
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.masks import LesionRules
from btxrd_explain.errors import BtxrdExplainError
from btxrd_explain.findings.annotations import oddities, outside
from btxrd_explain.inputs.annotation_formats import read_annotation, read_lesions
from btxrd_explain.inputs.annotation_source import no_name_fits, open_source
from btxrd_explain.inputs.dataset import collect

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "annotation-kinds.md"
SIZE = Size(8, 10)


_SEVERAL, _WHITE = ("TIFF", "PNG", "GIF"), np.uint8(255)


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
    "the outline": _outline(),
    "none": np.zeros(SIZE, bool),
    "all but the box": ~_box(),
    "all": np.ones(SIZE, bool),
}


def _image(kind: str, values: np.ndarray | None = None, *further: np.ndarray) -> bytes:
    file = io.BytesIO()
    pages = {"save_all": True, "append_images": [Image.fromarray(page) for page in further]} if further else {}
    Image.fromarray(_box().astype(np.uint8) * 255 if values is None else values).save(file, kind, **pages)
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
    **{f"{kind} of two pictures": _image(kind, 255 * _box().astype(np.uint8), ~_box() * _WHITE) for kind in _SEVERAL},
    "a radiograph": _radiograph(),
    "an inverted mask": _image("PNG", 255 - _box().astype(np.uint8) * 255),
    "a mask that is white all over": _image("PNG", np.full(SIZE, 255, np.uint8)),
    "a mask whose background is 1": _image("PNG", _box().astype(np.uint8) + 1),
    "a mask of another size": _image("PNG", _box().astype(np.uint8)[:, :5]),
    "a mask in colours": _image("PNG", np.stack([_box().astype(np.uint8) * 255, *np.zeros((2, *SIZE), np.uint8)], 2)),
    "a LabelMe file in GB 18030": LABELME.encode("gb18030"),
    "a LabelMe file in UTF-16": LABELME.encode("utf-16"),
}


def _names(cell: str) -> list[str]:
    return re.findall(r"`(.*?)`", cell)


def _write(folder: Path, names: list[str], held: str) -> Path:
    text = re.fullmatch(r"`(.*)`", held)
    for name in names:
        path = folder / "annotations" / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(PIXELS[held] if text is None else text[1].encode().decode("unicode_escape").encode())
    return folder / "annotations"


def _plain(text: str, folder: Path) -> str:
    """Return what is said without the folder, which is another one each time."""
    text = text.replace(f" in '{folder / 'annotations'}'", "").replace(f"{folder / 'annotations'}/", "")
    return text.replace(f"{folder}/", "")


def read(folder: Path, given: tuple[str, ...]) -> tuple[str, str]:
    """Read an annotation; return the lesion and what is said."""
    names, held = _names(given[0]), given[1]
    source = open_source(_write(folder, names, held))
    place = source.find(folder / "images" / "IMG1.png")
    if place is None:
        raise ValueError(f"no annotation is found for {names}")
    masks = list(read_lesions(place, SIZE, LesionRules()))
    mask = np.logical_or.reduce([LESIONS["none"], *masks])
    lesion = next(name for name, one in LESIONS.items() if np.array_equal(one, mask))
    lesion += f", {len(masks)} lesions" if len(masks) > 1 else ""
    annotation = read_annotation(place, SIZE)
    odd = [*oddities(place, annotation, mask, LesionRules(), None), *outside(place, annotation, SIZE)]
    told = [finding.message for finding in (*annotation.findings, *odd)]
    noted = source.description.partition("; ")[2]
    return lesion, _plain("; ".join([*told, *filter(None, [noted])]), folder)


def refused(folder: Path, given: tuple[str, ...]) -> tuple[str]:
    """Read an annotation that cannot be used; return the error."""
    names = _names(given[0])
    path = _write(folder, names, given[1])
    try:
        place = open_source(path).find(folder / "images" / "IMG1.png")
        if place is None:
            open_source(path / names[0])  # as a user does who names the file
        else:
            read_annotation(place, SIZE)
    except BtxrdExplainError as error:
        return (_plain(str(error), folder),)
    return ("none",)


def owned(folder: Path, given: tuple[str, ...]) -> tuple[str]:
    """Look for the annotations of radiographs; return what is said."""
    for name in _names(given[0]):
        (folder / "images" / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / "images" / name).touch()
    path = _write(folder, _names(given[1]), f"`{LABELME}`")
    found = collect([str(folder / "images")], annotations=path)
    source = open_source(path)
    told = [finding.message for finding in found.findings]
    if not any(record.annotation for record in found.records):
        told.append(no_name_fits(source, found.records[0].path))
    noted = source.description.partition("; ")[2]
    return (_plain("; ".join([*told, *filter(None, [noted])]), folder),)


RUNS = {
    "file | what it holds | lesion | what is said": read,
    "file | what it holds | error": refused,
    "radiographs | annotations | what is said": owned,
}
"""What executes the rows of each table, by its header."""
