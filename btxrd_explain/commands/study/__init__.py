"""Which maps can be trusted? The criteria of the reference studies, for several methods, in one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from btxrd_explain.commands.study.markdown import write_markdown
from btxrd_explain.commands.study.report import build_report
from btxrd_explain.errors import InputError, SettingsError
from btxrd_explain.evaluation.file_set import write_set
from btxrd_explain.inference.request import checkpoints_of, collect_images, names_images, refuse_stream
from btxrd_explain.progress import Failures, Listener, WithoutRows
from btxrd_explain.system.files import with_relative_paths, write_bytes
from btxrd_explain.system.locks import alone

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from btxrd_explain.commands.study.report import StudyReport
    from btxrd_explain.finding import Finding
    from btxrd_explain.settings import Settings

_DOCUMENT = "study_report.json"


@dataclass(frozen=True, slots=True)
class StudyResult:
    """What ``study`` found and wrote.

    Attributes:
        report: The content of ``study_report.json``.
        document: Path of the report.
        files: What else was written, by kind.
        tables: The predictions table of each method that could be studied, by the method's name.
    """

    report: StudyReport
    document: Path
    files: Mapping[str, Path]
    tables: Mapping[str, Path]


class _Once(WithoutRows):
    """Passes on what several commands of a study say alike only once."""

    def __init__(self, listener: Listener) -> None:
        """Wrap a listener."""
        super().__init__(listener)
        self._said: set[object] = set()

    def note(self, message: str) -> None:
        """Pass on what is new."""
        if message not in self._said:
            self._said.add(message)
            super().note(message)

    def warn(self, finding: Finding) -> None:
        """Pass on what is new."""
        if finding not in self._said:
            self._said.add(finding)
            super().warn(finding)


def run(settings: Settings, listener: Listener | None = None) -> StudyResult:
    """Study the maps of one or more methods by the criteria of Arun et al. (2021) and Venkatesh et al. (2024).

    Each method has a folder with its table and reports. What an interrupted run computed is taken over.

    Args:
        settings: The settings; a checkpoint must be named.
        listener: Told of the cost and of progress; None is silent.

    Returns:
        What was found.

    Raises:
        SettingsError: No checkpoint is named, a table is named for all methods, radiographs are named on the standard
            input, or no method can be studied.
        BtxrdExplainError: Input, checkpoint or output cannot be used.
    """
    from btxrd_explain.commands.study.plan import make_plan, networks_of  # noqa: PLC0415 -- torch
    from btxrd_explain.commands.study.steps import measure  # noqa: PLC0415 -- likewise

    listener = Failures(_Once(listener or Listener()), strict=settings.run.strict)
    checkpoints_of(settings)
    if not names_images(settings):
        raise InputError("no radiographs are named", hint="name a BTXRD root, a folder, a split CSV or images")
    refuse_stream(settings)
    folder = settings.output.directory
    if settings.output.predictions is not None:
        raise SettingsError(
            "study has a table for each method and network in the folder of results", hint="leave out --predictions"
        )
    collection = collect_images(settings)
    with alone(folder / _DOCUMENT, listener.note):
        plans = make_plan(settings, collection, listener)
        measured = {plan.method: measure(plan, folder, listener) for plan in plans}
        report = build_report(
            measured,
            networks_of(plans),
            settings,
            images=(len(collection.records), len(collection.annotations)),
            failed=listener.reasons,
        )
        report, files = write_files(report, settings)
    tables = {plan.method: plan.first.table for plan in plans if not isinstance(plan.first, str)}
    return StudyResult(report, folder / _DOCUMENT, files, tables)


def write_files(report: StudyReport, settings: Settings) -> tuple[StudyReport, Mapping[str, Path]]:
    """Write table, figure and summary, and the report that names them last."""
    from btxrd_explain.commands.study.output import draw_criteria, write_table  # noqa: PLC0415 -- matplotlib, pyarrow

    folder, output = settings.output.directory, settings.output
    parquet, text = write_table(folder / "study_criteria", report)
    figure = folder / f"study_criteria.{output.format}"
    draw_criteria(report, figure, dpi=output.dpi)
    files = {"criteria": parquet, "criteria_csv": text, "figure": figure, "summary": folder / "study_report.md"}
    report = report.model_copy(update={"files": {kind: path.name for kind, path in files.items()}})
    write_bytes(files["summary"], with_relative_paths(write_markdown(report), folder).encode())
    return write_set(folder / _DOCUMENT, report, files.values()), files
