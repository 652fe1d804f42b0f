"""The tables of a data set: the split CSV, BTXRD's table, and one that may name patients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btxrd_explain.errors import InputError
from btxrd_explain.inputs.metadata import read_metadata
from btxrd_explain.workflows.auditing.knowledge import Knowledge, Tables
from btxrd_explain.workflows.auditing.split_rows import read_split_rows
from btxrd_explain.workflows.auditing.table_rows import read_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from btxrd_explain.settings import EvaluationSettings
    from btxrd_explain.workflows.auditing.knowledge import Source

PATIENT_COLUMNS = ("patient_id", "patient", "subject_id", "subject", "case_id", "case")
"""Names of columns that are taken for the patient's, where none is named."""


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

    Raises:
        InputError: No table has the patients' column that is named, or the further table cannot be read.
    """
    tables = Tables({file: Knowledge() for file in ids})
    sources: list[Source] = []
    names = PATIENT_COLUMNS if wanted.group_column is None else (wanted.group_column.strip().lower(),)
    if split_csv is not None:
        sources.append(read_split_rows(tables, ids, split_csv, folder))
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
