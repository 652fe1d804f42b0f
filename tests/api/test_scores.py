"""Scores of plain arrays: one map and one mask, and many of them with intervals."""

from __future__ import annotations

from dataclasses import asdict
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import btxrd_explain as library
from btxrd_explain.core.heatmap import HeatMap, MapStatus
from btxrd_explain.core.metrics.catalogue import METRICS
from tests.support.refusals import assert_refused

if TYPE_CHECKING:
    from collections.abc import Callable

bx: Any = library  # what types forbid is called, too
HEAT = np.array([[0.0, 0.2, 0.6, 1.0], [0.1, 0.4, 0.5, 0.8]])
MASK = np.array([[0, 0, 0, 1], [0, 0, 1, 1]])
DOTS = np.kron(np.ones((50, 50), int), [[1, 0], [0, 0]])


def test_all_sixteen_scores_of_a_plain_array() -> None:
    scores = asdict(bx.score(HEAT, MASK))
    assert len(METRICS) == 16
    assert not [name for name in METRICS if scores[name] is None]
    assert scores["iou"] == 3 / 4  # of four pixels at 0.5 and above three are annotated
    assert (scores["precision"], scores["recall"]) == (3 / 4, 1.0)
    assert (scores["pointing_hit"], scores["tolerance_hit"], scores["lesion_recall"]) == (True, True, 1.0)
    assert scores["energy_in_mask"] == pytest.approx(2.3 / 3.6)
    assert scores["soft_iou"] == pytest.approx(2.3 / (3 + 1.3))
    assert scores["rank_accuracy"] == pytest.approx(2 / 3)
    assert scores["roc_auc"] == pytest.approx(14 / 15)


@pytest.mark.parametrize("mask", [MASK.astype(bool), MASK * 255, MASK.astype(float), MASK.tolist(), torch.tensor(MASK)])
def test_any_boolean_like_mask_scores_the_same(mask: Any) -> None:  # noqa: ANN401
    assert bx.score(torch.tensor(HEAT), mask) == bx.score(HEAT, MASK)


def test_the_tolerance_is_half_a_cell_of_the_grid_unless_given() -> None:
    heat, mask = np.zeros((70, 70)), np.zeros((70, 70), bool)
    heat[10, 10], mask[10, 15] = 1, True
    assert bx.score(heat, mask).tolerance_hit is True  # 7 x 7 cells of 10 pixels
    assert bx.score(heat, mask, grid=(10, 10)).tolerance_hit is False  # cells of 7 pixels
    assert bx.score(heat, mask, tolerance=4.9).tolerance_hit is False
    assert bx.score(heat, mask, tolerance=5).tolerance_hit is True
    assert bx.score(heat, mask).pointing_hit is False


def test_lesions_are_connected_regions_unless_given() -> None:
    mask = np.array([[1, 0, 0, 1], [0, 0, 0, 1]])
    assert bx.score(HEAT, mask).lesion_recall == 1 / 2
    assert bx.score(HEAT, mask, lesions=[mask]).lesion_recall == 1.0


@pytest.mark.parametrize("heat", [np.zeros((2, 4)), np.full((2, 4), 0.5)])
def test_a_map_that_shows_no_place_has_no_scores(heat: np.ndarray) -> None:
    scores = asdict(bx.score(heat, MASK))
    assert scores.pop("lesion_share") == 3 / 8
    assert set(scores.values()) == {None}
    assert bx.score(HEAT, np.zeros((2, 4))).iou is None


def test_a_heat_map_of_the_tool_keeps_what_it_knows() -> None:
    heat = HeatMap(HEAT.astype(np.float32), 3.0, MapStatus.OK, hottest=(0, 0), cell=(1.0, 1.0))
    assert bx.score(heat, MASK).pointing_hit is False


def test_rules_and_operators_are_those_of_the_tool() -> None:
    assert bx.score(HEAT, MASK, operator=">").iou == 2 / 4
    assert bx.score(HEAT, MASK, threshold_rule="percentile", percentile=25).region_share == 1 / 4
    assert bx.score(HEAT, MASK, threshold_rule="otsu").threshold != 0.5


WRONG = [
    (lambda: bx.score(HEAT * 255, MASK), ValueError, "heatmap: expected finite values in [0, 1], got 0 to 255"),
    (lambda: bx.score(np.uint8(HEAT), MASK), TypeError, "heatmap: expected floating values in [0, 1], got uint8"),
    (lambda: bx.score(HEAT[None], MASK), ValueError, "heatmap: expected shape (height, width), got (1, 2, 4)"),
    (lambda: bx.score(HEAT, MASK.T), ValueError, "mask: expected the shape (2, 4) of the heat map, got (4, 2)"),
    (lambda: bx.score(HEAT, HEAT), ValueError, "mask: expected 0 and 1 (or 0 and 255), got values from 0 to 1"),
    (lambda: bx.score(HEAT, MASK, lesions=[MASK.T]), ValueError, "lesions: expected the shape (2, 4)"),
    (lambda: bx.score(HEAT, MASK, threshold=127), ValueError, "threshold: expected a number from 0 to 1, got 127"),
    (lambda: bx.score(HEAT, MASK, threshold_rule="otzu"), ValueError, "threshold_rule: there is no 'otzu'"),
    (lambda: bx.score(HEAT, MASK, operator="<"), ValueError, "operator: there is no '<'"),
    (lambda: bx.score(HEAT, MASK, percentile=101), ValueError, "percentile: expected a number from 0 to 100, got 101"),
    (lambda: bx.score(HEAT, MASK, grid=7), TypeError, "grid: expected (rows, columns), got 7"),
    (lambda: bx.score(HEAT, MASK, grid=(0, 7)), ValueError, "grid: expected at least 1, got 0"),
    (lambda: bx.score(HEAT, MASK, tolerance=-1), ValueError, "tolerance: expected a number from 0 to inf, got -1"),
    (lambda: bx.score(np.eye(100), DOTS), ValueError, "mask: expected at most 1000 connected regions, got 2500"),
    (lambda: bx.evaluate([HEAT], []), ValueError, "masks: expected 1 values, one per heat map, got 0"),
    (
        lambda: bx.evaluate([HEAT], [MASK], names=["a", "b"]),
        ValueError,
        "names: expected 1 values, one per heat map, got 2",
    ),
    (lambda: bx.evaluate([HEAT] * 2, [MASK] * 2, names=["a", "a"]), ValueError, "names: expected each of them once"),
    (lambda: bx.evaluate([HEAT], [MASK], groups=[]), ValueError, "group: expected 1 values, one per heat map, got 0"),
    (
        lambda: bx.evaluate([HEAT], [MASK], by={"sex": ["f", "m"]}),
        ValueError,
        "sex: expected 1 values, one per heat map, got 2",
    ),
    (lambda: bx.evaluate([HEAT], [MASK], by={"sex": "f"}), TypeError, "by['sex']: expected a list, got 'f'"),
    (lambda: bx.evaluate([HEAT], [MASK], by=["f"]), TypeError, "by: expected values by name, such as a dict, got a"),
    (lambda: bx.evaluate([HEAT], [MASK], groups="f"), TypeError, "groups: expected a list, got 'f'"),
    (lambda: bx.evaluate([HEAT], [MASK], names="a"), TypeError, "names: expected a list, got 'a'"),
    (lambda: bx.evaluate([HEAT], [MASK], readers=[MASK]), TypeError, "readers: expected values by name, such as a di"),
    (lambda: bx.evaluate([HEAT], [MASK], comparators={"d": 3}), TypeError, "comparators['d']: expected a list, got 3"),
    (lambda: bx.evaluate(None, [MASK]), TypeError, "heatmaps: expected a list, got None"),
    (lambda: bx.evaluate([HEAT], 3), TypeError, "masks: expected a list, got 3"),
    (lambda: bx.score(HEAT, MASK, lesions=[MASK == 0]), ValueError, "lesions: lesion 1 has "),
    (lambda: bx.score(HEAT, MASK, lesions=[]), ValueError, "lesions: "),
    (lambda: bx.score(HEAT * 0, MASK, lesions=[]), ValueError, "lesions: "),  # a map without evidence
    (lambda: bx.score(HEAT, MASK & False, lesions=[MASK]), ValueError, "lesions: lesion 1 has "),
    (lambda: bx.score(HEAT, MASK, lesions=3), TypeError, "lesions: expected a list, got 3"),
    (lambda: bx.evaluate(HEAT, MASK), ValueError, "heatmaps[0]: expected shape (height, width), got (4,)"),
    (lambda: bx.evaluate([HEAT * 2], [MASK]), ValueError, "heatmaps[0]: expected finite values in [0, 1], got 0 to 2"),
    (lambda: bx.evaluate([HEAT], [MASK.T]), ValueError, "masks[0]: expected the shape (2, 4) of the heat map"),
    (
        lambda: bx.evaluate([HEAT], [MASK * 0]),
        ValueError,
        "masks: expected an annotated pixel in at least one, got none",
    ),
    (lambda: bx.evaluate([], []), ValueError, "masks: expected an annotated pixel in at least one, got none"),
    (lambda: bx.evaluate([HEAT], [MASK], resamples=0), ValueError, "resamples: expected at least 1, got 0"),
    (lambda: bx.evaluate([HEAT], [MASK], seed="a"), TypeError, "seed: expected a whole number, got 'a'"),
]


@pytest.mark.parametrize(("call", "kind", "message"), WRONG, ids=count())
def test_what_cannot_be_scored_is_refused_in_one_line(
    call: Callable[[], object], kind: type[Exception], message: str
) -> None:
    assert_refused(call, kind, message)


def _many(count: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Make maps that are hot near a lesion, of images of several sizes."""
    random = np.random.default_rng(3)
    heats, masks = [], []
    for _ in range(count):
        height, width = random.integers(40, 60, 2)
        rows, columns = np.mgrid[:height, :width]
        top, left = random.integers(8, 30, 2)
        distance = np.hypot(rows - top - random.normal(0, 4), columns - left - random.normal(0, 4))
        heats.append(np.exp(-((distance / 12) ** 2)))
        masks.append((abs(rows - top) < 8) & (abs(columns - left) < 6))
    return heats, masks


def test_many_are_scored_as_each_alone() -> None:
    heats, masks = _many(5)
    table = bx.evaluate(iter(heats), iter(masks), names=list("abcde"), resamples=50).per_image
    assert table.column("image_id").to_pylist() == list("abcde")
    for number, (heat, mask) in enumerate(zip(heats, masks, strict=True)):
        alone = bx.score(heat, mask)
        assert {name: table.column(name)[number].as_py() for name in METRICS} == {
            name: getattr(alone, name) for name in METRICS
        }


def test_the_summary_holds_means_with_intervals_beside_chance_and_baselines() -> None:
    heats, masks = _many(12)
    result = bx.evaluate(heats, masks, by={"site": [1, 2] * 6}, resamples=200)
    rows = {(row["slice"], row["metric"]): row for row in result.summary.to_pylist()}
    assert len(rows) == 3 * 16
    iou, energy = rows["all", "iou"], rows["all", "energy_in_mask"]
    own = [bx.score(heat, mask).iou for heat, mask in zip(heats, masks, strict=True)]
    assert iou["mean"] == pytest.approx(np.mean(own))
    assert iou["low"] < iou["mean"] < iou["high"]
    assert (iou["n"], iou["n_undefined"]) == (12, 0)
    assert energy["chance"] == pytest.approx(np.mean([mask.mean() for mask in masks]))
    assert energy["chance_from"] == "formula"
    assert iou["chance_from"] == "random grid"
    assert iou["chance"] == iou["random"] < iou["ceiling"]
    assert iou["random_difference"] == pytest.approx(iou["mean"] - iou["random"])
    assert iou["random_difference_low"] <= iou["random_difference"] <= iou["random_difference_high"]
    assert None not in (iou["centre"], iou["average"])
    halves = [rows[f"site: {site}", "iou"]["mean"] for site in (1, 2)]
    assert np.mean(halves) == pytest.approx(iou["mean"])


def test_whole_groups_are_drawn() -> None:
    heats, masks = _many(8)
    alone = bx.evaluate(heats, masks, baselines=False, resamples=200)
    together = bx.evaluate(heats, masks, groups=["one"] * 8, baselines=False, resamples=200)
    first, second = (result.summary.to_pylist()[0] for result in (alone, together))
    assert first["mean"] == second["mean"]
    assert first["low"] is not None
    assert second["low"] is None  # one unit tells nothing of others
    assert first["random"] is None
    assert together.per_image.column("meta_group").to_pylist() == ["one"] * 8


def test_what_has_no_part_is_named_and_counted() -> None:
    heats, masks = _many(4)
    masks[1] = np.zeros_like(masks[1])
    heats[2] = np.zeros_like(heats[2])
    result = bx.evaluate(heats, masks, resamples=50)
    assert result.per_image.column("excluded").to_pylist() == [None, "annotation without a lesion", None, None]
    assert result.per_image.column("undefined").to_pylist() == [None, None, "no_positive_evidence", None]
    assert result.per_image.column("iou")[2].as_py() is None
    iou = result.summary.to_pylist()[0]
    assert (iou["metric"], iou["n"], iou["n_undefined"]) == ("iou", 2, 1)


def test_the_same_call_gives_the_same_numbers() -> None:
    heats, masks = _many(6)
    first, second = (bx.evaluate(heats, masks, seed=4, resamples=100) for _ in range(2))
    assert first.summary.equals(second.summary)
    assert first.per_image.equals(second.per_image)
    assert not first.summary.equals(bx.evaluate(heats, masks, seed=5, resamples=100).summary)


def test_without_pandas_a_table_says_so(without_pandas: Callable[[str], str]) -> None:
    said = without_pandas("bx.evaluate([[[0.0, 1.0]]], [[[0, 1]]], resamples=1).per_image.to_pandas()")
    assert said == "No module named 'pandas'\n"
