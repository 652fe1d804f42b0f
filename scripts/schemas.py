"""Write the JSON Schemas of all reports into ``docs/reference/``, as ``nox -s schema`` does."""

from __future__ import annotations

from pathlib import Path

from btxrd_explain.commands.check.schema import CheckReport
from btxrd_explain.commands.compare.differences import Comparison
from btxrd_explain.commands.export import ExportReport
from btxrd_explain.commands.gallery import GalleryReport
from btxrd_explain.commands.intervene.report import InterventionReport
from btxrd_explain.commands.performance import PerformanceReport
from btxrd_explain.commands.performance.multi_label import MultiLabelReport
from btxrd_explain.commands.sanity.report import SanityReport
from btxrd_explain.commands.study.report import StudyReport
from btxrd_explain.evaluation.parts import Part, schema_of
from btxrd_explain.evaluation.schema import Document

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
REPORTS: dict[str, type[Part]] = {
    "annotation_report": Document,
    "check_report": CheckReport,
    "comparison": Comparison,
    "export": ExportReport,
    "gallery": GalleryReport,
    "intervention_report": InterventionReport,
    "performance": PerformanceReport,
    "performance-multi-label": MultiLabelReport,
    "sanity_report": SanityReport,
    "study_report": StudyReport,
}
"""The model of each report, by the name of its file."""
SCHEMAS = {FOLDER / f"{name}.schema.json": schema_of(model, f"{name}.json") for name, model in REPORTS.items()}
"""The text of each schema, by its file."""

if __name__ == "__main__":
    for path, text in SCHEMAS.items():
        path.write_text(text, encoding="utf-8")
