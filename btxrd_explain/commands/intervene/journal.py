"""What the network said under each condition, image by image on the disk, so that no run computes it again.

``intervention_journal.jsonl`` grows by a line per image and outlives the run. A line holds for the same network, the
same radiograph with the same lesions, and the same conditions; a torn one, or one of another kind, holds for nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from btxrd_explain.core.intervention import Condition, Fill, Kind, Readings
from btxrd_explain.system.files import cannot_write
from btxrd_explain.system.places import foreign, make_folder, open_own

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

_HEAD = b'{"intervention": 1, '
"""How each line begins."""


class Journal:
    """The journal in a folder.

    Args:
        folder: The folder of the results.
    """

    def __init__(self, folder: Path) -> None:
        """Read what earlier runs left.

        Raises:
            OutputError: Something else has the name of the journal, or it cannot be read.
        """
        self.path = folder / "intervention_journal.jsonl"
        self._known: dict[str, Readings] = {}
        try:
            with os.fdopen(open_own(self.path, os.O_RDONLY), "rb") as file:
                lines = file.read().splitlines()
        except FileNotFoundError:
            return
        except OSError as error:
            raise cannot_write(self.path, error) from error
        if lines and not (lines[0].startswith(_HEAD) or _HEAD.startswith(lines[0])):
            raise foreign(self.path, "a file")
        for line in lines:
            try:
                document = json.loads(line)
                self._known[document["key"]] = _readings(document)
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):  # torn, or damaged
                continue

    def find(self, key: str, classes: int) -> Readings | None:
        """Return what is known of an image; None where nothing is."""
        known = self._known.get(key)
        fits = known is not None and all(values.shape == (classes,) for values in known.log_odds.values())
        return known if fits else None

    def add(self, key: str, readings: Readings) -> None:
        """Append an image; when this returns it survives a crash.

        Raises:
            OutputError: It cannot be written.
        """
        document = {
            "key": key,
            "reasons": dict(readings.reasons),
            "log_odds": [[*condition, values.tolist()] for condition, values in readings.log_odds.items()],
        }
        line = b"\n" + _HEAD + json.dumps(document).encode()[1:] + b"\n"  # a torn line before it does not matter
        try:
            make_folder(self.path.parent)
            new = not self.path.exists()
            with os.fdopen(open_own(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "ab") as file:
                file.write(line[1:] if new else line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise cannot_write(self.path, error) from error
        self._known[key] = readings


def _readings(document: Mapping[str, Any]) -> Readings:
    log_odds = {
        Condition(Kind(kind), None if fill is None else Fill(fill), float(margin), int(number)): np.array(values, float)
        for kind, fill, margin, number, values in document["log_odds"]
    }
    if Condition(Kind.ORIGINAL) not in log_odds:
        raise KeyError(Kind.ORIGINAL)
    return Readings(log_odds, {str(kind): str(reason) for kind, reason in document["reasons"].items()})


def key_of(facts: Mapping[str, Any], *masks: NDArray[np.bool_] | None) -> str:
    """Return what tells a radiograph, its conditions and the network from all others.

    Args:
        facts: Plain JSON values.
        masks: What is taken away from it.
    """
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for mask in masks:
        digest.update(b"none" if mask is None else str(mask.shape).encode() + np.packbits(mask).tobytes())
    return digest.hexdigest()
