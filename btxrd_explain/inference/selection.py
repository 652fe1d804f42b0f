"""Which rows an analysis works on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from btxrd_explain.errors import TableError
from btxrd_explain.findings.origin import image_findings, setting_findings
from btxrd_explain.findings.table import inspect_table, split_findings
from btxrd_explain.inference.request import collect_images, names_images
from btxrd_explain.inference.run import up_to_date
from btxrd_explain.inputs.annotation import AnnotationPlace
from btxrd_explain.inputs.annotation_source import open_source
from btxrd_explain.predictions.record import RowStatus
from btxrd_explain.predictions.table import PredictionTable, open_table
from btxrd_explain.progress import WithoutRows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from btxrd_explain.finding import Finding
    from btxrd_explain.inputs.annotation_source import AnnotationSource
    from btxrd_explain.inputs.dataset import Collection
    from btxrd_explain.predictions.index import Index
    from btxrd_explain.progress import Listener
    from btxrd_explain.settings import Settings


class Annotations(Mapping[str, AnnotationPlace]):
    """Places of annotations by ``image_id``, each looked for when it is asked for: as collected, else near the image.

    Args:
        table: The table of the rows.
        rows: The rows.
        source: Where annotations are.
        known: What is known already.
    """

    def __init__(
        self, table: PredictionTable, rows: Index, source: AnnotationSource, known: Mapping[str, AnnotationPlace]
    ) -> None:
        """Look for nothing yet."""
        self._table, self._rows, self._source, self._known = table, rows, source, known

    @property
    def description(self) -> str:
        """Kind and place of the annotations."""
        return self._source.description

    def __getitem__(self, image_id: str) -> AnnotationPlace:
        """Return the place of an image's annotation."""
        place = self._known.get(image_id)
        if place is None:
            row = self._rows.find(image_id)
            place = None if row is None else self._source.find(self._table.image_path(row))
        if place is None:
            raise KeyError(image_id)
        return place

    def __iter__(self) -> Iterator[str]:
        """Yield the images that have an annotation."""
        return (row.image_id for row in self._rows if row.image_id in self)

    def __len__(self) -> int:
        """Return how many images have one."""
        return sum(1 for _ in self)


@dataclass(frozen=True, slots=True)
class Selected:
    """The rows that an analysis works on.

    Attributes:
        table: The table, current as far as can be told.
        rows: The selected rows, without grids, in the order of the table.
        annotations: Places of annotations by ``image_id``, of the images that have one.
        findings: What may be wrong with them.
    """

    table: PredictionTable
    rows: Index
    annotations: Annotations
    findings: tuple[Finding, ...] = ()


def select_rows(settings: Settings, listener: Listener) -> Selected:
    """Return the rows for an analysis, after inference where the table is missing or stale.

    With a checkpoint the table is checked against it and brought up to date. Without one the table is taken as it
    is: a colleague's table is enough to analyse.

    Raises:
        TableError: Neither a table nor a checkpoint exists to make one, or the table lacks images that are named.
    """
    known: Mapping[str, AnnotationPlace]
    if settings.model.checkpoint is not None:
        with up_to_date(settings, WithoutRows(listener)) as current:
            known = current.collection.annotations if names_images(settings) else {}
        return replace(
            _with_annotations(settings, current.table, current.rows, known, listener), findings=current.findings
        )
    table = open_table(settings.output.predictions_path)
    everything = rows = table.index()
    known, findings = {}, tuple(setting_findings(settings, table.provenance))
    if names_images(settings):
        collection = collect_images(settings)
        rows, known = _named_rows(rows, collection), collection.annotations
        findings += (*collection.findings, *image_findings(collection.records, rows, str(table.path)))
    elif settings.data.split is not None:
        rows = rows.where(rows.is_in("split", [settings.data.split]))
    if not len(rows):
        splits = sorted(filter(None, everything.column("split").unique().to_pylist()))
        known_splits = f"its splits are {', '.join(splits)}" if splits else "it has no splits"
        raise TableError(f"no row of '{table.path}' is selected: {known_splits}", hint="check --split")
    findings += inspect_table(table, everything, rows)
    for finding in findings:
        listener.warn(finding)
    return replace(_with_annotations(settings, table, rows, known, listener), findings=findings)


def select_to_evaluate(settings: Settings, listener: Listener) -> Selected:
    """Return the rows of :func:`select_rows`, after a look whether the network was trained on them."""
    selected = select_rows(settings, listener)
    findings = tuple(split_findings(selected.rows))
    for finding in findings:
        listener.warn(finding)
    return replace(selected, findings=selected.findings + findings)


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
    """Return the rows with the annotations of their images, and tell which have no prediction."""
    source = open_source(settings.data.annotations)
    if settings.data.annotations is not None:
        listener.note(f"annotations: {source.description}")
    for row in rows.where(~rows.is_in("status", [RowStatus.OK])):
        listener.failed(row.image_id, row.status, row.error or "")
    return Selected(table, rows, Annotations(table, rows, source, known))
