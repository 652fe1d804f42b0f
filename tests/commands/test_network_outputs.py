"""Networks of people's own on the command line: whatever they return, the right scores or one line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn

from btxrd_explain.core.choices import Activation
from btxrd_explain.predictions.table import open_table
from tests.support.command_line import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typer.testing import Result

pytestmark = pytest.mark.usefixtures("blank_figures")

_MODULE = """
from collections import OrderedDict
from torch import nn

class ModelOutput(OrderedDict):
    @property
    def logits(self):
        return self["logits"]

class Net(nn.Module):
    def __init__(self, classes, behind):
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3, stride=4)
        self.head = nn.Linear(4, classes)
        self.behind = behind

    def forward(self, batch):
        features = self.body(batch).relu()
        return self.behind(self.head(features.mean(dim=(2, 3))), features)

BEHIND = {
    "plain": lambda y, f: y,
    "pair": lambda y, f: (y, f.mean(dim=(2, 3))),
    "features_first": lambda y, f: [f, y],
    "named": lambda y, f: {"logits": y, "aux": y},
    "hugging_face": lambda y, f: ModelOutput(loss=None, logits=y),
    "column": lambda y, f: y[:, :, None, None],
    "squeeze": lambda y, f: y.squeeze(),
    "flat": lambda y, f: y.flatten(),
    "soft": lambda y, f: y.softmax(1),
    "sigmoids": lambda y, f: y.sigmoid(),
    "nothing": lambda y, f: None,
    "text": lambda y, f: "malignant",
    "both": lambda y, f: (y, y),
    "features": lambda y, f: f,
    "classes": lambda y, f: y.argmax(1),
    "transposed": lambda y, f: y.T,
    "too_few": lambda y, f: y[:, :2],
    "fails": lambda y, f: y @ y,
}

def __getattr__(name):
    if name not in BEHIND:
        raise AttributeError(name)
    return lambda num_classes: Net(num_classes, BEHIND[name])
"""
_TAKEN = {
    "pair": "the scores are the tensor of shape (1, 3) of the tuple that the network returns",
    "features_first": "the scores are the tensor of shape (1, 3) of the list that the network returns",
    "named": "the scores are 'logits' of the dict that the network returns",
    "hugging_face": "the scores are 'logits' of the ModelOutput that the network returns",
    "column": "the scores are the network's output of shape (1, 3, 1, 1) as (1, 3)",
    "squeeze": "the scores are the network's output of shape (3,) as (1, 3)",
    "flat": "the scores are the network's output of shape (3,) as (1, 3)",
}
_REFUSED = {
    "nothing": "the network returns None for 1 image, where scores of shape (1, 3) are expected: wrap it",
    "text": "the network returns a str for 1 image",
    "both": "the network returns a tuple ((1, 3), (1, 3)) for 1 image",
    "features": "the network returns float32 of shape (1, 4, 8, 8) for 1 image",
    "classes": "the network returns int64 of shape (1,) for 1 image",
    "transposed": "the network returns float32 of shape (3, 1) for 1 image",
    "too_few": "the network gives 2 scores for 3 classes: check --class-names",
    "fails": "the network fails on a batch of shape (1, 3, 32, 32) (RuntimeError: ",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, write_root: Callable[[Path, int], None]) -> Path:
    folder = tmp_path_factory.mktemp("outputs")
    write_root(folder, 3)
    (folder / "many_outputs.py").write_text(_MODULE)
    torch.manual_seed(2)
    weights = nn.ModuleDict({"body": nn.Conv2d(3, 4, 3), "head": nn.Linear(4, 3)}).state_dict()
    torch.save(
        {"state_dict": weights, "class_names": ["Normal", "Benign", "Malignant"], "image_size": 32}, folder / "w.pt"
    )
    return folder


@pytest.fixture(autouse=True)
def inside(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(place)
    sys.modules.pop("many_outputs", None)
    yield
    sys.modules.pop("many_outputs", None)


def _infer(build: str, *flags: str, output: str | None = None) -> Result:
    command = ["infer", "BTXRD", "-c", "w.pt", "--factory", f"many_outputs:{build}", "--device", "cpu"]
    return run(*command, "-o", output or build, *flags, code=None)


def _table(folder: str) -> tuple[Any, Any, Any]:
    table = open_table(Path(folder, "predictions.parquet"))
    rows: list[Any] = list(table.rows())
    return np.stack([row.probabilities for row in rows]), np.stack([row.grids for row in rows]), table.provenance


@pytest.fixture(scope="module")
def plain(place: Path) -> tuple[Any, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        result = _infer("plain")
        assert result.exit_code == 0, result.output
        probabilities, grids, provenance = _table("plain")
    assert provenance.activation is Activation.SOFTMAX
    assert provenance.notes[-1] == "activation softmax: usual for 3 outputs, and nothing says otherwise"
    assert not any("the scores are" in note for note in provenance.notes)
    return probabilities, grids


@pytest.mark.parametrize("build", _TAKEN)
def test_scores_are_taken_out_and_it_is_said_once(build: str, plain: tuple[Any, Any]) -> None:
    result = _infer(build)
    assert result.exit_code == 0, result.output
    assert " ".join(result.output.split()).count(_TAKEN[build]) == 1
    probabilities, grids, _ = _table(build)
    np.testing.assert_allclose(probabilities, plain[0], rtol=0, atol=1e-6)
    np.testing.assert_allclose(grids, plain[1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("build", _REFUSED)
def test_what_holds_no_scores_is_one_line(build: str) -> None:
    result = _infer(build, "--quiet")
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    assert _REFUSED[build] in line
    assert not Path(build).exists()


def test_other_commands_adapt_too() -> None:
    for command in (
        ["layers", "w.pt", "--factory", "many_outputs:pair"],
        ["sanity", "BTXRD", "-c", "w.pt", "--factory", "many_outputs:pair", "--insertion-deletion", "-o", "sane"],
    ):
        run(*command)


def test_a_softmax_inside_is_not_squashed_again(plain: tuple[Any, Any]) -> None:
    assert _infer("soft").exit_code == 0
    probabilities, _, provenance = _table("soft")
    np.testing.assert_allclose(probabilities, plain[0], rtol=0, atol=1e-6)
    assert (provenance.activation, provenance.multi_label) == (Activation.NONE, False)
    assert "a softmax is inside the network, seen on two passes of noise" in provenance.notes[-1]
    warned = _infer("soft", "--activation", "softmax", output="twice")
    assert warned.exit_code == 0
    assert "[squashed-twice]" in warned.output
    twice, _, provenance = _table("twice")
    np.testing.assert_allclose(twice, torch.tensor(plain[0]).softmax(dim=1), rtol=0, atol=1e-6)
    assert [finding.code for finding in provenance.findings] == ["squashed-twice"]


def test_sigmoids_of_several_outputs_are_probabilities_of_their_own(plain: tuple[Any, Any]) -> None:
    result = _infer("plain", "--activation", "sigmoid", output="sigmoid")
    assert result.exit_code == 0, result.output
    assert _infer("sigmoids").exit_code == 0
    asked, grids, provenance = _table("sigmoid")
    assert (provenance.activation, provenance.multi_label) == (Activation.SIGMOID, True)
    odds = asked / (1 - asked)  # exp(z), and a softmax divided by its first column is exp(z - z_0)
    np.testing.assert_allclose(odds / odds[:, :1], plain[0] / plain[0][:, :1], rtol=1e-4)
    np.testing.assert_allclose(grids, plain[1], rtol=0, atol=1e-6)
    inside, _, provenance = _table("sigmoids")
    assert (provenance.activation, provenance.multi_label) == (Activation.NONE, True)
    np.testing.assert_allclose(inside, asked, rtol=0, atol=1e-6)
