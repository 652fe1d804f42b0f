from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from btxrd_explain.core.choices import Interpolation, ResizeMode
from btxrd_explain.core.geometry import Size
from btxrd_explain.core.preprocess import Preprocessing

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (75, 41, 3), dtype=np.uint8)


def test_the_usual_training_transform_is_reproduced(pixels: np.ndarray) -> None:
    """Squash with OpenCV, scale, normalise: what albumentations and most training scripts do."""
    expected = (cv2.resize(pixels, (32, 24)).astype(np.float32) / 255 - MEAN) / STD
    ours = Preprocessing(Size(24, 32), MEAN, STD).apply(pixels)
    np.testing.assert_allclose(ours, expected.transpose(2, 0, 1), atol=1e-6)


def test_torchvision_is_reproduced(pixels: np.ndarray) -> None:
    from torchvision.transforms import v2  # noqa: PLC0415 -- brings torch's compiler along, which takes seconds

    transform = v2.Compose(
        [
            v2.ToImage(),
            v2.Resize(40, interpolation=v2.InterpolationMode.BICUBIC, antialias=True),
            v2.CenterCrop(36),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )
    ours = Preprocessing(
        Size(36, 36),
        MEAN,
        STD,
        resize=ResizeMode.CROP,
        interpolation=Interpolation.BICUBIC,
        antialias=True,
        crop_fraction=0.9,
    ).apply(pixels)
    # two implementations of one kernel on 8-bit pixels: at most one grey level apart here and there
    difference = np.abs(ours - transform(pixels).numpy())
    assert np.median(difference) < 1e-6
    assert difference.max() < 2.5 / 255 / min(STD)


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("interpolation", list(Interpolation))
def test_grey_radiographs_give_the_bytes_of_their_rgb_twins(
    pixels: np.ndarray, interpolation: Interpolation, *, antialias: bool
) -> None:
    grey = np.ascontiguousarray(pixels[..., 0])
    twin = np.repeat(grey[..., None], 3, axis=2)
    preprocessing = Preprocessing(Size(20, 30), MEAN, STD, interpolation=interpolation, antialias=antialias)
    np.testing.assert_array_equal(preprocessing.apply(grey), preprocessing.apply(twin))


def test_a_grey_network_gets_one_channel(pixels: np.ndarray) -> None:
    preprocessing = Preprocessing(Size(20, 30), (0.5,), (0.25,))
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.uint8)
    assert preprocessing.apply(grey).shape == (1, 20, 30)
    assert preprocessing.apply(pixels).shape == (1, 20, 30)


def test_hand_computed_values() -> None:
    ours = Preprocessing(Size(1, 2), (0.5, 0.0, 1.0), (0.5, 1.0, 2.0)).apply(np.array([[0, 255]], np.uint8))
    assert ours.tolist() == [[[-1.0, 1.0]], [[0.0, 1.0]], [[-0.5, 0.0]]]
