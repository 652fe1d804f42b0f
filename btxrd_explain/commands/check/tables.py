"""The tables of a data set, whatever is wrong with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from btxrd_explain.errors import InputError
from btxrd_explain.finding import Finding
from btxrd_explain.inputs.btxrd import btxrd_label, read_metadata, read_table_rows
from btxrd_explain.inputs.gathering import NameIndex, UnresolvedNameError, contradiction
from btxrd_explain.inputs.split_csv import read_split_lines
from btxrd_explain.inputs.table_lines import TRUTHS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from btxrd_explain.inputs.gathering import Selection
    from btxrd_explain.settings import EvaluationSettings

# What the tables of a data set say about its images.

Row = Mapping[str, str]
Source = tuple[Sequence[str], Mapping[Path, Row]]
"""Columns of a table, and its row of each image."""


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

    def lacks(self, kind: str, path: Path, absent: Sequence[str]) -> None:
        """Note which images a table does not have, by image_id."""
        if absent:
            named = f"{len(absent)} images, such as '{min(absent)}'" if len(absent) > 1 else f"'{absent[0]}'"
            self.findings.append(Finding.of(kind, f"not in '{path.name}': {named}", sorted(absent)))


# The split CSV of a data set, whatever is wrong with it.


def read_split_rows(
    tables: Tables, ids: Mapping[Path, str], selection: Selection, class_names: Sequence[str] | None = None
) -> Source:
    """Note what a split CSV says; returns its columns and the row of each image.

    Args:
        tables: Where to note it.
        ids: The images, by file.
        selection: The split CSV.
        class_names: The classes; None where they are not known.
    """
    path = selection.path
    try:
        notes, read = read_split_lines(path, class_names, selection.vocabulary)
        lines = list(read)
    except InputError as error:
        tables.findings.append(Finding.of("unreadable-table", str(error)))
        return (), {}
    tables.split_csv = path
    rows: dict[Path, Row] = {}
    index = NameIndex(ids, selection.folder)
    for where, file, cells in _resolved(tables, lines, selection, index):
        if file in rows:
            tables.findings.append(_again(ids[file], where, rows[file], cells))
        elif file in ids:  # and not in a folder that is not looked at
            rows[file] = cells
            known = tables.known[file]
            known.split, known.split_label = cells["split"] or None, cells["label"] or None
            if known.split is None or known.split_label is None:
                text = f"{where} gives '{ids[file]}' no {'split' if known.split is None else 'label'}"
                tables.findings.append(Finding.of("incomplete-row", text, [ids[file]]))
    tables.findings += [Finding.of("taken-for", note) for note in (*notes, *index.notes(path))]
    if rows:
        tables.lacks("image-without-split", path, [image_id for file, image_id in ids.items() if file not in rows])
    return tuple(lines[0][1]) if lines else (), rows


def _resolved(
    tables: Tables, lines: Iterable[tuple[int, Row]], selection: Selection, index: NameIndex
) -> Iterator[tuple[str, Path, Row]]:
    """Yield the rows that name an image that is there: where they are, the image's file, and the cells."""
    for line, cells in lines:
        where = f"line {line} of '{selection.path.name}'"
        if not cells["image_id"]:
            tables.findings.append(Finding.of("row-without-id", f"{where} has no image_id"))
            continue
        try:
            yield where, index.resolve(cells["image_id"]), cells
        except UnresolvedNameError as error:
            if selection.complete:
                text = f"{where} names '{cells['image_id']}': {error}"
                tables.findings.append(Finding.of("row-without-image", text))


def _again(image_id: str, where: str, first: Row, second: Row) -> Finding:
    """Return what is found where a split CSV names an image once more."""
    said, says = (", ".join(row[name] or "nothing" for name in ("split", "label")) for row in (first, second))
    if said == says:
        return Finding.of("repeated-row", f"{where} names '{image_id}' again", [image_id])
    return Finding.of("conflicting-rows", f"{where} says {says} of '{image_id}', a line before {said}", [image_id])


# BTXRD's table, or one with some of its columns, whatever is wrong with it.

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
        tables.findings.append(Finding.of("unreadable-table", str(error)))
        return (), {}
    tables.table, tables.columns = path, tuple(lines[0]) if lines else ()
    rows = _named_rows(tables, path, lines)
    tables.rows = len(rows)
    found = _join(tables, ids, path, rows)
    for file, row in found.items():
        known = tables.known[file]
        known.row = row
        tables.findings += _contradictions(ids[file], row)
        tables.findings += contradiction(ids[file], known.split_label, btxrd_label(row))
    if found:
        tables.lacks("image-without-row", path, [image_id for file, image_id in ids.items() if file not in found])
    return tables.columns, found


def _named_rows(tables: Tables, path: Path, lines: Iterable[Row]) -> dict[str, Row]:
    """Return the rows by image_id, the first one of each."""
    rows: dict[str, Row] = {}
    for row in lines:
        image_id = row["image_id"]
        if not image_id:
            tables.findings.append(Finding.of("row-without-id", f"a row of '{path.name}' has no image_id"))
        elif rows.setdefault(image_id, row) is not row:
            kind = "repeated-row" if rows[image_id] == row else "conflicting-rows"
            tables.findings.append(Finding.of(kind, f"'{path.name}' names '{image_id}' more than once", [image_id]))
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
            tables.findings.append(Finding.of("other-suffix", text, [image_id]))
    tables.findings += [
        Finding.of("row-without-image", f"'{path.name}' names '{name}', which is not there")
        for name in rows
        if name not in used
    ]
    return found


def _contradictions(image_id: str, row: Row) -> Iterable[Finding]:
    """Yield where the columns of a row of BTXRD's table contradict each other."""
    ones = {name for name, cell in row.items() if TRUTHS.get(cell.lower())}
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
        yield Finding.of("contradictory-row", f"'{image_id}' is {text}", [image_id])


# The tables of a data set: the split CSV, BTXRD's table, and one that may name patients.

PATIENT_COLUMNS = ("patient_id", "patient", "subject_id", "subject", "case_id", "case")
"""Names of columns that are taken for the patient's, where none is named."""


def read_tables(
    ids: Mapping[Path, str],
    table: Path | None,
    selection: Selection | None,
    wanted: EvaluationSettings,
    class_names: Sequence[str] | None = None,
) -> Tables:
    """Read the tables of a data set, whatever is wrong with them.

    Args:
        ids: The images, by file.
        table: BTXRD's table, or one with some of its columns; None where there is none.
        selection: The split CSV; None where there is none.
        wanted: Names the patients' column, and a further table that may hold it.
        class_names: The classes; None where they are not known.

    Raises:
        InputError: No table has the patients' column that is named, or the further table cannot be read.
    """
    tables = Tables({file: Knowledge() for file in ids})
    sources: list[Source] = []
    names = PATIENT_COLUMNS if wanted.group_column is None else (wanted.group_column.strip().lower(),)
    if selection is not None:
        sources.append(read_split_rows(tables, ids, selection, class_names))
    if table is not None:
        sources.append(read_table(tables, ids, table))
    if wanted.metadata is not None:
        sources.append(_read_metadata(ids, wanted.metadata, names))
    _find_patients(tables, sources, names)
    if wanted.group_column is not None and tables.patient_column is None:
        raise InputError(
            f"no table has a column '{wanted.group_column}'", hint="name the table that has it with --metadata"
        )
    return tables


def _read_metadata(ids: Mapping[Path, str], path: Path, names: Iterable[str]) -> Source:
    """Return of a further table the columns of those names, and each image's row of them."""
    metadata = read_metadata(path)
    files = [file.name for file in ids]
    columns = {name: metadata.column(name, files) for name in names if name in metadata.columns}
    rows = ({name: column[place] or "" for name, column in columns.items()} for place in range(len(files)))
    return tuple(columns), dict(zip(ids, rows, strict=True))


def _find_patients(tables: Tables, sources: Iterable[Source], names: Sequence[str]) -> None:
    """Note each image's patient from the first source that has one of the columns."""
    for columns, rows in sources:
        name = next((name for name in names if name in columns), None)
        if name is not None:
            tables.patient_column = name
            for file, row in rows.items():
                tables.known[file].patient = row[name] or None
            return
