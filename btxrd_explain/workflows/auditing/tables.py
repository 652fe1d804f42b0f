"""What the table and the split CSV say about the images, and where they contradict themselves or each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from btxrd_explain.errors import InputError
from btxrd_explain.inputs.btxrd_table import btxrd_label, read_table_rows
from btxrd_explain.inputs.metadata import read_metadata
from btxrd_explain.inputs.names import NameIndex, UnresolvedNameError
from btxrd_explain.inputs.split_csv import COLUMNS, read_csv
from btxrd_explain.workflows.auditing.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from btxrd_explain.settings import EvaluationSettings

Row = dict[str, str]
Source = tuple[Sequence[str], dict[Path, Row]]
"""Columns of a table, and its row of each image."""

PATIENT_COLUMNS = (
    "patient_id",
    "patientid",
    "patient",
    "subject_id",
    "subjectid",
    "subject",
    "case_id",
    "caseid",
    "case",
)
"""Names of columns that are taken for the patient's, where none is named."""
BENIGN = ("osteochondroma", "multiple osteochondromas", "simple bone cyst", "giant cell tumor", "osteofibroma",
          "synovial osteochondroma", "other bt")  # fmt: skip
MALIGNANT = ("osteosarcoma", "other mt")


@dataclass(slots=True)
class Knowledge:
    """What the tables say about one image.

    Attributes:
        row: Its row of the table, by column; empty where there is none.
        split: The split; None where no split CSV says.
        split_label: The label of the split CSV; None where it does not say.
        patient: The patient; None where no column says.
    """

    row: Mapping[str, str] = field(default_factory=dict)
    split: str | None = None
    split_label: str | None = None
    patient: str | None = None

    @property
    def label(self) -> str | None:
        """The label of the split CSV, else of the table."""
        return self.split_label or btxrd_label(self.row)


@dataclass(slots=True)
class Tables:
    """The tables of a data set.

    Attributes:
        known: What they say about each image.
        table: The table that was read; None where there is none.
        split_csv: The same of the split CSV.
        columns: The table's columns.
        rows: Number of the table's rows.
        patient_column: The column that names patients, None where there is none.
        findings: What is wrong with them.
    """

    known: dict[Path, Knowledge]
    table: Path | None = None
    split_csv: Path | None = None
    columns: tuple[str, ...] = ()
    rows: int = 0
    patient_column: str | None = None
    findings: list[Finding] = field(default_factory=list)


def read_tables(
    ids: Mapping[Path, str], table: Path | None, split_csv: Path | None, folder: Path, wanted: EvaluationSettings
) -> Tables:
    """Read the tables of a data set, whatever is wrong with them.

    Args:
        ids: The images, by file.
        table: BTXRD's table, or one with some of its columns; None where there is none.
        split_csv: The split CSV; None where there is none.
        folder: Where the images are that the tables name.
        wanted: Names the patients' column, and a further table that may hold it.
    """
    tables = Tables({file: Knowledge() for file in ids})
    sources: list[Source] = []
    if split_csv is not None:
        sources.append(_read_split_csv(tables, ids, split_csv, folder))
    if table is not None:
        sources.append(_read_table(tables, ids, table))
    if wanted.metadata is not None:
        metadata = read_metadata(wanted.metadata)
        rows = {file: dict(metadata.rows.get(file.name, {})) for file in ids}
        sources.append((metadata.columns, rows))
    _find_patients(tables, sources, wanted.group_column)
    return tables


def _read_split_csv(tables: Tables, ids: Mapping[Path, str], path: Path, folder: Path) -> Source:
    """Note what the split CSV says; returns its columns and the row of each image."""
    try:
        lines = list(read_csv(path, COLUMNS))
    except InputError as error:
        tables.findings.append(Finding("unreadable-table", (), str(error)))
        return (), {}
    tables.split_csv = path
    index = NameIndex(ids, folder)
    rows: dict[Path, Row] = {}
    seen: dict[Path, tuple[str, str]] = {}
    for line, cells in lines:
        where = f"line {line} of '{path.name}'"
        if not cells["image_id"]:
            tables.findings.append(Finding("row-without-id", (), f"{where} has no image_id"))
            continue
        try:
            file = index.resolve(cells["image_id"])
        except UnresolvedNameError as error:
            tables.findings.append(Finding("row-without-image", (), f"{where} names '{cells['image_id']}': {error}"))
            continue
        if file not in ids:
            continue  # of a folder that is not looked at
        stated = (cells["split"], cells["label"])
        if file in seen:
            tables.findings.append(_again(ids[file], where, seen[file], stated))
            continue
        rows[file], seen[file] = cells, stated
        known = tables.known[file]
        known.split, known.split_label = (cell or None for cell in stated)
        if not all(stated):
            text = f"{where} gives '{ids[file]}' no {'label' if stated[0] else 'split'}"
            tables.findings.append(Finding("incomplete-row", (ids[file],), text))
    absent = tuple(sorted(ids[file] for file in ids if file not in rows))
    if absent and rows:
        tables.findings.append(Finding("image-without-split", absent, f"not in '{path.name}': {_shown(absent)}"))
    return (list(lines[0][1]) if lines else ()), rows


def _again(image_id: str, where: str, first: tuple[str, str], second: tuple[str, str]) -> Finding:
    """Return what is found where a split CSV names an image once more."""
    if first == second:
        return Finding("repeated-row", (image_id,), f"{where} names '{image_id}' again")
    said, says = (", ".join(cell or "nothing" for cell in cells) for cells in (first, second))
    return Finding("conflicting-rows", (image_id,), f"{where} says {says} of '{image_id}', a line before {said}")


def _read_table(tables: Tables, ids: Mapping[Path, str], path: Path) -> Source:
    """Note what the table says; returns its columns and the row of each image."""
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
    absent = tuple(sorted(ids[file] for file in ids if file not in found))
    if absent and found:
        tables.findings.append(Finding("image-without-row", absent, f"not in '{path.name}': {_shown(absent)}"))
    return tables.columns, found


def _shown(absent: Sequence[str]) -> str:
    """Name the first of several images and how many there are."""
    return f"{len(absent)} images, such as '{absent[0]}'" if len(absent) > 1 else f"'{absent[0]}'"


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
    for name, others in (("benign", MALIGNANT), ("malignant", BENIGN)):
        if (
            name in ones
            and (wrong := sorted(ones.intersection(others)))
            and not ones & {"benign", "malignant"} - {name}
        ):
            texts.append(f"{name} with {wrong[0]}")
    if not ones & {"tumor", "benign", "malignant"} and (named := sorted(ones.intersection(BENIGN + MALIGNANT))):
        texts.append(f"no tumour with {named[0]}")
    if "benign" in row and "malignant" in row and btxrd_label(row) is None:
        texts.append("neither benign nor malignant nor normal: the cells hold something other than 0 and 1")
    for text in texts:
        yield Finding("contradictory-row", (image_id,), f"'{image_id}' is {text}")


def _find_patients(tables: Tables, sources: Iterable[Source], named: str | None) -> None:
    """Note each image's patient from the first source that has a column for it."""
    names = PATIENT_COLUMNS if named is None else (named.strip().lower(),)
    for columns, rows in sources:
        name = next((name for name in names if name in columns), None)
        if name is not None:
            tables.patient_column = name
            for file, row in rows.items():
                tables.known[file].patient = row.get(name) or None
            return
    if named is not None:
        raise InputError(
            f"no table has a column '{named}'", hint="check --group-column, or name a table with --metadata"
        )
