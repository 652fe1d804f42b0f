"""Overlays of images that were named one by one."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.errors import RadiographError
from btxrd_explain.files import write_bytes
from btxrd_explain.workflows.explained import ExplainedImage
from btxrd_explain.workflows.naming import file_name_of_image

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from btxrd_explain.predictions.table import PredictionTable
    from btxrd_explain.settings import Settings
    from btxrd_explain.workflows.progress import Listener


def draw_overlays(
    table: PredictionTable, image_ids: Collection[str], settings: Settings, listener: Listener
) -> dict[str, Path]:
    """Write ``overlays/<image_id>.png`` for each image: the heat map of the predicted class over the radiograph.

    Returns:
        The files by ``image_id``. Images without a prediction have none; a degenerate heat map is drawn as the bare
        radiograph and noted.
    """
    folder = settings.output.directory / "overlays"
    drawn: dict[str, Path] = {}
    listener.start("overlays", len(image_ids))
    for row in table.rows(image_ids):
        listener.advance()
        if row.grids is None or row.predicted is None:
            continue
        target = folder / file_name_of_image(row.image_id, ".png")
        try:
            picture, status = _overlay(ExplainedImage.of(row, table), row.predicted, settings)
        except RadiographError as error:
            listener.failed(row.image_id, "not shown", str(error))
            continue
        if status is not MapStatus.OK:
            listener.note(f"'{row.image_id}': the heat map is empty ({status}); the bare radiograph is drawn")
        write_bytes(target, picture)
        drawn[row.image_id] = target
    return drawn


def _overlay(image: ExplainedImage, class_index: int, settings: Settings) -> tuple[bytes, MapStatus]:
    from PIL import Image

    from btxrd_explain.outputs.overlay import create_overlay  # noqa: PLC0415 -- matplotlib's colour maps

    heat = image.heat_map(class_index)
    output = settings.output
    picture = create_overlay(image.radiograph().pixels, heat.values, alpha=output.alpha, colormap=output.colormap)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue(), heat.status
