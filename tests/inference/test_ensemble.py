"""What is said of several checkpoints that predict together, and which of them do not go together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btxrd_explain.core.choices import Activation
from btxrd_explain.core.geometry import Size
from btxrd_explain.errors import CheckpointError
from btxrd_explain.finding import Finding
from btxrd_explain.inference.ensemble import joint_provenance, names_of
from tests.support.small_table import PROVENANCE

PATHS = st.lists(
    st.sampled_from(["best.pt", "a/best.pt", "b/best.pt", "a/b/best.pt", "b/a/best.pt", "c.pt"]), unique=True
)
REQUEST = {**PROVENANCE.request, "members": {"1": {"checkpoint": "aa"}, "2": {"checkpoint": "bb"}}}


def _member(name: str, **facts: Any) -> Any:  # noqa: ANN401 -- a provenance
    return replace(PROVENANCE, request=REQUEST, checkpoint=name, **facts)


@given(PATHS)
def test_names_tell_checkpoints_apart_and_end_their_paths(texts: list[str]) -> None:
    paths = [PurePosixPath("/runs", text) for text in texts]
    names = names_of(paths)
    assert len(set(names)) == len(paths)
    assert all(path.as_posix().endswith(f"/{name}") for path, name in zip(paths, names, strict=True))


def test_a_name_is_no_longer_than_it_must_be() -> None:
    paths = [PurePosixPath(text) for text in ("x/a/best.pt", "x/b/best.pt", "x/other.pt")]
    assert names_of(paths) == ("a/best.pt", "b/best.pt", "other.pt")


def test_what_members_share_is_said_once() -> None:
    finding = Finding.of("same-file", "two files are the same")
    members = [
        _member("a.pt", notes=("size 32", "old"), grid=Size(2, 2), target_layer="layer4", findings=(finding,)),
        _member(
            "b.pt", notes=("size 32",), grid=Size(4, 4), target_layer="blocks", findings=(finding,), synthetic=True
        ),
    ]
    joint = joint_provenance(members)
    assert (joint.checkpoint, joint.members) == ("a.pt, b.pt", ("a.pt", "b.pt"))
    assert joint.notes == (
        "an ensemble of 2: probabilities and heat maps are averaged",
        "size 32",
        "a.pt: old",
    )
    assert (joint.architecture, joint.target_layer, joint.grid) == ("resnet18", "layer4 / blocks", Size(4, 4))
    assert (joint.findings, joint.synthetic) == ((finding,), True)


def test_equal_checkpoints_are_told_of() -> None:
    request = {**REQUEST, "members": {"1": {"checkpoint": "aa"}, "2": {"checkpoint": "aa"}}}
    joint = joint_provenance([replace(_member(name), request=request) for name in ("a.pt", "b.pt")])
    assert joint.notes[-1] == "2 checkpoints hold 1 different ones: equal members count as often"


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"class_names": ("Benign", "Normal")}, "class names 'Normal, Benign' and 'Benign, Normal'"),
        ({"activation": Activation.SIGMOID}, "activation softmax and sigmoid"),
        ({"multi_label": True}, "classes that exclude each other True and False"),
        (
            {"preprocessing": replace(PROVENANCE.preprocessing, size=Size(64, 32))},
            "preprocessing: size 32x32 and 64x32",
        ),
    ],
)
def test_members_that_differ_are_refused_with_what_differs(facts: dict[str, Any], said: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        joint_provenance([_member("a.pt"), _member("b.pt", **facts)])
    assert str(caught.value).startswith(f"'a.pt' and 'b.pt' do not make an ensemble: {said}")
