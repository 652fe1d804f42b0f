"""Readers on small arrays: what they agree on, their scores by hand, and laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from btxrd_explain.core.choices import Consensus
from btxrd_explain.core.metrics.plain import as_heat_map
from btxrd_explain.core.readers import (
    Drawing,
    Fate,
    ReaderComparison,
    RegionScores,
    centre_of,
    consensus_of,
    score_drawing,
    score_heat_map,
)
from btxrd_explain.core.threshold import Threshold

masks = arrays.arrays(np.bool_, (5, 6))
drawn = masks.filter(np.any)
HEAT = as_heat_map(np.linspace(0, 1, 30).reshape(5, 6))


def _mask(*rows: str) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    return np.array([[cell == "#" for cell in row] for row in rows])


def test_scores_of_a_reader_by_hand() -> None:
    reader = _mask("##....", "##....", "......", "....#.")
    reference = _mask(".#....", ".#....", ".#....", "#....#")
    # 2 pixels of 5 and 5 are shared; the corners join the reference's first four pixels, and its last one is alone
    found = score_drawing(Drawing.of(reader), Drawing.of(reference))
    assert found == RegionScores(2 / 8, 4 / 10, 2 / 5, 2 / 5, 1 / 2, 0.0, 1.0)
    assert centre_of(_mask("##", "##")) == (0, 0)  # of four that are as near, the first


def test_the_centre_is_on_the_lesion_even_of_a_ring() -> None:
    ring = _mask("####", "#..#", "#..#", "####")
    assert ring[centre_of(ring)]


@given(drawn)
def test_who_draws_the_reference_has_every_score(mask: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> None:
    assert set(score_drawing(Drawing.of(mask), Drawing.of(mask))) == {1.0}


@given(st.lists(masks, min_size=1, max_size=5))
def test_consensus_counts_votes(
    votes: list[np.ndarray[tuple[int, int], np.dtype[np.bool_]]],
) -> None:
    total = np.sum(votes, axis=0)
    expected = {
        Consensus.MAJORITY: total > len(votes) / 2,
        Consensus.UNION: total > 0,
        Consensus.INTERSECTION: total == len(votes),
    }
    assert all(np.array_equal(consensus_of(votes, rule), mask) for rule, mask in expected.items())
    assert all(np.array_equal(consensus_of(votes[::-1], rule), mask) for rule, mask in expected.items())


def test_each_reader_is_compared_with_the_others_alone() -> None:
    a, b = _mask("##...."), _mask(".##...")
    heat = as_heat_map(np.array([[0, 0.2, 1, 0.6, 0, 0.1]]))
    reading = ReaderComparison(Threshold(), Consensus.MAJORITY).read({"a": Drawing.of(a), "b": Drawing.of(b)}, heat)
    assert reading.pairs["a"].reader.iou == reading.pairs["b"].reader.iou == 1 / 3
    assert reading.pairs["a"].heat_map.iou == 1 / 3  # pixels 2 and 3, against b's 1 and 2
    assert reading.pairs["b"].heat_map.iou == 0  # against a's 0 and 1
    assert reading.agreements["a", "b"].iou == 1 / 3
    assert reading.pairs["a"].heat_map == score_heat_map(heat, Drawing.of(b), Threshold())


def test_what_is_empty_or_missing_is_counted_and_not_scored() -> None:
    full, empty = Drawing.of(_mask("##....")), Drawing.of(_mask("......"))
    heat = as_heat_map(np.array([[1, 0.2, 0, 0, 0, 0]]))
    one = ReaderComparison(Threshold()).read({"a": empty, "b": full, "c": Fate.ABSENT, "d": Fate.UNUSABLE}, heat, full)
    assert [pair.fate for pair in one.pairs.values()] == [Fate.EMPTY, Fate.SCORED, Fate.ABSENT, Fate.UNUSABLE]
    assert one.pairs["a"].reader == RegionScores()
    assert (one.agreements["a", "b"].drawn, one.agreements["a", "b"].iou) == (1, None)
    assert one.agreements["a", "c"].drawn is None
    nothing = ReaderComparison(Threshold()).read({"b": full}, heat, empty)
    unseen = ReaderComparison(Threshold()).read({"b": full}, heat, full, seen=(slice(None), slice(3, None)))
    assert nothing.pairs["b"].fate is unseen.pairs["b"].fate is Fate.NO_REFERENCE
    several = ReaderComparison(Threshold(), Consensus.UNION).read({"a": full, "b": full, "c": Fate.UNUSABLE}, heat)
    assert several.pairs["a"].fate is Fate.NO_REFERENCE  # fewer readers would be another consensus


def test_a_heat_map_without_evidence_has_no_scores() -> None:
    flat = as_heat_map(np.zeros((1, 6)))
    reading = ReaderComparison(Threshold()).read({"a": Drawing.of(_mask("#....."))}, flat, Drawing.of(_mask("#.....")))
    assert reading.pairs["a"].reader.iou == 1
    assert reading.pairs["a"].heat_map == RegionScores()


@given(st.lists(drawn, min_size=2, max_size=4), st.sampled_from(Consensus))
def test_names_and_order_change_nothing(
    regions: list[np.ndarray[tuple[int, int], np.dtype[np.bool_]]], rule: Consensus
) -> None:
    def read(order: list[int]) -> dict[int, object]:
        readers = {f"{number * 7 % 5}{number}": Drawing.of(regions[number]) for number in order}
        pairs = ReaderComparison(Threshold(), rule).read(readers, HEAT).pairs
        return {number: pairs[f"{number * 7 % 5}{number}"] for number in order}

    order = list(range(len(regions)))
    shuffled = order[::-1]
    assert read(order) == read(shuffled)


@pytest.mark.parametrize("rule", Consensus)
def test_readers_who_agree_agree_with_each_consensus(rule: Consensus) -> None:
    region = Drawing.of(_mask("......", ".####.", ".####."))
    reading = ReaderComparison(Threshold(), rule).read(dict.fromkeys("abc", region), as_heat_map(np.eye(3, 6)))
    assert {value for pair in reading.pairs.values() for value in pair.reader} == {1.0}
    assert {one.iou for one in reading.agreements.values()} == {1.0}
