"""The sixteen points that reviewers of heat map evaluations ask for, and what of them a run has met."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from btxrd_explain.core.choices import Rule
from btxrd_explain.core.sanity import Outcome
from btxrd_explain.evaluation.protocol import INDEPENDENT, rule_in_words
from btxrd_explain.evaluation.schema import ChecklistItem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from btxrd_explain.evaluation.evaluate import Evaluation
    from btxrd_explain.evaluation.extent import Extent
    from btxrd_explain.evaluation.human import HumanBenchmark
    from btxrd_explain.evaluation.parts import Statistics
    from btxrd_explain.evaluation.schema import Summary

Status = Literal["met", "not met", "not applicable"]

_SAPORTA = "Saporta et al., Nat Mach Intell 4:867 (2022)"
_CHOE = "Choe et al., CVPR (2020), arXiv:2001.07437"
_ARUN = "Arun et al., Radiol Artif Intell 3:e200267 (2021)"
_ADEBAYO = "Adebayo et al., NeurIPS (2018), arXiv:1810.03292"
_VENKATESH = "Venkatesh et al., J Imaging Inform Med 37:2490 (2024)"
_RELOADED = "Maier-Hein et al. (Metrics Reloaded), Nat Methods 21:195 (2024)"
_PITFALLS = "Reinke et al., Nat Methods 21:182 (2024)"
_CLAIM = "Tejani et al. (CLAIM 2024), Radiol Artif Intell 6:e240300 (2024)"
_VIVIANO = "Viviano et al., ICLR (2021), arXiv:1910.00199"
_DEGRAVE = "DeGrave et al., Nat Mach Intell 3:610 (2021)"
_ELSEWHERE = "the heat maps are imported; only who has their network can do it"
_CLUSTERS = "Field and Welsh, J R Stat Soc B 69:369 (2007)"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a run really did, as far as the checklist asks.

    Attributes:
        evaluation: What was measured, and how heat maps and annotations were compared.
        summary: The same in numbers.
        statistics: How intervals were made.
        extent: What is reported beyond the scores.
        limits: Limits that the report states.
        human: What human readers score; None without any.
    """

    evaluation: Evaluation
    summary: Summary
    statistics: Statistics
    extent: Extent
    limits: list[str]
    human: HumanBenchmark | None = None


def build_checklist(evidence: Evidence) -> list[ChecklistItem]:
    """Mark the sixteen points as met, not met or not applicable, by what the run did and not by what it could."""
    return [
        ChecklistItem(number=number, item=item, source=source, status=status, evidence=text)
        for number, (item, source, (status, text)) in enumerate(_points(evidence), start=1)
    ]


def _points(run: Evidence) -> Iterator[tuple[str, str, tuple[Status, str]]]:
    """Yield each point with who asks for it and what the run has to show."""
    yield "An overlap metric and a pointing metric are both reported", f"{_SAPORTA}; {_RELOADED}", _overlap(run)
    yield "Every mean has a 95 % interval, with n and the number of draws", f"{_SAPORTA}; {_CLAIM}", _intervals(run)
    yield "The threshold rule is stated, with operator and level", f"{_SAPORTA}; {_CHOE}", _rule(run)
    yield "The threshold does not come from the images that are scored", _CHOE, _origin(run)
    yield "A threshold-free score is given with its chance level", f"{_ARUN}; {_CHOE}", _threshold_free(run)
    yield "Baselines that know nothing of the classifier are scored alike", f"{_CHOE}; {_ARUN}", _baselines(run)
    yield "The ceiling that the grid's resolution sets is stated", f"{_CHOE}; {_PITFALLS}", _ceiling(run)
    yield (
        "The weights are randomised, and what that does to the map is reported",
        f"{_ADEBAYO}; {_ARUN}",
        _randomisation(run),
    )
    yield "Slices by class, outcome and lesion size are reported", f"{_SAPORTA}; {_PITFALLS}", _slices(run)
    yield "Subgroups such as centre, view or age are reported", _CLAIM, _subgroups(run)
    yield "Images that belong together are not counted as independent", f"{_CLUSTERS}; {_RELOADED}", _groups(run)
    yield "Exclusions and undefined scores are counted with their reasons", f"{_CLAIM}; {_PITFALLS}", _exclusions(run)
    yield "Network, method, layer, preprocessing and versions are recorded", _CLAIM, _provenance(run)
    yield "A human benchmark on the same images is given", f"{_SAPORTA}; {_VENKATESH}", _human(run)
    yield "Limits are stated", _CLAIM, ("met" if run.limits else "not met", f"{len(run.limits)} limits are stated")
    yield (
        "Whether the prediction depends on the lesion is tested apart from the maps",
        f"{_VIVIANO}; {_DEGRAVE}",
        _interventions(run),
    )


def _overlap(run: Evidence) -> tuple[Status, str]:
    metrics = run.summary.overall.metrics
    overlap, pointing = metrics["iou"], metrics["pointing_hit"]
    if not overlap.n:
        return "not met", "no image has an IoU"
    return "met", f"IoU on {overlap.n} images, pointing hits on {pointing.n}"


def _intervals(run: Evidence) -> tuple[Status, str]:
    made = run.statistics
    if run.summary.overall.metrics["iou"].low is None:
        return "not met", f"no interval from {run.summary.overall.units} independent units"
    return "met", f"percentile bootstrap over {made.units} {made.unit}, {made.resamples} draws, seed {made.seed}"


def _rule(run: Evidence) -> tuple[Status, str]:
    return "met", rule_in_words(run.evaluation.protocol.threshold)


def _origin(run: Evidence) -> tuple[Status, str]:
    if run.extent.tuning is not None:
        apart = (
            ""
            if run.extent.group_column is None
            else f", none of which shares its {run.extent.group_column} with a scored one"
        )
        return "met", f"tuned on {run.extent.tuning.images} other images ({run.extent.tuning.file}){apart}"
    if run.evaluation.protocol.threshold.rule is not Rule.FIXED:
        return "not applicable", "each map has its own threshold, which no annotation has a say in"
    return "met", "set before the run; the best threshold in hindsight is reported as optimistic only"


def _threshold_free(run: Evidence) -> tuple[Status, str]:
    metric = run.summary.overall.metrics["average_precision"]
    if metric.mean is None or metric.chance is None:
        return "not met", "no image has an average precision"
    return "met", f"average precision {metric.mean:.3f}, chance {metric.chance:.3f}"


def _baselines(run: Evidence) -> tuple[Status, str]:
    scored = run.summary.overall.metrics["iou"].baselines
    absent = [str(kind) for kind in INDEPENDENT if kind not in scored]
    if not absent:
        return "met", ", ".join(f"{name} IoU {scored[name].mean:.3f}" for name in INDEPENDENT)
    return "not met", f"not scored: {', '.join(absent)}"


def _ceiling(run: Evidence) -> tuple[Status, str]:
    ceiling = run.summary.overall.metrics["iou"].ceiling
    if ceiling is None or ceiling.mean is None:
        return "not met", "no image has a ceiling"
    return "met", f"mean IoU of the ideal map {ceiling.mean:.3f}"


def _randomisation(run: Evidence) -> tuple[Status, str]:
    if run.evaluation.selected.table.provenance.imported is not None:
        return "not met", _ELSEWHERE
    if run.extent.sanity is None:
        return "not met", "no sanity_report.json of the same table is next to the report; run 'btxrd-explain sanity'"
    decided = run.extent.sanity.outcome is not Outcome.UNDECIDED
    return "met" if decided else "not met", f"the randomisation was run: {run.extent.sanity.text}"


def _interventions(run: Evidence) -> tuple[Status, str]:
    if run.evaluation.selected.table.provenance.imported is not None:
        return "not met", _ELSEWHERE
    if run.extent.interventions is None:
        return "not met", (
            "no intervention_report.json of the same checkpoint is in the folder of the report; run 'btxrd-explain "
            "intervene'"
        )
    return "met", f"radiographs were changed: {run.extent.interventions}"


def _slices(run: Evidence) -> tuple[Status, str]:
    parts = {
        "class": run.summary.by_class,
        "outcome": run.summary.by_outcome,
        "lesion size": run.summary.by_lesion_size,
    }
    absent = [name for name, part in parts.items() if not part]
    if absent:
        return "not met", f"nothing to slice by {', '.join(absent)}"
    return "met", ", ".join(f"{len(part)} by {name}" for name, part in parts.items())


def _subgroups(run: Evidence) -> tuple[Status, str]:
    counts = {name: len(parts) for name, parts in run.summary.by_metadata.items()}
    if not counts:
        return "not met", "no column of the metadata was named (--by)"
    found = ", ".join(f"{count} by {name}" for name, count in counts.items())
    return "met" if max(counts.values()) > 1 else "not met", found


def _groups(run: Evidence) -> tuple[Status, str]:
    if run.extent.group_column is None:
        return "not met", "intervals draw images; several views of one patient are not told apart (--group-column)"
    images, units = run.summary.overall.n, run.statistics.units
    if units == images:
        return "not met", f"no two of the {images} images share a value of '{run.extent.group_column}'"
    return "met", f"intervals draw whole groups of '{run.extent.group_column}', {units} of them among {images} images"


def _exclusions(run: Evidence) -> tuple[Status, str]:
    excluded = sum(run.summary.excluded.values())
    apart = run.summary.num_attention_patterns
    without = f"; besides, {apart} of a class without a lesion have nothing to score" if apart else ""
    said = f"{excluded} excluded, {run.summary.overall.n_undefined} undefined; each is named with its reason{without}"
    return "met", said


def _provenance(run: Evidence) -> tuple[Status, str]:
    made = run.evaluation.selected.table.provenance
    if made.imported is not None:
        mark = f"SHA-256 {made.checkpoint_sha256[:8]}, fingerprint {made.fingerprint}"
        return "not met", f"{made.maps} ({mark}); what computed them is not known here: state it in the paper"
    return "met", (
        f"{made.architecture}, checkpoint {made.checkpoint} (SHA-256 {made.checkpoint_sha256[:8]}), {made.maps}, "
        f"fingerprint {made.fingerprint}"
    )


def _human(run: Evidence) -> tuple[Status, str]:
    if run.human is None:
        return "not met", "each image has one annotation; name those of other readers with --reader NAME=PATH"
    found = run.human.all_readers.scores["iou"]
    if found.reader.mean is None or found.heat_map.mean is None:
        return "not met", f"no image of the {len(run.human.readers)} readers can be compared"
    fraction = "" if found.fraction.mean is None else f", {found.fraction.mean:.2f} of it"
    return "met", (
        f"{len(run.human.readers)} readers: mean IoU {found.reader.mean:.3f}, heat maps {found.heat_map.mean:.3f}"
        f"{fraction}, on the same {found.reader.n} images"
    )
