"""Examples of a gallery: from a row of the table to the cell of a picture grid."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.core.selection import Outcome
from btxrd_explain.errors import RadiographError
from btxrd_explain.evaluation.decisions import outcome_of_row
from btxrd_explain.evaluation.protocol import lesion_rules, no_lesion_of
from btxrd_explain.outputs.gallery_figure import Cell, Picture, Row, cell_pixels
from btxrd_explain.outputs.marks import Marks, hottest_of, inset_of, inset_window, outlines_of, seen_box
from btxrd_explain.outputs.overlay import as_rgb, create_overlay, shrunk
from btxrd_explain.outputs.style import picture_dpi

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from btxrd_explain.evaluation.decisions import Decisions
    from btxrd_explain.inference.explained import ExplainedImage
    from btxrd_explain.inference.selection import Selected
    from btxrd_explain.predictions.record import Prediction
    from btxrd_explain.progress import Listener
    from btxrd_explain.settings import Settings

_MEANINGS = {
    Outcome.TP: "{0}, rightly predicted",
    Outcome.FP: "another class, taken for {0}",
    Outcome.FN: "{0}, taken for another class",
}
_MEANINGS_OF_CLASS = {
    Outcome.TP: "{0} is true and predicted",
    Outcome.FP: "{0} is predicted and not true",
    Outcome.FN: "{0} is true and not predicted",
}
"""Of a class that excludes no other."""


@dataclass(frozen=True, slots=True)
class ExamplePainter:
    """Turns examples into the cells of a picture grid.

    Attributes:
        images: The images of all examples, by ``image_id``.
        selected: Where their annotations are.
        settings: Colours, resolution, and which shapes of an annotation count.
        listener: Told of files that cannot be used.
        decisions: The threshold of each class of a multi-label table; None where classes exclude each other.
    """

    images: Mapping[str, ExplainedImage]
    selected: Selected
    settings: Settings
    listener: Listener
    decisions: Decisions | None = None

    def rule_of(self, class_index: int) -> str:
        """Return what the title of a class's figure says of its threshold."""
        return "" if self.decisions is None else f" (probability >= {self.decisions.thresholds[class_index]:.3g})"

    def line(self, outcome: Outcome, rows: Iterable[Prediction], of_class: int, available: int) -> Row:
        """Return a row of the grid: the examples of one outcome, of ``available`` that there are."""
        cells = tuple(self.cell(outcome, row, of_class) for row in rows)
        name = self.selected.table.provenance.class_names[of_class]
        meaning = (_MEANINGS if self.decisions is None else _MEANINGS_OF_CLASS)[outcome].format(name)
        return Row(str(outcome), cells, available, meaning)

    def cell(self, outcome: Outcome, row: Prediction, class_index: int) -> Cell:
        """Paint one example; a false negative shows the predicted and the true class side by side.

        Where classes do not exclude each other, the class of the figure is shown alone.
        """
        image = self.images[row.image_id]
        predicted = row.predicted if row.predicted is not None else class_index
        shown = [predicted, class_index] if outcome is Outcome.FN else [predicted]
        title = title_of(outcome, row, image)
        if self.decisions is not None:
            shown, title = [class_index], title_of_class(outcome, row, class_index, self.decisions)
        try:
            pixels = image.radiograph().pixels
        except RadiographError as error:
            self.listener.failed(row.image_id, "not shown", str(error))
            return Cell((), title, f"{row.image_id} (not readable any more)")
        verdict = self._verdict(row)
        lesions = self._lesions(image)
        pictures = [self._picture(image, pixels, index, lesions) for index in shown]
        return Cell(tuple(pictures), title, f"{verdict}: {row.image_id}" if verdict else row.image_id)

    def _verdict(self, row: Prediction) -> str | None:
        """Return what the prediction is worth to a reader, seen from no class: in the words of the page."""
        names = self.selected.table.provenance.class_names
        return outcome_of_row(row, names, no_lesion_of(self.settings), self.decisions)

    def _lesions(self, image: ExplainedImage) -> tuple[NDArray[np.bool_], ...]:
        """Return the lesions of an example; none without an annotation that can be used."""
        rules = lesion_rules(self.settings, image.table.provenance.class_names)
        return tuple(self.selected.lesions_of(image.row, image.frame.original, rules, self.listener) or ())

    def _picture(
        self, image: ExplainedImage, pixels: NDArray[np.uint8], index: int, lesions: Sequence[NDArray[np.bool_]]
    ) -> Picture:
        """Paint the heat map of a class over a radiograph, at the size at which it is shown."""
        heat, output = image.heat_map(index), self.settings.output
        small, small_heat = shrunk(pixels, heat.values, cell_pixels(picture_dpi(output.format, output.dpi)))
        caption = f"map of {image.class_name(index)}"
        marks = Marks(tuple(line for lesion in lesions for line in outlines_of(lesion)), seen=seen_box(image.frame))
        window = inset_window(np.logical_or.reduce(lesions)) if lesions else None
        colours: dict[str, Any] = {"alpha": output.alpha, "colormap": output.colormap}
        if heat.status is not MapStatus.OK:
            inset = None if window is None else inset_of(as_rgb(pixels[window]), window, pixels.shape)
            return Picture(as_rgb(small), caption, str(heat.status), replace(marks, inset=inset))
        if window is not None:
            part = create_overlay(pixels[window], heat.values[window], **colours)
            marks = replace(marks, inset=inset_of(part, window, pixels.shape))
        marks = replace(marks, hottest=hottest_of(heat.values))
        return Picture(create_overlay(small, small_heat, **colours), caption, marks=marks)


def title_of_class(outcome: Outcome, row: Prediction, class_index: int, decisions: Decisions) -> str:
    """Return the same where classes do not exclude each other: all true -> all predicted (probability of the class)."""
    true, said = (", ".join(decisions.names_of(of(row))) or "none" for of in (decisions.true, decisions.said))
    probability = 0.0 if row.probabilities is None else row.probabilities[class_index]
    return f"{outcome}: {true} -> {said} ({probability:.2f})"


def title_of(outcome: Outcome, row: Prediction, image: ExplainedImage) -> str:
    """Return the title of an example, such as ``TP: Benign -> Benign (0.93)``: true -> predicted (confidence)."""
    predicted = "none" if row.predicted is None else image.class_name(row.predicted)
    return f"{outcome}: {row.label} -> {predicted} ({row.confidence:.2f})"
