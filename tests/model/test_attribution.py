"""The methods that explain pixels, against captum itself on the bare network, and the laws that admit them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import timm
import torch
from captum import attr as captum
from torch import nn

from btxrd_explain.core.choices import Activation
from btxrd_explain.core.geometry import Size
from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.core.methods import METHODS
from btxrd_explain.errors import SettingsError
from btxrd_explain.model.any_network import explain_images, generate_gradcam
from btxrd_explain.model.attribution import attributions
from btxrd_explain.model.engine import Explanation, explain
from btxrd_explain.model.layers import TargetLayer, find_target_layers
from btxrd_explain.system.extras import to_install

if TYPE_CHECKING:
    from torch import Tensor

pytestmark = pytest.mark.filterwarnings("ignore:Setting (forward, )?backward hooks:UserWarning")

SIDE, FEW = 64, 32
"""Pixels on a side of the images; where hundreds of passes are compared with captum's, of their corners."""
NETWORKS: dict[str, dict[str, Any]] = {
    "test_resnet": {},
    "test_efficientnet": {},
    "test_vit": {"img_size": FEW},
}
PIXELS = [name for name, method in METHODS.items() if method.pixels]
GUIDED = ["guided-backprop", "guided-gradcam"]


def network_of(name: str, **options: Any) -> nn.Module:  # noqa: ANN401 -- timm's options
    torch.manual_seed(0)
    network: nn.Module = timm.create_model(name, num_classes=3, **options)
    return network.eval().requires_grad_(requires_grad=False)


@pytest.fixture(scope="module")
def batch() -> Tensor:
    return torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def corners(batch: Tensor) -> Tensor:
    return batch[..., :FEW, :FEW].contiguous()


@pytest.fixture(scope="module", params=NETWORKS)
def network(request: pytest.FixtureRequest) -> nn.Module:
    return network_of(request.param, **NETWORKS[request.param])


def out_of_place(network: nn.Module) -> nn.Module:
    modules: list[Any] = [module for module in network.modules() if hasattr(module, "inplace")]
    for module in modules:
        module.inplace = False
    return network


def seeded() -> None:
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 -- captum's generator


def drawn_by_numpy() -> Any:  # noqa: ANN401 -- an array
    state: Any = np.random.get_state()  # noqa: NPY002
    return state[1]


def directly(network: nn.Module, method: str, batch: Tensor, classes: Tensor) -> Tensor:
    """Ask captum for one class of each image, with what the documentation says of each method."""
    window = (3, *(-(-side // 7) for side in batch.shape[2:]))
    simple: dict[str, tuple[Any, dict[str, Any]]] = {
        "gradient": (captum.Saliency, {"abs": False}),
        "input-x-gradient": (captum.InputXGradient, {}),
        "guided-backprop": (captum.GuidedBackprop, {}),
        "integrated-gradients": (captum.IntegratedGradients, {"n_steps": 25}),
        "deeplift": (captum.DeepLift, {}),
        "occlusion": (captum.Occlusion, {"sliding_window_shapes": window, "strides": window}),
    }
    if method in simple:
        kind, options = simple[method]
        values: Tensor = kind(network).attribute(batch.clone().requires_grad_(), target=classes, **options)
        return values.detach()
    rows = []
    for image, index in zip(torch.split(batch, 1), classes.tolist(), strict=True):
        seeded()
        noise: dict[str, Any] = {
            "nt_samples_batch_size": 5,
            "stdevs": 0.15 * float(image.max() - image.min()),
            "target": index,
        }
        if method == "smoothgrad":
            tunnel = captum.NoiseTunnel(captum.Saliency(network))
            rows.append(tunnel.attribute(image, nt_samples=25, abs=False, **noise))
        elif method == "smooth-integrated-gradients":
            tunnel = captum.NoiseTunnel(captum.IntegratedGradients(network))
            rows.append(tunnel.attribute(image, nt_samples=5, n_steps=25, **noise))
        else:
            low, high = image.amin((2, 3), keepdim=True), image.amax((2, 3), keepdim=True)
            even = torch.cat([(low + (high - low) * part / 4).expand_as(image) for part in range(5)])
            shap = captum.GradientShap(network)
            parts = [shap.attribute(image, even, n_samples=5, stdevs=0.0, target=index) for _ in range(5)]
            rows.append(torch.stack(parts).mean(dim=0))
    return torch.cat(rows).detach()


@pytest.mark.parametrize("method", [name for name in PIXELS if name not in GUIDED])
def test_values_are_those_of_captum_on_the_bare_network(network: nn.Module, method: str, corners: Tensor) -> None:
    classes = torch.tensor([2, 0])
    generators = torch.get_rng_state(), drawn_by_numpy()
    found = attributions(network, None, corners, method, classes, Activation.SOFTMAX)
    assert torch.equal(torch.get_rng_state(), generators[0])
    assert np.array_equal(drawn_by_numpy(), generators[1])
    expected = directly(out_of_place(network), method, corners, classes)
    assert float(expected.abs().max()) > 0
    assert torch.allclose(found, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("method", GUIDED)
@pytest.mark.parametrize("name", ["test_resnet", "resnet10t"])
def test_guided_values_are_those_of_captum(name: str, method: str, batch: Tensor) -> None:
    network = network_of(name)
    (layer,) = find_target_layers(network, "auto", input_size=Size(SIDE, SIDE), channels=3)
    pairs = [torch.tensor(classes) for classes in ([0, 1], [1, 2], [2, 0])]
    found = torch.cat([attributions(network, layer, batch, method, pair, Activation.SOFTMAX) for pair in pairs])
    bare = out_of_place(network)
    if method == "guided-gradcam":
        guided, inputs = captum.GuidedGradCam(bare, layer.module), batch.clone().requires_grad_()
        expected = torch.cat([guided.attribute(inputs, pair, interpolate_mode="bilinear").detach() for pair in pairs])
    else:
        expected = torch.cat([directly(bare, method, batch, pair) for pair in pairs])
    assert float(expected.abs().max()) > 0
    assert torch.allclose(found, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


def explained(network: nn.Module, method: str, batch: Tensor, **options: Any) -> Explanation:  # noqa: ANN401 -- passed on
    layers: tuple[TargetLayer, ...] = ()
    if METHODS[method].layer:
        layers = find_target_layers(network, "auto", input_size=Size(*batch.shape[2:]), channels=3)
    return explain(network, layers, batch, method=method, **options)


@pytest.mark.parametrize("method", PIXELS)
def test_each_class_of_each_image_has_a_map_of_its_own(method: str, batch: Tensor) -> None:
    """Neither the batch nor the other classes that are asked for change a map, and the prediction is the plain one."""
    network = network_of("test_resnet")
    whole = explained(network, method, batch, map_size=16, choose=lambda _: [[1], [1, 2]])
    assert whole.grids.shape == (2, 2, 16, 16)
    assert np.isnan(whole.grids[0, 1]).all()
    plain = explained(network, "gradcam", batch)
    assert np.allclose(whole.probabilities, plain.probabilities, atol=1e-6)
    alone = explained(network, method, batch[1:], map_size=16, choose=lambda _: [[2]])
    assert [status for status in alone.statuses[0] if status is not MapStatus.NOT_COMPUTED] == [whole.statuses[1][2]]
    largest = np.abs(whole.grids[1, 1]).max()
    assert np.allclose(alone.grids[0, 0], whole.grids[1, 1], rtol=0, atol=1e-4 * largest)
    assert np.abs(whole.grids[1, 0] - whole.grids[1, 1]).max() > 0.1 * largest


def test_no_hook_mode_or_gradient_is_left_behind(batch: Tensor) -> None:
    network = network_of("resnet10t").requires_grad_()
    in_place = [getattr(module, "inplace", None) for module in network.modules()]
    for method in PIXELS:
        explained(network, method, batch[:1], choose=lambda _: [[0]])
    assert [getattr(module, "inplace", None) for module in network.modules()] == in_place
    assert True in in_place
    assert not any(module._forward_hooks or module._backward_hooks for module in network.modules())
    assert not any(module._forward_pre_hooks for module in network.modules())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in network.parameters())


def test_a_map_of_no_class_is_empty(batch: Tensor) -> None:
    result = explained(network_of("test_resnet"), "gradient", batch, map_size=8, choose=lambda _: [[], []])
    assert result.grids.shape == (2, 1, 8, 8)
    assert np.isnan(result.grids).all()
    assert result.statuses == ((MapStatus.NOT_COMPUTED,) * 3,) * 2


class TwoWays(nn.Module):
    """A classifier whose attributions can be worked out by hand."""

    def __init__(self, function: Any = None) -> None:  # noqa: ANN401 -- a callable or nothing
        super().__init__()
        self.body, self.act, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(inplace=True), nn.Linear(4, 3)
        self.function = function

    def forward(self, batch: Tensor) -> Tensor:
        values = self.act(self.body(batch))
        values = values if self.function is None else self.function(values)
        scores: Tensor = self.head(values.mean(dim=(2, 3)))
        return scores


@pytest.mark.parametrize("method", ["integrated-gradients", "deeplift", "input-x-gradient", "occlusion"])
def test_signed_maps_are_sums_and_averages(method: str, batch: Tensor) -> None:
    """Of a linear network all of them say each weight times its value; cells are means over the sums of channels."""
    torch.manual_seed(2)
    weights = torch.randn(3, 3, SIDE, SIDE)
    linear = nn.Linear(3 * SIDE * SIDE, 3, bias=False)
    linear.weight = nn.Parameter(weights.flatten(1))
    network = nn.Sequential(nn.Flatten(), linear).eval()
    result = explain(network, (), batch, method=method, map_size=16, choose=lambda _: [[1], [1]])
    values = (batch * weights[1]).sum(dim=1).reshape(2, 16, 4, 16, 4).mean(dim=(2, 4)).numpy()
    if method == "occlusion":  # a window says the sum over itself for all of its pixels
        assert np.isclose(result.grids[0, 0, 0, 0], (batch * weights[1])[0, :, :10, :10].sum(), rtol=1e-4)
    else:
        assert np.allclose(result.grids[:, 0], values, atol=1e-4)


@pytest.mark.parametrize("method", ["gradient", "smoothgrad"])
def test_maps_of_magnitudes_have_no_negative_cells(method: str, batch: Tensor) -> None:
    result = explained(network_of("test_vit", img_size=SIDE), method, batch, map_size=16, choose=lambda _: [[0], [2]])
    assert (result.grids >= 0).all()
    assert result.statuses[0][0] is MapStatus.OK


def test_guided_methods_refuse_other_activations(batch: Tensor) -> None:
    for name, options, found in (("test_vit", {"img_size": SIDE}, "gelu"), ("test_efficientnet", {}, "silu")):
        with pytest.raises(SettingsError, match=rf"guided-backprop works on networks whose .* ReLU .*{found}"):
            explained(network_of(name, **options), "guided-backprop", batch)
    functions = {torch.sigmoid: "sigmoid", torch.relu: "relu as a function", nn.functional.gelu: "gelu"}
    for function, found in functions.items():
        with pytest.raises(SettingsError, match=found):
            explain(TwoWays(function).eval(), (), batch, method="guided-backprop")
    assert explain(TwoWays().eval(), (), batch, method="guided-backprop").grids.shape == (2, 3, 56, 56)


def test_attributions_that_do_not_add_up_have_a_status_that_says_so(batch: Tensor) -> None:
    """captum's DeepLIFT does not see functions, and takes their gradient for a difference."""
    torch.manual_seed(0)
    complete = explain(TwoWays().eval(), (), batch, method="deeplift")
    assert not any(MapStatus.INCOMPLETE in statuses for statuses in complete.statuses)
    broken = explain(TwoWays(torch.square).eval(), (), batch, method="deeplift")
    assert broken.statuses == ((MapStatus.INCOMPLETE,) * 3,) * 2
    for method in ("gradient", "input-x-gradient"):  # which promise nothing of the kind
        other = explain(TwoWays(torch.square).eval(), (), batch, method=method)
        assert not any(MapStatus.INCOMPLETE in statuses for statuses in other.statuses)


def test_integrated_gradients_add_up_within_a_twentieth_or_say_so(network: nn.Module, corners: Tensor) -> None:
    result = explained(network, "integrated-gradients", corners, map_size=FEW, choose=lambda _: [[2], [2]])
    with torch.no_grad():
        changes = (network(corners) - network(torch.zeros_like(corners)))[:, 2].numpy()
    missed = np.abs(result.grids[:, 0].sum(axis=(1, 2)) - changes) / np.abs(changes)
    assert [statuses[2] is MapStatus.INCOMPLETE for statuses in result.statuses] == (missed > 0.05).tolist()


def test_an_activation_that_runs_twice_is_an_error_for_deeplift(batch: Tensor) -> None:
    network = TwoWays()
    network.function = network.act
    with pytest.raises(SettingsError, match="deeplift cannot explain this network"):
        explain(network.eval(), (), batch, method="deeplift")


class Cut(nn.Module):
    """A network of which no gradient, or no useful one, reaches the input."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.conv, self.act, self.head, self.way = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Linear(4, 3), way

    def forward(self, batch: Tensor) -> Tensor:
        if self.way == "hard":
            batch = (batch > 0).float()
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.way != "without"):
            features = self.act(self.conv(batch))
            if self.way == "changed":
                features.relu_()
                features += 1
                features.relu_()
            scores: Tensor = self.head(features.mean(dim=(2, 3)))
        return torch.zeros(len(batch), 3) + self.head.bias if self.way == "constant" else scores


@pytest.mark.parametrize("method", ["gradient", "input-x-gradient", "integrated-gradients", "smoothgrad", "deeplift"])
@pytest.mark.parametrize(
    ("way", "why"),
    [(way, "reaches the input") for way in ("without", "hard", "constant")] + [("changed", "in place")],
)
def test_a_network_without_gradients_of_its_input_is_an_error(way: str, why: str, method: str, batch: Tensor) -> None:
    with pytest.raises(SettingsError, match=f"{method} cannot explain this network: .*{why}"):
        explain(Cut(way).eval(), (), batch, method=method)
    if way == "hard":  # which looks at no gradient
        assert explain(Cut(way).eval(), (), batch, method="occlusion").grids.shape == (2, 3, 56, 56)


def test_a_lack_of_memory_stays_one(batch: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("btxrd_explain.model.attribution.captum.Saliency.attribute", full)
    with pytest.raises(torch.OutOfMemoryError):
        explain(TwoWays().eval(), (), batch, method="gradient")


def test_without_captum_the_extra_is_named(batch: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "captum", None)
    with pytest.raises(SettingsError, match="method 'deeplift' needs captum, which is not installed") as caught:
        explain(TwoWays().eval(), (), batch, method="deeplift")
    assert caught.value.hint == to_install("captum")
    assert explained(network_of("test_resnet"), "gradcam", batch).grids.size


def test_one_image_of_any_network(batch: Tensor) -> None:
    """The functions of the library take the methods, also for a network without a layer that can be explained."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 3))
    assert generate_gradcam(network, batch[0], 1, method="integrated-gradients").shape == (SIDE, SIDE)
    assert explain_images(network, batch, method="gradient").grids.shape == (2, 3, 56, 56)
    one_output = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 1))
    positive = explain_images(one_output, batch, method="input-x-gradient", activation="sigmoid").grids
    assert np.allclose(positive[:, 0], -positive[:, 1])
