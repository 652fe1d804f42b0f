"""The images on which heat maps are checked, and their maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.choices import Space
from btxrd_explain.core.heatmap import HeatMap, MapStatus, heat_map
from btxrd_explain.inference.reading import read_ahead
from btxrd_explain.inputs.radiograph import read_radiograph

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from btxrd_explain.core.geometry import Frame
    from btxrd_explain.inference.compute import Explainer
    from btxrd_explain.inputs.record import ImageRecord
    from btxrd_explain.progress import Listener


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """An image whose heat map is checked.

    Attributes:
        image_id: Its name.
        label: Its true class; None where it is not known.
        annotated: Whether it has an annotation.
        frame: How it maps to the network's input.
        tensor: The network's input, float32, shape ``(channels, height, width)``.
        target: Index of the class whose map is checked: the one that the trained network predicts.
        confidence: Its probability.
        original: The map of the trained network, on the network's input.
        picture: The radiograph resized as the network's input, uint8; None where that is the tensor, denormalised.
    """

    image_id: str
    label: str | None
    annotated: bool
    frame: Frame
    tensor: NDArray[np.float32]
    target: int
    confidence: float
    original: HeatMap
    picture: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """The images of a check.

    Attributes:
        subjects: Images with a heat map, in the order of their names.
        excluded: ``(image_id, reason)`` of those that were drawn but have none.
    """

    subjects: tuple[Subject, ...]
    excluded: tuple[tuple[str, str], ...]


def draw_records(records: Iterable[ImageRecord], count: int, seed: int) -> list[ImageRecord]:
    """Draw images at random, the annotated ones first.

    Args:
        records: The images to draw from.
        count: How many at most.
        seed: Seed of the draw.

    Returns:
        The images, in the order of their names.
    """
    known = sorted(records, key=lambda record: record.image_id)
    lots = np.random.default_rng(seed).random(len(known))
    drawn = sorted(zip(known, lots, strict=True), key=lambda pair: (pair[0].annotation is None, pair[1]))[:count]
    return sorted((record for record, _ in drawn), key=lambda record: record.image_id)


def load_sample(records: Sequence[ImageRecord], explainer: Explainer, folder: Path, listener: Listener) -> Sample:
    """Read images, and explain the class that the network predicts for each.

    Args:
        records: The images.
        explainer: The trained network.
        folder: Folder of the results.
        listener: Told of files that cannot be read.
    """
    paths = {record.image_id: record.path for record in records}
    annotated = {record.image_id for record in records if record.annotation is not None}
    preprocessing = explainer.classifier.preprocessing
    prepared = list(read_ahead(records, preprocessing, folder=folder, window=2 * explainer.batch_size))
    for row in (item.row for item in prepared if item.tensor is None):
        listener.failed(row.image_id, row.status, row.error or "")
    readable = [(item.row, item.tensor) for item in prepared if item.tensor is not None]
    explained = _explained(explainer, [tensor for _, tensor in readable])
    subjects = []
    excluded = [(item.row.image_id, item.row.error or "") for item in prepared if item.tensor is None]
    for (row, tensor), (probabilities, grids, statuses) in zip(readable, explained, strict=True):
        if row.size is None:
            raise ValueError(f"'{row.image_id}' has no size")
        frame, target = preprocessing.frame(row.size), int(probabilities.argmax())
        original = heat_map(grids[0], frame, status=statuses[target], space=Space.INPUT)
        if original.status is MapStatus.OK:
            facts = (row.image_id, row.label, row.image_id in annotated, frame, tensor, target)
            picture = None
            if preprocessing.changes_values:
                radiograph = read_radiograph(paths[row.image_id], preprocessing.needed)
                picture = preprocessing.picture(radiograph.pixels, radiograph.size)
            subjects.append(Subject(*facts, float(probabilities[target]), original, picture))
        else:
            excluded.append((row.image_id, f"its heat map is empty: {original.status}"))
    return Sample(tuple(subjects), tuple(excluded))


def maps_of(explainer: Explainer, subjects: Sequence[Subject]) -> list[HeatMap]:
    """Return the maps that a network gives for the same images and classes, on the network's input."""
    return [heat for _, heat in readings_of(explainer, subjects)]


def readings_of(explainer: Explainer, subjects: Sequence[Subject]) -> list[tuple[int, HeatMap]]:
    """Return the same maps, each after the class that the network predicts."""
    targets = [subject.target for subject in subjects]
    explained = _explained(explainer, [subject.tensor for subject in subjects], targets)
    return [
        (
            int(probabilities.argmax()),
            heat_map(grids[0], subject.frame, status=statuses[subject.target], space=Space.INPUT),
        )
        for subject, (probabilities, grids, statuses) in zip(subjects, explained, strict=True)
    ]


def _explained(
    explainer: Explainer, tensors: Sequence[NDArray[np.float32]], targets: Sequence[int] | None = None
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32], tuple[MapStatus, ...]]]:
    """Yield of each image probabilities, the grid of its target or predicted class alone, and statuses."""
    for start in range(0, len(tensors), explainer.batch_size):
        batch = explainer.stacked(tensors[start : start + explainer.batch_size])

        def choose(places: Sequence[int], probabilities: NDArray[np.float32], start: int = start) -> list[list[int]]:
            if targets is None:
                return [[index] for index in probabilities.argmax(axis=1).tolist()]
            return [[targets[start + place]] for place in places]

        for part in explainer.explain(batch, choose):
            yield from zip(part.probabilities, part.grids, part.statuses, strict=True)
