"""Which radiographs a report is of, and with which command it is made again; by names alone, without folders."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from btxrd_explain.evaluation.parts import Part
from btxrd_explain.inputs.table_lines import TABLE_SUFFIXES
from btxrd_explain.settings.flags import command_line
from btxrd_explain.system.files import sha256_of

if TYPE_CHECKING:
    from btxrd_explain.inference.selection import Selected
    from btxrd_explain.settings import Settings


class SplitFile(Part):
    """The table that selected the radiographs."""

    name: str
    sha256: str | None = Field(description="Of its content; null where it cannot be read any more.")


class Origin(Part):
    """Which radiographs were worked on."""

    command: str = Field(description="The command line; of paths it has the names only.")
    root: str | None = Field(description="Name of the BTXRD root, where one was named.")
    inputs: list[str] = Field(description="Names of what was given as INPUT; empty where the table decides.")
    split_csv: SplitFile | None = Field(description="Null where none was named; labels are then those of the table.")
    split: str | None = Field(description="Null for all splits.")
    selected: int = Field(description="Radiographs that these selected.")
    predicted: int = Field(description="Those of them with a prediction.")
    annotated: int = Field(description="Those of them with an annotation.")

    @classmethod
    def of(cls, command: str, settings: Settings, selected: Selected) -> Origin:
        """Say what was worked on.

        Args:
            command: The command.
            settings: Its settings.
            selected: The rows that it works on.
        """
        data, rows = settings.data, selected.rows
        tables = [Path(text) for text in data.inputs if Path(text).suffix.lower() in TABLE_SUFFIXES]
        table = data.split_csv or next(iter(tables), None)
        return cls(
            command=command_line(command, settings),
            root=None if data.root is None else data.root.absolute().name,
            inputs=[Path(text).name or text for text in data.inputs],
            split_csv=None if table is None else SplitFile(name=table.name, sha256=_hash(table)),
            split=data.split,
            selected=len(rows),
            predicted=int((rows.predicted >= 0).sum()),
            annotated=sum(selected.annotation_of(row) is not None for row in rows),
        )


def _hash(path: Path) -> str | None:
    with suppress(OSError):
        return sha256_of(path)
    return None
