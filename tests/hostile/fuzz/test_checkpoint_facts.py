"""What checkpoints say of their networks, in any dialect: aliases, Namespaces, configurations next to the weights."""

from __future__ import annotations

import argparse
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save

from btxrd_explain.errors import CheckpointError
from btxrd_explain.model.aliases import BESIDE, FACTS, SECTIONS
from btxrd_explain.model.checkpoint import read_checkpoint
from btxrd_explain.model.facts import Facts, facts_of, gather_facts
from btxrd_explain.model.location import Beside
from tests.hostile.fuzz.documents import NASTY, anything, numbers
from tests.hostile.fuzz.harness import examples, outcome
from tests.hostile.fuzz.mutations import mutated

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SMALL = {"fc.weight": torch.arange(6.0).reshape(2, 3), "fc.bias": torch.zeros(2)}
NAMES = [name for aliases in FACTS.values() for name in (*aliases.certain, *aliases.likely, *aliases.within)]
SECTION_NAMES = [name for names in SECTIONS.values() for name in names]
CLASSES = ["Normal", "Benign", "Malignant"]
values = (
    st.sampled_from(["resnet18", "timm/resnet18.a1_in1k", "BCEWithLogitsLoss()", "bicubic", 224, [3, 9, 9], CLASSES])
    | st.sampled_from([dict(enumerate(CLASSES)), {name: number for number, name in enumerate(CLASSES)}])
    | st.lists(numbers, max_size=4)
    | st.dictionaries(st.sampled_from(["0", "1", "a", 0, 1, "height", "width"]), numbers | st.just("a"), max_size=3)
    | anything
)
said = st.recursive(
    st.dictionaries(st.sampled_from(NAMES), values, max_size=4),
    lambda inner: st.dictionaries(st.sampled_from([*SECTION_NAMES, *NAMES]), inner | values, max_size=3),
    max_leaves=6,
)
CONFIG = {
    "architectures": ["ViTForImageClassification"],
    "model_type": "vit",
    "id2label": dict(enumerate(CLASSES)),
    "label2id": {name: number for number, name in enumerate(CLASSES)},
    "image_size": 32,
    "num_channels": 3,
    "problem_type": "single_label_classification",
}
TIMM = {
    "architecture": "test_resnet",
    "num_classes": 2,
    "label_names": CLASSES[:2],
    "pretrained_cfg": {"input_size": [3, 32, 32], "mean": [0.5, 0.5, 0.5], "crop_pct": 0.9, "interpolation": "bicubic"},
    "model_args": {"global_pool": "avg"},
}
PROCESSOR = {"size": {"height": 32, "width": 32}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "resample": 2}
JSON_TOKENS = (
    *(
        b'"id2label": ',
        b'"num_labels": 1e9',
        b'"image_size": [-1]',
        b'"size": {"shortest_edge": 0}',
        b"null",
        b"[" * 900,
    ),
    *(json.dumps(text).encode() for text in NASTY),
)


def _pickled(content: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


NAMESPACE = argparse.Namespace(model="resnet18", classes=CLASSES, img_size=64, mean=[0.5] * 3, loss="bce", lr=0.1)
LIGHTNING = {"hyper_parameters": {"model": {"name": "resnet18"}, "label2id": {"a": 0, "b": 1}}, "epoch": 3}
PICKLES = (
    _pickled({"model": SMALL, "args": NAMESPACE}),
    _pickled({"state_dict": SMALL, **LIGHTNING}),
)
PICKLE_TOKENS = (
    *(b"cargparse\nNamespace\n", b"ctypes\nSimpleNamespace\n", b"coptparse\nValues\n", b"cos\nsystem\n", b"args"),
    *(b"X\x05\x00\x00\x00model", b"X\x04\x00\x00\x00mean", b"X\x07\x00\x00\x00classes", b"class_to_idx"),
    *(bytes([step]) for step in b"()}]tlRbsueaqhrjQ.0N\x81\x85\x86\x87\x88\x89\x8f\x90\x93\x94\x95"),
)


def _facts(path: Path) -> Facts:
    return gather_facts(read_checkpoint(path))


@pytest.mark.parametrize("data", PICKLES)
def test_the_pickles_that_are_mutated_say_something(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "c.pt").write_bytes(data)
    facts = _facts(tmp_path / "c.pt")
    assert facts.architecture == "resnet18"
    assert facts.class_names in {tuple(CLASSES), ("a", "b")}


@pytest.mark.parametrize("config", [CONFIG, TIMM])
def test_the_configurations_that_are_mutated_say_something(tmp_path: Path, config: Mapping[str, Any]) -> None:
    (tmp_path / "model.safetensors").write_bytes(save(SMALL))
    (tmp_path / BESIDE[0]).write_text(json.dumps(config))
    (tmp_path / BESIDE[1]).write_text(json.dumps(PROCESSOR))
    facts = _facts(tmp_path)
    assert facts.class_names == tuple(CLASSES[: 2 if config is TIMM else 3])
    assert facts.preprocessing["mean"] == (0.5, 0.5, 0.5)


@given(top=said, beside=said, processor=said)
@examples(quick=50, long=20_000)
def test_facts_under_any_names_are_taken_or_refused(tmp_path: Path, top: Any, beside: Any, processor: Any) -> None:  # noqa: ANN401
    others = Beside(dict(zip(BESIDE, (beside, processor), strict=True)))
    result = outcome(lambda: facts_of(tmp_path / "c.pt", top, others), folder=tmp_path)
    assert isinstance(result, CheckpointError | Facts)


@pytest.mark.filterwarnings("default")
@given(data=mutated(PICKLES, PICKLE_TOKENS))
@examples(quick=50, long=20_000)
def test_a_mutated_namespace_is_read_or_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "c.pt").write_bytes(data)
    result = outcome(lambda: _facts(tmp_path / "c.pt"), folder=tmp_path)
    assert isinstance(result, CheckpointError | Facts)


@given(config=mutated([json.dumps(each).encode() for each in (CONFIG, TIMM)], JSON_TOKENS), processor=st.data())
@examples(quick=50, long=20_000)
def test_a_mutated_configuration_is_read_or_refused(tmp_path: Path, config: bytes, processor: st.DataObject) -> None:
    (tmp_path / "model.safetensors").write_bytes(save(SMALL))
    (tmp_path / BESIDE[0]).write_bytes(config)
    (tmp_path / BESIDE[1]).write_bytes(processor.draw(mutated([json.dumps(PROCESSOR).encode()], JSON_TOKENS)))
    result = outcome(lambda: _facts(tmp_path), folder=tmp_path)
    assert isinstance(result, CheckpointError | Facts)
