"""All radiographs with their heat maps and scores as one page that works without a network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from btxrd_explain.commands.report.document import build_document, describe
from btxrd_explain.commands.report.earlier import Earlier
from btxrd_explain.commands.report.entries import Entry, EntryMaker
from btxrd_explain.commands.report.summary import read_interventions
from btxrd_explain.commands.report.writing import staging, write_report
from btxrd_explain.evaluation.comparators import comparators_of
from btxrd_explain.evaluation.decisions import decisions_of
from btxrd_explain.evaluation.evaluate import Evaluation, Scores
from btxrd_explain.evaluation.extent import Extent, extent_of, find_metadata, read_columns, tune
from btxrd_explain.evaluation.protocol import Protocol, protocol_of
from btxrd_explain.evaluation.readers import readers_of
from btxrd_explain.evaluation.report import sample_of
from btxrd_explain.evaluation.scoring import Scorer
from btxrd_explain.finding import Tally
from btxrd_explain.inference.selection import Selected, keep_pictures, select_to_evaluate
from btxrd_explain.progress import Failures, Listener
from btxrd_explain.system.locks import alone
from btxrd_explain.system.threads import available_cores, in_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from btxrd_explain.settings import Settings


@dataclass(frozen=True, slots=True)
class ReportResult:
    """What ``report`` wrote.

    Attributes:
        page: The HTML file.
        folder: The folder next to it, without which it shows no pictures; None where the page is all.
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
    selected, readers = readers_of(settings, select_to_evaluate(settings, listener), listener)
    comparators = comparators_of(settings, selected, listener)
    extent, protocol = _plan(settings, selected, listener)
    folder, page = settings.output.directory, settings.output.directory / "report.html"
    keep_pictures(selected, page)
    earlier = Earlier.of(folder, listener)
    scorer = Scorer(selected.table, protocol, readers=readers, comparators=comparators, before=earlier.scores)
    maker = EntryMaker(scorer, settings.report.picture_side)
    entries: list[Entry] = []
    tally = Tally()
    with staging(page) as staged:
        for entry in _made(selected, maker, listener):
            staged.add(entry)
            entries.append(entry.light())
            tally.add(entry.findings)
        for finding in tally.findings():
            listener.warn(finding)
        scores = Scores(selected.rows, (score for entry in entries for score in entry.scores))
        read = [one for entry in entries for one in entry.read]
        evaluation = Evaluation(selected, protocol, scores, findings=tally.findings(), readers=readers, read=read)
        found = earlier.find_report(evaluation, sample_of(evaluation, extent), extent, listener)
        found = found.model_copy(update={"provenance": selected.table.document()})
        described = describe(find_metadata(settings, selected), [entry.score.row.image_id for entry in entries])
        intervened = read_interventions(folder, selected.table.provenance, listener)
        document = build_document(entries, described, found, evaluation, extent, settings.output, intervened)
        wanted = settings.report
        with alone(page, listener.note):
            beside = write_report(page, staged, document, layout=wanted.layout, limit=wanted.file_limit)
    shown = sum(entry.thumbnail_size is not None for entry in entries)
    return ReportResult(page, beside, len(entries), shown, listener.reasons)


def _plan(settings: Settings, selected: Selected, listener: Listener) -> tuple[Extent, Protocol]:
    """Return what `annotate-iou` would report with these settings, but for the baselines, which take time."""
    columns = read_columns(settings, selected, listener)
    decisions = decisions_of(settings, selected, listener)
    protocol = protocol_of(settings, selected.table.provenance.class_names, decisions)
    tuned = tune(settings, selected, protocol, listener, groups=columns.get(settings.evaluation.group_column or ""))
    bare = replace(protocol if tuned is None else tuned.protocol, baselines=False, boxes=False)
    return replace(extent_of("report", settings, selected, columns, tuned), average_mask=None), bare


def _made(selected: Selected, maker: EntryMaker, listener: Listener) -> Iterator[Entry]:
    """Make the entries in the order of the table, streaming its grids."""
    listener.start("radiographs", len(selected.rows))
    wanted = set(selected.rows.column("image_id").to_pylist())
    threads = available_cores()
    for entry in in_order(
        lambda row: maker.make(row, selected.annotation_of(row)),
        selected.table.rows(wanted),
        threads=threads,
        ahead=2 * threads,
    ):
        if entry.problem is not None:
            listener.failed(entry.score.row.image_id, "not shown", entry.problem)
        listener.advance()
        yield entry
