from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import timm
import torch
from torch import nn

from btxrd_explain.core.cam import NATIVE
from btxrd_explain.core.geometry import Size
from btxrd_explain.model.engine import explain
from btxrd_explain.model.layers import TargetLayer, find_target_layers
from btxrd_explain.model.randomise import Stage, cascade, find_stages

if TYPE_CHECKING:
    from collections.abc import Mapping

SWIN = {"img_size": 112, "embed_dim": 24, "depths": (1, 2, 1, 1), "num_heads": (1, 2, 4, 8)}
NETWORKS: dict[str, tuple[int, dict[str, Any]]] = {
    "test_resnet": (64, {}),
    "swin_tiny_patch4_window7_224": (112, SWIN),
    "test_vit": (160, {}),
}


class Toy(nn.Module):
    """Modules whose names and order of definition say nothing about the order in which they run."""

    def __init__(self) -> None:
        super().__init__()
        self.a_head = nn.Linear(4, 2)
        self.scale = nn.Parameter(torch.tensor([0.5, 1.5, 2.0, -1.0]))
        self.blocks = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.Conv2d(3, 4, 1))
        self.z_stem = nn.Conv2d(1, 3, 3)
        self.never = nn.Linear(2, 2)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        features = self.blocks(self.z_stem(image)).mean(dim=(2, 3)) * self.scale
        scores: torch.Tensor = self.a_head(features)
        return scores


def toy_stages(at_least: int) -> tuple[Stage, ...]:
    return find_stages(Toy().eval(), input_size=Size(8, 8), channels=1, at_least=at_least)


def test_stages_go_from_the_head_to_the_stem_in_the_order_of_the_run() -> None:
    stages = toy_stages(2)
    assert [stage.name for stage in stages] == ["a_head", "blocks", "z_stem", "never", "scale"]
    assert stages[1].modules == ("blocks.0", "blocks.1", "blocks.2")
    assert [stage.parameters for stage in stages] == [10, 12 + 6 + 16, 30, 6, 4]


def test_more_stages_divide_the_largest_part_and_norms_stay_with_what_runs_before() -> None:
    stages = toy_stages(6)
    assert [stage.name for stage in stages] == ["a_head", "blocks.2", "blocks.0", "z_stem", "never", "scale"]
    assert stages[2].modules == ("blocks.0", "blocks.1")
    assert toy_stages(99) == stages


@pytest.fixture(scope="module", params=NETWORKS)
def case(request: pytest.FixtureRequest) -> tuple[nn.Module, Size, tuple[Stage, ...]]:
    torch.manual_seed(5)
    side, options = NETWORKS[request.param]
    network = timm.create_model(request.param, pretrained=False, num_classes=3, **options).eval()
    with torch.no_grad():  # as after training, nothing is where its initialisation puts it
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))
    size = Size(side, side)
    return network, size, find_stages(network, input_size=size, at_least=6)


def test_every_parameter_is_in_one_stage_and_the_head_comes_first(case: Any) -> None:  # noqa: ANN401 -- the fixture
    network, _, stages = case
    owners = [name for stage in stages for name in stage.modules]
    assert len(set(owners)) == len(owners)
    assert sum(stage.parameters for stage in stages) == sum(parameter.numel() for parameter in network.parameters())
    assert len(stages) >= 6
    assert network.get_classifier() is network.get_submodule(stages[0].modules[-1])


def test_the_cascade_randomises_stage_by_stage_and_leaves_the_network_alone(case: Any) -> None:  # noqa: ANN401
    network, _, stages = case
    before = {name: parameter.clone() for name, parameter in network.named_parameters()}
    state = torch.random.get_rng_state()
    done: set[str] = set()
    for stage, scrambled in cascade(network, stages, seed=1):
        assert scrambled is not network
        done |= {f"{owner}.".removeprefix(".") for owner in stage.modules}
        for name, parameter in scrambled.named_parameters():
            random = f"{name.rpartition('.')[0]}.".removeprefix(".") in done
            assert torch.equal(parameter, before[name]) != random, name
    assert all(torch.equal(parameter, before[name]) for name, parameter in network.named_parameters())
    assert torch.equal(torch.random.get_rng_state(), state)


def weights(network: nn.Module, stages: tuple[Stage, ...], seed: int) -> Mapping[str, torch.Tensor]:
    *_, (_, last) = cascade(network, stages, seed=seed)
    return last.state_dict()


def test_the_seed_decides(case: Any) -> None:  # noqa: ANN401 -- the fixture
    network, _, stages = case
    first, again, other = (weights(network, stages, seed) for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    head = f"{stages[0].modules[-1]}.weight"
    assert not torch.equal(first[head], other[head])


@pytest.mark.parametrize("method", NATIVE)
def test_every_native_method_explains_a_random_network(case: Any, method: str) -> None:  # noqa: ANN401 -- the fixture
    network, size, stages = case
    batch = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(2))
    layers = find_target_layers(network, input_size=size)
    *_, (_, last) = cascade(network, stages, seed=1)
    moved = [TargetLayer(layer.name, last.get_submodule(layer.name), layer.layout) for layer in layers]
    trained, random = explain(network, layers, batch, method=method), explain(last, moved, batch, method=method)
    assert random.grids.shape == trained.grids.shape
    assert not (random.grids == trained.grids).all()


class Bare(nn.Module):
    """A parameter without reset_parameters, one that is constant, and one that its reset_parameters forgets."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.matrix = nn.Parameter(3 + 0.5 * torch.randn(400, 50, generator=generator))
        self.constant = nn.Parameter(torch.full((20, 20), 0.25))
        self.head = Forgetful()

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.head(image.mean() * self.matrix.mean() * self.constant.mean())
        return scores


class Forgetful(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.arange(6.0).reshape(2, 3))
        self.bias = nn.Parameter(torch.ones(3))

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.bias)

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        return (value * self.weight).sum(dim=0) + self.bias


def test_what_knows_no_initialisation_keeps_its_mean_and_deviation() -> None:
    network = Bare().eval()
    stages = find_stages(network, input_size=Size(4, 4), channels=1)
    *_, (_, last) = cascade(network, stages, seed=0)
    matrix = last.get_parameter("matrix")
    assert abs(torch.corrcoef(torch.stack([matrix.flatten(), network.matrix.flatten()]))[0, 1]) < 0.03
    assert matrix.mean().item() == pytest.approx(3, abs=0.02)
    assert matrix.std().item() == pytest.approx(0.5, abs=0.02)
    assert torch.equal(last.get_parameter("constant"), network.constant)
    assert not torch.equal(last.get_parameter("head.weight"), network.head.weight)
    assert torch.equal(last.get_parameter("head.bias"), torch.zeros(3))
