"""What a radiograph contributes: outcomes, the class that is looked at, and why it has no part."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from btxrd_explain.core.choices import TargetClass
from btxrd_explain.core.class_names import BY_NAME, NoLesion
from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.evaluation.protocol import MapKind
from btxrd_explain.evaluation.score import Case, Exclusion, Score, advice_on, cases_of
from btxrd_explain.predictions.record import Prediction, RowStatus
from tests.support.small_table import make_row

NAMES = ("Normal", "Benign", "Malignant")
FAILED = Prediction("c.png", "c.png", "Benign", "test", RowStatus.MISSING, error="gone")


def _row(predicted: int = 1, **facts: Any) -> Prediction:  # noqa: ANN401 -- any column
    probabilities = np.full(3, 0.2, np.float32)
    probabilities[predicted] = 0.6
    usual: dict[str, Any] = {"probabilities": probabilities, "grid_statuses": (MapStatus.OK,) * 3}
    return make_row(1, **usual | facts)


@pytest.mark.parametrize(
    ("true", "predicted", "outcome"),
    [
        (0, 0, "TN"),
        (0, 1, "FP"),
        (0, 2, "FP"),
        (1, 0, "FN"),
        (1, 1, "TP"),
        (1, 2, "FN"),  # the other tumour's false alarm at the same time
        (2, 2, "TP"),
        (None, 1, None),
    ],
)
def test_outcomes_are_seen_from_tumour_classes(true: int | None, predicted: int, outcome: str | None) -> None:
    score = Score(_row(predicted), true=true)
    assert score.outcome(NAMES) == outcome
    assert score.predicted(NAMES) == NAMES[predicted]


def test_which_classes_are_tumours_can_be_said() -> None:
    score = Score(_row(1), true=1, no_lesion=NoLesion(("Benign",)))
    assert score.outcome(NAMES) == "TN"
    assert Score(_row(0), true=1, no_lesion=NoLesion(("Benign",))).outcome(NAMES) == "FP"


def test_without_a_prediction_there_is_no_outcome_confidence_or_class() -> None:
    score = Score(FAILED, true=1, target=1)
    assert (score.outcome(NAMES), score.confidence, score.predicted(NAMES)) == (None, None, None)
    assert (score.target_probability, score.model, score.iou) == (None, None, None)
    case = Case(True, True, "Benign", "Benign")
    assert Score(FAILED, case=case).outcome(NAMES) is None
    assert Score(FAILED, case=case).predicted(NAMES) is None


@pytest.mark.parametrize(
    ("truth", "said", "outcome"),
    [(True, True, "TP"), (True, False, "FN"), (False, True, "FP"), (False, False, "TN"), (None, True, None)],
)
def test_of_several_labels_the_outcome_is_that_of_the_class(
    truth: bool | None, said: bool, outcome: str | None
) -> None:
    score = Score(_row(), target=2, case=Case(truth, said, "Malignant" if truth else None, "Benign|Malignant"))
    assert score.outcome(NAMES) == outcome
    assert score.label == ("Malignant" if truth else None)
    assert score.predicted(NAMES) == "Benign|Malignant"
    assert score.confidence is None
    assert score.annotated_class == 2


def test_probability_and_spread_are_those_of_the_class_that_is_looked_at() -> None:
    row = _row(
        2, member_stds=np.array([0.1, 0.2, 0.3], np.float32), map_agreements=np.array([0.4, 0.5, 0.6], np.float32)
    )
    score = Score(row, true=0, target=2)
    assert score.target_probability == pytest.approx(0.6)
    assert score.member_std == pytest.approx(0.1)  # of the true class
    assert score.map_agreement == pytest.approx(0.6)  # of the map
    several = Score(row, target=1, case=Case(True, False, "Benign", ""))
    assert several.member_std == pytest.approx(0.2)
    assert Score(row).member_std is None


def test_the_models_scores_are_those_of_its_own_map() -> None:
    metrics: Any = {MapKind.CEILING: SimpleNamespace(iou=0.9)}
    assert Score(_row(), metrics=metrics).iou is None
    metrics[MapKind.MODEL] = SimpleNamespace(iou=0.25)
    assert Score(_row(), metrics=metrics).iou == 0.25


@pytest.mark.parametrize(
    ("excluded", "label", "pattern"),
    [
        (Exclusion.NO_ANNOTATION, "Normal", True),
        (Exclusion.EMPTY_ANNOTATION, "Normal", True),
        (Exclusion.BAD_ANNOTATION, "Normal", False),
        (Exclusion.NO_ANNOTATION, "Benign", False),
        (Exclusion.NO_ANNOTATION, None, False),
        (None, "Normal", False),
    ],
)
def test_a_pattern_is_a_class_without_a_lesion_of_which_none_is_annotated(
    excluded: Exclusion | None, label: str | None, pattern: bool
) -> None:
    assert Score(_row(label=label), excluded=excluded).is_attention_pattern is pattern


@pytest.mark.parametrize("kind", [*Exclusion, *MapStatus])
def test_the_most_frequent_reason_with_an_advice_decides(kind: str) -> None:
    advice = advice_on({"something else": 9, kind: 3, Exclusion.NO_ANNOTATION: 1})
    alone = advice_on({kind: 1})
    assert advice in {alone, advice_on({Exclusion.NO_ANNOTATION: 1})}
    named = advice_on({Exclusion.NO_ANNOTATION: 1}, gone=True, named=True)
    assert "x_mask.png, x-seg.png" in named
    assert advice_on({}) == "check --annotations, --reader and --split"


class _Decisions:
    """Decides with one half for each class, as the label says."""

    def __init__(self, *, unlabelled: bool = False) -> None:
        self.names, self.unlabelled = NAMES, unlabelled

    def said(self, row: Prediction) -> list[int]:
        return [] if row.probabilities is None else np.flatnonzero(row.probabilities >= 0.5).tolist()

    def truths(self, row: Prediction) -> list[bool | None]:
        return [None if row.label is None else name in row.label.split("|") for name in NAMES]

    def true(self, row: Prediction) -> list[int]:
        return [index for index, truth in enumerate(self.truths(row)) if truth]

    def names_of(self, indices: list[int]) -> list[str]:
        return [NAMES[index] for index in indices]


def _cases(label: str | None, probabilities: list[float], target: TargetClass, **decisions: bool) -> tuple[int, ...]:
    protocol: Any = SimpleNamespace(target_class=target, no_lesion=BY_NAME)
    row = _row(label=label, probabilities=np.array(probabilities, np.float32))
    wanted: Any = _Decisions(**decisions)
    return cases_of(row, protocol, wanted)


def test_classes_that_are_measured_are_those_with_a_lesion_by_their_names() -> None:
    assert _cases("Malignant|Benign|Normal", [0, 0, 0], TargetClass.TRUE) == (1, 2)
    assert _cases("Normal", [0, 0, 0], TargetClass.TRUE) == (0,)
    assert _cases("Benign", [0.9, 0.1, 0.8], TargetClass.PREDICTED) == (2,)
    assert _cases(None, [0.9, 0.9, 0.9], TargetClass.TRUE) == ()
    assert _cases("Benign", [0.1, 0.1, 0.1], TargetClass.PREDICTED) == ()


def test_maps_of_unlabelled_images_are_all_measured_where_nothing_is_labelled() -> None:
    assert _cases(None, [0, 0, 0], TargetClass.TRUE, unlabelled=True) == (1, 2, 0)  # by their names
    assert _cases("Benign", [0, 0, 0], TargetClass.TRUE, unlabelled=True) == (1,)
    assert _cases(None, [0.1, 0.1, 0.9], TargetClass.PREDICTED, unlabelled=True) == (2,)


def test_a_row_without_maps_has_no_cases() -> None:
    protocol: Any = SimpleNamespace(target_class=TargetClass.TRUE, no_lesion=BY_NAME)
    decisions: Any = _Decisions()
    assert cases_of(FAILED, protocol, decisions) == ()


@pytest.mark.parametrize(
    ("target", "case"),
    [
        (1, Case(True, False, "Benign", "Malignant")),
        (2, Case(False, True, None, "Malignant")),
        (None, Case(None, False, "Benign", "Malignant")),
    ],
)
def test_a_case_says_what_is_true_and_what_is_predicted(target: int | None, case: Case) -> None:
    decisions: Any = _Decisions()
    row = _row(label="Benign", probabilities=np.array([0.1, 0.2, 0.9], np.float32))
    assert Case.of(row, target, decisions) == case


def test_a_case_of_an_unlabelled_image_is_neither_true_nor_false() -> None:
    decisions: Any = _Decisions()
    row = _row(label=None, probabilities=np.array([0.1, 0.2, 0.3], np.float32))
    assert Case.of(row, 1, decisions) == Case(None, False, None, "")
    assert Case.of(row, None, decisions).label is None
