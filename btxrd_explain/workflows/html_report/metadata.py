"""What the data set's table says of the radiographs, sorted into facts and tags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from btxrd_explain.inputs.metadata import Metadata

_FLAGS = frozenset({"0", "1", ""})
_MOST_CHOICES = 12
"""A column of more values than this is offered as a range where it holds numbers, else not as a filter."""


@dataclass(frozen=True, slots=True)
class Described:
    """What is known of the radiographs besides class and prediction.

    Attributes:
        columns: The columns that can be filtered by: name, and whether the page offers a range of numbers.
        facts: Of each radiograph the cells that say something, by column.
        tags: Of each radiograph the names of the yes-or-no columns that say yes.
    """

    columns: tuple[dict[str, Any], ...]
    facts: tuple[Mapping[str, str], ...]
    tags: tuple[tuple[str, ...], ...]


def describe(metadata: Metadata | None, image_ids: Sequence[str]) -> Described:
    """Sort the columns of a table into facts and tags.

    A column of 0 and 1 gives a tag of its name; so BTXRD's 30 columns of bones, joints, tumours and views read as one
    line. Columns that say the same of every radiograph stay facts, but are no filters.

    Args:
        metadata: The table; None where there is none.
        image_ids: The radiographs.
    """
    if metadata is None:
        return Described((), ({},) * len(image_ids), ((),) * len(image_ids))
    names = [name for name in metadata.columns if name not in {"image_id", ""}]
    cells = {name: [cell or "" for cell in metadata.column(name, image_ids)] for name in names}
    flags = [name for name in names if _FLAGS.issuperset(cells[name])]
    others = [name for name in names if name not in flags]
    return Described(
        columns=tuple(column for name in others if (column := _column(name, cells[name])) is not None),
        facts=tuple({name: cells[name][row] for name in others if cells[name][row]} for row in range(len(image_ids))),
        tags=tuple(tuple(name for name in flags if cells[name][row] == "1") for row in range(len(image_ids))),
    )


def _column(name: str, cells: Sequence[str]) -> dict[str, Any] | None:
    """Return how a column is filtered by; None where it is not."""
    values = {cell for cell in cells if cell}
    if len(values) < 2:
        return None
    if len(values) <= _MOST_CHOICES:
        return {"name": name, "numeric": False}
    return {"name": name, "numeric": True} if all(map(_is_number, values)) else None


def _is_number(text: str) -> bool:
    """Say whether a cell is a plain decimal number, as JavaScript reads it too.

    >>> [_is_number(text) for text in ("48", "-1.5", ".", "1e3", "nan", "٣")]
    [True, True, False, False, False, False]
    """
    return text.isascii() and text.removeprefix("-").replace(".", "", 1).isdigit()
