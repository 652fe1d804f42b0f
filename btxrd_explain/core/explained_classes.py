"""Which classes of a radiograph have a class-activation grid: all of them, or those that are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from btxrd_explain.core.labels import USUAL_THRESHOLD, truths

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ALL, PREDICTED, TRUE = "all", "predicted", "true"
KEYWORDS = frozenset({ALL, PREDICTED, TRUE})
MOST_BY_DEFAULT = 20
"""Classes of a network of which all are explained unless somebody says otherwise."""


def resolve(wanted: Sequence[str] | None, names: Sequence[str]) -> tuple[str, ...]:
    """Return what is explained: ``all`` alone, or keywords and class names as the network has them.

    Args:
        wanted: ``all``, ``predicted``, ``true`` and class names in any case of their letters; None takes all classes of
            a network of up to 20, else the predicted and the true class.
        names: Names of the classes.

    Raises:
        ValueError: A name is neither a keyword nor a class.

    >>> resolve(None, ("Normal", "Benign")), resolve(["benign", "predicted"], ("Normal", "Benign"))
    (('all',), ('Benign', 'predicted'))
    """
    if wanted is None:
        return (ALL,) if len(names) <= MOST_BY_DEFAULT else (PREDICTED, TRUE)
    known = {name.casefold(): name for name in reversed(names)} | {word: word for word in KEYWORDS}
    unknown = [name for name in wanted if name.casefold() not in known]
    if unknown:
        raise ValueError(f"'{unknown[0]}' is none of all, predicted, true and the classes")
    found = tuple(dict.fromkeys(known[name.casefold()] for name in wanted))
    return (ALL,) if ALL in found else found


@dataclass(frozen=True, slots=True)
class ExplainedClasses:
    """The classes of a radiograph that have a grid.

    Attributes:
        wanted: As :func:`resolve` returns it.
        names: Names of the classes, in the network's order.
        multi_label: Whether the classes do not exclude each other, so that several can be predicted, and be true.
    """

    wanted: tuple[str, ...]
    names: tuple[str, ...]
    multi_label: bool = False

    @property
    def slots(self) -> int:
        """How many grids a radiograph has at most."""
        any_number = ALL in self.wanted or (self.multi_label and not KEYWORDS.isdisjoint(self.wanted))
        return len(self.names) if any_number else min(len(self.wanted), len(self.names))

    def true_of(self, label: str | None) -> list[int]:
        """Return the indices of the true classes, as a label says them."""
        if not self.multi_label:
            return [self.names.index(label)] if label in self.names else []
        return [index for index, truth in enumerate(truths(label, self.names)) if truth]

    def of(self, predicted: Iterable[int], true: Iterable[int] = ()) -> list[int]:
        """Return the classes of one radiograph, in the network's order.

        Args:
            predicted: Indices of its predicted classes.
            true: Indices of its true classes, as far as they are known.
        """
        if ALL in self.wanted:
            return list(range(len(self.names)))
        found = {self.names.index(name) for name in self.wanted if name not in KEYWORDS}
        found |= set(predicted) if PREDICTED in self.wanted else set()
        return sorted(found | (set(true) if TRUE in self.wanted else set()))

    def lacks(self, label: str | None, computed: Sequence[bool]) -> bool:
        """Return whether the grid of a true class that is asked for is not there.

        Args:
            label: The true class, or several.
            computed: For each class whether its grid is there.
        """
        return TRUE in self.wanted and not all(computed[index] for index in self.true_of(label))

    def said(self) -> str | None:
        """Return in words whose grids are there and what to do for others; None where all are."""
        if ALL in self.wanted:
            return None
        kinds = {PREDICTED: "the predicted class", TRUE: "the true class"}
        if self.multi_label:  # the threshold of a class may be another one later
            kinds = {
                PREDICTED: f"the most probable class and those of at least {USUAL_THRESHOLD}",
                TRUE: "the true classes",
            }
        listed = " and ".join(kinds.get(one, one) for one in self.wanted)
        return f"heat maps of {listed} alone, of {len(self.names)} classes: --explain-classes all computes all"
