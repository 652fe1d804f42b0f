"""A threshold chosen on other radiographs than those that are scored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.metrics.rules import Rule, Threshold
from btxrd_explain.errors import InputError, SettingsError
from btxrd_explain.workflows.evaluation.curves import best_of, mean_curve
from btxrd_explain.workflows.evaluation.evaluate import average_mask, evaluate
from btxrd_explain.workflows.evaluation.extent import read_columns
from btxrd_explain.workflows.evaluation.schema import Tuning
from btxrd_explain.workflows.selection import Selected, select_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from btxrd_explain.core.metrics.baselines import AverageMask
    from btxrd_explain.settings import Settings
    from btxrd_explain.workflows.evaluation.protocol import Protocol
    from btxrd_explain.workflows.progress import Listener


@dataclass(frozen=True, slots=True)
class Tuned:
    """What was learnt from other radiographs.

    Attributes:
        protocol: The protocol with the threshold that was chosen.
        average: Their average lesion mask; None where baselines are not asked for.
        document: Where the threshold comes from, for the report.
    """

    protocol: Protocol
    average: AverageMask | None
    document: Tuning


def tune(
    settings: Settings,
    scored: Selected,
    protocol: Protocol,
    listener: Listener,
    *,
    groups: Sequence[str | None] | None = None,
) -> Tuned | None:
    """Choose the threshold of the highest mean IoU on the radiographs of another split.

    Args:
        settings: The settings; ``annotation.tune_on`` names the split.
        scored: The radiographs that are going to be scored, none of which may have a say.
        protocol: How to compare.
        listener: Told of progress.
        groups: The group of each scored radiograph, where intervals draw groups: none of them may have a say either.

    Returns:
        What was learnt; None where no split is named.

    Raises:
        SettingsError: The rule of the protocol has no threshold to choose.
        InputError: Radiographs of the split are among the scored ones, or none of them can be scored.
        BtxrdExplainError: The split cannot be used.
    """
    source = settings.annotation.tune_on
    if source is None:
        return None
    if protocol.threshold.rule is not Rule.FIXED:
        raise SettingsError(
            f"--tune-on chooses a fixed threshold, but the rule is {protocol.threshold.rule}",
            hint="leave one of them out",
        )
    others, left_out = _without_copies(_others(settings, source, listener), scored, source)
    same_group: list[str] = []
    if groups is not None:
        others, same_group = _without_groups(settings, others, groups, listener)
    evaluated = evaluate(others, protocol.bare(), listener).evaluated
    curve = mean_curve(evaluated)
    if curve is None:
        raise InputError(f"no radiograph of '{source}' can be scored", hint="check its annotations and --tune-split")
    value, mean_iou = best_of(curve)
    document = Tuning(
        file=str(source),
        split=settings.annotation.tune_split,
        images=sum(score.iou is not None for score in evaluated),
        mean_iou=mean_iou,
        left_out=left_out,
        same_group=same_group,
    )
    average = average_mask(others, protocol, listener) if protocol.baselines else None
    chosen = replace(protocol, threshold=Threshold(Rule.FIXED, value, protocol.threshold.operator))
    listener.note(f"threshold {value:.2f}, chosen on {document.images} radiographs of '{source}'")
    return Tuned(chosen, average, document)


def _others(settings: Settings, source: Path, listener: Listener) -> Selected:
    """Select the radiographs of the other split, after inference where the table lacks them."""
    data = settings.data.model_copy(
        update={"inputs": (str(source),), "split_csv": None, "split": settings.annotation.tune_split}
    )
    return select_rows(settings.model_copy(update={"data": data}), listener)


def _without_copies(others: Selected, scored: Selected, source: Path) -> tuple[Selected, list[str]]:
    """Refuse radiographs that are scored, and leave out exact copies of them under other names."""
    rows = others.rows
    shared = rows.where(rows.is_in("image_id", scored.rows.column("image_id"))).column("image_id").to_pylist()
    if shared:
        raise InputError(
            f"{len(shared)} of the {len(rows)} radiographs of '{source}' are among those that are scored, such as "
            f"'{shared[0]}'",
            hint="name the ones with --split and the others with --tune-split",
        )
    return _split_off(others, rows.is_in("sha256", scored.rows.column("sha256").drop_null()))


def _without_groups(
    settings: Settings, others: Selected, groups: Sequence[str | None], listener: Listener
) -> tuple[Selected, list[str]]:
    """Leave out radiographs of groups, such as patients, of which others are scored."""
    if not len(others.rows):
        return others, []
    extent = settings.evaluation.model_copy(update={"by": ()})
    (cells,) = read_columns(settings.model_copy(update={"evaluation": extent}), others, listener).values()
    scored = {group for group in groups if group is not None}
    return _split_off(others, np.array([cell in scored for cell in cells], dtype=bool))


def _split_off(others: Selected, leaving: NDArray[np.bool_]) -> tuple[Selected, list[str]]:
    """Return the radiographs that stay, and the names of those that leave."""
    rows = others.rows
    left_out: list[str] = rows.where(leaving).column("image_id").to_pylist()
    return replace(others, rows=rows.where(~leaving)), left_out
