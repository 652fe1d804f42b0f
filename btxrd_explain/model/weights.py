"""Fitting stored weights to a network, whatever wrapper they were saved from."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from btxrd_explain.errors import CheckpointError
from btxrd_explain.model.scores import one_output

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from torch import Tensor, nn

    from btxrd_explain.model.checkpoint import Checkpoint

_COMPILED = "_orig_mod."
_LONGEST_KEY = 200
"""Characters of a key in a message."""


def fit_weights(network: nn.Module, checkpoint: Checkpoint) -> list[str]:
    """Load a checkpoint's weights into a network, strictly; see :func:`match_weights`.

    Args:
        network: The network to fill.
        checkpoint: The weights.

    Returns:
        What the user should know: a line on the keys that were left out, or nothing.

    Raises:
        CheckpointError: Keys, shapes or kinds of number do not fit; the message lists a few.
    """
    inside, outside = match_weights(network, checkpoint)
    network.load_state_dict(inside)
    if not outside:
        return []
    return [f"{len(outside)} entries of the checkpoint are not weights of the network: {few(outside)}"]


def match_weights(network: nn.Module, checkpoint: Checkpoint) -> tuple[dict[str, Tensor], list[str]]:
    """Find the weights of a network in a checkpoint, strictly.

    Wrappers put a prefix before every key (``model.`` a module, ``module.`` DDP, ``_orig_mod.`` torch.compile);
    the one prefix that fits most of the network's keys is taken off. Weights outside of it, such as a loss function's,
    are left out and reported.

    Args:
        network: The network, which may be without numbers of its own (on torch's device ``meta``).
        checkpoint: The weights.

    Returns:
        The weights under the network's keys, and the keys that were left out.

    Raises:
        CheckpointError: Keys, shapes or kinds of number do not fit; the message lists a few.
    """
    stored = {key.replace(_COMPILED, ""): tensor for key, tensor in checkpoint.weights.items()}
    wanted = network.state_dict()
    prefix = _prefix(stored, wanted)
    inside = {key.removeprefix(prefix): tensor for key, tensor in stored.items() if key.startswith(prefix)}
    if (head := _single_head(inside, wanted)) is not None:
        raise one_output(f"the network of '{checkpoint.path}' has one output ({head} {tuple(inside[head].shape)})")
    complaints = _complaints(
        missing=[key for key in wanted if key not in inside],
        unexpected=[key for key in inside if key not in wanted],
        of_another_shape=_misshapen(inside, wanted),
        of_another_type=_mistyped(inside, wanted),
    )
    if complaints:
        raise _misfit(checkpoint, complaints)
    return inside, [key for key in stored if not key.startswith(prefix)]


def _prefix(stored: Mapping[str, Tensor], wanted: Collection[str]) -> str:
    """Return what stands before most of the network's keys in the checkpoint; empty where nothing does."""
    by_tail: dict[str, list[str]] = {}
    for key in stored:
        by_tail.setdefault(key.rsplit(".", 1)[-1], []).append(key)
    votes: Counter[str] = Counter()
    for key in wanted:
        candidates = by_tail.get(key.rsplit(".", 1)[-1], ())
        votes.update(
            candidate.removesuffix(key) for candidate in candidates if candidate == key or candidate.endswith(f".{key}")
        )
    return min(votes, key=lambda prefix: (-votes[prefix], len(prefix))) if votes else ""


def _single_head(inside: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str | None:
    """Return the weights of a head with one output, where only that of several is wanted; None elsewhere."""
    odd = [key for key in wanted if key in inside and inside[key].shape != wanted[key].shape]
    single = all(inside[key].shape[:1] == (1,) and inside[key].shape[1:] == wanted[key].shape[1:] for key in odd)
    return next((key for key in odd if inside[key].ndim > 1), None) if single else None


def _misshapen(inside: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> list[str]:
    return [
        f"{key} {tuple(tensor.shape)} instead of {tuple(wanted[key].shape)}"
        for key, tensor in inside.items()
        if key in wanted and tensor.shape != wanted[key].shape
    ]


def _mistyped(inside: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> list[str]:
    return [
        f"{key} {tensor.dtype} instead of {wanted[key].dtype}"
        for key, tensor in inside.items()
        if key in wanted and _kind(tensor) != _kind(wanted[key])
    ]


def _kind(tensor: Tensor) -> tuple[bool, bool]:
    return tensor.is_floating_point(), tensor.is_complex()


def _complaints(**found: list[str]) -> str:
    """Say how many keys each kind of complaint has, and name a few."""
    return "; ".join(f"{len(keys)} {kind.replace('_', ' ')}: {few(keys)}" for kind, keys in found.items() if keys)


def few(keys: list[str]) -> str:
    """Return the first keys of a list, for a message."""
    return ", ".join(key[:_LONGEST_KEY] for key in keys[:3]) + (", ..." if len(keys) > 3 else "")


def _misfit(checkpoint: Checkpoint, complaints: str) -> CheckpointError:
    return CheckpointError(
        f"the weights in '{checkpoint.path}' do not fit the architecture ({complaints})",
        hint="check --architecture and --class-names",
    )
