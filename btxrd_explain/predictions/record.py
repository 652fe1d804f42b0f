"""One row of the predictions table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from btxrd_explain.core.labels import USUAL_THRESHOLD, joined, truths
from btxrd_explain.plain import short_repr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from btxrd_explain.core.geometry import Size
    from btxrd_explain.core.heatmap import MapStatus


class RowStatus(StrEnum):
    """What became of an image."""

    OK = "ok"
    UNREADABLE = "unreadable"
    """The file exists but is not a readable radiograph."""
    MISSING = "missing"
    """The file was named, but does not exist."""
    NON_FINITE = "non_finite"
    """The network's scores for it are NaN or infinite."""


@dataclass(frozen=True, slots=True)
class FileStamp:
    """What identifies a file's content, and what lets an unchanged file be recognised without reading it.

    Attributes:
        size: Bytes.
        mtime_ns: Time of the last change, in nanoseconds.
        sha256: Hash of the content; None where it could not be read.
    """

    size: int
    mtime_ns: int
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is known of one image.

    Attributes:
        image_id: Unique name within the table, such as ``IMG000046.jpeg``.
        path: Where the file is, as a path relative to the table's folder (absolute on another drive).
        label: True class, where known, or what is said of several (:mod:`btxrd_explain.core.labels`).
        split: Split that the image belongs to, where known.
        status: What became of the image.
        error: Why it has no prediction; None where it has one.
        stamp: The file's content; None for a missing file.
        size: Height and width of the radiograph after EXIF rotation; None where it could not be read.
        frames: Number of images in its file, of which the first one counts; None where that is not known.
        probabilities: Probability per class, float32, shape ``(classes,)``; None without a prediction.
        grids: Raw class-activation grids of the classes whose status is not ``not_computed``, in the network's order,
            float32, shape ``(computed, rows, columns)``; None where a prediction is missing, or without its grids.
        grid_statuses: What each class's grid is worth; see :meth:`grid`.
        member_stds: Of an ensemble the standard deviation of each class's probability over the members (the root of
            the mean squared distance from their mean), float32, shape ``(classes,)``; None without a prediction, and of
            a single network.
        map_agreements: Of an ensemble the mean correlation of the heat maps of two members, for each class, in [-1, 1],
            float32, shape ``(classes,)``; NaN where a member has none. None as above.
        random_channels: Grids of the same activations with random channel weights, each divided by its largest
            magnitude, float32, shape ``(draws, rows, columns)``; 0 where a draw says nothing, NaN where it is not
            finite. None where they were not computed, or without its grids.
    """

    image_id: str
    path: str
    label: str | None
    split: str | None
    status: RowStatus
    error: str | None = None
    stamp: FileStamp | None = None
    size: Size | None = None
    frames: int | None = None
    probabilities: NDArray[np.float32] | None = None
    grids: NDArray[np.float32] | None = None
    grid_statuses: tuple[MapStatus, ...] = ()
    member_stds: NDArray[np.float32] | None = None
    map_agreements: NDArray[np.float32] | None = None
    random_channels: NDArray[np.float32] | None = None

    __repr__ = short_repr

    @property
    def predicted(self) -> int | None:
        """Index of the most probable class (the first of equals); None without a finite prediction."""
        if self.probabilities is None or not np.isfinite(self.probabilities).all():
            return None
        return int(np.argmax(self.probabilities))

    @property
    def least_probable(self) -> int | None:
        """Index of the least probable class (the first of equals); None without a finite prediction, or one class."""
        if self.predicted is None or self.probabilities is None or len(self.probabilities) < 2:
            return None
        return int(np.argmin(self.probabilities))

    @property
    def explained(self) -> bool:
        """Whether it has heat maps; imported ones may come without a prediction."""
        return self.status is RowStatus.OK and any(self.computed)

    @property
    def confidence(self) -> float | None:
        """Probability of the predicted class, in [0, 1]; None without a prediction."""
        predicted = self.predicted
        if predicted is None or self.probabilities is None:
            return None
        return float(self.probabilities[predicted])

    def predicted_text(self, class_names: Sequence[str], *, multi_label: bool = False) -> str | None:
        """Return the predicted class as one text; None without a prediction.

        Args:
            class_names: Names of the classes, in the network's order.
            multi_label: Whether the classes do not exclude each other: all of at least 0.5 are joined, perhaps none.
        """
        if self.predicted is None:
            return None
        return joined(self._predicted_classes(class_names)) if multi_label else class_names[self.predicted]

    @property
    def content(self) -> str:
        """What tells its content from others': the file's hash, or its ``image_id`` where there is none."""
        return (self.stamp and self.stamp.sha256) or self.image_id

    @property
    def computed(self) -> tuple[bool, ...]:
        """For each class whether its grid was computed."""
        return tuple(status != "not_computed" for status in self.grid_statuses)

    def grid(self, class_index: int) -> NDArray[np.float32] | None:
        """Return the raw grid of a class, float32, shape ``(rows, columns)``; None where it was not computed."""
        computed = self.computed
        if self.grids is None or not computed[class_index]:
            return None
        grid: NDArray[np.float32] = self.grids[sum(computed[:class_index])]
        return grid

    def member_std(self, class_index: int | None) -> float | None:
        """Return the standard deviation of a class's probability over an ensemble's members; None where undefined."""
        return _defined(self.member_stds, class_index)

    def map_agreement(self, class_index: int | None) -> float | None:
        """Return how far the heat maps of a class by an ensemble's members agree; None where that is undefined."""
        return _defined(self.map_agreements, class_index)

    def without_grids(self) -> Prediction:
        """Return the row without what is heavy."""
        return replace(self, grids=None, random_channels=None)

    def document(
        self, class_names: Sequence[str], *, multi_label: bool = False, ensemble: bool = False
    ) -> dict[str, Any]:
        """Return the row as plain JSON values, without its grids; what is undefined is None.

        Args:
            class_names: Names of the classes, in the network's order.
            multi_label: Whether the classes do not exclude each other. Then ``class`` lists all whose probability is at
                least 0.5, ``confidence`` is None, ``heat_map`` is that of the most probable class, and ``labels`` says
                of each class whether it is true, or None where that is not known.
            ensemble: Whether several networks predict together. Then ``spread`` says how far apart they are:
                ``probabilities``, the standard deviation of each class; ``true_class``, that of the true class;
                ``map_agreement``, the mean correlation of their heat maps of the class that ``heat_map`` is of.
        """
        predicted = self.predicted
        probabilities = None if predicted is None or self.probabilities is None else self.probabilities.tolist()
        return {
            "image_id": self.image_id,
            "path": self.path,
            "status": self.status,
            "error": self.error,
            "label": self.label,
            "split": self.split,
            "class": None if predicted is None else class_names[predicted],
            "confidence": self.confidence,
            "probabilities": probabilities and dict(zip(class_names, probabilities, strict=True)),
            "heat_map": None if predicted is None else self.grid_statuses[predicted],
            "height": self.size and self.size.height,
            "width": self.size and self.size.width,
            "sha256": self.stamp and self.stamp.sha256,
            **(self._classes(class_names) if multi_label else {}),
            **({"spread": self._spread(class_names)} if ensemble else {}),
        }

    def _spread(self, class_names: Sequence[str]) -> dict[str, Any]:
        """Return how far apart the members of an ensemble are."""
        stds = [self.member_std(index) for index in range(len(class_names))]
        true = class_names.index(self.label) if self.label in class_names else None
        return {
            "probabilities": None if self.member_stds is None else dict(zip(class_names, stds, strict=True)),
            "true_class": self.member_std(true),
            "map_agreement": self.map_agreement(self.predicted),
        }

    def _classes(self, class_names: Sequence[str]) -> dict[str, Any]:
        """Return what is said of classes that do not exclude each other."""
        return {
            "class": None if self.predicted is None else self._predicted_classes(class_names),
            "confidence": None,
            "labels": dict(zip(class_names, truths(self.label, class_names), strict=True)),
        }

    def _predicted_classes(self, class_names: Sequence[str]) -> list[str]:
        """Return all classes whose probability is at least 0.5."""
        if self.probabilities is None:
            return []
        pairs = zip(class_names, self.probabilities.tolist(), strict=True)
        return [name for name, probability in pairs if probability >= USUAL_THRESHOLD]


def _defined(values: NDArray[np.float32] | None, index: int | None) -> float | None:
    """Return one of some values; None where it or all of them are undefined."""
    if values is None or index is None or not np.isfinite(values[index]):
        return None
    return float(values[index])
