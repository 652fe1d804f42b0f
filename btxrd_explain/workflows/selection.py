"""Which rows an analysis works on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from btxrd_explain.errors import TableError
from btxrd_explain.inputs.annotation_source import open_source
from btxrd_explain.predictions.table import PredictionTable, open_table
from btxrd_explain.workflows import infer
from btxrd_explain.workflows.inference.collecting import collect_images, names_images
from btxrd_explain.workflows.progress import WithoutRows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from btxrd_explain.inputs.annotation_source import AnnotationPlace
    from btxrd_explain.inputs.dataset import Collection
    from btxrd_explain.predictions.index import Index
    from btxrd_explain.settings import Settings
    from btxrd_explain.workflows.progress import Listener


@dataclass(frozen=True, slots=True)
class Selected:
    """The rows that an analysis works on.

    Attributes:
        table: The table, current as far as can be told.
        rows: The selected rows, without grids, in the order of the table.
        annotations: Places of annotations by ``image_id``, of the images that have one.
    """

    table: PredictionTable
    rows: Index
    annotations: Mapping[str, AnnotationPlace]


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
        return _with_annotations(settings, result.table, result.rows, result.annotations, listener)
    table = open_table(settings.output.predictions_path)
    rows = table.index()
    known: Mapping[str, AnnotationPlace] = {}
    if names_images(settings):
        collection = collect_images(settings)
        rows, known = _named_rows(rows, collection), collection.annotations
    elif settings.data.split is not None:
        rows = rows.where(rows.is_in("split", [settings.data.split]))
    if not len(rows):
        raise TableError(f"no row of '{table.path}' is selected", hint="check --split")
    return _with_annotations(settings, table, rows, known, listener)


def _named_rows(rows: Index, collection: Collection) -> Index:
    """Return the rows of a collection; all of its images must have one."""
    named = [record.image_id for record in collection.records]
    found = rows.where(rows.is_in("image_id", named))
    if len(found) < len(named):
        first = min(set(named).difference(found.column("image_id").to_pylist()))
        raise TableError(
            f"{len(named) - len(found)} of {len(named)} images have no row in the table, such as '{first}'",
            hint="give --checkpoint to compute them",
        )
    return found


def _with_annotations(
    settings: Settings,
    table: PredictionTable,
    rows: Index,
    known: Mapping[str, AnnotationPlace],
    listener: Listener,
) -> Selected:
    """Find the annotation of each row's image: as collected, else near the image."""
    source = open_source(settings.data.annotations)
    if settings.data.annotations is not None:
        listener.note(f"annotations: {source.description}")
    found = {}
    for row in rows:
        place = known.get(row.image_id) or source.find(table.image_path(row))
        if place is not None:
            found[row.image_id] = place
    return Selected(table, rows, found)
