"""One row: what is predicted, which grid is whose, and what is null in its document."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.predictions.record import Prediction, RowStatus
from tests.support.small_table import make_row

NAMES = ("Normal", "Benign")
THREE = ("A", "B", "C")
FAILED = Prediction("c.png", "c.png", "Benign", "test", RowStatus.MISSING, error="gone")


def _row(*probabilities: float, **facts: Any) -> Prediction:  # noqa: ANN401 -- any column
    return make_row(1, probabilities=np.array(probabilities, np.float32), **facts)


@pytest.mark.parametrize(
    ("probabilities", "predicted", "least"),
    [
        ((0.2, 0.8), 1, 0),
        ((0.5, 0.5), 0, 0),
        ((0.1, 0.8, 0.1), 1, 0),
        ((1.0,), 0, None),
        ((np.nan, 0.8), None, None),
        ((np.inf, 0.8), None, None),
    ],
)
def test_the_first_of_equals_is_predicted_and_nothing_where_a_value_is_not_finite(
    probabilities: tuple[float, ...], predicted: int | None, least: int | None
) -> None:
    row = _row(*probabilities)
    assert (row.predicted, row.least_probable) == (predicted, least)
    assert row.confidence == (None if predicted is None else pytest.approx(probabilities[predicted]))


def test_a_row_that_failed_has_no_prediction() -> None:
    assert (FAILED.predicted, FAILED.least_probable, FAILED.confidence) == (None, None, None)
    assert FAILED.predicted_text(NAMES) is FAILED.predicted_text(NAMES, multi_label=True) is None
    assert not FAILED.explained
    assert FAILED.content == "c.png"  # no hash tells it from others


def test_classes_that_do_not_exclude_each_other_are_joined_from_one_half_on() -> None:
    row = _row(0.5, 0.49, 0.9)
    assert row.predicted_text(THREE, multi_label=True) == "A|C"
    assert row.predicted_text(THREE) == "C"
    assert _row(0.1, 0.2, 0.3).predicted_text(THREE, multi_label=True) == ""


@pytest.mark.parametrize("computed", [(True, True, True), (False, True, False), (True, False, True), (False,) * 3])
def test_each_grid_is_that_of_its_class(computed: tuple[bool, ...]) -> None:
    grids = np.arange(3, dtype=np.float32)[np.array(computed)][:, None, None] * np.ones((1, 2, 2), np.float32)
    row = _row(
        *(0.2, 0.3, 0.5),
        grids=grids,
        grid_statuses=tuple(MapStatus.OK if one else MapStatus.NOT_COMPUTED for one in computed),
    )
    assert row.computed == computed
    for index, one in enumerate(computed):
        grid = row.grid(index)
        assert (grid is not None) is one
        assert grid is None or (grid == index).all()
    assert row.explained is any(computed)
    light = row.without_grids()
    assert (light.grids, light.grid(0)) == (None, None)
    assert light.computed == computed


def test_the_spread_of_an_ensemble_is_null_where_it_is_undefined() -> None:
    row = _row(
        *(0.2, 0.8),
        member_stds=np.array([0.1, 0.2], np.float32),
        map_agreements=np.array([np.nan, 0.75], np.float32),
    )
    assert row.member_std(1) == pytest.approx(0.2)
    assert (row.member_std(None), row.map_agreement(0)) == (None, None)
    spread = row.document(NAMES, ensemble=True)["spread"]
    assert spread["probabilities"] == pytest.approx({"Normal": 0.1, "Benign": 0.2})
    assert (spread["true_class"], spread["map_agreement"]) == (pytest.approx(0.2), 0.75)
    unlabelled = replace(row, label=None).document(NAMES, ensemble=True)["spread"]
    assert unlabelled["true_class"] is None
    assert FAILED.document(NAMES, ensemble=True)["spread"] == {
        "probabilities": None,
        "true_class": None,
        "map_agreement": None,
    }
    assert "spread" not in row.document(NAMES)


def test_the_document_is_plain_json_with_the_facts_of_the_file() -> None:
    document = json.loads(json.dumps(_row(0.25, 0.75).document(NAMES), allow_nan=False))
    assert document["class"] == "Benign"
    assert document["probabilities"] == {"Normal": 0.25, "Benign": 0.75}
    assert (document["heat_map"], document["status"], document["error"]) == ("ok", "ok", None)
    assert (document["height"], document["width"], document["sha256"]) == (40, 30, "cd" * 32)
    assert "labels" not in document


def test_what_a_failed_row_lacks_is_null_and_not_zero() -> None:
    document = json.loads(json.dumps(FAILED.document(NAMES)))
    unknown = ("class", "confidence", "probabilities", "heat_map", "height", "width", "sha256")
    assert {name: document[name] for name in unknown} == dict.fromkeys(unknown)
    assert (document["status"], document["error"], document["label"]) == ("missing", "gone", "Benign")


def test_scores_that_are_not_finite_are_not_in_the_document() -> None:
    document = _row(np.nan, 0.5, status=RowStatus.NON_FINITE).document(NAMES)
    assert (document["probabilities"], document["class"]) == (None, None)
    assert json.dumps(document, allow_nan=False)


def test_a_document_of_several_labels_says_of_each_class_whether_it_is_true() -> None:
    row = _row(0.6, 0.7, 0.1, label="A=1|C=0", grid_statuses=(MapStatus.OK,) * 3)
    document = row.document(THREE, multi_label=True)
    assert document["class"] == ["A", "B"]
    assert document["confidence"] is None
    assert document["labels"] == {"A": True, "B": None, "C": False}
    assert FAILED.document(NAMES, multi_label=True)["class"] is None


def test_the_repr_of_a_row_is_one_short_line() -> None:
    row = _row(0.25, 0.75, grids=np.zeros((2, 300, 300), np.float32))
    assert "\n" not in repr(row)
    assert len(repr(row)) < 900
    assert "<float32 of shape (2, 300, 300)>" in repr(row)
