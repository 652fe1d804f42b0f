"""Examples of a gallery: from a row of the table to the cell of a picture grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.core.selection import Outcome
from btxrd_explain.errors import AnnotationError, RadiographError
from btxrd_explain.inputs.annotation_source import read_lesions
from btxrd_explain.outputs.gallery_figure import Cell, Picture, Row, cell_pixels
from btxrd_explain.outputs.outline import outlines_of
from btxrd_explain.outputs.overlay import as_rgb, create_overlay, shrunk
from btxrd_explain.outputs.style import picture_dpi
from btxrd_explain.workflows.lesion_rules import lesion_rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from btxrd_explain.inputs.annotation_place import AnnotationPlace
    from btxrd_explain.outputs.outline import Outlines
    from btxrd_explain.predictions.record import Prediction
    from btxrd_explain.settings import Settings
    from btxrd_explain.workflows.explained import ExplainedImage
    from btxrd_explain.workflows.progress import Listener


@dataclass(frozen=True, slots=True)
class ExamplePainter:
    """Turns examples into the cells of a picture grid.

    Attributes:
        images: The images of all examples, by ``image_id``.
        annotations: Where their annotations are, of those that have one.
        settings: Colours, resolution, and which shapes of an annotation count.
        listener: Told of files that cannot be used.
    """

    images: Mapping[str, ExplainedImage]
    annotations: Mapping[str, AnnotationPlace]
    settings: Settings
    listener: Listener

    def line(self, outcome: Outcome, rows: Iterable[Prediction], of_class: int, available: int) -> Row:
        """Return a row of the grid: the examples of one outcome, of ``available`` that there are."""
        return Row(str(outcome), tuple(self.cell(outcome, row, of_class) for row in rows), available)

    def cell(self, outcome: Outcome, row: Prediction, class_index: int) -> Cell:
        """Paint one example; a false negative shows the predicted and the true class side by side."""
        image = self.images[row.image_id]
        title = title_of(outcome, row, image)
        predicted = row.predicted if row.predicted is not None else class_index
        shown = [predicted, class_index] if outcome is Outcome.FN else [predicted]
        try:
            pixels = image.radiograph().pixels
        except RadiographError as error:
            self.listener.failed(row.image_id, "not shown", str(error))
            return Cell((), title, f"{row.image_id} (not readable any more)")
        annotation = self._annotation(image)
        pictures = [self._picture(image, pixels, index, annotation) for index in shown]
        return Cell(tuple(pictures), title, row.image_id)

    def _annotation(self, image: ExplainedImage) -> Outlines:
        """Return the outlines of an example's annotation; none where there is none that can be used."""
        place = self.annotations.get(image.row.image_id)
        if place is None:
            return ()
        try:
            lesions = read_lesions(place, image.frame.original, lesion_rules(self.settings.annotation))
            return tuple(line for lesion in lesions for line in outlines_of(lesion))
        except AnnotationError as error:
            self.listener.note(str(error))
            return ()

    def _picture(self, image: ExplainedImage, pixels: NDArray[np.uint8], index: int, annotation: Outlines) -> Picture:
        """Paint the heat map of a class over a radiograph, at the size at which it is shown."""
        heat, output = image.heat_map(index), self.settings.output
        small, small_heat = shrunk(pixels, heat.values, cell_pixels(picture_dpi(output.format, output.dpi)))
        caption = f"map of {image.class_name(index)}"
        if heat.status is not MapStatus.OK:
            return Picture(as_rgb(small), caption, str(heat.status), annotation)
        overlay = create_overlay(small, small_heat, alpha=output.alpha, colormap=output.colormap)
        return Picture(overlay, caption, annotation=annotation)


def title_of(outcome: Outcome, row: Prediction, image: ExplainedImage) -> str:
    """Return the title of an example, such as ``TP: Benign -> Benign (0.93)``: true -> predicted (confidence)."""
    predicted = "none" if row.predicted is None else image.class_name(row.predicted)
    return f"{outcome}: {row.label} -> {predicted} ({row.confidence:.2f})"
