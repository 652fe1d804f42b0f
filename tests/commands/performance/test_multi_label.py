"""The report of a classifier whose classes do not exclude each other, from made-up rows."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics

from btxrd_explain.commands.performance.multi_label import measured_report
from btxrd_explain.core.class_names import BY_NAME
from btxrd_explain.errors import InputError
from btxrd_explain.settings.sources import settings_of

if TYPE_CHECKING:
    from btxrd_explain.commands.performance.multi_label import MultiLabelReport

NAMES = ("Fracture", "Effusion", "Mass")
SETTINGS = settings_of({"evaluation.resamples": 100})


def _report(
    labels: list[str | None], probabilities: list[list[float]], *, groups: list[str | None] | None = None
) -> MultiLabelReport:
    values = np.array(probabilities, np.float32)
    rows: dict[str, Any] = {
        "column": {"label": pa.chunked_array([labels], pa.string())}.__getitem__,
        "predicted": np.where(np.isfinite(values).all(axis=1), values.argmax(axis=1), -1),
        "probabilities": values,
    }
    table = SimpleNamespace(document=lambda: {"fingerprint": "0123"})
    selected: Any = SimpleNamespace(rows=SimpleNamespace(**rows), table=table, findings=())
    decisions: Any = SimpleNamespace(names=NAMES, no_lesion=BY_NAME, thresholds=np.array([0.5, 0.3, 0.5]), tuned=None)
    report, performance = measured_report(selected, decisions, groups or [None] * len(labels), SETTINGS)
    assert performance.images == report.num_images
    return report


LABELS = ["Fracture|Mass", "Normal", "Effusion=1|Mass=0", "Mass", None, "Fracture", "Efusion"]
PROBABILITIES = [
    [0.9, 0.1, 0.6],
    [0.2, 0.3, 0.1],
    [0.7, 0.8, 0.4],
    [0.6, 0.2, 0.3],
    [0.5, 0.5, 0.5],
    [np.nan, np.nan, np.nan],
    [0.1, 0.1, 0.1],
]


def test_counts_are_of_known_truths_with_each_classs_own_threshold() -> None:
    report = _report(LABELS, PROBABILITIES)
    assert report.num_images == 4
    assert report.excluded == {"no prediction": 1, "no known true class": 2}
    effusion = report.per_class["Effusion"]
    assert (effusion.threshold, effusion.TP, effusion.FP, effusion.FN, effusion.TN) == (0.3, 1, 1, 0, 2)
    fracture = report.per_class["Fracture"]
    assert (fracture.n, fracture.known, fracture.unknown) == (1, 3, 1)
    assert (fracture.TP, fracture.FP, fracture.FN, fracture.TN) == (1, 1, 0, 1)
    assert fracture.prevalence == pytest.approx(1 / 3)


@pytest.mark.parametrize("seed", range(3))
def test_scores_are_those_of_scikit_learn(seed: int) -> None:
    random = np.random.default_rng(seed)
    truth = random.random((40, 3)) < 0.4
    values = np.round(0.5 * random.random((40, 3)) + 0.4 * truth, 2)
    labels: list[str | None] = ["|".join(f"{n}={int(t)}" for n, t in zip(NAMES, row, strict=True)) for row in truth]
    report = _report(labels, values.tolist())
    stored = values.astype(np.float32)
    said = stored >= np.array([0.5, 0.3, 0.5], np.float32)
    assert report.macro["auroc"].mean == pytest.approx(metrics.roc_auc_score(truth, stored))
    assert report.macro["f1"].mean == pytest.approx(metrics.f1_score(truth, said, average="macro"))
    assert report.subset_accuracy.mean == pytest.approx(metrics.accuracy_score(truth, said))
    assert report.hamming_loss.mean == pytest.approx(metrics.hamming_loss(truth, said))
    for index, name in enumerate(NAMES):
        found = report.per_class[name]
        assert found.sensitivity.mean == pytest.approx(metrics.recall_score(truth[:, index], said[:, index]))
        assert found.npv.mean == pytest.approx(metrics.precision_score(~truth[:, index], ~said[:, index]))
        assert found.calibration is not None
        assert sum(one.n for one in found.calibration.bins) == 40


def test_a_class_of_which_nothing_is_known_is_null_throughout() -> None:
    report = _report(["Fracture=1|Effusion=0", "Fracture=0|Effusion=1"], [[0.9, 0.1, 0.5], [0.2, 0.8, 0.5]])
    mass = report.per_class["Mass"]
    assert (mass.known, mass.unknown, mass.prevalence, mass.calibration) == (0, 2, None, None)
    assert {one.mean for one in (mass.auroc, mass.average_precision, mass.sensitivity, mass.f1)} == {None}
    assert {mean.classes for mean in report.macro.values()} == {2}
    document = report.document()
    assert (document["accuracy"], document["confusion"]) == (None, None)
    assert set(document["not_defined"]) == {"accuracy", "confusion"}
    assert document["per_class"]["Mass"]["prevalence"] is None


def test_groups_are_those_of_the_images_that_are_scored() -> None:
    groups: list[str | None] = ["a", "a", "b", "b", "c", "d", "e"]
    report = _report(LABELS, PROBABILITIES, groups=groups)
    assert report.statistics.units == 2
    assert report.statistics.resamples == 100
    assert report.hamming_loss.units == 2


def test_probabilities_that_rounding_took_out_of_range_are_clipped() -> None:
    report = _report(["Fracture", "Mass"], [[1.0000001, 0, 0], [0, -1e-9, 1]])
    assert report.per_class["Fracture"].auroc.mean == 1.0


@pytest.mark.parametrize("labels", [[None, None], ["Efusion", "x"], ["Fracture", "Mass"]])
def test_nothing_to_score_is_an_error_that_says_what_to_name(labels: list[str | None]) -> None:
    nothing = [[np.nan] * 3] * 2 if "Mass" in labels else [[0.5] * 3] * 2
    with pytest.raises(InputError, match="no radiograph has both a prediction and a class") as caught:
        _report(labels, nothing)
    assert "split CSV" in str(caught.value.hint)
