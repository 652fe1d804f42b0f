from __future__ import annotations

import base64
import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from btxrd_explain.core.shapes import ShapeType
from btxrd_explain.errors import AnnotationError
from btxrd_explain.inputs.annotation_file import read_annotation
from tests.hostile.fuzz.documents import anything, objects, points
from tests.hostile.fuzz.harness import examples, outcome
from tests.hostile.fuzz.mutations import mutated

if TYPE_CHECKING:
    from pathlib import Path


def _png(pixels: Any = np.eye(3, 4, dtype=np.uint8)) -> str:  # noqa: ANN401, B008 -- an array, never changed
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def _shape(kind: str, points: list[list[float]], **more: object) -> dict[str, object]:
    return {"label": "osteosarcoma", "points": points, "group_id": None, "shape_type": kind, "flags": {}} | more


def _document(*shapes: object, **more: object) -> bytes:
    head = {"version": "5.4.1", "flags": {}, "shapes": list(shapes), "imagePath": "IMG000046.jpeg"}
    return json.dumps(head | {"imageData": None, "imageHeight": 8, "imageWidth": 10} | more).encode()


SEEDS = (
    _document(_shape("rectangle", [[2, 1], [6.5, 3]]), _shape("polygon", [[2, 1], [6, 1], [2, 3]], group_id=1)),
    _document(_shape("mask", [[4, 2], [7, 4]], mask=_png()), _shape("circle", [[4, 4], [6, 4]])),
    _document(imageData=_png(), imageHeight=None, imageWidth=None),
)
TOKENS = (
    b"{",
    b"[",
    b"]",
    b"}",
    b",",
    b'"',
    b"null",
    b"true",
    b"[" * 2000,
    b'{"a":' * 2000,
    b"\\ud800",
    b"\\u0000",
    b"\x1b[31m",
    b"\xe2\x80\xae",
    b"\xef\xbb\xbf",
    b'"points": []',
    b'"points": [[1e300, -1e300], [1, 2]]',
    b'"shape_type": "mask"',
    b'"shape_type": "linestrip"',
    b'"imageHeight": -1',
    b'"imagePath": "../../../etc/passwd"',
    b'"label": "a\\nb"',
)


def _read(folder: Path, data: bytes) -> None:
    path = folder / "IMG000046.json"
    path.write_bytes(data)
    result = outcome(lambda: read_annotation(path, (8, 10), mask_policy="all").mask, folder=folder)
    assert isinstance(result, AnnotationError) or (isinstance(result, np.ndarray) and result.shape == (8, 10))


@given(data=mutated(SEEDS, TOKENS))
@examples(quick=250, long=180_000)
def test_a_mutated_document_is_read_or_refused(tmp_path: Path, data: bytes) -> None:
    _read(tmp_path, data)


shapes = objects(
    {
        "label": st.just("osteosarcoma"),
        "points": points(),
        "group_id": st.none() | st.integers(0, 2),
        "shape_type": st.sampled_from(ShapeType) | st.none(),
        "mask": st.none() | st.sampled_from([_png(), _png(np.zeros((9, 12, 3), np.uint8)), "AAAA"]),
        "flags": st.just({}),
    }
)
documents = objects(
    {
        "version": st.just("5.4.1"),
        "shapes": st.lists(shapes, max_size=3),
        "imageHeight": st.just(8),
        "imageWidth": st.just(10),
        "imagePath": st.sampled_from(["IMG000046.jpeg", "../../etc/passwd"]),
        "imageData": st.none() | st.just("AAAA"),
    }
)


@given(document=documents | anything)
@examples(quick=50, long=25_000)
def test_a_made_up_document_is_read_or_refused(tmp_path: Path, document: object) -> None:
    _read(tmp_path, json.dumps(document).encode())
