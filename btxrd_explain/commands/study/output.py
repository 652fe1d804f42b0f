"""``study_criteria``: every criterion of every method with its interval, as a picture and as a table."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from btxrd_explain.commands.study.criteria import Name, Outcome
from btxrd_explain.commands.tables import write_tables
from btxrd_explain.core.sanity import LIMIT
from btxrd_explain.outputs.study_figure import Mark, Panel, build_study
from btxrd_explain.outputs.style import save_figure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from btxrd_explain.commands.study.criteria import Criterion
    from btxrd_explain.commands.study.report import StudyReport

# ``study_criteria.png``: next to chance and the limit of each rule.

_CORRELATION = (-1.0, 1.0)
_AXES: Mapping[Name, tuple[str, tuple[float, float], float | None, bool]] = MappingProxyType(
    {
        Name.LOCALISATION: ("average precision", (0.0, 1.0), None, True),
        Name.SENSITIVITY: ("correlation, random weights", _CORRELATION, LIMIT, False),
        Name.REPEATABILITY: ("correlation of two trainings", _CORRELATION, LIMIT, True),
        Name.REPRODUCIBILITY: ("correlation of architectures", _CORRELATION, LIMIT, True),
        Name.INTERVENTION: ("energy and excess", _CORRELATION, None, False),
    }
)
"""What the axis of each criterion shows, its ends, the limit of the rule, and whether high passes."""


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


# ``study_criteria.parquet`` and ``.csv``: a row per method and criterion.

_TEXT, _NUMBER, _COUNT = pa.string(), pa.float64(), pa.int64()
_SCHEMA = pa.schema(
    [
        *((name, _TEXT) for name in ("method", "criterion", "outcome", "score")),
        *((name, _NUMBER) for name in ("mean", "low", "high", "chance")),
        *((name, _COUNT) for name in ("n", "units")),
        ("reason", _TEXT),
    ]
)


def write_table(stem: Path, report: StudyReport) -> tuple[Path, Path]:
    """Write the table as Parquet and as CSV; what was not computed is empty.

    Raises:
        OutputError: A file cannot be written.
    """
    return write_tables(stem, [pa.Table.from_pylist(list(_rows(report)), _SCHEMA)], _SCHEMA)


def _rows(report: StudyReport) -> Iterator[dict[str, Any]]:
    for method, found in report.methods.items():
        for name, criterion in found.criteria():
            estimate = {} if criterion.estimate is None else criterion.estimate.document()
            facts = criterion.model_dump(mode="json", include={"outcome", "score", "chance", "reason"})
            yield {"method": method, "criterion": str(name), **facts, **estimate}
