"""A table of probabilities that another program gave: a line per image and class."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from btxrd_explain.core.geometry import Size
from btxrd_explain.errors import InputError
from btxrd_explain.inputs.annotation import MAX_SIDE
from btxrd_explain.inputs.table_lines import read_csv

if TYPE_CHECKING:
    from pathlib import Path

_NEEDED = ("image_id", "class", "probability")
_HINT = "give the columns image_id, class and probability, and perhaps label, split, height and width"


@dataclass(slots=True)
class ScoredImage:
    """What a table says of an image.

    Attributes:
        probabilities: Probability by class.
        label: The true class, or several, joined by ``|``; None where nothing is said.
        split: Its split; None where nothing is said.
        size: Height and width of the radiograph; None where nothing is said.
    """

    probabilities: dict[str, float] = field(default_factory=dict)
    label: str | None = None
    split: str | None = None
    size: Size | None = None


def read_scores(path: Path) -> dict[str, ScoredImage]:
    """Read a table of probabilities.

    Args:
        path: A CSV file with the columns ``image_id``, ``class`` and ``probability``, and perhaps ``label``, ``split``,
            ``height`` and ``width`` of the image.

    Returns:
        What it says, by ``image_id``, in the order of the file.

    Raises:
        InputError: The file cannot be read, says two things of one image, or has a value that cannot be.
    """
    found: dict[str, ScoredImage] = {}
    for line, cells in read_csv(path, _NEEDED):
        where = f"'{path}', line {line}"
        image = found.setdefault(cells["image_id"], ScoredImage())
        if not cells["image_id"] or not cells["class"] or cells["class"] in image.probabilities:
            raise InputError(f"{where}: an image or class is empty, or there twice", hint=_HINT)
        image.probabilities[cells["class"]] = _probability(cells["probability"], where)
        for name in ("label", "split"):
            said = cells.get(name) or None
            if None not in (said, getattr(image, name)) and said != getattr(image, name):
                raise InputError(f"{where}: two values of '{name}' for one image", hint="keep one of them")
            setattr(image, name, said or getattr(image, name))
        image.size = _size(cells, where) or image.size
    if not found:
        raise InputError(f"'{path}' has no line", hint=_HINT)
    return found


def _probability(text: str, where: str) -> float:
    try:
        value = float(text.replace(",", ".")) if text else math.nan  # no thousands are meant here
    except ValueError:
        value = math.inf
    if not (math.isnan(value) or 0 <= value <= 1):
        raise InputError(f"{where}: '{text}' is not a probability from 0 to 1", hint=_HINT)
    return value


def _size(cells: dict[str, str], where: str) -> Size | None:
    height, width = cells.get("height"), cells.get("width")
    if not height and not width:
        return None
    try:
        size = Size(int(height or 0), int(width or 0))
    except ValueError:
        size = Size(0, 0)
    if not 1 <= min(size) <= max(size) <= MAX_SIDE:
        raise InputError(
            f"{where}: '{height}' x '{width}' is not a size in pixels, from 1 to {MAX_SIDE:,} each", hint=_HINT
        )
    return size
