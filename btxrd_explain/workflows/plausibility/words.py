"""Numbers and names in the messages of cautions."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def radiographs(count: int) -> str:
    """Count radiographs.

    >>> radiographs(1), radiographs(2)
    ('1 radiograph', '2 radiographs')
    """
    return f"{count} radiograph{'' if count == 1 else 's'}"


def listed(names: Sequence[str], last: str = "and", *, most: int = 5) -> str:
    """List names, of many the first ones.

    >>> listed(["a"]), listed(["a", "b", "c"]), listed(["a", "b", "c"], most=1)
    ("'a'", "'a', 'b' and 'c'", "'a' and 2 more")
    """
    shown = [f"'{name}'" for name in names[:most]]
    if len(names) > most:
        shown.append(f"{len(names) - most} more")
    return " ".join([*([", ".join(shown[:-1]), last] if len(shown) > 1 else []), shown[-1]])
