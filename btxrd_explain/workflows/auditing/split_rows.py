"""The split CSV of a data set, whatever is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btxrd_explain.errors import InputError
from btxrd_explain.inputs.names import NameIndex, UnresolvedNameError
from btxrd_explain.inputs.split_csv import COLUMNS, read_csv
from btxrd_explain.workflows.auditing.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from btxrd_explain.workflows.auditing.knowledge import Row, Source, Tables


def read_split_rows(tables: Tables, ids: Mapping[Path, str], path: Path, folder: Path) -> Source:
    """Note what a split CSV says; returns its columns and the row of each image.

    Args:
        tables: Where to note it.
        ids: The images, by file.
        path: The split CSV.
        folder: Where the images are that it names.
    """
    try:
        lines = list(read_csv(path, COLUMNS))
    except InputError as error:
        tables.findings.append(Finding("unreadable-table", (), str(error)))
        return (), {}
    tables.split_csv = path
    rows: dict[Path, Row] = {}
    for where, file, cells in _resolved(tables, lines, path, NameIndex(ids, folder)):
        if file in rows:
            tables.findings.append(_again(ids[file], where, rows[file], cells))
        elif file in ids:  # and not in a folder that is not looked at
            rows[file] = cells
            known = tables.known[file]
            known.split, known.split_label = cells["split"] or None, cells["label"] or None
            if known.split is None or known.split_label is None:
                text = f"{where} gives '{ids[file]}' no {'split' if known.split is None else 'label'}"
                tables.findings.append(Finding("incomplete-row", (ids[file],), text))
    if rows:
        tables.lacks("image-without-split", path, [image_id for file, image_id in ids.items() if file not in rows])
    return tuple(lines[0][1]) if lines else (), rows


def _resolved(
    tables: Tables, lines: Iterable[tuple[int, Row]], path: Path, index: NameIndex
) -> Iterator[tuple[str, Path, Row]]:
    """Yield the rows that name an image that is there: where they stand, the image's file, and the cells."""
    for line, cells in lines:
        where = f"line {line} of '{path.name}'"
        if not cells["image_id"]:
            tables.findings.append(Finding("row-without-id", (), f"{where} has no image_id"))
            continue
        try:
            yield where, index.resolve(cells["image_id"]), cells
        except UnresolvedNameError as error:
            tables.findings.append(Finding("row-without-image", (), f"{where} names '{cells['image_id']}': {error}"))


def _again(image_id: str, where: str, first: Row, second: Row) -> Finding:
    """Return what is found where a split CSV names an image once more."""
    said, says = (", ".join(row[name] or "nothing" for name in ("split", "label")) for row in (first, second))
    if said == says:
        return Finding("repeated-row", (image_id,), f"{where} names '{image_id}' again")
    return Finding("conflicting-rows", (image_id,), f"{where} says {says} of '{image_id}', a line before {said}")
