"""``study_report.md``: the study in words and tables, for a paper's methods and results sections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btxrd_explain.commands.markdown import caveats, interval, number, plain_markdown, table
from btxrd_explain.commands.study.criteria import Name, Outcome
from btxrd_explain.synthetic import SYNTHETIC

if TYPE_CHECKING:
    from collections.abc import Iterator

    from btxrd_explain.commands.study.criteria import Criterion
    from btxrd_explain.commands.study.report import StudyReport


def write_markdown(report: StudyReport) -> str:
    """Write the report as Markdown.

    Args:
        report: The report.

    Returns:
        The text, ending in a newline.
    """
    return "\n\n".join(_sections(report)) + "\n"


def _sections(report: StudyReport) -> Iterator[str]:
    yield "# Criteria of heat maps, by method"
    if report.synthetic:
        yield f"**{SYNTHETIC}.**"
    yield "## Conclusion\n\n" + "\n".join(f"- {plain_markdown(sentence)}" for sentence in report.conclusion)
    yield f"## Methods\n\n{plain_markdown(report.methods_paragraph)}"
    yield "## Rules\n\n" + "\n".join(f"- **{name}**: {plain_markdown(rule)}" for name, rule in report.rules.items())
    yield f"## Results\n\n{_overview(report)}"
    if report.classifier is not None:
        yield f"The classifier: {plain_markdown(report.classifier.verdict)}"
    for name in Name:
        yield f"### {name.capitalize()}\n\n{report.questions[name]}\n\n{_details(report, name)}"
    warnings = {str(one): one for found in report.methods.values() for one in found.warnings}
    yield from caveats(warnings.values(), report.limits)
    yield "## Sources\n\n" + "\n".join(f"- {source}" for source in report.sources)


def _overview(report: StudyReport) -> str:
    rows = [
        [method, *(_cell(criterion) for _, criterion in found.criteria())] for method, found in report.methods.items()
    ]
    return table(["method", *map(str, Name)], rows)


def _cell(criterion: Criterion) -> str:
    if criterion.outcome is Outcome.NOT_COMPUTED:
        return str(criterion.outcome)
    return f"{criterion.outcome}: {interval(criterion.estimate)}"


def _details(report: StudyReport, name: Name) -> str:
    rows = []
    for method, found in report.methods.items():
        one: Criterion = getattr(found, name)
        others = [f"{key} {interval(value)}" for key, value in one.further.items()]
        rows.append(
            [
                method,
                str(one.outcome),
                number(one.chance),
                plain_markdown("; ".join(others)),
                plain_markdown(one.reason),
            ]
        )
    return table(["method", "outcome", "chance", "other scores", "why"], rows)
