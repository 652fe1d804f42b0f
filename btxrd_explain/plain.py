"""Text that is safe to show and to name things by: foreign names, cells and messages, and values of any size."""

from __future__ import annotations

from dataclasses import fields
from difflib import get_close_matches
from itertools import chain, count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


def plain(text: str) -> str:
    r"""Return a text as one line in which every character is seen.

    What moves the cursor, colours the terminal, ends the line, turns the direction of writing, or is invisible is shown
    as Python spells it, which also tells names apart that look alike.

    >>> print(plain("\x1b[31mbenign\n\u202etumour\xa0\udcff"))
    \x1b[31mbenign\n\u202etumour\xa0\udcff
    """
    return text if text.isprintable() else "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def kind_of(value: object) -> str:
    """Return the name of a value's type with its article, for messages.

    >>> from collections import OrderedDict
    >>> kind_of(OrderedDict()), kind_of([])
    ('an OrderedDict', 'a list')
    """
    name = type(value).__name__
    return f"{'an' if name[0] in 'AEIOaeio' else 'a'} {name}"


def nearest(text: str, known: Iterable[str]) -> str | None:
    """Return the one of known names that may be meant; letters' case, hyphens, underscores and spaces do not count.

    >>> nearest("Grad-CAM++", ("gradcam", "gradcam++")), nearest("Layer CAM", ("gradcam", "layercam"))
    ('gradcam++', 'layercam')
    >>> nearest("u-net", ("gradcam", "layercam"))
    """
    bare = str.maketrans("", "", "-_ ")
    names = {name.casefold().translate(bare): name for name in known}
    near = get_close_matches(text.casefold().translate(bare), names, n=1, cutoff=0.7)
    return names[near[0]] if near else None


def percent(fraction: float, *, digits: int = 0) -> str:
    """Write a fraction in percent, with a space as standards for units ask for.

    >>> percent(0.614), percent(0.614, digits=1)
    ('61 %', '61.4 %')
    """
    return f"{100 * fraction:.{digits}f} %"


_LONGEST = 80
"""Characters of a value that are shown in full: a SHA-256 is."""


def short_repr(instance: Any) -> str:  # noqa: ANN401 -- any dataclass
    """Return the ``repr`` of a dataclass in one line: of arrays and other long values the kind and the shape or length.

    >>> import numpy as np
    >>> from dataclasses import make_dataclass
    >>> one = make_dataclass("One", ["name", "pixels"], namespace={"__repr__": short_repr})
    >>> one("a.png", np.zeros((300, 200), np.uint8))
    One(name='a.png', pixels=<uint8 of shape (300, 200)>)
    """
    shown = (f"{field.name}={_short(getattr(instance, field.name))}" for field in fields(instance))
    return f"{type(instance).__name__}({', '.join(shown)})"


def _short(value: Any) -> str:  # noqa: ANN401 -- any value of a field
    text = repr(value)
    if len(text) <= _LONGEST and "\n" not in text:
        return text
    kind = getattr(value, "dtype", type(value).__name__)
    if hasattr(value, "shape"):
        return f"<{kind} of shape {tuple(value.shape)}>"
    return f"<{kind} of length {len(value)}>" if hasattr(value, "__len__") else f"<{kind}>"


def distinct(names: Iterable[str]) -> list[str]:
    """Return names with a number behind those that were there before, in whatever case.

    >>> distinct(["giant_cell", "cyst", "Giant_cell", "giant_cell_2"])
    ['giant_cell', 'cyst', 'Giant_cell_2', 'giant_cell_2_2']
    """
    taken: set[str] = set()
    result = []
    for name in names:
        candidates = chain([name], (f"{name}_{number}" for number in count(2)))
        free = next(candidate for candidate in candidates if candidate.casefold() not in taken)
        taken.add(free.casefold())
        result.append(free)
    return result


def as_cell(text: str) -> str:
    """Return a text as a cell of a CSV file that no spreadsheet runs as a formula.

    What begins like one gets an apostrophe before it, as OWASP advises; numbers stay.

    >>> [as_cell(text) for text in ("=1+1", "@SUM(A1)", "-2+3", "-2.5", "IMG000046.jpeg")]
    ["'=1+1", "'@SUM(A1)", "'-2+3", '-2.5', 'IMG000046.jpeg']
    """
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
