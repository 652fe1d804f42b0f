"""BTXRD's table, or one with some of its columns, whatever is wrong with it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from btxrd_explain.errors import InputError
from btxrd_explain.inputs.btxrd_table import btxrd_label, read_table_rows
from btxrd_explain.workflows.auditing.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from btxrd_explain.workflows.auditing.knowledge import Row, Source, Tables

BENIGN = ("osteochondroma", "multiple osteochondromas", "simple bone cyst", "giant cell tumor", "osteofibroma",
          "synovial osteochondroma", "other bt")  # fmt: skip
MALIGNANT = ("osteosarcoma", "other mt")


def read_table(tables: Tables, ids: Mapping[Path, str], path: Path) -> Source:
    """Note what the table says; returns its columns and the row of each image.

    Args:
        tables: Where to note it, and what the split CSV said before.
        ids: The images, by file.
        path: The table.
    """
    try:
        lines = read_table_rows(path)
    except InputError as error:
        tables.findings.append(Finding("unreadable-table", (), str(error)))
        return (), {}
    tables.table, tables.columns = path, tuple(lines[0]) if lines else ()
    rows = _named_rows(tables, path, lines)
    tables.rows = len(rows)
    found = _join(tables, ids, path, rows)
    for file, row in found.items():
        known = tables.known[file]
        known.row = row
        tables.findings += _contradictions(ids[file], row)
        stated = btxrd_label(row)
        if stated and known.split_label and stated.casefold() != known.split_label.casefold():
            text = f"'{ids[file]}' is {known.split_label} in the split CSV, and {stated} in '{path.name}'"
            tables.findings.append(Finding("label-disagrees", (ids[file],), text))
    if found:
        tables.lacks("image-without-row", path, [image_id for file, image_id in ids.items() if file not in found])
    return tables.columns, found


def _named_rows(tables: Tables, path: Path, lines: Iterable[Row]) -> dict[str, Row]:
    """Return the rows by image_id, the first one of each."""
    rows: dict[str, Row] = {}
    for row in lines:
        image_id = row["image_id"]
        if not image_id:
            tables.findings.append(Finding("row-without-id", (), f"a row of '{path.name}' has no image_id"))
        elif rows.setdefault(image_id, row) is not row:
            kind = "repeated-row" if rows[image_id] == row else "conflicting-rows"
            tables.findings.append(Finding(kind, (image_id,), f"'{path.name}' names '{image_id}' more than once"))
    return rows


def _join(tables: Tables, ids: Mapping[Path, str], path: Path, rows: Mapping[str, Row]) -> dict[Path, Row]:
    """Return the row of each image: that of its name, else that of its stem, as other commands have it."""
    stems = Counter(PurePosixPath(name).stem for name in rows)
    by_stem = {PurePosixPath(name).stem: name for name in rows if stems[PurePosixPath(name).stem] == 1}
    found, used = {}, set()
    for file, image_id in ids.items():
        name = file.name if file.name in rows else by_stem.get(file.stem)
        if name is None:
            continue
        found[file] = rows[name]
        used.add(name)
        if name != file.name:
            text = f"'{path.name}' names '{image_id}' as '{name}'"
            tables.findings.append(Finding("other-suffix", (image_id,), text))
    tables.findings += [
        Finding("row-without-image", (), f"'{path.name}' names '{name}', which is not there")
        for name in rows
        if name not in used
    ]
    return found


def _contradictions(image_id: str, row: Row) -> Iterable[Finding]:
    """Yield where the columns of a row of BTXRD's table contradict each other."""
    ones = {name for name, cell in row.items() if cell == "1"}
    texts = []
    if {"benign", "malignant"} <= ones:
        texts.append("benign and malignant")
    if "tumor" in row and ("tumor" in ones) != bool(ones & {"benign", "malignant"}):
        texts.append("tumor without benign or malignant" if "tumor" in ones else "benign or malignant without tumor")
    stated = ones & {"tumor", "benign", "malignant"}
    for name, others in (("benign", MALIGNANT), ("malignant", BENIGN), ("no tumour", BENIGN + MALIGNANT)):
        if stated - {"tumor"} == {name} - {"no tumour"} and (wrong := sorted(ones.intersection(others))):
            texts.append(f"{name} with {wrong[0]}")
    if "benign" in row and "malignant" in row and btxrd_label(row) is None:
        texts.append("neither benign nor malignant nor normal: the cells hold something other than 0 and 1")
    for text in texts:
        yield Finding("contradictory-row", (image_id,), f"'{image_id}' is {text}")
