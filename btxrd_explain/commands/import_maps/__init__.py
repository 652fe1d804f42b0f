"""A predictions table of heat maps that another program computed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from btxrd_explain.commands.import_maps.gather import Gathered, gather, map_files
from btxrd_explain.commands.import_maps.naming import Names, alike, names_of
from btxrd_explain.core.geometry import Size
from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.core.preprocess import LARGEST_SIDE, Preprocessing
from btxrd_explain.errors import InputError, RadiographError
from btxrd_explain.finding import listed, quoted
from btxrd_explain.inference.request import collect_images, names_images, tell_collected
from btxrd_explain.inputs.annotation_source import open_source
from btxrd_explain.inputs.radiograph import read_radiograph
from btxrd_explain.inputs.score_table import ScoredImage, read_scores
from btxrd_explain.predictions.part import refuse_other
from btxrd_explain.predictions.provenance import MOST_CELLS, Provenance, counted
from btxrd_explain.predictions.record import FileStamp, Prediction, RowStatus
from btxrd_explain.predictions.store import write_table
from btxrd_explain.predictions.table import PredictionTable, open_table
from btxrd_explain.progress import Failures, Listener
from btxrd_explain.system.files import relative_path, sha256_of, with_relative_paths
from btxrd_explain.system.locks import alone

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from btxrd_explain.inputs.record import ImageRecord
    from btxrd_explain.settings import Settings

_ROUNDING = 1e-3
_EMPTY = {
    MapStatus.NO_POSITIVE_EVIDENCE: "without a positive value (--sign says what is evidence)",
    MapStatus.FLAT: "the same everywhere",
    MapStatus.NON_FINITE: "with NaN or infinity",
}


@dataclass(frozen=True, slots=True)
class ImportMapsResult:
    """What ``import-maps`` wrote.

    Attributes:
        table: The predictions table.
        images: How many images it has.
        maps: How many heat maps.
        failed: Files and radiographs that cannot be used.
        annotated: Whether an image of the table has a known true class and an annotation, found as the other commands
            find it.
    """

    table: PredictionTable
    images: int
    maps: int
    failed: int
    annotated: bool


def run(maps: Path, settings: Settings, listener: Listener | None = None) -> ImportMapsResult:
    """Make a predictions table of heat maps, which is written whole or not at all.

    Args:
        maps: A file or a folder of heat maps.
        settings: The settings.
        listener: Told of progress; None is silent.

    Returns:
        What was written.

    Raises:
        BtxrdExplainError: Nothing can be imported, or the table cannot be written.
    """
    refuse_other(settings.output.predictions_path)
    listener = failures = Failures(listener, strict=settings.run.strict)
    scores = {} if settings.maps.scores is None else read_scores(settings.maps.scores)
    records = _records(settings, listener)
    images = names_of(records or scores)
    scores = {images.get(image_id, image_id): said for image_id, said in scores.items()}
    names = Names(images, _classes(settings, scores))
    ids = None if settings.maps.ids is None else _ids(settings.maps.ids)
    gathered = gather(map_files(maps, listener), maps, names, scores, ids, settings.maps.sign, listener)
    _tell_of_absent(records or scores, gathered, "images", listener)
    if records and scores:
        _tell_of_absent(scores, gathered, "images of the table of probabilities", listener)
    _tell_of_empty(gathered, listener)
    provenance = _provenance(settings, gathered, names, scores, listener)
    target = settings.output.predictions_path
    rows = _rows(gathered, provenance, records, scores, target, listener)
    with alone(target, listener.note):
        count = write_table(target, provenance, rows)
        table = open_table(target)
        labelled = [row for row in table.index() if row.label is not None]  # before another run replaces the table
    found = sum(map(len, gathered.maps.values()))
    source = open_source(settings.data.annotations)
    annotated = any(source.find(table.image_path(row)) is not None for row in labelled)
    return ImportMapsResult(table, count, found, len(failures.reasons), annotated)


def _records(settings: Settings, listener: Listener) -> dict[str, ImageRecord]:
    """Return the radiographs that the settings name, by ``image_id``."""
    if not names_images(settings):
        return {}
    collection = collect_images(settings)
    tell_collected(collection, listener)
    for image_id, reason in collection.missing:
        listener.failed(image_id, RowStatus.MISSING, reason)
    return {record.image_id: record for record in collection.records}


def _classes(settings: Settings, scores: Mapping[str, ScoredImage]) -> tuple[str, ...]:
    """Return the classes that are known: as named, else in the order of the table of probabilities."""
    said = (name for image in scores.values() for name in image.probabilities)
    return tuple(settings.model.class_names or dict.fromkeys(said))


def _ids(path: Path) -> tuple[str, ...]:
    """Return the images that a text file lists, one a line."""
    try:
        return tuple(line.strip() for line in path.read_text("utf-8").splitlines() if line.strip())
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read '{path}' ({error})", hint="list the images in UTF-8, one a line") from error


def _tell_of_absent(known: Mapping[str, Any], gathered: Gathered, what: str, listener: Listener) -> None:
    absent = [image_id for image_id in known if image_id not in gathered.maps]
    if absent:
        listener.note(f"{len(absent)} of {len(known)} {what} have no heat map: {listed(quoted(absent))}")


def _tell_of_empty(gathered: Gathered, listener: Listener) -> None:
    """Say how many heat maps show no place, and why."""
    statuses = [place.status for of_image in gathered.maps.values() for place in of_image.values()]
    counts = Counter(status for status in statuses if status not in {MapStatus.OK, MapStatus.NOT_COMPUTED})
    if counts:
        why = ", ".join(f"{count} {_EMPTY.get(status, status)}" for status, count in counts.most_common())
        listener.note(f"{counts.total()} of {len(statuses)} heat maps show no place and have no scores: {why}")


def _provenance(
    settings: Settings, gathered: Gathered, names: Names, scores: Mapping[str, ScoredImage], listener: Listener
) -> Provenance:
    seen = sorted({name for of_image in gathered.maps.values() for name in of_image})
    class_names = tuple(names.classes) or gathered.class_names or tuple(seen)
    shapes = [place.shape for of_image in gathered.maps.values() for place in of_image.values()]
    grid = Size(max(height for height, _ in shapes), max(width for _, width in shapes))
    if max(grid) > LARGEST_SIDE or grid.height * grid.width * len(class_names) > MOST_CELLS:
        raise InputError(
            f"{len(class_names)} maps of {grid.height} x {grid.width} values an image are too large for a table",
            hint="save them smaller, such as on the network's input",
        )
    exclusive = _exclude_each_other(gathered, class_names, scores)
    several = not exclusive if gathered.multi_label is None or scores else gathered.multi_label
    kinds = counted(gathered.kinds)
    said = (
        f"heat maps were imported from {kinds} files, not computed by this program; {settings.maps.sign} values are "
        f"evidence; {'classes do not exclude' if several else 'classes exclude'} each other"
    )
    listener.note(said)
    table = settings.maps.scores
    imported = {
        "kinds": dict(sorted(gathered.kinds.items())),
        "sha256": gathered.sha256,
        "sign": settings.maps.sign,
        "scores_sha256": None if table is None else sha256_of(table),
    }
    return Provenance(
        request={"checkpoint": gathered.sha256, "imported": imported, "versions": {}},
        class_names=class_names,
        preprocessing=gathered.preprocessing or _preprocessing(settings, shapes),
        checkpoint=f"none: imported from {kinds}",
        architecture="none (imported)",
        method="imported maps",
        target_layer="none (imported)",
        grid=grid,
        notes=(said,),
        multi_label=several,
    )


def _exclude_each_other(gathered: Gathered, class_names: Sequence[str], scores: Mapping[str, ScoredImage]) -> bool:
    """Return whether probabilities of all classes are known of all images, and add up to 1."""
    known = [_probabilities(image_id, class_names, scores, gathered) for image_id in gathered.maps]
    return len(class_names) > 1 and all(abs(float(each.sum()) - 1) <= _ROUNDING for each in known)


def _preprocessing(settings: Settings, shapes: Sequence[tuple[int, int]]) -> Preprocessing:
    """Return how a radiograph becomes what the maps cover: as the settings say, on as many pixels as the maps have."""
    wanted = settings.preprocess
    height, width = (max(shape[axis] for shape in shapes) for axis in (0, 1))
    size = wanted.partial.get("size")
    if size is None and wanted.resize != "squash" and len(set(shapes)) > 1:
        raise InputError("maps differ in shape, and --resize says that they cover the input", hint="give --image-size")
    return Preprocessing(
        size=size or Size(height, width),
        mean=(0.0,),
        std=(1.0,),
        resize=wanted.resize,
        crop_fraction=wanted.crop_fraction,
    )


def _probabilities(
    image_id: str, class_names: Sequence[str], scores: Mapping[str, ScoredImage], gathered: Gathered
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return the probability of each class, float32; all NaN where one of them is not known."""
    said: dict[str, Any] = dict(scores[image_id].probabilities) if image_id in scores else {}
    if not scores and image_id in gathered.own:
        said = {str(part["class"]): part.get("probability") for part in gathered.own[image_id]["maps"]}
    by_name = {alike(name): value for name, value in said.items()}
    values = np.array([by_name.get(alike(name), np.nan) for name in class_names], np.float32)
    return values if np.isfinite(values).all() else np.full_like(values, np.nan)


def _rows(
    gathered: Gathered,
    provenance: Provenance,
    records: Mapping[str, ImageRecord],
    scores: Mapping[str, ScoredImage],
    target: Path,
    listener: Listener,
) -> Iterator[Prediction]:
    """Yield a row per image, in the order of their names."""
    listener.start("images", len(gathered.maps))
    without, turned = 0, []
    for image_id in sorted(gathered.maps):
        row = _row(image_id, gathered, provenance, scores)
        if (record := records.get(image_id)) is not None:
            row = _with_radiograph(row, record, target, listener)
        if _is_turned(row):
            turned.append(image_id)
        yield row
        without += row.predicted is None
        listener.advance()
    if turned:
        listener.note(
            f"the heat maps of {listed(quoted(turned))} are as high as the radiograph is wide, and as wide as it is "
            "high; they are stretched onto it: exchange their axes if they are stored as (width, height)"
        )
    if without:
        listener.note(f"{without} images have no probabilities of all classes: their outcomes are not known")


def _row(
    image_id: str,
    gathered: Gathered,
    provenance: Provenance,
    scores: Mapping[str, ScoredImage],
) -> Prediction:
    """Return what is known of an image without its radiograph."""
    said, own = scores.get(image_id, ScoredImage()), gathered.own.get(image_id, {})
    places, names = gathered.maps[image_id], provenance.class_names
    grids = gathered.grids(image_id, names)
    size = said.size or (Size(own["height"], own["width"]) if own else None)
    if size is None:
        size = Size(*grids.shape[1:])
    return Prediction(
        image_id=image_id,
        path=image_id,
        label=said.label or own.get("label"),
        split=said.split,
        status=RowStatus.OK,
        size=size,
        probabilities=_probabilities(image_id, names, scores, gathered),
        grids=grids,
        grid_statuses=tuple(places[name].status if name in places else MapStatus.NOT_COMPUTED for name in names),
    )


def _is_turned(row: Prediction) -> bool:
    """Return whether heat maps have the sides of their radiograph, exchanged."""
    if row.grids is None or row.size is None or row.size.height == row.size.width:
        return False
    return row.grids.shape[1:] == (row.size.width, row.size.height)


def _with_radiograph(row: Prediction, record: ImageRecord, target: Path, listener: Listener) -> Prediction:
    """Return a row with the radiograph's size, place and content; one that cannot be read has no heat maps."""
    row = replace(
        row,
        path=relative_path(record.path, target.parent),
        label=record.label or row.label,
        split=record.split or row.split,
    )
    try:
        radiograph = read_radiograph(record.path)
    except RadiographError as error:
        listener.failed(row.image_id, RowStatus.UNREADABLE, str(error))
        row = replace(row, size=None, probabilities=None, grids=None, grid_statuses=())
        reason = with_relative_paths(str(error), target.parent)
        return replace(row, status=RowStatus.UNREADABLE, error=reason)
    found = record.path.stat()
    stamp = FileStamp(found.st_size, found.st_mtime_ns, radiograph.sha256)
    return replace(row, size=radiograph.size, stamp=stamp, frames=radiograph.frames)
