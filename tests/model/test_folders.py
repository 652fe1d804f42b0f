"""Checkpoints that are folders or ids, files next to the weights, and facts that are missing before torch is there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.models import save_for_hf
from timm.utils.checkpoint_saver import CheckpointSaver

from btxrd_explain.core.geometry import Size
from btxrd_explain.errors import CheckpointError, SettingsError
from btxrd_explain.inference.request import build_request, checkpoints_of
from btxrd_explain.model.checkpoint import read_checkpoint
from btxrd_explain.model.classifier import Classifier, Wishes, build_classifier
from btxrd_explain.model.facts import facts_of, gather_facts
from btxrd_explain.model.location import Beside, facts_in_archive
from btxrd_explain.settings import load_settings
from btxrd_explain.synthetic import demo_checkpoint
from btxrd_explain.system.extras import to_install
from tests.support.command_line import run

NAMES = ("Normal", "Benign", "Malignant")
DATA = {"img_size": 64, "mean": [0.5, 0.4, 0.3], "std": [0.25, 0.2, 0.1], "interpolation": "bicubic", "crop_pct": 0.9}


@pytest.fixture(scope="module")
def network() -> Any:  # noqa: ANN401 -- more than nn.Module
    torch.manual_seed(1)
    return timm.create_model("test_resnet", num_classes=3).eval()


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, network: Any) -> Path:  # noqa: ANN401 -- see above
    """What timm writes for the Hub."""
    folder = tmp_path_factory.mktemp("exported")
    data = {"input_size": (3, 64, 64), "mean": DATA["mean"], "std": DATA["std"]}
    save_for_hf(network, str(folder), {"label_names": list(NAMES), "pretrained_cfg": data}, safe_serialization=True)
    return folder


def _build(path: Path, wishes: Wishes | None = None) -> Classifier:
    return build_classifier(read_checkpoint(path), wishes or Wishes())


def _same(classifier: Classifier, network: Any) -> None:  # noqa: ANN401 -- see above
    batch = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(classifier.network(batch), network(batch), rtol=0, atol=0)


@pytest.mark.parametrize("form", ["{}", "local-dir:{}", "{}/model.safetensors"])
def test_what_timm_exports(exported: Path, network: Any, form: str) -> None:  # noqa: ANN401 -- see above
    classifier = _build(Path(form.format(exported)))
    _same(classifier, network)
    assert (classifier.architecture, classifier.class_names) == ("test_resnet", NAMES)
    assert classifier.preprocessing.size == Size(64, 64)
    assert (classifier.preprocessing.mean, classifier.preprocessing.std) == ((0.5, 0.4, 0.3), (0.25, 0.2, 0.1))
    assert "config.json: pretrained_cfg.mean" in classifier.notes[0]


def _pooled(pool: str) -> Any:  # noqa: ANN401 -- more than nn.Module
    torch.manual_seed(1)
    return timm.create_model("test_resnet", num_classes=3, global_pool=pool).eval()


def test_arguments_of_timms_export_are_those_of_the_network(tmp_path: Path) -> None:
    """Weights of the same shapes mean something else with another pooling."""
    network = _pooled("max")
    config = {"label_names": list(NAMES), "pretrained_cfg": {"input_size": (3, 64, 64)}}
    save_for_hf(network, str(tmp_path), config, model_args={"global_pool": "max"}, safe_serialization=True)
    again: Any = timm.create_model(f"local-dir:{tmp_path}", pretrained=True)
    assert again.global_pool.pool_type == "max"
    classifier = _build(tmp_path)
    _same(classifier, network)
    assert "global_pool max (arguments of timm)" in classifier.notes[0]
    written = json.loads((tmp_path / "config.json").read_text())
    assert written["global_pool"] == "max"
    del written["model_args"]
    (tmp_path / "config.json").write_text(json.dumps(written))
    assert "global_pool max (timm does not use it" in _build(tmp_path).notes[0]


def test_arguments_of_timms_training_script_are_those_of_the_network(tmp_path: Path) -> None:
    network = _pooled("max")
    args = {"model": "test_resnet", "num_classes": 3, "gp": "max", "model_kwargs": {"act_layer": "relu"}, **DATA}
    torch.save({"state_dict": network.state_dict(), "args": args}, tmp_path / "last.pth.tar")
    _same(_build(tmp_path / "last.pth.tar", Wishes(class_names=NAMES)), network)


@pytest.mark.parametrize(
    ("argument", "value"),
    [("checkpoint_path", "other.pt"), ("pretrained", True), ("layers", [10**9]), ("block", {"a": 1}), ("a", "x" * 99)],
)
def test_other_arguments_are_named_and_not_passed(tmp_path: Path, exported: Path, argument: str, value: object) -> None:
    folder = shutil.copytree(exported, tmp_path / "copy")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_args": {argument: value}}))
    assert f"config.json: model_args.{argument} (not an argument" in _build(folder).notes[0]


def test_what_timms_training_script_saves(tmp_path: Path, network: Any) -> None:  # noqa: ANN401 -- see above
    from argparse import Namespace  # noqa: PLC0415 -- only here

    args = Namespace(model="test_resnet", num_classes=3, class_map="", input_size=None, gp=None, **DATA)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    saver: Any = CheckpointSaver(  # type: ignore[no-untyped-call]
        network, optimizer, args=args, checkpoint_dir=str(tmp_path), recovery_dir=str(tmp_path)
    )
    saver.save_checkpoint(1, metric=0.5)
    for name in ("last.pth.tar", "model_best.pth.tar"):
        classifier = _build(tmp_path / name, Wishes(class_names=NAMES))
        _same(classifier, network)
        assert classifier.preprocessing.size == Size(64, 64)
        assert (classifier.preprocessing.mean, classifier.preprocessing.std) == ((0.5, 0.4, 0.3), (0.25, 0.2, 0.1))
        assert "preprocessing" not in {finding.code for finding in classifier.findings}
        made = classifier.preprocessing
        assert (made.interpolation, made.crop_fraction, made.resize, made.antialias) == ("bicubic", 0.9, "crop", True)
        assert "interpolation bicubic (args.interpolation), crop_fraction 0.9 (args.crop_pct)" in classifier.notes[0]


def test_a_class_of_timm_is_no_architecture_and_gives_way(tmp_path: Path, network: Any) -> None:  # noqa: ANN401
    torch.save({"arch": "resnet", "state_dict": network.state_dict()}, tmp_path / "c.pt")
    classifier = _build(tmp_path / "c.pt", Wishes(architecture="test_resnet", class_names=NAMES))
    _same(classifier, network)
    assert any("timm has no architecture resnet" in note for note in classifier.notes)


def test_without_the_counters_of_batches(tmp_path: Path, network: Any) -> None:  # noqa: ANN401 -- see above
    weights = {key: value for key, value in network.state_dict().items() if not key.endswith("num_batches_tracked")}
    assert len(weights) < len(network.state_dict())
    torch.save(weights, tmp_path / "c.pt")
    classifier = _build(tmp_path / "c.pt", Wishes(architecture="test_resnet", class_names=NAMES))
    _same(classifier, network)
    assert any("counters of batches" in note for note in classifier.notes)


@pytest.mark.parametrize("outer", ["model", "module", "net"])
@pytest.mark.parametrize("inner", ["state_dict", "module", None])
def test_weights_one_level_down(tmp_path: Path, network: Any, outer: str, inner: str | None) -> None:  # noqa: ANN401
    weights = network.state_dict()
    content = {outer: weights if inner is None else {inner: weights, "arch": "test_resnet"}, "class_names": NAMES}
    torch.save(content | ({"arch": "test_resnet"} if inner is None else {}), tmp_path / "c.pt")
    facts = read_checkpoint(tmp_path / "c.pt").facts
    assert not any(isinstance(value, torch.Tensor) for value in facts.values())
    if outer != "module" or inner is None:
        _same(_build(tmp_path / "c.pt"), network)
    else:
        _same(_build(tmp_path / "c.pt", Wishes(architecture="test_resnet")), network)


def test_a_head_that_does_not_fit_names_the_factory(tmp_path: Path, network: Any) -> None:  # noqa: ANN401 -- see above
    weights = network.state_dict()
    body = {key: value for key, value in weights.items() if not key.startswith("fc.")}
    heads = {
        "renamed": {f"backbone.{key}": value for key, value in body.items()}
        | {"classifier.weight": weights["fc.weight"]},
        "sequence": body | {"fc.1.weight": weights["fc.weight"], "fc.1.bias": weights["fc.bias"]},
    }
    for name, content in heads.items():
        torch.save(content, tmp_path / f"{name}.pt")
        with pytest.raises(CheckpointError, match=r"fit the body .* not its head 'fc'.*--factory: see docs/howto/own"):
            _build(tmp_path / f"{name}.pt", Wishes(architecture="test_resnet", class_names=NAMES))
    with pytest.raises(CheckpointError, match=r"do not fit the architecture .*check --architecture .*--factory"):
        _build(tmp_path / "renamed.pt", Wishes(architecture="test_vit", class_names=NAMES))


def test_a_folder_without_weights_says_which_it_takes(tmp_path: Path) -> None:
    for path in (tmp_path, Path(f"local-dir:{tmp_path}")):
        with pytest.raises(CheckpointError, match=r"holds no model\.safetensors or pytorch_model\.bin: check"):
            read_checkpoint(path)


@pytest.mark.parametrize(("content", "reason"), [("{", "expected JSON"), ("[1]", "expected a JSON object")])
def test_a_config_that_cannot_be_read_is_named(
    tmp_path: Path,
    network: Any,  # noqa: ANN401 -- see above
    content: str,
    reason: str,
) -> None:
    torch.save(network.state_dict(), tmp_path / "c.pt")
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(CheckpointError, match=rf"architecture, the class names \(not used: config\.json \({reason}"):
        _build(tmp_path / "c.pt")
    classifier = _build(tmp_path / "c.pt", Wishes(architecture="test_resnet", class_names=NAMES))
    assert reason in classifier.notes[0]


def _request(*assignments: str) -> dict[str, Any]:
    return build_request(load_settings(None, {}, assignments, {}).settings)


def test_the_request_covers_the_files_beside_the_weights(exported: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(exported, folder)
    before = _request(f"model.checkpoint={folder}")
    assert before == _request(f"model.checkpoint={folder / 'model.safetensors'}")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"label_names": ["a", "b", "c"]}))
    after = _request(f"model.checkpoint={folder}")
    assert after["checkpoint"] == before["checkpoint"]
    assert after["beside_checkpoint"] != before["beside_checkpoint"]


def test_what_is_missing_is_known_without_torch(tmp_path: Path, network: Any) -> None:  # noqa: ANN401 -- see above
    from argparse import Namespace  # noqa: PLC0415 -- as above

    save_file(network.state_dict(), tmp_path / "c.safetensors")
    torch.save(network.state_dict(), tmp_path / "c.pt")
    args = Namespace(model="", img_size=64, std=torch.ones(3))
    torch.save({"epoch": 1, "state_dict": network.state_dict(), "args": args}, tmp_path / "c.pth.tar")
    paths = [str(tmp_path / f"c.{suffix}") for suffix in ("safetensors", "pt", "pth.tar")]
    program = (
        "import sys\n"
        "from btxrd_explain.inference.request import build_request\n"
        "from btxrd_explain.settings import load_settings\n"
        f"for path in {paths!r}:\n"
        "    try:\n"
        "        build_request(load_settings(None, {'model.checkpoint': path}).settings)\n"
        "    except Exception as error:\n"
        "        print(error, 'torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == len(paths), done.stderr
    for line in lines:
        assert "does not say the architecture, the class names: give --architecture" in line
        assert line.endswith("False")


def test_what_files_of_torch_say_without_it(tmp_path: Path, network: Any) -> None:  # noqa: ANN401 -- see above
    """The same facts as those of torch's reader, whatever stands between the weights."""
    from argparse import Namespace  # noqa: PLC0415 -- as above

    weights, shared = network.state_dict(), {"image_size": (48, 64)}
    contents: dict[str, Any] = {
        "plain": weights,
        "nested": {"model": {"state_dict": weights, "arch": "test_resnet"}, "class_to_idx": {"b": 0, "a": 1}},
        "args": {"state_dict": weights, "args": Namespace(model="test_resnet", mean=[0.1, 0.2, 0.3], crop_pct=0.9)},
        "odd": {
            "state_dict": weights,
            "hparams": OrderedDict(data=shared, config=shared, input_size=torch.Size([3, 48, 64])),
            "metric": torch.tensor(0.5),
            "class_names": list(NAMES),
        },
    }
    for name, content in contents.items():
        torch.save(content, tmp_path / name)
        said = facts_in_archive(tmp_path / name)
        assert said is not None
        beside = Beside()
        assert facts_of(tmp_path / name, said, beside) == gather_facts(read_checkpoint(tmp_path / name)), name
    torch.save(weights, tmp_path / "old", _use_new_zipfile_serialization=False)
    (tmp_path / "broken").write_bytes((tmp_path / "odd").read_bytes()[:-40])
    assert facts_in_archive(tmp_path / "old") is None
    assert facts_in_archive(tmp_path / "broken") is None


def test_a_folder_called_demo_shadows_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").mkdir()

    def named(text: str) -> Path:
        (path,) = checkpoints_of(load_settings(None, {"model.checkpoint": text}, (), {}).settings)
        return path

    assert named("demo") == demo_checkpoint()
    assert named("./demo") == tmp_path / "demo"
    result = run("layers", "./demo", code=3)
    assert "demo' holds no model.safetensors" in " ".join(result.stderr.split())


def _cache(folder: Path, source: Path) -> None:
    """Lay files into a cache as the Hub's client does."""
    repository = folder / "models--owner--name"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    shutil.copytree(source, repository / "snapshots" / ("0" * 40))


def test_an_id_of_the_hub_is_taken_from_the_cache(
    tmp_path: Path,
    exported: Path,
    network: Any,  # noqa: ANN401 -- see above
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was touched")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    _cache(tmp_path, exported)
    classifier = _build(Path("hf-hub:owner/name"))
    _same(classifier, network)
    assert classifier.class_names == NAMES


def test_an_id_that_cannot_be_had_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for text in ("hf-hub:owner/name", "hf-hub:not/an/id", "hf-hub:"):
        with pytest.raises(CheckpointError, match=r"cannot get 'hf-hub:.*check the id and the network") as caught:
            read_checkpoint(Path(text))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("family", ["vit", "swin", "convnext"])
def test_classifiers_of_transformers(tmp_path: Path, family: str) -> None:
    transformers = pytest.importorskip("transformers")
    sizes: dict[str, dict[str, Any]] = {
        "vit": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64},
        "swin": {"embed_dim": 16, "depths": [1, 1], "num_heads": [1, 2], "window_size": 4},
        "convnext": {"hidden_sizes": [8, 16, 32, 64], "depths": [1, 1, 1, 1]},
    }
    labels = dict(enumerate(NAMES))
    config = transformers.AutoConfig.for_model(family, image_size=64, id2label=labels, **sizes[family])
    torch.manual_seed(0)
    reference = transformers.AutoModelForImageClassification.from_config(config).eval()
    reference.save_pretrained(tmp_path)
    classifier = _build(tmp_path)
    assert classifier.class_names == NAMES
    assert classifier.architecture == type(reference).__name__
    assert classifier.preprocessing.size == Size(64, 64)
    batch = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(classifier.network(batch), reference(batch).logits, rtol=0, atol=1e-5)
    run("layers", tmp_path)


def test_without_transformers_the_extra_is_named(
    tmp_path: Path,
    network: Any,  # noqa: ANN401 -- see above
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    save_file(network.state_dict(), tmp_path / "model.safetensors")
    config = {"model_type": "vit", "architectures": ["ViTForImageClassification"], "id2label": dict(enumerate(NAMES))}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(SettingsError, match=re.escape(f"which is not installed: {to_install('transformers')}")):
        _build(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config | {"model_type": "beit"}))
    with pytest.raises(CheckpointError, match=r"not say the architecture \(not used: .* of transformers; known are"):
        _build(tmp_path)
