"""JSON from annotation tools: bounded, and with what is wrong said in one line."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from btxrd_explain.core.geometry import Size
from btxrd_explain.files import read_whole
from btxrd_explain.inputs.annotation import InvalidAnnotationError

if TYPE_CHECKING:
    from pathlib import Path

_MAX_SIDE = 20_000


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
        InvalidAnnotationError: It is too large or no JSON, or gives one key twice.
        OSError: It cannot be read.
    """
    data = read_whole(path, max_bytes)
    if data is None:
        raise InvalidAnnotationError(f"expected at most {max_bytes // 2**20} MiB")
    if sum(map(data.count, (b",", b"[", b"{"))) > max_values:
        raise InvalidAnnotationError(f"expected at most {max_values:,} values")
    try:
        document: object = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        raise InvalidAnnotationError("expected text in UTF-8") from error
    except RecursionError as error:
        raise InvalidAnnotationError("expected JSON, got one that is nested too deeply") from error
    except ValueError as error:  # also of numbers with thousands of digits
        raise InvalidAnnotationError(f"expected JSON ({error})") from error
    return document


def parse_size(document: dict[str, Any], names: tuple[str, str], where: str = "") -> Size | None:
    """Return the size that an object states under the names of height and width; None where it states none."""
    if all(document.get(name) is None for name in names):
        return None
    return Size(*(_parse_side(document.get(name), where + name) for name in names))


def whole(text: str) -> str:
    """Replace half characters, which JSON can spell and nothing can write."""
    return text.encode(errors="replace").decode()


def shown(value: object) -> str:
    """Show a value of any length in an error message of one line."""
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its members; of two with one key Python would silently keep the last."""
    members = dict(pairs)
    if len(members) < len(pairs):
        ((twice, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise InvalidAnnotationError(f"the key {shown(twice)} is there twice")
    return members


def _parse_side(side: object, where: str) -> int:
    if not isinstance(side, int) or isinstance(side, bool) or not 1 <= side <= _MAX_SIDE:
        raise InvalidAnnotationError(f"{where}: expected a whole number from 1 to {_MAX_SIDE:,}, got {shown(side)}")
    return side
