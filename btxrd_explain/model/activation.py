"""What turns a network's outputs into probabilities: seen on noise, and decided once, when it is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from btxrd_explain.core.choices import Activation
from btxrd_explain.errors import BtxrdExplainError, SettingsError
from btxrd_explain.finding import Finding
from btxrd_explain.model.scores import are_probabilities, class_scores, take_scores

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_EXTREME = 100.0
"""Standard deviation of the extreme noise: scores leave [0, 1] there, probabilities do not."""
_SUM = 1e-4
"""By how much a softmax may miss a sum of 1."""
_REACHED = 0.999
"""Scores that stay in [0, 1] and come this close to 1 are taken for sigmoids that saturate."""
_KEEPS_RANGE = (
    *("View", "UnsafeView", "Reshape", "Squeeze", "Unsqueeze", "Select", "Slice", "Permute", "Transpose", "T"),
    *("Clone", "ToCopy", "Alias", "Cat", "Stack", "Mean"),
)
"""Operations after which values are still in [0, 1], as autograd names them."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a network returned for noise.

    Attributes:
        scores: Floating tensor of shape ``(3, n)``, detached; the last two rows are of extreme noise.
        inside: ``softmax`` or ``sigmoid`` where the network applies one itself, so that the scores are probabilities.
        how: Where the scores were in what the network returns; empty where they are what it returns.
    """

    scores: Tensor
    inside: Activation | None
    how: str

    @property
    def count(self) -> int:
        """Scores per radiograph."""
        return self.scores.shape[1]

    @property
    def in_unit_range(self) -> bool:
        """True where all scores can be probabilities."""
        return bool(are_probabilities(self.scores).all())


class Decision(NamedTuple):
    """What turns the outputs into probabilities.

    Attributes:
        activation: It.
        multi_label: True where each class has a probability of its own.
        notes: What was taken, and why.
        findings: What may be wrong with it.
    """

    activation: Activation
    multi_label: bool
    notes: tuple[str, ...]
    findings: tuple[Finding, ...] = ()


def watch_outputs(network: nn.Module, like: Tensor, expected: Collection[int] | None = None) -> Outputs:
    """Send noise through a network, one image and then two, and look at what comes.

    Args:
        network: The network, in eval mode.
        like: Any batch of the shape ``(B, channels, height, width)``, device and dtype that it takes.
        expected: The numbers of scores per radiograph that are expected; None where nothing is known.

    Raises:
        SettingsError: The network fails, or returns no scores.
    """
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(3, *like.shape[1:], generator=generator).to(like)
    with torch.inference_mode(mode=False), torch.enable_grad():
        single = take_scores(_passed(network, noise[:1].requires_grad_()), 1, expected)
    with torch.no_grad():
        pair = take_scores(_passed(network, noise[1:] * _EXTREME), 2, expected)
    scores = torch.cat([single.scores.detach(), pair.scores])
    return Outputs(scores, _inside(scores, single.scores), single.how or pair.how)


def decide(
    outputs: Outputs,
    *,
    wished: Activation | None = None,
    stored: Activation | None = None,
    several_labels: bool | None = False,
    positive: str = "the second class",
) -> Decision:
    """Decide what turns a network's outputs into probabilities.

    What is wished counts; then what the outputs themselves show: probabilities, or a single output; then what the
    checkpoint says; then whether the labels name several classes; else it is the softmax.

    Args:
        outputs: What the network returned for noise.
        wished: What the user asks for; None leaves it to the rest.
        stored: What the checkpoint says.
        several_labels: True where labels name several classes of one radiograph; None without labels to look
            at.
        positive: The class for which a single output is high, in words.

    Raises:
        SettingsError: What is wished cannot be: a softmax of one output, or probabilities that are none.
    """
    activation, why = _chosen(outputs, wished, stored, several_labels=several_labels)
    if outputs.count == 1:
        why += f"; the network has one output, which is high for {positive}"
    class_scores(outputs.scores, activation)  # raises where one output is to have a softmax
    if activation is Activation.NONE and not outputs.in_unit_range and bool(outputs.scores.isfinite().all()):
        low, high = outputs.scores.aminmax()
        raise SettingsError(
            f"with activation none the outputs must be probabilities, and on noise they are {low:.3g} to {high:.3g}",
            hint="give --activation softmax or sigmoid, or leave it out",
        )
    several = outputs.count > 1 and (
        activation is Activation.SIGMOID or (activation is Activation.NONE and not _sum_to_one(outputs.scores))
    )
    if several:
        why += "; each class has a probability of its own"
    return Decision(activation, several, (f"activation {activation}: {why}",), tuple(_doubts(outputs, wished, stored)))


def _chosen(
    outputs: Outputs, wished: Activation | None, stored: Activation | None, *, several_labels: bool | None
) -> tuple[Activation, str]:
    """Return the activation, and why."""
    if wished is not None:
        return wished, "the settings say so"
    if outputs.inside is not None:
        seen = f"a {outputs.inside} is inside the network, seen on two passes of noise"
        return Activation.NONE, f"the outputs already are probabilities ({seen})"
    if stored is Activation.NONE and not outputs.in_unit_range:
        stored = None  # it means that the network applies none
    if outputs.count == 1 and stored is not Activation.NONE:
        activation, why = Activation.SIGMOID, "usual for one output"
    elif stored is not None:
        activation, why = stored, "the checkpoint says so"
    elif several_labels:
        activation, why = Activation.SIGMOID, "labels name several classes of one radiograph"
    else:
        activation, why = Activation.SOFTMAX, f"usual for {outputs.count} outputs, and nothing says otherwise"
        if several_labels is None:
            why += " (no labels are looked at here: of a multi-label network give activation sigmoid)"
    if outputs.in_unit_range and activation is not Activation.NONE:
        why += "; on noise the outputs lie in [0, 1]: if they already are probabilities, give --activation none"
    return activation, why


def _doubts(outputs: Outputs, wished: Activation | None, stored: Activation | None) -> Sequence[Finding]:
    """Return where what is asked for, or what the checkpoint says, contradicts what is known."""
    seen = outputs.inside
    if wished is None and seen is not None and stored not in {None, Activation.NONE, seen}:
        said = f"the checkpoint says activation {stored}, and the network's outputs already are probabilities"
        return [Finding.of("activation", f"{said} (a {seen} is inside): none is applied to them")]
    if wished is None and seen is None and outputs.count == 1 and stored is Activation.SOFTMAX:
        said = "the checkpoint says activation softmax, and that of one output is 1 for every radiograph"
        return [Finding.of("activation", f"{said}: sigmoid is used")]
    if wished not in {None, Activation.NONE} and outputs.inside is not None:
        return [
            Finding.of(
                "squashed-twice",
                f"the network's outputs already are probabilities (a {outputs.inside} is inside), and {wished} is "
                "applied to them",
            )
        ]
    if wished is not None and stored not in {None, wished}:
        return [
            Finding.of(
                "activation", f"the checkpoint says activation {stored}, the settings say {wished}, and that is used"
            )
        ]
    return []


def _passed(network: nn.Module, batch: Tensor) -> object:
    try:
        return network(batch)
    except BtxrdExplainError:
        raise
    except Exception as error:
        lines = str(error).strip().splitlines()
        reason = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
        raise SettingsError(
            f"the network fails on a batch of shape {tuple(batch.shape)} ({reason})",
            hint="check --image-size, and that it takes batches of shape (B, channels, height, width)",
        ) from error


def _inside(scores: Tensor, recorded: Tensor) -> Activation | None:
    """Return what the network applies itself.

    Small scores can lie in [0, 1] by chance. A softmax shows in sums of 1; a sigmoid in what autograd recorded last, or
    in scores that come close to 1.
    """
    if not bool(are_probabilities(scores).all()):
        return None
    if scores.shape[1] > 1 and _sum_to_one(scores):
        return Activation.SOFTMAX
    return Activation.SIGMOID if bool(scores.max() > _REACHED) or _ends_in_sigmoid(recorded) else None


def _sum_to_one(scores: Tensor) -> bool:
    return bool(((scores.sum(dim=1) - 1).abs() <= _SUM).all())


def _ends_in_sigmoid(scores: Tensor) -> bool:
    """Return whether autograd recorded a sigmoid last, up to a change of shape or an average."""
    node = scores.grad_fn
    while node is not None:
        name = node.name().rstrip("0123456789").removesuffix("Backward")
        if name in {"Sigmoid", "Hardsigmoid"}:
            return True
        if name not in _KEEPS_RANGE:
            return False
        node = next((before for before, _ in node.next_functions if before is not None), None)
    return False
