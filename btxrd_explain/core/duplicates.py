"""Which of many things are the same, as groups of their positions."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence


def equal_groups(keys: Iterable[Hashable | None]) -> list[list[int]]:
    """Group positions whose keys are equal.

    Args:
        keys: A key for each position, such as a file's hash; None equals nothing, not even another None.

    Returns:
        The groups of two and more, each in ascending order, in the order of their first positions.

    >>> equal_groups(["a", "b", None, "a", None, "b", "c"])
    [[0, 3], [1, 5]]
    """
    places: dict[Hashable, list[int]] = defaultdict(list)
    for place, key in enumerate(keys):
        if key is not None:
            places[key].append(place)
    return [group for group in places.values() if len(group) > 1]


def crossing_groups(groups: Iterable[Sequence[int]], parts: Sequence[Hashable | None]) -> list[list[int]]:
    """Return of each group that has members in more than one part, such as train and test, the members in any part.

    Args:
        groups: Positions that belong together; see :func:`equal_groups`.
        parts: The part of each position; None is in no part, and leaks into none.

    Returns:
        The groups that cross, without members in no part.

    >>> crossing_groups([[0, 3], [1, 5], [2, 4]], ["train", "train", "test", "test", None, "train"])
    [[0, 3]]
    """
    inside = ([place for place in group if parts[place] is not None] for group in groups)
    return [group for group in inside if len({parts[place] for place in group}) > 1]


class Groups:
    """Positions that are joined pair by pair (a disjoint-set forest with path halving).

    Args:
        count: Number of positions, each alone at first.

    >>> groups = Groups(5)
    >>> groups.join(0, 3), groups.join(3, 4), groups.join(0, 4)
    (True, True, False)
    >>> groups.of_several()
    [[0, 3, 4]]
    """

    def __init__(self, count: int) -> None:
        """Leave each position alone."""
        self._above = list(range(count))

    def find(self, place: int) -> int:
        """Return the position that stands for the group of another."""
        above = self._above
        while above[place] != place:
            above[place] = place = above[above[place]]
        return place

    def join(self, first: int, second: int) -> bool:
        """Make one group of two; returns False where they were one already."""
        low, high = sorted((self.find(first), self.find(second)))
        self._above[high] = low
        return low != high

    def of_several(self) -> list[list[int]]:
        """Return the groups of two and more, each in ascending order, in the order of their first positions."""
        return equal_groups(self.find(place) for place in range(len(self._above)))
