"""From what a network returns to class scores, and from class scores to the probabilities that they stand for.

Networks return tensors, tuples, dicts and objects of their libraries. :func:`score_matrix` takes the scores out of them
wherever that is unambiguous. One output ``x`` becomes the scores ``-x`` and ``x`` of two classes, the negative one
first: their sigmoids are the probabilities of the two-output network ``[0, x]``, and their gradients are those of
networks whose outputs are ``-x`` and ``x``. A softmax over one output would be 1 for every radiograph.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from btxrd_explain.core.choices import Activation
from btxrd_explain.errors import SettingsError
from btxrd_explain.plain import kind_of

if TYPE_CHECKING:
    from torch import nn
    from torch.utils.hooks import RemovableHandle

_ROUNDING = 1e-5
"""By how much outputs that are probabilities may lie outside of [0, 1]."""
_CERTAIN = 1e-7
"""Nearer to 0 or 1 than this no probability is told from it."""
_SHOWN = 4
"""Parts of a container in a message."""

# Taking the scores out of what a network returns.


class Taken(NamedTuple):
    """The scores of a batch, and where they were in the network's output.

    Attributes:
        scores: Floating tensor of shape ``(B, n)``.
        how: What was taken, for a note; empty where the network returns that tensor.
    """

    scores: Tensor
    how: str


def take_scores(output: Any, batch: int, outputs: Collection[int] | None = None) -> Taken:  # noqa: ANN401 -- any
    """Take the scores out of a network's output.

    Of containers and objects ``logits`` counts, else the one tensor that can be scores. Trailing axes of length 1 are
    dropped. A vector is the score of each radiograph, or the scores of the only one; scores of several radiographs in
    one long vector are read row by row where their number is known.

    Args:
        output: What the network returned for a batch.
        batch: Number of radiographs in the batch.
        outputs: The numbers of scores per radiograph that are expected; None where nothing is known.

    Raises:
        SettingsError: The scores are not there, or several tensors could be meant.

    >>> take_scores({"logits": torch.zeros(2, 3), "features": torch.zeros(2, 8)}, 2).how
    "'logits' of the dict that the network returns"
    >>> take_scores(torch.zeros(2, 3, 1, 1), 2).scores.shape
    torch.Size([2, 3])
    """
    found = output if isinstance(output, Tensor) else _scores_inside(output, batch, outputs)
    scores = None if found is None else _matrix(found, batch, outputs)
    if found is None or scores is None or not scores.is_floating_point():
        n = "number of classes" if outputs is None else " or ".join(map(str, sorted(outputs)))
        raise SettingsError(
            f"the network returns {_described(output)} for {batch} image{'s' * (batch > 1)}, where scores of shape "
            f"({batch}, {n}) are expected",
            hint="wrap it in a module that returns the class scores alone",
        )
    how = ""
    if found is not output:
        name = "'logits'" if _logits(output) is found else f"the tensor of shape {tuple(found.shape)}"
        how = f"{name} of the {type(output).__name__} that the network returns"
    elif scores.shape != found.shape:
        how = f"the network's output of shape {tuple(found.shape)} as {tuple(scores.shape)}"
    return Taken(scores, how)


def score_matrix(output: Any, batch: int, outputs: Collection[int] | None = None) -> Tensor:  # noqa: ANN401 -- any
    """Return the scores in a network's output, shape ``(B, n)``; see :func:`take_scores`."""
    return take_scores(output, batch, outputs).scores


def return_scores(network: nn.Module, outputs: Collection[int] | None = None) -> RemovableHandle:
    """Make a network return scores of shape ``(B, n)``, whatever its ``forward`` returns; copies do so, too.

    Args:
        network: The network; it is called with the batch as its first argument.
        outputs: The numbers of scores per radiograph that are expected.

    Returns:
        What takes the change back.
    """

    def adapt(_module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Tensor:  # noqa: ANN401 -- torch's hook type
        return score_matrix(output, len(inputs[0]), outputs)

    return network.register_forward_hook(adapt)


def _logits(output: Any) -> Tensor | None:  # noqa: ANN401 -- whatever a network returns
    found = output.get("logits") if isinstance(output, Mapping) else getattr(output, "logits", None)
    return found if isinstance(found, Tensor) else None


def _scores_inside(output: Any, batch: int, outputs: Collection[int] | None) -> Tensor | None:  # noqa: ANN401 -- any
    """Return the one tensor of a container that can be scores."""
    if (logits := _logits(output)) is not None:
        return logits
    matrices = [
        (part, matrix.shape[1])
        for _, part in _parts(output)
        if isinstance(part, Tensor) and part.ndim > 1 and (matrix := _matrix(part, batch, outputs)) is not None
    ]
    fitting = [part for part, n in matrices if outputs is None or n in outputs] or [part for part, _ in matrices]
    return fitting[0] if len(fitting) == 1 else None


def _matrix(found: Tensor, batch: int, outputs: Collection[int] | None) -> Tensor | None:
    """Return a tensor as scores of shape ``(B, n)``; None where it is not sure that it holds such."""
    if found.ndim > 1:
        whole = found.shape[0] == batch and found.shape[1] > 0 and all(side == 1 for side in found.shape[2:])
        return found.flatten(1) if whole else None
    each, rest = divmod(found.numel(), batch)
    known = batch == 1 or each == 1 or (outputs is not None and each in outputs)
    return found.reshape(batch, each) if each and not rest and known else None


def _parts(output: Any) -> list[tuple[str, Any]]:  # noqa: ANN401 -- whatever a network returns
    """Return the parts of a container with their names, where they have some."""
    if isinstance(output, Mapping):
        return [(str(name), part) for name, part in output.items()]
    if is_dataclass(output) and not isinstance(output, type):
        return [(field.name, getattr(output, field.name)) for field in fields(output)]
    return [("", part) for part in output] if isinstance(output, Sequence) and not isinstance(output, str) else []


def _described(output: Any) -> str:  # noqa: ANN401 -- whatever a network returns
    """Describe what a network returned, in one line."""
    if isinstance(output, Tensor):
        return f"{str(output.dtype).removeprefix('torch.')} of shape {tuple(output.shape)}"
    if output is None:
        return "None"
    parts = [f"{name[:50]} {_kind(part)}".strip() for name, part in _parts(output)]
    shown = ", ".join(parts[:_SHOWN]) + (", ..." if len(parts) > _SHOWN else "")
    return kind_of(output) + (f" ({shown})" if parts else "")


def _kind(part: Any) -> str:  # noqa: ANN401 -- whatever a network returns
    return str(tuple(part.shape)) if isinstance(part, Tensor) else type(part).__name__


# What scores stand for.


def class_scores(scores: Tensor, activation: Activation = Activation.SOFTMAX) -> Tensor:
    """Return one score per class: of one output those of its negative and its positive class, else the scores.

    Args:
        scores: What the network returned, shape ``(B, n)``.
        activation: What turns them into probabilities.

    Returns:
        Shape ``(B, C)``: ``C`` is ``n``, and 2 where ``n`` is 1.

    Raises:
        SettingsError: The softmax of one output is asked for.

    >>> class_scores(torch.tensor([[3.0]]), Activation.SIGMOID).tolist()
    [[-3.0, 3.0]]
    >>> class_scores(torch.tensor([[0.75]]), Activation.NONE).tolist()
    [[0.25, 0.75]]
    """
    if scores.shape[1] > 1:
        return scores
    if activation is Activation.SOFTMAX:
        raise SettingsError(
            "the network has one output, and the softmax of one output is 1 for every radiograph",
            hint="give --activation sigmoid, or leave it out",
        )
    scores = scores if scores.dtype is torch.float64 else scores.float()
    return torch.cat([1 - scores if activation is Activation.NONE else -scores, scores], dim=1)


def class_probabilities(scores: Tensor, activation: Activation = Activation.SOFTMAX) -> Tensor:
    """Return the probabilities that class scores stand for.

    Args:
        scores: Class scores, shape ``(B, C)``; see :func:`class_scores`.
        activation: What turns them into probabilities.

    Returns:
        Float32 tensor of shape ``(B, C)`` in [0, 1]. NaN where outputs that should be probabilities are none.

    >>> class_probabilities(torch.tensor([[0.0, 0.0]])).tolist()
    [[0.5, 0.5]]
    """
    scores = scores.float()
    if activation is Activation.SOFTMAX:
        return torch.softmax(scores, dim=1)
    if activation is Activation.SIGMOID:
        return torch.sigmoid(scores)
    return torch.where(are_probabilities(scores), scores.clamp(0, 1), torch.nan)


def are_probabilities(scores: Tensor) -> Tensor:
    """Return which scores lie in [0, 1], up to rounding."""
    return (scores >= -_ROUNDING) & (scores <= 1 + _ROUNDING)


def log_odds(scores: Tensor, activation: Activation = Activation.SOFTMAX) -> Tensor:
    """Return ``log p - log(1 - p)`` of each class, computed from its score, so that no probability near 1 is rounded.

    The softmax gives ``z_c - log(sum of exp(z_j) over all other classes j)``, the sigmoid the score itself. Outputs
    that are probabilities count as at least 1e-7 away from 0 and 1, which single precision does not tell from them;
    outside of [0, 1] they give NaN.

    Args:
        scores: Class scores, shape ``(B, C)``; see :func:`class_scores`.
        activation: What turns them into probabilities.

    Returns:
        Float64 tensor of shape ``(B, C)``.

    >>> log_odds(torch.tensor([[0.0, 2.0]])).tolist()
    [[-2.0, 2.0]]
    """
    scores = scores.double()
    if activation is Activation.SIGMOID:
        return scores
    if activation is Activation.NONE:
        return torch.where(are_probabilities(scores), torch.logit(scores, eps=_CERTAIN), torch.nan)
    edge = scores.new_full((len(scores), 1), -torch.inf)
    before = torch.cat([edge, torch.logcumsumexp(scores, dim=1)[:, :-1]], dim=1)
    after = torch.cat([torch.logcumsumexp(scores.flip(1), dim=1).flip(1)[:, 1:], edge], dim=1)
    return scores - torch.logaddexp(before, after)


def mean_log_odds(members: Tensor) -> Tensor:
    """Return the log-odds of the mean of probabilities that are told by their log-odds, so that none is rounded.

    ``log Σ p_m - log Σ (1 - p_m)`` with ``p_m = sigmoid(z_m)`` over the members ``m`` of an ensemble.

    Args:
        members: Log-odds, float64, shape ``(members, B, C)``.

    Returns:
        Float64 tensor of shape ``(B, C)``.

    >>> mean_log_odds(torch.tensor([[[-50.0]], [[-50.0]]], dtype=torch.float64)).tolist()
    [[-50.0]]
    """
    return torch.logsumexp(functional.logsigmoid(members), dim=0) - torch.logsumexp(
        functional.logsigmoid(-members), dim=0
    )


def scores_of(network: nn.Module, batch: Tensor, activation: Activation = Activation.SOFTMAX) -> Tensor:
    """Return the class scores of a batch without maps, for :func:`log_odds` and :func:`class_probabilities`.

    Args:
        network: The classifier, in eval mode.
        batch: Preprocessed radiographs, shape ``(B, channels, height, width)``, on the network's device.
        activation: What turns the network's outputs into probabilities.

    Returns:
        Float64 tensor of shape ``(B, C)``, on the CPU, as not every device has float64.

    Raises:
        SettingsError: The network returns no scores, or the softmax of one output is asked for.
    """
    with torch.inference_mode():
        return class_scores(score_matrix(network(batch), len(batch)).cpu().double(), activation)
