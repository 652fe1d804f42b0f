"""Warnings of networks and preprocessing: each fault planted, and the same without it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn

from btxrd_explain.core.choices import Interpolation, ResizeMode
from btxrd_explain.core.geometry import Size
from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.inference.compute import _completed
from btxrd_explain.inference.loading import wishes_of
from btxrd_explain.model.checkpoint import read_checkpoint
from btxrd_explain.model.classifier import Classifier, Wishes, build_classifier
from btxrd_explain.model.findings import network_findings, pass_findings
from btxrd_explain.predictions.record import RowStatus
from btxrd_explain.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from btxrd_explain.predictions.record import Prediction

NAMES = ("Normal", "Benign", "Malignant")


@pytest.fixture
def content() -> dict[str, Any]:
    """A checkpoint with nothing to warn of: its statistics and its head have moved."""
    torch.manual_seed(0)
    network: Any = timm.create_model("test_resnet", num_classes=3)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = torch.rand(module.num_features) - 0.5
            module.running_var = torch.rand(module.num_features) + 0.5
    network.fc.bias.data = torch.tensor([0.1, -0.2, 0.3])
    return {
        "model_state_dict": network.state_dict(),
        "config": {"model": {"backbone": "test_resnet"}, "data": {"image_size": 96}},
        "class_names": list(NAMES),
        "normalization": {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
    }


@pytest.fixture
def load(tmp_path: Path, content: dict[str, Any]) -> Callable[..., Classifier]:
    """Loads the checkpoint, with settings."""

    def build(**wishes: Any) -> Classifier:  # noqa: ANN401
        torch.save(content, tmp_path / "c.pt")
        network = {name: wishes.pop(name) for name in ("architecture", "class_names") if name in wishes}
        return build_classifier(read_checkpoint(tmp_path / "c.pt"), Wishes(**network, preprocessing=wishes))

    return build


def codes(classifier: Classifier) -> list[str]:
    return [finding.code for finding in classifier.findings]


def test_a_checkpoint_that_agrees_with_the_settings_is_not_warned_of(load: Callable[..., Classifier]) -> None:
    assert not load().findings
    assert not load(class_names=NAMES, size=Size(96, 96), architecture="test_resnet").findings


@pytest.mark.parametrize(
    ("wishes", "code", "part"),
    [
        ({"class_names": ("Benign", "Malignant", "Normal")}, "class-order", "in which order the training code"),
        ({"class_names": ("normal", "benign", "malignant")}, "class-names", "spelling"),
        ({"architecture": "test_vit"}, "architecture", "says architecture test_resnet"),
        ({"size": Size(224, 224)}, "preprocessing", "says image size 96, the settings say 224"),
        ({"mean": (0.5, 0.5, 0.5)}, "preprocessing", "says mean (0.485, 0.456, 0.406)"),
    ],
)
def test_settings_that_contradict_the_checkpoint(
    load: Callable[..., Classifier], wishes: dict[str, Any], code: str, part: str
) -> None:
    classifier = load(**wishes)
    assert codes(classifier) == [code]
    assert part in str(classifier.findings[0])
    assert classifier.class_names == NAMES


def test_interpolation_and_crop_of_the_training(load: Callable[..., Classifier], content: dict[str, Any]) -> None:
    content["config"]["data"] |= {"interpolation": "bicubic", "crop_pct": 0.875, "in_chans": 1}
    (finding,) = load().findings
    assert "1 channels, its weights take 3" in finding.message
    content["config"]["data"]["in_chans"] = 3
    classifier = load()
    made = classifier.preprocessing
    assert (made.interpolation, made.crop_fraction, made.resize, made.antialias) == ("bicubic", 0.875, "crop", True)
    assert "resize crop with antialias, as timm's: the checkpoint says its crop in timm's words" in classifier.notes
    assert not classifier.findings
    assert not load(interpolation=Interpolation.BILINEAR, resize=ResizeMode.SQUASH).findings  # the defaults
    assert load(resize=ResizeMode.SQUASH_CROP).preprocessing.resize is ResizeMode.SQUASH_CROP
    found = load(interpolation=Interpolation.NEAREST, resize=ResizeMode.LETTERBOX).findings
    assert [finding.code for finding in found] == ["preprocessing"] * 2
    assert "says interpolation bicubic, the settings say nearest, and bicubic is used" in found[0].message
    assert "says resize crop, the settings say letterbox, and crop is used" in found[1].message


@pytest.mark.parametrize(("mode", "resize"), [("squash", "squash-crop"), ("center", "crop")])
def test_how_the_training_cropped(
    load: Callable[..., Classifier], content: dict[str, Any], mode: str, resize: str
) -> None:
    content["pretrained_cfg"] = {"crop_mode": mode, "crop_pct": 1.0}
    assert load().preprocessing.resize == resize
    content["pretrained_cfg"] = {"crop_mode": "border", "crop_pct": 1.0}
    classifier = load()
    assert classifier.preprocessing.resize == "squash"
    assert "pretrained_cfg.crop_mode ('border' is not center or squash)" in classifier.notes[0]


def test_the_settings_count_where_they_are_to(content: dict[str, Any], tmp_path: Path) -> None:
    content["config"]["data"] |= {"interpolation": "bicubic", "crop_pct": 0.875}
    torch.save(content, tmp_path / "c.pt")
    settings = load_settings(None, assignments=["preprocess.from=settings"], environ={}).settings
    classifier = build_classifier(read_checkpoint(tmp_path / "c.pt"), wishes_of(settings))
    made = classifier.preprocessing
    assert (made.interpolation, made.crop_fraction, made.resize, made.antialias) == ("bilinear", 1.0, "squash", False)
    assert [finding.code for finding in classifier.findings] == ["preprocessing"] * 2
    assert "interpolation bicubic, bilinear is used, as preprocess.from is settings" in classifier.findings[0].message
    assert "not used of the checkpoint: interpolation bicubic" in classifier.notes[0]


def test_facts_of_another_kind_are_no_reason_to_refuse_a_checkpoint(
    load: Callable[..., Classifier], content: dict[str, Any]
) -> None:
    content["config"]["data"] |= {"interpolation": ["random"], "crop_pct": "random", "in_chans": [3, 64, 128]}
    assert not load().findings


def test_a_normalisation_for_other_numbers(load: Callable[..., Classifier], content: dict[str, Any]) -> None:
    content["normalization"] = {"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]}
    assert codes(load()) == ["normalisation-scale"]
    content["normalization"] = {"mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0]}
    assert not load().findings


def test_a_normalisation_that_nobody_else_speaks_of(load: Callable[..., Classifier], content: dict[str, Any]) -> None:
    """timm says 0.485 and so on of this architecture; a checkpoint that says so itself is believed."""
    del content["normalization"]
    network: Any = timm.create_model("test_resnet")
    usual = network.pretrained_cfg
    assert not load().findings
    assert not load(mean=usual["mean"], std=usual["std"]).findings
    (finding,) = load(mean=(0.2, 0.2, 0.2)).findings
    assert "the checkpoint says nothing, and timm says" in finding.message


def test_a_network_as_it_was_created(load: Callable[..., Classifier], content: dict[str, Any]) -> None:
    network: Any = timm.create_model("test_resnet", num_classes=3)
    content["model_state_dict"] = network.state_dict()
    assert codes(load())[0] == "network-untrained"


def test_a_head_as_it_was_created(load: Callable[..., Classifier], content: dict[str, Any]) -> None:
    content["model_state_dict"]["fc.bias"] = torch.zeros(3)
    assert codes(load()) == ["head-untrained"]
    content["model_state_dict"]["fc.bias"] = torch.tensor([0.0, 0.0, 1e-6])
    assert not load().findings


def test_one_batch_norm_that_saw_images_is_enough() -> None:
    network: Any = timm.create_model("test_resnet", num_classes=3)
    network.fc.bias.data += 0.1
    network.eval()
    assert [finding.code for finding in network_findings(network, 3)] == ["network-untrained"]
    network.bn1.running_mean[0] = 0.01
    assert not list(network_findings(network, 3))
    assert not list(network_findings(nn.Sequential(nn.Flatten(), nn.Linear(4, 3)).eval(), 3))


def test_batch_norm_without_statistics() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False)).eval()
    assert [finding.code for finding in network_findings(network, 3)] == ["batch-dependent"]


class _Stubborn(nn.Module):
    """Does not hand on that training is over."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Dropout()

    def train(self, mode: bool = True) -> _Stubborn:
        self.training = mode
        return self


def test_modules_that_stay_in_training_mode() -> None:
    (finding,) = network_findings(_Stubborn().eval(), 3)
    assert (finding.code, finding.message) == ("train-mode", "modules that stay in training mode after eval(): 1")


class _Net(nn.Module):
    def __init__(self, drop: float) -> None:
        super().__init__()
        self.drop = drop

    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.dropout(images, self.drop).mean(dim=(2, 3))


def test_dropout_that_ignores_eval_mode() -> None:
    before = torch.get_rng_state()
    (finding,) = pass_findings(_Net(0.5).eval(), (3, 8, 8))
    assert finding.code == "not-deterministic"
    assert not list(pass_findings(_Net(0.0).eval(), (3, 8, 8)))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_no_prediction(bad: float, make_row: Callable[..., Prediction]) -> None:
    row = replace(make_row("a.png", "Benign", [1, 0, 0], grids=None, grid_statuses=()), probabilities=None)
    grids, statuses = np.ones((3, 2, 2), np.float32), (MapStatus.OK,) * 3
    failed = _completed(row, np.array([0.5, bad, 0.5], np.float32), grids, statuses, None, None, None)
    assert failed.status is RowStatus.NON_FINITE
    assert (failed.predicted, failed.probabilities, failed.grids) == (None, None, None)
    assert "NaN or infinite" in (failed.error or "")
    whole = _completed(row, np.array([0.5, 0, 0.5], np.float32), grids, statuses, None, None, None)
    assert (whole.status, whole.predicted, whole.error) == (RowStatus.OK, 0, None)
