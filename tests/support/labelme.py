"""Annotations as LabelMe writes them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def write_labelme(
    path: Path, size: tuple[int, int], *shapes: tuple[str, Sequence[Sequence[float]]], **facts: object
) -> Path:
    """Write a LabelMe file; return its path.

    Args:
        path: The file.
        size: Height and width of the image.
        shapes: The label of each shape, and its points, x before y: two are a rectangle, more a polygon.
        facts: What else the file says.
    """
    drawn = [
        {"label": label, "points": points, "shape_type": "polygon" if len(points) > 2 else "rectangle"}
        for label, points in shapes
    ]
    path.write_text(json.dumps({"shapes": drawn, "imageHeight": size[0], "imageWidth": size[1], **facts}))
    return path
