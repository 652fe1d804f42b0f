"""What turns outputs into probabilities: what noise shows, what is decided, and what is said of it."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn

from btxrd_explain import explain, generate_gradcam
from btxrd_explain.core.choices import Activation
from btxrd_explain.errors import SettingsError
from btxrd_explain.model.activation import Outputs, decide, watch_outputs

if TYPE_CHECKING:
    from collections.abc import Callable

LIKE = torch.zeros(1, 3, 64, 64)
SOFTMAX, SIGMOID, NONE = Activation


class Net(nn.Module):
    """Convolution, ReLU, pool, linear, and something behind them."""

    def __init__(
        self, outputs: int, behind: Callable[[Tensor], object] = lambda scores: scores, scale: float = 3
    ) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.body = nn.Conv2d(3, 4, 5, stride=4)
        self.head = nn.Linear(4, outputs)
        self.behind = behind
        self.scale = scale

    def forward(self, batch: Tensor) -> object:
        """Return whatever ``behind`` makes of the scores."""
        return self.behind(self.scale * self.head(self.body(batch).relu().mean(dim=(2, 3))))


def _softmax(scores: Tensor) -> Tensor:
    return scores.softmax(dim=1)


def _mean_of_sigmoids(scores: Tensor) -> Tensor:
    return torch.stack([scores.sigmoid(), (2 * scores).sigmoid()]).mean(dim=0)


def _by_hand(scores: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-scores))


@pytest.mark.parametrize(
    ("outputs", "behind", "scale", "inside"),
    [
        (3, _softmax, 3, SOFTMAX),
        (2, _softmax, 0.01, SOFTMAX),
        (3, lambda scores: {"logits": scores.softmax(dim=1)}, 3, SOFTMAX),
        (3, torch.sigmoid, 3, SIGMOID),
        (3, torch.sigmoid, 0.001, SIGMOID),
        (1, torch.sigmoid, 0.001, SIGMOID),
        (1, lambda scores: scores.sigmoid().squeeze(1), 0.001, SIGMOID),
        (3, _mean_of_sigmoids, 0.001, SIGMOID),
        (1, _by_hand, -30, SIGMOID),
        (3, lambda scores: scores, 3, None),
        (1, lambda scores: scores, 3, None),
        (3, lambda scores: scores.log_softmax(dim=1), 3, None),
        (2, lambda scores: 0.2 + scores.tanh() / 10, 3, None),
        (2, lambda scores: 0 * scores, 3, None),
        (3, lambda scores: scores * torch.nan, 3, None),
        (3, lambda scores: scores.sigmoid() @ torch.ones(3, 3), 3, None),
    ],
    ids=count(),
)
def test_probabilities_are_recognised_on_noise_and_small_scores_are_not(
    outputs: int, behind: Callable[[Tensor], object], scale: float, inside: Activation | None
) -> None:
    seen = watch_outputs(Net(outputs, behind, scale).eval(), LIKE, {outputs})
    assert seen.inside is inside
    assert seen.count == outputs
    assert not seen.scores.requires_grad


@pytest.mark.parametrize("architecture", ["test_vit", "test_convnext", "test_resnet", "test_efficientnet"])
@pytest.mark.parametrize("outputs", [1, 2])
def test_untrained_networks_of_timm_have_no_probabilities_inside(architecture: str, outputs: int) -> None:
    """The last normalisation of some keeps scores small, whatever the input."""
    torch.manual_seed(outputs)
    network: Any = timm.create_model(architecture, num_classes=outputs).eval()
    side = network.default_cfg["input_size"][-1]
    assert watch_outputs(network, torch.zeros(1, 3, side, side)).inside is None


def _seen(rows: list[list[float]], inside: Activation | None = None) -> Outputs:
    return Outputs(torch.tensor(rows), inside, "")


LOGITS = _seen([[-3.0, 0.1, 5.0]] * 3)
SMALL = _seen([[0.1, 0.2, 0.3]] * 3)
ONE = _seen([[-3.0], [2.0], [90.0]])
SOFT = _seen([[0.1, 0.2, 0.7]] * 3, SOFTMAX)
SIGMOIDS = _seen([[0.9, 0.2, 0.7]] * 3, SIGMOID)
ONE_SIGMOID = _seen([[0.9], [0.2], [0.7]], SIGMOID)


@pytest.mark.parametrize(
    ("outputs", "stored", "several_labels", "activation", "multi_label", "said"),
    [
        (LOGITS, None, False, SOFTMAX, False, "softmax: usual for 3 outputs, and nothing says otherwise"),
        (LOGITS, SOFTMAX, False, SOFTMAX, False, "softmax: the checkpoint says so"),
        (LOGITS, SIGMOID, False, SIGMOID, True, "sigmoid: the checkpoint says so; each class has a probability of it"),
        (LOGITS, None, True, SIGMOID, True, "sigmoid: labels name several classes of one radiograph"),
        (LOGITS, SOFTMAX, True, SOFTMAX, False, "softmax: the checkpoint says so"),
        (LOGITS, NONE, False, SOFTMAX, False, "softmax: usual"),
        (SMALL, None, False, SOFTMAX, False, "nothing says otherwise; on noise the outputs lie in [0, 1]: if they"),
        (SMALL, NONE, False, NONE, True, "none: the checkpoint says so"),
        (ONE, None, False, SIGMOID, False, "sigmoid: usual for one output; the network has one output, which is high"),
        (LOGITS, None, None, SOFTMAX, False, "nothing says otherwise (no labels are looked at here: of a multi-label"),
        (ONE, NONE, False, SIGMOID, False, "sigmoid: usual for one output"),
        (SOFT, None, False, NONE, False, "none: the outputs already are probabilities (a softmax is inside the netw"),
        (SOFT, SOFTMAX, True, NONE, False, "none: the outputs already are probabilities"),
        (SIGMOIDS, None, False, NONE, True, "none: the outputs already are probabilities (a sigmoid is inside the n"),
        (ONE_SIGMOID, None, False, NONE, False, "a sigmoid is inside the network, seen on two passes of noise)"),
    ],
    ids=count(),
)
def test_auto_takes_what_is_known_and_says_what_and_why(
    outputs: Outputs,
    stored: Activation | None,
    several_labels: bool | None,
    activation: Activation,
    multi_label: bool,
    said: str,
) -> None:
    decision = decide(outputs, stored=stored, several_labels=several_labels)
    assert (decision.activation, decision.multi_label) == (activation, multi_label)
    (note,) = decision.notes
    assert note.startswith(f"activation {activation}: ")
    assert said in note
    assert not decision.findings


@pytest.mark.parametrize(
    ("outputs", "stored", "activation", "said"),
    [
        (ONE, SOFTMAX, SIGMOID, "softmax, and that of one output is 1 for every radiograph: sigmoid is used"),
        (SOFT, SIGMOID, NONE, "sigmoid, and the network's outputs already are probabilities (a softmax is inside)"),
        (SIGMOIDS, SOFTMAX, NONE, "softmax, and the network's outputs already are probabilities (a sigmoid is inside)"),
    ],
    ids=count(),
)
def test_what_the_checkpoint_says_and_cannot_be_is_a_warning(
    outputs: Outputs, stored: Activation, activation: Activation, said: str
) -> None:
    decision = decide(outputs, stored=stored)
    assert decision.activation is activation
    (finding,) = decision.findings
    assert finding.code == "activation"
    assert f"the checkpoint says activation {said}" in finding.message


@pytest.mark.parametrize(
    ("outputs", "wished", "stored", "multi_label", "codes"),
    [
        (LOGITS, SIGMOID, None, True, []),
        (LOGITS, SIGMOID, SIGMOID, True, []),
        (LOGITS, SOFTMAX, SIGMOID, False, ["activation"]),
        (LOGITS, SIGMOID, SOFTMAX, True, ["activation"]),
        (ONE, SIGMOID, None, False, []),
        (SOFT, SOFTMAX, None, False, ["squashed-twice"]),
        (SOFT, SIGMOID, SIGMOID, True, ["squashed-twice"]),
        (SOFT, NONE, None, False, []),
        (SIGMOIDS, SIGMOID, None, True, ["squashed-twice"]),
        (ONE_SIGMOID, SIGMOID, None, False, ["squashed-twice"]),
        (SMALL, NONE, None, True, []),
    ],
    ids=count(),
)
def test_what_is_wished_counts_and_a_contradiction_is_a_warning(
    outputs: Outputs,
    wished: Activation,
    stored: Activation | None,
    multi_label: bool,
    codes: list[str],
) -> None:
    decision = decide(outputs, wished=wished, stored=stored)
    assert (decision.activation, decision.multi_label) == (wished, multi_label)
    assert [finding.code for finding in decision.findings] == codes
    assert decision.notes[0].startswith(f"activation {wished}: the settings say so")


@pytest.mark.parametrize("outputs", [ONE, ONE_SIGMOID])
def test_a_softmax_of_one_output_cannot_be_wished(outputs: Outputs) -> None:
    with pytest.raises(SettingsError, match="the softmax of one output is 1 for every radiograph: give --activation"):
        decide(outputs, wished=SOFTMAX)


def test_outputs_that_are_no_probabilities_cannot_be_wished_to_be_some() -> None:
    with pytest.raises(SettingsError, match=r"with activation none .* on noise they are -3 to 5: give --activation"):
        decide(LOGITS, wished=NONE)


def test_a_network_that_fails_is_named_in_one_line() -> None:
    def fail(_scores: Tensor) -> Tensor:
        raise RuntimeError("sizes of tensors must match\nsecond line")

    with pytest.raises(
        SettingsError, match=r"fails on a batch of shape \(1, 3, 64, 64\) \(RuntimeError: sizes of"
    ) as caught:
        watch_outputs(Net(3, fail), LIKE)
    assert "\n" not in str(caught.value)


def test_the_library_recognises_them_too() -> None:
    batch = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    bare, soft = Net(3).eval(), Net(3, _softmax).eval()
    expected = explain(bare, batch).probabilities
    np.testing.assert_allclose(explain(soft, batch).probabilities, expected, atol=1e-7)
    np.testing.assert_allclose(
        explain(bare, batch, activation="sigmoid").probabilities, _sigmoid(bare, batch), atol=1e-7
    )
    np.testing.assert_allclose(
        explain(Net(3, torch.sigmoid).eval(), batch).probabilities, _sigmoid(bare, batch), atol=1e-7
    )
    twice = explain(soft, batch, activation="softmax").probabilities
    assert abs(twice - expected).max() > 0.01
    with pytest.raises(ValueError, match="activation: there is no 'sofmax': did you mean 'softmax'"):
        generate_gradcam(bare, batch[0], activation="sofmax")


def _sigmoid(network: nn.Module, batch: Tensor) -> Any:  # noqa: ANN401 -- an array
    with torch.no_grad():
        return network(batch).sigmoid().numpy()


def test_the_map_of_probabilities_is_that_of_the_outputs_themselves() -> None:
    """The gradient of a probability, p (1 - p) times that of its score for a sigmoid, has the same map when scaled."""
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    bare, inside = Net(3, scale=1).eval(), Net(3, torch.sigmoid, scale=1).eval()
    for index in range(3):
        expected = generate_gradcam(bare, image, index, target_layer="body")
        np.testing.assert_allclose(generate_gradcam(inside, image, index, target_layer="body"), expected, atol=1e-5)
