"""Reading the table, a single file or a folder of them: a light index of all rows, and rows with grids as a stream."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import chain
from operator import attrgetter
from pathlib import PurePath, PurePosixPath
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from btxrd_explain.errors import TableError
from btxrd_explain.plain import plain
from btxrd_explain.predictions.index import Index
from btxrd_explain.predictions.part import Part, answering, open_part
from btxrd_explain.predictions.provenance import differences
from btxrd_explain.predictions.schema import from_batch, text_column
from btxrd_explain.system.places import in_folder, is_url

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from btxrd_explain.predictions.provenance import Provenance
    from btxrd_explain.predictions.record import Prediction

_BY_ID = attrgetter("image_id")
_HIVE_COLUMNS = ("label", "split", "status")
"""Columns that the folders of a partitioned table may name instead of its files."""


@dataclass(frozen=True, slots=True)
class PredictionTable:
    """A predictions table on disk, sorted by ``image_id``.

    Attributes:
        path: The Parquet file, or the folder of them.
        parts: The files with rows, in the order of their lowest ``image_id``.
        provenance: How the rows were made.
        places: Where image files are that are no longer where the rows say, by ``image_id``.
    """

    path: Path
    parts: tuple[Part, ...]
    provenance: Provenance
    places: Mapping[str, Path] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The folder to which the paths of the images are relative."""
        return self.path.parent if self.parts[0].path == self.path else self.path

    def index(self) -> Index:
        """Return all rows without their grids.

        Raises:
            TableError: A file is damaged, or an image is in two of them.
        """
        table = pa.concat_tables([part.light() for part in self.parts])
        if len(self.parts) > 1:
            table = table.sort_by("image_id")
            ids = table.column("image_id").combine_chunks()
            twice = ids[1:].filter(pc.equal(ids[1:], ids[:-1]))
            if len(twice):
                raise self._in_two_parts(twice[0].as_py())
        return Index(table)

    def rows(self, image_ids: Collection[str] | None = None) -> Iterator[Prediction]:
        """Stream rows with their grids, in the order of the table; memory does not grow with the table.

        Files whose ranges of ``image_id`` overlap are open side by side, the others one after another.

        Args:
            image_ids: Only these rows; None for all.

        Raises:
            TableError: A file is damaged, or an image is in two of them.
        """
        wanted = None if image_ids is None else sorted(image_ids)
        streams = (
            heapq.merge(*(_stream(part, wanted) for part in group), key=_BY_ID) for group in _overlapping(self.parts)
        )
        last = None
        for row in chain.from_iterable(streams):
            if row.image_id == last:
                raise self._in_two_parts(row.image_id)
            last = row.image_id
            yield row

    def document(self) -> dict[str, Any]:
        """Return which table this is and how it was made as plain JSON values, for reports.

        ``table_sha256`` is the hash of its file; of a folder that of the hashes of its files, in the order of their
        names; of a table in a store null, which would be read over the network.
        """
        return {"table": plain(self.path.name), "table_sha256": self._sha256()} | self.provenance.document()

    def _sha256(self) -> str | None:
        if is_url(self.path):
            return None
        hashes = [part.sha256() for part in sorted(self.parts, key=attrgetter("path"))]
        return hashes[0] if self.parts[0].path == self.path else sha256("".join(hashes).encode()).hexdigest()

    def image_path(self, row: Prediction) -> Path:
        """Return where a row's image file is."""
        if row.image_id in self.places:
            return self.places[row.image_id]
        return in_folder(self.folder, row.path)

    def _in_two_parts(self, image_id: str) -> TableError:
        holders = [part.path.name for part in self.parts for _ in _stream(part, [image_id])]
        return TableError(
            f"'{image_id}' is more than once in '{self.path}', in {' and '.join(holders[:2])}",
            hint="keep one of the files there, or merge with 'btxrd-explain merge' what belongs together",
        )


def open_table(path: Path) -> PredictionTable:
    """Open a predictions table; only schemas are read.

    Args:
        path: A Parquet file, or a folder whose Parquet files, also those in its subfolders (``split=test/``), make up
            one table. Names that begin with ``.`` or ``_`` are passed over.

    Raises:
        TableError: The table is missing, or a file is damaged, holds no predictions or was made in another way.
    """
    found = [open_part(file, _keys(path, file)) for file in table_files(path)]
    if not found:
        what = f"'{path}' holds no Parquet file" if is_folder(path) else f"no predictions table at '{path}'"
        raise TableError(what, hint="run 'btxrd-explain infer' first, or name another table with --predictions")
    return assemble(path, found)


def assemble(path: Path, parts: Sequence[Part]) -> PredictionTable:
    """Return the table that some files make up together.

    Args:
        path: What stands for the table in messages, and to which the images' paths are relative.
        parts: The files, at least one.

    Raises:
        TableError: Two files were made in different ways.
    """
    for part in parts[1:]:
        _check_alike(parts[0], part)
    filled = sorted((part for part in parts if part.rows), key=attrgetter("first", "path"))
    named = (one for part in parts for one in part.provenance.split_csvs)
    return PredictionTable(path, tuple(filled or parts[:1]), parts[0].provenance.with_split_csvs(named))


def table_files(path: Path) -> list[Path]:
    """Return the files of a table: itself, or the Parquet files in a folder and its subfolders; perhaps none.

    Raises:
        UnreachableTableError: The store of a URL does not answer.
    """
    names: Sequence[PurePath]
    if is_url(path):
        names = _names_in_store(path)
    elif not path.is_dir():
        return [path] if path.exists() else []
    else:
        names = sorted(file.relative_to(path) for file in path.rglob("*.parquet") if file.is_file())
    shown = [name for name in names if not any(step.startswith((".", "_")) for step in name.parts)]
    return [path / str(name) if name.parts else path for name in shown]


def _names_in_store(path: Any) -> list[PurePosixPath]:  # noqa: ANN401 -- a UPath
    """Return the names of the Parquet files in a folder of a store as seen from it; of a file, an empty one."""
    with answering(path):
        path.fs.invalidate_cache()  # other machines write there, too
        if path.fs.isfile(path.path):
            return [PurePosixPath()]
        start = path.path.rstrip("/") + "/"
        found = [file for file in path.fs.find(path.path) if file.startswith(start)]
    return sorted(PurePosixPath(file.removeprefix(start)) for file in found if file.endswith(".parquet"))


def is_folder(path: Path) -> bool:
    """Return whether a place is a folder; in a store, one is there as soon as something is in it.

    Raises:
        UnreachableTableError: The store of a URL does not answer.
    """
    if not is_url(path):
        return path.is_dir()
    with answering(path):
        path.fs.invalidate_cache()  # type: ignore[attr-defined]  # a UPath
        return not path.is_file() and path.is_dir()


def table_folder(path: Path) -> Path:
    """Return the folder to which the paths in a table are relative: a partitioned table's own, or a file's."""
    return path if is_folder(path) else path.parent


def _keys(table: Path, file: Path) -> dict[str, str | None]:
    """Return what the names of the folders between a table and its file say (``split=test/``)."""
    between = PurePosixPath(file.parent.as_posix()).relative_to(table.as_posix()) if file != table else None
    if between is None or "=" not in str(between):
        return {}
    from pyarrow import dataset  # noqa: PLC0415 -- takes as long to import as all else of pyarrow

    schema = pa.schema([(name, pa.string()) for name in _HIVE_COLUMNS])
    partitioning = dataset.partitioning(schema, flavor="hive")
    keys: dict[str, str | None] = dataset.get_partition_keys(partitioning.parse(f"{between.as_posix()}/"))
    return keys


def _check_alike(first: Part, other: Part) -> None:
    changes = differences(first.provenance.request, other.provenance.request)
    if not changes and first.columns == other.columns:
        return
    reason = "; ".join(changes) or "their columns differ"
    raise TableError(
        f"'{first.path}' and '{other.path}' do not belong to one table ({reason})",
        hint="keep tables of different runs in different folders",
    )


def _stream(part: Part, wanted: Sequence[str] | None) -> Iterator[Prediction]:
    values = None if wanted is None else text_column(wanted)
    for batch in part.batches(wanted):
        yield from from_batch(batch if values is None else batch.filter(pc.is_in(batch.column("image_id"), values)))


def _overlapping(parts: Iterable[Part]) -> Iterator[list[Part]]:
    """Group parts, given in the order of their lowest ``image_id``, so that no two groups overlap."""
    group: list[Part] = []
    for part in parts:
        if group and part.first > max(other.last for other in group):
            yield group
            group = []
        group.append(part)
    yield group
