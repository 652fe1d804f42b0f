from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import timm
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

from btxrd_explain.core.choices import ResizeMode, Smooth
from btxrd_explain.core.geometry import Frame, Size
from btxrd_explain.core.heatmap import DegenerateMapWarning, MapStatus, heat_map
from btxrd_explain.core.metrics.baselines import CHANNEL_DRAWS, channel_weights
from btxrd_explain.errors import SettingsError
from btxrd_explain.model.any_network import generate_gradcam
from btxrd_explain.model.engine import explain
from btxrd_explain.model.layers import TargetLayer, find_target_layers
from btxrd_explain.model.layout import Layout, Order

if TYPE_CHECKING:
    from collections.abc import Callable

SIDE = 96
FRAME = Frame.fit(Size(SIDE, SIDE), Size(SIDE, SIDE), ResizeMode.SQUASH)
FAMILIES = {
    "efficientnet_b0": "bn2",
    "tf_efficientnet_lite0": "bn2",
    "resnet18": "layer4",
    "densenet121": "features",
    "convnext_atto": "stages",
    "mobilenetv3_small_050": "blocks",
    "regnetx_002": "s4",
}


@pytest.fixture(scope="module", params=FAMILIES)
def network(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(7)
    model: nn.Module = timm.create_model(request.param, pretrained=False, num_classes=3)
    return model.eval()


@pytest.fixture(scope="module")
def batch() -> torch.Tensor:
    return torch.randn(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(5))


def _small(seed: int = 0) -> Any:  # noqa: ANN401 -- indexing an nn.Sequential has no precise type
    """A network whose class-activation maps can be computed by hand: conv, ReLU, pool, linear."""
    torch.manual_seed(seed)
    layers = [nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)]
    return nn.Sequential(*layers).eval()


def _target(network: nn.Module, name: str) -> tuple[TargetLayer, ...]:
    """Take a convolutional layer for the target, whether or not it can be explained."""
    return (TargetLayer(name, network.get_submodule(name), Layout(Order.CHANNELS_FIRST, Size(1, 1))),)


def _layer(network: nn.Module) -> tuple[TargetLayer, ...]:
    return find_target_layers(network, input_size=Size(SIDE, SIDE))


def test_the_library_computes_the_same_maps(network: nn.Module, batch: torch.Tensor) -> None:
    layer = _layer(network)
    explanation = explain(network, layer, batch)
    for index in range(3):
        with GradCAM(network, [layer[0].module]) as library:
            theirs = library(batch, [ClassifierOutputTarget(index)] * len(batch))
        for grid, statuses, expected in zip(explanation.grids[:, index], explanation.statuses, theirs, strict=True):
            np.testing.assert_allclose(heat_map(grid, FRAME, status=statuses[index]).values, expected, atol=1e-4)


def test_probabilities_are_those_of_the_bare_network(network: nn.Module, batch: torch.Tensor) -> None:
    with torch.inference_mode():
        expected = network(batch).softmax(dim=1).numpy()
    np.testing.assert_allclose(explain(network, _layer(network), batch).probabilities, expected, atol=1e-6)


def test_a_batch_gives_what_single_images_give(network: nn.Module, batch: torch.Tensor) -> None:
    layer = _layer(network)
    together = explain(network, layer, batch)
    for index, image in enumerate(batch):
        alone = explain(network, layer, image[None])
        np.testing.assert_allclose(together.grids[index], alone.grids[0], rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(together.probabilities[index], alone.probabilities[0], atol=1e-5)


def test_the_last_feature_map_is_found(network: Any) -> None:  # noqa: ANN401 -- one of timm's
    assert _layer(network)[0].name == FAMILIES[network.pretrained_cfg["architecture"]]


def test_gradcam_of_a_pooled_linear_head_is_cam_up_to_a_factor(batch: torch.Tensor) -> None:
    """For conv -> pool -> linear, Grad-CAM is CAM (Zhou et al. 2016) divided by the number of cells."""
    network = _small()
    layer = _target(network, "1")
    activations = network[:2](batch)
    cam = torch.einsum("bkhw,ck->bchw", activations, network[4].weight) / SIDE**2
    np.testing.assert_allclose(explain(network, layer, batch).grids, cam.detach().numpy(), atol=1e-6)


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_frozen_networks_work_in_any_mode(context: Callable[[], torch.no_grad], batch: torch.Tensor) -> None:
    network = _small()
    layer = _target(network, "1")
    expected = explain(network, layer, batch).grids
    network.requires_grad_(requires_grad=False)
    with context():
        inside = torch.randn(1, 3, 8, 8) * 0 + 1
        np.testing.assert_array_equal(explain(network, layer, batch).grids, expected)
        assert np.isfinite(explain(network, layer, inside).grids).all()


def test_nothing_is_left_behind(batch: torch.Tensor) -> None:
    network = _small().train()
    generate_gradcam(network, batch[:1], 0, target_layer="1")
    assert network.training
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())
    assert not any(module._forward_hooks for module in network.modules())
    assert torch.is_grad_enabled()


def test_nothing_is_left_behind_by_a_failure(batch: torch.Tensor) -> None:
    network = _small()
    with pytest.raises(RuntimeError):
        explain(network, _target(network, "1"), batch[:, :2])
    assert not any(module._forward_hooks for module in network.modules())
    assert torch.is_grad_enabled()


def test_work_in_place_behind_the_layer_does_no_harm(batch: torch.Tensor) -> None:
    network, in_place = _small(), _small()
    in_place[1] = nn.ReLU(inplace=True)
    expected = explain(network, _target(network, "0"), batch).grids
    np.testing.assert_array_equal(explain(in_place, _target(in_place, "0"), batch).grids, expected)


@pytest.mark.parametrize(("name", "message"), [("3", "not a grid of cells"), ("nowhere", "no layer 'nowhere'")])
def test_layers_that_cannot_be_explained_are_refused(name: str, message: str, batch: torch.Tensor) -> None:
    with pytest.raises(SettingsError, match=message):
        generate_gradcam(_small(), batch[:1], target_layer=name)


def test_a_layer_without_a_path_to_the_scores_is_refused(batch: torch.Tensor) -> None:
    class Detached(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.aside = _small(), nn.Conv2d(3, 2, 1)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            self.aside(image)
            scores: torch.Tensor = self.body(image)
            return scores.detach()

    network = Detached().eval()
    with pytest.raises(SettingsError, match="do not depend on layer 'aside'"):
        explain(network, _target(network, "aside"), batch)


def test_evidence_against_a_class_gives_an_empty_map_and_a_warning(batch: torch.Tensor) -> None:
    network = _small()
    nn.init.constant_(network[4].weight, -1.0)
    explanation = explain(network, _target(network, "1"), batch)
    assert set(sum(explanation.statuses, ())) == {MapStatus.NO_POSITIVE_EVIDENCE}
    with pytest.warns(DegenerateMapWarning, match="no_positive_evidence"):
        assert not generate_gradcam(network, batch[:1], 0, target_layer="1").any()


def test_rounding_noise_is_no_evidence(batch: torch.Tensor) -> None:
    """Two channels that cancel leave noise of 1e-8; it must not become a confident map."""
    network = _small()
    with torch.no_grad():
        network[0].weight[1] = network[0].weight[0]
        network[0].bias[:2] = 1.0
        network[4].weight[:] = torch.tensor([1.0, -1.0 + 1e-7, 0.0, 0.0])
    statuses = explain(network, _target(network, "1"), batch).statuses
    assert set(sum(statuses, ())) == {MapStatus.NO_POSITIVE_EVIDENCE}


def test_non_finite_networks_are_reported(batch: torch.Tensor) -> None:
    network = _small()
    with torch.no_grad():
        network[0].bias[0] = float("nan")
    assert set(sum(explain(network, _target(network, "1"), batch).statuses, ())) == {MapStatus.NON_FINITE}


def test_one_heat_map_at_the_size_of_the_input(network: nn.Module, batch: torch.Tensor) -> None:
    heat = generate_gradcam(network, batch[0])
    assert heat.shape == (SIDE, SIDE)
    assert heat.dtype == np.float32
    assert (heat.min(), heat.max()) == (0, 1)


@pytest.mark.parametrize("shape", [(3, 3, SIDE, SIDE), (SIDE, SIDE), (1, SIDE, SIDE, 3), (SIDE, SIDE, 3)])
def test_one_image_is_expected(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="input_tensor: expected"):
        generate_gradcam(_small(), torch.zeros(shape))


def test_the_class_must_exist(batch: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="target_class_idx: expected 0 to 1, got 2"):
        generate_gradcam(_small(), batch[:1], 2, target_layer="1")


def test_random_channels_are_the_weighted_sum_of_the_activations(batch: torch.Tensor) -> None:
    network = _small()
    layers = find_target_layers(network, "1", input_size=Size(SIDE, SIDE))
    names = ["a.png", "b.png", "c.png"]
    found = explain(network, layers, batch, randomised=names)
    with torch.no_grad():
        activations = network[1](network[0](batch)).double().numpy()
    assert found.random_channels is not None
    assert found.random_channels.shape == (3, CHANNEL_DRAWS, SIDE, SIDE)
    for image, name in enumerate(names):
        for drawn, weights in zip(found.random_channels[image], channel_weights(name, 4), strict=True):
            expected = np.tensordot(weights.astype(np.float64), activations[image], axes=1)
            if expected.max() > 0:
                np.testing.assert_allclose(drawn, expected / np.abs(expected).max(), rtol=0, atol=1e-5)
            else:
                assert not drawn.any()
    assert np.count_nonzero(found.random_channels.any(axis=(2, 3))) > CHANNEL_DRAWS
    plain = explain(network, layers, batch)
    assert plain.random_channels is None
    np.testing.assert_array_equal(found.grids, plain.grids)
    np.testing.assert_array_equal(found.probabilities, plain.probabilities)


@pytest.mark.parametrize("method", ["gradcam", "fem"])
@pytest.mark.parametrize("smooth", list(Smooth))
def test_random_channels_depend_on_names_and_not_on_the_batch_or_the_method(
    batch: torch.Tensor, method: str, smooth: Smooth
) -> None:
    network = _small()
    network[0].stride = (8, 8)  # cells of eight pixels
    layers = find_target_layers(network, "0", input_size=Size(SIDE, SIDE))
    together = explain(network, layers, batch, method=method, smooth=smooth, randomised=["a", "b", "c"])
    alone = explain(network, layers, batch[1:2], smooth=smooth, randomised=["b"])
    assert together.random_channels is not None
    assert alone.random_channels is not None
    np.testing.assert_allclose(together.random_channels[1], alone.random_channels[0], rtol=0, atol=1e-5)
    renamed = explain(network, layers, batch[1:2], smooth=smooth, randomised=["c"]).random_channels
    assert renamed is not None
    assert np.abs(renamed - alone.random_channels).max() > 0.1
    if smooth is Smooth.FLIP:
        mirrored = explain(network, layers, batch[1:2].flip(-1), smooth=smooth, randomised=["b"]).random_channels
        assert mirrored is not None
        np.testing.assert_allclose(mirrored[..., ::-1], alone.random_channels, rtol=0, atol=1e-5)


def test_a_map_of_pixels_has_no_random_channels(batch: torch.Tensor) -> None:
    pytest.importorskip("captum")
    found = explain(_small(), (), batch, method="gradient", map_size=12, randomised=["a", "b", "c"])
    assert found.random_channels is None
