"""All radiographs with their heat maps and scores as one page that works without a network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from btxrd_explain.commands.report.document import build_document, describe
from btxrd_explain.commands.report.entries import Entry, EntryMaker
from btxrd_explain.commands.report.summary import read_interventions
from btxrd_explain.commands.report.writing import staging, write_report
from btxrd_explain.evaluation.comparators import comparators_of
from btxrd_explain.evaluation.decisions import decisions_of
from btxrd_explain.evaluation.evaluate import Evaluation, Scores
from btxrd_explain.evaluation.extent import Extent, extent_of, find_metadata, read_columns, tune
from btxrd_explain.evaluation.file_set import as_written, of_other_runs, read_report
from btxrd_explain.evaluation.protocol import Protocol, protocol_of
from btxrd_explain.evaluation.readers import readers_of
from btxrd_explain.evaluation.report import build_report, excluded_images, sample_of
from btxrd_explain.evaluation.schema import Document
from btxrd_explain.evaluation.scoring import Scorer
from btxrd_explain.finding import Tally, listed, quoted
from btxrd_explain.inference.selection import Selected, select_to_evaluate
from btxrd_explain.progress import Failures, Listener
from btxrd_explain.system.locks import alone
from btxrd_explain.system.threads import available_cores, in_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from btxrd_explain.evaluation.sample import Sample
    from btxrd_explain.evaluation.schema import Report
    from btxrd_explain.settings import Settings

# What the annotations say of all heat maps together: as `annotate-iou` has found it, else as measured now.


def find_report(folder: Path, evaluation: Evaluation, sample: Sample, extent: Extent, listener: Listener) -> Report:
    """Return the report of `annotate-iou` where it says the same of every radiograph, else one made now.

    The one on disk may know more: baselines take time, and slices by metadata must be asked for.

    Args:
        folder: The folder of results.
        evaluation: What was measured now.
        sample: Its evaluated images in columns.
        extent: What is reported beyond the scores.
        listener: Told of a report that does not fit.
    """
    now = as_written(build_report(evaluation, sample, extent), folder)
    path = folder / "annotation_report.json"
    try:
        known = Document.model_validate(read_report(path))
    except FileNotFoundError:
        return now
    except (OSError, ValueError):
        listener.note(f"'{path}' is damaged or of another release, and is not taken into account")
        return now
    mixed = of_other_runs(folder, known.sha256)
    if mixed:
        listener.note(
            f"'{path}' and {listed(quoted(mixed))} are not of one run: run 'btxrd-explain annotate-iou' again, which "
            "writes all of them"
        )
    excluded = [as_written(image, folder) for image in excluded_images(evaluation)]
    if _agree(known, now) and known.excluded_images == excluded:
        return known
    listener.note(
        f"'{path}' is of other radiographs, another table or another protocol, and is not taken into account; "
        "run 'btxrd-explain annotate-iou' with the same settings to have its baselines and slices in the page"
    )
    return now


def _agree(known: Report, now: Report) -> bool:
    """Return whether two reports are of the same table, protocol and radiographs, with the same scores."""
    unrelated = {"average_mask"}  # what the baselines were made of
    return (
        known.provenance.get("fingerprint") == now.provenance["fingerprint"]
        and known.protocol.model_dump(exclude=unrelated) == now.protocol.model_dump(exclude=unrelated)
        and _scores(known) == _scores(now)
        and now.human in (None, known.human)
        and _of_comparators(now).items() <= _of_comparators(known).items()
    )


def _of_comparators(report: Report) -> dict[str, float | None]:
    return {name: found.mean for name, found in report.summary.overall.metrics["iou"].comparators.items()}


def _scores(report: Report) -> list[tuple[str, float | None]]:
    return [(image.image_id, getattr(image, "iou", None)) for image in report.per_image]


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
    page = settings.output.directory / "report.html"
    maker = EntryMaker(
        Scorer(selected.table, protocol, readers=readers, comparators=comparators), settings.report.picture_side
    )
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
        found = find_report(settings.output.directory, evaluation, sample_of(evaluation, extent), extent, listener)
        described = describe(find_metadata(settings, selected), [entry.score.row.image_id for entry in entries])
        provenance, output = selected.table.provenance, settings.output
        intervened = read_interventions(output.directory, provenance, listener)
        document = build_document(entries, described, found, protocol, provenance, output, intervened)
        wanted = settings.report
        with alone(page, listener.note):
            folder = write_report(page, staged, document, layout=wanted.layout, limit=wanted.file_limit)
    shown = sum(entry.thumbnail_size is not None for entry in entries)
    return ReportResult(page, folder, len(entries), shown, listener.reasons)


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
