"""Reading checkpoints as data, never as code.

Only tensors and plain values are accepted: safetensors, or pickles that torch reads with ``weights_only=True`` and
a short allow-list. There is no fallback to the unsafe loader.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from btxrd_explain.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Mapping

_WEIGHT_KEYS = ("model_state_dict", "state_dict", "model", "net", "weights", "state_dict_ema", "model_ema", "ema")
"""Where checkpoints keep their weights, in order of preference; averaged (EMA) ones where there are no others."""

_METADATA_KEY = "btxrd_explain"

# Pickles name numpy's private constructors; numpy's own way of pickling hands them out without a private import.
_rebuild_scalar = np.float64(0).__reduce__()[0]
_rebuild_array = np.zeros(1).__reduce__()[0]

_ALLOWED: list[Any] = [
    # numpy scalars and arrays, as left behind by metrics such as val_loss
    np.dtype,
    np.ndarray,
    *{type(np.dtype(kind)) for kind in "?bhilqBHILQefdSU"},
    (_rebuild_scalar, "numpy.core.multiarray.scalar"),
    (_rebuild_scalar, "numpy._core.multiarray.scalar"),
    (_rebuild_array, "numpy.core.multiarray._reconstruct"),
    (_rebuild_array, "numpy._core.multiarray._reconstruct"),
    # paths, as left behind by configurations; pure paths touch no file system
    (PurePosixPath, "pathlib.PosixPath"),
    (PurePosixPath, "pathlib.PurePosixPath"),
    (PurePosixPath, "pathlib._local.PosixPath"),
    (PurePosixPath, "pathlib._local.PurePosixPath"),
    (PureWindowsPath, "pathlib.WindowsPath"),
    (PureWindowsPath, "pathlib.PureWindowsPath"),
    (PureWindowsPath, "pathlib._local.WindowsPath"),
    (PureWindowsPath, "pathlib._local.PureWindowsPath"),
]


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
        raise CheckpointError(f"there is no checkpoint '{path}'", hint="check --checkpoint")
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    return _checkpoint(path, content)


def _read_safetensors(path: Path) -> dict[str, Any]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 -- no mapping
            facts = json.loads(metadata.get(_METADATA_KEY, "{}"))
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"'{path}' is no readable safetensors file ({error})", hint="copy or download it again"
        ) from error
    if not isinstance(facts, dict):
        raise CheckpointError(f"the metadata '{_METADATA_KEY}' of '{path}' are no JSON object")
    return {**facts, "state_dict": weights}


def _read_torch(path: Path) -> dict[str, Any]:
    _refuse_programs(path)
    try:
        with torch.serialization.safe_globals(_ALLOWED):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged or hostile pickle can raise anything
        raise _refused(path, error) from error
    if not isinstance(content, dict):
        raise CheckpointError(
            f"'{path}' holds a {type(content).__name__}, not a dict of weights",
            hint="save it with torch.save(model.state_dict(), ...)",
        )
    return content


def _refuse_programs(path: Path) -> None:
    """Refuse archives that hold a compiled program instead of weights."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if any(name.endswith("constants.pkl") for name in names):
        kind = "a TorchScript program"
    elif any("exported_program" in name or name.endswith("archive_format") for name in names):
        kind = "a torch.export program"
    else:
        return
    raise CheckpointError(
        f"'{path}' is {kind}: its layers are fixed and cannot be explained",
        hint="save the weights of the original network with torch.save(model.state_dict(), ...)",
    )


def _refused(path: Path, error: Exception) -> CheckpointError:
    """Say why torch refused a file: what it would have run, or that it is damaged."""
    try:
        foreign = torch.serialization.get_unsafe_globals_in_checkpoint(str(path))
    except Exception:  # noqa: BLE001 -- a damaged file has no list of names
        foreign = []
    allowed = {entry[1] for entry in _ALLOWED if isinstance(entry, tuple)}
    foreign = [name for name in foreign if name not in allowed and not name.startswith("numpy.")]
    foreign.sort(key=lambda name: (name.startswith("torch"), name))  # the most telling first
    if foreign:
        shown = ", ".join(foreign[:3]) + (", ..." if len(foreign) > 3 else "")
        return CheckpointError(
            f"'{path}' holds Python objects ({shown}) that would run code when loaded",
            hint="where you trust it, save its weights alone with torch.save(model.state_dict(), ...)",
        )
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return CheckpointError(f"'{path}' is no readable checkpoint ({reason})", hint="copy or download it again")


def _checkpoint(path: Path, content: dict[str, Any]) -> Checkpoint:
    """Find the weights among what a file holds."""
    if content and all(isinstance(value, Tensor) for value in content.values()):
        return Checkpoint(path, _checked(path, content))
    present = [key for key in _WEIGHT_KEYS if _is_state_dict(content.get(key))]
    if not present:
        keys = ", ".join(repr(key) for key in list(content)[:6])
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
    """Return the tensors of a state dict, which must be finite."""
    tensors = {str(key): value for key, value in weights.items() if isinstance(value, Tensor)}
    for key, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(
                f"the weights '{key}' in '{path}' hold NaN or infinities", hint="take an earlier epoch"
            )
    return tensors
