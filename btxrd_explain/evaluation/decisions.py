"""From probabilities of classes that do not exclude each other to decisions: a threshold per class, and its origin."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from btxrd_explain.core.class_names import BY_NAME, CORRECT, NoLesion
from btxrd_explain.core.labels import UNKNOWN, USUAL_THRESHOLD, YES, truth_matrix, truths
from btxrd_explain.core.multi_label import reached
from btxrd_explain.core.roc import youden
from btxrd_explain.errors import InputError, SettingsError
from btxrd_explain.evaluation.parts import Part
from btxrd_explain.inference.selection import select_other_rows
from btxrd_explain.system.files import named_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from btxrd_explain.core.labels import Truth
    from btxrd_explain.inference.selection import Selected
    from btxrd_explain.predictions.index import Index
    from btxrd_explain.predictions.record import Prediction
    from btxrd_explain.progress import Listener
    from btxrd_explain.settings import EvaluationSettings, Settings

CRITERION = "Youden index"


class DecisionTuning(Part):
    """Where tuned decision thresholds come from."""

    file: str
    split: str | None
    criterion: str = Field(description="What the threshold of each class is the best of, the highest of equals.")
    images: int = Field(description="Images with a prediction on which they were chosen; none of them is scored.")
    values: dict[str, float] = Field(description="The best value by class; a class that is not there was not tuned.")
    left_out: list[str] = Field(description="Images that were left out because their content is that of a scored one.")


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """What the classes of a multi-label table are decided by.

    Attributes:
        names: The classes, in the network's order.
        thresholds: The probability from which each counts as predicted, float64, shape ``(classes,)``.
        tuned: Where they were tuned; None where they were set.
        unlabelled: Whether all heat maps of a radiograph without labels are measured: imported ones.
        no_lesion: Labels that say that no class is true.
    """

    names: tuple[str, ...]
    thresholds: NDArray[np.float64]
    tuned: DecisionTuning | None = None
    unlabelled: bool = False
    no_lesion: NoLesion = BY_NAME

    def truths(self, row: Prediction) -> tuple[Truth, ...]:
        """Return of each class whether it is true; None where that is not known."""
        return truths(row.label, self.names, self.no_lesion)

    def said(self, row: Prediction) -> tuple[int, ...]:
        """Return the classes whose probabilities reach their thresholds; none without a prediction."""
        if row.predicted is None or row.probabilities is None:
            return ()
        return tuple(np.flatnonzero(reached(row.probabilities, self.thresholds)).tolist())

    def true(self, row: Prediction) -> tuple[int, ...]:
        """Return the classes that are true."""
        return tuple(index for index, truth in enumerate(self.truths(row)) if truth)

    def names_of(self, classes: Sequence[int]) -> list[str]:
        """Return the names of classes."""
        return [self.names[index] for index in classes]

    def by_class(self) -> dict[str, float]:
        """Return the thresholds by class, as float32 tables compare them."""
        return dict(zip(self.names, self.thresholds.tolist(), strict=True))


def outcome_of_classes(row: Prediction, decisions: Decisions) -> str | None:
    """Return in words what a prediction is worth to a reader: of all classes of which the truth is known.

    ``missed``: a true class is not predicted. ``false alarm``: a predicted class is not true. ``wrong class``: both.
    None without a prediction, or where the truth of no class is known.
    """
    said, truths = decisions.said(row), decisions.truths(row)
    if row.predicted is None or set(truths) <= {None}:
        return None
    missed = any(truth is True and index not in said for index, truth in enumerate(truths))
    alarm = any(truths[index] is False for index in said)
    if missed and alarm:
        return "wrong class"
    return "missed" if missed else "false alarm" if alarm else CORRECT


def outcome_of_row(
    row: Prediction, names: Sequence[str], no_lesion: NoLesion, decisions: Decisions | None
) -> str | None:
    """Return the same of a row of any table; without ``decisions`` its classes exclude each other."""
    if decisions is not None:
        return outcome_of_classes(row, decisions)
    if row.predicted is None or row.label is None or row.label not in names:
        return None
    return no_lesion.verdict(row.label, names[row.predicted])


def decisions_of(settings: Settings, selected: Selected, listener: Listener) -> Decisions | None:
    """Return what the classes of a table are decided by; None for a table whose classes exclude each other.

    Raises:
        SettingsError: A threshold names a class that there is not, or one is asked for where there is none to choose.
        InputError: Radiographs that thresholds are tuned on are among the scored ones, or say nothing of any class.
    """
    wanted, provenance = settings.evaluation, selected.table.provenance
    if not provenance.multi_label:
        if wanted.decision_threshold or wanted.decision_tune_on:
            raise SettingsError(
                "a decision threshold is for classes that do not exclude each other; of this table the most probable "
                "class is predicted",
                hint="leave --decision-threshold and --decision-tune-on out",
            )
        return None
    thresholds = thresholds_of(wanted, provenance.class_names)
    fixed = Decisions(
        provenance.class_names,
        thresholds,
        unlabelled=provenance.imported is not None,
        no_lesion=NoLesion(settings.data.no_lesion_classes),
    )
    return fixed if wanted.decision_tune_on is None else _tuned(fixed, settings, selected, listener)


def thresholds_of(wanted: EvaluationSettings, names: Sequence[str]) -> NDArray[np.float64]:
    """Return the thresholds that the settings name, float64, shape ``(classes,)``.

    Raises:
        SettingsError: They name a class that there is not.
    """
    levels = {name.casefold(): level for name, level in wanted.levels.items()}
    unknown = [name for name in wanted.levels if name and name.casefold() not in {own.casefold() for own in names}]
    if unknown:
        raise SettingsError(
            f"the decision threshold of '{unknown[0]}' is for a class that there is not",
            hint=f"the classes are {', '.join(names)}",
        )
    return np.array([levels.get(name.casefold(), levels.get("", USUAL_THRESHOLD)) for name in names], np.float64)


def _tuned(fixed: Decisions, settings: Settings, selected: Selected, listener: Listener) -> Decisions:
    """Choose the threshold of each class on other radiographs; that of a class that they say too little of stays."""
    source, split = settings.evaluation.decision_tune_on, settings.evaluation.decision_tune_split
    if source is None:
        return fixed
    others, left_out = select_other_rows(settings, selected, source, split, "--decision-tune-split", listener)
    rows = others.rows.where(others.rows.predicted >= 0)
    found = _best(rows, fixed)
    if not found:
        raise InputError(
            f"on the radiographs of '{source}' no class has a threshold that is better than chance",
            hint="check its labels and --decision-tune-split",
        )
    thresholds = np.array([found.get(n, (level, 0))[0] for n, level in fixed.by_class().items()], np.float64)
    listener.note(
        f"decision thresholds of the highest {CRITERION} on {len(rows)} radiographs of '{source}': "
        + ", ".join(f"{name} {level:.3g}" for name, (level, _) in found.items())
    )
    if kept := [name for name in fixed.names if name not in found]:
        listener.note(f"not tuned, as no threshold is better than chance there: {', '.join(kept)}")
    tuning = DecisionTuning(
        file=named_in(settings.output.directory, source),
        split=split,
        criterion=CRITERION,
        images=len(rows),
        values={name: value for name, (_, value) in found.items()},
        left_out=left_out,
    )
    return replace(fixed, thresholds=thresholds, tuned=tuning)


def _best(rows: Index, fixed: Decisions) -> dict[str, tuple[float, float]]:
    """Return threshold and Youden index of each class that is defined on some rows."""
    truth = truth_matrix(rows.column("label").to_pylist(), fixed.names, fixed.no_lesion)
    probabilities, found = rows.probabilities, {}
    for index, name in enumerate(fixed.names):
        known = truth[:, index] != UNKNOWN
        best = youden(probabilities[known, index], truth[known, index] == YES)
        if best is not None:
            found[name] = best
    return found
