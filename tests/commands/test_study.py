"""`study` on tiny networks: it gathers what the commands report, judges by its rules, and computes nothing twice."""

from __future__ import annotations

import csv
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from btxrd_explain.commands.study import criteria, report, steps
from btxrd_explain.commands.study.criteria import Name, Outcome, Pair
from btxrd_explain.commands.study.steps import Measured
from btxrd_explain.core import sanity
from btxrd_explain.evaluation.parts import Estimate
from btxrd_explain.finding import Finding
from btxrd_explain.inference import loading
from btxrd_explain.inference.compute import Explainer
from btxrd_explain.settings import Settings
from tests.support.command_line import run
from tests.support.tiny_study import save_network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

COUNT, SAMPLE = 6, 2
METHODS = ("gradcam", "guided-backprop")
FEW = (
    *("--image-size", 64, "--device", "cpu", "--sample", SAMPLE, "--stages", 2, "--controls", 1, "--dpi", 50),
    *("--set", "annotation.panels=1", "--set", "intervention.pictures=0", "--set", "evaluation.resamples=100"),
)


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    """Let the commands draw none of their own figures, and load each network once per method."""
    load, loaded = loading._load_member, dict[Any, Explainer]()

    def once(settings: Settings, request: Any, path: Path, name: str, *, at_most: int | None) -> Explainer:  # noqa: ANN401 -- JSON
        key = (path, settings.gradcam.method, name, at_most, json.dumps(request, sort_keys=True))
        if key not in loaded:
            loaded[key] = load(settings, request, path, name, at_most=at_most)
        return loaded[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "_load_member", once)
        patch.setattr("btxrd_explain.commands.sanity.draw_figures", lambda *_: ())
        patch.setattr("btxrd_explain.commands.annotate_iou.figures.draw_charts", lambda *_: {})
        patch.setattr("btxrd_explain.commands.annotate_iou.figures.draw_comparison", lambda *_: None)
        patch.setattr("btxrd_explain.commands.intervene.figures.draw_figures", lambda *_: {})
        patch.setattr("btxrd_explain.commands.compare.report._draw", lambda *given: given[3].touch())
        yield


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, write_root: Callable[[Path, int], None]) -> Path:
    """Six radiographs, two trainings of one architecture and one of another."""
    folder = tmp_path_factory.mktemp("study")
    write_root(folder, COUNT)
    for name, architecture, seed in (("a", "test_resnet", 0), ("b", "test_resnet", 3), ("other", "test_vit", 0)):
        sized = {"img_size": 64} if "vit" in architecture else {}
        save_network(folder / f"{name}.pt", architecture=architecture, options=sized, side=None, seed=seed)
    return folder


def study(place: Path, out: Path, *arguments: object, code: int = 0) -> Any:  # noqa: ANN401 -- typer's result
    command = ["study", place / "BTXRD", "--split-csv", place / "split.csv", "-o", out, *FEW, *arguments]
    return run(*command, code=code)


@pytest.fixture(scope="module")
def words(place: Path) -> list[object]:
    """An ensemble of one architecture, and a second checkpoint of another, which guided backpropagation refuses."""
    members = [f"--checkpoint={place / name}.pt" for name in ("a", "b")]
    return [*members, "--second-checkpoint", place / "other.pt", "--methods", ",".join(METHODS)]


@pytest.fixture(scope="module")
def studied(place: Path, words: list[object], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    out = tmp_path_factory.mktemp("out")
    return out, study(place, out, *words)


def read(path: Path) -> Any:  # noqa: ANN401 -- JSON
    return json.loads(path.read_text("utf-8"))


def test_it_gathers_what_the_commands_report(studied: tuple[Path, Any]) -> None:
    out, _ = studied
    report = read(out / "study_report.json")
    assert list(report["methods"]) == list(METHODS)
    assert (report["num_images"], report["num_annotated"]) == (COUNT, 4)
    for method, found in report["methods"].items():
        scores = read(out / method / "annotation_report.json")["summary"]["overall"]["metrics"]["average_precision"]
        localisation = found["localisation"]
        assert localisation["estimate"] == {key: scores[key] for key in Estimate.model_fields}
        assert localisation["chance"] == scores["chance"]
        assert {one["name"]: one["difference"] for one in localisation["against"]} == {
            name: one["difference"] for name, one in scores["baselines"].items()
        }
        checked = read(out / method / "sanity_report.json")
        assert found["sensitivity"]["estimate"] == checked["stages"][-1]["spearman"]
        assert found["sensitivity"]["chance"] == checked["chance"]["spearman"]["mean"]
        assert checked["verdict"] in found["sensitivity"]["reason"]
        repeated = list(read(out / method / "member2" / "comparison.json")["tables"].values())[1]["agreement"]
        assert found["repeatability"]["estimate"] == repeated["maps"]["spearman"]
        assert found["repeatability"]["chance"] == repeated["chance"]["spearman"]["mean"]
        changed = read(out / method / "intervention_report.json")
        assert found["intervention"]["estimate"] == changed["energy_with_excess"]
        assert report["classifier"] == {key: changed[key] for key in ("verdict", "outcome")}
    lines = (out / "intervention_journal.jsonl").read_text("utf-8").split("\n")
    assert len(list(filter(None, lines))) == COUNT  # one for all methods
    other = list(read(out / "gradcam" / "second" / "comparison.json")["tables"].values())[1]["agreement"]
    assert report["methods"]["gradcam"]["reproducibility"]["estimate"] == other["maps"]["spearman"]


def test_a_baseline_that_was_not_scored_is_named() -> None:
    assert ", without a score of other-class" in criteria._localised(metric(0.3, (0.1, 0.2)), ["other-class"])[1]


def test_what_cannot_be_computed_is_null_with_its_reason(studied: tuple[Path, Any]) -> None:
    found = read(studied[0] / "study_report.json")["methods"]["guided-backprop"]["reproducibility"]
    assert found["outcome"] == "not computed"
    assert found["estimate"] is found["score"] is found["chance"] is None
    assert "no checkpoint of another architecture was given; the second checkpoint: " in found["reason"]
    assert "ReLU" in found["reason"]
    said = " ".join(studied[1].stderr.split())
    assert "note: guided-backprop: the second checkpoint is not compared: guided-backprop works on networks" in said


def test_table_summary_and_terminal_say_the_same(studied: tuple[Path, Any]) -> None:
    out, result = studied
    report = read(out / "study_report.json")
    rows = pq.read_table(out / "study_criteria.parquet").to_pylist()
    assert [(row["method"], row["criterion"]) for row in rows] == [(m, n) for m in METHODS for n in Name]
    summary, shown = (out / "study_report.md").read_text("utf-8"), " ".join(result.stdout.split())
    with (out / "study_criteria.csv").open(encoding="utf-8") as file:
        cells = list(csv.DictReader(file))
    for row, cell in zip(rows, cells, strict=True):
        criterion = report["methods"][row["method"]][row["criterion"]]
        estimate = criterion["estimate"] or dict.fromkeys(Estimate.model_fields)
        assert {key: row[key] for key in estimate} == estimate
        assert (row["outcome"], row["chance"], row["reason"]) == tuple(
            criterion[key] for key in ("outcome", "chance", "reason")
        )
        assert cell["mean"] == ("" if row["mean"] is None else cell["mean"])
        assert f"{row['method']}: {row['outcome']}. {' '.join(row['reason'].split())}" in shown
    for text in ("2 methods", "an ensemble of 2, test_resnet", "Adebayo", "set beforehand"):
        assert text in report["methods_paragraph"]
        assert text.replace("_", "\\_") in summary
    assert all(rule in report["rules"].values() for rule in criteria.RULES.values())
    assert (out / "study_criteria.png").stat().st_size > 1000
    assert set(report["sha256"]) == set(report["files"].values())


def test_the_cost_is_said_before_it_starts_and_the_next_step_after(studied: tuple[Path, Any]) -> None:
    said = " ".join(studied[1].stderr.split())
    stages = len(read(studied[0] / "gradcam" / "sanity_report.json")["stages"])
    # All radiographs by the ensemble, the second network and both members; some by the trained and each random network
    rows, maps = COUNT * 4, SAMPLE * (stages + 1)
    told = f"at most {rows} rows of tables ({COUNT} radiographs, 4 networks) and {maps} maps for random weights"
    assert f"gradcam: {told}, some " in said
    cost, start = said.index("the study takes the network some"), said.index("note: method gradcam")
    assert cost < start
    assert said.count("classes without a lesion") == 1  # said by every command
    assert "next: btxrd-explain compare " in said


def test_a_repeated_run_computes_nothing_again(
    place: Path, words: list[object], studied: tuple[Path, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, _ = studied
    before = read(out / "study_report.json"), (out / "intervention_journal.jsonl").read_bytes()

    def never(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(Explainer, "_explained", never)
    monkeypatch.setattr("btxrd_explain.commands.sanity.randomise", never)
    result = study(place, out, *words, "--json")
    assert json.loads(result.stdout) == read(out / "study_report.json") == before[0]
    assert (out / "intervention_journal.jsonl").read_bytes() == before[1]


def test_the_randomisation_test_is_that_of_the_same_radiographs(place: Path) -> None:
    """Whatever it depends on gives another key, also which radiographs are annotated: those are drawn first."""

    def key(
        settings: Settings,
        annotated: tuple[str, ...] = ("a",),
        sha256: str = "1",
        made: str = "f",
        label: str | None = None,
    ) -> str:
        columns = {"image_id": ["a", "b"], "sha256": [sha256, "2"], "label": ["Benign", label]}
        rows = SimpleNamespace(column=lambda name: SimpleNamespace(to_pylist=lambda: columns[name]))
        table = SimpleNamespace(provenance=SimpleNamespace(fingerprint=made))
        collection = SimpleNamespace(annotations=dict.fromkeys(annotated, place))
        filled: Any = SimpleNamespace(rows=rows, table=table, collection=collection)
        return steps._key(settings, filled)

    usual = Settings()
    other = usual.model_copy(update={"sanity": usual.sanity.model_copy(update={"random_seed": 1})})
    keys = [key(usual), key(other), key(usual, ("a", "b"))]
    keys += [key(usual, sha256="3"), key(usual, made="g"), key(usual, label="Benign")]
    assert len(set(keys)) == 6
    assert key(usual) == keys[0]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("-c", "a.pt", "--second-checkpoint", "a.pt"), 2, "the second checkpoint is the first one ('a.pt')"),
        (
            ("-c", "a.pt", "-c", "b.pt", "--second-checkpoint", "b.pt"),
            2,
            "first one ('a.pt, b.pt') have a network in co",
        ),
        (("-", "-c", "a.pt"), 2, "the paths on the standard input can be read once"),
        (("-c", "other.pt", "--methods", "guided-backprop"), 2, "no method can be studied: "),
        (("-c", "a.pt", "--set", "output.predictions=t.parquet"), 2, "study has a table for each method"),
        ((), 2, "no checkpoint is named"),
    ],
)
def test_what_makes_no_study_is_an_error_of_one_line(
    place: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(place)
    result = study(place, tmp_path / "out", *arguments, code=code)
    assert message in " ".join(result.stderr.split())
    assert not list(tmp_path.rglob("*.json"))


def test_the_report_speaks_of_what_was_done() -> None:
    """A method that cannot explain the network was not studied, and a demo's second network makes it synthetic."""

    def network(*, synthetic: bool) -> Any:  # noqa: ANN401 -- what of a Provenance is looked at
        facts = {"checkpoint": "a.pt", "checkpoint_sha256": "0" * 64, "architecture": "resnet18", "members": ()}
        return SimpleNamespace(**facts, synthetic=synthetic, document=dict)

    first, second = network(synthetic=False), network(synthetic=True)
    pairs = (Pair("member 1 and member 2", True, "no image in common"),)
    measured = {
        "gradcam": Measured("no lesion", "no stages", "no lesion", pairs, "none", "none", first),
        "guided-backprop": Measured("no ReLU", "no ReLU", "no ReLU", (), "no ReLU", "no ReLU", None),
    }
    found = report.build_report(measured, [first, second], Settings(), images=(2, 1), failed={})
    assert found.methods_paragraph.startswith("Saliency maps of 1 method (gradcam) were studied on 2 radiographs")
    assert not any(word in found.methods_paragraph for word in ("randomisation", "member", "taken away"))
    assert found.synthetic
    assert list(found.methods) == list(measured)


def test_warnings_of_all_reports_are_passed_on_once() -> None:
    findings = [Finding.of("same-file", f"'{name}' are the same file") for name in ("a and b", "c and d")]
    scored: Any = SimpleNamespace(warnings=findings[:1])
    changed: Any = SimpleNamespace(warnings=findings)
    reports: tuple[Any, ...] = (scored, "no radiograph could be scored")
    for one in reports:
        assert report._warnings(Measured(one, "no stages", changed, (), "none", "none", None)) == findings


def test_radiographs_must_be_named(tmp_path: Path) -> None:
    result = run("study", "-c", "demo", "-o", tmp_path, code=4)
    assert "no radiographs are named: name a BTXRD root" in " ".join(result.stderr.split())


# The rules.


def estimate(mean: float | None, low: float | None = None, high: float | None = None) -> Estimate:
    return Estimate(mean=mean, low=low, high=high, n=20, units=20)


def agreement(maps: Estimate, chance: Estimate) -> Any:  # noqa: ANN401 -- what of an Agreement is looked at
    likeness = [SimpleNamespace(spearman=one, ssim=one, iou=one) for one in (maps, chance)]
    return SimpleNamespace(maps=likeness[0], chance=likeness[1], n_undefined=0)


CHANCE = estimate(0.2, 0.1, 0.3)


@pytest.mark.parametrize(
    ("maps", "chance", "outcome"),
    [
        (estimate(0.7, 0.6, 0.8), CHANCE, Outcome.PASS),
        (estimate(0.5, 0.5, 0.5), CHANCE, Outcome.PASS),
        (estimate(0.4, 0.31, 0.49), CHANCE, Outcome.FAIL),
        (estimate(0.55, 0.4, 0.7), CHANCE, Outcome.UNCLEAR),
        (estimate(0.7, 0.6, 0.8), estimate(0.7, 0.6, 0.9), Outcome.UNCLEAR),
        (estimate(0.6, 0.55, 0.65), estimate(0.8, 0.7, 0.9), Outcome.FAIL),
        (estimate(0.7, 0.6, 0.8), estimate(None), Outcome.UNCLEAR),
        (estimate(0.7), CHANCE, Outcome.UNCLEAR),
        (estimate(None), CHANCE, Outcome.NOT_COMPUTED),
    ],
)
def test_maps_of_two_networks_agree_above_the_limit_and_above_chance(
    maps: Estimate, chance: Estimate, outcome: Outcome
) -> None:
    found = criteria.agreement([Pair("a and b", True, agreement(maps, chance))], "no pair")
    assert found.outcome is outcome
    assert (found.estimate is None) == (outcome is Outcome.NOT_COMPUTED)


def test_of_several_pairs_the_lowest_decides() -> None:
    high, low = agreement(estimate(0.9, 0.8, 1.0), CHANCE), agreement(estimate(0.3, 0.2, 0.4), CHANCE)
    pairs = [Pair("a and b", True, high), Pair("a and c", True, low), Pair("a and d", True, "no image in common")]
    pairs.append(Pair("a and e", True, agreement(estimate(None), CHANCE)))
    found = criteria.agreement(pairs, "")
    assert found.outcome is Outcome.FAIL
    assert found.estimate == low.maps.spearman
    assert found.further["spearman, a and b"] == high.maps.spearman
    assert found.reason.endswith("; a and d: no image in common; a and e: no image has a map of both")
    assert criteria.agreement([], "none was given").reason == "none was given"


def metric(low: float | None, *differences: tuple[float | None, float | None], chance: float | None = 0.1) -> Any:  # noqa: ANN401 -- what of a Metric is looked at
    baselines = {
        f"baseline {number}": SimpleNamespace(difference=estimate(ends[0], *ends))
        for number, ends in enumerate(differences)
    }
    high = None if low is None else low + 0.2
    ends = {"mean": 0.3 if low is None else low + 0.1, "low": low, "high": high}
    return SimpleNamespace(**ends, n=20, units=20, chance=chance, baselines=baselines)


@pytest.mark.parametrize(
    ("found", "outcome", "reason"),
    [
        (metric(0.3, (0.1, 0.2), (0.05, 0.3)), Outcome.PASS, "above chance and all 2 baselines, the nearest is baseli"),
        (metric(0.3, (0.1, 0.2), (-0.1, 0.2)), Outcome.UNCLEAR, "not clearly above baseline 1"),
        (metric(0.3, (-0.1, 0.2), (-0.2, 0.0)), Outcome.FAIL, "not above baseline 1"),
        (metric(-0.2, (0.1, 0.2)), Outcome.FAIL, "not above chance"),
        (metric(0.05, (0.1, 0.2)), Outcome.UNCLEAR, "not clearly above chance"),
        (metric(0.3), Outcome.UNCLEAR, "no baseline was scored"),
        (metric(None, (0.1, 0.2)), Outcome.UNCLEAR, "too few images"),
        (metric(0.3, (0.1, 0.2), (None, None)), Outcome.PASS, "without a score of baseline 1"),
        (metric(0.3, (0.1, 0.2), chance=None), Outcome.PASS, "the nearest is baseline 0"),
    ],
)
def test_maps_are_on_lesions_above_chance_and_every_baseline(found: Any, outcome: Outcome, reason: str) -> None:  # noqa: ANN401 -- as above
    said = criteria._localised(found)
    assert said[0] is outcome
    assert reason in said[1]


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        (estimate(-0.5, -0.8, -0.2), Outcome.PASS),
        (estimate(0.5, 0.2, 0.8), Outcome.FAIL),
        (estimate(-0.1, -0.4, 0.2), Outcome.UNCLEAR),
        (estimate(-0.1), Outcome.UNCLEAR),
        (estimate(None), Outcome.NOT_COMPUTED),
    ],
)
def test_maps_that_look_where_the_class_depends_pass(found: Estimate, outcome: Outcome) -> None:
    report: Any = SimpleNamespace(energy_with_excess=found, table=SimpleNamespace(cells=[]))
    assert criteria.intervention(report).outcome is outcome


def test_sanitys_outcomes_are_pass_fail_and_unclear() -> None:
    outcomes = {}
    for kind in sanity.Outcome:
        stage, chance = SimpleNamespace(name="fc", spearman=CHANCE, ssim=CHANCE), SimpleNamespace(spearman=CHANCE)
        report: Any = SimpleNamespace(outcome=kind, verdict="So.", remarks=["But."], stages=[stage], chance=chance)
        found = criteria.sensitivity(report)
        assert found.reason == "So. But."
        outcomes[str(kind)] = str(found.outcome)
    assert outcomes == {"change": "pass", "survive": "fail", "undecided": "unclear"}


@pytest.mark.parametrize(("before", "said"), [(estimate(0.8, 0.7, 0.9), True), (estimate(0.5, 0.4, 0.6), False)])
def test_maps_that_pass_by_the_last_stage_alone_are_pointed_out(before: Estimate, said: bool) -> None:
    stages = [SimpleNamespace(name=name, spearman=one, ssim=one) for name, one in (("fc", before), ("conv1", CHANCE))]
    chance = SimpleNamespace(spearman=CHANCE)
    change = sanity.Outcome.CHANGE
    report: Any = SimpleNamespace(outcome=change, verdict="So.", remarks=[], stages=stages, chance=chance)
    found = criteria.sensitivity(report)
    assert ("But they stay alike while all but the last stage (conv1) is random" in found.reason) == said
    assert found.further["spearman, random up to fc"] == before
