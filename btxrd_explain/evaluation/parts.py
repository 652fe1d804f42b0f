"""What the JSON reports of all commands are made of, and the JSON Schema that is made from their models."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from btxrd_explain.core import statistics


class Part(BaseModel):
    """A report or a part of one; no other keys, and what is undefined is null."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, defer_build=True)

    def document(self) -> dict[str, Any]:
        """Return plain JSON values by the keys of the file."""
        return self.model_dump(mode="json", by_alias=True)


class Estimate(Part):
    """A statistic of several images with its bootstrap interval."""

    mean: float | None = Field(description="The statistic, such as a mean over images; null where it is undefined.")
    low: float | None = Field(description="Lower end of the interval; null for fewer than two independent units.")
    high: float | None = Field(description="Upper end of the interval; null likewise.")
    n: int = Field(description="Images in which it is defined.")
    units: int = Field(description="Independent units among them: groups, or the images themselves.")

    @classmethod
    def of(cls, found: statistics.Estimate, **more: Any) -> Self:  # noqa: ANN401 -- the fields of subclasses
        """Write an estimate down; subclasses have more to say of it."""
        return cls(mean=found.value, low=found.low, high=found.high, n=found.n, units=found.units, **more)


class Statistics(Part):
    """How intervals were made."""

    interval: Literal["percentile bootstrap"] = "percentile bootstrap"
    level: float
    resamples: int
    seed: int
    unit: str = Field(description="What was drawn: images, or groups of a column.")
    units: int = Field(description="Number of independent units among the images.")

    @classmethod
    def of(cls, drawn: statistics.Resampling, unit: str, units: int | None = None) -> Self:
        """Return the record of how images were drawn; None counts the units among all that can be drawn."""
        units = drawn.units if units is None else units
        return cls(level=drawn.level, resamples=drawn.resamples, seed=drawn.seed, unit=unit, units=units)


class LeftOut(Part):
    """An image that has no part in something, and why."""

    image_id: str
    reason: str

    @classmethod
    def of(cls, reasons: Mapping[str, str]) -> list[Self]:
        """Write down the images of which a reason is known, sorted."""
        return [cls(image_id=image_id, reason=reason) for image_id, reason in sorted(reasons.items())]


def schema_of(model: type[Part], file_name: str) -> str:
    """Return the JSON Schema (draft 2020-12) of a report as text.

    Args:
        model: The model of the whole report.
        file_name: What the report is called on disk.
    """
    schema = model.model_json_schema(by_alias=True, mode="serialization")
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = f"{file_name} of btxrd-explain"
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
