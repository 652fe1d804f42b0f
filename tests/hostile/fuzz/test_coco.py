from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.shapes import rasterise_union
from btxrd_explain.errors import AnnotationError, BtxrdExplainError
from btxrd_explain.inputs.annotation_source import ListSource
from btxrd_explain.inputs.coco import read_coco
from tests.hostile.fuzz.documents import anything, numbers, objects, points
from tests.hostile.fuzz.harness import examples, outcome
from tests.hostile.fuzz.mutations import mutated

if TYPE_CHECKING:
    from pathlib import Path

    from btxrd_explain.inputs.annotation import Annotation

SIZE = Size(8, 10)
IMAGE = {"id": 1, "file_name": "IMG000046.jpeg", "height": 8, "width": 10}
SEGMENTATIONS = (
    [[2, 1, 6, 1, 2, 3]],
    {"size": [8, 10], "counts": [11, 2, 67]},
    {"size": [8, 10], "counts": "`04T2"},
    None,
)


def _document(*segmentations: object) -> bytes:
    entries = [
        {"id": number, "image_id": 1, "category_id": 1, "bbox": [2, 1, 4, 3], "iscrowd": 0, "segmentation": each}
        for number, each in enumerate(segmentations)
    ]
    categories = [{"id": 1, "name": "osteosarcoma"}]
    return json.dumps({"images": [IMAGE], "annotations": entries, "categories": categories}).encode()


SEEDS = tuple(map(_document, SEGMENTATIONS))
TOKENS = (
    b'"counts": [80]',
    b'"counts": [-1, 81]',
    b'"counts": [4294967296, 4294967296]',
    b'"counts": "PPPPPPPPPPPPPPPPPPPPPPPPP1"',
    b'"counts": "oooooooooo"',
    b'"size": [100000, 100000]',
    b'"segmentation": [[]]',
    b'"segmentation": [[1e5, -1e5, 99999, 3, 2, 100000]]',
    b'"id": 18446744073709551616',
    b'"id": [1]',
    b'"image_id": "../../etc/passwd"',
    b'"file_name": "../../../etc/passwd"',
    b'"name": null',
    b"[" * 900,
)


def _read_all(path: Path) -> list[Annotation]:
    """Read every image of a file and draw what it holds."""
    annotations = []
    file = read_coco(path)
    ListSource(path).find(path.with_name("IMG000046.jpeg"))
    for position in range(len(file.images)):
        try:
            annotations.append(file.read(position, SIZE))
        except BtxrdExplainError as error:  # of one image, which stops no other
            assert isinstance(error, AnnotationError)  # noqa: PT017 -- of which kind, wherever it is raised
        else:
            rasterise_union(annotations[-1].shapes, SIZE)
    return annotations


def _read(folder: Path, data: bytes) -> None:
    path = folder / "coco.json"
    path.write_bytes(data)
    assert isinstance(outcome(lambda: _read_all(path), folder=folder), AnnotationError | list)


@given(data=mutated(SEEDS, TOKENS))
@examples(quick=75, long=20_000)
def test_a_mutated_file_is_read_or_refused(tmp_path: Path, data: bytes) -> None:
    _read(tmp_path, data)


entries = objects(
    {
        "id": st.integers(0, 3),
        "image_id": st.sampled_from([1, 2, "a"]),
        "category_id": st.just(1),
        "bbox": st.lists(numbers, min_size=4, max_size=4),
        "segmentation": st.lists(points().map(lambda pairs: [value for pair in pairs for value in pair]), max_size=2)
        | st.sampled_from(SEGMENTATIONS)
        | objects(
            {"size": st.just([8, 10]), "counts": st.lists(numbers, max_size=4) | st.text("PO0o1`4T2", max_size=9)}
        ),
    }
)
files = objects(
    {
        "images": st.lists(st.just(IMAGE) | objects({key: st.just(value) for key, value in IMAGE.items()}), max_size=3),
        "annotations": st.lists(entries, max_size=4),
        "categories": st.lists(objects({"id": st.just(1), "name": st.just("osteosarcoma")}), max_size=2),
    }
)


@given(document=files | anything)
@examples(quick=25, long=5_000)
def test_a_made_up_file_is_read_or_refused(tmp_path: Path, document: object) -> None:
    _read(tmp_path, json.dumps(document).encode())
