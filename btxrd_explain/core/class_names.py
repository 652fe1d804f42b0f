"""What can be the name of a class, wherever it comes from: it stands in figures, in file names and in tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_CLASSES = 10_000
LONGEST_NAME = 1000
"""Characters."""


def checked_class_names(names: Sequence[object]) -> tuple[str, ...]:
    """Return class names as they are, where they can be some.

    Args:
        names: The names in the network's order.

    Raises:
        ValueError: There are none or too many, or one is empty, too long or there twice.

    >>> checked_class_names(["Normal", "Benign"])
    ('Normal', 'Benign')
    """
    if not 1 <= len(names) <= MOST_CLASSES:
        raise ValueError(f"there are {len(names)} class names, which must be 1 to {MOST_CLASSES}")
    checked = tuple(map(_checked, names))
    if len(set(checked)) < len(checked):
        raise ValueError("a class name is there twice")
    return checked


def _checked(name: object) -> str:
    if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME:
        raise ValueError(f"class name {str(name)[:100]!r} is not of 1 to {LONGEST_NAME} characters")
    return name
