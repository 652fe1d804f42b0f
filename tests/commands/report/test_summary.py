"""The numbers at the top of the page: outcomes in words, tiles, and what is left out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from btxrd_explain.commands.report.summary import (
    by_class,
    cells_by_image,
    exclusions,
    interventions,
    read_interventions,
    readers,
    slices,
    tiles,
)
from btxrd_explain.core import statistics
from btxrd_explain.core.class_names import BY_NAME
from btxrd_explain.core.classification import measure_performance
from btxrd_explain.core.labels import NO, UNKNOWN, YES
from btxrd_explain.core.multi_label import measure_multi_label
from btxrd_explain.core.statistics import Resampling
from btxrd_explain.evaluation.decisions import outcome_of_classes
from btxrd_explain.evaluation.human import HumanBenchmark
from btxrd_explain.evaluation.parts import Estimate
from btxrd_explain.evaluation.schema import Baseline, Metric
from btxrd_explain.evaluation.score import Exclusion, Score
from btxrd_explain.predictions.record import RowStatus
from btxrd_explain.progress import Listener

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("Normal", "Benign", "Malignant")


def _estimate(mean: float | None, n: int = 5) -> Estimate:
    return Estimate(mean=mean, low=None, high=None, n=n, units=n)


def _score(predicted: int | None, true: int | None, **facts: Any) -> Any:  # noqa: ANN401 -- a score
    row = SimpleNamespace(predicted=predicted, status=RowStatus.OK)
    usual: dict[str, Any] = {"is_attention_pattern": False, "excluded": None, "undefined": None}
    return SimpleNamespace(row=row, true=true, no_lesion=BY_NAME, **usual | facts)


@pytest.mark.parametrize(
    ("predicted", "true", "said"),
    [
        (0, 0, "correct"),
        (2, 2, "correct"),
        (1, 0, "false alarm"),
        (0, 1, "missed"),
        (2, 1, "wrong class"),
        (None, 1, None),
        (1, None, None),
    ],
)
def test_outcomes_are_told_in_a_readers_words(predicted: int | None, true: int | None, said: str | None) -> None:
    assert Score.verdict(_score(predicted, true), NAMES) == said


@pytest.mark.parametrize(
    ("said", "truths", "outcome"),
    [
        ([1], [False, True, False], "correct"),
        ([], [False, False, False], "correct"),
        ([], [False, True, False], "missed"),
        ([0, 1], [False, True, False], "false alarm"),
        ([0], [False, True, False], "wrong class"),
        ([0], [None, True, False], "missed"),
        ([0, 1], [None, True, False], "correct"),
        ([0], [None, None, None], None),
    ],
)
def test_outcomes_of_several_classes_ask_those_that_are_known(
    said: list[int], truths: list[bool | None], outcome: str | None
) -> None:
    decisions: Any = SimpleNamespace(said=lambda _: said, truths=lambda _: truths)
    row: Any = SimpleNamespace(predicted=0)
    assert outcome_of_classes(row, decisions) == outcome
    assert outcome_of_classes(SimpleNamespace(predicted=None), decisions) is None  # type: ignore[arg-type]


def _metric(mean: float | None, **facts: Any) -> Metric:  # noqa: ANN401 -- any field
    usual: dict[str, Any] = {"n_undefined": 0, "chance": None, "chance_from": None, "ceiling": None, "baselines": {}}
    return Metric(**_estimate(mean).document() | usual | facts)


def _report(**metrics: Metric) -> Any:  # noqa: ANN401 -- a report
    names = ("iou", "pointing_hit", "energy_in_mask", "average_precision")
    overall = SimpleNamespace(metrics=dict.fromkeys(names, _metric(None)) | metrics)
    return SimpleNamespace(summary=SimpleNamespace(overall=overall), human=None)


def _labels(found: list[dict[str, Any]]) -> dict[str, str]:
    return {tile["label"]: tile["note"] for tile in found}


def test_tiles_of_which_nothing_is_known_are_left_out() -> None:
    found = tiles([_score(0, 0)], None, _report())
    assert _labels(found) == {"Radiographs": "all were read"}
    assert found[0]["estimate"]["mean"] == 1
    broken = _score(None, None)
    broken.row.status = RowStatus.UNREADABLE
    assert _labels(tiles([_score(0, 0), broken], None, _report()))["Radiographs"] == "1 could not be read"


def test_a_tile_tells_chance_and_ceiling_in_its_own_unit() -> None:
    found = _labels(
        tiles(
            [],
            None,
            _report(
                iou=_metric(0.25, chance=0.1, ceiling=_estimate(0.875)),
                pointing_hit=_metric(0.5, chance=0.125),
                energy_in_mask=_metric(0.0),
            ),
        )
    )
    assert found["Mean IoU"] == "by chance 0.100, the grid's ceiling 0.875"
    assert found["Hottest point on the annotation"] == "by chance 12.5 %"
    assert found["Heat on the annotation"] == ""  # 0 is known
    assert "Average precision" not in found


def _performance() -> Any:  # noqa: ANN401 -- of classes that do not exclude each other
    probabilities = np.array([[0.9, 0.2, 0.5], [0.1, 0.8, 0.5]], np.float32)
    truth = np.array([[YES, NO, UNKNOWN], [NO, YES, UNKNOWN]], np.int8)
    return measure_multi_label(probabilities, truth, np.full(3, 0.5), Resampling.of_images(2, resamples=100))


def test_the_tile_of_the_hottest_point_names_the_best_baseline() -> None:
    random, centre, absent = (
        Baseline(**_estimate(mean).document(), difference=_estimate(0.0)) for mean in (0.1, 0.3, None)
    )
    metric = _metric(0.3, chance=0.02, baselines={"random": random, "centre": centre, "edges": absent})
    found = _labels(tiles([], None, _report(pointing_hit=metric)))
    assert found["Hottest point on the annotation"] == "by chance 2.0 %, the best baseline (centre) 30.0 %"


def test_the_tile_of_the_accuracy_says_what_a_guess_reaches() -> None:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.3, 0.7]], np.float32)
    performance = measure_performance(probabilities, np.array([0, 1, 1, 1]), Resampling.of_images(4, resamples=100))
    note = _labels(tiles([], performance, _report()))["Accuracy"]
    assert note == "predicted class = true class; by a guess 75.0 %, always the most frequent class"


def test_classes_that_do_not_exclude_each_other_have_tiles_of_their_own() -> None:
    found = _labels(tiles([], _performance(), _report()))
    assert found["Mean AUROC"] == "over 2 classes"
    assert "Accuracy" not in found
    assert "Right in all classes" not in found  # no image is known in all classes


def test_the_table_of_classes_has_null_where_nothing_is_known() -> None:
    rows = by_class(_performance(), NAMES)
    assert [(row["name"], row["n"], row["auroc"]["mean"]) for row in rows] == [
        ("Normal", 1, 1.0),
        ("Benign", 1, 1.0),
        ("Malignant", 0, None),
    ]
    assert rows[2]["sensitivity"]["mean"] is None
    assert by_class(None, NAMES) == []


def test_the_table_of_exclusive_classes_takes_each_ones_own_rates() -> None:
    made = statistics.Estimate(0.5, None, None, 2, 2)
    rates = {
        key: [made, statistics.Estimate(None, None, None, 0, 0)] for key in ("sensitivity", "specificity", "precision")
    }
    part = SimpleNamespace(positives=1, roc=SimpleNamespace(area=made))
    performance: Any = SimpleNamespace(rates=SimpleNamespace(per_class=rates), per_class=[part, part])
    first, second = by_class(performance, NAMES[:2])
    assert (first["sensitivity"]["mean"], second["sensitivity"]["mean"]) == (0.5, None)


def test_what_was_not_measured_is_counted_by_reason_the_most_frequent_first() -> None:
    scores = [
        _score(0, 0, excluded=Exclusion.NO_ANNOTATION, is_attention_pattern=True),
        _score(0, 0, excluded=Exclusion.NO_LABEL),
        _score(0, 0, undefined="no_positive_evidence"),
        _score(0, 0, undefined="no_positive_evidence"),
        _score(0, 0),
    ]
    assert exclusions(scores) == [
        {"reason": "the heat map is undefined: no positive evidence", "count": 2},
        {"reason": "no tumour and no annotation: there is nothing to measure", "count": 1},
        {"reason": "no known true class", "count": 1},
    ]


def _human(**facts: Any) -> Any:  # noqa: ANN401 -- a benchmark
    found = SimpleNamespace(
        reader=_estimate(0.7), heat_map=_estimate(0.3), difference=_estimate(-0.4), fraction=_estimate(None)
    )
    result = SimpleNamespace(
        scores=dict.fromkeys(("iou", "dice", "recall", "centre_hit"), found), images={"both drew": 3, "none drew": 0}
    )
    usual: dict[str, Any] = {"readers": {"A": result}, "all_readers": result, "agreement": [], "consensus": "majority"}
    made = SimpleNamespace(**usual | facts)
    made.compared_with = HumanBenchmark.compared_with.fget(made)  # type: ignore[attr-defined]
    made.results = HumanBenchmark.results.fget(made)  # type: ignore[attr-defined]
    return made


def test_a_slice_of_very_few_images_has_no_interval_and_an_outcome_has_words() -> None:
    def part(n: int) -> Any:  # noqa: ANN401 -- a slice
        found = Estimate(mean=0.3, low=0.2, high=0.4, n=n, units=n)
        metric = Metric(**found.document(), n_undefined=0, chance=None, chance_from=None, ceiling=None, baselines={})
        return SimpleNamespace(n=n, metrics=dict.fromkeys(("iou", "pointing_hit", "energy_in_mask"), metric))

    groups: dict[str, Any] = {"by_class": {"Benign": part(5)}, "by_lesion_size": {}, "by_metadata": {}}
    summary = SimpleNamespace(overall=part(9), by_outcome={"FP": part(4)}, **groups)
    report: Any = SimpleNamespace(summary=summary, protocol=SimpleNamespace(average_mask=None))
    found = {row["name"]: row["iou"] for row in slices(report)}
    assert list(found) == ["all", "Benign", "wrongly predicted classes (FP)"]
    assert [(one["mean"], one["low"]) for one in found.values()] == [(0.3, 0.2), (0.3, 0.2), (0.3, None)]


def test_readers_are_rows_with_a_note_of_what_they_are_compared_with() -> None:
    report = _report()
    assert readers(report) == {"note": "", "rows": []}
    report.human = _human()
    found = readers(report)
    assert len(found["rows"]) == 8
    assert found["rows"][0]["fraction"]["mean"] is None
    assert "the majority of the other readers" in found["note"]
    assert "Readings: 3 both drew." in found["note"]
    pair = SimpleNamespace(readers=("A", "B"), iou=_estimate(None))
    report.human = _human(consensus=None, agreement=[pair])
    note = readers(report)["note"]
    assert "compared with the annotations" in note
    assert note.endswith("Agreement (IoU): A and B undefined.")


def test_interventions_say_how_many_are_in_a_cell_and_how_many_are_not() -> None:
    cell = SimpleNamespace(name="neither", meaning="something else decides", count=3, fraction=_estimate(1.0))
    table = SimpleNamespace(cells=[cell], n=3, n_undefined=2)
    image = SimpleNamespace(image_id="a.png", target_class="Benign", cell=None)
    found: Any = SimpleNamespace(table=table, counted="images", verdict="It depends.", per_image=[image])
    said = interventions(found)
    assert said is not None
    assert said["note"].endswith(
        "Of 5 images whose lesion was taken away, 3 are in one of the four, 2 more have no map or no rank."
    )
    assert said["several"] is False
    assert cells_by_image(found) == {("a.png", "Benign"): None}
    assert interventions(None) is None
    assert cells_by_image(None) == {}


class _Notes(Listener):
    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)


@pytest.mark.parametrize("content", ["{", "[]", '{"schema_version": 99}', ""])
def test_a_report_of_interventions_that_is_damaged_is_said_and_left_out(tmp_path: Path, content: str) -> None:
    listener = _Notes()
    provenance: Any = SimpleNamespace(fingerprint="0123")
    assert read_interventions(tmp_path, provenance, listener) is None
    assert listener.said == []
    (tmp_path / "intervention_report.json").write_text(content)
    assert read_interventions(tmp_path, provenance, listener) is None
    assert "is damaged or of another release, and is not in the page" in listener.said[0]
