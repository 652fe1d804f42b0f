"""All methods against pytorch-grad-cam, on convolutional, channels-last and token networks; and where it is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import pytorch_grad_cam as library
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from pytorch_grad_cam.utils.svd_on_activations import get_2d_projection

from btxrd_explain.core.cam import NATIVE, elementwise, gradcam, hirescam, layercam
from btxrd_explain.core.choices import ResizeMode
from btxrd_explain.core.geometry import Frame, Size
from btxrd_explain.core.heatmap import MapStatus, heat_map
from btxrd_explain.core.methods import METHODS
from btxrd_explain.model.engine import Explanation, explain
from btxrd_explain.model.layers import TargetLayer, find_target_layers, list_layers
from btxrd_explain.settings.types import MethodName

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

SWIN = {"img_size": 112, "embed_dim": 24, "depths": (1, 1, 1, 1), "num_heads": (1, 2, 4, 8)}
NETWORKS: dict[str, tuple[int, dict[str, Any]]] = {
    "test_resnet": (96, {}),
    "swin_tiny_patch4_window7_224": (112, SWIN),
    "test_vit": (160, {}),
}
PEERS = {
    "gradcam": "GradCAM",
    "gradcam++": "GradCAMPlusPlus",
    "hirescam": "HiResCAM",
    "layercam": "LayerCAM",
    "xgradcam": "XGradCAM",
    "elementwise": "GradCAMElementWise",
}


@pytest.fixture(scope="module", params=NETWORKS)
def case(request: pytest.FixtureRequest) -> tuple[nn.Module, tuple[TargetLayer, ...], torch.Tensor]:
    torch.manual_seed(11)
    side, options = NETWORKS[request.param]
    network = timm.create_model(request.param, pretrained=False, num_classes=3, **options).eval()
    batch = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(2))
    return network, find_target_layers(network, input_size=Size(side, side)), batch


def _library(name: str, network: nn.Module, layer: TargetLayer, batch: torch.Tensor, index: int) -> Any:  # noqa: ANN401
    """Run the library as its documentation says."""
    with getattr(library, PEERS[name])(network, [layer.module], reshape_transform=layer.layout.to_grid) as cam:
        return cam(batch.clone(), [ClassifierOutputTarget(index)] * len(batch))


def _heat(explanation: Explanation, image: int, index: int, side: int) -> np.ndarray[Any, Any]:
    frame = Frame.fit(Size(side, side), Size(side, side), ResizeMode.SQUASH)
    status = explanation.statuses[image][index]
    return heat_map(explanation.grids[image, index], frame, status=status).values


@pytest.mark.parametrize("method", PEERS)
def test_native_methods_agree_with_the_library(case: Any, method: str) -> None:  # noqa: ANN401 -- the fixture
    network, layers, batch = case
    explanation = explain(network, layers, batch, method=method)
    for index in range(3):
        theirs = _library(method, network, layers[0], batch, index)
        for image in range(len(batch)):
            ours = _heat(explanation, image, index, batch.shape[-1])
            np.testing.assert_allclose(ours, theirs[image], atol=1e-4, err_msg=f"{method}, class {index}")


def test_eigencam_agrees_up_to_the_sign_that_the_library_leaves_to_chance(case: Any) -> None:  # noqa: ANN401
    network, layers, batch = case
    outputs: list[torch.Tensor] = []
    handle = layers[0].module.register_forward_hook(lambda _m, _i, output: outputs.append(output.detach()))
    network(batch)
    handle.remove()
    theirs = get_2d_projection(layers[0].layout.to_grid(outputs[0]).numpy())
    ours = explain(network, layers, batch, method="eigencam").grids
    for image in range(len(batch)):
        sign = np.sign(theirs[image].ravel()[np.abs(theirs[image]).argmax()])
        np.testing.assert_allclose(ours[image, 0], theirs[image] * sign, atol=1e-4)
        np.testing.assert_array_equal(ours[image, 0], ours[image, 2])


@pytest.mark.parametrize("method", [name for name, one in METHODS.items() if not (one.native or one.pixels)])
def test_every_further_method_works_on_tokens_and_leaves_nothing_behind(method: str) -> None:
    network = timm.create_model("test_vit", pretrained=False, num_classes=2, embed_dim=16, depth=2, num_heads=2)
    network = network.eval().requires_grad_(requires_grad=False)
    layers = find_target_layers(network, input_size=Size(160, 160))
    explanation = explain(network, layers, torch.randn(1, 3, 160, 160), method=method)
    assert explanation.grids.shape == (1, 2, 10, 10)
    assert all(p.grad is None and not p.requires_grad for p in network.parameters())
    assert not any(module._forward_hooks for module in network.modules())


def test_all_methods_have_one_list_of_names() -> None:
    assert TypeAdapter(MethodName).json_schema()["enum"] == list(METHODS)
    assert set(NATIVE) == {name for name, method in METHODS.items() if method.native}


def _resnet() -> tuple[nn.Module, tuple[TargetLayer, ...], torch.Tensor]:
    torch.manual_seed(11)
    network = timm.create_model("test_resnet", pretrained=False, num_classes=3).eval()
    batch = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    return network, find_target_layers(network, input_size=Size(64, 64)), batch


def test_too_few_targets_give_silent_zeros_in_the_library_and_cannot_be_given_here() -> None:
    network, layers, batch = _resnet()
    with library.GradCAM(network, [layers[0].module]) as cam:
        assert not cam(batch, [ClassifierOutputTarget(1)])[1:].any()
    assert explain(network, layers, batch).grids[1:].any()


def test_a_wrong_class_is_swallowed_by_the_library_and_an_error_here(capsys: pytest.CaptureFixture[str]) -> None:
    from btxrd_explain.model.any_network import generate_gradcam  # noqa: PLC0415 -- only here

    network, layers, batch = _resnet()
    with library.GradCAM(network, [layers[0].module]) as cam:
        cam(batch[:1], [ClassifierOutputTarget(9)])
    assert "exception occurred" in capsys.readouterr().out
    with pytest.raises(ValueError, match="expected 0 to 2, got 9"):
        generate_gradcam(network, batch[:1], target_class_idx=9)


def test_frozen_networks_and_no_grad_break_the_library_and_work_here() -> None:
    network, layers, batch = _resnet()
    expected = explain(network, layers, batch).grids
    network.requires_grad_(requires_grad=False)
    with (
        pytest.raises(RuntimeError, match="does not require grad"),
        library.GradCAM(network, [layers[0].module]) as cam,
    ):
        cam(batch, [ClassifierOutputTarget(1)] * 3)
    with torch.no_grad():
        np.testing.assert_array_equal(explain(network, layers, batch).grids, expected)


def test_bfloat16_networks_break_the_library_and_work_here() -> None:
    network, layers, batch = _resnet()
    expected = explain(network, layers, batch)
    network = network.to(torch.bfloat16)
    with pytest.raises(TypeError, match="BFloat16"), library.GradCAM(network, [layers[0].module]) as cam:
        cam(batch.to(torch.bfloat16), [ClassifierOutputTarget(1)] * 3)
    ours = explain(network, layers, batch.to(torch.bfloat16))
    np.testing.assert_allclose(ours.probabilities, expected.probabilities, atol=0.02)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mixed_precision_stays_near(precision: str) -> None:
    network, layers, batch = _resnet()
    exact, mixed = explain(network, layers, batch), explain(network, layers, batch, precision=precision)
    np.testing.assert_allclose(mixed.probabilities, exact.probabilities, atol=0.01)
    scale = np.abs(exact.grids).max()
    assert np.abs(mixed.grids - exact.grids).max() < 0.05 * scale


def test_scorecam_of_a_batch_is_that_of_its_images() -> None:
    network, layers, batch = _resnet()
    together = explain(network, layers, batch[:2], method="scorecam").grids
    alone = explain(network, layers, batch[1:2], method="scorecam").grids
    np.testing.assert_allclose(together[1], alone[0], atol=1e-5)


def test_several_layers_are_averaged_on_the_finest_grid() -> None:
    network, _, batch = _resnet()
    fine, coarse = (find_target_layers(network, name, input_size=Size(64, 64)) for name in ("layer3", "layer4"))
    both = find_target_layers(network, "layer3, layer4", input_size=Size(64, 64))
    averaged = explain(network, both, batch, method="layercam").grids
    parts = [explain(network, one, batch, method="layercam").grids for one in (fine, coarse)]
    assert averaged.shape == parts[0].shape
    scaled = [part / part.max(axis=(2, 3), keepdims=True) for part in parts]
    resized = torch.nn.functional.interpolate(torch.from_numpy(scaled[1]), parts[0].shape[2:], mode="bilinear").numpy()
    np.testing.assert_allclose(averaged, (scaled[0] + resized) / 2, atol=1e-5)


@given(seed=st.integers(0, 999), factor=st.floats(0.1, 10))
def test_laws_of_methods(seed: int, factor: float) -> None:
    """On one cell all product methods agree; scaling the score scales the grid; parts add up."""
    generator = torch.Generator().manual_seed(seed)
    activations, gradients = (torch.randn(2, 5, 3, 4, generator=generator) for _ in range(2))
    one = activations[..., :1, :1], gradients[..., :1, :1]
    torch.testing.assert_close(gradcam(*one).grid, hirescam(*one).grid)
    positive = activations.abs()
    torch.testing.assert_close(layercam(positive, gradients).grid, elementwise(positive, gradients).grid)
    negative = layercam(positive, -gradients).grid
    torch.testing.assert_close(layercam(positive, gradients).grid - negative, hirescam(positive, gradients).grid)
    linear: list[Callable[..., Any]] = [gradcam, hirescam, layercam, elementwise, NATIVE["xgradcam"]]
    for method in linear:
        scaled = method(activations, gradients * factor).grid
        torch.testing.assert_close(scaled, method(activations, gradients).grid * factor, rtol=1e-3, atol=1e-3)


def test_magnitudes_bound_their_grids() -> None:
    generator = torch.Generator().manual_seed(0)
    activations, gradients = (torch.randn(2, 5, 3, 4, generator=generator) for _ in range(2))
    for name, method in NATIVE.items():
        grid, magnitude, _ = method(activations, gradients)
        assert (grid.abs().amax(dim=(1, 2)) <= magnitude * (1 + 1e-5)).all(), name


def test_layers_are_listed_in_the_order_in_which_they_run() -> None:
    network, _, _ = _resnet()
    listed = list_layers(network, input_size=Size(64, 64))
    cells = [layer.layout.grid.height for layer in listed]
    assert cells == sorted(cells, reverse=True)
    assert listed[-1].name == "layer4"
    assert {"layer1", "layer2", "layer3"} <= {layer.name for layer in listed}
    assert explain(network, listed[:1], torch.randn(1, 3, 64, 64)).statuses[0][0] in MapStatus
