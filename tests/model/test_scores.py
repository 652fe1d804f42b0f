"""Scores in whatever a network returns, and the probabilities and log-odds that they stand for."""

from __future__ import annotations

import copy
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from itertools import count
from math import log
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from btxrd_explain.core.choices import Activation
from btxrd_explain.errors import SettingsError
from btxrd_explain.model.scores import (
    class_probabilities,
    class_scores,
    log_odds,
    return_scores,
    score_matrix,
    scores_of,
    take_scores,
)

SCORES = torch.arange(6.0).reshape(2, 3)
GoogLeNetOutputs = namedtuple("GoogLeNetOutputs", ["logits", "aux_logits2", "aux_logits1"])  # noqa: PYI024 -- torchvision's own form


class ModelOutput(OrderedDict[str, Any]):
    """As in transformers: a mapping whose items are attributes."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 -- whatever it holds
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(name) from error


@dataclass
class Answer:
    """Somebody's own object."""

    features: Tensor
    scores: Tensor


class Opaque:
    """An object that says nothing of itself but its logits."""

    logits = SCORES


@pytest.mark.parametrize(
    ("output", "how"),
    [
        (SCORES, ""),
        (SCORES[:, :, None, None], "the network's output of shape (2, 3, 1, 1) as (2, 3)"),
        (SCORES.flatten(), "the network's output of shape (6,) as (2, 3)"),
        ((SCORES, SCORES.mean()), "the tensor of shape (2, 3) of the tuple that the network returns"),
        ((torch.rand(2, 8), SCORES), "the tensor of shape (2, 3) of the tuple that the network returns"),
        ([SCORES, torch.rand(2, 5, 4, 4)], "the tensor of shape (2, 3) of the list that the network returns"),
        ({"out": SCORES, "aux": None}, "the tensor of shape (2, 3) of the dict that the network returns"),
        ({"logits": SCORES, "aux": SCORES}, "'logits' of the dict that the network returns"),
        (ModelOutput(loss=torch.zeros(()), logits=SCORES), "'logits' of the ModelOutput that the network returns"),
        (GoogLeNetOutputs(SCORES, SCORES, SCORES), "'logits' of the GoogLeNetOutputs that the network returns"),
        (Answer(torch.rand(2, 8), SCORES), "the tensor of shape (2, 3) of the Answer that the network returns"),
        (Opaque(), "'logits' of the Opaque that the network returns"),
    ],
    ids=count(),
)
def test_scores_are_taken_where_that_is_unambiguous(output: object, how: str) -> None:
    taken = take_scores(output, 2, {3})
    assert taken.how == how
    torch.testing.assert_close(taken.scores, SCORES, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("output", "seen"),
    [
        (None, "returns None for 2 images, where scores of shape (2, 3) are expected: wrap it"),
        ("malignant", "returns a str for"),
        (3, "returns an int for"),
        ((SCORES, SCORES), "returns a tuple ((2, 3), (2, 3)) for"),
        ((), "returns a tuple for"),
        ({"a": SCORES, "b": SCORES, "c": "x"}, "returns a dict (a (2, 3), b (2, 3), c str) for"),
        ([torch.rand(2, 5, 4, 4)], "returns a list ((2, 5, 4, 4)) for"),
        ([[SCORES]], "returns a list (list) for"),
        (SCORES.T, "returns float32 of shape (3, 2) for"),
        (SCORES[:, :, None, None].expand(2, 3, 7, 7), "returns float32 of shape (2, 3, 7, 7) for"),
        (SCORES.mean(0), "returns float32 of shape (3,) for"),
        (SCORES.flatten()[:4], "returns float32 of shape (4,) for"),
        (SCORES.mean(), "returns float32 of shape () for"),
        (torch.rand(2, 0), "returns float32 of shape (2, 0) for"),
        (SCORES.argmax(1), "returns int64 of shape (2,) for"),
        (Answer, "returns a type for"),
    ],
    ids=count(),
)
def test_all_else_is_refused_in_one_line_that_says_what_came(output: object, seen: str) -> None:
    with pytest.raises(SettingsError) as caught:
        take_scores(output, 2, {3})
    assert seen in str(caught.value)
    assert str(caught.value).endswith("wrap it in a module that returns the class scores alone")
    assert "\n" not in str(caught.value)


def test_a_container_without_known_classes_needs_a_single_candidate() -> None:
    assert take_scores((SCORES, SCORES.mean()), 2).scores is SCORES
    with pytest.raises(SettingsError, match=r"scores of shape \(2, number of classes\)"):
        take_scores((torch.rand(2, 8), SCORES), 2)
    with pytest.raises(SettingsError, match=r"float32 of shape \(6,\)"):
        take_scores(SCORES.flatten(), 2)


@pytest.mark.parametrize("shape", [(1, 3), (3,), (1, 3, 1, 1)])
def test_of_a_single_image_a_vector_is_its_scores(shape: tuple[int, ...]) -> None:
    assert score_matrix(SCORES[:1].reshape(shape), 1).tolist() == [[0.0, 1.0, 2.0]]


@pytest.mark.parametrize(("shape", "batch"), [((), 1), ((1,), 1), ((4,), 4), ((4, 1), 4), ((4, 1, 1, 1), 4)])
def test_one_output_has_one_score_per_image(shape: tuple[int, ...], batch: int) -> None:
    assert score_matrix(torch.arange(float(batch)).reshape(shape), batch).tolist() == [[n] for n in range(batch)]


def test_a_network_returns_its_scores_alone_and_so_does_its_copy() -> None:
    class Pair(nn.Module):
        def forward(self, batch: Tensor) -> Any:  # noqa: ANN401 -- a tuple, until it is adapted
            return batch.mean(dim=(2, 3)), batch

    network = Pair()
    handle = return_scores(network, {3})
    batch = torch.rand(2, 3, 4, 4)
    for one in (network, copy.deepcopy(network)):
        torch.testing.assert_close(one(batch), batch.mean(dim=(2, 3)))
        torch.testing.assert_close(scores_of(one, batch), batch.mean(dim=(2, 3)).double())
    handle.remove()
    assert isinstance(network(batch), tuple)


def test_one_output_is_two_classes_whose_probabilities_are_those_of_two_outputs() -> None:
    x = torch.linspace(-120, 120, 97)[:, None]
    ours = class_probabilities(class_scores(x, Activation.SIGMOID), Activation.SIGMOID)
    twin = torch.softmax(torch.cat([torch.zeros_like(x), x], dim=1), dim=1)
    torch.testing.assert_close(ours, twin, rtol=0, atol=1e-7)


def test_a_softmax_of_one_output_is_refused() -> None:
    with pytest.raises(SettingsError, match="the softmax of one output is 1 for every radiograph: give --activation"):
        class_scores(torch.zeros(3, 1))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_probabilities_are_float32(dtype: torch.dtype) -> None:
    scores = torch.tensor([[0.25, 0.75], [1.0, 0.0]], dtype=dtype)
    for activation, expected in (
        (Activation.SOFTMAX, scores.float().softmax(dim=1)),
        (Activation.SIGMOID, scores.float().sigmoid()),
        (Activation.NONE, scores.float()),
    ):
        found = class_probabilities(scores, activation)
        assert found.dtype is torch.float32
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-7)


def test_what_is_no_probability_is_not_a_number() -> None:
    found = class_probabilities(torch.tensor([[1.5, 0.5], [-1e-7, 1 + 1e-7]]), Activation.NONE)
    assert found[0, 0].isnan()
    assert found[1].tolist() == [0.0, 1.0]


def test_log_odds_of_a_softmax_are_exact_and_finite() -> None:
    """Against logsumexp over the other classes one by one, where 1 - p is 0 in float64 too."""
    scores = torch.randn(4, 7, generator=torch.Generator().manual_seed(0)) * torch.tensor(
        [[0.1], [3.0], [50.0], [900.0]]
    )
    wide = scores.double()
    others = [torch.logsumexp(torch.cat([wide[:, :c], wide[:, c + 1 :]], dim=1), dim=1) for c in range(7)]
    found = log_odds(scores)
    torch.testing.assert_close(found, wide - torch.stack(others, dim=1), rtol=1e-14, atol=1e-12)
    assert found.isfinite().all()
    small = log_odds(scores[:1])
    torch.testing.assert_close(small, torch.logit(wide[:1].softmax(dim=1)), rtol=1e-12, atol=1e-12)
    moved = log_odds(scores + 1000)  # float32 rounds the sum
    torch.testing.assert_close(moved, log_odds((scores + 1000).double() - 1000), rtol=1e-12, atol=1e-10)


def test_log_odds_of_one_output_are_the_output_whichever_way() -> None:
    x = torch.tensor([[-40.0], [0.3], [700.0]])
    twin = torch.cat([torch.zeros_like(x), x], dim=1)
    torch.testing.assert_close(log_odds(class_scores(x, Activation.SIGMOID), Activation.SIGMOID), log_odds(twin))
    inside = class_scores(torch.sigmoid(x[:2].double()), Activation.NONE)
    torch.testing.assert_close(
        log_odds(inside, Activation.NONE)[1], torch.tensor([-0.3, 0.3]).double(), atol=1e-7, rtol=0
    )


def test_log_odds_of_certain_probabilities_are_bounded() -> None:
    found = log_odds(torch.tensor([[0.0, 1.0], [0.25, 0.75]]), Activation.NONE)
    assert found[0].tolist() == pytest.approx([-log(1e7), log(1e7)], abs=1e-6)
    assert log_odds(torch.tensor([[1.5, -0.5]]), Activation.NONE).isnan().all()
    torch.testing.assert_close(found[1], torch.tensor([-3.0, 3.0]).double().sign() * torch.tensor(3.0).double().log())
