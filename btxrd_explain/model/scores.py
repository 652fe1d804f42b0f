"""Class scores, one per class, and the probabilities that they stand for.

A softmax over one score is 1, whatever the score: of a network with one output it would call every radiograph certain.
Such a network is refused wherever its output shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from btxrd_explain.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor


def class_probabilities(scores: Tensor) -> Tensor:
    """Return the softmax of class scores.

    Args:
        scores: Class scores (logits), shape ``(B, C)`` with at least two classes.

    Returns:
        Float32 tensor of shape ``(B, C)``, each row of which sums to 1.

    Raises:
        CheckpointError: There is one score per radiograph.

    >>> class_probabilities(torch.tensor([[0.0, 0.0]])).tolist()
    [[0.5, 0.5]]
    """
    return torch.softmax(checked_scores(scores).float(), dim=1)


def checked_scores(scores: Tensor) -> Tensor:
    """Return the output of a network as it is, where it has a score for each of two or more classes.

    Args:
        scores: The output for a batch.

    Raises:
        CheckpointError: It has one score per radiograph, in whatever shape.
    """
    if scores.ndim < 2 or scores.shape[1] < 2:
        raise one_output(f"the network has one output (its scores have the shape {tuple(scores.shape)})")
    return scores


def one_output(seen: str) -> CheckpointError:
    """Return the error for a network with one output.

    Args:
        seen: What shows it, as a sentence without a full stop.
    """
    return CheckpointError(
        f"{seen}, and the softmax of one output is 1 for every radiograph",
        hint="train it with two outputs, one for each class, and give both names with --class-names",
    )
