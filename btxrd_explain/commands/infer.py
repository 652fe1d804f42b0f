"""Fill the predictions table; draw the overlays of images that were named one by one."""

from __future__ import annotations

import io
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from btxrd_explain.commands.drawing import file_names_of_images
from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.errors import RadiographError, SettingsError
from btxrd_explain.inference.explained import ExplainedImage
from btxrd_explain.inference.run import Inference, up_to_date
from btxrd_explain.inputs.dataset import named_one_by_one
from btxrd_explain.progress import Listener, WithoutRows
from btxrd_explain.synthetic import SYNTHETIC
from btxrd_explain.system.files import write_bytes
from btxrd_explain.system.own_pictures import marked
from btxrd_explain.system.places import is_url

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path
    from typing import IO

    from btxrd_explain.predictions.provenance import Provenance
    from btxrd_explain.predictions.record import Prediction
    from btxrd_explain.predictions.table import PredictionTable
    from btxrd_explain.settings import Settings


@dataclass(frozen=True, slots=True)
class InferResult(Inference):
    """What ``infer`` did.

    Attributes:
        overlays: Overlays that were drawn, by ``image_id``.
    """

    overlays: dict[str, Path]


class _Held(WithoutRows):
    """Keeps the rows until their overlays are drawn."""

    def __init__(self, listener: Listener) -> None:
        """Wrap a listener."""
        super().__init__(listener)
        self.rows: list[tuple[Prediction, Provenance]] = []

    def predicted(self, row: Prediction, provenance: Provenance, overlay: Path | None = None) -> None:  # noqa: ARG002 -- as listeners have it
        """Keep the row."""
        self.rows.append((row, provenance))


def run(settings: Settings, listener: Listener | None = None, *, stdin: IO[bytes] | None = None) -> InferResult:
    """Bring the predictions table up to date for the images that the settings name, and draw their overlays.

    Args:
        settings: The settings.
        listener: Told of progress; None is silent.
        stdin: Where the paths come from when an input is ``-``.

    Returns:
        What was done.

    Raises:
        FailedFileError: A file failed, and ``run.strict`` is set; what was computed is in the table.
        BtxrdExplainError: Input, checkpoint, table or output cannot be used.
    """
    listener = listener or Listener()
    wanted = _overlays_wanted(settings, listener)
    held = _Held(listener) if (named_one_by_one(settings.data.inputs) if wanted is None else wanted) else None
    overlays: dict[str, Path] = {}
    try:
        with up_to_date(settings, held or listener, stdin=stdin) as current:
            if current.table.provenance.synthetic:
                listener.note(SYNTHETIC)
            if current.named if wanted is None else wanted:
                image_ids = current.rows.column("image_id").to_pylist()
                overlays = draw_overlays(current.table, image_ids, settings, listener)
    finally:  # also of a run that stops: what is computed is told
        for row, provenance in [] if held is None else held.rows:
            listener.predicted(row, provenance, overlays.get(row.image_id))
    return InferResult(**{field.name: getattr(current, field.name) for field in fields(current)}, overlays=overlays)


def _overlays_wanted(settings: Settings, listener: Listener) -> bool | None:
    """Return whether overlays are drawn, None where the images that are named decide; none go to a store.

    Raises:
        SettingsError: They are asked for, and would go to a store.
    """
    output = settings.output
    if not is_url(output.directory):
        return output.overlay
    if output.overlay:
        raise SettingsError(
            f"overlays go into a folder on this machine, and not to '{output.directory}'",
            hint=f"name one with -o, and the table with --predictions {output.predictions_path}",
        )
    if output.overlay is None and named_one_by_one(settings.data.inputs):
        listener.note(f"no overlays are drawn, as '{output.directory}' is not a folder on this machine")
    return False


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
    names = file_names_of_images(table.index().column("image_id").to_pylist(), ".png")
    listener.start("overlays", len(image_ids))
    for row in table.rows(image_ids):
        listener.advance()
        if row.grids is None or row.predicted is None:
            continue
        target = folder / names[row.image_id]
        try:
            picture, status = _overlay(ExplainedImage.of(row, table), row.predicted, settings)
        except RadiographError as error:
            listener.failed(row.image_id, "not shown", str(error))
            continue
        if status is not MapStatus.OK:
            what = "was not computed" if status is MapStatus.NOT_COMPUTED else f"is empty ({status})"
            listener.note(f"'{row.image_id}': the heat map {what}; the bare radiograph is drawn")
        write_bytes(target, picture, own=folder)
        drawn[row.image_id] = target
    return drawn


def _overlay(image: ExplainedImage, class_index: int, settings: Settings) -> tuple[bytes, MapStatus]:
    from PIL import Image

    from btxrd_explain.outputs.overlay import overlay  # noqa: PLC0415 -- matplotlib's colour maps

    heat = image.heat_map(class_index)
    output = settings.output
    picture = overlay(image.radiograph(), heat, alpha=output.alpha, colormap=output.colormap)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG", compress_level=1)
    return marked(buffer.getvalue()), heat.status
