"""Heat maps as arrays: NumPy archives and TIFF files of float32, a file per radiograph; their regions as masks."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from PIL import Image

from btxrd_explain.core.heatmap import hash_of_maps
from btxrd_explain.outputs.export.item import UnexportedError
from btxrd_explain.system.own_pictures import ANNOTATION, RESULT, marked, may_be_replaced

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from btxrd_explain.outputs.export.item import ExportedImage, Folder, Origin


def write_arrays(
    image: ExportedImage,
    *,
    encode: Callable[[ExportedImage, dict[str, Any]], bytes],
    origin: Origin,
    folder: Folder,
    name: Callable[[ExportedImage], Path],
    scale: str,
) -> None:
    """Write the heat maps of a radiograph as one file.

    Args:
        image: The radiograph with its heat maps.
        encode: Makes the file's content: :func:`npz` or :func:`tiff`.
        origin: How the heat maps were made.
        folder: Where the files go.
        name: The name of an image's file, relative.
        scale: What the values are, in words.
    """
    facts = {
        "image_id": image.image_id,
        "height": image.size.height,
        "width": image.size.width,
        "label": image.label,
        "predicted": image.predicted,
        "confidence": image.confidence,
        "scale": scale,
        "maps": [
            {
                "class": part.class_name,
                "probability": part.probability,
                "status": part.status,
                "peak": part.peak,
            }
            for part in image.attention
        ],
        "provenance": origin.provenance,
    }
    folder.write(name(image), encode(image, facts))


def npz(image: ExportedImage, facts: dict[str, Any]) -> bytes:
    """Return a NumPy archive: ``maps`` float32 ``(classes, height, width)``, ``classes``, and ``facts`` as JSON text.

    ``grids`` are the raw grids that the maps were enlarged from: a map that is enlarged twice, to the network's input
    and from there to the radiograph, is not quite the one that is enlarged once. The hash of the maps tells whether
    the grids are still theirs.

    No array holds Python objects, so that ``numpy.load`` reads it without pickle.
    """
    buffer = io.BytesIO()
    maps = np.stack([part.values for part in image.attention])
    grids = [part.grid for part in image.attention if part.grid is not None and part.grid.size < part.values.size]
    arrays: dict[str, Any] = {"maps": maps, "classes": np.array([part.class_name for part in image.attention])}
    if len(grids) == len(maps):
        arrays["grids"], facts = np.stack(grids), facts | {"maps_sha256": hash_of_maps(maps)}
    np.savez_compressed(buffer, **arrays, facts=np.array(json.dumps(facts, ensure_ascii=False)))
    return buffer.getvalue()


def tiff(image: ExportedImage, facts: dict[str, Any]) -> bytes:
    """Return a TIFF file: a page of float32 per class; the description of the first is ``facts`` as JSON text."""
    first, *further = (Image.fromarray(np.ascontiguousarray(part.values)) for part in image.attention)
    buffer = io.BytesIO()
    try:
        first.save(
            buffer,
            "TIFF",
            compression="tiff_adobe_deflate",
            save_all=True,
            append_images=further,
            description=json.dumps(facts),  # TIFF knows ASCII only
            software=RESULT,
        )
    except OSError as error:
        reason = f"'{image.image_id}' cannot be written as TIFF ({error})"
        raise UnexportedError(reason, hint="export it as npz") from error
    return buffer.getvalue()


def write_masks(
    image: ExportedImage, *, folder: Folder, name: Callable[[ExportedImage], Path], classes: Mapping[str, str] | None
) -> None:
    """Write the masks of a radiograph as PNG, 0 outside and 255 inside, for programs that train on them.

    ``attention/`` holds the regions of its heat maps, ``annotations/`` its lesions if it has any.

    Args:
        image: The radiograph with its heat maps; one without a region has an empty mask.
        folder: Where the folders go.
        name: The file name of an image's mask, relative.
        classes: Name of the subfolder of each class, where the regions of all classes are exported; else None.
    """
    for part in image.attention:
        region = np.zeros(image.size, np.bool_) if part.region is None else part.region
        place = Path("attention", "" if classes is None else classes[part.class_name])
        _write_mask(folder, place / name(image), region, RESULT)
    if image.lesions is not None:
        lesions = np.zeros(image.size, np.bool_)
        for lesion in image.lesions:
            lesions |= lesion
        _write_mask(folder, "annotations" / name(image), lesions, ANNOTATION)


def _write_mask(folder: Folder, name: Path, mask: NDArray[np.bool_], mark: str) -> None:
    """Write a mask, but never over one that somebody drew: folders of masks are often called so."""
    if not may_be_replaced(folder.path / name):
        raise UnexportedError(f"'{folder.path / name}' was not written by this command and stays", hint="move it away")
    _, data = cv2.imencode(".png", mask.astype(np.uint8) * 255)
    folder.write(name, marked(data.tobytes(), mark))
