"""The demo, from the shipped classifier to the pictures."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from btxrd_explain.cli import app
from btxrd_explain.inference.compute import Explainer
from btxrd_explain.inference.request import checkpoint_of
from btxrd_explain.model.checkpoint import read_checkpoint
from btxrd_explain.model.classifier import Wishes, build_classifier
from btxrd_explain.predictions.table import open_table
from btxrd_explain.settings import ModelSettings, Settings
from btxrd_explain.synthetic import demo_checkpoint
from scripts.train_demo import Stage, draw_examples, save_classifier, train

if TYPE_CHECKING:
    from btxrd_explain.inference.reading import Prepared
    from btxrd_explain.predictions.record import Prediction

NAMES = ("Normal", "Benign", "Malignant")


class Demo(NamedTuple):
    """Where a run of the demo wrote, what it said, and how often each radiograph went through the network."""

    folder: Path
    output: str
    computed: Counter[str]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder, computed = tmp_path_factory.mktemp("demo") / "d", Counter[str]()
    explained = Explainer._explained

    def counted(self: Explainer, batch: list[Prepared]) -> list[Prediction]:
        computed.update(item.row.image_id for item in batch)
        return explained(self, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Explainer, "_explained", counted)
        result = CliRunner().invoke(app, ["demo", str(folder)])
    assert result.exit_code == 0, result.output
    return Demo(folder, result.output, computed)


def test_each_radiograph_of_the_split_is_computed_once(demo: Demo) -> None:
    """By the first of the demo's commands; the others read the table."""
    rows = open_table(demo.folder / "results" / "predictions.parquet").index()
    assert demo.computed == Counter(row.image_id for row in rows)
    assert len(rows) == 60


def test_it_says_what_to_open(demo: Demo) -> None:
    folder, output, _ = demo
    assert "SYNTHETIC" in output
    pictures = [*(f"gallery_{name}.png" for name in NAMES), "annotation_comparison.png"]
    for name in pictures:
        assert name in output.replace("\n", "")
        with Image.open(folder / "results" / name) as picture:
            assert min(picture.size) > 500
    assert "report.html" in output.replace("\n", "")
    assert "SYNTHETIC DATA" in (folder / "results" / "report.html").read_text()


def test_the_data_are_laid_out_like_the_download(demo: Demo) -> None:
    names = {path.name for path in (demo[0] / "BTXRD-synthetic").iterdir()}
    assert {"images", "Annotations", "dataset.xlsx", "split.csv", "README.txt"} <= names


def test_every_class_has_hits_and_the_whole_has_mistakes(demo: Demo) -> None:
    gallery = json.loads((demo[0] / "results" / "gallery.json").read_text())
    for name in NAMES:
        assert gallery["classes"][name]["TP"]["available"] >= 3
    for outcome in ("FP", "FN"):
        assert sum(gallery["classes"][name][outcome]["available"] for name in NAMES) >= 3
    assert gallery["provenance"]["synthetic"] is True


def test_nothing_of_it_is_doubted(demo: Demo) -> None:
    assert "warning:" not in demo[1]
    assert json.loads((demo[0] / "results" / "annotation_report.json").read_text())["warnings"] == []


def test_heat_maps_sit_on_lesions(demo: Demo) -> None:
    report = json.loads((demo[0] / "results" / "annotation_report.json").read_text())
    correct = report["summary"]["by_outcome"]["TP"]
    assert correct["n"] >= 15
    assert correct["pointing_hits"] > 0.6
    assert correct["mean_iou"] > 0.25
    assert correct["mean_energy_in_mask"] > 5 * correct["mean_lesion_share"]


def test_the_classifier_is_better_than_chance(demo: Demo) -> None:
    rows = open_table(demo[0] / "results" / "predictions.parquet").index()
    right = np.mean([NAMES[row.predicted or 0] == row.label for row in rows])
    assert 0.55 < right < 1.0


def test_the_shipped_classifier_is_small_and_says_that_it_is_synthetic() -> None:
    assert demo_checkpoint().stat().st_size <= 2_000_000
    checkpoint = read_checkpoint(demo_checkpoint())
    assert "SYNTHETIC" in checkpoint.facts["note"]
    assert build_classifier(checkpoint, Wishes()).synthetic


def test_training_is_reproducible(tmp_path: Path) -> None:
    stages = (Stage(128, 32, 16, 1e-3), Stage(384, 16, 8, 1e-3))
    try:
        for name in ("a", "b"):
            examples = draw_examples(12, seed=5, workers=1)
            save_classifier(train(examples, stages, seed=5), tmp_path / name)
    finally:
        torch.use_deterministic_algorithms(mode=False)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_json_of_the_demo_names_its_files(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["demo", str(tmp_path / "d"), "--json", "--quiet"])
    document = json.loads(result.stdout)
    assert document["synthetic"] is True
    assert set(document["gallery"]) == set(NAMES)


def test_the_demos_classifier_goes_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings(model=ModelSettings(checkpoint=Path("demo")))
    assert checkpoint_of(settings) == demo_checkpoint()
    (tmp_path / "demo").touch()
    assert checkpoint_of(settings) == Path("demo")
