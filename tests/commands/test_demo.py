"""The demo, from the shipped classifier to the pictures."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

from btxrd_explain.inference.request import checkpoints_of
from btxrd_explain.model.checkpoint import read_checkpoint
from btxrd_explain.model.classifier import Wishes, build_classifier
from btxrd_explain.predictions.table import open_table
from btxrd_explain.settings import ModelSettings, Settings
from btxrd_explain.synthetic import demo_checkpoint
from scripts.train_demo import Examples, Stage, _draw_span, draw_examples, save_classifier, train
from tests.support.command_line import run

if TYPE_CHECKING:
    from tests.conftest import DemoRun

NAMES = ("Normal", "Benign", "Malignant")


@pytest.fixture
def demo(demo_run: DemoRun) -> DemoRun:
    return demo_run


def test_each_radiograph_of_the_split_is_computed_once(demo: DemoRun) -> None:
    """By the first of the demo's commands; the others read the table."""
    rows = open_table(demo.folder / "results" / "predictions.parquet").index()
    assert demo.computed == {row.image_id: 1 for row in rows}
    assert len(rows) == 60


def test_it_says_what_to_open(demo: DemoRun) -> None:
    folder, output = demo.folder, demo.output
    assert "* the interval does not include 0" in output
    noted = " ".join(demo.stderr.split())
    assert noted.count("note: SYNTHETIC DATA") == noted.count("note: classes without a lesion: Normal") == 1
    assert noted.count("galleries show up to") == noted.count("there are fewer of Normal (") == 1
    pictures = [*(f"gallery_{name}.png" for name in NAMES), "annotation_comparison.png"]
    for name in pictures:
        assert name in output.replace("\n", "")
        with Image.open(folder / "results" / name) as picture:
            assert min(picture.size) > 500
    assert "report.html" in output.replace("\n", "")
    assert "SYNTHETIC DATA" in (folder / "results" / "report.html").read_text()


def test_it_leads_to_what_works_as_it_is_printed(
    demo: DemoRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (line,) = (line for line in demo.stderr.splitlines() if line.startswith("next: "))
    assert line == "next: btxrd-explain performance -o btxrd-explain-demo/results"
    assert any("btxrd-explain infer BTXRD/ --checkpoint best.pt" in text for text in demo.stderr.splitlines())
    shutil.copytree(demo.folder, tmp_path / demo.folder.name)
    monkeypatch.chdir(tmp_path)
    result = run(*shlex.split(line)[2:], "--json", code=None)
    assert json.loads(result.stdout)["num_images"] == 60


def test_the_data_are_laid_out_like_the_download(demo: DemoRun) -> None:
    names = {path.name for path in (demo.folder / "BTXRD-synthetic").iterdir()}
    assert {"images", "Annotations", "dataset.xlsx", "split.csv", "README.txt"} <= names


def test_every_class_has_hits_and_the_whole_has_mistakes(demo: DemoRun) -> None:
    gallery = json.loads((demo.folder / "results" / "gallery.json").read_text())
    for name in NAMES:
        assert gallery["classes"][name]["TP"]["available"] >= 3
    for outcome in ("FP", "FN"):
        assert sum(gallery["classes"][name][outcome]["available"] for name in NAMES) >= 3
    assert gallery["provenance"]["synthetic"] is True


def test_nothing_of_it_is_doubted(demo: DemoRun) -> None:
    assert [line for line in demo.stderr.splitlines() if not line.startswith(("note: ", "next: "))] == []
    assert json.loads((demo.folder / "results" / "annotation_report.json").read_text())["warnings"] == []


def test_heat_maps_sit_on_lesions(demo: DemoRun) -> None:
    report = json.loads((demo.folder / "results" / "annotation_report.json").read_text())
    correct = report["summary"]["by_outcome"]["TP"]
    assert correct["n"] >= 15
    assert correct["pointing_hits"] > 0.6
    assert correct["mean_iou"] > 0.25
    assert correct["mean_energy_in_mask"] > 5 * correct["mean_lesion_share"]


def test_the_classifier_is_better_than_chance(demo: DemoRun) -> None:
    rows = open_table(demo.folder / "results" / "predictions.parquet").index()
    right = np.mean([NAMES[row.predicted or 0] == row.label for row in rows])
    assert 0.55 < right < 1.0


def test_the_shipped_classifier_is_small_and_says_that_it_is_synthetic() -> None:
    assert demo_checkpoint().stat().st_size <= 2_000_000
    checkpoint = read_checkpoint(demo_checkpoint())
    assert "SYNTHETIC" in checkpoint.facts["note"]
    assert build_classifier(checkpoint, Wishes()).synthetic


def test_training_is_reproducible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On examples that another process drew, and on those of this process."""
    stages = (Stage(128, 16, 8, 1e-3), Stage(384, 4, 2, 1e-3))
    monkeypatch.setattr("cv2.setNumThreads", lambda _: None)  # meant for a process of its own
    drawn = draw_examples(6, seed=5, workers=1), Examples(*map(torch.from_numpy, _draw_span((5, 0, 6))))
    try:
        for name, examples in zip("ab", drawn, strict=True):
            save_classifier(train(examples, stages, seed=5), tmp_path / name)
    finally:
        torch.use_deterministic_algorithms(mode=False)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_demos_classifier_goes_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings(model=ModelSettings(checkpoint=Path("demo")))
    assert checkpoints_of(settings) == (demo_checkpoint(),)
    (tmp_path / "demo").touch()
    assert checkpoints_of(settings) == (Path("demo"),)
