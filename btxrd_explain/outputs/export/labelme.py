"""Regions of heat maps as LabelMe files, to be opened, corrected and compared in LabelMe.

A region without holes becomes a polygon and one with holes a mask, which LabelMe draws since 5.3. At tolerance 0
LabelMe's own rasteriser gives the region back pixel by pixel. Labels begin with ``heat map:``, so that no region is
taken for an expert's lesion.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from btxrd_explain.core.contours import regions, simplified
from btxrd_explain.core.labels import OF_HEAT_MAP
from btxrd_explain.outputs.export.item import UnexportedError
from btxrd_explain.system.files import relative_path, write_json
from btxrd_explain.system.places import open_to_read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from btxrd_explain.core.contours import Region
    from btxrd_explain.outputs.export.item import Attention, ExportedImage, Origin

VERSION = "5.4.1"
"""The format's version that BTXRD's own annotations have."""
OURS = "btxrd_explain"
"""Key of what LabelMe does not know but keeps; a file without it is not ours to overwrite."""


def write_labelme(
    image: ExportedImage,
    *,
    origin: Origin,
    place: Callable[[ExportedImage], Path],
    tolerance: float,
    own: Path | None = None,
) -> None:
    """Write the file of one radiograph; a file of somebody else's is never overwritten.

    Args:
        image: The radiograph with its heat maps.
        origin: How the heat maps were made.
        place: Where the file of an image goes.
        tolerance: By how many pixels a polygon may leave the region's border, so that it can be edited by hand.
        own: The folder of all files that the tool makes by itself; None where each lies next to its image.
    """
    target = place(image)
    try:
        is_ours = _is_ours(target)
    except OSError as error:  # next to the image, a name can become too long
        raise UnexportedError(
            f"'{target}' cannot be written ({error.strerror})", hint="leave out --beside-images"
        ) from error
    if not is_ours:
        raise UnexportedError(f"'{target}' was not written by this command and stays", hint="move it away")
    write_json(target, _document(image, target, origin, tolerance), own=own)


def _document(image: ExportedImage, target: Path, origin: Origin, tolerance: float) -> dict[str, Any]:
    return {
        "version": VERSION,
        "flags": {} if image.label is None else {"prediction is correct": image.predicted == image.label},
        "shapes": [shape for part in image.attention for shape in _shapes(part, origin, tolerance)],
        "imagePath": relative_path(image.path, target.parent),
        "imageData": None,
        "imageHeight": image.size.height,
        "imageWidth": image.size.width,
        OURS: {
            "image_id": image.image_id,
            "label": image.label,
            "predicted": image.predicted,
            "confidence": image.confidence,
            "rule": origin.rule,
            "tolerance": tolerance,
            "heat_maps": [
                {"class": part.class_name, "probability": part.probability, "status": part.status, "iou": part.iou}
                for part in image.attention
            ],
            "provenance": origin.provenance,
        },
    }


def _shapes(part: Attention, origin: Origin, tolerance: float) -> list[dict[str, Any]]:
    if part.region is None:
        return []
    overlap = "" if part.iou is None else f", IoU with the annotation {part.iou:.3f}"
    facts: dict[str, Any] = {
        "label": f"{OF_HEAT_MAP}{part.class_name}",
        "group_id": None,
        "description": f"probability {part.probability:.3f}, {origin.rule}{overlap}",
        "flags": {},
    }
    return [facts | _drawn(region, tolerance) for region in regions(part.region)]


def _drawn(region: Region, tolerance: float) -> dict[str, Any]:
    """Draw a region as a polygon, or as a mask where a polygon cannot be it."""
    if region.holes or len(region.border) < 3:
        (left, top), (height, width) = region.origin, region.mask.shape
        _, data = cv2.imencode(".png", region.mask.astype(np.uint8) * 255)
        corners = [[left, top], [left + width - 1, top + height - 1]]
        return {"points": corners, "shape_type": "mask", "mask": base64.b64encode(data.tobytes()).decode()}
    line = simplified(region.border, tolerance)
    line = line if len(line) >= 3 else region.border
    return {"points": line.tolist(), "shape_type": "polygon", "mask": None}


def _is_ours(target: Path) -> bool:
    """Return whether a file may be written: it does not exist, or this command wrote it."""
    if target.exists() and not target.is_file():
        return False
    try:
        with open_to_read(target) as file:  # a pipe that has come since would be waited for
            document = json.loads(file.read())
    except (FileNotFoundError, NotADirectoryError):  # of the latter, writing says more
        return True
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(document, dict) and OURS in document
