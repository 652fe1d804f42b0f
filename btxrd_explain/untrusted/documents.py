"""JSON from annotation tools: bounded before it is parsed, and with what is wrong said in one line."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from btxrd_explain.system.files import read_whole

if TYPE_CHECKING:
    from pathlib import Path


class InvalidDocumentError(Exception):
    """What is wrong with a file, and where in it; becomes an error that names the file."""


def load_json(path: Path, *, max_bytes: int, max_values: int) -> object:
    """Load a JSON file, UTF-8 with or without byte order mark.

    Args:
        path: The file.
        max_bytes: Largest size that is read.
        max_values: How many values it may hold, counted by what separates them: two bytes of text can take a hundred
            of memory.

    Returns:
        Its content.

    Raises:
        InvalidDocumentError: It is too large or no JSON, or gives one key twice.
        OSError: It cannot be read.
    """
    data = read_whole(path, max_bytes)
    if data is None:
        raise InvalidDocumentError(f"expected at most {max_bytes // 2**20} MiB")
    if sum(map(data.count, (b",", b"[", b"{"))) > max_values:
        raise InvalidDocumentError(f"expected at most {max_values:,} values")
    try:
        document: object = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        raise InvalidDocumentError("expected text in UTF-8") from error
    except RecursionError as error:
        raise InvalidDocumentError("expected JSON, got one that is nested too deeply") from error
    except ValueError as error:  # also of numbers with thousands of digits
        raise InvalidDocumentError(f"expected JSON ({error})") from error
    return document


def shown(value: object) -> str:
    """Show a value of any length in an error message of one line."""
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its members; of two with one key Python would silently keep the last."""
    members = dict(pairs)
    if len(members) < len(pairs):
        ((twice, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise InvalidDocumentError(f"the key {shown(twice)} is there twice")
    return members
