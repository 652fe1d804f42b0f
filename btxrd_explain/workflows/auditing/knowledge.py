"""What the tables of a data set say about its images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from btxrd_explain.inputs.btxrd_table import btxrd_label
from btxrd_explain.workflows.auditing.findings import Finding

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
            self.findings.append(Finding(kind, tuple(sorted(absent)), f"not in '{path.name}': {named}"))
