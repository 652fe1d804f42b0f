"""The report of ``annotate-iou``: per image, summarised, and with all that is needed to repeat it."""

from __future__ import annotations

from collections import Counter
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from btxrd_explain.workflows.evaluation.scoring import EMPTY_ANNOTATION, NO_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from btxrd_explain.workflows.evaluation.scoring import Protocol, Score
    from btxrd_explain.workflows.selection import Selected

SCHEMA_VERSION = 1

DEFINITIONS = {
    "iou": "|b AND m| / |b OR m|, where b is the heat map at the threshold and m the annotation mask",
    "dice": "2 |b AND m| / (|b| + |m|)",
    "pointing_hit": "the first maximum of the upsampled class-activation map, before scaling, lies on the annotation",
    "energy_in_mask": "sum of the heat map on the annotation / sum of the heat map; its chance level is lesion_share",
    "heat_map": "ReLU of the raw class-activation grid, bilinearly upsampled (align_corners=False), min-max scaled "
    "per image",
    "outcome": "correct: predicted class = true class; miss: another class was predicted",
    "undefined": "an evaluated image without IoU, because its raw grid holds no positive evidence, is flat or not "
    "finite; it counts in n_undefined and in no mean",
    "excluded": "an image that is not evaluated, with the reason; Normal images without annotation are listed under "
    "attention_patterns instead",
}


def build_report(selected: Selected, scores: Sequence[Score], protocol: Protocol) -> dict[str, Any]:
    """Build the content of ``annotation_report.json``.

    Args:
        selected: What was evaluated.
        scores: A score per image, in the order of the table.
        protocol: How heat maps and annotations were compared.

    Returns:
        Plain JSON values; what is undefined is None.
    """
    names = selected.table.provenance.class_names
    evaluated = [score for score in scores if score.excluded is None]
    excluded = Counter(score.excluded for score in scores if score.excluded and not is_attention_pattern(score))
    overall = summarise(evaluated)
    return {
        "schema_version": SCHEMA_VERSION,
        "mean_iou": overall["mean_iou"],
        "num_images": overall["n"],
        "iou_threshold": protocol.threshold,
        "summary": {
            "overall": overall,
            "by_class": _grouped(evaluated, lambda score: score.row.label or ""),
            "by_outcome": _grouped(evaluated, outcome_of),
            "by_class_and_outcome": _grouped(evaluated, lambda score: f"{score.row.label}, {outcome_of(score)}"),
            "excluded": dict(sorted(excluded.items())),
            "num_attention_patterns": sum(map(is_attention_pattern, scores)),
        },
        "per_image": [_image(score, names) for score in evaluated],
        "excluded_images": [
            {"image_id": score.row.image_id, "reason": score.excluded, "detail": score.detail}
            for score in scores
            if score.excluded and not is_attention_pattern(score)
        ],
        "attention_patterns": [_pattern(score, names) for score in scores if is_attention_pattern(score)],
        "protocol": {
            "threshold": protocol.threshold,
            "operator": protocol.operator,
            "space": protocol.space,
            "mask_policy": protocol.mask_policy,
            "label_map": dict(protocol.labels),
            "target_class": protocol.target_class,
        },
        "definitions": DEFINITIONS,
        "provenance": selected.table.provenance.document(),
    }


def is_attention_pattern(score: Score) -> bool:
    """Say whether an image shows where the network looks with no lesion to be found: Normal, nothing annotated."""
    return score.excluded in {NO_ANNOTATION, EMPTY_ANNOTATION} and (score.row.label or "").casefold() == "normal"


def outcome_of(score: Score) -> str:
    """Return ``correct`` or ``miss``."""
    return "correct" if score.correct else "miss"


def summarise(scores: Sequence[Score]) -> dict[str, Any]:
    """Summarise evaluated images; means are over the images in which the quantity is defined."""
    ious = [score.iou for score in scores if score.iou is not None]
    return {
        "n": len(ious),
        "n_undefined": len(scores) - len(ious),
        "mean_iou": _mean(ious),
        "median_iou": median(ious) if ious else None,
        "mean_dice": _mean(score.dice for score in scores),
        "pointing_hits": _mean(None if score.hit is None else float(score.hit) for score in scores),
        "mean_energy_in_mask": _mean(score.energy for score in scores),
        "mean_lesion_share": _mean(score.lesion_share for score in scores),
    }


def _grouped(scores: Iterable[Score], key: Callable[[Score], str]) -> dict[str, dict[str, Any]]:
    groups: dict[str, list[Score]] = {}
    for score in scores:
        groups.setdefault(key(score), []).append(score)
    return {name: summarise(groups[name]) for name in sorted(groups)}


def _mean(values: Iterable[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return fmean(defined) if defined else None


def _image(score: Score, names: Sequence[str]) -> dict[str, Any]:
    return _pattern(score, names) | {
        "target_class": names[score.target] if score.target is not None else None,
        "iou": score.iou,
        "dice": score.dice,
        "pointing_hit": score.hit,
        "energy_in_mask": score.energy,
        "undefined": score.undefined,
        "lesions": score.lesions,
        "lesion_share": score.lesion_share,
    }


def _pattern(score: Score, names: Sequence[str]) -> dict[str, Any]:
    row = score.row
    return {
        "image_id": row.image_id,
        "class": row.label,
        "predicted": names[row.predicted] if row.predicted is not None else None,
        "confidence": row.confidence,
        "outcome": outcome_of(score),
    }
