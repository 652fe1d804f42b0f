from __future__ import annotations

import argparse
import json
import pickle
import sys
from collections import OrderedDict, defaultdict
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from btxrd_explain.core.geometry import Size
from btxrd_explain.errors import CheckpointError, SettingsError
from btxrd_explain.model.checkpoint import read_checkpoint
from btxrd_explain.model.classifier import Classifier, Wishes, build_classifier

ARCHITECTURE = "test_resnet"
NAMES = ("Normal", "Benign", "Malignant")
KNOWN = Wishes(architecture=ARCHITECTURE, class_names=NAMES)


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    state: dict[str, torch.Tensor] = timm.create_model(ARCHITECTURE, num_classes=3).state_dict()
    return state


def _prefixed(weights: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {f"{prefix}{key}": value for key, value in weights.items()}


def _in_the_wild(weights: dict[str, torch.Tensor]) -> dict[str, Any]:
    """The dict that training scripts for this data set leave behind."""
    return {
        "epoch": 12,
        "model_state_dict": _prefixed(weights, "model."),
        "optimizer_state_dict": {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 1e-4}]},
        "scheduler_state_dict": {"T_max": 50},
        "val_loss": np.float64(0.41),
        "best": np.float32(0.8),
        "history": np.arange(3),
        "config": {
            "model": {"backbone": ARCHITECTURE, "num_classes": 3, "pretrained": True},
            "data": {"image_size": 96, "root": Path("/data/BTXRD")},
        },
        "class_names": list(NAMES),
        "normalization": {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
        "class_weights": torch.ones(3),
    }


def _load(path: Path, content: object, wishes: Wishes = KNOWN) -> Classifier:
    torch.save(content, path)
    return build_classifier(read_checkpoint(path), wishes)


def _same(classifier: Classifier, weights: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, weights[key]) for key, value in classifier.network.state_dict().items())


def test_the_dict_of_the_wild_speaks_for_itself(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    classifier = _load(tmp_path / "best.pth", _in_the_wild(weights), Wishes())
    assert _same(classifier, weights)
    assert classifier.architecture == ARCHITECTURE
    assert classifier.class_names == NAMES
    assert classifier.preprocessing.size == Size(96, 96)
    assert classifier.preprocessing.std == (0.229, 0.224, 0.225)
    assert not classifier.network.training
    assert classifier.notes == (
        (
            "the checkpoint says architecture test_resnet (config.model.backbone), "
            "class names Normal, Benign, Malignant (class_names), number of classes 3 (config.model.num_classes), "
            "image size 96 (config.data.image_size), mean 0.485, 0.456, 0.406 (normalization.mean), "
            "std 0.229, 0.224, 0.225 (normalization.std)"
        ),
        (
            "activation softmax: usual for 3 outputs, and nothing says otherwise (no labels are looked at here: of a "
            "multi-label network give activation sigmoid)"
        ),
    )


def test_pretrained_true_downloads_nothing(
    tmp_path: Path, weights: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was touched")

    monkeypatch.setattr("socket.socket.connect", refuse)
    assert _same(_load(tmp_path / "best.pth", _in_the_wild(weights), Wishes()), weights)


@pytest.mark.parametrize(
    "prefix", ["", "model.", "module.", "_orig_mod.", "model._orig_mod.", "module.model.", "net.backbone."]
)
@pytest.mark.parametrize("key", [None, "state_dict", "model_state_dict", "model", "model_ema"])
def test_every_wrapper_is_taken_off(
    tmp_path: Path, weights: dict[str, torch.Tensor], prefix: str, key: str | None
) -> None:
    state = OrderedDict(_prefixed(weights, prefix))
    assert _same(_load(tmp_path / "c.pt", state if key is None else {key: state, "epoch": 1}), weights)


def test_lightning_keeps_weights_of_the_loss(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    state = _prefixed(weights, "model.") | {"criterion.weight": torch.ones(3)}
    classifier = _load(tmp_path / "c.ckpt", {"state_dict": state, "pytorch-lightning_version": "2.5"})
    assert _same(classifier, weights)
    assert any("criterion.weight" in note for note in classifier.notes)


def test_averaged_weights_of_torch(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    state = _prefixed(weights, "module.") | {"n_averaged": torch.tensor(7)}
    assert _same(_load(tmp_path / "c.pt", {"state_dict": state}), weights)


def test_plain_weights_win_over_averaged_ones_and_it_is_said(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    other = {key: torch.zeros_like(value) for key, value in weights.items()}
    classifier = _load(tmp_path / "c.pt", {"state_dict": weights, "state_dict_ema": other})
    assert _same(classifier, weights)
    assert any("state_dict_ema" in note for note in classifier.notes)


def test_records_and_dicts_of_all_kinds_are_plain_data(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    lists = defaultdict(list, {"loss": [0.5]})
    facts = {
        "args": argparse.Namespace(lr=1, inner=argparse.Namespace(name="a")),
        "simple": SimpleNamespace(lr=2),
        "history": lists,
        "tree": defaultdict(None, {"a": defaultdict(int, {"b": 3})}),
        "ordered": OrderedDict(c=4),
    }
    torch.save({"state_dict": weights} | facts, tmp_path / "c.pt")
    read = read_checkpoint(tmp_path / "c.pt").facts
    assert read["args"] == {"lr": 1, "inner": {"name": "a"}}
    assert read["simple"] == {"lr": 2}
    assert read["history"] == {"loss": [0.5]}
    assert "accuracy" not in read["history"]
    with pytest.raises(KeyError):
        read["history"]["accuracy"]  # the factory is gone
    assert read["tree"] == {"a": {"b": 3}}
    assert read["ordered"] == {"c": 4}


@pytest.mark.parametrize(
    "name",
    [
        "lightning.fabric.utilities.data.AttributeDict",
        "lightning_fabric.utilities.data.AttributeDict",
        "pytorch_lightning.utilities.parsing.AttributeDict",
        "easydict.EasyDict",
        "yacs.config.CfgNode",
    ],
)
def test_kinds_of_dict_of_packages_that_are_not_there(
    tmp_path: Path, weights: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    module, _, kind = name.rpartition(".")
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        monkeypatch.setitem(sys.modules, ".".join(parts[:end]), ModuleType(parts[end - 1]))
    cls: Any = type(kind, (dict,), {"__module__": module})
    monkeypatch.setattr(sys.modules[module], kind, cls, raising=False)
    config = cls(lr=1, inner=cls(a=2))
    config.__dict__["attribute"] = 3  # as some of them keep their items there too
    torch.save({"state_dict": weights, "config": config}, tmp_path / "c.pt")
    monkeypatch.undo()
    assert read_checkpoint(tmp_path / "c.pt").facts["config"] == {"lr": 1, "inner": {"a": 2}}


def test_safetensors_with_facts(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    facts = {"class_names": NAMES, "config": {"model": {"backbone": ARCHITECTURE}, "data": {"image_size": 64}}}
    save_file(weights, tmp_path / "c.safetensors", {"btxrd_explain": json.dumps(facts)})
    classifier = build_classifier(read_checkpoint(tmp_path / "c.safetensors"), Wishes())
    assert _same(classifier, weights)
    assert classifier.preprocessing.size == Size(64, 64)


def test_the_checkpoint_wins_and_disagreement_is_reported(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    wishes = Wishes(preprocessing={"size": Size(224, 224)}, class_names=("Benign", "Malignant", "Normal"))
    classifier = _load(tmp_path / "c.pt", _in_the_wild(weights), wishes)
    assert classifier.preprocessing.size == Size(96, 96)
    assert classifier.class_names == NAMES
    order, size = classifier.findings[:2]
    assert str(size).startswith("the checkpoint says image size 96, the settings say 224, and 96 is used: check")
    assert order.code == "class-order"
    assert "('Benign', 'Malignant', 'Normal')" in order.message


def test_timms_own_values_come_last(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    own: Any = timm.get_pretrained_cfg(ARCHITECTURE)
    preprocessing = _load(tmp_path / "c.pt", weights).preprocessing
    assert preprocessing.size == Size(*own.input_size[1:])
    assert (preprocessing.mean, preprocessing.std) == (own.mean, own.std)


@pytest.mark.parametrize(
    ("wishes", "flag"),
    [(Wishes(class_names=NAMES), "--architecture"), (Wishes(architecture=ARCHITECTURE), "--class-names")],
)
def test_what_nobody_says_names_the_flag(
    tmp_path: Path, weights: dict[str, torch.Tensor], wishes: Wishes, flag: str
) -> None:
    with pytest.raises(CheckpointError, match=flag):
        _load(tmp_path / "c.pt", weights, wishes)


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        (Wishes(architecture="resnet18", class_names=NAMES), r"missing: .*unexpected: .*|of another shape"),
        (
            Wishes(architecture=ARCHITECTURE, class_names=("a", "b")),
            r"of another shape: fc\.weight \(3, \d+\) instead",
        ),
    ],
)
def test_weights_that_do_not_fit(
    tmp_path: Path, weights: dict[str, torch.Tensor], wishes: Wishes, message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        _load(tmp_path / "c.pt", weights, wishes)


def test_an_architecture_that_timm_lacks(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    """Where the flag is wrong it is a matter of usage, where the checkpoint is, one of the checkpoint."""
    with pytest.raises(SettingsError, match="timm has no architecture 'efficientnet_b': did you mean"):
        _load(tmp_path / "c.pt", weights, Wishes(architecture="efficientnet_b", class_names=NAMES))
    content = {"state_dict": weights, "class_names": NAMES, "config": {"model": {"backbone": "bonenet"}}}
    with pytest.raises(CheckpointError, match=r"timm has no architecture 'bonenet', which '.*c\.pt' needs: check"):
        _load(tmp_path / "c.pt", content, Wishes())


def test_a_missing_key_is_never_filled_in_silently(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    short = {key: value for key, value in weights.items() if key != "fc.bias"}
    with pytest.raises(CheckpointError, match=r"1 missing: fc\.bias"):
        _load(tmp_path / "c.pt", short)


def test_a_grey_network_keeps_its_one_channel(tmp_path: Path) -> None:
    state = timm.create_model(ARCHITECTURE, num_classes=3, in_chans=1).state_dict()
    preprocessing = _load(tmp_path / "c.pt", state).preprocessing
    assert len(preprocessing.mean) == len(preprocessing.std) == 1


class _Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("the pickle ran",))


@pytest.mark.parametrize("legacy", [False, True])
def test_a_malicious_pickle_is_refused_and_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, legacy: bool
) -> None:
    torch.save({"state_dict": _Bomb()}, tmp_path / "c.pt", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(CheckpointError, match=r"would run code|not a readable checkpoint"):
        read_checkpoint(tmp_path / "c.pt")
    assert "the pickle ran" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04broken", pickle.dumps({"a": 1})])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_files_that_are_no_checkpoints(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"c{suffix}"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"c\.(pt|safetensors)"):
        read_checkpoint(path)


def test_a_missing_file_names_the_flag(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="check --checkpoint"):
        read_checkpoint(tmp_path / "nowhere.pt")


@pytest.mark.parametrize("content", [{}, {"epoch": 1}, {"state_dict": {}}, [1, 2], torch.zeros(2)])
def test_files_without_weights(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "c.pt")
    with pytest.raises(CheckpointError, match="holds"):
        read_checkpoint(tmp_path / "c.pt")


def test_weights_that_are_not_finite(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    broken = weights | {"fc.bias": torch.tensor([0.0, float("nan"), 0.0])}
    with pytest.raises(CheckpointError, match=r"1 of 92 weights .* hold NaN .*\(fc\.bias\)"):
        _load(tmp_path / "c.pt", broken)


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_programs_are_refused_with_the_reason(tmp_path: Path) -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1)).eval()
    image = torch.zeros(1, 3, 4, 4)
    trace: Any = torch.jit.trace
    torch.jit.save(trace(network, image), tmp_path / "script.pt")
    torch.export.save(torch.export.export(network, (image,)), tmp_path / "export.pt2")
    for name, kind in (("script.pt", "TorchScript"), ("export.pt2", r"torch\.export")):
        with pytest.raises(CheckpointError, match=f"{kind} program: its layers are fixed"):
            read_checkpoint(tmp_path / name)


def test_foreign_checkpoints_are_refused_clearly(real_data: Path) -> None:
    """The data set authors' own network: a pickled model, and tensors of an architecture that timm lacks."""
    folder = real_data / "weights_btxrd_official"
    with pytest.raises(CheckpointError, match=r"ultralytics.*would run code.*torch\.save\(model\.state_dict"):
        read_checkpoint(folder / "best.pt")
    foreign = read_checkpoint(folder / "yolov8n_cls_state_dict_fp32.pth")
    with pytest.raises(CheckpointError, match="missing: conv_stem"):
        build_classifier(foreign, Wishes(architecture="efficientnet_b0", class_names=NAMES))
