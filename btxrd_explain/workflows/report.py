"""All radiographs with their heat maps and scores as one page that works without a network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from btxrd_explain.workflows.evaluation.evaluate import Evaluation
from btxrd_explain.workflows.evaluation.extent import Extent, extent_of, find_metadata, read_columns
from btxrd_explain.workflows.evaluation.protocol import Protocol, protocol_of
from btxrd_explain.workflows.evaluation.report import sample_of
from btxrd_explain.workflows.evaluation.scores import Scores
from btxrd_explain.workflows.evaluation.scoring import Scorer
from btxrd_explain.workflows.evaluation.tuning import tune
from btxrd_explain.workflows.html_report.document import build_document
from btxrd_explain.workflows.html_report.entries import Entry, EntryMaker
from btxrd_explain.workflows.html_report.findings import find_report
from btxrd_explain.workflows.html_report.metadata import describe
from btxrd_explain.workflows.html_report.writing import staging, write_report
from btxrd_explain.workflows.progress import Failures, Listener
from btxrd_explain.workflows.selection import Selected, select_to_evaluate
from btxrd_explain.workflows.threads import available_cores, in_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from btxrd_explain.settings import Settings


@dataclass(frozen=True, slots=True)
class ReportResult:
    """What ``report`` wrote.

    Attributes:
        page: The HTML file.
        folder: The folder beside it, without which it shows no pictures; None where the page is all.
        images: How many radiographs it tells of.
        shown: How many of them it shows.
        failed: Why the files of some images failed, by ``image_id``; they are not shown.
    """

    page: Path
    folder: Path | None
    images: int
    shown: int
    failed: Mapping[str, str]


def run(settings: Settings, listener: Listener | None = None) -> ReportResult:
    """Write the report.

    Args:
        settings: The settings.
        listener: Told of progress; None is silent.

    Returns:
        What was written.

    Raises:
        BtxrdExplainError: Table or output cannot be used.
    """
    listener = Failures(listener, strict=settings.run.strict)
    selected = select_to_evaluate(settings, listener)
    extent, protocol = _plan(settings, selected, listener)
    page = settings.output.directory / "report.html"
    maker = EntryMaker(Scorer(selected.table, protocol), settings.report.picture_side)
    entries: list[Entry] = []
    with staging(page) as staged:
        for entry in _made(selected, maker, listener):
            staged.add(entry)
            entries.append(entry.light())
        evaluation = Evaluation(selected, protocol, Scores(selected.rows, (entry.score for entry in entries)))
        found = find_report(settings.output.directory, evaluation, sample_of(evaluation, extent), extent, listener)
        described = describe(find_metadata(settings, selected), [entry.score.row.image_id for entry in entries])
        document = build_document(entries, described, found, protocol, selected.table.provenance, settings)
        wanted = settings.report
        folder = write_report(page, staged, document, layout=wanted.layout, limit=wanted.file_limit)
    shown = sum(entry.thumbnail_size is not None for entry in entries)
    return ReportResult(page, folder, len(entries), shown, listener.reasons)


def _plan(settings: Settings, selected: Selected, listener: Listener) -> tuple[Extent, Protocol]:
    """Return what `annotate-iou` would report with these settings, but for the baselines, which take time."""
    columns = read_columns(settings, selected, listener)
    protocol = protocol_of(settings, selected.table.provenance.class_names)
    tuned = tune(settings, selected, protocol, listener)
    bare = replace(protocol if tuned is None else tuned.protocol, baselines=False, boxes=False)
    return replace(extent_of(settings, selected, columns, tuned), average_mask=None), bare


def _made(selected: Selected, maker: EntryMaker, listener: Listener) -> Iterator[Entry]:
    """Make the entries in the order of the table, streaming its grids."""
    listener.start("radiographs", len(selected.rows))
    wanted = set(selected.rows.column("image_id").to_pylist())
    threads = available_cores()
    for entry in in_order(
        lambda row: maker.make(row, selected.annotations.get(row.image_id)),
        selected.table.rows(wanted),
        threads=threads,
        ahead=2 * threads,
    ):
        if entry.problem is not None:
            listener.failed(entry.score.row.image_id, "not shown", entry.problem)
        listener.advance()
        yield entry
