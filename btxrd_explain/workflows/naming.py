"""Names that reach the file system or a figure's margin."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from btxrd_explain.predictions.provenance import Provenance


def file_name_of_class(name: str) -> str:
    """Return a class name as part of a file name: what could be a path or markup becomes ``_``.

    >>> file_name_of_class("Malignant"), file_name_of_class("../giant cell/tumor")
    ('Malignant', '___giant cell_tumor')
    """
    return re.sub(r"[^\w \-+()]", "_", name).strip() or "_"


def file_name_of_image(image_id: str, suffix: str) -> Path:
    """Return a relative file name for what belongs to an image, different for different images.

    The image's own suffix stays, so that ``a.png`` and ``a.jpeg`` do not meet; no part of it leaves the folder.

    >>> file_name_of_image("left/IMG000046.jpeg", ".png").as_posix()
    'left/IMG000046.jpeg.png'
    """
    parts = [part for part in PurePosixPath(image_id).parts if part not in {"..", "/"}]
    return Path(*parts[:-1], f"{parts[-1]}{suffix}")


def footer(provenance: Provenance) -> str:
    """Return the line under a figure that says how its heat maps were made."""
    parts = [
        f"{provenance.method} of {provenance.target_layer}, {provenance.grid.height} x {provenance.grid.width} cells",
        f"{provenance.architecture}, {provenance.checkpoint} ({provenance.checkpoint_sha256[:8]})",
    ]
    if provenance.synthetic:
        parts.insert(0, "SYNTHETIC DATA")
    return "  |  ".join(parts)
