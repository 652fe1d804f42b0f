"""Short memory, played by a network that refuses large batches; and compiling, which must change nothing."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from torch import Tensor, nn

from btxrd_explain.core.geometry import Size
from btxrd_explain.errors import SettingsError
from btxrd_explain.model.compiling import compile_body, modules_before
from btxrd_explain.model.engine import explain
from btxrd_explain.model.layers import find_target_layers
from btxrd_explain.model.streams import BatchLimit
from btxrd_explain.predictions.table import open_table
from tests.support.command_line import run
from tests.support.tiny_study import save_network

if TYPE_CHECKING:
    from pathlib import Path

OUT_OF_MEMORY: list[type[RuntimeError] | str] = [
    torch.OutOfMemoryError,
    "DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes",
    "MPS backend out of memory (MPS allocated: 9 GB)",
]


class Narrow(nn.Module):
    """A classifier that raises above a batch size, as a device of little memory does."""

    def __init__(self, largest: int, error: type[RuntimeError] | str = torch.OutOfMemoryError) -> None:
        super().__init__()
        self.body, self.head = nn.Conv2d(1, 4, 3), nn.Linear(4, 3)
        self.largest, self.error, self.sizes = largest, error, list[int]()

    def forward(self, images: Tensor) -> Tensor:
        self.sizes.append(len(images))
        if len(images) > self.largest:
            raise RuntimeError(self.error) if isinstance(self.error, str) else self.error("CUDA out of memory")
        scores: Tensor = self.head(self.body(images).mean(dim=(2, 3)))
        return scores


@pytest.mark.parametrize("error", OUT_OF_MEMORY)
def test_the_batch_is_halved_until_it_fits_and_stays_so(error: type[RuntimeError] | str) -> None:
    torch.manual_seed(0)
    network, images = Narrow(3, error), torch.randn(11, 1, 8, 8)
    limit = BatchLimit(16)
    parts = limit.run(network, images)
    assert network.sizes == [11, 5, 2, 2, 2, 2, 2, 1]
    assert limit.size == 2
    network.largest = 99
    torch.testing.assert_close(torch.cat(parts), network(images))
    limit.run(network, images)
    assert network.sizes[9:] == [2, 2, 2, 2, 2, 1]


def test_one_radiograph_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(SettingsError, match="too little memory for one radiograph: use a smaller --image-size"):
        BatchLimit(4).run(Narrow(0), torch.zeros(4, 1, 8, 8))


def test_other_errors_are_not_mistaken_for_it() -> None:
    with pytest.raises(RuntimeError, match="no kernel image"):
        BatchLimit(4).run(Narrow(0, "no kernel image is available"), torch.zeros(4, 1, 8, 8))


def test_a_run_goes_on_with_smaller_batches_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 30), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    network: Any = timm.create_model("test_resnet", num_classes=2)
    save_network(tmp_path / "net.pt", ("a", "b"))
    monkeypatch.chdir(tmp_path)
    command = ["infer", ".", "--checkpoint", "net.pt", "--batch-size", "4", "-o"]
    run(*command, "whole")
    real = type(network).forward_features

    def narrow(self: Any, images: Tensor) -> Any:  # noqa: ANN401 -- timm has no types
        if len(images) > 2:
            raise torch.OutOfMemoryError
        return real(self, images)

    monkeypatch.setattr(type(network), "forward_features", narrow)
    result = run(*command, "halved")
    assert "memory was short: 2 radiographs per pass instead of 4" in result.output
    whole, halved = (open_table(tmp_path / name / "predictions.parquet").rows() for name in ("whole", "halved"))
    for one, other in zip(whole, halved, strict=True):
        assert one.grids is not None
        assert other.grids is not None
        np.testing.assert_allclose(one.grids, other.grids, rtol=1e-3, atol=1e-6)


def _network() -> tuple[Any, Any, Tensor]:
    torch.manual_seed(3)
    network: Any = timm.create_model("test_resnet", num_classes=3).eval()
    images = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    return network, find_target_layers(network, input_size=Size(64, 64)), images


def test_what_runs_before_the_layer_is_found() -> None:
    network, layers, images = _network()
    found = modules_before(network, layers, images)
    names = [name for name, module in network.named_modules() if any(module is one for one in found)]
    assert names == ["conv1", "bn1", "act1", "maxpool", "layer1", "layer2", "layer3", *_children(network.layer4)]
    first = find_target_layers(network, "layer2, layer4", input_size=Size(64, 64))
    assert network.layer3 not in modules_before(network, first, images)


def _children(stage: nn.Module) -> list[str]:
    return [f"layer4.{name}" for name, _ in stage.named_children()]


def test_without_a_compiler_it_goes_on_as_before_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    network, layers, images = _network()
    expected = explain(network, layers, images).grids

    def broken(module: nn.Module) -> None:
        def fail(*_arguments: object) -> None:
            raise RuntimeError("no C++ compiler found\nlots of detail")

        module._compiled_call_impl = fail

    monkeypatch.setattr(nn.Module, "compile", broken)
    reason = compile_body(network, layers, images)
    assert reason == "the network is not compiled: RuntimeError (no C++ compiler found)"
    np.testing.assert_array_equal(explain(network, layers, images).grids, expected)


@pytest.mark.skipif(shutil.which("c++") is None and shutil.which("g++") is None, reason="a C++ compiler is missing")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_a_compiled_network_gives_the_same_maps() -> None:
    network, layers, images = _small()
    expected = explain(network, layers, images)
    assert compile_body(network, layers, images) is None
    compiled = explain(network, layers, images)
    np.testing.assert_allclose(compiled.probabilities, expected.probabilities, atol=1e-5)
    np.testing.assert_allclose(compiled.grids, expected.grids, atol=1e-5)
    assert compiled.statuses == expected.statuses


def _small() -> tuple[Any, Any, Tensor]:
    """Few operations, so that the compiler has little to do."""
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.SiLU())
    network = nn.Sequential(body, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)).eval()
    images = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    return network, find_target_layers(network, "1", input_size=Size(32, 32)), images
