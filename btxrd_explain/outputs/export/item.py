"""What is exported of one radiograph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from btxrd_explain.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from btxrd_explain.core.geometry import Size
    from btxrd_explain.core.heatmap import MapStatus


@dataclass(frozen=True, slots=True, eq=False)
class Attention:
    """The heat map of one class.

    Attributes:
        class_name: The class.
        probability: Its probability, in [0, 1].
        values: Heat map, float32, shape ``(height, width)``; scaled to [0, 1], or the raw signed grid.
        status: What the raw grid is worth; unless it is ``ok``, a scaled heat map is all 0.
        peak: Largest value before scaling; None for a grid that is not finite.
        region: Where it is at or above the threshold, boolean, on the radiograph's pixels; None where that is not
            exported.
        iou: Intersection over union of that region with the lesions; None without annotation or heat map.
        grid: The raw grid that values were enlarged from; None where they are the grid, or there is none.
    """

    class_name: str
    probability: float
    values: NDArray[np.float32]
    status: MapStatus
    peak: float | None
    region: NDArray[np.bool_] | None = None
    iou: float | None = None
    grid: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ExportedImage:
    """One radiograph with the heat maps that are exported.

    Attributes:
        image_id: Unique name within the table, such as ``IMG000046.jpeg``.
        path: The image file, absolute.
        size: Height and width after EXIF rotation.
        label: True class, where known.
        predicted: Predicted class.
        confidence: Its probability.
        attention: The heat maps, a class each.
        lesions: Expert annotation, a boolean mask of the radiograph's size per lesion; None without annotation, or
            where it is not exported.
    """

    image_id: str
    path: Path
    size: Size
    label: str | None
    predicted: str
    confidence: float
    attention: tuple[Attention, ...]
    lesions: tuple[NDArray[np.bool_], ...] | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """How all that is exported was made.

    Attributes:
        class_names: All classes, in the network's order.
        rule: Which pixels make a region, in words, such as ``gradcam heat map >= 0.5``.
        provenance: Plain JSON values, see :class:`btxrd_explain.predictions.provenance.Provenance`.
    """

    class_names: tuple[str, ...]
    rule: str
    provenance: dict[str, Any]


class UnexportedError(OutputError):
    """One radiograph cannot be exported, for a reason that concerns no other."""


Writer: TypeAlias = "AbstractContextManager[Callable[[ExportedImage], None]]"
"""Gives a function that writes one radiograph, and may raise an :class:`UnexportedError`; other OutputErrors concern
all radiographs. What stands for all of them takes its place when the block ends, and never where it fails."""
