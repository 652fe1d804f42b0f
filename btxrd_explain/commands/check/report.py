"""The content of ``check_report.json``."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

from btxrd_explain.commands.check.copies import draws_twice
from btxrd_explain.commands.check.schema import CheckReport, FoundKind, NearDuplicates, Sources
from btxrd_explain.core.duplicates import HASH_BITS, MAX_DISTANCE
from btxrd_explain.core.labels import true_words
from btxrd_explain.finding import KINDS, SEVERITIES
from btxrd_explain.system.files import named_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from btxrd_explain.commands.check.examine import Examined
    from btxrd_explain.commands.check.published import Counted
    from btxrd_explain.commands.check.survey import Survey
    from btxrd_explain.finding import Finding
    from btxrd_explain.settings import Settings


def in_order_of_kinds(findings: Iterable[Finding]) -> list[Finding]:
    """Sort findings: the worst first, then as :data:`KINDS` has their kinds, then by the images."""
    order = {name: (SEVERITIES.index(kind.severity), place) for place, (name, kind) in enumerate(KINDS.items())}
    return sorted(findings, key=lambda finding: (*order[finding.code], finding.images, finding.message))


def build_report(
    survey: Survey, images: Sequence[Examined], counted: Counted, findings: Sequence[Finding], settings: Settings
) -> CheckReport:
    """Return the report."""
    tables, folder = survey.tables, settings.output.directory
    severities = Counter(finding.severity for finding in findings)
    return CheckReport(
        num_images=len(images),
        num_unreadable=sum(image.sha256 is None for image in images),
        num_annotations=counted.counts["annotations"],
        num_findings={severity: severities[severity] for severity in SEVERITIES},
        sources=Sources(
            table=None if tables.table is None else named_in(folder, tables.table),
            split_csv=None if tables.split_csv is None else named_in(folder, tables.split_csv),
            patient_column=tables.patient_column,
            lesions_drawn_twice=draws_twice(images),
        ),
        splits=_splits(survey),
        stored_as=dict(sorted(Counter(_stored_as(image) for image in images).items())),
        published=counted.document(),
        near_duplicates=NearDuplicates(
            hash_bits=HASH_BITS, max_distance=MAX_DISTANCE, min_correlation=settings.check.similarity
        ),
        kinds=_kinds(findings),
        findings=list(findings),
        sha256={},
    )


def _splits(survey: Survey) -> dict[str, dict[str, int]]:
    """Return how many images of each class each split has; without split and class they are under an empty name.

    An image of several classes counts for each of them, and one of which all columns say no as ``none``.
    """
    counts: dict[str, Counter[str]] = {}
    for entry in survey.entries:
        label = entry.known.label
        counts.setdefault(entry.known.split or "", Counter()).update(
            [""] if label is None else true_words(label) or ["none"]
        )
    return {split: dict(sorted(classes.items())) for split, classes in sorted(counts.items())}


def _stored_as(image: Examined) -> str:
    return "unknown" if image.header is None else f"{image.header.format} {image.header.mode}"


def _kinds(findings: Iterable[Finding]) -> dict[str, FoundKind]:
    """Return the kinds that were found."""
    counts = Counter(finding.code for finding in findings)  # keeps the order of the findings
    return {name: FoundKind(**asdict(KINDS[name]), count=count) for name, count in counts.items()}
