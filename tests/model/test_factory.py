"""Networks that are not from timm: the function that builds them, and every way in which it can go wrong."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from btxrd_explain.core.geometry import Size
from btxrd_explain.errors import CheckpointError, SettingsError
from btxrd_explain.inference.request import build_request
from btxrd_explain.model.checkpoint import read_checkpoint
from btxrd_explain.model.classifier import Classifier, Wishes, build_classifier, build_untrained
from btxrd_explain.settings import load_settings
from btxrd_explain.system.importing import source_of

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = ("Normal", "Benign", "Malignant")
MODULE = """
import torch

class Net(torch.nn.Module):
    def __init__(self, classes, channels=1):
        super().__init__()
        self.body = torch.nn.Conv2d(channels, 4, 3, padding=1)
        self.head = torch.nn.Linear(4, classes)

    def forward(self, images):
        return self.head(self.body(images).mean(dim=(2, 3)))

def build(num_classes):
    return Net(num_classes)

class Trainer(Net):
    def train(self, images):
        return [image.mean() for image in images]

def trainer(num_classes):
    return Trainer(num_classes)

class Compiled(torch.nn.Module):  # as torch.compile does, without importing the compiler
    def __init__(self, network):
        super().__init__()
        self._orig_mod = network

def compiled(num_classes):
    return Compiled(Net(num_classes))

def half(num_classes):
    return Net(num_classes).half()

class Builders:
    @staticmethod
    def colour(num_classes):
        return Net(num_classes, channels=3)

def takes_nothing():
    return Net(3)

def returns_a_dict(num_classes):
    return {"classes": num_classes}

def raises(num_classes):
    raise RuntimeError("no luck today")

NUMBER = 3
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current directory, with the modules of this test alone; installed commands do not have it on their path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place not in {"", str(Path.cwd())}])
    before = set(sys.modules)
    (tmp_path / "own_net.py").write_text(MODULE)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.split(".")[0] in {"own_net", "own_package", "broken_net", "needy_net"}:
            del sys.modules[name]


def _untrained(factory: str) -> Classifier:
    return build_untrained(Wishes(factory=factory, preprocessing={"size": Size(16, 16)}))


def _checkpoint(folder: Path, **facts: object) -> Path:
    import own_net  # type: ignore[import-not-found]  # noqa: PLC0415 -- made by the fixture

    torch.manual_seed(1)
    path = folder / "own.pt"
    weights = {f"module.{key}": value for key, value in own_net.build(3).state_dict().items()}
    torch.save({"model_state_dict": weights, "class_names": list(NAMES), **facts}, path)
    return path


def test_a_module_in_the_current_directory_is_found_and_the_path_left_alone() -> None:
    path = list(sys.path)
    classifier = _untrained("own_net:build")
    assert classifier.network(torch.zeros(1, 1, 16, 16)).shape == (1, 3)
    assert classifier.architecture == "own_net:build"
    assert len(classifier.preprocessing.mean) == 1
    assert sys.path == path


def test_a_package_and_an_attribute_of_a_class(folder: Path) -> None:
    (folder / "own_package").mkdir()
    (folder / "own_package" / "__init__.py").touch()
    (folder / "own_net.py").rename(folder / "own_package" / "nets.py")
    assert len(_untrained("own_package.nets:Builders.colour").preprocessing.mean) == 3


@pytest.mark.parametrize("name", ["compiled", "half"])
def test_the_network_itself_is_taken_in_single_precision(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.syspath_prepend(folder)
    wishes = Wishes(factory=f"own_net:{name}", preprocessing={"size": Size(16, 16)})
    network = build_classifier(read_checkpoint(_checkpoint(folder)), wishes).network
    assert network.state_dict().keys() == {"body.weight", "body.bias", "head.weight", "head.bias"}
    assert network(torch.zeros(1, 1, 16, 16)).dtype is torch.float32


def test_weights_are_fitted_strictly(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(folder)
    wishes = Wishes(factory="own_net:build", preprocessing={"size": Size(16, 16)})
    path = _checkpoint(folder)
    classifier = build_classifier(read_checkpoint(path), wishes)
    stored = torch.load(path, weights_only=True)["model_state_dict"]
    for key, value in classifier.network.state_dict().items():
        torch.testing.assert_close(value, stored[f"module.{key}"])
    assert any("as for ImageNet" in note for note in classifier.notes)
    with pytest.raises(CheckpointError, match=r"of another shape: body\.weight"):
        build_classifier(
            read_checkpoint(path), Wishes(factory="own_net:Builders.colour", preprocessing={"size": Size(16, 16)})
        )


def test_what_the_checkpoint_says_of_an_architecture_gives_way_and_it_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(folder)
    facts = {"config": {"model": {"backbone": "efficientnet_b0"}, "data": {"image_size": 24}}}
    normalization = {"mean": [0.4], "std": [0.2]}
    path = _checkpoint(folder, **facts, normalization=normalization)
    classifier = build_classifier(read_checkpoint(path), Wishes(factory="own_net:build"))
    assert classifier.notes == (
        (
            "the checkpoint says class names Normal, Benign, Malignant (class_names), "
            "image size 24 (config.data.image_size), mean 0.4 (normalization.mean), std 0.2 (normalization.std); "
            "not used of the checkpoint: architecture efficientnet_b0 (config.model.backbone)"
        ),
        "the checkpoint says architecture efficientnet_b0; the network is that of own_net:build",
        (
            "activation softmax: usual for 3 outputs, and nothing says otherwise (no labels are looked at here: of a "
            "multi-label network give activation sigmoid)"
        ),
    )
    assert classifier.preprocessing.size == (24, 24)
    assert classifier.preprocessing.mean == (0.4,)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("own_net", "names no factory: name it as package.module:callable"),
        ("own_net:", "names no factory"),
        (":build", "names no factory"),
        ("own net:build", "names no factory"),
        ("../own_net.py:build", "names no factory"),
        ("no_such_net:build", "no module is called 'no_such_net'.*start in the folder that holds it"),
        ("own_net.deeper:build", r"no module is called 'own_net\.deeper'"),
        ("own_net:biuld", r"module 'own_net' \(.*own_net\.py\) has no 'biuld'"),
        ("own_net:NUMBER", "is an int, not a function"),
        ("own_net:takes_nothing", r"failed when called with num_classes=3 \(TypeError: .*num_classes"),
        ("own_net:raises", r"failed when called .*RuntimeError: no luck today"),
        ("own_net:returns_a_dict", "returned a dict: return the network itself"),
        ("own_net:trainer", r"cannot be put into eval mode \(TypeError: .*\): its methods eval and train must do"),
    ],
)
def test_each_way_to_go_wrong_has_its_message(reference: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        _untrained(reference)
    assert "\n" not in str(caught.value)


def test_a_module_that_cannot_be_imported_says_why(folder: Path) -> None:
    (folder / "broken_net.py").write_text("def build(:\n")
    with pytest.raises(SettingsError, match=r"importing the factory 'broken_net:build' failed \(SyntaxError"):
        _untrained("broken_net:build")
    (folder / "needy_net.py").write_text("import a_package_that_nobody_has\n")
    with pytest.raises(SettingsError, match=r"importing .* failed \(ModuleNotFoundError: .*a_package_that_nobody_has"):
        _untrained("needy_net:build")


def test_only_the_user_can_say_the_input_size() -> None:
    with pytest.raises(SettingsError, match=r"input size own_net:build takes: give --image-size"):
        build_untrained(Wishes(factory="own_net:build"))


def test_two_networks_are_one_too_many() -> None:
    with pytest.raises(SettingsError, match="give one of --factory and --architecture"):
        build_untrained(Wishes(factory="own_net:build", architecture="resnet18"))


def test_a_checkpoint_cannot_name_a_factory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(folder)
    path = _checkpoint(folder, factory="own_net:raises", config={"model": {"factory": "own_net:raises"}})
    with pytest.raises(CheckpointError, match="does not say the architecture"):
        build_classifier(read_checkpoint(path), Wishes())


def test_untrained_networks_are_always_the_same_and_leave_the_generator_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first, second = (_untrained("own_net:build").network.state_dict() for _ in range(2))
    assert torch.rand(1) == expected
    for key, value in first.items():
        torch.testing.assert_close(value, second[key], rtol=0, atol=0)


def _request(factory: str | None = "own_net:build") -> dict[str, object]:
    Path("own.pt").write_bytes(b"weights")
    flags = {"model.checkpoint": "own.pt", "model.factory": factory}
    return build_request(load_settings(None, flags, ()).settings)


def test_the_fingerprint_follows_the_file_that_holds_the_factory(folder: Path) -> None:
    before = _request()
    assert _request() == before
    assert "factory" not in _request(None)
    (folder / "own_net.py").write_text(MODULE + "# changed\n")
    after = _request()
    assert {key for key in after if after[key] != before[key]} == {"factory_source"}


def test_the_source_is_found_without_running_it(folder: Path) -> None:
    (folder / "own_package").mkdir()
    (folder / "own_package" / "__init__.py").write_text("raise RuntimeError('imported')")
    (folder / "own_package" / "nets.py").touch()
    assert source_of("own_package.nets:build", "factory") == folder / "own_package" / "nets.py"
    assert source_of("own_package:build", "factory") == folder / "own_package" / "__init__.py"
    assert source_of("own_package.missing:build", "factory") is None
    assert source_of("sys:exit", "factory") is None  # built in: no file
    assert os.fspath(folder) not in sys.path
