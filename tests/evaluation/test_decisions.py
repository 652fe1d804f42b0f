"""From probabilities to decisions: thresholds by class, and what is said and true of a radiograph."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from btxrd_explain.core.class_names import NoLesion
from btxrd_explain.errors import SettingsError
from btxrd_explain.evaluation.decisions import Decisions, _best, thresholds_of
from btxrd_explain.settings import EvaluationSettings
from tests.support.small_table import make_row

NAMES = ("Mass", "Effusion", "Nodule")


def _decisions(*levels: float, **facts: Any) -> Decisions:  # noqa: ANN401 -- any field
    return Decisions(NAMES, np.array(levels or (0.5,) * 3, np.float64), **facts)


def _row(*probabilities: float, label: str | None = None) -> Any:  # noqa: ANN401 -- a prediction
    return make_row(1, probabilities=np.array(probabilities, np.float32), label=label)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("", [0.5, 0.5, 0.5]),
        ("0.4", [0.4, 0.4, 0.4]),
        ("effusion=0.3", [0.5, 0.3, 0.5]),
        ("0.4, Mass=0.6", [0.6, 0.4, 0.4]),
    ],
)
def test_each_class_has_its_own_level_or_that_of_all(wanted: str, expected: list[float]) -> None:
    settings = EvaluationSettings(decision_threshold=wanted) if wanted else EvaluationSettings()
    assert thresholds_of(settings, NAMES).tolist() == expected


def test_a_class_that_there_is_not_is_refused() -> None:
    settings = EvaluationSettings(decision_threshold="Masss=0.5")
    with pytest.raises(SettingsError, match=r"threshold of 'Masss' is for a class that there is not.*Mass, Effusion"):
        thresholds_of(settings, NAMES)


def test_a_probability_that_equals_its_threshold_reaches_it() -> None:
    """Tables hold float32: 0.3 there is 0.30000001."""
    row = _row(0.3, 0.2999999, 0.9)
    assert _decisions(0.3, 0.3, 0.95).said(row) == (0,)
    assert _decisions(0.3, 0.3, 0.9).said(row) == (0, 2)
    assert _decisions().names_of(_decisions().said(row)) == ["Nodule"]


def test_nothing_is_said_without_a_prediction() -> None:
    assert _decisions().said(replace(_row(0.9, 0.9, 0.9), probabilities=None)) == ()
    assert _decisions().said(_row(float("nan"), 0.9, 0.9)) == ()


@pytest.mark.parametrize(
    ("label", "truths", "true"),
    [
        ("Mass|nodule", (True, False, True), (0, 2)),
        ("Mass=1|Effusion=0", (True, False, None), (0,)),
        ("No finding", (False, False, False), ()),
        (None, (None, None, None), ()),
    ],
)
def test_what_is_true_and_what_is_not_known(
    label: str | None, truths: tuple[bool | None, ...], true: tuple[int, ...]
) -> None:
    row = _row(0.1, 0.1, 0.1, label=label)
    assert (_decisions().truths(row), _decisions().true(row)) == (truths, true)


def test_the_labels_without_a_lesion_can_be_named() -> None:
    row = _row(0.1, 0.1, 0.1, label="Fine")
    assert _decisions(no_lesion=NoLesion(("Fine",))).truths(row) == (False, False, False)


def test_thresholds_by_class_are_those_that_decide() -> None:
    assert _decisions(0.1, 0.2, 0.3).by_class() == {"Mass": 0.1, "Effusion": 0.2, "Nodule": 0.3}


def _rows(probabilities: Any, labels: list[str | None]) -> Any:  # noqa: ANN401 -- an index
    column = SimpleNamespace(to_pylist=lambda: labels)
    return SimpleNamespace(probabilities=probabilities, column=lambda _: column)


def test_tuned_thresholds_are_the_best_of_scikit_learns_curve() -> None:
    random = np.random.default_rng(0)
    truth = random.random((60, 3)) < [0.5, 0.2, 0.0]  # nobody has a nodule
    probabilities = (0.3 * truth + 0.7 * random.random((60, 3))).astype(np.float32).round(2)
    labels: list[str | None] = ["|".join(f"{n}={int(t)}" for n, t in zip(NAMES, row, strict=True)) for row in truth]
    found = _best(_rows(probabilities, labels), _decisions())
    assert found.keys() == {"Mass", "Effusion"}
    for index, name in enumerate(NAMES[:2]):
        false, true, levels = roc_curve(truth[:, index], probabilities[:, index], drop_intermediate=False)
        best = int((true - false).argmax())  # of equals the first, which is the highest
        assert found[name] == pytest.approx((levels[best], (true - false)[best]), abs=1e-9)


def test_rows_whose_truth_is_not_known_do_not_tune() -> None:
    probabilities = np.array([[0.9, 0.5, 0.5], [0.1, 0.5, 0.5], [0.95, 0.5, 0.5]], np.float32)
    found = _best(_rows(probabilities, ["Mass=1", "Mass=0", "Effusion=1"]), _decisions())
    assert found == {"Mass": pytest.approx((0.9, 1.0))}
