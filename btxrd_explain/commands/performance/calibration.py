"""Whether probabilities can be taken at their word, as the reports of ``performance`` say it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from btxrd_explain.core.statistics import number
from btxrd_explain.evaluation.parts import Estimate, Part

if TYPE_CHECKING:
    from btxrd_explain.core.classification import Reliability


class Bin(Estimate):
    """A bin of a reliability diagram: ``mean`` is the fraction that came true, with Wilson's interval over images."""

    probability: float | None = Field(description="Mean probability of its images; null in an empty bin.")


class Calibration(Part):
    """Whether probabilities can be taken at their word."""

    calibration_error: Estimate
    brier: Estimate
    bins: list[Bin] = Field(description="Ten bins of equal width, from 0 to 1.")


def calibration_of(part: Reliability) -> Calibration:
    """Write a reliability diagram down."""
    columns = {"probability": part.probability, "mean": part.right, "low": part.low, "high": part.high}
    bins = [
        Bin(n=count, units=count, **{name: number(column[index]) for name, column in columns.items()})
        for index, count in enumerate(part.counts.tolist())
    ]
    return Calibration(calibration_error=Estimate.of(part.error), brier=Estimate.of(part.brier), bins=bins)
