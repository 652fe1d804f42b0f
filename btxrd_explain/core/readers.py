"""Human readers: what several of them agree on, how one agrees with it, and what a heat map scores in the same place.

The benchmark is that of Saporta et al., Nat Mach Intell 4:867 (2022): a reader's region and the heat map's are compared
with the same reference by the same scores. Undefined is None, never 0: a radiograph that a reader left empty has no
score, and is counted.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from btxrd_explain.core.choices import Consensus
from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.core.metrics.image import measure
from btxrd_explain.core.metrics.plain import regions_of
from btxrd_explain.core.overlap import count_overlap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from btxrd_explain.core.heatmap import HeatMap
    from btxrd_explain.core.threshold import Threshold


class RegionScores(NamedTuple):
    """The scores that a region has against a reference, each in [0, 1]; None is undefined."""

    iou: float | None = None
    dice: float | None = None
    precision: float | None = None
    recall: float | None = None
    lesion_recall: float | None = None
    centre_hit: float | None = None
    any_hit: float | None = None


READER_SCORES: Mapping[str, str] = {
    "iou": "intersection over union with the reference",
    "dice": "Dice coefficient with the reference",
    "precision": "fraction of the region that is in the reference",
    "recall": "fraction of the reference that is in the region",
    "lesion_recall": "fraction of the reference's lesions that the region touches",
    "centre_hit": "whether one point is in the reference: of a reader the centre of the largest lesion (the pixel of "
    "the lesion next to its centre of mass), of a heat map its hottest pixel",
    "any_hit": "whether any point of the region is in the reference",
}
"""What the scores are."""


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """The lesions that somebody drew on an image.

    Attributes:
        mask: All lesions, boolean, shape ``(height, width)``.
        lesions: Gives the lesions as masks of the same shape.
    """

    mask: NDArray[np.bool_]
    lesions: Callable[[], Iterable[NDArray[np.bool_]]]

    @classmethod
    def of(cls, mask: NDArray[np.bool_]) -> Drawing:
        """Take each connected region of a mask as a lesion."""
        return cls(mask, lambda: regions_of(mask))


_UNDEFINED = RegionScores()


class Fate(StrEnum):
    """What became of a reader's radiograph."""

    SCORED = "scored"
    EMPTY = "left empty by the reader"
    NO_REFERENCE = "nothing to compare with"
    ABSENT = "not annotated by the reader"
    UNUSABLE = "annotation cannot be used"


@dataclass(frozen=True, slots=True)
class Pair:
    """A reader and the heat map, compared with one reference.

    Attributes:
        fate: Whether they were compared, and if not, why.
        reader: The reader's scores.
        heat_map: The heat map's; all None where it is undefined.
    """

    fate: Fate
    reader: RegionScores = _UNDEFINED
    heat_map: RegionScores = _UNDEFINED


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two readers of one image.

    Attributes:
        drawn: How many of them drew a lesion; None unless both annotated the image.
        iou: Intersection over union of their regions; None unless both drew one.
        dice: Their Dice coefficient, likewise.
    """

    drawn: int | None = None
    iou: float | None = None
    dice: float | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What the readers of one image scored.

    Attributes:
        pairs: Each reader with the heat map.
        agreements: Each two readers.
    """

    pairs: Mapping[str, Pair] = field(default_factory=dict)
    agreements: Mapping[tuple[str, str], Agreement] = field(default_factory=dict)

    @property
    def fates(self) -> Counter[Fate]:
        """How many readers met each fate."""
        return Counter(pair.fate for pair in self.pairs.values())


def consensus_of(masks: Sequence[NDArray[np.bool_]], rule: Consensus) -> NDArray[np.bool_]:
    """Return what readers count as lesion together.

    Args:
        masks: Boolean arrays of one shape, at least one.
        rule: How many of them must have drawn a pixel.

    Returns:
        Boolean array of that shape.

    >>> masks = [np.array([[True, True, False]]), np.array([[True, False, False]])]
    >>> [consensus_of(masks, rule).astype(int).tolist() for rule in Consensus]
    [[[1, 0, 0]], [[1, 1, 0]], [[1, 0, 0]]]
    """
    votes = np.zeros(masks[0].shape, np.uint16)
    for mask in masks:
        votes += mask
    least = {Consensus.MAJORITY: len(masks) // 2 + 1, Consensus.UNION: 1, Consensus.INTERSECTION: len(masks)}[rule]
    agreed: NDArray[np.bool_] = votes >= least
    return agreed


def centre_of(lesion: NDArray[np.bool_]) -> tuple[int, int]:
    """Return the pixel of a lesion next to its centre of mass, the first in row order of equals.

    Args:
        lesion: Boolean array of shape ``(height, width)`` with at least one pixel.

    >>> centre_of(np.array([[True, True, True], [True, False, True]]))
    (0, 1)
    """
    rows, columns = np.nonzero(lesion)
    distances = (rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2
    nearest = int(distances.argmin())
    return int(rows[nearest]), int(columns[nearest])


def score_drawing(drawing: Drawing, reference: Drawing) -> RegionScores:
    """Score what a reader drew.

    Args:
        drawing: The reader's lesions, of which at least one has a pixel.
        reference: What they are compared with, likewise, on the same pixels.

    Returns:
        All scores; none is None.
    """
    overlap = count_overlap(drawing.mask, reference.mask)
    touched = [bool((drawing.mask & lesion).any()) for lesion in reference.lesions() if lesion.any()]
    largest = max(drawing.lesions(), key=np.count_nonzero)
    return RegionScores(
        overlap.iou,
        overlap.dice,
        overlap.precision,
        overlap.recall,
        sum(touched) / len(touched) if touched else None,
        float(reference.mask[centre_of(largest)]),
        float(overlap.both > 0),
    )


def score_heat_map(heat: HeatMap, reference: Drawing, threshold: Threshold) -> RegionScores:
    """Score a heat map in the same way as a reader; all is None where it is undefined."""
    if heat.status is not MapStatus.OK:
        return _UNDEFINED
    found = measure(heat, reference.mask, reference.lesions(), threshold).metrics
    hit = None if found.pointing_hit is None else float(found.pointing_hit)
    touched = None if found.recall is None else float(found.recall > 0)
    return RegionScores(found.iou, found.dice, found.precision, found.recall, found.lesion_recall, hit, touched)


@dataclass(frozen=True, slots=True, eq=False)
class ReaderComparison:
    """How readers and a heat map are compared.

    Attributes:
        threshold: How a heat map becomes a region.
        consensus: Of the other readers, with which each reader and the heat map are compared; None compares all with
            one reference.
    """

    threshold: Threshold
    consensus: Consensus | None = None

    def read(
        self,
        drawn: Mapping[str, Drawing | Fate],
        heat: HeatMap,
        reference: Drawing | None = None,
        *,
        seen: tuple[slice, slice] = (slice(None), slice(None)),
    ) -> Reading:
        """Compare each reader of an image, and the heat map with it.

        Args:
            drawn: What each reader drew, or why there is nothing.
            heat: The heat map.
            reference: What all are compared with; not used with a consensus.
            seen: Rows and columns that the network sees; a reference outside of them is none.

        Returns:
            The scores.
        """
        known: dict[int, RegionScores] = {}

        def pair(name: str) -> Pair:
            own = drawn[name]
            if isinstance(own, Fate):
                return Pair(own)
            against = reference if self.consensus is None else self._others(drawn, name)
            if against is None or not against.mask[seen].any():
                return Pair(Fate.NO_REFERENCE)
            if id(against) not in known:
                known[id(against)] = score_heat_map(heat, against, self.threshold)
            if not own.mask.any():
                return Pair(Fate.EMPTY, heat_map=known[id(against)])
            return Pair(Fate.SCORED, score_drawing(own, against), known[id(against)])

        pairs = {}
        for name in drawn:
            pairs[name] = pair(name)
            if self.consensus is not None:
                known.clear()  # each reader has a reference of its own
        return Reading(pairs, {two: _agreement(*(drawn[name] for name in two)) for two in combinations(drawn, 2)})

    def _others(self, drawn: Mapping[str, Drawing | Fate], name: str) -> Drawing | None:
        """Return the consensus of the other readers; None where there is none, or an annotation cannot be used."""
        others = [own for other, own in drawn.items() if other != name and own is not Fate.ABSENT]
        masks = [own.mask for own in others if isinstance(own, Drawing)]
        if self.consensus is None or not masks or len(masks) < len(others):
            return None
        agreed = Drawing.of(consensus_of(masks, self.consensus))
        try:
            agreed.lesions()
        except ValueError:
            return None  # noise in too many pieces to be lesions
        return agreed


def _agreement(first: Drawing | Fate, second: Drawing | Fate) -> Agreement:
    if isinstance(first, Fate) or isinstance(second, Fate):
        return Agreement()
    overlap = count_overlap(first.mask, second.mask)
    drawn = (overlap.region > 0) + (overlap.annotation > 0)
    return Agreement(drawn, overlap.iou, overlap.dice) if drawn == 2 else Agreement(drawn)
