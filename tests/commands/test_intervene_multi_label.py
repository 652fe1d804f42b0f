"""`intervene` where radiographs may have several findings: activation, thresholds and annotations are its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch import nn

import btxrd_explain as bx
from btxrd_explain.core.intervention import Condition, Design, Kind, Readings
from btxrd_explain.evaluation.intervention import Effects, Intervened
from btxrd_explain.evaluation.score import Score
from btxrd_explain.predictions.record import Prediction, RowStatus
from tests.support.command_line import run
from tests.support.labelme import write_labelme
from tests.support.tiny_study import save_network

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("blank_figures")

NAMES = ("Fracture", "Effusion", "Mass")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two annotated radiographs, and a network whose checkpoint does not say what follows its outputs."""
    folder = tmp_path_factory.mktemp("several")
    save_network(folder / "best.pt", NAMES)
    random = np.random.default_rng(0)
    (folder / "images").mkdir()
    boxes = [(label, [[low, low], [low + 10, low + 12]]) for label, low in (("Fracture", 5), ("Effusion", 40))]
    for number in range(2):
        Image.fromarray(random.integers(40, 256, (80, 80), dtype=np.uint8)).save(folder / "images" / f"{number}.png")
        write_labelme(folder / "images" / f"{number}.json", (80, 80), *boxes)
    return folder


def _intervene(data: Path, out: Path, labels: tuple[str, str], *arguments: object) -> dict[str, Any]:
    lines = ["image_id,split,label", *(f"{number}.png,test,{label}" for number, label in enumerate(labels))]
    out.mkdir(exist_ok=True)
    (out / "split.csv").write_text("\n".join(lines))
    command = ["intervene", data / "images", "-c", data / "best.pt", "--split-csv", out / "split.csv", "-o", out]
    command += ["--controls", 1, "--pictures", 0, "--json", "--device", "cpu", *arguments]
    result = run(*command)
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def _log_odds(report: dict[str, Any]) -> dict[tuple[str, str], float]:
    return {(image["image_id"], image["target_class"]): image["log_odds"] for image in report["per_image"]}


def test_what_a_softmax_said_does_not_answer_for_a_sigmoid(data: Path, tmp_path: Path) -> None:
    single = _intervene(data, tmp_path, ("Fracture", "Mass"))
    several = _intervene(data, tmp_path, ("Fracture|Effusion", "Mass"))
    assert (single["protocol"]["activation"], several["protocol"]["activation"]) == ("softmax", "sigmoid")
    found, before = _log_odds(several), _log_odds(single)
    assert found.keys() == before.keys() | {("0.png", "Effusion")}
    classes = [(image["image_id"], image["class"]) for image in several["per_image"]]
    assert classes == [("0.png", "Effusion"), ("0.png", "Fracture"), ("1.png", "Mass")]
    assert set(several["summary"]["by_class"]) == {"Fracture", "Effusion", "Mass"}
    assert (single["counted"], single["num_images"], single["num_with_lesion"]) == ("images", 2, 2)
    assert (several["counted"], several["num_images"], several["num_with_lesion"]) == ("classes of images", 2, 2)
    assert several["summary"]["overall"]["effects"]["lesion"]["log_odds"]["n"] == 3
    assert several["remarks"][0].endswith("of 3 classes of images.")
    assert any(limit.startswith("A radiograph counts once for each class") for limit in several["limits"])
    assert "3 classes of images with a lesion" in (tmp_path / "intervention_report.md").read_text()
    table = pq.read_table(tmp_path / "intervention_metrics.parquet")
    assert table["class"].to_pylist() == [name for _, name in classes]
    assert table["predicted"].to_pylist() == [image["predicted"] for image in several["per_image"]]
    assert _log_odds(_intervene(data, tmp_path / "new", ("Fracture|Effusion", "Mass"))) == found
    assert all(abs(found[key] - before[key]) > 0.05 for key in before)  # a logit is not that of a softmax


def test_the_lesions_of_a_predicted_class_are_those_of_its_label(data: Path, tmp_path: Path) -> None:
    """As annotate-iou compares a class with its own annotation, also where it is not true."""
    labels = ("Mass=1|Fracture=0", "Mass=1|Effusion=0")
    low = ("--decision-threshold", "0.01")  # so that all are predicted
    wanted = ("--target-class", "predicted", *low, "--label-map", "Fracture=Fracture")
    part = _intervene(data, tmp_path, labels, *wanted)
    whole = _intervene(data, tmp_path, labels, *wanted[:-2])
    of_class = {image["target_class"]: image["lesion"] for image in part["per_image"] if image["image_id"] == "0.png"}
    of_all = {image["target_class"]: image["lesion"] for image in whole["per_image"] if image["image_id"] == "0.png"}
    assert of_class["Mass"] != of_all["Mass"]  # nothing of Fracture
    assert of_class["Fracture"] == of_all["Fracture"]


def test_the_prediction_flips_at_the_threshold_of_its_class() -> None:
    odds = {Condition(Kind.ORIGINAL): np.array([1.0, -3.0]), Condition(Kind.BORDER): np.array([1.0, -1.0])}
    row = Prediction("a", "", None, None, RowStatus.OK)
    image = Intervened(Score(row, target=1), 1, Readings(odds))
    flips = {level: image.change(Condition(Kind.BORDER), np.array([0.5, level]))[2] for level in (0.5, 0.1, 0.01)}
    assert flips == {0.5: 0, 0.1: 1, 0.01: 0}
    assert image.change(Condition(Kind.BORDER))[2] == 0  # the first class stays the most probable one
    assert Effects.of([image], Design(1), np.array([0.5, 0.1])).values["border"][0, 2] == 1


class _Bright(nn.Module):
    """Probabilities of three classes: of which the second is that of a bright image, and the first is always sure."""

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        second = (batch.mean(dim=(1, 2, 3)) - 0.5) * 20
        return torch.sigmoid(torch.stack([torch.full_like(second, 9), second, torch.full_like(second, -9)], dim=1))


def test_probabilities_that_do_not_exclude_each_other_flip_one_by_one() -> None:
    image = torch.full((1, 1, 32, 32), 0.4)
    image[:, :, 8:24, 8:24] = 1.0  # without it, the mean is below one half
    mask = np.zeros((32, 32), dtype=bool)
    mask[7:25, 7:25] = True
    found = bx.intervene(_Bright(), image, [mask], targets=[1], controls=1)
    assert found.per_image["lesion_flip"].to_pylist() == [1]
