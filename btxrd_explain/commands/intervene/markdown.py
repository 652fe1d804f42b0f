"""``intervention_report.md``: the report in words and tables, for a paper's methods and results sections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btxrd_explain.commands.markdown import (
    caveats,
    code,
    definitions,
    interval,
    plain_markdown,
    provenance_table,
    table,
)
from btxrd_explain.core.choices import Looks
from btxrd_explain.synthetic import SYNTHETIC

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from btxrd_explain.commands.intervene.report import InterventionReport, SliceEffects

_SHOWN = 20
"""Names of images in a cell, at most; the JSON report has all."""


def write_markdown(report: InterventionReport) -> str:
    """Write the report as Markdown.

    Args:
        report: The report.

    Returns:
        The text, ending in a newline.
    """
    return "\n\n".join(_sections(report)) + "\n"


def _sections(report: InterventionReport) -> Iterator[str]:
    yield "# Interventions on the radiographs"
    if report.provenance["synthetic"]:
        yield f"**{SYNTHETIC}.**"
    yield f"**{report.verdict}**"
    yield from report.remarks
    yield f"## Methods\n\n{_methods(report)}"
    yield f"## Looks and depends\n\n{_cells(report)}"
    yield f"## Effects\n\n{_effects(report)}"
    yield f"### Slices\n\n{_slices(report)}"
    yield "### Border, background and markers\n\n" + "\n".join(
        f"- {part.verdict}{_missing(part.missing, report.counted)}" for part in report.surroundings.values()
    )
    if report.excluded_images:
        yield (
            "### Excluded\n\n"
            + "\n".join(
                f"- {plain_markdown(one.image_id)}: {plain_markdown(one.reason)}"
                for one in report.excluded_images[:_SHOWN]
            )
            + _rest(len(report.excluded_images))
        )
    yield from caveats(report.warnings, report.limits)
    yield definitions(report.definitions)
    yield f"## Provenance\n\n{provenance_table(report.provenance)}"


def _methods(report: InterventionReport) -> str:
    made, how, drawn = report.provenance, report.protocol, report.statistics
    network = (
        f"{plain_markdown(made['architecture'])} (checkpoint {code(made['checkpoint'])}, SHA-256 "
        f"`{made['checkpoint_sha256'][:16]}`)"
    )
    return (
        f"The lesions of {report.num_with_lesion} annotated radiographs ({plain_markdown(how.annotations)}) were "
        "painted over on the network's input from their surroundings (Telea's inpainting), and so were up to "
        f"{how.controls} control regions in each: the lesion's own shape, shifted, turned or mirrored at random (seed "
        f"{how.control_seed}) to tissue of like brightness without a lesion. The log-odds of the {how.target_class} "
        f"class were followed with {network}. The excess is the change without the lesion minus the mean change "
        "without a control. Where the change without the lesion lies below that of every control, the class is said to "
        "depend on the lesion. All of it was repeated with a local blur instead of inpainting. Border, background and "
        f"markers of {report.num_images} radiographs were cleared one by one. Means are given with 95 % intervals "
        f"(percentile bootstrap over {drawn.units} {drawn.unit}, {drawn.resamples} draws, seed {drawn.seed})."
    )


def _cells(report: InterventionReport) -> str:
    found = report.table
    rule = (
        "its hottest pixel is on a lesion"
        if found.looks == Looks.POINTING
        else f"its IoU reaches {found.looks_fraction:g} of that of the grid's ideal map"
    )
    rows = [
        [cell.name, cell.meaning, str(cell.count), interval(cell.fraction), _names(cell.images)] for cell in found.cells
    ]
    agree, what = report.num_fills_agree, report.counted
    further = (
        f"{found.n_undefined} {what} with a lesion are in none of them: their map or their rank is undefined. "
        f"Inpainting and blur agree on {agree} of {agree + len(report.fills_disagree)} {what}. The energy of the map "
        f"on the lesion and the excess correlate with Spearman's rho {interval(report.energy_with_excess)}."
    )
    return "\n\n".join(
        [
            f"A map looks at the lesion where {rule} ({report.provenance['method']}).",
            table(["", "what it says", what, "fraction [95 % interval]", "which"], rows),
            further,
        ]
    )


def _names(images: list[str]) -> str:
    once = list(dict.fromkeys(images))  # of several classes of an image, each may be in the cell
    return plain_markdown(", ".join(once[:_SHOWN])) + _rest(len(once))


def _rest(count: int) -> str:
    return f" and {count - _SHOWN} more" if count > _SHOWN else ""


def _missing(reasons: Mapping[str, int], what: str) -> str:
    return "".join(f" {what.capitalize()} without: {count} ({reason})." for reason, count in reasons.items())


def _effects(report: InterventionReport) -> str:
    rows = [
        [name, interval(found.log_odds), interval(found.probability), interval(found.flip), str(found.log_odds.n)]
        for name, found in report.summary.overall.effects.items()
    ]
    return table(["change", "log-odds", "probability", "predictions that flip", "n"], rows)


def _slices(report: InterventionReport) -> str:
    summary = report.summary
    groups: dict[str, Mapping[str, SliceEffects]] = {
        "all": {"all": summary.overall},
        "class": summary.by_class,
        "outcome": summary.by_outcome,
        "lesion size": summary.by_lesion_size,
        **summary.by_metadata,
    }
    shown = ("lesion", "control", "excess", "border", "background", "markers")
    rows = [
        [
            plain_markdown(what),
            plain_markdown(name),
            str(part.n_images),
            *(interval(part.effects[effect].log_odds) for effect in shown),
            interval(part.depends),
        ]
        for what, parts in groups.items()
        for name, part in parts.items()
    ]
    return table(["by", "slice", report.counted, *shown, "depends"], rows) + "\n\nEffects on the log-odds."
