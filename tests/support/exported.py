"""A radiograph with heat maps as ``export`` hands it to the writers of formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.outputs.export.item import Attention, ExportedImage, Origin

SIZE = Size(24, 30)
NAMES = ("Normal", "Benign tumour")
ORIGIN = Origin(NAMES, "gradcam heat map >= 0.5", {"checkpoint": "best.pt", "fingerprint": "0123"})


def ring() -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Return a region with a hole, and a part of one pixel."""
    region = np.zeros(SIZE, np.bool_)
    region[3:12, 4:14] = True
    region[6:9, 7:10] = False
    region[20, 25] = True
    return region


def make_attention(name: str = NAMES[1], **facts: Any) -> Attention:  # noqa: ANN401 -- any attribute
    """Return a heat map that rises to the right."""
    values = np.tile(np.linspace(0, 1, SIZE.width, dtype=np.float32), (SIZE.height, 1))
    usual: dict[str, Any] = {"probability": 0.75, "values": values, "status": MapStatus.OK, "peak": 2.5}
    return Attention(name, **(usual | facts))


def make_image(*attention: Attention, folder: Path = Path("/data"), **facts: Any) -> ExportedImage:  # noqa: ANN401 -- any
    """Return a radiograph with these heat maps, or the usual one."""
    usual: dict[str, Any] = {
        "image_id": "a.png",
        "path": folder / "a.png",
        "size": SIZE,
        "label": NAMES[0],
        "predicted": NAMES[1],
        "confidence": 0.75,
        "attention": attention or (make_attention(),),
    }
    return ExportedImage(**(usual | facts))
