"""What a study says of how it was made."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from btxrd_explain.commands.study.criteria import Name, Outcome, Pair
from btxrd_explain.commands.study.report import Network, conclude, describe_method, methods_paragraph
from btxrd_explain.commands.study.steps import Measured
from btxrd_explain.finding import Finding
from btxrd_explain.settings import Settings
from btxrd_explain.settings.sources import settings_of

FIRST = Network(checkpoint="best.pt", checkpoint_sha256="ab" * 32, architecture="resnet18", members=[])
ENSEMBLE = Network(checkpoint="folds", checkpoint_sha256="cd" * 32, architecture="vit", members=["0.pt", "1.pt"])


def _measured(**facts: Any) -> Measured:  # noqa: ANN401 -- any attribute
    usual: dict[str, Any] = {
        "scored": "no annotations",
        "checked": "no weights",
        "changed": "no lesions",
        "pairs": (),
        "no_repeat": "no second",
        "no_other": "no other",
        "provenance": SimpleNamespace(document=dict),
    }
    return Measured(**usual | facts)


def _said(measured: dict[str, Measured], *others: Network, settings: Settings | None = None) -> str:
    return methods_paragraph(FIRST, others, measured, settings or Settings(), (50, 40))


def test_reasons_stand_where_nothing_was_measured() -> None:
    report = describe_method(_measured(), "gradcam")
    reasons = {name: criterion.reason for name, criterion in report.criteria()}
    assert reasons == {
        Name.LOCALISATION: "no annotations",
        Name.SENSITIVITY: "no weights",
        Name.REPEATABILITY: "no second",
        Name.REPRODUCIBILITY: "no other",
        Name.INTERVENTION: "no lesions",
    }
    assert {criterion.outcome for _, criterion in report.criteria()} == {Outcome.NOT_COMPUTED}
    assert (report.folder, report.provenance, report.warnings) == ("gradcam", {}, [])
    assert describe_method(_measured(provenance=None), "gradcam").provenance is None


def test_pairs_of_one_architecture_are_apart_from_those_of_two() -> None:
    pairs = (Pair("one", same=True, found="why not"), Pair("two", same=False, found="nor this"))
    report = describe_method(_measured(pairs=pairs), "gradcam")
    assert (report.repeatability.reason, report.reproducibility.reason) == ("one: why not", "two: nor this")


def test_warnings_of_scores_and_interventions_are_there_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (Finding.of("one-class", text) for text in ("a", "b"))
    for name in ("localisation", "intervention"):
        monkeypatch.setattr(
            f"btxrd_explain.commands.study.report.{name}", lambda _: describe_method(_measured(), "x").sensitivity
        )
    scored, changed = SimpleNamespace(warnings=[first]), SimpleNamespace(warnings=[second, first])
    assert describe_method(_measured(scored=scored, changed=changed), "x").warnings == [first, second]


def test_the_paragraph_tells_methods_images_and_networks() -> None:
    said = _said({"gradcam": _measured(), "layercam": _measured(provenance=None)}, ENSEMBLE)
    assert said.startswith(
        "Saliency maps of 1 method (gradcam) were studied on 50 radiographs, 40 of them annotated, with resnet18 "
        f"(checkpoint 'best.pt', SHA-256 {'ab' * 8}) and an ensemble of 2, vit (checkpoint 'folds', "
        f"SHA-256 {'cd' * 8}), by the criteria of Arun et al."
    )
    both = _said({name: _measured() for name in ("gradcam", "layercam")})
    assert "Saliency maps of 2 methods (gradcam, layercam)" in both


def test_only_what_was_measured_is_told() -> None:
    nothing = _said({"gradcam": _measured()})
    for words in ("Localisation", "randomisation", "rank correlation", "taken away"):
        assert words not in nothing
    metrics = {"average_precision": SimpleNamespace(baselines={"random": None, "edges": None})}
    overall = SimpleNamespace(metrics=metrics)
    everything = _said(
        {
            "gradcam": _measured(
                scored=SimpleNamespace(summary=SimpleNamespace(overall=overall)),
                checked=SimpleNamespace(),
                changed=SimpleNamespace(),
                pairs=(
                    Pair("A and B", same=True, found=SimpleNamespace()),  # type: ignore[arg-type]
                    Pair("A and C", same=False, found=SimpleNamespace()),  # type: ignore[arg-type]
                    Pair("A and D", same=False, found="why not"),
                ),
            )
        },
        settings=settings_of({"sanity.sample": 7, "sanity.stages": 3, "intervention.controls": 5}),
    )
    assert "maps that do not explain it (random, edges)" in everything
    assert "on up to 7 radiographs in at least 3 stages (seed 0)" in everything
    assert "Maps of A and B (one architecture); A and C (two architectures) were compared" in everything
    assert "A and D" not in everything
    assert "Lesions and 5 controls of their shape" in everything


@pytest.mark.parametrize(("column", "unit"), [(None, "images"), ("patient", "groups of patient")])
def test_intervals_are_told_with_what_they_draw(column: str | None, unit: str) -> None:
    settings = settings_of({"evaluation.group_column": column, "evaluation.resamples": 500, "evaluation.seed": 3})
    said = _said({"gradcam": _measured()}, settings=settings)
    assert f"(500 draws of {unit}, seed 3; of single images, 1000 draws, for random weights)" in said


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        (("pass", "fail", "unclear", "pass", "not computed"), "gradcam fails sensitivity: its maps cannot be trusted"),
        (("unclear", "pass", "pass", "pass", "unclear"), "fails nothing, and is unclear in localisation and intervent"),
        (("pass", "pass", "pass", "pass", "pass"), "passes localisation, sensitivity, repeatability, reproducibility"),
        (("not computed",) * 5, "gradcam was not judged. Not computed: localisation, sensitivity, repeatability, repr"),
    ],
)
def test_the_conclusion_follows_from_the_worst_outcome(outcomes: tuple[str, ...], said: str) -> None:
    report = describe_method(_measured(), "gradcam")
    changed = {
        str(name): criterion.model_copy(update={"outcome": Outcome(outcome)})
        for (name, criterion), outcome in zip(report.criteria(), outcomes, strict=True)
    }
    (sentence,) = conclude({"gradcam": report.model_copy(update=changed)})
    assert said in sentence
    assert ("Not computed" in sentence) == ("not computed" in outcomes)
