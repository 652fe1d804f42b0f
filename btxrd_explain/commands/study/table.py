"""``study_criteria.parquet``: a row per method and criterion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from btxrd_explain.commands.tables import write_tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from btxrd_explain.commands.study.report import StudyReport

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
