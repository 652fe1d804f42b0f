"""Which rows an analysis works on."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from btxrd_explain.core.class_names import NoLesion
from btxrd_explain.errors import AnnotationError, InputError, TableError
from btxrd_explain.finding import Tally
from btxrd_explain.findings.origin import image_findings, setting_findings
from btxrd_explain.findings.table import inspect_table, split_findings
from btxrd_explain.inference.request import collect_images, names_images, names_places
from btxrd_explain.inference.run import up_to_date
from btxrd_explain.inputs.annotation_formats import read_lesions
from btxrd_explain.inputs.annotation_source import no_name_fits, open_source
from btxrd_explain.inputs.image_files import why_no_file
from btxrd_explain.inputs.shared_annotations import Annotated, of_one_stem, tell_apart
from btxrd_explain.predictions.record import RowStatus
from btxrd_explain.predictions.table import open_table
from btxrd_explain.progress import WithoutRows
from btxrd_explain.synthetic import SYNTHETIC
from btxrd_explain.system.files import sha256_of
from btxrd_explain.system.places import is_url

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from btxrd_explain.core.geometry import Size
    from btxrd_explain.core.masks import LesionRules
    from btxrd_explain.finding import Finding
    from btxrd_explain.inputs.annotation import AnnotationPlace
    from btxrd_explain.inputs.annotation_source import AnnotationSource
    from btxrd_explain.inputs.dataset import Collection
    from btxrd_explain.predictions.index import Index
    from btxrd_explain.predictions.record import Prediction
    from btxrd_explain.predictions.table import PredictionTable
    from btxrd_explain.progress import Listener
    from btxrd_explain.settings import Settings


@dataclass(frozen=True, slots=True)
class Selected:
    """The rows that an analysis works on.

    Attributes:
        table: The table, current as far as can be told.
        rows: The selected rows, without grids, in the order of the table.
        source: Where annotations are.
        known: Places of annotations by ``image_id``, as far as they were collected with the images.
        findings: What may be wrong with them.
    """

    table: PredictionTable
    rows: Index
    source: AnnotationSource
    known: Mapping[str, AnnotationPlace]
    findings: tuple[Finding, ...] = ()

    def annotation_of(self, row: Prediction) -> AnnotationPlace | None:
        """Return the place of an image's annotation, as collected, else near the image; None where there is none."""
        return self.known.get(row.image_id) or self.source.find(self.table.image_path(row))

    def lesions_of(
        self, row: Prediction, size: Size, rules: LesionRules, listener: Listener
    ) -> tuple[NDArray[np.bool_], ...] | None:
        """Return the lesions of an image, a mask each; None, with a note of what is wrong, without a usable annotation.

        Args:
            row: Its row.
            size: Size of the radiograph, after EXIF rotation.
            rules: Which shapes are lesions.
            listener: Told of an annotation that cannot be used.
        """
        place = self.annotation_of(row)
        try:
            return None if place is None else tuple(read_lesions(place, size, rules))
        except AnnotationError as error:
            listener.note(str(error))
            return None


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
        selected = _with_annotations(settings, current.table, current.rows, known, listener)
        return replace(selected, findings=current.findings + selected.findings)
    table = open_table(settings.output.predictions_path)
    everything = rows = table.index()
    known, findings = {}, tuple(setting_findings(settings, table.provenance))
    by_table = names_places(settings) or not names_images(settings)
    if names_images(settings):
        collection = collect_images(_without_split(settings) if by_table else settings)
        for note in collection.notes:
            listener.note(note)
        rows, known = _named_rows(rows, collection, listener if by_table else None), collection.annotations
        findings += (*collection.findings, *image_findings(collection.records, rows, str(table.path)))
        table = _where_images_are(table, rows, collection, listener)
    if by_table and settings.data.split is not None:
        rows = rows.where(rows.is_in("split", [settings.data.split]))
    if not len(rows):
        splits = sorted(filter(None, everything.column("split").unique().to_pylist()))
        known_splits = f"its splits are {', '.join(splits)}" if splits else "it has no splits"
        raise TableError(f"no row of '{table.path}' is selected: {known_splits}", hint="check --split")
    if not names_images(settings):
        _tell_of_place(table, rows, listener)
    findings += inspect_table(table, everything, rows)
    for finding in findings:
        listener.warn(finding)
    selected = _with_annotations(settings, table, rows, known, listener)
    return replace(selected, findings=findings + selected.findings)


def _tell_of_place(table: PredictionTable, rows: Index, listener: Listener) -> None:
    """Tell where radiographs are looked for that are not there, as when a folder of results was moved without them."""
    folder = table.image_path(rows[0]).parent
    if not is_url(folder) and why_no_file(folder) is not None:
        listener.note(
            f"'{os.path.normpath(folder)}', where the table has its radiographs, is not there: name the folder where "
            "they are now with --images"
        )


NAME_IMAGES = "name the folder where they are now with --images"
"""What to do about radiographs that were moved."""


def keep_pictures(selected: Selected, result: Path) -> None:
    """Refuse to replace a result with pictures by one without, as where a folder of results was moved alone.

    Args:
        selected: The rows of which pictures are wanted.
        result: The file that would be replaced.

    Raises:
        InputError: The result exists, and none of the radiographs is there.
    """
    if result.exists() and are_gone(selected):
        raise InputError(
            f"none of the {len(selected.rows)} radiographs is there, and '{result}' would be replaced by one without "
            "pictures",
            hint=f"{NAME_IMAGES}, or the table with --predictions and other results with -o",
        )


def need_pictures(selected: Selected) -> None:
    """Refuse to draw what shows nothing without radiographs.

    Raises:
        InputError: None of the radiographs is there.
    """
    if are_gone(selected):
        raise InputError(f"none of the {len(selected.rows)} radiographs is there", hint=NAME_IMAGES)


def are_gone(selected: Selected) -> bool:
    """Return whether none of the radiographs is where the table has it; one in a store is taken to be."""
    places = (selected.table.image_path(row) for row in selected.rows)
    return not any(is_url(place) or why_no_file(place) is None for place in places)


def _without_split(settings: Settings) -> Settings:
    return settings.model_copy(update={"data": settings.data.model_copy(update={"split": None})})


def _where_images_are(
    table: PredictionTable, rows: Index, collection: Collection, listener: Listener
) -> PredictionTable:
    """Return a table that finds radiographs where they are now, as far as their content is that of its rows."""
    now, places = {record.image_id: record.path for record in collection.records}, {}
    for row in rows:
        before, after = table.image_path(row), now[row.image_id]
        if row.path and not is_url(before) and why_no_file(before) is not None and _is_of(row, after):
            places[row.image_id] = after
    if places:
        first = next(iter(places.values()))
        listener.note(f"{len(places)} of {len(rows)} radiographs were moved, and are found in '{first.parent}'")
    return replace(table, places=places)


def _is_of(row: Prediction, path: Path) -> bool:
    """Return whether a file is the one that a row is of."""
    try:
        return row.stamp is not None and not is_url(path) and sha256_of(path) == row.stamp.sha256
    except OSError:
        return False


def select_to_evaluate(settings: Settings, listener: Listener) -> Selected:
    """Return the rows of :func:`select_rows`, after a look whether the network was trained on them."""
    selected = select_rows(settings, listener)
    labels = selected.rows.column("label").drop_null().unique().to_pylist()
    no_lesion = NoLesion(settings.data.no_lesion_classes)
    listener.note(no_lesion.said([*selected.table.provenance.class_names, *sorted(labels)]))
    findings = tuple(split_findings(selected.rows))
    for finding in findings:
        listener.warn(finding)
    return replace(selected, findings=selected.findings + findings)


# Other radiographs than the scored ones, on which something may be chosen.


def select_other_rows(
    settings: Settings, scored: Selected, source: Path, split: str | None, split_flag: str, listener: Listener
) -> tuple[Selected, list[str]]:
    """Select the radiographs of a split CSV, after inference where the table lacks them, none of which is scored.

    Args:
        settings: The settings.
        scored: The radiographs that are going to be scored.
        source: The split CSV of the others.
        split: Their split; None takes all.
        split_flag: The flag that names it, for messages.
        listener: Told of progress.

    Returns:
        The radiographs, and the names of exact copies of scored ones, which are left out.

    Raises:
        InputError: Some of them are among the scored ones, or their labels decide on another activation.
    """
    data = settings.data.model_copy(update={"inputs": (str(source),), "split_csv": None, "split": split})
    others = select_rows(settings.model_copy(update={"data": data}), listener)
    if others.table.provenance.fingerprint != scored.table.provenance.fingerprint:
        raise InputError(
            f"labels of '{source}' name several classes of one radiograph, and those that are scored do not",
            hint="give --activation sigmoid or softmax for both",
        )
    rows = others.rows
    shared = rows.where(rows.is_in("image_id", scored.rows.column("image_id"))).column("image_id").to_pylist()
    if shared:
        raise InputError(
            f"{len(shared)} of the {len(rows)} radiographs of '{source}' are among those that are scored, such as "
            f"'{shared[0]}'",
            hint=f"name the ones with --split and the others with {split_flag}",
        )
    return split_off(others, rows.is_in("sha256", scored.rows.column("sha256").drop_null()))


def split_off(others: Selected, leaving: NDArray[np.bool_]) -> tuple[Selected, list[str]]:
    """Return the radiographs that stay, and the names of those that leave."""
    rows = others.rows
    left_out: list[str] = rows.where(leaving).column("image_id").to_pylist()
    return replace(others, rows=rows.where(~leaving)), left_out


def _named_rows(rows: Index, collection: Collection, listener: Listener | None) -> Index:
    """Return the rows of a collection.

    Args:
        rows: All rows.
        collection: The images.
        listener: Told of images without a row; None where all must have one.
    """
    named = [record.image_id for record in collection.records]
    found = rows.where(rows.is_in("image_id", named))
    if len(found) < len(named):
        first = min(set(named).difference(found.column("image_id").to_pylist()))
        said = f"{len(named) - len(found)} of {len(named)} images have no row in the table, such as '{first}'"
        if listener is None or not len(found):
            raise TableError(said, hint="give --checkpoint to compute them")
        listener.note(f"{said}, and are left out")
    return found


def _with_annotations(
    settings: Settings,
    table: PredictionTable,
    rows: Index,
    known: Mapping[str, AnnotationPlace],
    listener: Listener,
) -> Selected:
    """Return the rows with the annotations of their images, and tell which have no prediction, and of made-up data."""
    source = open_source(settings.data.annotations)
    selected = Selected(table, rows, source, known)
    if table.provenance.synthetic:
        listener.note(SYNTHETIC)
    if settings.data.annotations is not None:
        listener.note(f"annotations: {source.description}")
        _tell_of_names(selected, listener)
    for row in rows.where(~rows.is_in("status", [RowStatus.OK])):
        listener.failed(row.image_id, row.status, row.error or "")
    if known:
        return selected
    alike = rows.where(rows.is_in("image_id", of_one_stem(rows.column("image_id").to_pylist())))
    places = ((row.image_id, table.image_path(row)) for row in alike)
    told, shared = tell_apart(Annotated(image_id, path, source.find(path)) for image_id, path in places)
    findings = Tally(shared).findings()
    for finding in findings:
        listener.warn(finding)
    return Selected(table, rows, source, told, findings)


def _tell_of_names(selected: Selected, listener: Listener) -> None:
    """Report annotations none of which has the name of a radiograph, with the names that come nearest."""
    first = None
    for row in selected.rows:
        if selected.annotation_of(row) is not None:
            return
        first = first or row
    if first is not None:
        listener.note(no_name_fits(selected.source, selected.table.image_path(first)))
