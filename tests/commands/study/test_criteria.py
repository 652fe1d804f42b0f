"""The rules by which a study says pass, fail or unclear, at and on both sides of each limit."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from btxrd_explain.commands.study.criteria import (
    RULES,
    Name,
    Outcome,
    Pair,
    agreement,
    criterion_of,
    intervention,
    localisation,
    not_computed,
    sensitivity,
)
from btxrd_explain.core import sanity
from btxrd_explain.core.choices import ALL_READERS
from btxrd_explain.evaluation.parts import Estimate
from btxrd_explain.evaluation.schema import Baseline, Metric

if TYPE_CHECKING:
    from btxrd_explain.commands.study.criteria import Criterion


def _estimate(mean: float | None, low: float | None = None, high: float | None = None, n: int = 40) -> Estimate:
    return Estimate(mean=mean, low=low, high=high, n=n, units=n)


HIGH, ABOUT, LOW = _estimate(0.6, 0.5, 0.7), _estimate(0.2, -0.1, 0.4), _estimate(-0.3, -0.4, -0.2)
NONE = _estimate(None, n=0)


def _metric(found: Estimate, chance: float | None = 0.1, **differences: Estimate) -> Metric:
    baselines = {name: Baseline(**_estimate(0.1).document(), difference=one) for name, one in differences.items()}
    facts: dict[str, Any] = {"n_undefined": 0, "chance_from": None, "ceiling": None}
    return Metric(**found.document(), **facts, chance=chance, baselines=baselines)


def _localised(metric: Metric, **facts: Any) -> Criterion:  # noqa: ANN401 -- parts of a report
    metrics = {"average_precision": metric, **dict.fromkeys(("iou", "pointing_hit", "energy_in_mask"), _metric(HIGH))}
    overall = SimpleNamespace(metrics=metrics)
    usual: dict[str, Any] = {"summary": SimpleNamespace(overall=overall), "not_computed": {}, "human": None}
    report: Any = SimpleNamespace(**usual | facts)
    return localisation(report)


BETTER, AT_ZERO, WORSE = _estimate(0.2, 0.1, 0.3), _estimate(0.1, 0.0, 0.2), _estimate(-0.1, -0.2, 0.0)


@pytest.mark.parametrize(
    ("found", "chance", "differences", "outcome"),
    [
        (HIGH, 0.1, {"random": BETTER, "edges": BETTER}, Outcome.PASS),
        (HIGH, 0.1, {"random": BETTER, "edges": WORSE}, Outcome.FAIL),
        (HIGH, 0.1, {"random": BETTER, "edges": AT_ZERO}, Outcome.UNCLEAR),
        (HIGH, 0.8, {"random": BETTER}, Outcome.FAIL),
        (HIGH, 0.7, {"random": BETTER}, Outcome.FAIL),  # wholly at or below chance
        (HIGH, 0.6, {"random": BETTER}, Outcome.UNCLEAR),
        (HIGH, 0.5, {"random": BETTER}, Outcome.UNCLEAR),
        (HIGH, None, {"random": BETTER}, Outcome.PASS),
        (HIGH, 0.1, {}, Outcome.UNCLEAR),
        (HIGH, 0.1, {"random": _estimate(0.2)}, Outcome.UNCLEAR),
        (_estimate(0.6), 0.1, {"random": BETTER}, Outcome.UNCLEAR),
        (NONE, None, {}, Outcome.UNCLEAR),
    ],
)
def test_maps_are_on_lesions_where_chance_and_every_baseline_are_beaten(
    found: Estimate, chance: float | None, differences: dict[str, Estimate], outcome: Outcome
) -> None:
    assert _localised(_metric(found, chance, **differences)).outcome is outcome


def test_a_loss_to_one_baseline_is_named_before_a_doubt_about_another() -> None:
    found = _localised(_metric(HIGH, 0.55, random=BETTER, edges=WORSE, centre=AT_ZERO))
    assert found.outcome is Outcome.FAIL
    assert "not above edges (difference -0.100 [-0.200, 0.000])" in found.reason
    assert "centre" not in found.reason.partition("not above")[2]


def test_baselines_that_have_no_score_are_said() -> None:
    metric = _metric(HIGH, 0.1, random=BETTER, centre=_estimate(0.2))
    found = _localised(metric, not_computed={"average": "no annotations", "centre": "again"})
    assert found.outcome is Outcome.PASS
    assert "without a score of centre, average" in found.reason
    assert "all 1 baselines, the nearest is random (difference 0.200 [0.100, 0.300])" in found.reason


def test_what_is_compared_with_says_whether_it_decides() -> None:
    metric = _metric(HIGH, 0.1, random=BETTER).model_copy(update={"comparators": {"detector": _metric_of_another()}})
    result = SimpleNamespace(scores={"iou": SimpleNamespace(reader=HIGH, difference=LOW, fraction=ABOUT)})
    found = _localised(
        metric, human=SimpleNamespace(all_readers=result, results=[("A", result), (ALL_READERS, result)])
    )
    decide = {one.name: one.decides for one in found.against}
    assert decide == {"random": True, "detector": False, "A": False, "all readers": False}
    assert found.reason.endswith(
        "IoU minus that of the readers -0.300 [-0.400, -0.200], 0.200 [-0.100, 0.400] of the human benchmark"
    )
    assert (found.score, found.chance) == ("average_precision", 0.1)
    assert set(found.further) == {"iou", "pointing_hit", "energy_in_mask"}


def _metric_of_another() -> Baseline:
    return Baseline(**_estimate(0.9).document(), difference=WORSE)


def _checked(outcome: sanity.Outcome, *stages: Estimate, remarks: tuple[str, ...] = ()) -> Criterion:
    named = [SimpleNamespace(name=f"stage{number}", spearman=one, ssim=ABOUT) for number, one in enumerate(stages)]
    chance = SimpleNamespace(spearman=ABOUT)
    report: Any = SimpleNamespace(stages=named, chance=chance, outcome=outcome, verdict="Said.", remarks=list(remarks))
    return sensitivity(report)


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        (sanity.Outcome.CHANGE, Outcome.PASS),
        (sanity.Outcome.SURVIVE, Outcome.FAIL),
        (sanity.Outcome.UNDECIDED, Outcome.UNCLEAR),
    ],
)
def test_sensitivity_is_what_sanity_says(said: sanity.Outcome, outcome: Outcome) -> None:
    found = _checked(said, HIGH, LOW, remarks=("A remark.",))
    assert found.outcome is outcome
    assert found.reason.startswith("Said. A remark.")
    assert found.estimate == LOW
    assert found.further == {"ssim": ABOUT, "spearman, random up to stage0": HIGH}
    assert (found.chance, [one.decides for one in found.against]) == (0.2, [False])


def test_maps_that_change_with_the_last_stage_alone_are_said_to() -> None:
    assert "the first layers alone" in _checked(sanity.Outcome.CHANGE, ABOUT, HIGH, LOW).reason
    assert "the first layers alone" not in _checked(sanity.Outcome.CHANGE, HIGH, ABOUT, LOW).reason
    assert "the first layers alone" not in _checked(sanity.Outcome.SURVIVE, HIGH, HIGH).reason
    assert "the first layers alone" not in _checked(sanity.Outcome.CHANGE, LOW).reason


def _pair(name: str, maps: Estimate, chance: Estimate, undefined: int = 0) -> Pair:
    found: Any = SimpleNamespace(
        maps=SimpleNamespace(spearman=maps, ssim=ABOUT, iou=ABOUT),
        chance=SimpleNamespace(spearman=chance),
        n_undefined=undefined,
    )
    return Pair(name, same=True, found=found)


@pytest.mark.parametrize(
    ("maps", "chance", "outcome"),
    [
        (_estimate(0.7, 0.5, 0.9), _estimate(0.2, 0.1, 0.3), Outcome.PASS),
        (_estimate(0.7, 0.5, 0.9), _estimate(0.4, 0.3, 0.5), Outcome.UNCLEAR),  # not above that of different images
        (_estimate(0.7, 0.49, 0.9), _estimate(0.2, 0.1, 0.3), Outcome.UNCLEAR),
        (_estimate(0.3, 0.2, 0.49), _estimate(0.1, 0.0, 0.1), Outcome.FAIL),
        (_estimate(0.5, 0.4, 0.5), _estimate(0.1, 0.0, 0.1), Outcome.UNCLEAR),
        (_estimate(0.7, 0.6, 0.8), _estimate(0.9, 0.8, 1.0), Outcome.FAIL),
        (_estimate(0.7, 0.6, 0.8), _estimate(0.9), Outcome.UNCLEAR),
        (_estimate(0.3, 0.2, 0.4), _estimate(0.9), Outcome.FAIL),
        (_estimate(0.7), _estimate(0.2, 0.1, 0.3), Outcome.UNCLEAR),
    ],
)
def test_maps_of_two_networks_agree_where_they_are_more_alike_than_those_of_different_images(
    maps: Estimate, chance: Estimate, outcome: Outcome
) -> None:
    assert agreement([_pair("two", maps, chance)], "none").outcome is outcome


def test_the_pair_that_agrees_least_decides_and_the_others_are_shown() -> None:
    good, bad = _estimate(0.8, 0.7, 0.9), _estimate(0.3, 0.2, 0.4)
    chance = _estimate(0.1, 0.0, 0.2)
    failed = Pair("C and D", same=True, found="the method cannot explain D")
    found = agreement([_pair("A and B", good, chance), _pair("A and C", bad, chance, undefined=3), failed], "none")
    assert found.outcome is Outcome.FAIL
    assert found.reason == (
        "A and C: mean rank correlation 0.300 [0.200, 0.400] (n = 40), below 0.5; that of different images 0.100 "
        "[0.000, 0.200]; pairs without two maps, which count nowhere: 3; C and D: the method cannot explain D"
    )
    assert found.further["spearman, A and B"] == good
    assert (found.estimate, found.chance) == (bad, 0.1)


def test_no_pair_at_all_is_not_computed_with_the_reason() -> None:
    assert agreement([], "no second checkpoint").reason == "no second checkpoint"
    found = agreement([_pair("two", NONE, NONE), Pair("others", same=True, found="why")], "unused")
    assert (found.outcome, found.estimate) == (Outcome.NOT_COMPUTED, None)
    assert found.reason == "two: no image has a map of both; others: why"


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        (_estimate(-0.4, -0.6, -0.1), Outcome.PASS),
        (_estimate(0.4, 0.1, 0.6), Outcome.FAIL),
        (_estimate(-0.4, -0.6, 0.0), Outcome.UNCLEAR),
        (_estimate(0.4, 0.0, 0.6), Outcome.UNCLEAR),
        (_estimate(-0.4), Outcome.UNCLEAR),
        (NONE, Outcome.NOT_COMPUTED),
    ],
)
def test_an_intervention_asks_for_a_correlation_below_zero(found: Estimate, outcome: Outcome) -> None:
    table = SimpleNamespace(cells=[SimpleNamespace(name="right", fraction=HIGH)])
    report: Any = SimpleNamespace(energy_with_excess=found, table=table)
    criterion = intervention(report)
    assert criterion.outcome is outcome
    if outcome is not Outcome.NOT_COMPUTED:
        assert criterion.further == {"fraction, right": HIGH}
        assert criterion.chance == 0.0


def test_a_reason_stands_for_what_was_not_measured() -> None:
    def never(_: object) -> Criterion:
        raise AssertionError

    criterion = criterion_of("no annotations", never)
    assert criterion == not_computed("no annotations")
    assert (criterion.score, criterion.against, criterion.further) == (None, [], {})


@pytest.mark.parametrize("name", Name)
def test_every_criterion_has_a_rule_that_names_its_outcomes(name: Name) -> None:
    assert "pass: " in RULES[name]
    assert "fail: " in RULES[name]
