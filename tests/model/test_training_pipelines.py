"""Predictions equal those of usual training pipelines, written with torchvision, timm and OpenCV."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
import timm
import torch
from PIL import Image
from timm.data.config import resolve_model_data_config
from timm.data.transforms_factory import create_transform
from torch import nn
from torchvision import transforms

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.preprocess import Preprocessing
from btxrd_explain.errors import SettingsError
from btxrd_explain.inference.loading import wishes_of
from btxrd_explain.model.checkpoint import read_checkpoint
from btxrd_explain.model.classifier import Wishes, build_classifier, build_untrained
from btxrd_explain.model.evaluation_transform import evaluation_transform
from btxrd_explain.model.networks import Blueprint
from btxrd_explain.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from btxrd_explain.model.classifier import Classifier

IMAGENET = ("preprocess.mean=0.485,0.456,0.406", "preprocess.std=0.229,0.224,0.225")
FAMILIES = ("resnet18", "vit_tiny_patch16_224", "convnext_atto", "test_resnet")
"""crop_pct 0.95, 0.9 and 0.875 with bicubic, and 0.95 with bilinear."""


def made_up() -> list[NDArray[np.uint8]]:
    """Upright, broad and small pictures, with edges on which kernels differ."""
    rng = np.random.default_rng(11)
    pictures = []
    for height, width in ((700, 431), (333, 512), (150, 97), (640, 640)):
        rows, columns = np.mgrid[:height, :width]
        bone = 120 + 90 * np.sin(rows / 23) * np.cos(columns / 31) + rng.normal(0, 12, (height, width))
        bone[height // 4 : height // 3, width // 5 : width // 2] += 90
        pictures.append(bone.clip(0, 255).astype(np.uint8))
    return pictures


@pytest.fixture(scope="module", params=["made up", pytest.param("real", marks=pytest.mark.real_data)])
def pictures(request: pytest.FixtureRequest) -> list[NDArray[np.uint8]]:
    if request.param == "made up":
        return made_up()
    folder: Path = request.getfixturevalue("real_data") / "btxrd_sample" / "images"
    files: list[Any] = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in sorted(folder.iterdir())[::3]]
    return [pixels for pixels in files if pixels is not None]


def rgb(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    return np.repeat(pixels[..., None], 3, axis=2)


@cache
def classifier_of(architecture: str, *assignments: str) -> Classifier:
    named = [f"model.architecture={architecture}", *assignments]
    return build_untrained(wishes_of(load_settings(assignments=named, environ={}).settings))


def assert_equal_predictions(
    network: nn.Module,
    preprocessing: Preprocessing,
    pictures: list[NDArray[np.uint8]],
    reference: Callable[[NDArray[np.uint8]], Any],
) -> None:
    """Compare inputs, and the probabilities of a network for them, to 1e-5."""
    ours = torch.stack([torch.from_numpy(preprocessing.apply(pixels)) for pixels in pictures])
    wanted = torch.stack([torch.as_tensor(reference(pixels), dtype=torch.float32) for pixels in pictures])
    torch.testing.assert_close(ours, wanted, atol=1e-5, rtol=0)
    with torch.inference_mode():
        probabilities = [network(batch).softmax(1) for batch in (ours, wanted)]
    torch.testing.assert_close(*probabilities, atol=1e-5, rtol=0)
    assert float(probabilities[0].std(0).max()) > 0  # pictures are told apart


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    network: Any = timm.create_model("test_resnet", num_classes=3)
    nn.init.normal_(network.fc.weight, std=2.0)
    return network.eval()  # type: ignore[no-any-return]


@pytest.mark.parametrize("architecture", FAMILIES)
def test_evaluation_transforms_of_timm(architecture: str, pictures: list[NDArray[np.uint8]]) -> None:
    """Of pictures in RGB, as timm's readers give them."""
    classifier = classifier_of(architecture, "preprocess.from=timm")
    config = resolve_model_data_config(classifier.network)  # type: ignore[no-untyped-call]  # timm leaves it open
    transform: Any = create_transform(**config, is_training=False)
    assert_equal_predictions(
        classifier.network, classifier.preprocessing, pictures, lambda pixels: transform(Image.fromarray(rgb(pixels)))
    )
    (note,) = [note for note in classifier.notes if "timm's evaluation transform" in note]
    assert f"crop_fraction {config['crop_pct']}" in note
    assert f"interpolation {config['interpolation']}, antialias true" in note


@pytest.mark.parametrize(
    ("size", "crop_pct", "mode"),
    [((160, 160), 0.875, "center"), ((192, 128), 0.9, "center"), ((96, 160), 0.95, "squash"), ((96, 96), 1, "squash")],
)
def test_crop_modes_and_sizes_of_timm(
    pictures: list[NDArray[np.uint8]], network: nn.Module, size: tuple[int, int], crop_pct: float, mode: str
) -> None:
    """Another size than a square is covered otherwise by timm than a square is by torchvision."""
    config = {"input_size": (3, *size), "crop_pct": crop_pct, "crop_mode": mode, "interpolation": "bilinear"}
    made: Any = timm.create_model("test_resnet", pretrained_cfg_overlay=config)
    taken, _ = evaluation_transform(Blueprint(made, "test_resnet", 3, Size(*size), (0.5,) * 3, (0.5,) * 3), {})
    told = resolve_model_data_config(made)  # type: ignore[no-untyped-call]  # timm leaves it open
    transform: Any = create_transform(**told, is_training=False)
    assert_equal_predictions(
        network, Preprocessing(**taken), pictures, lambda pixels: transform(Image.fromarray(rgb(pixels)))
    )


def test_squash_and_bilinear_of_opencv(pictures: list[NDArray[np.uint8]], network: nn.Module) -> None:
    """What most training scripts do: ``cv2.resize``, 0-1, ImageNet's mean and standard deviation."""
    preprocessing = classifier_of("test_resnet", "preprocess.image_size=224", *IMAGENET).preprocessing

    def reference(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        values = cv2.resize(rgb(pixels), (224, 224), interpolation=cv2.INTER_LINEAR) / 255
        mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
        normalised: NDArray[np.float64] = ((values - mean) / std).transpose(2, 0, 1)
        return normalised

    assert_equal_predictions(network, preprocessing, pictures, reference)


@pytest.mark.parametrize("after_resize", [False, True])
def test_clahe_then_torchvision(pictures: list[NDArray[np.uint8]], network: nn.Module, *, after_resize: bool) -> None:
    clahe = f"preprocess.clahe={{clip: 2.0, tiles: 8, after_resize: {str(after_resize).lower()}}}"
    preprocessing = classifier_of("test_resnet", "preprocess.image_size=192x160", clahe, *IMAGENET).preprocessing
    opencv = cv2.createCLAHE(2.0, (8, 8))
    last = transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]
    )

    def reference(pixels: NDArray[np.uint8]) -> torch.Tensor:
        if after_resize:
            seen = opencv.apply(cv2.resize(pixels, (160, 192)))
        else:
            seen = cv2.resize(opencv.apply(pixels), (160, 192))
        tensor: torch.Tensor = last(Image.fromarray(rgb(seen)))
        return tensor

    assert_equal_predictions(network, preprocessing, pictures, reference)


def test_percentiles_and_standardisation_of_floating_values(
    pictures: list[NDArray[np.uint8]], network: nn.Module
) -> None:
    """MONAI's order: ScaleIntensityRangePercentiles, Resize, NormalizeIntensity, all in floating point."""
    chosen = ("clip_percentiles=1,99", "depth=16-bit", "standardize=true", "image_size=128", "mean=null")
    preprocessing = classifier_of("test_resnet", *(f"preprocess.{one}" for one in chosen)).preprocessing

    def reference(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        low, high = np.percentile(pixels, (1, 99))
        values = ((pixels - low) / (high - low)).clip(0, 1).astype(np.float32)
        resized = cv2.resize(values, (128, 128)).astype(np.float64)
        return np.stack([(resized - resized.mean()) / resized.std()] * 3)

    assert_equal_predictions(network, preprocessing, pictures, reference)


def test_settings_that_contradict_timm_are_an_error() -> None:
    for given, told in (
        ("resize=letterbox", "whose resize of test_resnet is crop, and preprocess.resize is letterbox"),
        ("crop_fraction=0.8", "whose crop_fraction of test_resnet is 0.95, and preprocess.crop_fraction is 0.8"),
        ("image_size=96x64", "whose image_size of test_resnet is 160, and preprocess.image_size is 96x64"),
        ("mean=0.1,0.2,0.3", "preprocess.mean is [0.1, 0.2, 0.3]"),
        ("standardize=true", "normalises with mean and std, and preprocess.standardize is true"),
    ):
        with pytest.raises(SettingsError) as caught:
            classifier_of("test_resnet", "preprocess.from=timm", f"preprocess.{given}")
        assert told in str(caught.value)
    classifier_of("test_resnet", "preprocess.from=timm", "preprocess.crop_fraction=0.95")  # the same value
    classifier_of("test_resnet", "preprocess.from=timm", "preprocess.resize=squash")  # the default, as in a file of all


def test_a_checkpoint_that_keeps_six_digits_agrees_with_timm(tmp_path: Path) -> None:
    """CLIP's mean has eight; all of them count."""
    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    torch.manual_seed(0)
    made: Any = timm.create_model("test_resnet", num_classes=3)
    content = {
        "state_dict": made.state_dict(),
        "class_names": ["a", "b", "c"],
        "config": {"model": {"backbone": "test_resnet"}, "data": {"image_size": 64}},
        "normalization": {"mean": mean, "std": std},
    }
    torch.save(content, tmp_path / "clip.pt")
    classifier = build_classifier(
        read_checkpoint(tmp_path / "clip.pt"), Wishes(preprocessing={"mean": mean, "std": std})
    )
    assert (classifier.preprocessing.mean, classifier.preprocessing.std) == (mean, std)
    assert "preprocessing" not in [finding.code for finding in classifier.findings]
