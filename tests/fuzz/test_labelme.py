from __future__ import annotations

import base64
import io
import json
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from PIL import Image

from btxrd_explain.errors import AnnotationError
from btxrd_explain.inputs.labelme import load_annotation_mask
from tests.fuzz.harness import examples, outcome
from tests.fuzz.mutations import mutated

if TYPE_CHECKING:
    from pathlib import Path


def _png() -> str:
    file = io.BytesIO()
    Image.fromarray(np.eye(3, 4, dtype=np.uint8)).save(file, "PNG")
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


@given(data=mutated(SEEDS, TOKENS))
@examples(quick=500, long=200_000)
def test_a_mutated_document_is_read_or_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "IMG000046.json"
    path.write_bytes(data)
    result = outcome(lambda: load_annotation_mask(path, (8, 10), policy="all"), folder=tmp_path)
    assert isinstance(result, AnnotationError | np.ndarray)
