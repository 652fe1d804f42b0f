"""From a row of the table to what is exported of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.choices import Space
from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.core.labels import joined
from btxrd_explain.core.metrics import region_of
from btxrd_explain.core.overlap import count_overlap
from btxrd_explain.errors import InputError
from btxrd_explain.inference.explained import ExplainedImage
from btxrd_explain.inference.plan import unchanged
from btxrd_explain.outputs.export.item import Attention, ExportedImage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from btxrd_explain.evaluation.protocol import Protocol
    from btxrd_explain.inference.selection import Selected
    from btxrd_explain.predictions.record import Prediction
    from btxrd_explain.progress import Listener
    from btxrd_explain.settings import Settings


@dataclass(frozen=True, slots=True)
class ImageMaker:
    """Makes what is exported of an image.

    Attributes:
        selected: The table, and where annotations are.
        settings: Whose heat maps, and on which pixels.
        protocol: What makes a region, and which shapes are lesions.
        listener: Told of annotations that cannot be used.
    """

    selected: Selected
    settings: Settings
    protocol: Protocol
    listener: Listener

    def regions(self, row: Prediction) -> ExportedImage:
        """Return an image with the regions of its heat maps, and its lesions.

        Raises:
            InputError: It has no prediction or no such class.
        """
        image = self._image(row)
        lesions = self.selected.lesions_of(row, image.frame.original, self.protocol.rules, self.listener)
        parts = tuple(self._region(image, index, lesions) for index in self._classes(image))
        return self._exported(image, parts, lesions)

    def maps(self, row: Prediction) -> ExportedImage:
        """Return an image with its heat maps on the pixels asked for.

        Raises:
            InputError: It has no prediction or no such class.
        """
        image = self._image(row)
        return self._exported(image, tuple(self._map(image, index) for index in self._classes(image)), None)

    def _image(self, row: Prediction) -> ExplainedImage:
        if row.predicted is None:
            raise InputError(f"'{row.image_id}' has no prediction ({row.error or 'its scores are not finite'})")
        path = self.selected.table.image_path(row)
        verify = self.settings.run.verify
        if row.stamp is not None and path.exists() and not unchanged(row, path, verify=verify):  # a lost one may be
            raise InputError(f"'{path}' has changed since it was predicted", hint="run 'btxrd-explain infer' again")
        return ExplainedImage.of(row, self.selected.table)

    def _classes(self, image: ExplainedImage) -> list[int]:
        """Return the classes whose heat maps are exported; none where a multi-label table says that there is none."""
        names, wanted = image.table.provenance.class_names, self.settings.export.classes
        decisions = self.protocol.decisions
        if wanted == "all":
            return [index for index, computed in enumerate(image.row.computed) if computed]
        if decisions is not None:
            asked = decisions.said(image.row) if wanted == "predicted" else decisions.true(image.row)
            return [self._computed(image, index) for index in asked]
        if wanted == "predicted":
            return [self._computed(image, image.row.predicted or 0)]
        if image.row.label not in names:
            raise InputError(f"'{image.row.image_id}' has no known true class", hint="export --classes predicted")
        return [self._computed(image, names.index(image.row.label))]

    @staticmethod
    def _computed(image: ExplainedImage, index: int) -> int:
        if not image.row.computed[index]:
            raise InputError(
                f"the heat map of '{image.class_name(index)}' of '{image.row.image_id}' was not computed",
                hint="run 'btxrd-explain infer' with --explain-classes",
            )
        return index

    def _region(self, image: ExplainedImage, index: int, lesions: tuple[NDArray[np.bool_], ...] | None) -> Attention:
        heat = image.heat_map(index)
        region = np.zeros(image.frame.original, bool)
        iou = None
        if heat.status is MapStatus.OK:
            region = region_of(heat.values, self.protocol.threshold)
            iou = count_overlap(region, np.logical_or.reduce(lesions)).iou if lesions else None
        return Attention(
            image.class_name(index), _probability(image, index), heat.values, heat.status, heat.peak, region, iou
        )

    def _map(self, image: ExplainedImage, index: int) -> Attention:
        size = self.settings.export.map_size
        heat = image.heat_map(index, space=Space.INPUT if size == "input" else Space.ORIGINAL)
        values = heat.values
        grid = image.row.grid(index)
        if size == "grid" and grid is not None:
            values, grid = grid, None
        name, probability = image.class_name(index), _probability(image, index)
        return Attention(name, probability, values, heat.status, heat.peak, grid=grid)

    def _exported(
        self, image: ExplainedImage, parts: tuple[Attention, ...], lesions: tuple[NDArray[np.bool_], ...] | None
    ) -> ExportedImage:
        row, decisions = image.row, self.protocol.decisions
        label: str | None
        label, predicted = row.label, image.class_name(row.predicted or 0)
        if decisions is not None:
            known = None not in decisions.truths(row)
            label = joined(decisions.names_of(decisions.true(row))) if known else None
            predicted = joined(decisions.names_of(decisions.said(row)))
        return ExportedImage(
            image_id=row.image_id,
            path=image.table.image_path(row).absolute(),
            size=image.frame.original,
            label=label,
            predicted=predicted,
            confidence=row.confidence or 0.0,
            attention=parts,
            lesions=lesions,
        )


def _probability(image: ExplainedImage, index: int) -> float:
    return 0.0 if image.row.probabilities is None else float(image.row.probabilities[index])
