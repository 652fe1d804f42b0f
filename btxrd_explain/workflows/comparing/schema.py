"""The content of ``comparison.json``."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field

from btxrd_explain.workflows.evaluation.schema import Statistics, Warned  # noqa: TC001 -- pydantic reads it
from btxrd_explain.workflows.evaluation.slice_schema import Mean, Part

SCHEMA_VERSION: Final = 1


class BoundedMean(Mean):
    """A mean beside what bounds it, over the same images."""

    chance: float | None = Field(description="What chance scores, by a formula or else by a uniform random grid.")
    ceiling: float | None = Field(description="What the ideal map scores that a grid of the table's size can draw.")


class Compared(Part):
    """One of the tables."""

    path: str
    threshold: str = Field(description="How its heat maps became regions, in words.")
    n_undefined: int = Field(description="Compared images without an IoU in this table; they count in no mean.")
    means: dict[str, BoundedMean] = Field(
        description="Every metric on the images in which all tables define it, so that each n holds for all tables."
    )
    difference: dict[str, Mean] | None = Field(
        description="This table minus the first, image by image (paired bootstrap); null for the first."
    )
    warnings: list[Warned] = Field(description="What of it looks right and may be wrong.")
    only_here: list[str] = Field(description="Images that not all tables have a prediction of; left out.")
    provenance: dict[str, Any]


class Comparison(Part):
    """The content of ``comparison.json``."""

    schema_version: Literal[1] = SCHEMA_VERSION
    reference: str = Field(description="Name of the first table, which the others are held against.")
    n: int = Field(description="Images that were compared.")
    tables: dict[str, Compared]
    changed: list[str] = Field(description="Images whose file was another one in one of the tables; left out.")
    relabelled: list[str] = Field(description="Images whose true class was another one in one of the tables; left out.")
    excluded: dict[str, int] = Field(description="Common images without a score in one of the tables, by reason.")
    target_class: Literal["true", "predicted"]
    space: Literal["original", "input"]
    mask_policy: str
    label_map: dict[str, str] = Field(description="What labels mean: lesion, ignore, or a class.")
    statistics: Statistics
    files: dict[str, str]
