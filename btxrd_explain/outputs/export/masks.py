"""Regions of heat maps, and expert annotations, as PNG masks, for programs that train on them: 0, and 255 inside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from btxrd_explain.system.files import write_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from btxrd_explain.outputs.export.item import ExportedImage

INSIDE = 255


def write_masks(
    image: ExportedImage, *, folder: Path, name: Callable[[ExportedImage], Path], classes: Mapping[str, str] | None
) -> None:
    """Write the masks of a radiograph: ``attention/`` holds its regions, ``annotations/`` its lesions if it has any.

    Args:
        image: The radiograph with its heat maps; one without a region has an empty mask.
        folder: Where the folders go.
        name: The file name of an image's mask, relative.
        classes: Name of the subfolder of each class, where the regions of all classes are exported; else None.
    """
    for part in image.attention:
        region = np.zeros(image.size, np.bool_) if part.region is None else part.region
        place = folder / "attention" if classes is None else folder / "attention" / classes[part.class_name]
        write_bytes(place / name(image), _png(region), own=folder)
    if image.lesions is not None:
        lesions = np.zeros(image.size, np.bool_)
        for lesion in image.lesions:
            lesions |= lesion
        write_bytes(folder / "annotations" / name(image), _png(lesions), own=folder)


def _png(mask: NDArray[np.bool_]) -> bytes:
    _, data = cv2.imencode(".png", mask.astype(np.uint8) * INSIDE)
    return data.tobytes()
