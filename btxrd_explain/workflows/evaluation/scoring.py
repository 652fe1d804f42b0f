"""One radiograph's heat map against its annotation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from btxrd_explain.core.heatmap import MapStatus, Space
from btxrd_explain.core.lesions import LesionRules
from btxrd_explain.core.overlap import count_overlap, energy_in_mask
from btxrd_explain.core.threshold import Operator, binarize
from btxrd_explain.errors import AnnotationError
from btxrd_explain.inputs.annotation_source import read_lesions
from btxrd_explain.predictions.record import RowStatus
from btxrd_explain.workflows.explained import ExplainedImage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from btxrd_explain.core.masks import MaskPolicy
    from btxrd_explain.inputs.annotation_source import AnnotationPlace
    from btxrd_explain.predictions.record import Prediction
    from btxrd_explain.predictions.table import PredictionTable

NO_PREDICTION = "no prediction"
NO_LABEL = "no known true class"
NO_ANNOTATION = "no annotation file"
EMPTY_ANNOTATION = "annotation without a lesion"
BAD_ANNOTATION = "annotation cannot be used"
OUT_OF_SIGHT = "lesion outside of what the network sees"


@dataclass(frozen=True, slots=True)
class Protocol:
    """How heat maps and annotations are compared; the protocol alone can move a mean IoU more than twofold.

    Attributes:
        threshold: Level of the scaled heat map, in [0, 1].
        operator: Whether the threshold itself belongs to the region.
        space: On which pixels both meet.
        mask_policy: Which shapes of an annotation count.
        target_class: ``true`` or ``predicted``: whose heat map is measured.
        labels: What labels mean, see :class:`LesionRules`.
    """

    threshold: float
    operator: Operator
    space: Space
    mask_policy: MaskPolicy
    target_class: str
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def rules(self) -> LesionRules:
        """Which shapes are lesions."""
        return LesionRules(self.mask_policy, self.labels)


@dataclass(frozen=True, slots=True)
class Score:
    """What one radiograph contributes.

    Attributes:
        row: Its row of the table, without grids.
        target: Index of the class whose heat map was measured; None where none was.
        correct: Whether the prediction is right; None without a label.
        excluded: Why it has no part in the evaluation; None where it has.
        detail: More on the reason, such as the error of an annotation.
        undefined: Why it has no IoU although it is evaluated (its heat map's status); None where it has one.
        iou: Intersection over union at the threshold.
        dice: Dice coefficient at the threshold.
        hit: Whether the hottest pixel lies on the annotation.
        energy: Share of the heat map's mass that lies on the annotation.
        lesions: Number of lesions in the annotation.
        lesion_share: Share of the image that is annotated, which is the chance level of ``energy``.
    """

    row: Prediction
    target: int | None = None
    correct: bool | None = None
    excluded: str | None = None
    detail: str | None = None
    undefined: str | None = None
    iou: float | None = None
    dice: float | None = None
    hit: bool | None = None
    energy: float | None = None
    lesions: int | None = None
    lesion_share: float | None = None


def score_image(
    row: Prediction, table: PredictionTable, annotation: AnnotationPlace | None, protocol: Protocol
) -> Score:
    """Score one radiograph.

    Args:
        row: Its row, with grids.
        table: The table of the row.
        annotation: Where its annotation is; None where there is none.
        protocol: How to compare.

    Returns:
        The score, or the reason why there is none; one bad annotation does not stop the others.
    """
    names = table.provenance.class_names
    facts: dict[str, Any] = {"row": row.without_grids()}
    if row.status is not RowStatus.OK or row.predicted is None:
        return Score(**facts, excluded=NO_PREDICTION, detail=row.error)
    if row.label not in names:
        return Score(**facts, excluded=NO_LABEL)
    true = names.index(row.label)
    facts |= {
        "correct": row.predicted == true,
        "target": true if protocol.target_class == "true" else row.predicted,
    }
    if annotation is None:
        return Score(**facts, excluded=NO_ANNOTATION)
    image = ExplainedImage.of(row, table)
    size = image.frame.original
    mask, lesions = np.zeros(size, dtype=bool), 0
    try:
        for lesion in read_lesions(annotation, size, protocol.rules, class_name=names[facts["target"]]):
            mask |= lesion
            lesions += 1
    except AnnotationError as error:
        return Score(**facts, excluded=BAD_ANNOTATION, detail=str(error))
    if not mask.any():
        return Score(**facts, excluded=EMPTY_ANNOTATION, lesions=lesions)
    return _compared(image, mask, protocol, facts | {"lesions": lesions, "lesion_share": float(mask.mean())})


def mask_in_space(image: ExplainedImage, mask: NDArray[np.bool_], space: Space) -> NDArray[np.bool_]:
    """Carry an annotation mask of the radiograph to the pixels on which it is compared."""
    return mask if space is Space.ORIGINAL else image.frame.mask_to_input(mask)


def _compared(image: ExplainedImage, mask: NDArray[np.bool_], protocol: Protocol, facts: dict[str, Any]) -> Score:
    """Compare heat map and mask on the pixels of the protocol's space."""
    heat = image.heat_map(facts["target"], space=protocol.space)
    mask = mask_in_space(image, mask, protocol.space)
    if not mask.any():
        return Score(**facts, excluded=OUT_OF_SIGHT)
    if heat.status is not MapStatus.OK:
        return Score(**facts, undefined=heat.status)
    overlap = count_overlap(binarize(heat.values, protocol.threshold, operator=protocol.operator), mask)
    return Score(
        **facts,
        iou=overlap.iou,
        dice=overlap.dice,
        hit=None if heat.hottest is None else bool(mask[heat.hottest]),
        energy=energy_in_mask(heat.values, mask),
    )
