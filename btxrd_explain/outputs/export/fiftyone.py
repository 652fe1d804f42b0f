"""A folder that FiftyOne's importer reads: classes, heat maps, their regions, and expert annotations.

It is FiftyOne's own layout on disk, ``metadata.json`` and ``samples.json`` with media fields below ``fields/``, in the
form without a version, which names no internals of a release. Radiographs stay where they are.
"""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from btxrd_explain.core.contours import regions, simplified
from btxrd_explain.plain import distinct
from btxrd_explain.system.files import atomic_write, relative_path, write_json
from btxrd_explain.system.own_pictures import marked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from btxrd_explain.outputs.export.item import ExportedImage, Folder, Origin

_LONGEST = 512
"""Pixels: longest side of a heat map's picture. FiftyOne stretches it over the radiograph, and it is smooth."""
_LONGEST_NAME = 50
"""Characters of a class in the name of its field, which is that of a folder too."""


@contextmanager
def fiftyone_writer(
    folder: Folder, origin: Origin, name: Callable[[ExportedImage], Path], *, every_class: bool, tolerance: float
) -> Iterator[Callable[[ExportedImage], None]]:
    """Write the folder, image by image.

    Args:
        folder: Where it goes.
        origin: How the heat maps were made.
        name: The file name of an image's heat map, relative.
        every_class: All classes are exported, each in a field of its own.
        tolerance: By how many pixels outlines may leave the border.

    Yields:
        A function that adds one radiograph.
    """
    names = origin.class_names
    fields = _field_names(names) if every_class else dict.fromkeys(names, "heat_map")
    numbers = count(1)
    with atomic_write(folder.path / "samples.json", own=folder.path) as file:
        file.write(b'{"samples": [')

        def add(image: ExportedImage) -> None:
            sample = _sample(image, folder.path, tolerance)
            for part in image.attention:
                target = Path("fields", fields[part.class_name], name(image))
                folder.write(target, _picture(part.values))
                heat_map = {"_cls": "Heatmap", "map_path": target.as_posix(), "range": [0.0, 255.0]}
                sample[fields[part.class_name]] = heat_map
            text = json.dumps(sample, ensure_ascii=False, allow_nan=False)
            file.write(f"{',' if next(numbers) > 1 else ''}\n{text}".encode())

        yield add
        file.write(b"\n]}\n")
    info = {"rule": origin.rule, "provenance": origin.provenance}
    write_json(folder.path / "metadata.json", {"media_type": "image", "info": info}, own=folder.path)
    folder.add("samples.json", "metadata.json")


def _sample(image: ExportedImage, folder: Path, tolerance: float) -> dict[str, Any]:
    """Return what FiftyOne calls a sample, still without its heat maps."""
    parts = [part for part in image.attention if part.region is not None and part.region.any()]
    regions_of_parts = [
        _polyline(part.region, tolerance) | {"label": part.class_name, "confidence": part.probability, "iou": part.iou}
        for part in parts
        if part.region is not None
    ]
    sample: dict[str, Any] = {
        "filepath": relative_path(image.path, folder),
        "tags": [],
        "metadata": {"_cls": "ImageMetadata", "width": image.size.width, "height": image.size.height},
        "image_id": image.image_id,
        "prediction": {"_cls": "Classification", "label": image.predicted, "confidence": image.confidence},
        "ground_truth": image.label and {"_cls": "Classification", "label": image.label},
        "regions": _polylines(regions_of_parts),
    }
    if image.lesions is not None:
        facts = {"label": image.label or "lesion"}
        sample["lesions"] = _polylines([_polyline(mask, tolerance) | facts for mask in image.lesions])
    return sample


def _picture(values: NDArray[np.float32]) -> bytes:
    """Return a heat map as a grey PNG, no larger than it is worth."""
    scale = min(1.0, _LONGEST / max(values.shape))
    size = [max(1, round(side * scale)) for side in values.shape[::-1]]
    small = cv2.resize(values, size, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".png", (np.clip(small, 0, 1) * 255 + 0.5).astype(np.uint8))
    return marked(data.tobytes())


def _polyline(mask: NDArray[np.bool_], tolerance: float) -> dict[str, Any]:
    """Return all borders of a mask as one polyline, in fractions of the radiograph's sides."""
    sides = np.array(mask.shape[::-1], float)
    borders = [border for region in regions(mask) for border in (region.border, *region.holes)]
    points = [((simplified(border, tolerance) + 0.5) / sides).tolist() for border in borders]
    return {"_cls": "Polyline", "points": points, "closed": True, "filled": False}


def _polylines(lines: list[dict[str, Any]]) -> dict[str, Any]:
    return {"_cls": "Polylines", "polylines": lines}


def _field_names(class_names: tuple[str, ...]) -> dict[str, str]:
    """Return a name for each class's field that is one to Python, too, and different from all others.

    >>> _field_names(("Normal", "Giant cell / other", "giant_cell_other"))
    {'Normal': 'heat_map_normal', 'Giant cell / other': 'heat_map_giant_cell_other', 'giant_cell_other': 'heat_map_giant_cell_other_2'}
    """  # noqa: E501 -- the representation is one line
    names = ("heat_map_" + re.sub(r"\W+", "_", name.casefold()).strip("_")[:_LONGEST_NAME] for name in class_names)
    return dict(zip(class_names, distinct(names), strict=True))
