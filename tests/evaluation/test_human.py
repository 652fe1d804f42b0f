"""The human benchmark in numbers: means, paired differences and fractions by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from btxrd_explain.core.choices import Consensus
from btxrd_explain.core.readers import Agreement, Fate, Pair, Reading, RegionScores
from btxrd_explain.evaluation.human import describe_readers
from btxrd_explain.evaluation.readers import ReadImage

if TYPE_CHECKING:
    from collections.abc import Sequence


def _scored(reader: float, heat: float | None) -> Pair:
    return Pair(Fate.SCORED, RegionScores(iou=reader), RegionScores(iou=heat))


def _images(rows: Sequence[Sequence[Pair]], names: Sequence[str], order: Sequence[int] = ()) -> list[ReadImage]:
    """Return images, of which each row has a pair per reader; agreements tell which readers they are of."""
    order = order or range(len(names))
    images = []
    for number, row in enumerate(rows):
        pairs = {names[place]: row[place] for place in order}
        two = {
            (names[a], names[b]): Agreement(2, 0.1 * (a + b), 0.2)
            for position, a in enumerate(order)
            for b in order[position + 1 :]
        }
        images.append(ReadImage(str(number), str(number), reading=Reading(pairs, two)))
    return images


ROWS = [
    [_scored(0.5, 0.25), _scored(1.0, 0.75)],
    [_scored(0.7, 0.1), Pair(Fate.EMPTY)],
    [_scored(0.9, None), Pair(Fate.ABSENT)],  # a heat map without evidence
    [_scored(0.3, 0.3), _scored(0.2, 0.4)],
]


def test_means_are_over_the_images_in_which_both_have_the_score() -> None:
    found = describe_readers(_images(ROWS, "ab"), "ab", None)
    a, everybody = found.readers["a"].scores["iou"], found.all_readers.scores["iou"]
    assert (a.reader.n, found.readers["b"].scores["iou"].reader.n) == (3, 2)
    assert a.reader.mean == pytest.approx((0.5 + 0.7 + 0.3) / 3)
    assert a.heat_map.mean == pytest.approx((0.25 + 0.1 + 0.3) / 3)
    assert a.difference.mean == pytest.approx((0.25 + 0.1 + 0.3 - 0.5 - 0.7 - 0.3) / 3)
    assert a.fraction.mean == pytest.approx(0.65 / 1.5)
    assert everybody.reader.mean == pytest.approx((0.75 + 0.7 + 0.25) / 3)
    assert everybody.heat_map.mean == pytest.approx((0.5 + 0.1 + 0.35) / 3)
    by = a.difference
    assert None not in (by.low, by.mean, by.high)
    assert (by.low or 0) <= (by.mean or 0) <= (by.high or 0)
    assert found.readers["a"].undefined_heat_maps == 1
    assert found.readers["b"].images == {str(fate): 0 for fate in Fate} | {
        str(Fate.SCORED): 2,
        str(Fate.EMPTY): 1,
        str(Fate.ABSENT): 1,
    }
    assert found.readers["a"].scores["dice"].reader.mean is None


def test_neither_names_nor_order_change_a_number() -> None:
    rows = [[_scored(*pair) for pair in np.random.default_rng(number).random((3, 2))] for number in range(6)]
    plain = describe_readers(_images(rows, "abc"), "abc", Consensus.UNION)
    other = describe_readers(_images(rows, "zyx", [2, 0, 1]), "xzy", Consensus.UNION)
    assert plain.all_readers == other.all_readers
    assert [plain.readers[name] for name in "abc"] == [other.readers[name] for name in "zyx"]


def test_identical_readers_and_heat_map_are_the_benchmark() -> None:
    found = describe_readers(_images([[_scored(1, 1)] * 2] * 5, "ab"), "ab", Consensus.MAJORITY)
    score = found.all_readers.scores["iou"]
    assert (score.reader.mean, score.fraction.mean, score.fraction.low, score.difference.mean) == (1, 1, 1, 0)


def test_groups_are_drawn_whole() -> None:
    images = _images(ROWS, "ab")
    found = describe_readers(images, "ab", None, groups=dict.fromkeys("0123", "patient"))
    assert found.readers["a"].scores["iou"].reader.units == 1
    assert found.readers["a"].scores["iou"].reader.low is None
    assert found.readers["a"].scores["iou"].fraction.low is None


def test_a_benchmark_of_zero_has_no_fraction() -> None:
    found = describe_readers(_images([[_scored(0, 0.5)]] * 3, "a"), "a", None)
    assert found.readers["a"].scores["iou"].fraction.mean is None
    assert describe_readers([], ["a"], None).all_readers.scores["iou"].reader.n == 0
