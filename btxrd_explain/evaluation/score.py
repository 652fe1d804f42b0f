"""What one radiograph contributes to an evaluation."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.choices import TargetClass
from btxrd_explain.core.class_names import BY_NAME, NoLesion
from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.core.labels import joined
from btxrd_explain.evaluation.protocol import MapKind
from btxrd_explain.inputs.annotation_names import ACCEPTED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from btxrd_explain.core.labels import Truth
    from btxrd_explain.core.metrics import ImageMetrics, RegionAgreement
    from btxrd_explain.evaluation.decisions import Decisions
    from btxrd_explain.evaluation.protocol import Protocol
    from btxrd_explain.predictions.record import Prediction


class Exclusion(StrEnum):
    """Why a radiograph has no part in an evaluation."""

    NO_PREDICTION = "no prediction"
    NO_LABEL = "no known true class"
    NOTHING_TRUE = "none of the classes is true"
    NOTHING_PREDICTED = "none of the classes is predicted"
    NO_ANNOTATION = "no annotation file"
    EMPTY_ANNOTATION = "annotation without a lesion"
    BAD_ANNOTATION = "annotation cannot be used"
    OUT_OF_SIGHT = "lesion outside of what the network sees"


_ADVICE: Mapping[str, str] = MappingProxyType(
    {
        MapStatus.NOT_COMPUTED: "compute the maps with 'btxrd-explain infer --explain-classes'",
        MapStatus.NON_FINITE: "the heat maps hold NaN or infinity: check the network, or the files that were imported",
        MapStatus.FLAT: "the heat maps are the same everywhere: choose another --method or layer, or import others",
        MapStatus.NO_POSITIVE_EVIDENCE: (
            "the heat maps have no positive values: choose another --method or --target-class, or --sign of "
            "'import-maps'"
        ),
        MapStatus.INCOMPLETE: "attributions do not add up to the change of the class score: choose another --method",
        Exclusion.NO_PREDICTION: "the radiographs have no prediction: run 'btxrd-explain infer', which says why",
        Exclusion.NO_LABEL: "labels are missing: run 'btxrd-explain infer' with --split-csv, or measure the predicted "
        "class with --target-class predicted",
        Exclusion.NO_ANNOTATION: "annotations are missing: name their folder or file with --annotations",
        Exclusion.EMPTY_ANNOTATION: "no shape counts as a lesion: say with --label-map which labels do",
        Exclusion.OUT_OF_SIGHT: "the network sees no lesion: --resize decides what it sees",
    }
)


def advice_on(reasons: Mapping[str, int], *, gone: bool = False, named: bool = False) -> str:
    """Return what to do where no radiograph can be scored.

    Args:
        reasons: Why, and of how many radiographs; the most frequent reason decides.
        gone: Whether none of the radiographs is where the table has it; annotations are looked for near them.
        named: Whether annotations were named; then none of them has the name of a radiograph.

    >>> advice_on({"no annotation file": 3})
    'annotations are missing: name their folder or file with --annotations'
    """
    ordered = sorted(reasons, key=lambda why: -reasons[why])
    if named and ordered[:1] == [Exclusion.NO_ANNOTATION]:
        return f"name annotations like their radiographs: that of x.jpeg may be called {ACCEPTED}"
    if gone and ordered[:1] == [Exclusion.NO_ANNOTATION]:
        return (
            "none of the radiographs is there, and annotations are looked for near them: name the folder where the "
            "radiographs are now with --images, or the annotations with --annotations"
        )
    return next((_ADVICE[why] for why in ordered if why in _ADVICE), "check --annotations, --reader and --split")


_NO_LESION = (Exclusion.NO_ANNOTATION, Exclusion.EMPTY_ANNOTATION)


@dataclass(frozen=True, slots=True)
class Case:
    """One class of a radiograph whose classes do not exclude each other.

    Attributes:
        truth: Whether the class is true; None where that is not known, or without a class.
        said: Whether its probability reaches its threshold.
        label: Name of the class, if it is true; without a class all that are true, joined by ``|``. None where neither.
        predicted: Names of all classes that are predicted, joined by ``|``.
    """

    truth: Truth
    said: bool
    label: str | None
    predicted: str

    @classmethod
    def of(cls, row: Prediction, target: int | None, decisions: Decisions) -> Case:
        """Return what is known of a class; None for a radiograph without one."""
        said, true = decisions.said(row), decisions.names_of(decisions.true(row))
        predicted = joined(decisions.names_of(said))
        if target is None:
            return cls(None, False, joined(true) or None, predicted)
        truth = decisions.truths(row)[target]
        return cls(truth, target in said, decisions.names[target] if truth else None, predicted)


@dataclass(frozen=True, slots=True)
class Score:
    """What one radiograph contributes.

    Attributes:
        row: Its row of the table, without grids.
        true: Index of its true class; None where it is not known.
        target: Index of the class whose heat map was measured; None where none was.
        excluded: Why it has no part in the evaluation; None where it has.
        detail: More on the reason, such as the error of an annotation.
        undefined: Why it has no IoU although it is evaluated (its heat map's status); None where it has one.
        lesions: Number of lesions in the annotation.
        lesion_share: Fraction of the radiograph that is annotated.
        seen_fraction: Fraction of the radiograph's pixels that the network saw.
        lesion_seen_fraction: The same of the annotated ones; None where nothing is annotated.
        hottest: Row and column of the hottest pixel of the classifier's map, on the pixels on which it meets the
            annotation; None where that was not looked at, or the map has none.
        metrics: What each map scores; the classifier's map is there wherever the image is evaluated, and where its
            annotation is without a lesion: then no more is known than the threshold and the region.
        curves: IoU of each map at 101 thresholds, float32, where it is defined.
        pixels: Pixels by bins of the classifier's map, inside and whole, uint32, shape ``(2, 1001)``; None where
            undefined.
        boxes: Whether a box of the classifier's map finds a lesion, boolean, shape ``(3, 1000)``; None where undefined
            or not asked for.
        comparators: What the findings of each detector or segmenter score, by its name.
        comparator_curves: Their IoU at 101 thresholds, likewise, as in ``curves``.
        agreements: How far the classifier's map marks what each of them found, likewise; none where one of both is
            undefined.
        no_lesion: Which classes are without a lesion.
        case: The class of a multi-label table that is looked at; None where classes exclude each other.
        key: Hash of all that the scores of the classifier's maps and of the ceiling follow from; None where there are
            none.
    """

    row: Prediction
    true: int | None = None
    target: int | None = None
    excluded: Exclusion | None = None
    detail: str | None = None
    undefined: str | None = None
    lesions: int | None = None
    lesion_share: float | None = None
    seen_fraction: float | None = None
    lesion_seen_fraction: float | None = None
    hottest: tuple[int, int] | None = None
    metrics: Mapping[MapKind, ImageMetrics] = field(default_factory=dict, hash=False)
    curves: Mapping[MapKind, NDArray[np.float32]] = field(default_factory=dict, hash=False)
    pixels: NDArray[np.uint32] | None = None
    boxes: NDArray[np.bool_] | None = None
    comparators: Mapping[str, ImageMetrics] = field(default_factory=dict, hash=False)
    comparator_curves: Mapping[str, NDArray[np.float32]] = field(default_factory=dict, hash=False)
    agreements: Mapping[str, RegionAgreement] = field(default_factory=dict, hash=False)
    no_lesion: NoLesion = BY_NAME
    case: Case | None = None
    key: str | None = None

    @property
    def label(self) -> str | None:
        """The true class; of several the one whose heat map was measured, and None if that one is not true."""
        return self.row.label if self.case is None else self.case.label

    def predicted(self, names: Sequence[str]) -> str | None:
        """Return the predicted class, or all of them, joined by ``|``; None without a prediction."""
        if self.row.predicted is None:
            return None
        return names[self.row.predicted] if self.case is None else self.case.predicted

    @property
    def confidence(self) -> float | None:
        """Probability of the predicted class; None without one, or where there may be several."""
        return self.row.confidence if self.case is None else None

    @property
    def annotated_class(self) -> int | None:
        """Index of the class whose lesions the heat maps are compared with; None compares with all lesions."""
        return self.true if self.case is None else self.target

    @property
    def model(self) -> ImageMetrics | None:
        """What the classifier's map scores; None where it was not measured."""
        return self.metrics.get(MapKind.MODEL)

    @property
    def iou(self) -> float | None:
        """Intersection over union of the classifier's map; None where undefined."""
        return None if self.model is None else self.model.iou

    @property
    def target_probability(self) -> float | None:
        """Probability of the class whose heat map was measured."""
        if self.target is None or self.row.probabilities is None or self.row.predicted is None:
            return None
        return float(self.row.probabilities[self.target])

    @property
    def member_std(self) -> float | None:
        """Of an ensemble the standard deviation of the true class's probability, or of the multi-label target's."""
        return self.row.member_std(self.annotated_class)

    @property
    def map_agreement(self) -> float | None:
        """Of an ensemble how far its members' heat maps of the class that was measured agree."""
        return self.row.map_agreement(self.target)

    def outcome(self, names: Sequence[str]) -> str | None:
        """Return what the prediction is worth, seen from tumour classes: those that are not without a lesion.

        Args:
            names: Names of the classes.

        Returns:
            ``TP``: a tumour class, rightly predicted. ``FN``: a tumour class, but another class was predicted (also
            where that is the other tumour class, whose false alarm it is at the same time). ``FP``: no tumour, but a
            tumour class was predicted. ``TN``: no tumour, rightly. None without prediction or label. Where classes do
            not exclude each other, it is that of the class whose heat map was measured.
        """
        if self.case is not None:
            if self.case.truth is None or self.row.predicted is None:
                return None
            return ("TP" if self.case.said else "FN") if self.case.truth else ("FP" if self.case.said else "TN")
        predicted = self.row.predicted
        if predicted is None or self.true is None:
            return None
        if names[self.true] not in self.no_lesion:
            return "TP" if predicted == self.true else "FN"
        return "TN" if names[predicted] in self.no_lesion else "FP"

    def verdict(self, names: Sequence[str]) -> str | None:
        """Return in words what the prediction is worth to a reader, of classes that exclude each other.

        Args:
            names: Names of the classes.

        Returns:
            See :meth:`btxrd_explain.core.class_names.NoLesion.verdict`; None without prediction or known true class.
        """
        if self.true is None or self.row.predicted is None:
            return None
        return self.no_lesion.verdict(names[self.true], names[self.row.predicted])

    @property
    def is_attention_pattern(self) -> bool:
        """Whether it shows where the network looks with no lesion to be found, by its class and its annotation."""
        return self.excluded in _NO_LESION and self.label is not None and self.label in self.no_lesion


def cases_of(row: Prediction, protocol: Protocol, decisions: Decisions) -> tuple[int, ...]:
    """Return the classes whose heat maps are measured where classes do not exclude each other, by their names.

    They are all true ones, or all predicted ones; a class without a lesion only where it is alone. Of imported heat
    maps of a radiograph without labels they are all that there are.
    """
    if not row.explained:
        return ()
    if decisions.unlabelled and row.label is None and protocol.target_class is TargetClass.TRUE:
        return tuple(sorted(np.flatnonzero(row.computed).tolist(), key=lambda index: decisions.names[index]))
    found = decisions.true(row) if protocol.target_class is TargetClass.TRUE else decisions.said(row)
    lesions = [index for index in found if decisions.names[index] not in protocol.no_lesion]
    return tuple(sorted(lesions or found, key=lambda index: decisions.names[index]))
