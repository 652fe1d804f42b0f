"""Scores of classes that do not exclude each other, against scikit-learn and by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from sklearn import metrics

from btxrd_explain.core.labels import NO, UNKNOWN, YES
from btxrd_explain.core.multi_label import (
    MACRO,
    RATES,
    UNDEFINED,
    Counts,
    Macro,
    count_decisions,
    measure_multi_label,
    reached,
)
from btxrd_explain.core.statistics import Resampling

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from btxrd_explain.core.multi_label import MultiLabelPerformance

CLASSES = 3


def _sample(
    seed: int, *, images: int = 50, unknown: float = 0.0
) -> tuple[NDArray[np.float32], NDArray[np.int8], NDArray[np.float64]]:
    """Return probabilities with ties, truths of which some are unknown, and a threshold of each class."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 2, (images, CLASSES)).astype(np.int8)
    noise = random.random((images, CLASSES))
    probabilities = np.round(0.6 * noise + 0.4 * truth * random.random((images, CLASSES)), 2).astype(np.float32)
    truth[random.random(truth.shape) < unknown] = UNKNOWN
    return probabilities, truth, np.array([0.3, 0.5, 0.4])


def _few(images: int) -> Resampling:
    return Resampling.of_images(images, resamples=20, seed=1)


def _measured(
    probabilities: NDArray[np.float32], truth: NDArray[np.int8], thresholds: NDArray[np.float64]
) -> MultiLabelPerformance:
    return measure_multi_label(probabilities, truth, thresholds, _few(len(truth)))


@pytest.mark.parametrize("seed", range(4))
def test_the_scores_of_a_class_are_those_of_scikit_learn_where_its_truth_is_known(seed: int) -> None:
    probabilities, truth, thresholds = _sample(seed, unknown=0.3)
    found = _measured(probabilities, truth, thresholds)
    for index, part in enumerate(found.classes):
        known = truth[:, index] != UNKNOWN
        true, scores = truth[known, index] == YES, probabilities[known, index]
        said = scores >= np.float32(thresholds[index])
        expected = {
            "sensitivity": metrics.recall_score(true, said),
            "specificity": metrics.recall_score(~true, ~said),
            "precision": metrics.precision_score(true, said),
            "npv": metrics.precision_score(~true, ~said),
            "f1": metrics.f1_score(true, said),
        }
        assert {name: part.rates[name].value for name in RATES} == pytest.approx(expected)
        assert {one.n for one in part.rates.values()} == {int(known.sum())}
        assert part.performance is not None
        assert part.performance.roc.area.value == pytest.approx(metrics.roc_auc_score(true, scores))
        assert part.counts.unknown == int((~known).sum())


@pytest.mark.parametrize("seed", range(4))
def test_the_macro_means_are_plain_means_over_the_classes(seed: int) -> None:
    probabilities, truth, thresholds = _sample(seed)
    said = probabilities >= thresholds.astype(np.float32)
    found = _measured(probabilities, truth, thresholds).macro
    expected = {
        "auroc": metrics.roc_auc_score(truth, probabilities, average="macro"),
        "average_precision": metrics.average_precision_score(truth, probabilities, average="macro"),
        "sensitivity": metrics.recall_score(truth, said, average="macro"),
        "specificity": metrics.recall_score(1 - truth, ~said, average="macro"),
        "precision": metrics.precision_score(truth, said, average="macro"),
        "npv": metrics.precision_score(1 - truth, ~said, average="macro"),
        "f1": metrics.f1_score(truth, said, average="macro"),
        "brier": np.mean([metrics.brier_score_loss(truth[:, c], probabilities[:, c]) for c in range(CLASSES)]),
    }
    assert {name: mean.estimate.value for name, mean in found.items()} == pytest.approx(expected)
    assert {mean.classes for mean in found.values()} == {CLASSES}


@pytest.mark.parametrize("seed", range(4))
def test_subset_accuracy_and_hamming_loss_are_those_of_scikit_learn(seed: int) -> None:
    probabilities, truth, thresholds = _sample(seed)
    said = probabilities >= thresholds.astype(np.float32)
    found = _measured(probabilities, truth, thresholds)
    assert found.subset_accuracy.value == pytest.approx(metrics.accuracy_score(truth, said))
    assert found.hamming_loss.value == pytest.approx(metrics.hamming_loss(truth, said))
    assert found.images == len(truth)


def test_subset_accuracy_asks_only_images_of_which_every_class_is_known() -> None:
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.9]], np.float32)
    truth = np.array([[YES, NO], [YES, UNKNOWN], [YES, NO]], np.int8)
    found = _measured(probabilities, truth, np.array([0.5, 0.5]))
    assert (found.subset_accuracy.value, found.subset_accuracy.n) == (0.5, 2)
    assert found.hamming_loss.value == pytest.approx(1 / 5)  # five truths are known, one of which is missed


def test_the_interval_of_a_macro_mean_draws_all_classes_together() -> None:
    """By brute force: scikit-learn on each draw, percentiles by hand."""
    probabilities, truth, thresholds = _sample(7, images=40)
    resampling = Resampling.of_images(40, resamples=50, seed=3)
    found = measure_multi_label(probabilities, truth, thresholds, resampling).macro["auroc"].estimate
    draws = [metrics.roc_auc_score(truth[drawn], probabilities[drawn]) for drawn in resampling.indices()]
    assert [found.low, found.high] == pytest.approx(np.quantile(draws, [0.025, 0.975]))


def test_a_class_of_which_nothing_is_known_has_no_scores_and_no_part_in_a_mean() -> None:
    probabilities, truth, thresholds = _sample(1)
    truth[:, 1] = UNKNOWN
    found = _measured(probabilities, truth, thresholds)
    nothing = found.classes[1]
    assert nothing.performance is None
    assert found.per_class[1] is None
    assert set(nothing.rates.values()) == {UNDEFINED}
    assert nothing.counts == Counts(0, 0, 0, 0, len(truth))
    without = _measured(probabilities[:, [0, 2]], truth[:, [0, 2]], thresholds[[0, 2]])
    assert found.macro == without.macro
    assert {mean.classes for mean in found.macro.values()} == {2}


def test_nothing_known_at_all_leaves_every_score_undefined() -> None:
    found = _measured(np.full((3, 2), 0.5, np.float32), np.full((3, 2), UNKNOWN, np.int8), np.array([0.5, 0.5]))
    assert found.macro == dict.fromkeys(MACRO, Macro(UNDEFINED, 0))
    assert found.subset_accuracy.value is None
    assert found.hamming_loss.value is None


def test_a_class_that_is_always_true_has_no_specificity_and_leaves_that_mean_alone() -> None:
    probabilities, truth, thresholds = _sample(2)
    truth[:, 0] = YES
    found = _measured(probabilities, truth, thresholds)
    assert found.classes[0].rates["specificity"].value is None
    assert found.classes[0].rates["sensitivity"].value is not None
    assert found.macro["specificity"].classes == CLASSES - 1
    assert found.macro["auroc"].classes == CLASSES - 1
    assert found.macro["sensitivity"].classes == CLASSES
    others = [found.classes[index].rates["specificity"].value for index in (1, 2)]
    assert found.macro["specificity"].estimate.value == pytest.approx(np.mean([one for one in others if one]))


def test_a_threshold_is_compared_as_float32_and_counts_itself() -> None:
    """0.7 as float64 is larger than the nearest float32, which is what a table holds."""
    stored = np.array([0.7], np.float32)
    assert float(stored[0]) < 0.7
    assert reached(stored, np.array([0.7])).all()
    assert not reached(np.nextafter(stored, np.float32(0)), np.array([0.7])).any()


@pytest.mark.parametrize("seed", range(3))
def test_counts_are_those_of_the_confusion_matrix(seed: int) -> None:
    probabilities, truth, _ = _sample(seed, unknown=0.2)
    said = probabilities[:, 0] >= 0.5
    counts = count_decisions(truth[:, 0], said)
    known = truth[:, 0] != UNKNOWN
    ((tn, fp), (fn, tp)) = metrics.confusion_matrix(truth[known, 0], said[known], labels=[NO, YES]).tolist()
    assert (counts.tp, counts.fp, counts.fn, counts.tn) == (tp, fp, fn, tn)
    assert counts.known == int(known.sum())
    assert counts.known + counts.unknown == len(truth)


def test_units_without_a_known_truth_leave_the_interval_of_a_class() -> None:
    probabilities, truth, thresholds = _sample(5, images=6)
    truth[:4, 0] = UNKNOWN
    groups = Resampling.of_groups(["a", "a", "b", "b", "c", "c"], resamples=20)
    found = measure_multi_label(probabilities, truth, thresholds, groups)
    alone = found.classes[0].rates["sensitivity"]
    assert (alone.n, alone.units) == (2, 1)
    assert (alone.low, alone.high) == (None, None)
    assert found.classes[1].rates["sensitivity"].units == 3


@pytest.mark.parametrize(("rows", "columns"), [(0, 2), (3, 0), (2, 3)])
def test_shapes_that_do_not_fit_are_refused(rows: int, columns: int) -> None:
    truth = np.zeros((rows, columns), np.int8)
    probabilities = np.zeros((rows, columns) if not truth.size else (rows, columns + 1), np.float32)
    with pytest.raises(ValueError, match="do not fit"):
        measure_multi_label(probabilities, truth, np.full(columns, 0.5), Resampling.of_images(rows))
