"""``sanity_report.md``: the verdicts in words, and the tables that they rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btxrd_explain.commands.markdown import interval, plain_markdown, provenance_table, table
from btxrd_explain.core.stability import in_words
from btxrd_explain.synthetic import SYNTHETIC

if TYPE_CHECKING:
    from collections.abc import Iterator

    from btxrd_explain.commands.sanity.report import InsertionDeletion, SanityReport, StabilityReport


def write_markdown(report: SanityReport) -> str:
    """Write the report as Markdown; the text ends in a newline."""
    return "\n\n".join(_sections(report)) + "\n"


def _sections(report: SanityReport) -> Iterator[str]:
    yield "# Do the heat maps depend on the model?"
    if report.provenance["synthetic"]:
        yield f"**{SYNTHETIC}.**"
    yield (
        f"{report.num_images} radiographs were checked, with the maps of the class that the network predicts. "
        "Similarity is measured on the network's input, with 95 % intervals over images."
    )
    yield f"## Random weights\n\n{plain_markdown(' '.join([report.verdict, *report.remarks]))}"
    yield f"Rule: {report.rule}"
    yield _stages(report)
    if report.stability is not None:
        yield from _stability(report.stability)
    if report.insertion_deletion is not None:
        yield f"## Insertion and deletion\n\n{_areas(report.insertion_deletion)}"
    if report.excluded_images:
        lines = (f"- {plain_markdown(f'{one.image_id}: {one.reason}')}" for one in report.excluded_images)
        yield "## Left out\n\n" + "\n".join(lines)
    yield f"## Provenance\n\n{provenance_table(report.provenance)}"


def _stages(report: SanityReport) -> str:
    rows = [
        [str(number), plain_markdown(one.name), interval(one.spearman), interval(one.ssim), str(one.n_vanished)]
        for number, one in enumerate(report.stages, 1)
    ]
    rows.append(["", "maps of different images", interval(report.chance.spearman), interval(report.chance.ssim), ""])
    return table(["", "random up to", "Spearman", "SSIM", "vanished"], rows)


def _stability(found: StabilityReport) -> Iterator[str]:
    yield f"## Changes that say nothing new\n\n{found.verdict}"
    yield f"Rule, stated beforehand: {found.rule}"
    rows = [
        [
            in_words(one.change, one.strength) + (" (decides)" if one.decides else ""),
            interval(one.spearman),
            interval(one.ssim),
            str(one.spearman.n),
            str(one.n_vanished),
            str(one.n_incomplete),
            str(one.n_other_class),
        ]
        for one in found.changes
    ]
    yield table(["change", "Spearman", "SSIM", "n", "vanished", "incomplete", "predicted otherwise"], rows)


def _areas(found: InsertionDeletion) -> str:
    rows = [
        [kind, *map(interval, (areas.auc, areas.auc_random, areas.difference))]
        for kind, areas in (("insertion", found.insertion), ("deletion", found.deletion))
    ]
    return table(["area under", "heat maps", "random maps", "difference"], rows)
