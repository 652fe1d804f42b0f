"""A network with one output is refused wherever that shows: its softmax would be 1 for every radiograph."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import timm
import torch
from torch import nn
from typer.testing import CliRunner

from btxrd_explain import generate_gradcam
from btxrd_explain.cli import app
from btxrd_explain.core.geometry import Size
from btxrd_explain.errors import CheckpointError, TableError
from btxrd_explain.model.classifier import Wishes, build_untrained
from btxrd_explain.model.engine import explain
from btxrd_explain.model.layers import find_target_layers, list_layers
from btxrd_explain.model.library import library_grids
from btxrd_explain.model.scores import class_probabilities
from btxrd_explain.predictions.table import open_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from btxrd_explain.predictions.record import Prediction

_MODULE = """
from torch import nn

class Net(nn.Module):
    def __init__(self, outputs, flat):
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3, stride=4)
        self.head = nn.Linear(4, outputs)
        self.flat = flat

    def forward(self, batch):
        scores = self.head(self.body(batch).relu().mean(dim=(2, 3)))
        return scores.squeeze(1) if self.flat else scores

def column(num_classes):
    return Net(1, False)

def flat(num_classes):
    return Net(1, True)
"""
_MESSAGE = "and the softmax of one output is 1 for every radiograph: train it with two outputs"


@pytest.fixture
def folder(tmp_path: Path, write_root: Callable[[Path, int], None], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a BTXRD root, a module that builds networks of one output, and nothing else of that name loaded."""
    write_root(tmp_path, 3)
    (tmp_path / "one_output_net.py").write_text(_MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "one_output_net", raising=False)
    return tmp_path


class _Net(nn.Module):
    """A network with one output, as a column or as a vector."""

    def __init__(self, *, flat: bool) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3, stride=4)
        self.head = nn.Linear(4, 1)
        self.flat = flat

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """Return the scores."""
        scores: torch.Tensor = self.head(self.body(batch).relu().mean(dim=(2, 3)))
        return scores.squeeze(1) if self.flat else scores


def _checkpoint(outputs: int, facts: dict[str, Any]) -> str:
    torch.manual_seed(0)
    network: Any = timm.create_model("test_resnet", num_classes=outputs)
    torch.save({"model_state_dict": network.state_dict(), "architecture": "test_resnet", **facts}, "one.pt")
    return "one.pt"


def _refused(*command: str) -> str:
    """Run a command that must be refused; return the one line that says why."""
    result = CliRunner().invoke(app, [*command, "--quiet"])
    assert result.exit_code == 3, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert _MESSAGE in line
    assert not Path("out").exists()
    return line


_INFER = ("infer", "BTXRD", "-c", "one.pt", "--device", "cpu", "-o", "out")
_SANITY = ("sanity", "BTXRD", "-c", "one.pt", "--device", "cpu", "-o", "out")
_LAYERS = ("layers", "one.pt")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("command", [_INFER, _SANITY, _LAYERS], ids=["infer", "sanity", "layers"])
@pytest.mark.parametrize(
    ("facts", "flags", "seen"),
    [
        ({"class_names": ["Tumour"]}, (), "is for one class ('Tumour')"),
        ({"num_classes": 1}, (), "has one output (num_classes 1)"),
        ({"num_classes": 1}, ("--class-names", "Normal,Tumour"), "has one output (num_classes 1)"),
        ({"class_names": ["Normal", "Tumour"]}, (), "has one output (fc.weight (1, "),
        ({}, ("--class-names", "Normal,Tumour"), "has one output (fc.weight (1, "),
    ],
)
def test_a_checkpoint_is_refused_before_its_network_is_made(
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    facts: dict[str, Any],
    flags: tuple[str, ...],
    seen: str,
) -> None:
    _checkpoint(1, facts)
    monkeypatch.setattr(timm.models.resnet.ResNet, "forward", lambda *_: pytest.fail("the network runs"))
    assert f"the network of 'one.pt' {seen}" in _refused(*command, *flags)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("command", [_INFER, _SANITY, _LAYERS], ids=["infer", "sanity", "layers"])
@pytest.mark.parametrize(("build", "shape"), [("column", "(1, 1)"), ("flat", "(1,)")])
def test_a_network_of_ones_own_is_refused_before_any_radiograph_is_read(
    monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], build: str, shape: str
) -> None:
    torch.save(_Net(flat=False).state_dict(), "one.pt")
    monkeypatch.setattr("btxrd_explain.inputs.radiograph._read", lambda *_: pytest.fail("a radiograph is read"))
    flags = ("--factory", f"one_output_net:{build}", "--image-size", "32", "--class-names", "Normal,Tumour")
    assert f"the network has one output (its scores have the shape {shape})" in _refused(*command, *flags)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("command", [_INFER, _SANITY, _LAYERS], ids=["infer", "sanity", "layers"])
def test_a_single_name_is_no_setting(command: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*command, "--class-names", "Tumour"])
    assert result.exit_code == 2, result.output
    assert "give a list of at least 2 texts" in " ".join(result.output.split())


def test_a_table_of_one_class_is_refused(
    tmp_path: Path, make_row: Callable[..., Prediction], make_table: Callable[..., None]
) -> None:
    """Earlier releases wrote such tables."""
    make_table(tmp_path / "predictions.parquet", ["Tumour"], [make_row("a.png", "Tumour", (1.0,))])
    with pytest.raises(TableError, match=r"one class \('Tumour'\), and the softmax of one output is 1 in every row"):
        open_table(tmp_path / "predictions.parquet")
    result = CliRunner().invoke(app, ["performance", "--predictions", str(tmp_path / "predictions.parquet")])
    assert result.exit_code == 5, result.output


@pytest.mark.parametrize("flat", [False, True])
def test_no_function_of_the_library_takes_it(*, flat: bool) -> None:
    network, image = _Net(flat=flat).eval(), torch.rand(2, 3, 32, 32)
    other = nn.Sequential(network.body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)).eval()
    (layer,) = find_target_layers(other, "0", input_size=Size(32, 32))
    for work in (
        lambda: generate_gradcam(network, image[0]),
        lambda: explain(network, (layer,), image),
        lambda: explain(network, (layer,), image, method="scorecam"),
        lambda: library_grids(network, layer, image, "scorecam"),
        lambda: find_target_layers(network, "auto", input_size=Size(32, 32)),
        lambda: list_layers(network, input_size=Size(32, 32)),
        lambda: build_untrained(Wishes(architecture="test_resnet", class_names=("Tumour",))),
    ):
        with pytest.raises(CheckpointError, match="the softmax of one output is 1 for every radiograph"):
            work()


@pytest.mark.parametrize("shape", [(3,), (3, 1), (1, 1), (1,), ()])
def test_one_score_stands_for_no_probability(shape: tuple[int, ...]) -> None:
    with pytest.raises(CheckpointError, match="one output"):
        class_probabilities(torch.zeros(shape))


def test_two_scores_do() -> None:
    probabilities = class_probabilities(torch.tensor([[0.0, 1.0], [2.0, 2.0]], dtype=torch.float16))
    assert probabilities.dtype is torch.float32
    torch.testing.assert_close(probabilities, torch.tensor([[0.26894142, 0.73105858], [0.5, 0.5]]))
