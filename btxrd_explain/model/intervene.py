"""Changed radiographs through a network: the pictures of an image share batches with no other image's.

The last digits of what a network says of a picture depend on the others of its batch. An image with batches of its own
has the same numbers in every run.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

from btxrd_explain.core.intervention import Readings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from btxrd_explain.core.intervention import Interventions

Key = TypeVar("Key")


def read_conditions(
    images: Iterable[tuple[Key, Interventions]],
    predict: Callable[[Iterator[list[NDArray[Any]]]], Iterable[NDArray[np.float64]]],
    at_once: int,
) -> Iterator[tuple[Key, Readings]]:
    """Predict all conditions of images.

    Args:
        images: The conditions of each image, with whatever tells it from the others.
        predict: From batches of pictures to the log-odds of all classes, float64, shape ``(batch, classes)``, in order;
            it may take some batches ahead.
        at_once: Pictures in a batch, at most.

    Yields:
        What the network says of each image, in order.
    """
    waiting: deque[tuple[Key, Interventions]] = deque()

    def batches() -> Iterator[list[NDArray[Any]]]:
        for key, made in images:
            waiting.append((key, made))
            pictures = list(made.pictures.values())
            yield from (pictures[start : start + at_once] for start in range(0, len(pictures), at_once))

    rows: list[NDArray[np.float64]] = []
    for result in predict(batches()):
        rows.extend(result)
        key, made = waiting[0]
        if len(rows) == len(made.pictures):
            waiting.popleft()
            yield key, Readings(dict(zip(made.pictures, rows, strict=True)), made.reasons)
            rows = []
