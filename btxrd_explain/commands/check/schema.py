"""The content of ``check_report.json``."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from btxrd_explain.evaluation.file_set import FileHashes  # noqa: TC001 -- pydantic reads annotations at run time
from btxrd_explain.evaluation.parts import Part
from btxrd_explain.finding import KINDS, Finding, Severity

SCHEMA_VERSION: Final = 2


class Sources(Part):
    """What the data set was read from."""

    table: str | None = Field(description="BTXRD's table; null where there is none that can be read.")
    split_csv: str | None = Field(description="The split CSV; null likewise.")
    patient_column: str | None = Field(description="The column that names patients; null where no table has one.")
    lesions_drawn_twice: bool = Field(
        description="Whether each lesion is drawn as rectangle and as polygon, so that the two are held together."
    )


class Count(Part):
    """One count and the published one."""

    what: str
    found: int
    published: int


class Published(Part):
    """Counts of what BTXRD is published to hold."""

    compared: bool = Field(description="Whether the data set is meant to be all of BTXRD; else a difference is none.")
    counts: list[Count] = Field(description="Of the table's columns those that it has.")


class NearDuplicates(Part):
    """When two radiographs are near duplicates."""

    hash_bits: int
    max_distance: int = Field(description="Most bits of the difference hash in which they may differ.")
    min_correlation: float = Field(description="Least correlation of their fine structure.")


class FoundKind(Part):
    """A kind of finding of which there is at least one."""

    severity: Severity
    meaning: str
    advice: str = Field(description="What to do.")
    count: int


_OF_A_KIND = Field(json_schema_extra={"properties": {"code": {"enum": list(KINDS)}}})


class CheckReport(Part):
    """The content of ``check_report.json``."""

    schema_version: Literal[2] = SCHEMA_VERSION
    num_images: int
    num_unreadable: int = Field(description="Images that are there and cannot be read.")
    num_annotations: int = Field(description="Images with an annotation.")
    num_findings: dict[Severity, int]
    sources: Sources
    splits: dict[str, dict[str, int]] = Field(
        description="Images by split and class; an empty name stands for no split and for no class."
    )
    stored_as: dict[str, int] = Field(description="Images by format and mode of their files, as Pillow names them.")
    published: Published
    near_duplicates: NearDuplicates
    kinds: dict[str, FoundKind] = Field(description="The kinds of the findings, the worst first.")
    sha256: FileHashes
    findings: list[Annotated[Finding, _OF_A_KIND]] = Field(description="Everything that was found, the worst first.")
