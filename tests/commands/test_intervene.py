"""`intervene` on the demo's classifier: its report, what a rerun takes over, and what goes wrong."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from btxrd_explain.core.choices import Activation
from btxrd_explain.evaluation.extent import read_interventions
from btxrd_explain.inference.compute import Explainer
from btxrd_explain.synthetic import demo_checkpoint
from tests.support.command_line import run
from tests.support.figures import drawn_figures
from tests.support.small_dataset import write_small_dataset
from tests.support.small_table import PROVENANCE

if TYPE_CHECKING:
    from pathlib import Path

    import torch

pytestmark = pytest.mark.usefixtures("blank_figures")

CONTROLS = ("--controls", 5)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("intervene") / "BTXRD"
    write_small_dataset(root, seed=4, per_class={"test": 2})
    return root


def intervene(data: Path, out: Path, *arguments: object, code: int = 0) -> Any:  # noqa: ANN401 -- a result
    command = ["intervene", "--root", data, "--split-csv", data / "split.csv", "-o", out, "--device", "cpu", *arguments]
    if "-c" not in arguments:
        command += ["-c", demo_checkpoint()]
    return run(*command, code=code)


def report_of(data: Path, out: Path, *arguments: object, code: int = 0) -> Any:  # noqa: ANN401 -- JSON
    return json.loads(intervene(data, out, "--json", *CONTROLS, *arguments, code=code).stdout)


@pytest.fixture(scope="module")
def done(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    out = tmp_path_factory.mktemp("out")
    return _report_with_pictures(data, out), out


def _report_with_pictures(data: Path, out: Path) -> Any:  # noqa: ANN401 -- JSON
    with drawn_figures():
        return report_of(data, out, "--by", "center", "--set", "output.dpi=150")


def rows_of(out: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(out / "intervention_metrics.parquet").to_pylist()
    return rows


def without(report: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in report.items() if name not in names}


def test_the_report_follows_from_the_table(done: tuple[dict[str, Any], Path]) -> None:
    report, out = done
    assert report == json.loads((out / "intervention_report.json").read_text())
    rows = rows_of(out)
    assert (report["num_images"], report["num_with_lesion"]) == (len(rows), 4) == (6, 4)
    overall = report["summary"]["overall"]["effects"]
    for name in ("lesion", "control", "excess", "excess_blur", "lesion_alone", "border", "background", "markers"):
        for measure in ("log_odds", "probability", "flip"):
            values = [row[f"{name}_{measure}"] for row in rows if row[f"{name}_{measure}"] is not None]
            assert overall[name][measure]["n"] == len(values)
            if values:
                assert overall[name][measure]["mean"] == pytest.approx(np.mean(values))
            else:
                assert overall[name][measure]["mean"] is None
    for row in rows:
        each = row["control_each_log_odds"]
        assert len(each) == (row["n_controls"] or 0)
        if each:
            assert row["control_log_odds"] == pytest.approx(np.mean(each))
            assert row["excess_log_odds"] == pytest.approx(row["lesion_log_odds"] - np.mean(each))
        if row["rank"] is not None:
            assert row["rank"] == 1 + sum(effect <= row["lesion_log_odds"] for effect in each)
            assert row["depends"] == (row["rank"] == 1)
    assert report["outcome"] == "depends"
    assert overall["excess"]["log_odds"]["high"] < 0
    assert abs(overall["control"]["log_odds"]["mean"]) < 0.3
    assert set(report["summary"]["by_metadata"]["center"]) == {row["meta_center"] for row in rows}
    assert f"n = {overall['excess']['log_odds']['n']}" in report["verdict"]


def test_radiographs_without_a_lesion_have_null(done: tuple[dict[str, Any], Path]) -> None:
    normal = [image for image in done[0]["per_image"] if image["class"] == "Normal"]
    assert len(normal) == 2
    for image in normal:
        values = [
            image[name] for name in ("lesion", "control", "excess", "n_controls", "rank", "depends", "looks", "cell")
        ]
        assert values == [None] * 8


def test_the_cells_count_each_image_once(done: tuple[dict[str, Any], Path]) -> None:
    table, rows = done[0]["table"], rows_of(done[1])
    assert [cell["count"] for cell in table["cells"]] == [len(cell["images"]) for cell in table["cells"]]
    assert table["n"] + table["n_undefined"] == 4
    for cell in table["cells"]:
        for row in (row for row in rows if row["image_id"] in cell["images"]):
            assert (row["looks"], row["depends"], row["cell"]) == (cell["looks"], cell["depends"], cell["name"])
            assert row["looks"] == row["pointing_hit"]


def test_it_writes_all_that_it_names(done: tuple[dict[str, Any], Path]) -> None:
    report, out = done
    assert {"metrics", "metrics_csv", "summary", "intervention_effects", "intervention_conditions"} <= set(
        report["files"]
    )
    for name in report["files"].values():
        assert (out / name).stat().st_size
        if name.endswith(".png"):
            with Image.open(out / name) as picture:
                assert min(picture.size) > 500
    text = (out / "intervention_report.md").read_text()
    assert report["verdict"] in text
    assert "None" not in text
    assert len((out / "intervention_metrics.csv").read_text().splitlines()) == 7


def test_the_effects_do_not_depend_on_the_map(data: Path, done: tuple[dict[str, Any], Path], tmp_path: Path) -> None:
    other = report_of(data, tmp_path, "--by", "center", "--method", "randomcam", "--pictures", 0)
    for name in ("summary", "surroundings", "verdict", "remarks", "fills_disagree"):
        assert other[name] == done[0][name]
    effects = [name for name in rows_of(tmp_path)[0] if name.endswith(("_log_odds", "_flip", "_probability"))]
    assert len(effects) == 2 * 9 + 3 * 4 + 2
    for own, theirs in zip(rows_of(done[1]), rows_of(tmp_path), strict=True):
        assert {name: own[name] for name in effects} == {name: theirs[name] for name in effects}


def counted(monkeypatch: pytest.MonkeyPatch, stop_after: int | None = None) -> list[int]:
    """Count the pictures that go through the network; stop as Ctrl-C does after some."""
    original, seen = Explainer.scores, [0]

    def scores(self: Explainer, batch: torch.Tensor) -> torch.Tensor:
        if stop_after is not None and seen[0] >= stop_after:
            raise KeyboardInterrupt
        seen[0] += len(batch)
        return original(self, batch)

    monkeypatch.setattr(Explainer, "scores", scores)
    return seen


def test_an_interrupted_run_goes_on_where_it_was(
    data: Path, done: tuple[dict[str, Any], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        counted(patch, stop_after=60)
        intervene(data, tmp_path, *CONTROLS, code=130)
    assert not (tmp_path / "intervention_report.json").exists()
    journal = tmp_path / "intervention_journal.jsonl"
    kept = [line for line in journal.read_bytes().splitlines() if line]
    assert 1 <= len(kept) < 6
    journal.write_bytes(journal.read_bytes() + kept[0][:40])  # torn by a crash
    with monkeypatch.context() as patch:
        rest = counted(patch)
        report = _report_with_pictures(data, tmp_path)
        asked = rest[0]
    assert report == done[0]
    with monkeypatch.context() as patch:
        again = counted(patch)
        assert _report_with_pictures(data, tmp_path) == report
        assert again[0] <= 8 < asked  # but for the batches that time a pass


def test_a_file_of_another_program_stays(data: Path, tmp_path: Path) -> None:
    (tmp_path / "intervention_journal.jsonl").write_text("mine\n")
    result = intervene(data, tmp_path, *CONTROLS, code=6)
    assert "is in the way" in result.stderr
    assert (tmp_path / "intervention_journal.jsonl").read_text() == "mine\n"


def test_it_says_what_it_costs(data: Path, done: tuple[dict[str, Any], Path]) -> None:
    result = intervene(data, done[1], *CONTROLS)
    most, least = 1 + 2 * (1 + 5) + 4, 1 + 3
    pictures, passes = 4 * most + 2 * least, 4 * -(-most // 4) + 2 * -(-least // 4)
    cost = f"6 radiographs, with all changes at most {pictures} pictures in {passes} passes of the network: some "
    assert cost in " ".join(result.stderr.split())


def test_annotate_iou_tells_whether_interventions_were_made(
    data: Path, done: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    arguments = ["annotate-iou", "--root", data, "--predictions", done[1] / "predictions.parquet", "--json"]
    with_them, without_them = (json.loads(run(*arguments, "-o", out, code=None).stdout) for out in (done[1], tmp_path))
    point = with_them["checklist"][15]
    assert point["status"] == "met"
    assert done[0]["verdict"] in point["evidence"]
    assert f"Interventions: {done[0]['verdict']}" in with_them["limits"][1]
    assert without_them["checklist"][15]["status"] == "not met"
    assert "were not made here" in without_them["limits"][1]


def test_the_verdict_on_another_input_or_activation_is_not_taken_over(tmp_path: Path) -> None:
    made = PROVENANCE.document()
    report = {"verdict": "yes", "provenance": made | {"method": "eigencam"}}
    (tmp_path / "intervention_report.json").write_text(json.dumps(report))
    assert read_interventions(tmp_path, PROVENANCE) == "yes"
    resized = replace(PROVENANCE, preprocessing=replace(PROVENANCE.preprocessing, antialias=True))
    for other in (resized, replace(PROVENANCE, activation=Activation.SIGMOID)):
        assert read_interventions(tmp_path, other) is None


def test_a_broken_file_is_named_and_the_others_go_on(data: Path, tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    for image in sorted((data / "images").iterdir())[:2]:
        (tmp_path / "scans" / image.name).write_bytes(image.read_bytes())
    (tmp_path / "scans" / "broken.png").write_bytes(b"no image")
    command = ["intervene", tmp_path / "scans", "--annotations", data / "Annotations", "-c", demo_checkpoint()]
    command += ["-o", tmp_path / "out", "--target-class", "predicted", "--json", *CONTROLS, "--device", "cpu"]
    result = run(*command, code=1)
    report = json.loads(result.stdout)
    assert report["num_images"] == report["num_with_lesion"] == 2
    assert [image["image_id"] for image in report["excluded_images"]] == ["broken.png"]
    assert report["protocol"]["target_class"] == "predicted"


def test_without_a_label_nothing_can_be_followed(data: Path, tmp_path: Path) -> None:
    image = next((data / "images").iterdir())
    command = ["intervene", image, "-c", demo_checkpoint(), "-o", tmp_path, "--device", "cpu"]
    result = run(*command, code=4)
    assert "none of the 1 radiographs can be changed" in result.stderr
    assert "no known true class" in result.stderr


def test_a_table_alone_is_not_enough(data: Path, done: tuple[dict[str, Any], Path], tmp_path: Path) -> None:
    command = ["intervene", "--root", data, "--predictions", done[1] / "predictions.parquet", "-o", tmp_path]
    result = run(*command, code=2)
    assert "no checkpoint is named" in result.stderr


def test_annotated_markers_are_taken(tmp_path: Path) -> None:
    """A shape that means marker is no lesion, and is what is painted over."""
    root = tmp_path / "BTXRD"
    write_small_dataset(root, seed=4, per_class={"test": 1})
    for path in (root / "Annotations").iterdir():
        document = json.loads(path.read_bytes())
        box = {"label": "R", "points": [[1, 1], [15, 15]], "shape_type": "rectangle"}
        document["shapes"].append(document["shapes"][0] | box)
        path.write_text(json.dumps(document))
    guessed = report_of(root, tmp_path / "guess", "--label-map", "R=ignore", "--pictures", 0)
    annotated = report_of(root, tmp_path / "marker", "--label-map", "R=marker", "--pictures", 0)
    assert annotated["summary"]["overall"]["effects"]["markers"]["log_odds"]["n"] >= 2
    assert annotated["summary"]["overall"]["effects"]["markers"] != guessed["summary"]["overall"]["effects"]["markers"]
    for name in ("lesion", "border", "background"):
        first, second = (report["summary"]["overall"]["effects"][name] for report in (annotated, guessed))
        assert first["flip"] == second["flip"]
        assert first["log_odds"]["mean"] == pytest.approx(second["log_odds"]["mean"], abs=1e-5)


def test_the_terminal_shows_verdict_and_cells(data: Path, done: tuple[dict[str, Any], Path]) -> None:
    result = intervene(data, done[1], *CONTROLS, "--by", "center")
    text = " ".join(result.stdout.split())
    assert done[0]["verdict"] in text
    for part in ("lesion alone", "looks, does not depend", "report: ", "intervention_effects.png"):
        assert part in result.stdout
    assert max(len(line) for line in result.stdout.splitlines() if "/" not in line) <= 80


@pytest.mark.real_data
def test_real_radiographs(real_data: Path, wild_checkpoint: Path, tmp_path: Path) -> None:
    root = real_data / "btxrd_sample"
    command = ["intervene", "--root", root, "--split-csv", root / "split_test.csv", "-c", wild_checkpoint]
    command += ["-o", tmp_path, "--json", *CONTROLS]
    result = run(*command)
    report = json.loads(result.stdout)
    assert report["num_with_lesion"] == 10
    assert report["summary"]["overall"]["effects"]["markers"]["log_odds"]["n"] >= 8
    assert report["table"]["n"] >= 5


def page_of(data: Path, out: Path) -> dict[str, Any]:
    """Return the data of the page that `report` writes."""
    command = ["report", "--root", data, "--split-csv", data / "split.csv", "-o", out, "-c", demo_checkpoint()]
    result = run(*command)
    text = (out / "report.html").read_text("utf-8")
    found = re.search(r'<script type="application/json" id="report-data">(.*?)</script>', text)
    assert found is not None
    document: dict[str, Any] = json.loads(found[1]) | {"said": result.stderr}
    return document


def test_the_page_shows_the_four_cells(done: tuple[dict[str, Any], Path], data: Path, tmp_path: Path) -> None:
    report, out = done
    page = page_of(data, out)
    shown = page["interventions"]
    assert shown["verdict"] == report["verdict"]
    assert [cell["count"] for cell in shown["cells"]] == [cell["count"] for cell in report["table"]["cells"]]
    cells = {image["image_id"]: image["cell"] for image in report["per_image"]}
    assert {row["id"]: row["cell"] for row in page["rows"]} == cells
    assert any(cells.values())
    (item,) = [item for item in page["checklist"] if item["item"].startswith("Whether the prediction depends")]
    assert item["status"] == "met"
    shutil.copy(out / "predictions.parquet", tmp_path)
    other = json.loads((out / "intervention_report.json").read_text("utf-8"))
    other["provenance"]["fingerprint"] = "0" * 16
    (tmp_path / "intervention_report.json").write_text(json.dumps(other))
    page = page_of(data, tmp_path)
    assert page["interventions"] is None
    assert "intervention_report.json' is of another table" in page["said"]
