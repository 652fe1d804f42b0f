"""Which rows an analysis works on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from btxrd_explain.errors import TableError
from btxrd_explain.inputs.dataset import AnnotationFinder, Collection
from btxrd_explain.predictions.table import PredictionTable, open_table
from btxrd_explain.workflows import infer
from btxrd_explain.workflows.inference.collecting import collect_images, names_images
from btxrd_explain.workflows.progress import WithoutRows

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from btxrd_explain.predictions.record import Prediction
    from btxrd_explain.settings import Settings
    from btxrd_explain.workflows.progress import Listener


@dataclass(frozen=True, slots=True)
class Selected:
    """The rows that an analysis works on.

    Attributes:
        table: The table, current as far as can be told.
        rows: The selected rows, without grids, in the order of the table.
        annotations: Annotation files by ``image_id``, of the images that have one.
    """

    table: PredictionTable
    rows: tuple[Prediction, ...]
    annotations: Mapping[str, Path]


def select_rows(settings: Settings, listener: Listener) -> Selected:
    """Return the rows for an analysis, after inference where the table is missing or stale.

    With a checkpoint the table is checked against it and brought up to date. Without one the table is taken as it
    is: a colleague's table is enough to analyse.

    Raises:
        TableError: There is no table and no checkpoint to make one, or the table lacks images that are named.
    """
    if settings.model.checkpoint is not None:
        quiet = settings.model_copy(update={"output": settings.output.model_copy(update={"overlay": False})})
        result = infer.run(quiet, WithoutRows(listener))
        return _with_annotations(settings, result.table, result.rows, result.annotations)
    table = open_table(settings.output.predictions_path)
    rows = tuple(table.index())
    known: Mapping[str, Path] = {}
    if names_images(settings):
        collection = collect_images(settings)
        rows, known = _named_rows(rows, collection), collection.annotations
    elif settings.data.split is not None:
        rows = tuple(row for row in rows if row.split == settings.data.split)
    if not rows:
        raise TableError(f"no row of '{table.path}' is selected", hint="check --split")
    return _with_annotations(settings, table, rows, known)


def _named_rows(rows: tuple[Prediction, ...], collection: Collection) -> tuple[Prediction, ...]:
    """Return the rows of a collection; all of its images must have one."""
    named = {record.image_id for record in collection.records}
    found = tuple(row for row in rows if row.image_id in named)
    if len(found) < len(named):
        first = min(named - {row.image_id for row in found})
        raise TableError(
            f"{len(named) - len(found)} of {len(named)} images have no row in the table, such as '{first}'",
            hint="give --checkpoint to compute them",
        )
    return found


def _with_annotations(
    settings: Settings, table: PredictionTable, rows: tuple[Prediction, ...], known: Mapping[str, Path]
) -> Selected:
    """Find the annotation file of each row's image: as collected, else near the image."""
    finder = AnnotationFinder(settings.data.annotations)
    found = {row.image_id: known.get(row.image_id) or finder.find(table.image_path(row)) for row in rows}
    return Selected(table, rows, {image_id: path for image_id, path in found.items() if path is not None})
