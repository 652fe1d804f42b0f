"""Show where a bone-tumour X-ray classifier looks, and measure whether it looks at the tumour.

The functions below are the parts that the commands are made of. They are imported when first used, so that
``import btxrd_explain`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from btxrd_explain.core.selection import select_examples
    from btxrd_explain.core.threshold import compute_cam_iou
    from btxrd_explain.inputs.annotation_file import load_annotation_mask
    from btxrd_explain.model.engine import generate_gradcam
    from btxrd_explain.outputs.gallery_figure import build_gallery_grid
    from btxrd_explain.outputs.overlay import create_overlay, denormalize_tensor

__all__ = [
    "build_gallery_grid",
    "compute_cam_iou",
    "create_overlay",
    "denormalize_tensor",
    "generate_gradcam",
    "load_annotation_mask",
    "select_examples",
]

_HOMES = {
    "build_gallery_grid": "btxrd_explain.outputs.gallery_figure",
    "compute_cam_iou": "btxrd_explain.core.threshold",
    "create_overlay": "btxrd_explain.outputs.overlay",
    "denormalize_tensor": "btxrd_explain.outputs.overlay",
    "generate_gradcam": "btxrd_explain.model.engine",
    "load_annotation_mask": "btxrd_explain.inputs.annotation_file",
    "select_examples": "btxrd_explain.core.selection",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'btxrd_explain' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
