"""Which images the settings name, and what decides about their rows, known before torch is imported."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from btxrd_explain.core.choices import Smooth
from btxrd_explain.core.labels import names_several, says_several
from btxrd_explain.core.methods import METHODS, check_installed
from btxrd_explain.errors import CheckpointError, InputError, SettingsError, TableError
from btxrd_explain.inputs.annotation_source import open_source
from btxrd_explain.inputs.dataset import Collection, ImageRecord, collect
from btxrd_explain.inputs.table_lines import TABLE_SUFFIXES
from btxrd_explain.model.facts import facts_of, require_facts
from btxrd_explain.model.location import facts_in_archive, facts_in_header, is_safetensors, locate, read_beside
from btxrd_explain.plain import plain
from btxrd_explain.predictions.part import open_part
from btxrd_explain.predictions.provenance import SplitCsv, fingerprint
from btxrd_explain.predictions.record import RowStatus
from btxrd_explain.predictions.table import is_folder, open_table, table_files
from btxrd_explain.synthetic import demo_checkpoint
from btxrd_explain.system.files import sha256_of
from btxrd_explain.system.importing import source_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import IO

    from btxrd_explain.inputs.annotation_source import AnnotationSource
    from btxrd_explain.model.location import Location
    from btxrd_explain.predictions.index import Index
    from btxrd_explain.predictions.record import Prediction
    from btxrd_explain.predictions.table import PredictionTable
    from btxrd_explain.progress import Listener
    from btxrd_explain.settings import Settings
    from btxrd_explain.settings.sections import PreprocessSettings

# Which images the settings name.


def collect_images(settings: Settings, *, stdin: IO[bytes] | None = None) -> Collection:
    """Collect the images that the settings name; where they name none, those of the table on disk.

    Raises:
        InputError: No image is named, or what is named cannot be used.
    """
    path, data = settings.output.predictions_path, settings.data
    if names_images(settings) or not (is_folder(path) or table_files(path)):
        return collect(
            data.inputs,
            root=data.root,
            images=data.images,
            annotations=data.annotations,
            split_csv=data.split_csv,
            split=data.split,
            class_names=settings.model.class_names,
            vocabulary=data.vocabulary,
            stdin=stdin,
        )
    table, source = open_table(path), open_source(settings.data.annotations)
    rows = table.index()
    there = rows.where(~rows.is_in("status", [RowStatus.MISSING]))
    return Collection(TableRecords(table, there, source), named=False)


def tell_collected(collection: Collection, listener: Listener) -> None:
    """Tell what was noticed while images were collected."""
    for note in collection.notes:
        listener.note(note)
    for finding in collection.findings:
        listener.warn(finding)


class TableRecords(Sequence[ImageRecord]):
    """The images of a table, each made when it is looked at.

    A list of them takes some 60 MiB for 100,000 rows, of the 223 MiB of ``infer`` in ``benchmarks/memory.py``.

    Args:
        table: The table.
        rows: Its rows of images that existed.
        source: Where annotations are.
    """

    def __init__(self, table: PredictionTable, rows: Index, source: AnnotationSource) -> None:
        """Keep the rows."""
        self._table, self._rows, self._source = table, rows, source

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._rows)

    def __iter__(self) -> Iterator[ImageRecord]:
        """Yield the images in the order of the table."""
        return map(self._record, self._rows)

    @overload
    def __getitem__(self, place: int) -> ImageRecord: ...
    @overload
    def __getitem__(self, place: slice) -> TableRecords: ...
    def __getitem__(self, place: int | slice) -> ImageRecord | TableRecords:
        """Return one image, or those of a slice."""
        if isinstance(place, slice):
            return TableRecords(self._table, self._rows[place], self._source)
        return self._record(self._rows[place])

    def _record(self, row: Prediction) -> ImageRecord:
        path = self._table.image_path(row)
        return ImageRecord(row.image_id, path, row.label, row.split, self._source.find(path))


def names_images(settings: Settings) -> bool:
    """Return whether the settings name images, rather than leaving it to the table."""
    data = settings.data
    return bool(data.inputs) or any((data.root, data.images, data.split_csv))


def names_places(settings: Settings) -> bool:
    """Return whether the settings name only where images are, and leave it to the table which of them count."""
    data = settings.data
    return not data.inputs and data.split_csv is None and (data.root or data.images) is not None


def split_csvs_of(settings: Settings) -> tuple[SplitCsv, ...]:
    """Return the split CSVs that select the images, by their names alone, the flag's first; perhaps none."""
    data = settings.data
    inputs = (Path(text) for text in data.inputs if Path(text).suffix.lower() in TABLE_SUFFIXES)
    paths = [*filter(None, [data.split_csv]), *(path for path in inputs if path.is_file())]
    split = data.split and plain(data.split)
    return tuple(SplitCsv(plain(path.name), _sha256(path), split) for path in paths)


def _sha256(path: Path) -> str | None:
    try:
        return sha256_of(path)
    except OSError:
        return None


def refuse_stream(settings: Settings) -> None:
    """Refuse paths on the standard input, for a command that collects its images several times.

    Raises:
        SettingsError: The input ``-`` is named.
    """
    if "-" in settings.data.inputs:
        raise SettingsError(
            "the paths on the standard input can be read once, and this command needs them several times",
            hint="write them into a split CSV with a column image_id, and name that instead of '-'",
        )


# What decides about a table's rows, known before torch is imported.

_VERSIONS = ("btxrd-explain", "torch", "timm", "opencv-python-headless", "pillow")
"""Distributions whose release can change predictions or grids."""


def _distributions(method: str) -> tuple[str, ...]:
    check_installed(method)
    return (*_VERSIONS, "captum") if METHODS[method].pixels else _VERSIONS


_LATER = ("from", "transform", "depth", "clip_percentiles", "clahe", "standardize")

DEMO = Path("demo")
"""Names the demo's classifier, unless a file has that name; a folder of that name is ./demo."""


def build_request(settings: Settings, *, several_labels: bool = False) -> dict[str, Any]:
    """Gather what the rows depend on: the checkpoint's content, the settings as asked for, and versions.

    Args:
        settings: The settings.
        several_labels: Whether radiographs have labels of several classes; see :func:`have_several_labels`.

    Returns:
        Plain JSON values; see :class:`btxrd_explain.predictions.provenance.Provenance`.

    Raises:
        SettingsError: No checkpoint is named, or the method is not installed.
        CheckpointError: The checkpoint cannot be read.
        TableError: The table holds imported heat maps, which no network can compute again.
    """
    model = settings.model
    _refuse_imported(settings.output.predictions_path)
    return {
        **_of_checkpoints([_of_checkpoint(path, settings) for path in checkpoints_of(settings)]),
        "architecture": model.architecture,
        **_own_function(model.factory, "factory"),
        "class_names": model.class_names and list(model.class_names),
        **({} if model.activation == "auto" else {"activation": model.activation}),
        **({"several_labels": True} if several_labels else {}),
        "preprocess": _of_preprocess(settings.preprocess),
        "method": settings.gradcam.method,
        "target_layer": settings.gradcam.target_layer,
        **({"map_cells": settings.gradcam.map_cells} if METHODS[settings.gradcam.method].pixels else {}),
        **({} if settings.gradcam.smooth is Smooth.NONE else {"smooth": str(settings.gradcam.smooth)}),
        **_explained(settings.gradcam.explain_classes),
        "precision": model.precision,
        "versions": {name: version(name) for name in _distributions(settings.gradcam.method)},
    }


def have_several_labels(settings: Settings, collection: Collection) -> bool:
    """Return whether labels of several classes decide what turns outputs into probabilities."""
    labels = (record.label for record in collection.records if record.label is not None)
    return settings.model.activation == "auto" and any(map(says_several, labels))


_SHOWN = 5
"""Classes in a message."""


def check_labels(records: Iterable[ImageRecord], names: Sequence[str]) -> None:
    """Refuse to let labels decide on the activation that name several things, none of which is a class.

    Args:
        records: The images, whose labels decide; see :func:`have_several_labels`.
        names: The classes.

    Raises:
        InputError: They do, such as columns of 0 and 1 that tell the sex.
    """
    labels = (record.label for record in records if record.label is not None)
    several = dict.fromkeys(label for label in labels if says_several(label))
    if several and not any(names_several(label, names) for label in several):
        raise InputError(
            f"labels such as '{next(iter(several))}' name several classes, none of which the network has "
            f"({', '.join(names[:_SHOWN])}{', ...' if len(names) > _SHOWN else ''})",
            hint="name the column of the class with --columns label=NAME, or give --activation",
        )


def request_for(path: Path, settings: Settings, collection: Collection, *, several_labels: bool) -> dict[str, Any]:
    """Return what the rows of a table depend on, where its other radiographs may have labels of several classes.

    A part of the radiographs, such as a split or one that has no label, says nothing against the labels of the others:
    with another activation their rows would be discarded.

    Args:
        path: The table.
        settings: The settings.
        collection: The images asked for.
        several_labels: Whether their labels, or those of the whole that they are a part of, name several classes.

    Raises:
        SettingsError: See :func:`build_request`; so does the next.
        CheckpointError: The checkpoint cannot be read.
    """
    request = build_request(settings, several_labels=several_labels)
    wider = request | {"several_labels": True}
    if several_labels or settings.model.activation != "auto" or not table_files(path):
        return request
    try:
        table = open_table(path)
    except TableError:  # which the plan says
        return request
    if table.provenance.fingerprint != fingerprint(wider):
        return request
    labelled = {record.image_id for record in collection.records if record.label is not None}
    rows = table.index()
    known = zip(*(rows.column(name).to_pylist() for name in ("image_id", "label")), strict=True)
    others = (label for image_id, label in known if label is not None and image_id not in labelled)
    return wider if any(map(says_several, others)) else request


def _explained(wanted: tuple[str, ...] | None) -> dict[str, Any]:
    """Return which classes are explained, in one order; nothing where the number of classes decides."""
    return {} if wanted is None else {"explain_classes": sorted({name.casefold() for name in wanted})}


def checkpoints_of(settings: Settings) -> tuple[Path, ...]:
    """Return the checkpoints that the settings name, several of an ensemble, in their order; see :data:`DEMO`.

    Raises:
        SettingsError: They name none.
    """
    named = settings.model.checkpoint
    if named is None:
        raise SettingsError("no checkpoint is named", hint="give --checkpoint FILE, or --checkpoint demo to try")
    paths = (named,) if isinstance(named, Path) else named
    return tuple(demo_checkpoint() if path == DEMO and not path.is_file() else path for path in paths)


def _of_checkpoint(path: Path, settings: Settings) -> dict[str, Any]:
    """Return the hashes of a checkpoint's files."""
    location = locate(path)
    _require_facts(location, settings)
    beside = {name: _hash(file) for name, file in location.beside.items()}
    return {"checkpoint": _hash(location.weights), **({"beside_checkpoint": beside} if beside else {})}


def _of_checkpoints(members: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what a request says of its checkpoints: of several the hash of all and each member's, in any order."""
    if len(members) == 1:
        return members[0]
    numbered = {str(number): member for number, member in enumerate(sorted(members, key=fingerprint), start=1)}
    hashes = "".join(member["checkpoint"] for member in numbered.values())
    return {"checkpoint": hashlib.sha256(hashes.encode()).hexdigest(), "members": numbered}


def _refuse_imported(path: Path) -> None:
    """Refuse to work with a network on a table of heat maps that another program computed, or to overwrite it."""
    try:
        imported = any(open_part(file).provenance.imported for file in table_files(path)[:1])
    except TableError:
        return  # which whoever reads the table says
    if imported:
        raise TableError(
            f"the heat maps of '{path}' are imported: no network computed them here, and none can compute more",
            hint="use commands that need no network, or name another table with --predictions",
        )


def _require_facts(location: Location, settings: Settings) -> None:
    """Raise what is missing before torch is imported, where that is known without it."""
    try:
        read = facts_in_header if is_safetensors(location.weights) else facts_in_archive
        if (said := read(location.weights)) is None:
            return
        facts = facts_of(location.weights, said, read_beside(location))
    except OSError:
        return  # which the hash, or the reader of weights, says
    model = settings.model
    require_facts(
        location.weights,
        facts,
        architecture=model.architecture,
        factory=model.factory,
        class_names=model.class_names,
        sized="size" in settings.preprocess.partial,
    )


def _own_function(reference: str | None, kind: str) -> dict[str, Any]:
    """Return a function of the user's own and the hash of the file that holds it, not of what that file imports."""
    if reference is None:
        return {}
    source = source_of(reference, kind)
    return {kind: reference, f"{kind}_source": None if source is None else sha256_of(source)}


def _of_preprocess(preprocess: PreprocessSettings) -> dict[str, Any]:
    """Return the settings of the input; those that came later count where they are made use of.

    So tables from before keep their fingerprint.
    """
    values = preprocess.model_dump(mode="json")
    usual = type(preprocess)().model_dump(mode="json")
    unused = {name for name in _LATER if values[name] == usual[name]}
    transform = _own_function(preprocess.transform, "transform")
    return {name: value for name, value in (values | transform).items() if name not in unused}


def _hash(checkpoint: Path) -> str:
    try:
        return sha256_of(checkpoint)
    except OSError as error:
        raise CheckpointError(
            f"cannot read the checkpoint '{checkpoint}' ({error.strerror or error})", hint="check --checkpoint"
        ) from error
