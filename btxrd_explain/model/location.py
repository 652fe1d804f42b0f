"""Where a checkpoint lies: a file, a folder, or an id of timm; and what files next to the weights say.

Nothing here imports torch, so that missing facts are known, and a current table is recognised, without it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from btxrd_explain.errors import CheckpointError
from btxrd_explain.model.aliases import BESIDE
from btxrd_explain.untrusted.archives import pickles_of
from btxrd_explain.untrusted.documents import InvalidDocumentError, load_json
from btxrd_explain.untrusted.pickles import plain_values

if TYPE_CHECKING:
    from collections.abc import Mapping

HUB, LOCAL = "hf-hub:", "local-dir:"
"""How ids of timm begin: of a repository of the Hugging Face Hub, and of a folder."""

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""The weights in a folder, as timm's ``save_for_hf`` and transformers' ``save_pretrained`` name them."""

LENGTH = 8
"""Bytes that say how long the header of a safetensors file is, which comes next."""
_MOST_HEADER = 16 * 2**20
"""Bytes of a safetensors header; a network of a thousand tensors takes a hundredth of that."""
_MOST_BYTES, _MOST_VALUES = 16 * 2**20, 1_000_000
"""Of a file next to the weights; names and descriptions of 20,000 classes take a fifth of that."""

_METADATA_KEY = "btxrd_explain"


@dataclass(frozen=True, slots=True)
class Location:
    """The files of a checkpoint.

    Attributes:
        weights: The file with the weights.
        beside: Files next to it that tell of the network, by their names.
    """

    weights: Path
    beside: Mapping[str, Path] = field(default_factory=dict)


def is_id(text: str) -> bool:
    """Return whether a text is an id of timm, rather than a path.

    >>> is_id("hf-hub:timm/resnet18.a1_in1k"), is_id("best.pt")
    (True, False)
    """
    return text.startswith((HUB, LOCAL))


def locate(checkpoint: Path) -> Location:
    """Find the files of a checkpoint.

    Args:
        checkpoint: A file; a folder with the weights, as timm and transformers save them; ``local-dir:FOLDER``; or
            ``hf-hub:OWNER/NAME[@REVISION]``, which is looked for in the cache of the Hugging Face Hub, and only where
            it is not there downloaded.

    Raises:
        CheckpointError: The file or folder does not exist, or holds no weights.
    """
    text = checkpoint.as_posix()
    if text.startswith(HUB):
        return _from_hub(text)
    path = Path(text.removeprefix(LOCAL)) if text.startswith(LOCAL) else checkpoint
    if path.is_dir():
        path = _weights_in(path)
    elif not path.is_file():
        raise CheckpointError(f"no checkpoint at '{checkpoint}'", hint="check --checkpoint")
    places = {name: path.parent / name for name in BESIDE}
    return Location(path, {name: place for name, place in places.items() if place.is_file()})


def _weights_in(folder: Path) -> Path:
    found = [folder / name for name in WEIGHTS if (folder / name).is_file()]
    if not found:
        raise CheckpointError(
            f"the folder '{folder}' holds no {' or '.join(WEIGHTS)}",
            hint="check --checkpoint: name the file with the weights, or a folder as timm or transformers saves one",
        )
    return found[0]


def _from_hub(text: str) -> Location:
    """Take the files of a repository from the cache where it has weights and configuration, else from the Hub."""
    for local in (True, False):
        found = {name: path for name in BESIDE if (path := _file_of_hub(text, name, local=local))}
        weights = next((path for name in WEIGHTS if (path := _file_of_hub(text, name, local=local))), None)
        if weights is not None and (BESIDE[0] in found or not local):
            return Location(weights, found)
    raise CheckpointError(f"'{text}' holds no {' or '.join(WEIGHTS)}", hint="name another model")


def _file_of_hub(text: str, name: str, *, local: bool) -> Path | None:
    """Return a file of a repository, from the cache alone or also from the Hub; None where it has no such file.

    Raises:
        CheckpointError: The repository does not exist, or cannot be reached.
    """
    from huggingface_hub import hf_hub_download, try_to_load_from_cache  # noqa: PLC0415 -- a second, for ids alone
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError  # noqa: PLC0415 -- as above

    repository, _, revision = text.removeprefix(HUB).partition("@")
    try:
        if local:  # the other function asks the Hub for something even where it may take local files only
            found = try_to_load_from_cache(repository, name, revision=revision or None)
            return Path(found) if isinstance(found, str) else None
        return Path(hf_hub_download(repository, name, revision=revision or None))
    except LocalEntryNotFoundError as error:
        raise _unreachable(text, error) from error
    except EntryNotFoundError:
        return None
    except Exception as error:  # of the network, in many kinds
        raise _unreachable(text, error) from error


def _unreachable(text: str, error: Exception) -> CheckpointError:
    reason = str(error).strip().splitlines()
    return CheckpointError(
        f"cannot get '{text}' ({reason[0] if reason else type(error).__name__})",
        hint="check the id and the network, or download it elsewhere and name its folder",
    )


@dataclass(frozen=True, slots=True)
class Beside:
    """What files next to the weights say.

    Attributes:
        content: The content of each by its name.
        unused: Those that cannot be used, with the reason.
    """

    content: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    unused: tuple[str, ...] = ()


def read_beside(location: Location) -> Beside:
    """Read the files next to the weights; one that cannot be used may belong to something else."""
    read: dict[str, Mapping[str, Any]] = {}
    unused = []
    for name, path in location.beside.items():
        try:
            content = load_json(path, max_bytes=_MOST_BYTES, max_values=_MOST_VALUES)
        except (InvalidDocumentError, OSError) as error:
            unused.append(f"{name} ({error})")
            continue
        if isinstance(content, dict):
            read[name] = content
        else:
            unused.append(f"{name} (expected a JSON object)")
    return Beside(read, tuple(unused))


def is_safetensors(path: Path) -> bool:
    """Return whether a file begins as safetensors files do.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        return file.read(LENGTH + 1)[LENGTH:] == b"{"


def facts_in_header(path: Path) -> dict[str, Any]:
    """Return what the metadata of a safetensors file say of its network.

    Raises:
        CheckpointError: It is damaged.
        OSError: It cannot be read.
    """
    try:
        _check_header(path)
        with safe_open(path, framework="np") as file:
            facts = json.loads((file.metadata() or {}).get(_METADATA_KEY, "{}"))
    except (SafetensorError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"'{path}' is not a readable safetensors file ({error})", hint="copy or download it again"
        ) from error
    if not isinstance(facts, dict):
        raise CheckpointError(
            f"the metadata '{_METADATA_KEY}' of '{path}' are not a JSON object", hint="save the checkpoint again"
        )
    return facts


def facts_in_archive(path: Path) -> dict[str, Any] | None:
    """Return what a file of torch says of its network, without torch; None where only torch can tell.

    Raises:
        CheckpointError: It holds a compiled program instead of weights.
        OSError: It cannot be read.
    """
    try:
        (pickle,) = pickles_of(path)
        values = plain_values(pickle)
    except ValueError:  # which the reader of weights says, or can read, as files of several pickles
        return None
    return values if isinstance(values, dict) else None


def _check_header(path: Path) -> None:
    """Refuse a header that is longer than the file, or than any that lists weights."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(LENGTH), "little")
    if length > min(_MOST_HEADER, path.stat().st_size - LENGTH):
        raise ValueError(f"its header claims {length} bytes")
