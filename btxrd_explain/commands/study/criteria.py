"""The criteria by which heat maps are trusted, and the rules that say pass or fail, which are stated beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, TypeVar

from pydantic import Field, WithJsonSchema

from btxrd_explain.commands.markdown import interval, number
from btxrd_explain.core import sanity
from btxrd_explain.core.sanity import LIMIT
from btxrd_explain.evaluation.parts import Estimate, Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from btxrd_explain.commands.compare.agreement import Agreement
    from btxrd_explain.commands.intervene.report import InterventionReport
    from btxrd_explain.commands.sanity.report import SanityReport
    from btxrd_explain.evaluation.human import HumanBenchmark
    from btxrd_explain.evaluation.schema import Metric, Report

Measured = TypeVar("Measured")


class Name(StrEnum):
    """A criterion."""

    LOCALISATION = "localisation"
    SENSITIVITY = "sensitivity"
    REPEATABILITY = "repeatability"
    REPRODUCIBILITY = "reproducibility"
    INTERVENTION = "intervention"


QUESTIONS: Mapping[str, str] = MappingProxyType(
    {
        Name.LOCALISATION: "Are the maps on the lesion, more than maps that do not explain the class?",
        Name.SENSITIVITY: "Do the maps change when the weights become random?",
        Name.REPEATABILITY: "Are the maps the same after another training of the same architecture?",
        Name.REPRODUCIBILITY: "Are the maps the same with another architecture?",
        Name.INTERVENTION: "Do the maps look at lesions more where the class depends on them?",
    }
)
"""What each criterion asks; the first four are those of Arun et al. (2021) and Venkatesh et al. (2024)."""

_ALIKE = (
    f"pass: its 95 % interval is wholly at or above {LIMIT} and wholly above that of maps of different images; fail: "
    f"it is wholly below {LIMIT}, or not above that of different images; otherwise unclear"
)

RULES: Mapping[str, str] = MappingProxyType(
    {
        Name.LOCALISATION: "Mean average precision of the pixels. pass: its 95 % interval is wholly above chance, and "
        "its paired difference from each baseline that was scored wholly above 0; fail: it is wholly at or below "
        "chance, or its difference from a baseline is wholly at or below 0; otherwise unclear. Readers and detectors "
        "are shown and do not decide.",
        Name.SENSITIVITY: f"The rule of sanity. {sanity.RULE} pass: the maps change with the weights; fail: they "
        "survive random weights; unclear: it is undecided.",
        Name.REPEATABILITY: "Mean rank correlation of the maps of the same image and class from two networks of one "
        f"architecture. {_ALIKE}. Of several pairs the one with the lowest mean decides.",
        Name.REPRODUCIBILITY: f"The same of two networks of different architectures. {_ALIKE}. Of several pairs the "
        "one with the lowest mean decides.",
        Name.INTERVENTION: "Rank correlation over images of the energy of the map on the lesion with the excess, the "
        "change of the log-odds without the lesion minus that without a control. pass: its 95 % interval is wholly "
        "below 0 (maps look at lesions where the class depends on them); fail: wholly above 0; otherwise unclear.",
    }
)
"""The rules, as the report states them."""


class Outcome(StrEnum):
    """What a criterion says of a method."""

    PASS = "pass"  # noqa: S105 -- no password
    FAIL = "fail"
    UNCLEAR = "unclear"
    NOT_COMPUTED = "not computed"


class Against(Part):
    """What a score is compared with."""

    name: str
    score: str
    estimate: Estimate = Field(description="What it scores.")
    difference: Estimate | None = Field(
        description="Heat map minus this, image by image (paired bootstrap); null where images are not paired."
    )
    decides: bool = Field(description="Whether the rule compares with it.")


class Criterion(Part):
    """What a criterion says of a method."""

    outcome: Annotated[Outcome, WithJsonSchema({"enum": [kind.value for kind in Outcome], "type": "string"})]
    reason: str = Field(description="What the outcome rests on, or why nothing was computed.")
    score: str | None = Field(description="Name of the score that decides; null where nothing was computed.")
    estimate: Estimate | None
    chance: float | None = Field(description="What that score is by chance.")
    against: list[Against] = Field(description="What else it is compared with: baselines, readers, other images.")
    further: dict[str, Estimate] = Field(description="Other scores of the same comparison, which do not decide.")


def not_computed(reason: str) -> Criterion:
    """Return a criterion of which nothing is known, and why."""
    return Criterion(
        outcome=Outcome.NOT_COMPUTED, reason=reason, score=None, estimate=None, chance=None, against=[], further={}
    )


# Localisation.

SCORE, _OF_READERS = "average_precision", "iou"
"""What decides; and of readers, whose masks have no order of pixels, what is shown."""


def localisation(report: Report) -> Criterion:
    """Judge how well maps are on lesions.

    Args:
        report: What `annotate-iou` says of them.
    """
    metrics = report.summary.overall.metrics
    metric = metrics[SCORE]
    outcome, reason = _localised(metric, report.not_computed)
    reason += (
        f"; annotate-iou concludes from another score, the IoU ({interval(metrics['iou'])}), and may say otherwise"
    )
    against = [
        Against(name=name, score=SCORE, estimate=_plain(one), difference=one.difference, decides=decides)
        for others, decides in ((metric.baselines, True), (metric.comparators, False))
        for name, one in others.items()
    ]
    if report.human is not None:
        against += _readers(report.human)
        reason += f"; {_beside_readers(report.human)}"
    return Criterion(
        outcome=outcome,
        reason=reason,
        score=SCORE,
        estimate=_plain(metric),
        chance=metric.chance,
        against=against,
        further={name: _plain(metrics[name]) for name in (_OF_READERS, "pointing_hit", "energy_in_mask")},
    )


def _localised(metric: Metric, missing: Iterable[str] = ()) -> tuple[Outcome, str]:
    found = f"mean average precision of the pixels {interval(metric)} (n = {metric.n}, chance {number(metric.chance)})"
    if metric.mean is None or metric.low is None or metric.high is None:
        return Outcome.UNCLEAR, f"{found}: too few images for an interval"
    known = {name: one.difference for name, one in metric.baselines.items() if one.difference.low is not None}
    unknown = dict.fromkeys((*(name for name in metric.baselines if name not in known), *missing))
    found += f", without a score of {', '.join(unknown)}" if unknown else ""
    if not known:
        return Outcome.UNCLEAR, f"{found}: no baseline was scored"
    by = known | ({} if metric.chance is None else {"chance": _less(metric, metric.chance)})
    lost = {name: one for name, one in by.items() if one.high is not None and one.high <= 0}
    unsure = {name: one for name, one in by.items() if one.low is not None and one.low <= 0}
    if lost:
        return Outcome.FAIL, f"{found}: not above {_with_differences(lost)}"
    if unsure:
        return Outcome.UNCLEAR, f"{found}: not clearly above {_with_differences(unsure)}"
    nearest = min(known, key=lambda name: known[name].mean or 0)
    told = _with_differences({nearest: known[nearest]})
    return Outcome.PASS, f"{found}: above chance and all {len(known)} baselines, the nearest is {told}"


def _less(found: Estimate, level: float) -> Estimate:
    """Return an estimate minus a level that is known."""
    ends = {name: getattr(found, name) - level for name in ("mean", "low", "high")}
    return Estimate(**ends, n=found.n, units=found.units)


def _with_differences(by: Mapping[str, Estimate]) -> str:
    return ", ".join(f"{name} (difference {interval(one)})" for name, one in by.items())


def _readers(human: HumanBenchmark) -> list[Against]:
    scores = [(name, result.scores[_OF_READERS]) for name, result in human.results]
    return [
        Against(name=name, score=_OF_READERS, estimate=one.reader, difference=one.difference, decides=False)
        for name, one in scores
    ]


def _beside_readers(human: HumanBenchmark) -> str:
    by = human.all_readers.scores[_OF_READERS]
    return f"IoU minus that of the readers {interval(by.difference)}, {interval(by.fraction)} of the human benchmark"


def _plain(found: Estimate) -> Estimate:
    """Return an estimate without what subclasses say of it."""
    return Estimate(**{name: getattr(found, name) for name in Estimate.model_fields})


# Sensitivity to weights.

_OF_SANITY: Mapping[sanity.Outcome, Outcome] = MappingProxyType(
    {
        sanity.Outcome.CHANGE: Outcome.PASS,
        sanity.Outcome.SURVIVE: Outcome.FAIL,
        sanity.Outcome.UNDECIDED: Outcome.UNCLEAR,
    }
)
_DIFFERENT = "maps of different images"


def sensitivity(report: SanityReport) -> Criterion:
    """Judge whether maps depend on the weights.

    Args:
        report: What `sanity` says of them.
    """
    last, chance = report.stages[-1], report.chance
    return Criterion(
        outcome=_OF_SANITY[report.outcome],
        reason=" ".join([report.verdict, *report.remarks, *_until_the_last(report)]),
        score="spearman",
        estimate=last.spearman,
        chance=chance.spearman.mean,
        against=[_different_images(chance.spearman, decides=False)],
        further={
            "ssim": last.ssim,
            **{f"spearman, random up to {stage.name}": stage.spearman for stage in report.stages[:-1]},
        },
    )


def _until_the_last(report: SanityReport) -> Iterator[str]:
    """Say that maps depend on little of what the network learned, where they pass for the sake of the last stage."""
    *earlier, last = report.stages
    if report.outcome is sanity.Outcome.CHANGE and earlier and (earlier[-1].spearman.low or 0) >= LIMIT:
        yield (
            f"But they stay alike while all but the last stage ({last.name}) is random (correlation "
            f"{interval(earlier[-1].spearman)}): of all that was learned, they depend on the first layers alone."
        )


def _different_images(found: Estimate, *, decides: bool) -> Against:
    return Against(name=_DIFFERENT, score="spearman", estimate=found, difference=None, decides=decides)


# Repeatability and reproducibility.


@dataclass(frozen=True, slots=True)
class Pair:
    """The maps of two networks.

    Attributes:
        name: Which networks.
        same: Whether they have one architecture.
        found: How far their maps agree; else why that was not computed.
    """

    name: str
    same: bool
    found: Agreement | str


def agreement(pairs: Sequence[Pair], reason: str) -> Criterion:
    """Judge whether maps of several networks agree.

    Args:
        pairs: The networks.
        reason: Why there are none, if there are none.
    """
    known: dict[str, Agreement] = {}
    reasons = []
    for pair in pairs:
        if isinstance(pair.found, str):
            reasons.append(f"{pair.name}: {pair.found}")
        elif pair.found.maps.spearman.mean is None:
            reasons.append(f"{pair.name}: no image has a map of both")
        else:
            known[pair.name] = pair.found
    if not known:
        return not_computed("; ".join(reasons) or reason)
    lowest = min(known, key=lambda name: known[name].maps.spearman.mean or 0)
    maps, chance = known[lowest].maps, known[lowest].chance.spearman
    outcome, why = _alike(maps.spearman, chance)
    said = f"{lowest}: mean rank correlation {interval(maps.spearman)} (n = {maps.spearman.n}), {why}"
    if known[lowest].n_undefined:
        said += f"; pairs without two maps, which count nowhere: {known[lowest].n_undefined}"
    others = {f"spearman, {name}": found.maps.spearman for name, found in known.items() if name != lowest}
    return Criterion(
        outcome=outcome,
        reason="; ".join([said, *reasons]),
        score="spearman",
        estimate=maps.spearman,
        chance=chance.mean,
        against=[_different_images(chance, decides=True)],
        further={"ssim": maps.ssim, "iou": maps.iou, **others},
    )


def _alike(found: Estimate, chance: Estimate) -> tuple[Outcome, str]:
    different = f"that of different images {interval(chance)}"
    if found.low is None or found.high is None:
        return Outcome.UNCLEAR, "too few images for an interval"
    if found.high < LIMIT:
        return Outcome.FAIL, f"below {LIMIT}; {different}"
    if chance.low is None or chance.high is None:
        return Outcome.UNCLEAR, "too few different images of one class to compare with"
    if found.high <= chance.low:
        return Outcome.FAIL, f"not above {different}"
    if found.low >= LIMIT and found.low > chance.high:
        return Outcome.PASS, f"above {LIMIT} and above {different}"
    return Outcome.UNCLEAR, f"not clearly above both {LIMIT} and {different}"


# Intervention.


def intervention(report: InterventionReport) -> Criterion:
    """Judge whether maps look at lesions where the class depends on them.

    Args:
        report: What `intervene` says.
    """
    found = report.energy_with_excess
    said = f"rank correlation of energy on the lesion and excess {interval(found)} (n = {found.n})"
    if found.mean is None:
        return not_computed(f"no correlation of energy and excess: {found.n} images have both")
    if found.low is None or found.high is None:
        outcome, why = Outcome.UNCLEAR, "too few images for an interval"
    elif found.high < 0:
        outcome, why = Outcome.PASS, "maps look at lesions more where the class depends on them"
    elif found.low > 0:
        outcome, why = Outcome.FAIL, "maps look at lesions less where the class depends on them"
    else:
        outcome, why = Outcome.UNCLEAR, "the interval holds 0"
    cells = {f"fraction, {cell.name}": cell.fraction for cell in report.table.cells}
    return Criterion(
        outcome=outcome,
        reason=f"{said}: {why}",
        score="energy_with_excess",
        estimate=found,
        chance=0.0,
        against=[],
        further=cells,
    )


# What could not be computed is said in the same form.


def criterion_of(found: Measured | str, judge: Callable[[Measured], Criterion]) -> Criterion:
    """Judge what was measured, or say why nothing was."""
    return not_computed(found) if isinstance(found, str) else judge(found)
