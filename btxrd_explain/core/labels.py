"""What a label says of several classes, of which a radiograph may have any number.

Two forms, of which a table may hold both:

- ``Fracture|Effusion`` lists the classes that are true; all others are not.
- ``Fracture=1|Effusion=0`` says it of each class, as columns of 0 and 1 do; a class that it does not name is unknown.

A class name counts in any case of its letters. A text that is the name of one class means that class, whatever
characters it has.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.class_names import BY_NAME, NoLesion

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

SEPARATOR = "|"
OF_HEAT_MAP = "heat map: "
"""How the label of a shape begins that is a region of a heat map, and not a lesion."""
NO, YES, UNKNOWN = 0, 1, -1
"""What an array of truths holds."""
_VALUES = {"1": True, "0": False}

USUAL_THRESHOLD = 0.5
"""The probability from which a class counts as predicted, where nothing is said and classes do not exclude each other:
that of a network trained with binary cross-entropy and no class weights."""

Truth = bool | None
"""Whether an image is of a class; None where that is not known."""


def truths(label: str | None, names: Sequence[str], no_lesion: NoLesion = BY_NAME) -> tuple[Truth, ...]:
    """Return of each class whether an image is of it, as its label says; None where the label does not.

    A list with a word that is not a class leaves the classes that it does not name unknown: the word may be one of them
    with a slip of the pen, and nothing becomes negative by that.

    Args:
        label: The label; None where there is none.
        names: Names of the classes.
        no_lesion: Words that say that there is none, besides those that are recognised by their names.

    >>> names = ("Fracture", "Effusion", "Mass")
    >>> truths("Mass|fracture", names), truths("No finding", names)
    ((True, False, True), (False, False, False))
    >>> truths("Fracture=1|Mass=0", names), truths("Fracture|Efusion", names), truths(None, names)
    ((True, None, False), (True, None, None), (None, None, None))
    """
    return _truths(label, tuple(names), no_lesion)


@lru_cache(maxsize=4096)
def _truths(label: str | None, names: tuple[str, ...], no_lesion: NoLesion) -> tuple[Truth, ...]:
    said = statements(label, names)
    unsaid = False if label and not _in_columns(label, names) and not strangers(label, names, no_lesion) else None
    return tuple(said.get(name, unsaid) for name in names)


def statements(label: str | None, names: Sequence[str]) -> dict[str, bool]:
    """Return what a label says of the classes that it names, by their names."""
    if not label:
        return {}
    known, parts = _by_letters(names), _parts(label, names)
    return {known[word.casefold()]: truth for word, truth in parts if word.casefold() in known}


def strangers(label: str, names: Sequence[str], no_lesion: NoLesion = BY_NAME) -> list[str]:
    """Return the words of a label that are neither classes nor say that there is none.

    Columns of 0 and 1 may tell other things too, so that a label from columns has strangers only where it names no
    class at all.
    """
    known = _by_letters(names)
    words = [word for word, _ in _parts(label, names) if word.casefold() not in known]
    if _in_columns(label, names):
        return [] if statements(label, names) else words
    return [word for word in words if word not in BY_NAME and word not in no_lesion]


def names_several(label: str, names: Sequence[str]) -> bool:
    """Return whether a label is one of several classes: a list of two or more, or what columns say.

    >>> [names_several(text, ("a", "b", "a|b")) for text in ("a", "a|b", "b|a", "a=1")]
    [False, False, True, True]
    """
    if label.casefold() in _by_letters(names):
        return False
    return len(statements(label, names)) > 1 or (_in_columns(label, names) and bool(statements(label, names)))


def truth_matrix(labels: Iterable[str | None], names: Sequence[str], no_lesion: NoLesion = BY_NAME) -> NDArray[np.int8]:
    """Return what labels say, int8, shape ``(labels, classes)``: :data:`YES`, :data:`NO` or :data:`UNKNOWN`."""
    values = [
        [UNKNOWN if truth is None else int(truth) for truth in truths(label, names, no_lesion)] for label in labels
    ]
    return np.array(values, np.int8).reshape(-1, len(names))


def label_from_columns(said: Mapping[str, Truth]) -> str | None:
    """Return the label of what columns say, by the names of the classes; None where they say nothing.

    >>> label_from_columns({"Fracture": True, "Effusion": False, "Mass": None})
    'Fracture=1|Effusion=0'
    """
    return SEPARATOR.join(f"{name}={int(truth)}" for name, truth in said.items() if truth is not None) or None


def said_in_columns(label: str) -> dict[str, bool]:
    """Return what a label from columns says, whatever the classes are; nothing of another label.

    >>> said_in_columns("Fracture=1|Mass=0"), said_in_columns("Fracture|Mass")
    ({'Fracture': True, 'Mass': False}, {})
    """
    return dict(_parts(label, ())) if _in_columns(label, ()) else {}


def true_words(label: str) -> list[str]:
    """Return what a label says to be true, whatever the classes are.

    >>> true_words("Fracture=1|Mass=0"), true_words("Fracture|Mass"), true_words("Mass=0")
    (['Fracture'], ['Fracture', 'Mass'], [])
    """
    return [word for word, truth in _parts(label, ()) if truth]


def says_several(label: str) -> bool:
    """Return whether a label is one of several classes, whatever the classes are.

    >>> [says_several(label) for label in ("Mass", "Fracture|Mass", "Mass=0")]
    [False, True, True]
    """
    return len(true_words(label)) > 1 or bool(said_in_columns(label))


def joined(names: Iterable[str]) -> str:
    """Return several classes as one text."""
    return SEPARATOR.join(names)


def _parts(label: str, names: Sequence[str]) -> list[tuple[str, bool]]:
    """Return the words of a label, each with whether the label says yes to it."""
    if label.casefold() in _by_letters(names):
        return [(label, True)]
    words = [word.strip() for word in label.split(SEPARATOR) if word.strip()]
    if _in_columns(label, names):
        return [(word.rpartition("=")[0], _VALUES[word.rpartition("=")[2]]) for word in words]
    return [(word, True) for word in words]


def _in_columns(label: str, names: Sequence[str]) -> bool:
    """Return whether a label says yes or no to each class that it names."""
    if label.casefold() in _by_letters(names):
        return False
    pairs = [word.strip().rpartition("=") for word in label.split(SEPARATOR)]
    return all(name and value in _VALUES for name, _, value in pairs)


def _by_letters(names: Sequence[str]) -> dict[str, str]:
    """Return the classes by their names in small letters; of names that differ in those alone the first counts."""
    return {name.casefold(): name for name in reversed(names)}
