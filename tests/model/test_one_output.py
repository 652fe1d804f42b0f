"""A network with one output: two classes, the negative one first, as of the two-output network [0, x]."""

from __future__ import annotations

import json
import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn

from btxrd_explain import explain, generate_gradcam, load_classifier
from btxrd_explain.core.cam import NATIVE
from btxrd_explain.core.choices import Activation
from btxrd_explain.core.geometry import Size
from btxrd_explain.errors import SettingsError, TableError
from btxrd_explain.model.engine import explain as explain_batch
from btxrd_explain.model.layers import find_target_layers, list_layers
from btxrd_explain.predictions.table import open_table
from tests.support.command_line import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from btxrd_explain.predictions.record import Prediction

pytestmark = pytest.mark.usefixtures("blank_figures")

NAMES = ("no tumor", "tumor")


def _one_output() -> Any:  # noqa: ANN401 -- a timm network has no precise type
    """A network of timm with one output, whose scores on small noise are neither small nor large."""
    torch.manual_seed(3)
    network: Any = timm.create_model("test_resnet", num_classes=1)
    with torch.no_grad():
        network(torch.randn(8, 3, 64, 64))  # so that the running statistics are not those of a new network
    network.eval()
    network.fc.weight.data *= 20
    network.fc.bias.data.fill_(0.3)
    return network


class Behind(nn.Module):
    """A network and what is done to its output."""

    def __init__(self, network: nn.Module, behind: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.network = network
        self.behind = behind

    def forward(self, batch: Tensor) -> Tensor:
        """Return the changed output."""
        return self.behind(self.network(batch))


@pytest.fixture(scope="module")
def batch() -> Tensor:
    return torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(5))


@pytest.fixture(scope="module")
def network() -> Any:  # noqa: ANN401 -- as above
    return _one_output()


@pytest.mark.parametrize(
    ("method", "behind"),
    [
        *((method, lambda x: x) for method in NATIVE),
        ("gradcam", lambda x: x.squeeze(1)),
        ("gradcam", lambda x: x[:, :, None, None]),
        ("eigengradcam", lambda x: x.squeeze()),
    ],
    ids=count(),
)
def test_probabilities_and_maps_are_those_of_the_network_of_two_outputs(
    network: nn.Module, batch: Tensor, method: str, behind: Callable[[Tensor], Tensor]
) -> None:
    ours = Behind(network, behind)
    twin = Behind(network, lambda x: torch.cat([torch.zeros_like(x), x], dim=1))
    mirrored = Behind(network, lambda x: torch.cat([torch.zeros_like(x), -x], dim=1))
    images = batch if method in NATIVE else batch[:1]
    found = explain(ours, images, method=method, target_layer="network.layer4")
    expected = explain(twin, images, method=method, target_layer="network.layer4")
    negative = explain(mirrored, images, method=method, target_layer="network.layer4")
    np.testing.assert_allclose(found.probabilities, expected.probabilities, rtol=0, atol=1e-6)
    assert 0.05 < found.probabilities.min() < 0.95
    scale = abs(expected.grids[:, 1]).max()
    np.testing.assert_allclose(found.grids[:, 1], expected.grids[:, 1], rtol=0, atol=1e-6 * scale)
    np.testing.assert_allclose(found.grids[:, 0], negative.grids[:, 1], rtol=0, atol=1e-6 * abs(negative.grids).max())
    for row, others in zip(found.statuses, expected.statuses, strict=True):
        assert row[1] == others[1]


def test_a_sigmoid_inside_is_not_squashed_again(network: nn.Module, batch: Tensor) -> None:
    inside = explain(Behind(network, torch.sigmoid), batch, target_layer="network.layer4")
    bare = explain(network, batch, target_layer="layer4")
    np.testing.assert_allclose(inside.probabilities, bare.probabilities, rtol=0, atol=1e-6)
    for image in range(len(batch)):
        for index in range(2):
            expected = bare.heat_map(image, index).values
            np.testing.assert_allclose(inside.heat_map(image, index).values, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("behind", [lambda x: x, lambda x: x.squeeze(1), torch.sigmoid], ids=range(3))
def test_the_predicted_class_of_one_output(
    network: nn.Module, batch: Tensor, behind: Callable[[Tensor], Tensor]
) -> None:
    for image in batch:
        with torch.no_grad():
            positive = int(network(image[None]) > 0)
        own = generate_gradcam(Behind(network, behind), image, target_layer="network.layer4", method="layercam")
        of_class = generate_gradcam(network, image, positive, target_layer="layer4", method="layercam")
        np.testing.assert_allclose(own, of_class, rtol=0, atol=1e-4)


def test_layers_are_found_and_the_softmax_is_refused(network: nn.Module, batch: Tensor) -> None:
    assert [layer.name for layer in find_target_layers(network, input_size=Size(64, 64))] == ["layer4"]
    assert len(list_layers(network, input_size=Size(64, 64))) > 3
    layers = find_target_layers(network, input_size=Size(64, 64))
    for method in ("gradcam", "scorecam"):
        with pytest.raises(SettingsError, match="the softmax of one output is 1 for every radiograph"):
            explain_batch(network, layers, batch, method=method, activation=Activation.SOFTMAX)


# The commands.

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

def told(num_classes):
    return Net(num_classes, False)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_root: Callable[[Path, int], None]) -> Path:
    """A folder with annotated radiographs of two classes, and a checkpoint of a network with one output."""
    write_root(tmp_path, 8)
    lines = [f"IMG{number:06d}.jpeg,test,{NAMES[bool(number % 3)]}" for number in range(8)]
    (tmp_path / "split.csv").write_text("\n".join(["image_id,split,label", *lines]))
    (tmp_path / "one_output_net.py").write_text(_MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "one_output_net", raising=False)
    return tmp_path


def _checkpoint(**facts: Any) -> None:  # noqa: ANN401 -- whatever checkpoints say
    content = {"model_state_dict": _one_output().state_dict(), "architecture": "test_resnet", "image_size": 64}
    torch.save(content | facts, "one.pt")


def _run(*command: str, code: int = 0) -> Any:  # noqa: ANN401 -- JSON
    return run(*command, "--json", code=code)


_DATA = ("--root", "BTXRD", "--split-csv", "split.csv")
_INFER = ("infer", *_DATA, "-c", "one.pt", "--device", "cpu", "-o", "out")


@pytest.mark.usefixtures("folder")
def test_every_command_takes_its_table_of_two_columns() -> None:
    _checkpoint(class_names=list(NAMES), num_classes=1)
    said = _run(*_INFER)
    note = "activation sigmoid: usual for one output; the network has one output, which is high for 'tumor'"
    assert note in " ".join(said.stderr.split())
    table = open_table(Path("out/predictions.parquet"))
    assert table.provenance.class_names == NAMES
    assert (table.provenance.activation, table.provenance.multi_label) == (Activation.SIGMOID, False)
    classifier = load_classifier("one.pt", device="cpu")
    predicted = {}
    for row in table.rows():
        assert row.probabilities is not None
        with torch.no_grad():
            x = float(classifier.network(classifier.preprocess(table.image_path(row))))
        expected = torch.tensor([[0.0, x]]).double().softmax(dim=1)[0].numpy()
        np.testing.assert_allclose(row.probabilities, expected, rtol=0, atol=1e-6)
        predicted[row.image_id] = NAMES[int(x > 0)]
    again = ("--predictions", "out/predictions.parquet", "-o", "out")
    performance = json.loads(_run("performance", *_DATA, *again).stdout)
    labels = {line.split(",")[0]: line.split(",")[2] for line in Path("split.csv").read_text().splitlines()[1:]}
    right = sum(predicted[image] == label for image, label in labels.items()) / len(labels)
    assert performance["accuracy"]["mean"] == pytest.approx(right)
    _run("gallery", *_DATA, *again)
    scored = json.loads(_run("annotate-iou", *_DATA, *again).stdout)
    assert scored["warnings"] is not None
    _run("report", *_DATA, *again)
    _run("compare", "out/predictions.parquet", _other_method(), "--annotations", "BTXRD/Annotations", "-o", "out")


def _other_method() -> str:
    _run(*_INFER[:-1], "hirescam", "--method", "hirescam")
    return "hirescam/predictions.parquet"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("facts", "flags"),
    [
        ({"class_names": list(NAMES)}, ()),
        ({"num_classes": 1}, ("--class-names", ",".join(NAMES))),
        ({}, ("--class-names", ",".join(NAMES))),
        ({"class_names": ["tumor"]}, ("--class-names", ",".join(NAMES))),
        ({"class_names": list(NAMES)}, ("--activation", "sigmoid")),
    ],
    ids=range(5),
)
def test_weights_of_one_output_make_a_network_of_one_output(facts: dict[str, Any], flags: tuple[str, ...]) -> None:
    _checkpoint(**facts)
    _run(*_INFER, *flags)
    provenance = open_table(Path("out/predictions.parquet")).provenance
    assert (provenance.class_names, provenance.activation) == (NAMES, Activation.SIGMOID)
    assert not provenance.findings


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("build", ["column", "flat", "told"])
def test_a_network_of_ones_own(build: str) -> None:
    torch.manual_seed(0)
    torch.save(nn.ModuleDict({"body": nn.Conv2d(3, 4, 3), "head": nn.Linear(4, 1)}).state_dict(), "one.pt")
    _run(*_INFER, "--factory", f"one_output_net:{build}", "--image-size", "32", "--class-names", ",".join(NAMES))
    assert open_table(Path("out/predictions.parquet")).provenance.activation is Activation.SIGMOID


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("facts", "flags", "code", "message"),
    [
        ({"class_names": ["tumor"]}, (), 3, "has one class name ('tumor'), and one output has two classes: give both"),
        ({"num_classes": 1}, ("--class-names", "a,b,c"), 3, "is for 1 class, but 3 are named (a, b, c)"),
        ({}, ("--class-names", "a,b,c"), 3, "has one output (fc.weight (1, 96)): name its two classes, the negative"),
        ({}, ("--class-names", "tumor"), 2, "of a network with one output the negative one first: Normal,Tumour"),
        (
            {"class_names": ["tumor"]},
            ("--class-names", "tumor,no tumor"),
            2,
            "name the negative class first: --class-names 'no tumor,tumor'",
        ),
        ({"class_names": list(NAMES)}, ("--activation", "softmax"), 2, "the softmax of one output is 1 for every"),
        ({"class_names": list(NAMES)}, ("--activation", "none"), 2, "with activation none the outputs must be"),
        ({"class_names": list(NAMES)}, ("--activation", "relu"), 2, "give auto, softmax, sigmoid or none"),
    ],
    ids=range(8),
)
def test_what_cannot_be_is_refused_before_any_radiograph_is_read(
    monkeypatch: pytest.MonkeyPatch, facts: dict[str, Any], flags: tuple[str, ...], code: int, message: str
) -> None:
    _checkpoint(**facts)
    monkeypatch.setattr("btxrd_explain.inputs.radiograph._read", lambda *_: pytest.fail("a radiograph is read"))
    result = run("infer", "BTXRD", *_INFER[5:], *flags, "--quiet", code=code)
    (line,) = result.stderr.splitlines()
    assert message in line
    assert not Path("out").exists()


@pytest.mark.usefixtures("folder")
def test_the_activation_that_is_asked_for_is_part_of_the_fingerprint() -> None:
    _checkpoint(class_names=list(NAMES))
    _run(*_INFER)
    before = open_table(Path("out/predictions.parquet")).provenance
    assert "activation" not in before.request
    said = _run(*_INFER, "--activation", "sigmoid")
    assert "activation changed from nothing to sigmoid" in " ".join(said.stderr.split())
    after = open_table(Path("out/predictions.parquet")).provenance
    assert after.fingerprint != before.fingerprint


def test_a_table_of_one_class_is_refused(
    tmp_path: Path, make_row: Callable[..., Prediction], make_table: Callable[..., None]
) -> None:
    """Earlier releases wrote such tables."""
    make_table(tmp_path / "predictions.parquet", ["Tumour"], [make_row("a.png", "Tumour", (1.0,))])
    with pytest.raises(TableError, match=r"one class \('Tumour'\), and the softmax of one output is 1 in every row"):
        open_table(tmp_path / "predictions.parquet")
    run("performance", "--predictions", tmp_path / "predictions.parquet", code=5)
