"""Changed radiographs through a network: pictures of several images share batches, and come back image by image."""

from __future__ import annotations

from collections import deque
from itertools import islice
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
    """Predict all conditions of images, in full batches.

    Args:
        images: The conditions of each image, with whatever tells it from the others.
        predict: From batches of pictures to the log-odds of all classes, float64, shape ``(batch, classes)``, in order;
            it may take some batches ahead.
        at_once: Pictures in a batch.

    Yields:
        What the network says of each image, in order.
    """
    waiting: deque[tuple[Key, Interventions]] = deque()

    def pictures() -> Iterator[NDArray[Any]]:
        for key, made in images:
            waiting.append((key, made))
            yield from made.pictures.values()

    left = pictures()
    batches = iter(lambda: list(islice(left, at_once)), [])
    rows: deque[NDArray[np.float64]] = deque()
    for result in predict(batches):
        rows.extend(result)
        while waiting and len(rows) >= len(waiting[0][1].pictures):
            key, made = waiting.popleft()
            yield key, Readings({condition: rows.popleft() for condition in made.pictures}, made.reasons)
