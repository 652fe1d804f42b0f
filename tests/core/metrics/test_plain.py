"""The scores of plain arrays, against scikit-learn, SciPy and sets of pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import ndimage
from sklearn import metrics

from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.core.metrics.plain import as_heat_map, region_at, regions_of, score, threshold_of
from tests.support.refusals import assert_refused

if TYPE_CHECKING:
    from numpy.typing import NDArray


def _case(seed: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return a heat map of a few thousand values, and a mask of some blobs."""
    random = np.random.default_rng(seed)
    values = ndimage.gaussian_filter(random.random((40, 50)), 3)
    values = np.round((values - values.min()) / np.ptp(values), 3)
    blobs = ndimage.gaussian_filter(random.random((40, 50)), 4)
    return values, blobs > np.quantile(blobs, 0.8)


@pytest.mark.parametrize("seed", range(5))
def test_overlap_scores_are_those_of_scikit_learn(seed: int) -> None:
    values, mask = _case(seed)
    found = score(values, mask, threshold=0.6)
    hot, true = (values.astype(np.float32) >= np.float32(0.6)).ravel(), mask.ravel()
    assert found.iou == pytest.approx(metrics.jaccard_score(true, hot))
    assert found.dice == pytest.approx(metrics.f1_score(true, hot))
    assert found.precision == pytest.approx(metrics.precision_score(true, hot))
    assert found.recall == pytest.approx(metrics.recall_score(true, hot))
    assert found.region_share == pytest.approx(hot.mean())
    assert found.lesion_share == pytest.approx(true.mean())


@pytest.mark.parametrize("seed", range(5))
def test_scores_without_a_threshold_are_those_of_the_definitions(seed: int) -> None:
    values, mask = _case(seed)
    found = score(values, mask)
    assert found.energy_in_mask == pytest.approx(values[mask].sum() / values.sum(), rel=1e-5)
    soft = np.minimum(values, mask).sum() / np.maximum(values, mask).sum()
    assert found.soft_iou == pytest.approx(soft, rel=1e-5)
    assert found.average_precision == pytest.approx(
        metrics.average_precision_score(mask.ravel(), values.ravel()), abs=2e-3
    )
    assert found.roc_auc == pytest.approx(metrics.roc_auc_score(mask.ravel(), values.ravel()), abs=2e-3)
    hottest = np.unravel_index(int(values.argmax()), values.shape)
    assert found.pointing_hit is bool(mask[hottest])


@pytest.mark.parametrize("seed", range(3))
def test_the_best_threshold_is_the_best_of_101(seed: int) -> None:
    values, mask = _case(seed)
    found = score(values, mask)
    levels = np.arange(101) / 100
    ious = [metrics.jaccard_score(mask.ravel(), (values >= level - 1e-9).ravel()) for level in levels]
    assert found.best_iou == pytest.approx(max(ious), abs=5e-3)
    assert found.best_iou is not None
    assert found.iou is not None
    assert found.best_iou >= found.iou


def test_a_tolerance_reaches_as_far_as_it_says() -> None:
    values, mask = np.zeros((20, 20)), np.zeros((20, 20), bool)
    values[10, 10], mask[10, 15] = 1, True
    hits = {distance: score(values, mask, tolerance=distance).tolerance_hit for distance in (0, 4.9, 5, 100)}
    assert hits == {0: False, 4.9: False, 5: True, 100: True}
    assert score(values, mask, grid=(2, 2)).tolerance_hit is True  # half a cell of 10 pixels
    assert score(values, mask, grid=(4, 4)).tolerance_hit is False


def test_lesions_that_are_given_take_the_place_of_connected_regions() -> None:
    values, mask = np.zeros((6, 9)), np.zeros((6, 9), bool)
    values[:, :3], mask[2, 1:8] = 1, True
    left, right = mask.copy(), mask.copy()
    left[:, 4:], right[:, :4] = False, False
    assert score(values, mask).lesion_recall == 1.0
    assert score(values, mask, lesions=[left, right]).lesion_recall == 0.5


@pytest.mark.parametrize("values", [np.zeros((4, 5)), np.full((4, 5), 0.5)])
def test_a_map_that_says_nothing_has_no_scores(values: NDArray[np.float64]) -> None:
    found = score(values, np.ones((4, 5)))
    assert (found.iou, found.average_precision, found.pointing_hit, found.best_iou) == (None,) * 4
    assert found.lesion_share == 1.0


def test_an_empty_mask_has_no_scores() -> None:
    found = score([[0.0, 1.0]], [[0, 0]])
    assert (found.iou, found.recall, found.pointing_hit, found.lesion_share) == (None, None, None, 0.0)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"threshold": 1.5}, "threshold: "),
        ({"threshold_rule": "otzu"}, "threshold_rule: "),
        ({"operator": "<"}, "operator: "),
        ({"tolerance": -1}, "tolerance: "),
        ({"percentile": 0, "threshold_rule": "percentile"}, "a percentile threshold must lie in (0, 100]"),
        ({"grid": (0, 7)}, "grid: "),
        ({"mask": [[0, 1, 0]]}, "mask: "),
        ({"lesions": [[[0, 1, 0]]]}, "lesions: "),
        ({"heatmap": [[0.0, 1.5]]}, "heatmap: "),
    ],
)
def test_values_out_of_range_are_refused_by_the_name_of_their_argument(facts: dict[str, Any], message: str) -> None:
    call: dict[str, Any] = {"heatmap": [[0.0, 1.0]], "mask": [[0, 1]]} | facts
    assert_refused(lambda: score(**call), ValueError, message)


@pytest.mark.parametrize("facts", [{"grid": 7}, {"grid": [7]}, {"heatmap": np.zeros((2, 2), np.uint8)}, {"lesions": 3}])
def test_values_of_another_kind_are_refused(facts: dict[str, Any]) -> None:
    call: dict[str, Any] = {"heatmap": [[0.0, 1.0]], "mask": [[0, 1]]} | facts
    with pytest.raises(TypeError):
        score(**call)


def test_a_heat_map_is_judged_and_its_first_maximum_is_the_hottest_pixel() -> None:
    heat = as_heat_map([[0.0, 1.0], [1.0, 0.5]], grid=(1, 2))
    assert (heat.status, heat.peak, heat.hottest, heat.cell) == (MapStatus.OK, 1.0, (0, 1), (2.0, 1.0))
    assert as_heat_map(heat) is heat
    flat = as_heat_map([[0.5, 0.5]])
    assert flat.status is MapStatus.FLAT
    assert not flat.values.any()


def test_the_parameter_of_a_rule_is_its_own() -> None:
    assert threshold_of(0.25, "percentile", 7.0, ">").value == 7.0
    assert threshold_of(0.25, "fixed", 7.0, ">").value == 0.25


@pytest.mark.parametrize("seed", range(3))
def test_regions_are_those_that_scipy_connects_over_corners(seed: int) -> None:
    mask = np.random.default_rng(seed).random((12, 15)) < 0.3
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    found = sorted(region.tobytes() for region in regions_of(mask))
    assert found == sorted((labels == number).tobytes() for number in range(1, count + 1))
    pixel = tuple(np.argwhere(mask)[0].tolist())
    np.testing.assert_array_equal(region_at(mask, pixel), labels == labels[pixel])


def test_too_many_regions_are_refused_with_what_to_give() -> None:
    mask = np.zeros((100, 100), bool)
    mask[::2, ::2] = True
    assert_refused(
        lambda: list(regions_of(mask)), ValueError, "mask: expected at most 1000 connected regions, got 2500"
    )
