"""A study of made-up numbers: two methods, one of which passes, fails and lacks something."""

from __future__ import annotations

from typing import Any

from btxrd_explain.commands.study.criteria import QUESTIONS, RULES, Criterion, Name, Outcome, not_computed
from btxrd_explain.commands.study.report import Classifier, MethodReport, Network, StudyReport
from btxrd_explain.evaluation.parts import Estimate
from btxrd_explain.finding import Finding


def estimate(mean: float | None, low: float | None = None, high: float | None = None) -> Estimate:
    """Return a mean over 40 images."""
    return Estimate(mean=mean, low=low, high=high, n=40, units=38)


def criterion(outcome: Outcome, **facts: Any) -> Criterion:  # noqa: ANN401 -- any field
    """Return a criterion that was computed."""
    usual: dict[str, Any] = {
        "reason": "because of *this* | that",
        "score": "spearman",
        "estimate": estimate(0.7, 0.6, 0.8),
        "chance": 0.25,
        "against": [],
        "further": {"ss_im": estimate(0.5)},
    }
    return Criterion(outcome=outcome, **usual | facts)


WARNING = Finding.of("one-class", "all radiographs are said to be 'a_b'")


def make_report(**facts: Any) -> StudyReport:  # noqa: ANN401 -- any field
    """Return the report of two methods."""
    good = {str(name): criterion(Outcome.PASS) for name in Name}
    mixed = good | {
        "localisation": criterion(Outcome.FAIL, estimate=estimate(0.1), chance=None, further={}),
        "repeatability": not_computed("no second checkpoint"),
        "intervention": criterion(Outcome.UNCLEAR, estimate=estimate(0.0, -0.5, 0.5), chance=0.0),
    }
    shared: dict[str, Any] = {"warnings": [WARNING], "provenance": {}}
    network = Network(checkpoint="my_best.pt", checkpoint_sha256="ab" * 32, architecture="resnet18", members=[])
    usual: dict[str, Any] = {
        "conclusion": ["gradcam passes.", "layercam fails."],
        "questions": dict(QUESTIONS),
        "rules": dict(RULES),
        "num_images": 50,
        "num_annotated": 40,
        "methods": {
            "gradcam": MethodReport(**good, folder="gradcam", **shared),
            "layercam": MethodReport(**mixed, folder="layercam", **shared),
        },
        "classifier": Classifier(verdict="It depends.", outcome="depends"),
        "first": network,
        "second": None,
        "synthetic": False,
        "methods_paragraph": "Made of 2 methods.",
        "limits": ["a limit"],
        "definitions": {},
        "sources": ["a source"],
        "failed_images": [],
        "files": {},
        "sha256": {},
    }
    return StudyReport(**usual | facts)
