"""What numbers of a classifier look like where something around it is wrong, with bounds on crying wolf.

Each function answers one question about predictions and says no where the images are too few to tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from math import comb, exp, factorial, log
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

LEVEL = 1e-4
"""Probability with which predictions that have nothing to do with the labels may look exchanged."""
LEAST_RECALL = 0.5
"""Fraction of each exchanged class that must be right after the exchange."""
_MOST_PERMUTED = 6
"""Up to so many classes all orders are tried, 720 of them; of more classes only pairs are exchanged."""
_SAME = 1e-3


@dataclass(frozen=True, slots=True)
class Exchange:
    """Another order of the classes, by which predictions agree with the labels that they now contradict.

    Attributes:
        order: The class that is meant where the network says class ``i``, for each ``i``.
        moved: The classes that change.
        images: Images that are both of one of these classes and predicted as one of them.
        accuracy: Fraction of these images that is right now.
        chance: What it would be if predictions had nothing to do with labels.
        exchanged: Fraction of them that is right after the exchange.
    """

    order: tuple[int, ...]
    moved: tuple[int, ...]
    images: int
    accuracy: float
    chance: float
    exchanged: float


def tail_bound(share: float, chance: float, count: int) -> float:
    """Bound the probability of a fraction as far from chance as this one, or further on the same side.

    ``exp(-n KL(share || chance))`` with the relative entropy ``KL`` of two coins: Chernoff's bound, which by
    Hoeffding, J Am Stat Assoc 58:13 (1963), also holds for draws without replacement.

    Args:
        share: Fraction of the images that was found, in [0, 1].
        chance: Share that is expected, in [0, 1].
        count: Number of images.

    >>> f"{tail_bound(1.0, 0.5, 10):.6f}"
    '0.000977'
    """
    entropy = 0.0
    for found, expected in ((share, chance), (1 - share, 1 - chance)):
        if found > 0:
            if expected <= 0:
                return 0.0
            entropy += found * log(found / expected)
    return exp(-count * max(entropy, 0.0))


def find_exchange(confusion: NDArray[np.int64]) -> Exchange | None:
    """Find the order of classes by which predictions agree with the labels, where the present one is wrong.

    Looked at are the images that both label and prediction put among the classes to be exchanged: there accuracy must
    lie below chance, and after the exchange above it, each by more than chance explains (``LEVEL``, divided by the
    number of orders tried), and after the exchange at least half of each of the classes must be right. A classifier
    that knows nothing, or that always says the same, passes none of this; neither do few images.

    Args:
        confusion: Number of images, int64, shape ``(classes, classes)``, ``confusion[true, predicted]``.

    Returns:
        The exchange after which most images are right; None where the present order holds or nothing tells.
    """
    classes = len(confusion)
    tried = factorial(classes) - 1 if classes <= _MOST_PERMUTED else comb(classes, 2)
    judged = (_judge(confusion, order, LEVEL / tried) for order in _orders(confusion))
    found = [exchange for exchange in judged if exchange is not None]
    return max(found, key=lambda exchange: exchange.images * exchange.exchanged, default=None)


def _orders(confusion: NDArray[np.int64]) -> Iterator[tuple[int, ...]]:
    """Yield the orders to be tried: ``order[i]`` is the class that is predicted for images of class ``i``.

    Of many classes only the pairs that would gain by it.
    """
    classes = len(confusion)
    if classes <= _MOST_PERMUTED:
        yield from (order for order in permutations(range(classes)) if order != tuple(range(classes)))
        return
    own = confusion.diagonal()
    gains = confusion + confusion.T > own + own[:, None]
    for first, second in np.argwhere(np.triu(gains, 1)):
        order = list(range(classes))
        order[first], order[second] = second, first
        yield tuple(order)


def _judge(confusion: NDArray[np.int64], order: tuple[int, ...], level: float) -> Exchange | None:
    """Return the exchange that an order makes, where chance does not explain it."""
    moved = [index for index, said in enumerate(order) if index != said]
    among = confusion[np.ix_(moved, moved)]
    places = [moved.index(order[index]) for index in moved]
    labelled, images = among.sum(axis=1), int(among.sum())
    if not labelled.all():
        return None
    own, after = among.diagonal(), among[np.arange(len(moved)), places]
    predicted = among.sum(axis=0)
    chance = float(labelled @ predicted) / images**2
    chance_after = float(labelled @ predicted[places]) / images**2
    accuracy, exchanged = float(own.sum()) / images, float(after.sum()) / images
    if not (accuracy < chance and exchanged > chance_after and (after >= LEAST_RECALL * labelled).all()):
        return None
    if max(tail_bound(accuracy, chance, images), tail_bound(exchanged, chance_after, images)) > level:
        return None
    meant = np.argsort(order)
    return Exchange(tuple(meant.tolist()), tuple(moved), images, accuracy, chance, exchanged)


def are_constant(probabilities: NDArray[np.float32]) -> bool:
    """Return whether all images have the same scores: their logarithms differ by less than a thousandth in each class.

    Logarithms, for sure and right predictions are all near 1 without being the same.

    Args:
        probabilities: Softmax per class, float32, shape ``(images, classes)``, finite.

    >>> are_constant(np.float32([[0.2, 0.8], [0.2, 0.8]])), are_constant(np.float32([[1e-6, 1], [1e-8, 1]]))
    (True, False)
    """
    scores = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
    return bool(np.ptp(scores, axis=0).max() <= _SAME)


def are_undecided(probabilities: NDArray[np.float32], margin: float = 0.05) -> bool:
    """Return whether no image has a class that is more probable than an even fraction by more than a margin.

    Args:
        probabilities: Softmax per class, float32, shape ``(images, classes)``, finite.
        margin: How much more probable.
    """
    return bool(probabilities.max() <= 1 / probabilities.shape[1] + margin)


def saturated(probabilities: NDArray[np.float32], gap: float = 1e-6) -> NDArray[np.bool_]:
    """Return in which images a class has all the probability that float32 can tell from 1.

    Args:
        probabilities: Softmax per class, float32, shape ``(images, classes)``, finite.
        gap: What may be missing to 1.

    Returns:
        Boolean array of shape ``(images,)``.
    """
    return np.asarray(probabilities.max(axis=1) >= 1 - gap)


def are_identical(grids: NDArray[np.float32]) -> bool:
    """Return whether all images have the same heat maps, but for their scale.

    Args:
        grids: Raw class-activation grids, float32, shape ``(images, classes, rows, columns)``.

    Returns:
        True where each image's grids, divided by their largest absolute value, differ from those of the first by at
        most a thousandth; False where an image's are all 0 or not finite.
    """
    peaks = np.abs(grids).max(axis=(1, 2, 3), keepdims=True)
    if not np.isfinite(grids).all() or not peaks.all():
        return False
    scaled = grids / peaks
    return bool(np.abs(scaled - scaled[0]).max() <= _SAME)
