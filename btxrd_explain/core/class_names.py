"""What can be the name of a class, wherever it comes from: it appears in figures, in file names and in tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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


NO_LESION = frozenset(
    {
        *("normal", "no finding", "no findings", "none", "healthy", "negative", "unremarkable", "no abnormality"),
        *("no tumor", "no tumour", "no lesion", "no lesions", "non tumor", "non tumour"),
    }
)
"""Names by which classes without a lesion are recognised, in small letters, words separated by one space."""


CORRECT = "correct"
"""The verdict on a right prediction."""


@dataclass(frozen=True, slots=True)
class NoLesion:
    """The classes without a lesion: where one of them is true, there is nothing to be found.

    Attributes:
        wanted: Their names, in any case of their letters; None recognises them by :data:`NO_LESION`.

    >>> "No_Finding" in NoLesion(), "Benign" in NoLesion(), "Normal" in NoLesion(("Control",))
    (True, False, False)
    """

    wanted: tuple[str, ...] | None = None

    def __contains__(self, name: str | None) -> bool:
        """Return whether a class is one of them."""
        if name is None:
            return False
        if self.wanted is None:
            return " ".join(name.casefold().replace("_", " ").replace("-", " ").split()) in NO_LESION
        return name.strip().casefold() in {one.strip().casefold() for one in self.wanted}

    def verdict(self, true: str, predicted: str) -> str:
        """Return in words what a prediction is worth to a reader.

        With a class without a lesion, wrong predictions are told apart: ``false alarm`` (it was taken for another),
        ``missed`` (another was taken for it) and ``wrong class``.

        >>> said = NoLesion().verdict
        >>> said("Normal", "Benign"), said("Benign", "Normal"), said("Benign", "Malignant"), said("Normal", "Normal")
        ('false alarm', 'missed', 'wrong class', 'correct')
        """
        if predicted == true:
            return CORRECT
        if true in self:
            return "false alarm"
        return "missed" if predicted in self else "wrong class"

    def said(self, names: Iterable[str]) -> str:
        """Return in words which of some classes were taken, and why.

        Args:
            names: The classes, and other labels of the radiographs.

        >>> print(NoLesion().said(["Healthy", "Benign"]))
        classes without a lesion: Healthy, recognised by the name (--no-lesion-classes sets them)
        >>> print(NoLesion(("Controls",)).said(["Control"]))
        classes without a lesion: none, --no-lesion-classes says Controls, which no class or label is called
        """
        known = list(dict.fromkeys(names))
        taken = ", ".join(name for name in known if name in self) or "none"
        if self.wanted is None:
            why = "recognised by the name" if taken != "none" else "as no name is recognised as one"
            return f"classes without a lesion: {taken}, {why} (--no-lesion-classes sets them)"
        unknown = [one for one in self.wanted if one.strip().casefold() not in {name.casefold() for name in known}]
        why = f"says {', '.join(unknown)}, which no class or label is called" if unknown else "says so"
        return f"classes without a lesion: {taken}, --no-lesion-classes {why}"


BY_NAME = NoLesion()
"""Those that are recognised by their names."""
