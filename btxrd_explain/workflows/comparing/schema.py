"""The content of ``comparison.json``."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field

from btxrd_explain.workflows.evaluation.schema import Statistics  # noqa: TC001 -- pydantic reads it
from btxrd_explain.workflows.evaluation.slice_schema import Mean, Part

SCHEMA_VERSION: Final = 1


class Compared(Part):
    """One of the tables."""

    path: str
    threshold: str = Field(description="How its heat maps became regions, in words.")
    means: dict[str, Mean] = Field(description="Every metric on the images that all tables have in common.")
    difference: dict[str, Mean] | None = Field(
        description="This table minus the first, image by image (paired bootstrap); null for the first."
    )
    only_here: list[str] = Field(description="Images that not all tables have a prediction of; left out.")
    provenance: dict[str, Any]


class Comparison(Part):
    """The content of ``comparison.json``."""

    schema_version: Literal[1] = SCHEMA_VERSION
    reference: str = Field(description="Name of the first table, which the others are held against.")
    n: int = Field(description="Images that were compared.")
    tables: dict[str, Compared]
    changed: list[str] = Field(description="Images whose file was another one in one of the tables; left out.")
    excluded: dict[str, int] = Field(description="Common images without a score in one of the tables, by reason.")
    target_class: Literal["true", "predicted"]
    space: Literal["original", "input"]
    statistics: Statistics
    files: dict[str, str]
