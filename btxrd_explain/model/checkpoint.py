"""Reading checkpoints as data, never as code.

Only tensors and plain values are accepted: safetensors, or pickles that are looked through first, see
:mod:`btxrd_explain.model.pickles`, and that torch then reads with ``weights_only=True``. Nothing falls back to the
unsafe loader. What a file claims to hold is never larger in memory than the file.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from mmap import ACCESS_READ, mmap
from typing import IO, TYPE_CHECKING, Any, cast

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.nn import Parameter

from btxrd_explain.errors import CheckpointError
from btxrd_explain.model.location import Beside, facts_in_header, is_safetensors, locate, read_beside
from btxrd_explain.plain import kind_of
from btxrd_explain.untrusted.archives import pickles_of
from btxrd_explain.untrusted.pickles import STAND_INS, ForeignObjectsError, RefusedPickleError, look_through

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from torch import nn

# Fitting stored weights to a network, whatever wrapper they were saved from.

_COMPILED = "_orig_mod."
_COUNTER = "num_batches_tracked"
"""What batch norms count in training; older releases of torch did not, and some exports leave it out."""
_LONGEST_KEY = 200
"""Characters of a key in a message."""


class OneOutputError(CheckpointError):
    """The weights are of a network with one output, and it was made with several."""


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
    own = network.state_dict()
    counters = [key for key in own if key not in inside]
    network.load_state_dict(inside | {key: own[key] for key in counters})
    notes = []
    if outside:
        notes.append(f"{len(outside)} entries of the checkpoint are not weights of the network: {few(outside)}")
    if counters:
        notes.append(
            f"the checkpoint lacks {len(counters)} counters of batches ({few(counters)}), which only training uses"
        )
    return notes


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
        OneOutputError: Only the head does not fit: it has one output.
        CheckpointError: Keys, shapes or kinds of number do not fit; the message lists a few.
    """
    stored = {key.replace(_COMPILED, ""): tensor for key, tensor in checkpoint.weights.items()}
    wanted = network.state_dict()
    prefix = _prefix(stored, wanted)
    inside = {key.removeprefix(prefix): tensor for key, tensor in stored.items() if key.startswith(prefix)}
    if (head := _single_head(inside, wanted)) is not None:
        raise OneOutputError(
            f"the network of '{checkpoint.path}' has one output ({head} {tuple(inside[head].shape)})",
            hint="name its two classes, the negative one first: --class-names Normal,Tumour",
        )
    missing = [key for key in wanted if key not in inside and not key.endswith(_COUNTER)]
    complaints = _complaints(
        missing=missing,
        unexpected=[key for key in inside if key not in wanted],
        of_another_shape=_misshapen(inside, wanted),
        of_another_type=_mistyped(inside, wanted),
    )
    if complaints:
        raise _misfit(checkpoint, complaints, _misfitting_head(missing, inside, wanted))
    return inside, [key for key in stored if not key.startswith(prefix)]


def _prefix(stored: Mapping[str, Tensor], wanted: Collection[str]) -> str:
    """Return what comes before most of the network's keys in the checkpoint; empty where nothing does."""
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
    """Return in words how many keys each kind of complaint has, and name a few."""
    return "; ".join(f"{len(keys)} {kind.replace('_', ' ')}: {few(keys)}" for kind, keys in found.items() if keys)


def few(keys: list[str]) -> str:
    """Return the first keys of a list, for a message."""
    return ", ".join(key[:_LONGEST_KEY] for key in keys[:3]) + (", ..." if len(keys) > 3 else "")


def _misfitting_head(missing: list[str], inside: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str | None:
    """Return the name of the head where it lacks weights, and all of the body fits; None elsewhere."""
    if not missing or len(missing) == len(wanted):
        return None
    head = [*wanted][-1].rpartition(".")[0]
    body = [key for key in wanted if not key.startswith(f"{head}.") and not key.endswith(_COUNTER)]
    return head if all(key in inside and inside[key].shape == wanted[key].shape for key in body) else None


def _misfit(checkpoint: Checkpoint, complaints: str, head: str | None) -> CheckpointError:
    if head is not None:
        return CheckpointError(
            f"the weights in '{checkpoint.path}' fit the body of the network, but not its head '{head}' ({complaints})",
            hint="build the network as in training, and name its function with --factory: see "
            "docs/howto/own-network.md",
        )
    return CheckpointError(
        f"the weights in '{checkpoint.path}' do not fit the architecture ({complaints})",
        hint="check --architecture and --class-names; a network of your own needs --factory, see "
        "docs/howto/own-network.md",
    )


_WEIGHT_KEYS = (
    *("model_state_dict", "state_dict", "model", "net", "weights", "module", "network", "params"),
    *("state_dict_ema", "model_ema", "ema", "params_ema"),
)
"""Where checkpoints keep their weights, in order of preference; averaged (EMA) ones where no others exist."""

_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
"""How files of torch begin: those of today, and those that it wrote until 2020."""
_PICKLES = 5
"""How many pickles the latter have before the numbers."""
_MOST_SHARED = 8
"""How many times the file's size its tensors may have together, as some may share their numbers."""
_MOST_WEIGHTS = 20_000
"""Tensors of a state dict; the largest networks of timm have two thousand."""
_SAVE = "save it with torch.save(model.state_dict(), ...)"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The weights of a classifier and what its training left next to them.

    Attributes:
        path: The file.
        weights: State dict as stored, key to tensor, on the CPU.
        facts: Everything else that the file holds, as stored.
        beside: What files next to it say.
        notes: What was decided while reading.
    """

    path: Path
    weights: Mapping[str, Tensor]
    facts: Mapping[str, Any] = field(default_factory=dict)
    beside: Beside = field(default_factory=Beside)
    notes: tuple[str, ...] = ()


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint without running anything that it contains.

    Understood are safetensors files and torch files that hold a plain state dict, or a dict that keeps one under
    ``model_state_dict``, ``state_dict`` (Lightning), ``model``, ``module`` (DeepSpeed) or an EMA key, or one level
    below such a key. A ``config.json`` next to the weights is read too.

    Args:
        path: The file, or what else :func:`btxrd_explain.model.location.locate` takes.

    Returns:
        The checkpoint.

    Raises:
        CheckpointError: The file is missing, holds more than data, or holds no weights.
    """
    location = locate(path)
    file = location.weights
    try:
        content = _read_safetensors(file) if is_safetensors(file) else _read_torch(file)
        return _checkpoint(file, content, read_beside(location))
    except OSError as error:
        raise CheckpointError(
            f"cannot read the checkpoint '{path}' ({error.strerror or error})", hint="check --checkpoint"
        ) from error


def _read_safetensors(path: Path) -> dict[str, Any]:
    facts = facts_in_header(path)
    try:
        with safe_open(path, framework="pt") as file:
            return {**facts, "state_dict": {key: file.get_tensor(key) for key in file.keys()}}  # noqa: SIM118 -- no mapping
    except (SafetensorError, ValueError) as error:
        raise _unreadable(path, "safetensors file", error) from error


def _read_torch(path: Path) -> dict[str, Any]:
    try:
        _look_through(path)
        named: list[Any] = [(stand_in, name) for name, stand_in in STAND_INS.items()]
        with torch.serialization.safe_globals(named), path.open("rb") as file:  # of a path the name would count
            content = torch.load(file, map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except ForeignObjectsError as error:
        raise _foreign(path, error.names) from error
    except Exception as error:  # a damaged or hostile pickle can raise anything
        raise _unreadable(path, "checkpoint", error) from error
    if not isinstance(content, dict):
        raise CheckpointError(f"'{path}' holds {kind_of(content)}, not a dict of weights", hint=_SAVE)
    return content


def _look_through(path: Path) -> None:
    """Look through the pickles of a torch file before anything of them is built.

    Raises:
        CheckpointError: It holds a program.
        ValueError: It is none, is damaged, or asks for more than a checkpoint needs.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(len(_ZIP))
    if start.startswith(_ZIP):
        asked = sum(look_through(pickle) for pickle in pickles_of(path))
    elif start.startswith(_PICKLE):
        with path.open("rb") as opened, mmap(opened.fileno(), 0, access=ACCESS_READ) as mapped:  # makes no room ahead
            asked = sum(look_through(cast("IO[bytes]", mapped)) for _ in range(_PICKLES))
    else:
        raise ValueError("it is neither one of torch nor a safetensors file")
    if asked > size:
        raise ValueError(f"it asks for {asked} bytes of weights, and has {size}")


def _foreign(path: Path, names: tuple[str, ...]) -> CheckpointError:
    """Return the error that names what a pickle would have run."""
    names = tuple(sorted(names, key=lambda name: (name.startswith("torch"), name)))  # the most telling first
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return CheckpointError(
        f"'{path}' holds Python objects ({shown}) that would run code when loaded",
        hint="where you trust it, save its weights alone with torch.save(model.state_dict(), ...)",
    )


def _unreadable(path: Path, kind: str, error: Exception) -> CheckpointError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    hint = _SAVE if isinstance(error, RefusedPickleError) else "copy or download it again"
    return CheckpointError(f"'{path}' is not a readable {kind} ({reason})", hint=hint)


def _checkpoint(path: Path, content: dict[str, Any], beside: Beside) -> Checkpoint:
    """Find the weights among what a file holds."""
    if content and all(isinstance(value, Tensor) for value in content.values()):
        return Checkpoint(path, _checked(path, content), {}, beside)
    places = _places(content)
    if not places:
        keys = few([repr(key) for key in content])
        raise CheckpointError(
            f"'{path}' holds no weights (its keys: {keys or 'none'})",
            hint=f"expected a state dict, or one under {', '.join(_WEIGHT_KEYS[:3])}",
        )
    (chosen, weights), *others = places.items()
    names = ", ".join(name for name, _ in others)
    notes = (f"weights taken from '{chosen}'; the file also holds {names}",) if others else ()
    return Checkpoint(path, _checked(path, weights), _without(content, places.values()), beside, notes)


def _places(content: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the state dicts of a file by their places: under a known key, or under one within it."""
    places = {key: content[key] for key in _WEIGHT_KEYS if _is_state_dict(content.get(key))}
    if places:
        return places
    nested = ((key, content[key]) for key in _WEIGHT_KEYS if isinstance(content.get(key), dict))
    return {
        f"{key}.{inner}": value[inner]
        for key, value in nested
        for inner in _WEIGHT_KEYS
        if _is_state_dict(value.get(inner))
    }


def _without(content: Mapping[str, Any], weights: Collection[object]) -> dict[str, Any]:
    """Return what a file holds apart from its weights."""
    found = {id(value) for value in weights}
    return {
        key: {inner: item for inner, item in value.items() if id(item) not in found}
        if isinstance(value, dict)
        else value
        for key, value in content.items()
        if id(value) not in found
    }


def _is_state_dict(value: object) -> bool:
    return isinstance(value, dict) and any(isinstance(item, Tensor) for item in value.values())


def _checked(path: Path, weights: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the tensors of a state dict, which must be plain and finite.

    Raises:
        CheckpointError: A tensor is larger than its numbers, of a kind that no network has, or not finite.
    """
    tensors = {str(key): value for key, value in weights.items() if isinstance(value, Tensor)}
    if len(tensors) > _MOST_WEIGHTS:
        raise CheckpointError(f"'{path}' has {len(tensors)} weights, more than any network", hint=_SAVE)
    odd = [key for key, tensor in tensors.items() if not _is_plain(tensor)]
    distinct = {} if odd else {_identity(tensor): tensor for tensor in tensors.values()}
    if odd or sum(tensor.nbytes for tensor in distinct.values()) > _MOST_SHARED * path.stat().st_size:
        which = f" ({few(odd)})" if odd else ""
        raise CheckpointError(f"weights in '{path}' are not plain tensors with numbers of their own{which}", hint=_SAVE)
    infinite = {place for place, tensor in distinct.items() if not _is_finite(tensor)}
    found = [key for key, tensor in tensors.items() if _identity(tensor) in infinite]
    if found:
        raise CheckpointError(
            f"{len(found)} of {len(tensors)} weights in '{path}' hold NaN or infinities ({few(found)})",
            hint="take an earlier epoch",
        )
    return tensors


def _identity(tensor: Tensor) -> tuple[object, ...]:
    """Return what two names of the same weights share."""
    return tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride()


def _is_finite(tensor: Tensor) -> bool:
    """Return whether all numbers of a tensor are finite as networks compute: in single precision at best."""
    return bool(torch.isfinite(tensor.float() if tensor.dtype is torch.float64 else tensor).all())


def _is_plain(tensor: Tensor) -> bool:
    """Return whether a tensor is dense, in memory, and no larger than the numbers that it has."""
    if type(tensor) not in {Tensor, Parameter} or tensor.layout is not torch.strided or tensor.device.type != "cpu":
        return False
    return not tensor.is_quantized and tensor.nbytes <= tensor.untyped_storage().nbytes()
