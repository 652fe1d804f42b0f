"""Names that reach the file system or a figure's margin."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from btxrd_explain.predictions.provenance import Provenance


def file_name_of_class(name: str) -> str:
    """Return a class name as part of a file name: what could be a path or markup becomes ``_``.

    >>> file_name_of_class("Malignant"), file_name_of_class("../giant cell/tumor")
    ('Malignant', '___giant cell_tumor')
    """
    return re.sub(r"[^\w \-+()]", "_", name).strip() or "_"


def footer(provenance: Provenance) -> str:
    """Return the line under a figure that says how its heat maps were made."""
    parts = [
        f"{provenance.method} of {provenance.target_layer}, {provenance.grid.height} x {provenance.grid.width} cells",
        f"{provenance.architecture}, {provenance.checkpoint} ({provenance.checkpoint_sha256[:8]})",
    ]
    if provenance.synthetic:
        parts.insert(0, "SYNTHETIC DATA")
    return "  |  ".join(parts)
