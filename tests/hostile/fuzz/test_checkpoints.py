"""Mutated checkpoints: of torch in both of its formats, and of safetensors."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import timm
import torch
from hypothesis import given
from safetensors.torch import save

from btxrd_explain.errors import CheckpointError
from btxrd_explain.model.checkpoint import read_checkpoint
from btxrd_explain.model.classifier import Classifier, Wishes, build_classifier
from tests.hostile.fuzz.harness import examples, outcome
from tests.hostile.fuzz.mutations import mutated

if TYPE_CHECKING:
    from pathlib import Path

ARCHITECTURE = "test_resnet"
SMALL = {"fc.weight": torch.arange(6.0).reshape(2, 3), "fc.bias": torch.zeros(2)}
FACTS: dict[str, Any] = {
    "epoch": 3,
    "val_loss": np.float64(0.5),
    "class_names": ["Normal", "Benign", "Malignant"],
    "config": {"model": {"backbone": ARCHITECTURE, "num_classes": 3}, "data": {"image_size": 32}},
    "normalization": {"mean": [0.5, 0.5, 0.5], "std": np.array([0.25, 0.25, 0.25])},
}


def _saved(content: object, *, legacy: bool = False) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=not legacy)
    return file.getvalue()


def _network() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    state: dict[str, torch.Tensor] = timm.create_model(ARCHITECTURE, num_classes=3).state_dict()
    return state


SEEDS = (
    _saved(SMALL),
    _saved({"model_state_dict": SMALL} | FACTS),
    _saved(SMALL, legacy=True),
    _saved({"model_state_dict": SMALL} | FACTS, legacy=True),
    save(SMALL),
    save(SMALL, {"btxrd_explain": json.dumps({"class_names": FACTS["class_names"], "config": FACTS["config"]})}),
)
WHOLE = (_saved({"state_dict": _network()} | FACTS),)
"""A checkpoint that a network can be made of."""
TOKENS = (
    b"PK\x03\x04",
    b"PK\x01\x02",
    b"PK\x05\x06",
    b"PK\x06\x06",
    b"archive/data.pkl",
    b"archive/data/0",
    b"cos\nsystem\n",
    b"cbuiltins\neval\n",
    b"cbuiltins\nbytearray\n",
    b"ctorch\nFloatStorage\n",
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"cnumpy\ndtype\n",
    b"cnumpy.core.multiarray\n_reconstruct\n",
    b"ccollections\nOrderedDict\n",
    b"c_codecs\nencode\n",
    b"X\x04\x00\x00\x00echo",
    b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01",
    *(bytes([step]) for step in b"()}]tlRbsueaqhrjQ.0N\x81\x85\x86\x87\x88\x89\x8f\x90\x93\x94\x95"),
    b'"dtype":"F64"',
    b'"data_offsets":[0,99999999999]',
    b'"shape":[4294967296,4294967296]',
    b"[" * 2000,
)


def _built(path: Path) -> Classifier:
    return build_classifier(read_checkpoint(path), Wishes(architecture=ARCHITECTURE, class_names=("a", "b", "c")))


@pytest.mark.filterwarnings("default")
@given(data=mutated(SEEDS, TOKENS))
@examples(quick=50, long=9_000)
def test_a_mutated_checkpoint_is_read_or_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "c.pt").write_bytes(data)
    result = outcome(lambda: read_checkpoint(tmp_path / "c.pt").path, folder=tmp_path)
    assert isinstance(result, CheckpointError | type(tmp_path))


@pytest.mark.filterwarnings("default")
@given(data=mutated(WHOLE, TOKENS, most=3))
@examples(quick=12, long=1_000)
def test_a_mutated_checkpoint_becomes_a_classifier_or_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "c.pt").write_bytes(data)
    result = outcome(lambda: _built(tmp_path / "c.pt"), folder=tmp_path)
    assert isinstance(result, CheckpointError | Classifier)


def test_the_seeds_are_read(tmp_path: Path) -> None:
    for data in (*SEEDS, *WHOLE):
        (tmp_path / "c.pt").write_bytes(data)
        assert read_checkpoint(tmp_path / "c.pt").weights
    assert _built(tmp_path / "c.pt").class_names == tuple(FACTS["class_names"])
