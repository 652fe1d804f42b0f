"""Scores that were measured before, found again by a hash of all that they follow from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from btxrd_explain.core.metrics import ImageMetrics
    from btxrd_explain.evaluation.lesions import Lesions
    from btxrd_explain.evaluation.protocol import MapKind
    from btxrd_explain.evaluation.protocol import Protocol as Comparison
    from btxrd_explain.inference.explained import ExplainedImage


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What the maps of one radiograph score.

    Attributes:
        metrics: The scores of each map.
        curves: IoU of each map at 101 thresholds, float32, where it is defined.
        undefined: Why the classifier's map has no IoU; None where it has one.
    """

    metrics: Mapping[MapKind, ImageMetrics]
    curves: Mapping[MapKind, NDArray[np.float32]]
    undefined: str | None


class MeasuredBefore(Protocol):
    """Scores of an earlier run."""

    def __contains__(self, key: str | None) -> bool:
        """Return whether there are scores that follow from the same."""

    def find(self, key: str, kinds: Iterable[MapKind]) -> Measured | None:
        """Return the scores of some of the maps; None where there are none.

        Args:
            key: From :func:`key_of`.
            kinds: The maps; of the baselines nothing is found.
        """


def key_of(image: ExplainedImage, lesions: Lesions, classes: Sequence[int], protocol: Comparison) -> str:
    """Return a hash of all that the scores of the classifier's maps and of the ceiling follow from.

    It holds this release and those of the packages that draw and count, the rule and the space, the geometry, the raw
    grids, and the lesions' shapes. Names and places of files have no part in it.

    Args:
        image: The radiograph.
        lesions: What its maps are compared with.
        classes: The classes whose maps are compared.
        protocol: How.
    """
    row, made = image.row, image.table.provenance
    facts: list[object] = [_releases(), protocol.threshold, protocol.space, image.frame, image.shape, made.smooth]
    facts += [row.grid_statuses[index] for index in classes]
    facts += [(one.label, one.shape_type, one.group_id, one.hole, one.points.shape) for one in lesions.shapes]
    facts += [None if one.mask is None else one.mask.shape for one in lesions.shapes]
    found = blake2b(repr(facts).encode("utf-8", "surrogatepass"), digest_size=16)
    arrays: list[NDArray[Any] | None] = [row.grid(index) for index in classes]
    arrays += [array for one in lesions.shapes for array in (one.points, one.mask)]
    for array in arrays:
        found.update(b"" if array is None else array.tobytes())
    return found.hexdigest()


@cache
def _releases() -> tuple[str, ...]:
    return tuple(map(version, ("btxrd-explain", "numpy", "opencv-python-headless", "pillow")))
