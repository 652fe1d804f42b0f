"""Audits a data set before work starts: what is missing, what contradicts itself, and what leaks between splits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from btxrd_explain.commands.check.copies import check_annotations, find_copies
from btxrd_explain.commands.check.examine import examine
from btxrd_explain.commands.check.groups import write_groups
from btxrd_explain.commands.check.published import count
from btxrd_explain.commands.check.report import build_report, in_order_of_kinds
from btxrd_explain.commands.check.survey import take_survey
from btxrd_explain.evaluation.file_set import write_set
from btxrd_explain.evaluation.protocol import no_lesion_of
from btxrd_explain.finding import SEVERITIES, listed, quoted
from btxrd_explain.inputs.btxrd import LABELS_FROM, tables_not_read
from btxrd_explain.progress import Listener
from btxrd_explain.system.files import sha256_of
from btxrd_explain.system.locks import alone
from btxrd_explain.system.threads import available_cores, in_order

if TYPE_CHECKING:
    from pathlib import Path

    from btxrd_explain.commands.check.examine import Examined
    from btxrd_explain.commands.check.schema import CheckReport
    from btxrd_explain.commands.check.survey import Survey
    from btxrd_explain.finding import Finding
    from btxrd_explain.settings import Settings

_LEAST_THREADS = 4
"""On few cores some wait for the disk while others decode."""
_AHEAD = 8
"""Decoded radiographs that may be in memory at once."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What ``check`` found.

    Attributes:
        report: The content of ``check_report.json``.
        document: Path of the report.
        findings: What was found, the worst first.
        failed: Whether there is a finding at least as severe as ``check.fail_on``.
        groups: The table of groups, and their number; None where none is asked for.
    """

    report: CheckReport
    document: Path
    findings: tuple[Finding, ...]
    failed: bool
    groups: tuple[Path, int] | None = None


def run(settings: Settings, listener: Listener | None = None) -> CheckResult:
    """Audit a data set; one bad file never stops the others.

    Args:
        settings: The settings.
        listener: Told of progress; None is silent.

    Returns:
        What was found.

    Raises:
        InputError: No data set is named.
        OutputError: The report cannot be written.
    """
    listener = listener or Listener()
    survey = take_survey(settings)
    labels = sorted({entry.known.label for entry in survey.entries if entry.known.label is not None})
    if labels:
        listener.note(no_lesion_of(settings).said(labels))
    else:
        listener.note(_without_labels(survey))
    images = _examine(survey, listener)
    counted = count(survey, images)
    findings = in_order_of_kinds(
        [
            *survey.findings,
            *(finding for image in images for finding in image.findings),
            *check_annotations(survey, images),
            *find_copies(images, settings.check.similarity),
            *counted.findings(),
        ]
    )
    document = settings.output.directory / "check_report.json"
    report = build_report(survey, images, counted, findings, settings)
    path = settings.check.groups
    with alone(document, listener.note):
        groups = None if path is None else (path, write_groups(path, images, findings))
        report = write_set(document, report, {} if path is None else {path.name: sha256_of(path)})
    bad_enough = SEVERITIES[: [*SEVERITIES, "never"].index(settings.check.fail_on) + 1]
    failed = settings.check.fail_on != "never" and any(finding.severity in bad_enough for finding in findings)
    return CheckResult(report, document, tuple(findings), failed, groups)


def _without_labels(survey: Survey) -> str:
    """Return that no label is known, and which tables might hold them."""
    others = [table for root in survey.roots for table in tables_not_read(root)]
    files = listed(quoted(str(table) for table in others))
    passed = f"; not read, though it looks like a table of labels: {files}" if others else ""
    return (
        f"no label is known of any radiograph{passed}. gallery, annotate-iou and performance need labels: {LABELS_FROM}"
    )


def _examine(survey: Survey, listener: Listener) -> list[Examined]:
    """Read all images and annotations in threads."""
    threads = max(_LEAST_THREADS, available_cores())
    listener.start("radiographs", len(survey.entries))
    images = []
    for image in in_order(examine, survey.entries, threads=threads, ahead=max(_AHEAD, threads)):
        images.append(image)
        listener.advance()
    return images
