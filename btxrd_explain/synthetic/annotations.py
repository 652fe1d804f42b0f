"""LabelMe files for synthetic lesions, written as BTXRD's are: each lesion twice, CRLF, no image data."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from btxrd_explain.synthetic.radiographs import SyntheticRadiograph

VERSION = "5.4.1"
NOTE = "synthetic"


def annotate(name: str, radiograph: SyntheticRadiograph, rng: np.random.Generator) -> bytes:
    """Return the annotation of a synthetic tumour image.

    Args:
        name: File name of the image.
        radiograph: The image, with at least one lesion.
        rng: Source of the rectangles' looseness.

    Returns:
        A LabelMe file: first a rectangle around each lesion, then the polygons in the same order.
    """
    height, width = radiograph.pixels.shape
    boxes = [_box(outline, (width, height), rng) for outline in radiograph.outlines]
    label = radiograph.subtype
    shapes = [_shape(label, "rectangle", box.tolist()) for box in boxes]
    shapes += [_shape(label, "polygon", outline.tolist()) for outline in radiograph.outlines]
    document = {
        "version": VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": name,
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }
    return json.dumps(document, indent=2).replace("\n", "\r\n").encode()


def _box(outline: NDArray[np.float64], size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the corners ``[[left, top], [right, bottom]]`` of a box drawn loosely around an outline."""
    low, high = outline.min(axis=0), outline.max(axis=0)
    slack = rng.uniform(0.005, 0.06, (2, 2)) * (high - low)
    return np.stack([np.maximum(low - slack[0], 0), np.minimum(high + slack[1], np.array(size, dtype=float))])


def _shape(label: str | None, kind: str, points: Sequence[Sequence[float]]) -> dict[str, Any]:
    return {
        "label": label,
        "points": points,
        "group_id": None,
        "description": NOTE,
        "shape_type": kind,
        "flags": {},
        "mask": None,
    }
