"""Interventions on the radiographs of a table: read, changed and predicted in streams."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import torch

from btxrd_explain.model.intervene import Key, read_conditions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from btxrd_explain.core.intervention import Interventions, Readings
    from btxrd_explain.inference.compute import Explainer


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run takes at most.

    Attributes:
        pictures: Radiographs and changed radiographs.
        passes: Batches of them.
        seconds: How long the network takes for them on this machine, by one batch.
    """

    pictures: int
    passes: int
    seconds: float


def cost_of(explainer: Explainer, pictures: Sequence[int]) -> Cost:
    """Estimate what radiographs cost, from the second of two batches without content.

    Args:
        explainer: The network.
        pictures: How many pictures each radiograph has, its own included.
    """
    preprocessing = explainer.classifier.preprocessing
    empty = torch.zeros(min(explainer.batch_size, max(pictures)), len(preprocessing.mean), *preprocessing.size)
    began = 0.0
    for _ in range(2):
        began = time.perf_counter()
        explainer.limit.run(explainer.log_odds, empty)
    per_pass = time.perf_counter() - began
    passes = sum(-(-count // explainer.batch_size) for count in pictures)
    return Cost(sum(pictures), passes, passes * per_pass / explainer.streams)


def read_interventions(
    explainer: Explainer, images: Iterable[tuple[Key, Interventions]], passes: int
) -> Iterator[tuple[Key, Readings]]:
    """Predict all conditions of images.

    Args:
        explainer: The network.
        images: The conditions of each image; pictures are uint8.
        passes: How many batches they fill, at most.

    Returns:
        What the network says of each, in order.
    """
    cv2.setNumThreads(1)  # images are changed side by side, which shares the cores

    def predict(own: Explainer, batch: list[NDArray[Any]]) -> NDArray[np.float64]:
        preprocessing = own.classifier.preprocessing
        tensor = own.stacked([preprocessing.normalised(picture) for picture in batch])
        return torch.cat(own.limit.run(own.log_odds, tensor)).numpy()

    return read_conditions(
        images, lambda batches: explainer.side_by_side(predict, batches, passes), explainer.batch_size
    )
