"""What is exported of one radiograph, and the folder that it goes to."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from btxrd_explain.errors import OutputError
from btxrd_explain.system.files import sha256_of, write_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

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


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of exported files that belong together.

    Attributes:
        path: Where it is.
        sha256: The hash of each file that was written, by its path from the folder above.
    """

    path: Path
    sha256: dict[str, str] = field(default_factory=dict)

    def write(self, name: Path, data: bytes) -> None:
        """Write a file, named as seen from the folder.

        Raises:
            OutputError: It cannot be written.
        """
        write_bytes(self.path / name, data, own=self.path)
        self.sha256[self._key(name)] = hashlib.sha256(data).hexdigest()

    def add(self, *names: str) -> None:
        """Add files that were written piece by piece, and are whole now."""
        self.sha256.update({self._key(Path(name)): sha256_of(self.path / name) for name in names})

    def _key(self, name: Path) -> str:
        return (Path(self.path.name) / name).as_posix()


class UnexportedError(OutputError):
    """One radiograph cannot be exported, for a reason that concerns no other."""


Writer: TypeAlias = "AbstractContextManager[Callable[[ExportedImage], None]]"
"""Gives a function that writes one radiograph, and may raise an :class:`UnexportedError`; other OutputErrors concern
all radiographs. What stands for all of them takes its place when the block ends, and never where it fails."""
