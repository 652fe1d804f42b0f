"""Regions of heat maps, and expert annotations, as COCO files.

Segmentations are compressed run lengths, which hold every region exactly, holes included. Polygons would not: COCO's
run along the edges of pixels and are filled on a finer grid.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
from pycocotools import mask as codec

from btxrd_explain.system.files import atomic_write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from btxrd_explain.outputs.export.item import ExportedImage, Folder, Origin

LESION = "lesion"
"""Category of lesions whose class is not known."""


@contextmanager
def coco_writer(
    folder: Folder, origin: Origin, images: Iterable[tuple[str, dict[str, Any]]]
) -> Iterator[Callable[[ExportedImage], None]]:
    """Write ``attention.json`` and ``annotations.json``, of the same images, image by image.

    Args:
        folder: Where both go.
        origin: How the heat maps were made.
        images: All radiographs that may come: ``image_id``, and the entry of COCO's ``images``, whose ``file_name`` is
            the path from one folder of all images.

    Yields:
        A function that adds the regions and the lesions of one radiograph.
    """
    entries = dict(images)
    numbers = {image_id: entry["id"] for image_id, entry in entries.items()}
    categories = {name: number for number, name in enumerate([*origin.class_names, LESION], start=1)}
    shared = {
        "licenses": [],
        "categories": [{"id": number, "name": name} for name, number in categories.items()],
        "images": list(entries.values()),
    }

    def add(image: ExportedImage) -> None:
        facts = {"image_id": numbers[image.image_id], "iscrowd": 0}
        for part in image.attention:
            if part.region is not None and part.region.any():
                scores = {"score": part.probability, "iou": part.iou}
                regions(facts | {"category_id": categories[part.class_name]} | _segment(part.region) | scores)
        for lesion in image.lesions or ():
            lesions(
                facts | {"category_id": categories.get(image.label or LESION, categories[LESION])} | _segment(lesion)
            )

    info = {"description": origin.rule, "provenance": origin.provenance}
    with (
        _listing(folder.path / "attention.json", {"info": info} | shared) as regions,
        _listing(folder.path / "annotations.json", {"info": {"description": "expert annotations"}} | shared) as lesions,
    ):
        yield add
    folder.add("attention.json", "annotations.json")


def _segment(mask: NDArray[np.bool_]) -> dict[str, Any]:
    run_lengths = codec.encode(np.asfortranarray(mask, np.uint8))
    return {
        "segmentation": {"size": list(mask.shape), "counts": run_lengths["counts"].decode()},
        "area": int(codec.area(run_lengths)),
        "bbox": codec.toBbox(run_lengths).tolist(),
    }


@contextmanager
def _listing(target: Path, head: dict[str, Any]) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Write a JSON document whose last key, ``annotations``, grows entry by entry; entries are numbered from 1."""
    numbers = count(1)
    with atomic_write(target, own=target.parent) as file:
        file.write(f'{dumps(head)[:-1]}, "annotations": ['.encode())

        def append(entry: dict[str, Any]) -> None:
            number = next(numbers)
            file.write(f"{',' if number > 1 else ''}\n{dumps({'id': number} | entry)}".encode())

        yield append
        file.write(b"\n]}\n")


dumps = partial(json.dumps, ensure_ascii=False, allow_nan=False)
