"""Networks as people write them, whose modules run several times: the map is the one that is worked out by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.core.methods import METHODS
from btxrd_explain.errors import SettingsError
from btxrd_explain.model.any_network import generate_gradcam
from btxrd_explain.model.engine import explain
from btxrd_explain.model.layers import find_target_layers, list_layers

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = Size(64, 48)


class Plain(nn.Module):
    """One ReLU and one pooling for all convolutions; the ReLU runs in the head, too."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 8, 3, padding=1)
        self.relu, self.pool = nn.ReLU(), nn.MaxPool2d(2)
        self.hidden, self.head = nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, image: Tensor) -> Tensor:
        """Return class scores."""
        found = self.pool(self.relu(self.conv1(image)))
        self.kept = self.pool(self.relu(self.conv2(found)))
        hidden: Tensor = self.relu(self.hidden(self.kept.mean(dim=(2, 3))))
        scores: Tensor = self.head(hidden)
        return scores


class Block(nn.Module):
    """A residual block with one ReLU, which works in place."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = (
            nn.Conv2d(inside, outside, 3, stride=2, padding=1),
            nn.Conv2d(outside, outside, 3, padding=1),
        )
        self.shortcut, self.relu = nn.Conv2d(inside, outside, 1, stride=2), nn.ReLU(inplace=True)

    def forward(self, found: Tensor) -> Tensor:
        """Return a grid of half the size."""
        inner = self.conv2(self.relu(self.conv1(found)))
        out: Tensor = self.relu(inner + self.shortcut(found))
        return out


class Residual(nn.Module):
    """Residual blocks, and a ReLU of the network after them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.relu = nn.Conv2d(3, 6, 3, padding=1), nn.ReLU()
        self.layer1, self.layer2 = Block(6, 8), Block(8, 10)
        self.head = nn.Linear(10, 3)

    def forward(self, image: Tensor) -> Tensor:
        """Return class scores."""
        self.kept = self.layer2(self.layer1(self.relu(self.stem(image))))
        scores: Tensor = self.head(self.kept.mean(dim=(2, 3)))
        return scores


class Functional(nn.Module):
    """ReLU and pooling as functions; what they return is no module's output, so the last convolution is explained."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 8, 3, padding=1)
        self.head = nn.Linear(8, 3)

    def forward(self, image: Tensor) -> Tensor:
        """Return class scores."""
        found = functional.max_pool2d(functional.relu(self.conv1(image)), 2)
        self.kept = self.conv2(found)
        scores: Tensor = self.head(functional.max_pool2d(functional.relu(self.kept), 2).mean(dim=(2, 3)))
        return scores


class Encoder(nn.Module):
    """The encoder of a U-Net with one activation and one pooling, a decoder that scores ignore, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList([nn.Conv2d(a, b, 3, padding=1) for a, b in ((3, 6), (6, 8), (8, 10))])
        self.act, self.pool = nn.ReLU(inplace=True), nn.MaxPool2d(2)
        self.up = nn.ConvTranspose2d(10, 1, 4, stride=4)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(10, 3))

    def forward(self, image: Tensor) -> Tensor:
        """Return class scores."""
        for step in self.down:
            image = self.pool(self.act(step(image)))
        self.kept = image
        self.mask = self.act(self.up(self.kept))
        scores: Tensor = self.head(self.kept)
        return scores


def vgg() -> nn.Sequential:
    """A network like VGG in which all is in a row, with one ReLU and one pooling."""
    relu, pool = nn.ReLU(), nn.MaxPool2d(2)
    convolutions = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 8, 3, padding=1)
    features = [layer for convolution in convolutions for layer in (convolution, relu, pool)]
    return nn.Sequential(*features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))


class Two(nn.Module):
    """One convolution looks at the radiograph and at its mirror image; both count."""

    def __init__(self) -> None:
        super().__init__()
        self.look, self.head = nn.Conv2d(3, 6, 5, stride=4, padding=2), nn.Linear(12, 3)

    def forward(self, image: Tensor) -> Tensor:
        """Return class scores."""
        first, self.kept = self.look(image), self.look(image.flip(3))
        means = [grid.relu().mean(dim=(2, 3)) for grid in (first, self.kept)]
        scores: Tensor = self.head(torch.cat(means, dim=1))
        return scores


def _by_hand(activations: Tensor, score: Tensor) -> np.ndarray:
    """Grad-CAM, eq. 1 and 2 of Selvaraju et al., before the ReLU."""
    (gradient,) = torch.autograd.grad(score, activations, retain_graph=True)
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    return (weights * activations).sum(dim=1)[0].detach().numpy()


def _pair(build: Callable[[], nn.Module]) -> tuple[Any, Tensor]:
    torch.manual_seed(0)
    return build().eval(), torch.randn(1, 3, *SIZE)


@pytest.mark.parametrize(
    ("build", "name", "run"),
    [
        (Plain, "pool", 1),
        (Residual, "layer2", 0),
        (Functional, "conv2", 0),
        (Encoder, "pool", 2),
        (Two, "look", 1),
    ],
)
def test_auto_explains_the_grid_that_the_head_receives(build: Callable[[], nn.Module], name: str, run: int) -> None:
    network, image = _pair(build)
    (layer,) = find_target_layers(network, input_size=SIZE)
    assert (layer.name, layer.call) == (name, run)
    explained = explain(network, [layer], image)
    scores = network(image)
    for index in range(3):
        np.testing.assert_allclose(explained.grids[0, index], _by_hand(network.kept, scores[0, index]), atol=1e-6)


def test_a_network_like_vgg_is_explained_at_its_last_pooling() -> None:
    network, image = _pair(vgg)
    (layer,) = find_target_layers(network, input_size=SIZE)
    kept = network[:6](image)
    scores = network[6:](kept)
    explained = explain(network, [layer], image)
    for index in range(3):
        np.testing.assert_allclose(explained.grids[0, index], _by_hand(kept, scores[0, index]), atol=1e-6)
    assert (layer.name, layer.call, layer.runs) == ("2", 1, 2)


def test_a_shared_module_that_is_named_is_explained_where_it_last_counts() -> None:
    network, image = _pair(Plain)
    (layer,) = find_target_layers(network, "relu", input_size=SIZE)
    assert layer.remark == (
        "layer 'relu' runs 3 times in one pass: its run 2 is explained, the last one that gives a grid on which the "
        "scores depend"
    )
    kept = network.relu(network.conv2(network.pool(network.relu(network.conv1(image)))))
    scores = network.head(network.relu(network.hidden(network.pool(kept).mean(dim=(2, 3)))))
    for method, atol in (("gradcam", 1e-6), ("shapleycam", 1.0)):  # the second: that the library gets the run
        grids = explain(network, [layer], image, method=method).grids
        assert grids.shape[2:] == kept.shape[2:]
        np.testing.assert_allclose(grids[0, 0], _by_hand(kept, scores[0, 0]), atol=atol)


@pytest.mark.parametrize("method", ["fem", "kpcacam"])
def test_the_library_sees_the_run_that_counts(method: str) -> None:
    network, image = _pair(Plain)
    (shared,) = find_target_layers(network, "pool", input_size=SIZE)
    torch.manual_seed(0)
    apart: Any = Plain().eval()
    first, apart.pool = nn.MaxPool2d(2), nn.MaxPool2d(2)
    apart.relu = nn.Sequential(nn.ReLU())
    apart.forward = lambda image: apart.head(
        apart.relu(
            apart.hidden(apart.pool(apart.relu(apart.conv2(first(apart.relu(apart.conv1(image)))))).mean(dim=(2, 3)))
        )
    )
    (single,) = find_target_layers(apart, "pool", input_size=SIZE)
    assert (shared.call, single.call) == (1, 0)
    ours, theirs = (
        explain(n, [layer], image, method=method).grids for n, layer in ((network, shared), (apart, single))
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("build", [Plain, Residual, Functional, Encoder, vgg, Two])
def test_each_layer_that_is_listed_can_be_explained(build: Callable[[], nn.Module]) -> None:
    network, image = _pair(build)
    (chosen,) = find_target_layers(network, input_size=SIZE)
    layers = list_layers(network, input_size=SIZE)
    assert chosen in layers
    assert len({layer.name for layer in layers}) == len(layers)
    for layer in layers:
        assert explain(network, [layer], image).grids.shape[2:] == layer.layout.grid


# What the function for notebooks takes.


def test_inference_mode_and_autocast_change_nothing() -> None:
    network, image = _pair(Plain)
    expected = generate_gradcam(network, image, 1)
    with torch.autocast("cpu"):
        np.testing.assert_array_equal(generate_gradcam(network, image, 1), expected)
    with torch.inference_mode():
        np.testing.assert_array_equal(generate_gradcam(network, image, 1), expected)
        made_there, same = _pair(Plain)
        np.testing.assert_array_equal(generate_gradcam(made_there, same, 1), expected)
        np.testing.assert_array_equal(generate_gradcam(made_there, same, 1, target_layer=made_there.pool), expected)


class Fixed(nn.Module):
    """A network without weights: three differences between neighbours."""

    def __init__(self, *, buffer: bool) -> None:
        super().__init__()
        self.bank = nn.Identity()
        kernel = torch.tensor([[[[1.0, -1.0]]], [[[-1.0, 1.0]]], [[[1.0, 1.0]]]]).repeat(1, 3, 1, 1)
        if buffer:
            self.register_buffer("kernel", kernel)
        else:
            self.kernel = kernel

    def forward(self, image: Tensor) -> Tensor:
        """Return class scores."""
        self.kept = self.bank(functional.conv2d(image, self.kernel.to(image), stride=2))
        scores: Tensor = self.kept.square().mean(dim=(2, 3))
        return scores


@pytest.mark.parametrize("buffer", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_networks_without_weights_are_explained(dtype: torch.dtype, *, buffer: bool) -> None:
    network = Fixed(buffer=buffer)
    image = torch.rand(1, 3, 12, 10, generator=torch.Generator().manual_seed(0)).to(dtype)
    heat = generate_gradcam(network, image, 2)
    (layer,) = find_target_layers(network, input_size=Size(12, 10))
    given = (image.float() if buffer else image).requires_grad_()
    score = network(given)[0, 2]
    by_hand = _by_hand(network.kept, score)
    assert heat.shape == (12, 10)
    assert np.unravel_index(by_hand.argmax(), by_hand.shape) == tuple(
        int(place) // 2 for place in np.unravel_index(heat.argmax(), heat.shape)
    )
    assert layer.name == "bank"


@pytest.mark.parametrize(
    ("image", "kind", "message"),
    [
        (torch.zeros(1, 3, 64, 48, dtype=torch.uint8), TypeError, r"normalised as in training, got .*: divide pixels"),
        (np.zeros((64, 48, 3), np.uint8), TypeError, "divide pixels by 255"),
        (torch.zeros(64, 48), ValueError, r"got \(64, 48\): a grey image needs its channels first"),
        (torch.zeros(1, 1, 64, 48), ValueError, r"input of shape \(1, 1, 64, 48\).*repeat a grey image in three"),
        (torch.zeros(1, 64, 48), ValueError, r"input of shape \(1, 1, 64, 48\).*to have 3 channels, but got 1"),
        (torch.zeros(1, 4, 64, 48), ValueError, r"input of shape \(1, 4, 64, 48\).*check the channels"),
    ],
)
def test_an_image_of_another_kind_is_named(image: object, kind: type[Exception], message: str) -> None:
    network, _ = _pair(Plain)
    with pytest.raises(kind, match=message):
        generate_gradcam(network, image)


# Why a network cannot be explained.


@pytest.mark.parametrize(
    ("network", "size", "message"),
    [
        (
            lambda: _unpadded(3, stride=2),
            (3, 3),
            r"'0' gives a single cell at an input of 3 x 3 pixels, and no layer gives more: use a larger",
        ),
        (
            lambda: _unpadded((15, 3)),
            (17, 23),
            r"'0' gives 3 x 21 cells, which as squares do not cover an input of 17 x 23",
        ),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(3 * 25, 3)), (5, 5), "no layer of the network gives a grid"),
    ],
)
def test_the_reason_is_the_one_that_holds(
    network: Callable[[], nn.Module], size: tuple[int, int], message: str
) -> None:
    torch.manual_seed(0)
    built = network().eval()
    with pytest.raises(SettingsError, match=message):
        find_target_layers(built, input_size=Size(*size))


def _unpadded(kernel: int | tuple[int, int], stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 7, kernel, stride), nn.AdaptiveAvgPool2d(1), nn.Flatten())


@pytest.mark.parametrize("cut", [torch.no_grad, torch.inference_mode])
def test_a_network_that_cuts_its_gradients_is_told_so(cut: Callable[[], Any]) -> None:
    class Cut(Plain):
        """A network that was written for predictions alone."""

        def forward(self, image: Tensor) -> Tensor:
            """Return class scores without gradients."""
            with cut():
                return super().forward(image)

    with pytest.raises(SettingsError, match=r"no gradient of the class scores reaches .*: take torch.no_grad, .* out"):
        find_target_layers(Cut().eval(), input_size=SIZE)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("up", "is an output on which the scores do not depend"),
        ("head.1", r"gives an output of shape \(1, 10\), which is not a grid of cells"),
        ("head.0", "gives a single cell at an input of 64 x 48 pixels"),
        ("spare", "gives no tensor that comes from the image, or does not run"),
    ],
)
def test_a_named_layer_says_why_it_cannot_be_explained(name: str, message: str) -> None:
    network, _ = _pair(Encoder)
    network.spare = nn.Conv2d(3, 3, 1)
    with pytest.raises(SettingsError, match=f"layer '{name}' cannot be explained: it {message}"):
        find_target_layers(network, name, input_size=SIZE)


# One radiograph that gives NaN leaves the others as they are.


class Last(nn.Module):
    """A convolution whose output is explained; the scores are finite even where its output is not, if asked for."""

    def __init__(self, *, finite: bool) -> None:
        super().__init__()
        self.conv, self.head, self.finite = nn.Conv2d(3, 5, 3, stride=4, padding=1), nn.Linear(5, 3), finite

    def forward(self, image: Tensor) -> Tensor:
        """Return class scores."""
        means = self.conv(image).relu().mean(dim=(2, 3))
        scores: Tensor = self.head(torch.nan_to_num(means, 0, 0, 0) if self.finite else means)
        return scores


@pytest.mark.parametrize("finite", [False, True])
@pytest.mark.parametrize("method", [name for name in METHODS if not name.startswith("guided")])  # which refuse it
def test_each_radiograph_is_judged_by_itself(method: str, *, finite: bool) -> None:
    torch.manual_seed(0)
    network, batch = Last(finite=finite).eval(), torch.randn(4, 3, 16, 16)
    (layer,) = find_target_layers(network, input_size=Size(16, 16))
    alone = explain(network, [layer], batch[[0, 3]], method=method)
    batch[1, :, 4, 4], batch[2, :, 4, 4] = torch.nan, torch.inf
    together = explain(network, [layer], batch, method=method)
    assert {status for number in (1, 2) for status in together.statuses[number]} == {MapStatus.NON_FINITE}
    assert (np.isfinite(together.probabilities[1:3]).all(axis=1) == finite).all()
    assert (together.statuses[0], together.statuses[3]) == alone.statuses
    np.testing.assert_allclose(together.grids[[0, 3]], alone.grids, atol=1e-6)
    np.testing.assert_allclose(together.probabilities[[0, 3]], alone.probabilities, atol=1e-6)
