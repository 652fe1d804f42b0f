from __future__ import annotations

import gzip
import io
import json
import struct
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.masks import LesionRules
from btxrd_explain.errors import BtxrdExplainError
from btxrd_explain.inputs import box_table, chexlocalize, mask_image, via, voc, yolo
from btxrd_explain.inputs.annotation import AnnotationPlace
from btxrd_explain.inputs.annotation_formats import LISTED, _read_listing, cached_listing, read_lesions, recognise
from tests.hostile.fuzz.documents import anything, numbers, objects, points
from tests.hostile.fuzz.harness import examples, outcome
from tests.hostile.fuzz.mutations import mutated

if TYPE_CHECKING:
    from pathlib import Path

SIZE = Size(8, 10)
HEAVY = (box_table, chexlocalize, cv2, mask_image, via, voc, yaml, yolo)
"""Imported before anything is measured."""


def _via(*drawn: dict[str, Any]) -> bytes:
    regions = [
        {"shape_attributes": each, "region_attributes": {"label": "cyst", "sure": {"a": True}}} for each in drawn
    ]
    return json.dumps({"_via_img_metadata": {"1.png9": {"filename": "1.png", "size": 9, "regions": regions}}}).encode()


def _npy(mask: np.ndarray[Any, Any] | None = None) -> bytes:
    file = io.BytesIO()
    if mask is not None:
        np.savez_compressed(file, mask=mask)
    else:
        np.save(file, np.eye(8, 10, dtype=np.uint8))
    return file.getvalue()


def _nifti() -> bytes:
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, 10, 8, 1, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 2, 8)
    struct.pack_into("<3f", header, 108, 352, 1, 0)
    header[344:348] = b"n+1\0"
    return bytes(header) + np.eye(8, 10, dtype=np.uint8).tobytes()


def _image(kind: str, **options: Any) -> bytes:  # noqa: ANN401 -- of Pillow
    file = io.BytesIO()
    Image.fromarray(np.eye(8, 10, dtype=np.uint8) * 255).save(file, kind, **options)
    return file.getvalue()


_OUTLINE = {"name": "polygon", "all_points_x": [2, 6, 2], "all_points_y": [1, 1, 3]}
_ROUND = {"name": "ellipse", "cx": 4, "cy": 4, "rx": 2, "ry": 1, "theta": 0.5}
_RECT = {"name": "rect", "x": 2, "y": 1, "width": 4, "height": 3}
_VOC = b"""<?xml version="1.0" encoding="utf-8"?><annotation><filename>1.png</filename><size><width>10</width>
<height>8</height></size><object><name>cyst</name><bndbox><xmin>2</xmin><ymin>1</ymin><xmax>6</xmax><ymax>3</ymax>
</bndbox></object></annotation>"""
_VIA_CSV = b"""filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes
1.png,9,{},1,0,"{""name"":""rect"",""x"":2,""y"":1,""width"":4,""height"":3}","{""label"":""cyst""}"
"""
_EDGES = b"image_id,class_name,x_min,y_min,x_max,y_max\n1,cyst,2,1,6,3\n2,none,,,,\n"
_SIDES = b"patientId;x;y;width;height\n1;2,5;1;4;3\n"
_RUNS = {"1": {"cyst": {"size": [8, 10], "counts": [11, 2, 67]}, "other": {"size": [8, 10], "counts": "`2"}}}
FORMATS: dict[str, tuple[str, tuple[bytes, ...], tuple[bytes, ...]]] = {
    "via": (
        "a.json",
        (_via(_OUTLINE, _ROUND), _via(_RECT)),
        (b'"regions": {}', b'"cx": 1e300', b'"theta": "a"', b"[" * 900),
    ),
    "via csv": (
        "a.csv",
        (_VIA_CSV,),
        (b'"', b"{", b";", b"\t", b"\r", b"\0", b'"{' + b"[" * 2000, b"filename,"),
    ),
    "voc": (
        "1.xml",
        (_VOC,),
        (b"<!DOCTYPE a [", b'<!ENTITY a "b">', b"&a;", b"&#0;", b"<a>" * 500, b"utf-16", b"-1e400", b"]>"),
    ),
    "yolo": (
        "1.txt",
        (b"0 0.5 0.5 0.2 0.4\n1 0.1 0.1 0.9 0.1 0.5 0.8\n",),
        (b"\n", b" ", b"nan", b"1e-9", b"-", b"\xff"),
    ),
    "boxes": ("a.csv", (_EDGES, _SIDES), (b";", b'"', b"\0", b"nan", b"1e300", b"\r", b"x_min,")),
    "chexlocalize": (
        "a.json",
        (json.dumps(_RUNS).encode(), b'{"1": {"img_size": [8, 10], "cyst": [[[2, 1], [6, 1], [2, 3]], [[1, 1]]]}}'),
        (b'"counts": [80]', b'"counts": "oooo"', b'"img_size": [1e9, 3]', b'"img_size": 3', b"[[[]]]", b"null"),
    ),
    "numpy": (
        "1.npy",
        (_npy(), _npy(mask=np.eye(8, 10))),
        (b"'descr': '|O'", b"(99999, 99999)", b"(-1, 80)", b"'<f8'", b"PK\x03\x04"),
    ),
    "nifti": (
        "1.nii",
        (_nifti(), gzip.compress(_nifti(), mtime=0)),
        (b"n+1\0", b"\x1f\x8b\x08", b"\x5c\x01\0\0", b"\xff" * 8),
    ),
    "png": (
        "1.png",
        (_image("PNG"), _image("PNG", bits=1), _image("GIF")),
        (b"IHDR", b"IDAT", b"PLTE", b"acTL", b"\xff" * 8),
    ),
    "tiff": ("1.tif", (_image("TIFF"), _image("TIFF", compression="tiff_lzw")), (b"II*\0", b"\xff" * 8)),
    "bmp": ("1.bmp", (_image("BMP"),), (b"BM", b"\xff" * 8)),
    "jpeg": ("1.jpg", (_image("JPEG"), _image("JPEG", progressive=True)), (b"\xff\xd8", b"\xff\xd9", b"\xff\xda")),
}


def _lesions(path: Path) -> int:
    """Read every image of a file as the commands do; what is wrong with one stops no other."""
    kind = recognise(path).kind
    if kind is None:
        return 0
    count = len(cached_listing(path, kind).names) if kind in LISTED else 1
    found = 0
    for entry in range(min(count, 5)):
        try:
            found += len(list(read_lesions(AnnotationPlace(path, kind, entry), SIZE, LesionRules())))
        except BtxrdExplainError as error:
            assert str(error).isprintable()  # noqa: PT017 -- whatever is wrong with it
    return found


def _read(folder: Path, name: str, data: bytes) -> None:
    path = folder / name
    path.write_bytes(data)
    _read_listing.cache_clear()
    assert isinstance(outcome(lambda: _lesions(path), folder=folder), BtxrdExplainError | int)


@pytest.mark.parametrize("name", FORMATS)
def test_the_files_that_are_mutated_are_read(tmp_path: Path, name: str) -> None:
    path, seeds, _ = FORMATS[name]
    for seed in seeds:
        (tmp_path / path).write_bytes(seed)
        _read_listing.cache_clear()
        assert _lesions(tmp_path / path) or name == "jpeg"  # of which so thin a line is no mask


@pytest.mark.parametrize("name", FORMATS)
@given(entropy=st.data())
@examples(quick=50, long=20_000)
def test_a_mutated_file_is_read_or_refused(tmp_path: Path, name: str, entropy: st.DataObject) -> None:
    path, seeds, tokens = FORMATS[name]
    _read(tmp_path, path, entropy.draw(mutated(seeds, tokens)))


SIZES = dict.fromkeys(("x", "y", "width", "height", "cx", "cy", "r", "rx", "ry", "theta"), numbers)
regions = objects(
    {
        "shape_attributes": objects({"name": st.sampled_from(["rect", "circle", "ellipse", "point"])} | SIZES)
        | points().map(lambda pairs: {"name": "polygon", "all_points_x": pairs, "all_points_y": pairs}),
        "region_attributes": objects({"label": st.just("cyst")}),
    }
)
documents = st.dictionaries(
    st.just("1.png9"), objects({"filename": st.just("1.png"), "regions": st.lists(regions, max_size=3)})
) | st.dictionaries(st.just("1"), objects({"img_size": st.just([8, 10]), "cyst": st.lists(points(), max_size=3)}))


@given(document=documents | anything)
@examples(quick=50, long=20_000)
def test_a_made_up_document_is_read_or_refused(tmp_path: Path, document: object) -> None:
    _read(tmp_path, "a.json", json.dumps(document).encode())
