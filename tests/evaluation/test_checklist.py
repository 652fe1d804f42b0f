"""The sixteen points of reviewers: met by what a run did, and not by what it could."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from btxrd_explain.core.choices import Rule
from btxrd_explain.core.sanity import Outcome
from btxrd_explain.core.threshold import Threshold
from btxrd_explain.evaluation.checklist import Evidence, build_checklist
from btxrd_explain.evaluation.protocol import INDEPENDENT

OVERLAP, INTERVALS, RULE, ORIGIN, FREE, BASELINES, CEILING, RANDOM = range(8)
SLICES, SUBGROUPS, GROUPS, EXCLUSIONS, PROVENANCE, HUMAN, LIMITS, INTERVENTIONS = range(8, 16)


def _metric(**facts: Any) -> Any:  # noqa: ANN401 -- a metric
    usual: dict[str, Any] = {
        "n": 40,
        "mean": 0.25,
        "low": 0.2,
        "chance": 0.1,
        "ceiling": SimpleNamespace(mean=0.8),
        "baselines": {str(kind): SimpleNamespace(mean=0.1) for kind in INDEPENDENT},
    }
    return SimpleNamespace(**usual | facts)


def _evidence(
    *,
    metrics: dict[str, Any] | None = None,
    extent: dict[str, Any] | None = None,
    summary: dict[str, Any] | None = None,
    imported: object = None,
    threshold: Threshold | None = None,
    units: int = 30,
    **facts: Any,  # noqa: ANN401 -- further attributes
) -> Any:  # noqa: ANN401 -- an evidence
    provenance = SimpleNamespace(
        imported=imported,
        checkpoint_sha256="ab" * 32,
        fingerprint="0123",
        maps="maps",
        architecture="resnet18",
        checkpoint="best.pt",
    )
    table = SimpleNamespace(provenance=provenance)
    protocol = SimpleNamespace(threshold=threshold or Threshold())
    names = ("iou", "pointing_hit", "average_precision")
    overall = SimpleNamespace(
        metrics=dict.fromkeys(names, _metric()) | (metrics or {}), n=40, n_undefined=2, units=units
    )
    parts: dict[str, Any] = {
        **{key: {"a": 1, "b": 2} for key in ("by_class", "by_outcome", "by_lesion_size")},
        "by_metadata": {"center": {"1": 1, "2": 2}},
        "excluded": {"no annotation file": 3},
        "num_attention_patterns": 0,
        "overall": overall,
    }
    done: dict[str, Any] = {
        "tuning": None,
        "group_column": "patient",
        "interventions": "they depend",
        "sanity": SimpleNamespace(outcome=Outcome.CHANGE, text="The maps change."),
    }
    usual: dict[str, Any] = {
        "evaluation": SimpleNamespace(protocol=protocol, selected=SimpleNamespace(table=table)),
        "summary": SimpleNamespace(**parts | (summary or {})),
        "statistics": SimpleNamespace(units=units, unit="groups of patient", resamples=1000, seed=0),
        "extent": SimpleNamespace(**done | (extent or {})),
        "limits": ["one"],
    }
    return Evidence(**usual | facts)


def _points(**facts: Any) -> list[tuple[str, str]]:  # noqa: ANN401 -- what the evidence is made of
    return [(point.status, point.evidence) for point in build_checklist(_evidence(**facts))]


def test_a_run_that_did_everything_meets_all_but_the_readers() -> None:
    points = build_checklist(_evidence())
    assert [point.number for point in points] == list(range(1, 17))
    assert [point.number - 1 for point in points if point.status != "met"] == [HUMAN]
    assert all(point.item and point.source and point.evidence for point in points)


NOTHING = _metric(n=0, mean=None, low=None, chance=None, ceiling=None, baselines={})


@pytest.mark.parametrize(
    ("point", "facts", "evidence"),
    [
        (OVERLAP, {"metrics": {"iou": NOTHING}}, "no image has an IoU"),
        (INTERVALS, {"metrics": {"iou": NOTHING}, "units": 1}, "no interval from 1 independent units"),
        (FREE, {"metrics": {"average_precision": NOTHING}}, "no image has an average precision"),
        (BASELINES, {"metrics": {"iou": NOTHING}}, f"not scored: {', '.join(map(str, INDEPENDENT))}"),
        (CEILING, {"metrics": {"iou": NOTHING}}, "no image has a ceiling"),
        (CEILING, {"metrics": {"iou": _metric(ceiling=SimpleNamespace(mean=None))}}, "no image has a ceiling"),
        (RANDOM, {"extent": {"sanity": None}}, "no sanity_report.json of the same table"),
        (SLICES, {"summary": {"by_outcome": {}}}, "nothing to slice by outcome"),
        (SUBGROUPS, {"summary": {"by_metadata": {}}}, "no column of the metadata was named (--by)"),
        (SUBGROUPS, {"summary": {"by_metadata": {"center": {"1": 1}}}}, "1 by center"),
        (GROUPS, {"extent": {"group_column": None}}, "intervals draw images"),
        (GROUPS, {"units": 40}, "no two of the 40 images share a value of 'patient'"),
        (LIMITS, {"limits": []}, "0 limits are stated"),
        (INTERVENTIONS, {"extent": {"interventions": None}}, "no intervention_report.json"),
        (PROVENANCE, {"imported": object()}, "maps (SHA-256 abababab, fingerprint 0123); what computed them is not"),
        (RANDOM, {"imported": object()}, "the heat maps are imported"),
        (INTERVENTIONS, {"imported": object()}, "the heat maps are imported"),
    ],
)
def test_what_a_run_did_not_do_is_not_met_with_the_reason(point: int, facts: dict[str, Any], evidence: str) -> None:
    status, said = _points(**facts)[point]
    assert status == "not met"
    assert said.startswith(evidence)
    others = [one for place, (one, _) in enumerate(_points(**facts)) if place not in {point, HUMAN}]
    assert "met" in others


@pytest.mark.parametrize(("outcome", "status"), [(Outcome.SURVIVE, "met"), (Outcome.UNDECIDED, "not met")])
def test_a_randomisation_counts_where_it_decided_whatever_it_says(outcome: Outcome, status: str) -> None:
    sanity = SimpleNamespace(outcome=outcome, text="It says so.")
    assert _points(extent={"sanity": sanity})[RANDOM] == (status, "the randomisation was run: It says so.")


def test_a_threshold_is_set_before_tuned_elsewhere_or_each_maps_own() -> None:
    assert _points()[ORIGIN][1].startswith("set before the run")
    own = _points(threshold=Threshold(Rule.OTSU))[ORIGIN]
    assert own == ("not applicable", "each map has its own threshold, which no annotation has a say in")
    tuning = SimpleNamespace(images=12, file="val.csv")
    assert _points(extent={"tuning": tuning})[ORIGIN] == (
        "met",
        "tuned on 12 other images (val.csv), none of which shares its patient with a scored one",
    )
    alone = _points(extent={"tuning": tuning, "group_column": None})[ORIGIN]
    assert alone == ("met", "tuned on 12 other images (val.csv)")


def test_readers_are_met_where_they_can_be_compared() -> None:
    def human(mean: float | None, fraction: float | None = 0.5) -> Any:  # noqa: ANN401 -- a benchmark
        reader, heat, part = (SimpleNamespace(mean=one, n=7) for one in (mean, 0.3, fraction))
        found = SimpleNamespace(reader=reader, heat_map=heat, fraction=part)
        return SimpleNamespace(readers={"A": 1, "B": 2}, all_readers=SimpleNamespace(scores={"iou": found}))

    assert _points(human=human(0.6))[HUMAN] == (
        "met",
        "2 readers: mean IoU 0.600, heat maps 0.300, 0.50 of it, on the same 7 images",
    )
    assert "of it" not in _points(human=human(0.6, None))[HUMAN][1]
    assert _points(human=human(None))[HUMAN] == ("not met", "no image of the 2 readers can be compared")
    assert _points()[HUMAN][1].startswith("each image has one annotation")


def test_exclusions_are_counted_with_the_undefined() -> None:
    assert _points()[EXCLUSIONS] == ("met", "3 excluded, 2 undefined; each is named with its reason")
    assert _points(summary={"excluded": {}})[EXCLUSIONS][1].startswith("0 excluded, 2 undefined")
    told = _points(summary={"num_attention_patterns": 5})[EXCLUSIONS][1]
    assert told.endswith("with its reason; besides, 5 of a class without a lesion have nothing to score")
