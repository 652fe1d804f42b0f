"""Reading checkpoints as data, never as code.

Only tensors and plain values are accepted: safetensors, or pickles that are looked through first, see
:mod:`btxrd_explain.model.pickles`, and that torch then reads with ``weights_only=True``. Nothing falls back to the
unsafe loader. What a file claims to hold is never larger in memory than the file.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from mmap import ACCESS_READ, mmap
from typing import IO, TYPE_CHECKING, Any, cast

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.nn import Parameter

from btxrd_explain.errors import CheckpointError
from btxrd_explain.model.scores import one_output
from btxrd_explain.untrusted.archives import pickles_of
from btxrd_explain.untrusted.pickles import STAND_INS, ForeignObjectsError, RefusedPickleError, look_through

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from torch import nn

# Fitting stored weights to a network, whatever wrapper they were saved from.

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


_WEIGHT_KEYS = ("model_state_dict", "state_dict", "model", "net", "weights", "state_dict_ema", "model_ema", "ema")
"""Where checkpoints keep their weights, in order of preference; averaged (EMA) ones where no others exist."""

_METADATA_KEY = "btxrd_explain"

_LENGTH = 8
"""Bytes that say how long the header of a safetensors file is, which comes next."""
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
"""How files of torch begin: those of today, and those that it wrote until 2020."""
_PICKLES = 5
"""How many pickles the latter have before the numbers."""
_MOST_SHARED = 8
"""How many times the file's size its tensors may have together, as some may share their numbers."""
_MOST_WEIGHTS = 20_000
"""Tensors of a state dict; the largest networks of timm have two thousand."""
_SAVE = "save it with torch.save(model.state_dict(), ...)"
_MOST_HEADER = 16 * 2**20
"""Bytes of a safetensors header; a network of a thousand tensors takes a hundredth of that."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The weights of a classifier and what its training left beside them.

    Attributes:
        path: The file.
        weights: State dict as stored, key to tensor, on the CPU.
        facts: Everything else that the file holds, as stored.
        notes: What was decided while reading.
    """

    path: Path
    weights: Mapping[str, Tensor]
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint without running anything that it contains.

    Understood are safetensors files and torch files that hold a plain state dict, or a dict that keeps one under
    ``model_state_dict``, ``state_dict`` (Lightning), ``model`` or an EMA key.

    Args:
        path: The file.

    Returns:
        The checkpoint.

    Raises:
        CheckpointError: The file is missing, holds more than data, or holds no weights.
    """
    if not path.is_file():
        raise CheckpointError(f"no checkpoint at '{path}'", hint="check --checkpoint")
    try:
        with path.open("rb") as file:
            start = file.read(_LENGTH + 1)
        return _checkpoint(path, _read_safetensors(path) if start[_LENGTH:] == b"{" else _read_torch(path, start))
    except OSError as error:
        raise CheckpointError(
            f"cannot read the checkpoint '{path}' ({error.strerror or error})", hint="check --checkpoint"
        ) from error


def _read_safetensors(path: Path) -> dict[str, Any]:
    try:
        _check_header(path)
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 -- no mapping
            facts = json.loads(metadata.get(_METADATA_KEY, "{}"))
    except (SafetensorError, ValueError, RecursionError) as error:
        raise _unreadable(path, "safetensors file", error) from error
    if not isinstance(facts, dict):
        raise CheckpointError(
            f"the metadata '{_METADATA_KEY}' of '{path}' are not a JSON object", hint="save the checkpoint again"
        )
    return {**facts, "state_dict": weights}


def _check_header(path: Path) -> None:
    """Refuse a header that is longer than the file, or than any that lists weights."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH), "little")
    if length > min(_MOST_HEADER, path.stat().st_size - _LENGTH):
        raise ValueError(f"its header claims {length} bytes")


def _read_torch(path: Path, start: bytes) -> dict[str, Any]:
    try:
        _look_through(path, start)
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
        raise CheckpointError(f"'{path}' holds a {type(content).__name__}, not a dict of weights", hint=_SAVE)
    return content


def _look_through(path: Path, start: bytes) -> None:
    """Look through the pickles of a torch file before anything of them is built.

    Raises:
        CheckpointError: It holds a program.
        ValueError: It is none, is damaged, or asks for more than a checkpoint needs.
    """
    size = path.stat().st_size
    if start.startswith(_ZIP):
        asked = sum(look_through(pickle) for pickle in pickles_of(path))
    elif start.startswith(_PICKLE):
        with path.open("rb") as opened, mmap(opened.fileno(), 0, access=ACCESS_READ) as file:  # makes no room ahead
            asked = sum(look_through(cast("IO[bytes]", file)) for _ in range(_PICKLES))
    else:
        raise ValueError("it is neither one of torch nor a safetensors file")
    if asked > size:
        raise ValueError(f"it asks for {asked} bytes of weights, and has {size}")


def _foreign(path: Path, names: tuple[str, ...]) -> CheckpointError:
    """Say what a pickle would have run."""
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


def _checkpoint(path: Path, content: dict[str, Any]) -> Checkpoint:
    """Find the weights among what a file holds."""
    if content and all(isinstance(value, Tensor) for value in content.values()):
        return Checkpoint(path, _checked(path, content))
    present = [key for key in _WEIGHT_KEYS if _is_state_dict(content.get(key))]
    if not present:
        keys = few([repr(key) for key in content])
        raise CheckpointError(
            f"'{path}' holds no weights (its keys: {keys or 'none'})",
            hint=f"expected a state dict, or one under {', '.join(_WEIGHT_KEYS[:3])}",
        )
    chosen, *others = present
    notes = (f"weights taken from '{chosen}'; the file also holds {', '.join(others)}",) if others else ()
    facts = {key: value for key, value in content.items() if key not in present}
    return Checkpoint(path, _checked(path, content[chosen]), facts, notes)


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
