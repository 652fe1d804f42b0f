"""`sanity` on the demo's classifier, on a method that ignores the weights, and its verdict."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
import timm
from PIL import Image

from btxrd_explain.commands.sanity.randomised import randomise
from btxrd_explain.commands.sanity.sample import Subject, draw_records
from btxrd_explain.core.choices import ResizeMode
from btxrd_explain.core.geometry import Frame, Size
from btxrd_explain.core.heatmap import HeatMap, MapStatus, judge
from btxrd_explain.core.sanity import Outcome, judge_randomisation
from btxrd_explain.core.stability import DECISIVE, STRENGTHS
from btxrd_explain.core.statistics import Estimate
from btxrd_explain.inference.compute import Explainer
from btxrd_explain.inputs.annotation import AnnotationPlace
from btxrd_explain.inputs.record import ImageRecord
from btxrd_explain.model.engine import Explanation
from btxrd_explain.model.randomise import find_stages
from btxrd_explain.progress import Listener
from btxrd_explain.synthetic import demo_checkpoint
from tests.support.command_line import run
from tests.support.figures import drawn_figures
from tests.support.small_dataset import write_small_dataset

if TYPE_CHECKING:
    from pathlib import Path

    import torch

pytestmark = pytest.mark.usefixtures("blank_figures")

COUNT = 12
SMALL = ("--image-size", 96)
"""For tests that ask nothing of what the classifier sees, which was trained on 384 pixels."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sanity") / "BTXRD"
    write_small_dataset(root, seed=4, per_class={"test": 4})
    return root


def sanity(data: Path, out: Path, *arguments: object, code: int = 0) -> Any:  # noqa: ANN401 -- JSON
    command = ["sanity", data, "-c", demo_checkpoint(), "-o", out, "--json", *arguments]
    result = run(*command, code=code)
    return json.loads(result.stdout) if code < 2 else result.stderr


@pytest.fixture(scope="module")
def passed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    out = tmp_path_factory.mktemp("out")
    with drawn_figures():
        return sanity(
            data, out, "--insertion-deletion", "--stability", "--steps", 4, "--stages", 2, "--set", "output.dpi=150"
        ), out


def test_the_demos_classifier_passes(passed: tuple[dict[str, Any], Path]) -> None:
    report, out = passed
    assert report == json.loads((out / "sanity_report.json").read_text())
    assert report["outcome"] == "change"
    assert report["verdict"].startswith("The maps change with the weights: with all weights random")
    assert report["stages"][0]["name"] == "fc"
    last = report["stages"][-1]["spearman"]
    assert last["high"] < report["limit"] == 0.5
    lost = report["stages"][-1]
    assert last["n"] + lost["n_vanished"] + lost["n_incomplete"] == report["num_images"]
    for image in report["per_image"]:
        assert len(image["spearman"]) == len(image["ssim"]) == len(report["stages"])
    measured = [image["spearman"][0] for image in report["per_image"] if image["spearman"][0] is not None]
    assert report["stages"][0]["spearman"]["mean"] == pytest.approx(np.mean(measured))
    assert report["provenance"]["fingerprint"]
    assert report["num_images"] + len(report["excluded_images"]) == COUNT


def test_its_maps_lead_the_probability_better_than_random_ones(passed: tuple[dict[str, Any], Path]) -> None:
    found = passed[0]["insertion_deletion"]
    assert found["insertion"]["difference"]["low"] > 0
    assert found["deletion"]["difference"]["mean"] < 0
    assert len(found["curves"]["insertion"]) == 5
    # both start or end at the radiograph, whatever the order
    assert found["curves"]["insertion"][-1] == pytest.approx(found["curves"]["deletion"][0], abs=1e-6)
    assert found["curves"]["insertion"] != found["curves"]["random_insertion"]
    areas = [image["insertion_auc"] for image in passed[0]["per_image"]]
    assert found["insertion"]["auc"]["mean"] == pytest.approx(np.mean(areas))


def test_stability_follows_each_change_and_says_what_it_shows(passed: tuple[dict[str, Any], Path]) -> None:
    report, out = passed
    found = report["stability"]
    steps = [(one["change"], one["strength"]) for one in found["changes"]]
    assert steps == [(change, strength) for change, strengths in STRENGTHS.items() for strength in strengths]
    assert {one["change"]: one["strength"] for one in found["changes"] if one["decides"]} == DECISIVE
    for place, one in enumerate(found["changes"]):
        assert one["spearman"]["n"] + one["n_vanished"] + one["n_incomplete"] == report["num_images"]
        known = [image["stability"][place] for image in report["per_image"] if image["stability"][place] is not None]
        assert one["spearman"]["mean"] == pytest.approx(np.mean(known))
    noise = [one["spearman"]["mean"] for one in found["changes"] if one["change"] == "noise"]
    assert report["chance"]["spearman"]["mean"] < noise[-1] < noise[0] <= 1
    text = (out / "sanity_report.md").read_text()
    assert found["verdict"] in text
    assert "| shift by 4 pixels (decides) |" in text
    assert "sanity_report.md" in report["sha256"]


def test_a_map_of_edges_follows_the_radiograph_wherever_it_moves(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Explainer, "explain", edges)
    found = sanity(data, tmp_path, "--sample", 4, "--stages", 2, "--stability", *SMALL)["stability"]
    flipped = next(one for one in found["changes"] if one["change"] == "flip")
    assert flipped["spearman"]["mean"] == pytest.approx(1, abs=1e-3)


def test_the_figures_are_there(passed: tuple[dict[str, Any], Path]) -> None:
    for name in ("sanity_curves", "sanity_maps", "sanity_insertion_deletion", "sanity_stability"):
        with Image.open(passed[1] / f"{name}.png") as picture:
            assert min(picture.size) > 500


def test_the_same_seed_gives_the_same_report(data: Path, tmp_path: Path) -> None:
    arguments = ("--sample", 2, "--stages", 2, *SMALL)
    first, again, other = (sanity(data, tmp_path / "o", *arguments, "--random-seed", seed) for seed in (7, 7, 8))
    assert first == again
    assert first["stages"] != other["stages"]
    assert first["insertion_deletion"] is first["stability"] is None
    assert [image["stability"] for image in first["per_image"]] == [None, None]


def edges(self: Explainer, batch: torch.Tensor, *_: object) -> list[Explanation]:
    """A method that shows the radiograph's edges: a fine picture, whatever the network."""
    grids = []
    for image in batch.numpy():
        slopes = [cv2.Sobel(image[0], cv2.CV_32F, *order) for order in ((1, 0), (0, 1))]
        grids.append(cv2.resize(np.hypot(*slopes), (12, 12), interpolation=cv2.INTER_AREA))
    stacked = np.repeat(np.stack(grids)[:, None], 3, axis=1)
    statuses = tuple(tuple(judge(grid) for grid in of_image) for of_image in stacked)
    return [Explanation(self.probabilities(batch).numpy(), stacked, statuses)]


def test_a_map_of_edges_is_called_out(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Explainer, "explain", edges)
    report = sanity(data, tmp_path, "--sample", 4, "--stages", 2, *SMALL)
    assert report["outcome"] == "survive"
    assert "A map that survives random weights says nothing about the model." in report["verdict"]
    assert [stage["spearman"]["mean"] for stage in report["stages"]] == pytest.approx([1] * len(report["stages"]))
    assert [stage["ssim"]["mean"] for stage in report["stages"]] == pytest.approx([1] * len(report["stages"]))
    assert report["chance"]["spearman"]["mean"] < 0.9  # other images have other edges


def test_the_terminal_shows_verdict_and_stages(data: Path, tmp_path: Path) -> None:
    command = ["sanity", data, "-c", demo_checkpoint(), "-o", tmp_path, "--sample", 2, "--stages", 2, *SMALL]
    result = run(*command)
    report = json.loads((tmp_path / "sanity_report.json").read_text())
    for text in ("Spearman", "layer4", "different images", "report: ", "sanity_curves.png"):
        assert text in result.stdout
    assert report["verdict"] in " ".join(result.stdout.split())
    assert max(len(line) for line in result.stdout.splitlines() if "/" not in line) <= 80


def test_images_without_a_heat_map_are_named(data: Path, tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "broken.png").write_bytes(b"no image")
    (tmp_path / "scans" / "black.png").write_bytes((next((data / "images").iterdir())).read_bytes())
    report = sanity(tmp_path / "scans", tmp_path / "out", "--stages", 2, *SMALL, code=1)
    assert report["outcome"] == "undecided"
    assert "only 1 maps" in report["verdict"] or "hold no evidence" in report["verdict"]
    assert [image["image_id"] for image in report["excluded_images"]] == ["broken.png"]
    (tmp_path / "scans" / "black.png").unlink()
    assert "none of the 1 images has a heat map, such as 'broken.png'" in sanity(tmp_path / "scans", tmp_path, code=4)


@pytest.mark.real_data
def test_maps_of_real_radiographs_change_with_the_weights(
    real_data: Path, wild_checkpoint: Path, tmp_path: Path
) -> None:
    """ImageNet's features, a head fitted on nine images: the maps depend on both, and are much alike."""
    root = real_data / "btxrd_sample"
    command = ["sanity", root, "--split-csv", root / "split_test.csv", "-c", wild_checkpoint, "-o", tmp_path, "--json"]
    result = run(*command)
    report = json.loads(result.stdout)
    assert (report["outcome"], report["num_images"]) == ("change", 15)
    assert [stage["name"] for stage in report["stages"]][:3] == ["classifier", "conv_head", "blocks.6"]
    assert sum(image["annotated"] for image in report["per_image"]) == 10
    assert [remark.partition(" (")[0] for remark in report["remarks"]] == ["Maps of different images are alike"]


def record(number: int, *, annotated: bool) -> ImageRecord:
    from pathlib import Path  # noqa: PLC0415 -- for this one line

    name = f"{number:03d}.png"
    return ImageRecord(name, Path(name), None, None, AnnotationPlace(Path("a.json")) if annotated else None)


def test_annotated_images_are_drawn_first_and_by_seed() -> None:
    records = [record(number, annotated=number % 3 == 0) for number in range(60)]
    few, again, other = (draw_records(records[::step], 10, seed) for step, seed in ((1, 0), (-1, 0), (1, 1)))
    assert few == again != other
    assert len(few) == 10
    assert all(one.annotation for one in few)
    many = draw_records(records, 30, 0)
    assert sum(one.annotation is not None for one in many) == 20
    assert [one.image_id for one in many] == sorted(one.image_id for one in many)
    assert draw_records(records, 99, 0) == records


def estimate(low: float | None, high: float | None, n: int = 9) -> Estimate:
    return Estimate(None if low is None or high is None else (low + high) / 2, low, high, n, n)


@pytest.mark.parametrize(
    ("last", "vanished", "outcome"),
    [
        (estimate(-0.1, 0.49), 0, Outcome.CHANGE),
        (estimate(0.5, 0.8), 0, Outcome.SURVIVE),
        (estimate(0.49, 0.8), 0, Outcome.UNDECIDED),
        (estimate(0.3, 0.5), 0, Outcome.UNDECIDED),
        (estimate(0.9, 1.0), 9, Outcome.SURVIVE),
        (estimate(0.9, 1.0), 10, Outcome.CHANGE),
        (estimate(None, None, 0), 5, Outcome.CHANGE),
        (estimate(None, None, 1), 0, Outcome.UNDECIDED),
    ],
)
def test_the_rule_of_the_verdict(last: Estimate, vanished: int, outcome: Outcome) -> None:
    assert judge_randomisation(last, vanished=vanished).outcome is outcome


@pytest.mark.parametrize(("incomplete", "outcome"), [(2, Outcome.CHANGE), (3, Outcome.UNDECIDED)])
def test_maps_that_do_not_add_up_have_not_vanished(incomplete: int, outcome: Outcome) -> None:
    """They are no sign that maps follow the weights."""
    network = timm.create_model("test_resnet", num_classes=3).eval()
    size = Size(32, 32)
    ramp = HeatMap(np.linspace(0, 1, 32 * 32, dtype=np.float32).reshape(size), 1.0, MapStatus.OK)
    frame = Frame.fit(size, size, ResizeMode.SQUASH)
    subject = Subject("a", None, False, frame, np.zeros((3, *size), np.float32), 0, 0.5, ramp, None)
    nothing, broken = (
        HeatMap(np.zeros(size, np.float32), None, status)
        for status in (MapStatus.NO_POSITIVE_EVIDENCE, MapStatus.INCOMPLETE)
    )
    found = randomise(
        [network],
        find_stages(network, input_size=size, channels=3, at_least=2),
        [subject] * 5,
        lambda _: [broken] * incomplete + [nothing] * (5 - incomplete),
        seed=0,
        examples=1,
        listener=Listener(),
    )
    assert found.vanished(-1) == 5 - incomplete
    verdict = found.verdict()
    assert verdict.outcome is outcome
    assert f"{incomplete} maps are not compared" in verdict.remarks[0]


def test_remarks_tell_of_the_head_and_of_maps_that_are_alike() -> None:
    low, high = estimate(0.1, 0.2), estimate(0.96, 1.0)
    assert not judge_randomisation(low, vanished=0, head=low, different=low).remarks
    head, different = judge_randomisation(low, vanished=0, head=high, different=high).remarks
    assert head.startswith("With the head alone random they stay as they are (correlation 0.98)")
    assert different.startswith("Maps of different images are alike (correlation 0.98)")
    assert len(judge_randomisation(high, vanished=0, head=high).remarks) == 0
