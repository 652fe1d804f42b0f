"""Which radiographs a report is of, and with which command it is made again; by names alone, without folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from btxrd_explain.evaluation.parts import Part
from btxrd_explain.inference.request import split_csvs_of
from btxrd_explain.predictions.provenance import SplitCsv
from btxrd_explain.settings.flags import command_line

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    split_csv: SplitFile | None = Field(
        description="Null where none was named; labels are then those of the table, see `split_csvs` of `provenance`."
    )
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
        table = next(iter(split_csvs_of(settings)), None)
        return cls(
            command=command_line(command, settings),
            root=None if data.root is None else data.root.absolute().name,
            inputs=[Path(text).name or text for text in data.inputs],
            split_csv=None if table is None else SplitFile(name=table.name, sha256=table.sha256),
            split=data.split,
            selected=len(rows),
            predicted=int((rows.predicted >= 0).sum()),
            annotated=sum(selected.annotation_of(row) is not None for row in rows),
        )


def split_csv_in_words(origin: Origin, made: Mapping[str, Any]) -> str:
    """Return by which split CSVs radiographs were selected: now, and when their table was made.

    Args:
        origin: Which radiographs were worked on.
        made: How the table was made, as reports have it.
    """
    now = origin.split_csv
    named = f"{now.name} (SHA-256 {now.sha256 or 'not known'})" if now is not None else "none named"
    before = [SplitCsv(**one) for one in made.get("split_csvs", ())]
    if not before or [(one.name, one.sha256) for one in before] == [now and (now.name, now.sha256)]:
        return named
    return f"{named}; when the table was made: {', then '.join(map(str, before))}"
