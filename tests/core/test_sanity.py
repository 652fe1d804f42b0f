"""What randomised weights are said to show: the rule at its limits, and what else is told."""

from __future__ import annotations

import pytest

from btxrd_explain.core.sanity import LIMIT, Outcome, judge_randomisation
from btxrd_explain.core.statistics import Estimate


def _estimate(value: float | None, low: float | None = None, high: float | None = None, n: int = 20) -> Estimate:
    return Estimate(value, low, high, n, n)


CHANGED, ALIKE, OPEN = _estimate(0.1, 0.0, 0.2), _estimate(0.8, 0.7, 0.9), _estimate(0.5, 0.4, 0.6)
UNDEFINED = _estimate(None, n=0)


@pytest.mark.parametrize(
    ("last", "outcome"),
    [
        (CHANGED, Outcome.CHANGE),
        (_estimate(0.4, 0.3, LIMIT - 1e-9), Outcome.CHANGE),
        (_estimate(0.4, 0.3, LIMIT), Outcome.UNDECIDED),
        (_estimate(0.6, LIMIT, 0.7), Outcome.SURVIVE),
        (_estimate(0.6, LIMIT - 1e-9, 0.7), Outcome.UNDECIDED),
        (_estimate(-0.9, -1.0, -0.8), Outcome.CHANGE),
        (_estimate(0.9, n=1), Outcome.UNDECIDED),
        (UNDEFINED, Outcome.UNDECIDED),
    ],
)
def test_the_interval_decides(last: Estimate, outcome: Outcome) -> None:
    assert judge_randomisation(last, vanished=0).outcome is outcome


@pytest.mark.parametrize(("vanished", "outcome"), [(20, Outcome.SURVIVE), (21, Outcome.CHANGE), (0, Outcome.SURVIVE)])
def test_maps_of_which_most_vanish_change(vanished: int, outcome: Outcome) -> None:
    verdict = judge_randomisation(ALIKE, vanished=vanished)
    assert verdict.outcome is outcome
    if vanished > 20:
        assert "21 of 41 maps hold no evidence" in verdict.text


@pytest.mark.parametrize(("incomplete", "outcome"), [(25, Outcome.CHANGE), (26, Outcome.UNDECIDED)])
def test_maps_of_which_most_do_not_add_up_are_undecided(incomplete: int, outcome: Outcome) -> None:
    verdict = judge_randomisation(CHANGED, vanished=5, incomplete=incomplete)
    assert verdict.outcome is outcome
    assert verdict.remarks[0] == f"{incomplete} maps are not compared: their attributions do not add up."
    if outcome is Outcome.UNDECIDED:
        assert "of 26 of 51 maps do not add up" in verdict.text
        assert verdict.text.endswith("Take another method.")


def test_too_few_maps_are_said_with_what_to_do() -> None:
    verdict = judge_randomisation(_estimate(0.9, n=1), vanished=1)
    assert verdict.text == "Undecided: with all weights random, only 1 maps can be compared. Take more images."


def test_numbers_of_the_verdict_are_those_of_the_estimate() -> None:
    text = judge_randomisation(OPEN, vanished=0).text
    assert "at 0.50 [0.40, 0.60] (95 % interval, n = 20)" in text


@pytest.mark.parametrize(
    ("last", "head", "said"),
    [
        (CHANGED, _estimate(0.97, 0.95, 0.99), True),
        (OPEN, _estimate(0.97, 0.95, 0.99), True),
        (ALIKE, _estimate(0.97, 0.95, 0.99), False),  # a map that survives all survives the head, too
        (CHANGED, _estimate(0.97, 0.94, 0.99), False),
        (CHANGED, _estimate(0.97), False),
        (CHANGED, None, False),
    ],
)
def test_maps_that_a_random_head_leaves_alone_are_told(last: Estimate, head: Estimate | None, said: bool) -> None:
    remarks = judge_randomisation(last, vanished=0, head=head).remarks
    assert any(remark.startswith("With the head alone random they stay as they are") for remark in remarks) is said


@pytest.mark.parametrize(
    ("different", "said"), [(ALIKE, True), (_estimate(0.6, LIMIT, 0.7), True), (OPEN, False), (None, False)]
)
def test_maps_that_are_the_same_for_all_images_are_told(different: Estimate | None, said: bool) -> None:
    for last in (CHANGED, ALIKE, OPEN):
        remarks = judge_randomisation(last, vanished=0, different=different).remarks
        assert any(remark.startswith("Maps of different images are alike") for remark in remarks) is said
