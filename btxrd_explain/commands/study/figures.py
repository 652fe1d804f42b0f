"""``study_criteria.png``: every criterion of every method with its interval, beside chance."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from btxrd_explain.commands.study.criteria import Name, Outcome
from btxrd_explain.core.sanity import LIMIT
from btxrd_explain.outputs.study_figure import Mark, Panel, build_study
from btxrd_explain.outputs.style import save_figure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from btxrd_explain.commands.study.criteria import Criterion
    from btxrd_explain.commands.study.report import StudyReport

_CORRELATION = (-1.0, 1.0)
_AXES: Mapping[Name, tuple[str, tuple[float, float], float | None]] = MappingProxyType(
    {
        Name.LOCALISATION: ("average precision", (0.0, 1.0), None),
        Name.SENSITIVITY: ("correlation, random weights", _CORRELATION, LIMIT),
        Name.REPEATABILITY: ("correlation of two trainings", _CORRELATION, LIMIT),
        Name.REPRODUCIBILITY: ("correlation of architectures", _CORRELATION, LIMIT),
        Name.INTERVENTION: ("energy and excess", _CORRELATION, None),
    }
)
"""What the axis of each criterion shows, its ends, and the limit of the rule."""


def draw_criteria(report: StudyReport, target: Path, *, dpi: int) -> None:
    """Draw a panel per criterion, with a line per method.

    Raises:
        OutputError: The figure cannot be written.
    """
    panels = [
        Panel(str(name), *_AXES[name], [_mark(getattr(found, name)) for found in report.methods.values()])
        for name in Name
    ]
    first = report.first
    made = f"{first.architecture}, {first.checkpoint} ({first.checkpoint_sha256[:8]})"
    if report.second is not None:
        made += f"; second: {report.second.architecture}, {report.second.checkpoint}"
    footer = f"trained on SYNTHETIC DATA  |  {made}" if report.synthetic else made
    save_figure(build_study(panels, list(report.methods), footer=footer), target, dpi=dpi)


def _mark(criterion: Criterion) -> Mark:
    found = criterion.estimate
    if criterion.outcome is Outcome.NOT_COMPUTED or found is None:
        return Mark(str(criterion.outcome), None, None, None, None)
    return Mark(str(criterion.outcome), found.mean, found.low, found.high, criterion.chance)
